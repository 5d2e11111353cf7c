-- name: edits_begin_removed_rows
-- `removed_rows`: paid rows that the new reading (:generation) does not have. `added_rows`: rows
-- that only the new reading has. :adopted is the reading in use.
CREATE TEMP TABLE IF NOT EXISTS removed_rows (
  row_id INTEGER PRIMARY KEY, key INTEGER, fingerprint BLOB, position INTEGER, stem TEXT);
-- name: edits_begin_added_rows
CREATE TEMP TABLE IF NOT EXISTS added_rows (
  position INTEGER PRIMARY KEY, row_id INTEGER, key INTEGER, fingerprint BLOB,
  can_run INTEGER, rebuy INTEGER);
-- name: edits_begin_remaining_rows
CREATE TEMP TABLE IF NOT EXISTS remaining_rows (key INTEGER PRIMARY KEY, row_id INTEGER);
-- name: edits_begin_pairs
CREATE TEMP TABLE IF NOT EXISTS pairs (position INTEGER PRIMARY KEY, row_id INTEGER UNIQUE);
-- name: edits_end_pairs
DROP TABLE IF EXISTS temp.pairs;
-- name: edits_end_removed_rows
DROP TABLE IF EXISTS temp.removed_rows;
-- name: edits_end_added_rows
DROP TABLE IF EXISTS temp.added_rows;
-- name: edits_end_remaining_rows
DROP TABLE IF EXISTS temp.remaining_rows;

-- name: edits_kept
-- Rows that kept their images from before an edit still keep them, unless another row has them.
UPDATE plan SET row_id = old.row_id, kept_for = old.kept_for, former = NULL, rebuy = 0,
    shares = NULL,
    provider = old.provider, route = old.route, model = old.model,
    resolution = old.resolution, estimate = old.estimate, warning = old.warning
  FROM plan AS old
  WHERE plan.generation = :generation AND old.generation = :adopted
    AND old.kept_for = plan.row_id AND plan.problem IS NULL
    AND NOT EXISTS (SELECT 1 FROM plan AS other
                    WHERE other.generation = :generation AND other.row_id = old.row_id);
-- name: edits_kept_before
-- The same rows, if all changed rows are to be bought.
UPDATE plan SET rebuy = 1, former = old.row_id FROM plan AS old
  WHERE plan.generation = :generation AND old.generation = :adopted
    AND old.kept_for = plan.row_id;
-- name: edits_changed_before
-- A changed row that was not bought since then is still a changed row.
UPDATE plan SET rebuy = 1, former = old.former FROM plan AS old
  WHERE plan.generation = :generation AND old.generation = :adopted
    AND old.row_id = plan.row_id AND old.former IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM plan AS other
                    WHERE other.generation = :generation AND other.row_id = old.former);

-- name: edits_added_rows
-- Rows that are in this reading for the first time, and were never bought.
INSERT INTO added_rows
  SELECT plan.position, plan.row_id, coalesce(rows.key, plan.key),
         coalesce(rows.fingerprint, plan.fingerprint), plan.problem IS NULL, plan.rebuy
  FROM plan LEFT JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.kept_for IS NULL
    -- The later row of a repeated id has no key, so it cannot take anything over.
    AND coalesce(rows.key, plan.key) IS NOT NULL
    AND coalesce(rows.fingerprint, plan.fingerprint) IS NOT NULL
    AND (plan.row_id IS NULL
         OR NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.row_id = plan.row_id)
            AND NOT EXISTS (SELECT 1 FROM plan AS old
                            WHERE old.row_id = plan.row_id AND old.generation = :adopted)
            AND NOT EXISTS (SELECT 1 FROM plan AS old
                            WHERE old.kept_for = plan.row_id AND old.generation = :adopted));
-- name: edits_any_added_rows
SELECT 1 FROM added_rows LIMIT 1;
-- name: edits_removed_rows
-- Rows that were paid for, and are not in this reading.
INSERT INTO removed_rows
  SELECT rows.row_id, rows.key, rows.fingerprint, old.position, rows.stem
  FROM rows LEFT JOIN plan AS old ON old.row_id = rows.row_id AND old.generation = :adopted
  WHERE EXISTS (SELECT 1 FROM paid_rows WHERE paid_rows.row_id = rows.row_id)
    AND NOT EXISTS (SELECT 1 FROM plan
                    WHERE plan.row_id = rows.row_id AND plan.generation = :generation);
-- name: edits_index_removed_rows
CREATE INDEX IF NOT EXISTS temp.removed_rows_by_fingerprint ON removed_rows (fingerprint);
-- name: edits_index_removed_rows_keys
CREATE INDEX IF NOT EXISTS temp.removed_rows_by_key ON removed_rows (key);
-- name: edits_index_removed_rows_places
CREATE INDEX IF NOT EXISTS temp.removed_rows_by_position ON removed_rows (position);
-- name: edits_remaining_rows
-- The keys of rows in `removed_rows` of which this reading has another version.
INSERT OR IGNORE INTO remaining_rows
  SELECT coalesce(rows.key, plan.key), plan.row_id FROM plan LEFT JOIN rows USING (row_id)
  WHERE plan.generation = :generation
    AND coalesce(rows.key, plan.key) IN (SELECT key FROM removed_rows);

-- name: edits_same_new
SELECT fingerprint, position FROM added_rows
  WHERE fingerprint IN (SELECT fingerprint FROM removed_rows) ORDER BY fingerprint, position;
-- name: edits_same_old
SELECT fingerprint, row_id, position FROM removed_rows
  WHERE fingerprint IN (SELECT fingerprint FROM added_rows)
  ORDER BY fingerprint, position IS NULL, position, row_id DESC;
-- name: edits_pair
INSERT INTO pairs (position, row_id) VALUES (?, ?);
-- name: edits_share_taken
UPDATE plan SET shares = pairs.row_id
  FROM added_rows JOIN pairs ON pairs.position = added_rows.position
  WHERE plan.generation = :generation AND plan.shares = added_rows.row_id;
-- name: edits_take
UPDATE plan SET took = coalesce(plan.row_id, 0), row_id = pairs.row_id, shares = NULL,
    former = NULL,
    rebuy = rows.status = 'pending'
            AND EXISTS (SELECT 1 FROM removed_images
                        WHERE removed_images.row_id = pairs.row_id),
    problem = CASE WHEN rows.status <> 'succeeded' THEN problem END
  FROM pairs JOIN rows ON rows.row_id = pairs.row_id
  WHERE plan.generation = :generation AND plan.position = pairs.position;
-- name: edits_drop_removed_rows
DELETE FROM removed_rows WHERE row_id IN (SELECT row_id FROM pairs);
-- name: edits_drop_added_rows
DELETE FROM added_rows WHERE position IN (SELECT position FROM pairs);

-- name: edits_changed
-- The version of a row before its own cells were edited: the last one that has images.
UPDATE plan SET former = (SELECT removed_rows.row_id FROM removed_rows JOIN rows USING (key)
                          WHERE rows.row_id = plan.row_id
                          ORDER BY EXISTS (SELECT 1 FROM removed_images
                                           WHERE removed_images.row_id = removed_rows.row_id),
                                   removed_rows.row_id DESC LIMIT 1)
  WHERE generation = :generation AND rebuy AND former IS NULL
    AND NOT EXISTS (SELECT 1 FROM removed_images
                    WHERE removed_images.row_id = plan.row_id);
-- name: edits_returned
-- A former key that comes back with another request.
UPDATE plan SET rebuy = 1, former = back.row_id
  FROM (SELECT added_rows.position, max(removed_rows.row_id) AS row_id
        FROM added_rows JOIN former_keys USING (key) JOIN removed_rows ON removed_rows.row_id = former_keys.row_id
        WHERE added_rows.can_run AND NOT added_rows.rebuy GROUP BY 1) AS back
  WHERE plan.generation = :generation AND plan.position = back.position;
-- name: edits_has_ids
SELECT 1 FROM plan WHERE generation = ? AND id IS NOT NULL LIMIT 1;
-- name: edits_in_place
-- Without ids: a new row at the position of a row in `removed_rows` is that row, changed.
UPDATE plan SET rebuy = 1, former = removed_rows.row_id FROM added_rows JOIN removed_rows USING (position)
  WHERE plan.generation = :generation AND plan.position = added_rows.position
    AND added_rows.can_run AND NOT plan.rebuy
    AND removed_rows.row_id NOT IN (SELECT former FROM plan
                            WHERE generation = :generation AND former IS NOT NULL);
-- name: edits_kept_keys
-- Counts the paid rows of the reading in use, and those of them that keep their key.
SELECT count(*) AS paid,
       coalesce(sum(NOT EXISTS (SELECT 1 FROM removed_rows WHERE removed_rows.row_id = old.row_id)
                      AND took IS NULL
                    OR EXISTS (SELECT 1 FROM rows JOIN remaining_rows USING (key)
                               WHERE rows.row_id = old.row_id)), 0) AS kept
  FROM (SELECT plan.row_id, now.took FROM plan
          LEFT JOIN plan AS now ON now.row_id = plan.row_id AND now.generation = :generation
        WHERE plan.generation = :adopted
          AND EXISTS (SELECT 1 FROM paid_rows WHERE paid_rows.row_id = plan.row_id)) AS old;
-- name: edits_left_removed_rows
SELECT row_id, position FROM removed_rows
  WHERE position IS NOT NULL AND key NOT IN (SELECT key FROM remaining_rows)
    AND row_id NOT IN (SELECT former FROM plan
                       WHERE generation = :generation AND former IS NOT NULL)
  ORDER BY position;
-- name: edits_left_added_rows
SELECT added_rows.position FROM added_rows JOIN plan USING (position)
  WHERE plan.generation = ? AND added_rows.can_run AND NOT plan.rebuy ORDER BY added_rows.position;
-- name: edits_replace
UPDATE plan SET rebuy = 1, former = ? WHERE generation = ? AND position = ?;

-- name: edits_remember_keys
INSERT OR IGNORE INTO former_keys
  SELECT rows.key, rows.row_id FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.took IS NOT NULL;
-- name: edits_take_keys
UPDATE rows SET key = coalesce(new.key, plan.key), id = plan.id,
                budget_group = CASE WHEN new.row_id IS NULL THEN rows.budget_group
                                    ELSE new.budget_group END
  FROM plan LEFT JOIN rows AS new ON new.row_id = plan.took
  WHERE plan.generation = :generation AND plan.took IS NOT NULL
    AND rows.row_id = plan.row_id;
-- name: edits_drop_new
DELETE FROM rows WHERE row_id IN (SELECT took FROM plan
                                  WHERE generation = :generation AND took > 0);
-- name: edits_taken_over
SELECT count(*) FROM plan WHERE generation = :generation AND position < :end
  AND took IS NOT NULL;

-- name: edits_keep
-- Rows that have images, or may still get some, stay as they were before the edit.
UPDATE plan SET kept_for = plan.row_id, row_id = plan.former, former = NULL, rebuy = 0,
    shares = NULL, warning = :warning,
    provider = coalesce(old.provider, plan.provider), route = old.route,
    model = coalesce(old.model, plan.model),
    resolution = coalesce(old.resolution, plan.resolution),
    estimate = coalesce(old.estimate, plan.estimate)
  FROM (SELECT former, min(position) AS position FROM plan
        WHERE generation = :generation AND position < :end AND rebuy
          AND former IS NOT NULL GROUP BY former) AS first
    JOIN rows ON rows.row_id = first.former
    LEFT JOIN plan AS old ON old.row_id = rows.row_id AND old.generation = :adopted
  WHERE plan.generation = :generation AND plan.position = first.position
    AND NOT EXISTS (SELECT 1 FROM removed_images
                    WHERE removed_images.row_id = plan.former)
    AND EXISTS (SELECT 1 FROM attempts WHERE attempts.row_id = plan.former
                  AND state IN ('sent', 'accepted', 'overdue', 'delivered', 'stored'))
    AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.row_id = plan.row_id
                      AND state NOT IN ('rejected', 'failed'))
    AND NOT EXISTS (SELECT 1 FROM plan AS other
                    WHERE other.generation = :generation AND other.row_id = plan.former);
-- name: edits_keep_nothing
-- A paid row without an image has nothing to keep.
UPDATE plan SET rebuy = 0
  WHERE generation = :generation AND position < :end AND rebuy
    AND NOT EXISTS (SELECT 1 FROM removed_images
                    WHERE removed_images.row_id IN (plan.row_id, plan.former));
-- name: edits_any_kept
SELECT 1 FROM plan WHERE generation = ? AND kept_for IS NOT NULL LIMIT 1;
-- name: edits_kept_count
SELECT count(*) AS rows, coalesce(sum(estimate), 0) AS estimate,
       coalesce(sum(estimate IS NULL), 0) AS unpriced
  FROM plan WHERE generation = :generation AND position < :end AND kept_for IS NOT NULL;

-- name: names_repeated
-- Rows of a reading that have the same name in the archive: versions of one row that became
-- separate rows. The first row of each name keeps the name: preferably one that has images
-- with that name, and of these one that is in the reading in use.
WITH used AS MATERIALIZED (
  SELECT DISTINCT rows.row_id, rows.stem
    FROM plan JOIN rows ON rows.row_id = coalesce(plan.shares, plan.row_id)
    WHERE plan.generation = :generation)
SELECT rows.row_id, rows.stem, rows.n FROM used JOIN rows USING (row_id)
  WHERE used.stem IN (SELECT stem FROM used GROUP BY stem HAVING count(*) > 1)
  ORDER BY used.stem, NOT EXISTS (SELECT 1 FROM attempts JOIN images USING (attempt_id)
                                  WHERE attempts.row_id = rows.row_id
                                    AND images.name IS NOT NULL),
    NOT EXISTS (SELECT 1 FROM plan WHERE plan.row_id = rows.row_id
                  AND plan.generation = :adopted), rows.row_id;
-- name: row_rename
UPDATE rows SET stem = ? WHERE row_id = ?;
-- name: row_members
SELECT images.attempt_id, images.image, attempts.images, images.name, images.place
  FROM attempts JOIN images USING (attempt_id)
  WHERE attempts.row_id = ? AND images.name IS NOT NULL
  ORDER BY images.attempt_id, images.image;
-- name: image_rename
UPDATE images SET name = ?, place = ? WHERE attempt_id = ? AND image = ?;
