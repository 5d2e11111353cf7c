-- Rows whose requests use the images of other rows, by their positions: a row waits for its
-- parents, and an edit may put another version of a parent in its place.
CREATE TABLE parents (
  generation INTEGER NOT NULL,
  position   INTEGER NOT NULL,
  parent     INTEGER NOT NULL,
  PRIMARY KEY (generation, position, parent)
) STRICT, WITHOUT ROWID;

CREATE INDEX parents_by_parent ON parents (generation, parent);

-- Rows that wait: the image of a parent is not there (yet).
CREATE VIEW waiting_rows AS
  SELECT parents.generation, parents.position FROM parents
    LEFT JOIN plan ON plan.generation = parents.generation
                   AND plan.position = parents.parent AND plan.problem IS NULL
    LEFT JOIN rows ON rows.row_id = coalesce(plan.shares, plan.row_id)
  WHERE rows.status IS NOT 'succeeded';
