-- name: selection_names
SELECT coalesce(id, CAST(position AS TEXT)) AS name, coalesce(shares, row_id) AS row_id
  FROM plan WHERE generation = ? ORDER BY position;
-- name: selection_again
UPDATE rows SET status = 'pending', error = NULL, message = NULL,
    tries_from = coalesce((SELECT max(attempt_id) FROM attempts
                           WHERE attempts.row_id = rows.row_id), 0)
  WHERE row_id = ?;
-- name: selection_children
-- Rows with images that were made from images which are to be bought again.
WITH RECURSIVE stale (position) AS (
  SELECT position FROM waiting_rows WHERE generation = :generation
  UNION
  SELECT parents.position FROM parents JOIN stale ON parents.parent = stale.position
    WHERE parents.generation = :generation)
SELECT plan.row_id FROM stale
  JOIN plan ON plan.generation = :generation AND plan.position = stale.position
  JOIN rows ON rows.row_id = plan.row_id
  WHERE rows.status = 'succeeded' ORDER BY plan.position;
-- name: selection_reject
-- An image without a name is missing: the ZIP does not list it, and the row lacks it. Its
-- cost, and the place of its bytes, stay in the ledger.
UPDATE images SET name = NULL, link = NULL
  WHERE attempt_id IN (SELECT attempt_id FROM attempts WHERE row_id = :row_id)
    AND name IS NOT NULL AND (:image IS NULL OR image = :image);
-- name: rows_ended
-- Positions of rows that have ended, from a position on.
SELECT plan.position
  FROM plan LEFT JOIN rows ON rows.row_id = coalesce(plan.shares, plan.row_id)
  WHERE plan.generation = ? AND plan.position >= ?
    AND (plan.problem IS NOT NULL OR rows.status <> 'pending')
  ORDER BY plan.position;
-- name: row_position
SELECT position FROM plan
  WHERE generation = ? AND coalesce(id, CAST(position AS TEXT)) = ?
  ORDER BY problem IS NOT NULL, position LIMIT 1;
-- name: image_place
SELECT place FROM images WHERE name = ? AND place IS NOT NULL LIMIT 1;
