-- name: rebuild_index_base_names
CREATE INDEX IF NOT EXISTS rebuild_by_stem ON rows (stem);
-- name: rebuild_index_keys
CREATE INDEX IF NOT EXISTS rebuild_by_key ON rows (key);
-- name: rebuild_index_plan
CREATE INDEX IF NOT EXISTS rebuild_plan_by_key ON plan (key) WHERE key IS NOT NULL;
-- name: rebuild_drop_base_names
DROP INDEX IF EXISTS rebuild_by_stem;
-- name: rebuild_drop_keys
DROP INDEX IF EXISTS rebuild_by_key;
-- name: rebuild_drop_plan
DROP INDEX IF EXISTS rebuild_plan_by_key;

-- name: rebuild_row_by_identity
SELECT row_id FROM rows WHERE key = ? AND fingerprint = ?;
-- name: rebuild_invalid_row
-- A row that cannot run today, but could when it was bought.
SELECT position, id, request FROM plan
  WHERE generation = :generation AND key = :key AND fingerprint = :fingerprint
    AND row_id IS NULL AND request IS NOT NULL;
-- name: rebuild_rows_by_base_name
SELECT row_id, n FROM rows WHERE stem = ? ORDER BY row_id;
-- name: rebuild_row_at
SELECT plan.row_id, plan.id, rows.request FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = ? AND plan.position = ?;
-- name: rebuild_any_planned
SELECT 1 FROM attempts JOIN plan USING (row_id) WHERE plan.generation = ? LIMIT 1;
-- name: rebuild_row_by_key
SELECT rows.row_id, rows.request FROM rows JOIN plan USING (row_id)
  WHERE rows.key = ? AND plan.generation = ?;
-- name: rebuild_place_row
-- The result table is older than the loss of the ledger; `run` sees later edits itself.
UPDATE plan SET row_id = :row_id, request = NULL, key = NULL, fingerprint = NULL,
    problem = NULL, at_column = NULL, shares = NULL,
    id = (SELECT id FROM rows WHERE rows.row_id = :row_id)
  WHERE generation = :generation AND position = :position
    AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.row_id = plan.row_id);
-- name: rebuild_enlarge_row
UPDATE rows SET n = max(n, ?) WHERE row_id = ?;
-- name: rebuild_restore_fingerprint
UPDATE rows SET fingerprint = ? WHERE row_id = ? AND status = 'succeeded';

-- name: rebuild_put_attempt
INSERT OR REPLACE INTO attempts
    (attempt_id, row_id, first_image, images, state, provider, model, base_url, aspect_ratio,
     resolution, expected, floor, ceiling, task_id, request_id, charge, cost, uncertain, again,
     counts, excused, error, message, warning, sent_at, accepted_at, ended_at, latency_s)
  VALUES
    (:attempt_id, :row_id, :first_image, :images, :state, :provider, :model, :base_url,
     :aspect_ratio, :resolution, :expected, :floor, :ceiling, :task_id, :request_id, :charge,
     :cost, :uncertain, :again, :counts, :excused, :error, :message, :warning, :sent_at,
     :accepted_at, :ended_at, :latency_s);
-- name: rebuild_images_missing
-- Purchases of which the archive should have more images than it has.
SELECT attempts.* FROM attempts
  WHERE state = 'stored'
    AND images > (SELECT count(*) FROM images WHERE images.attempt_id = attempts.attempt_id)
  ORDER BY attempt_id;
-- name: rebuild_images_of
SELECT image FROM images WHERE attempt_id = ?;
-- name: rebuild_add_missing_image
INSERT OR IGNORE INTO images (attempt_id, image, sha256) VALUES (?, ?, ?);
-- name: rebuild_images_present
-- Purchases that have images, but are not marked as stored.
SELECT attempts.* FROM attempts
  WHERE state <> 'stored' AND EXISTS
    (SELECT 1 FROM images WHERE images.attempt_id = attempts.attempt_id AND name IS NOT NULL)
  ORDER BY attempt_id;
-- name: rebuild_settle_whole
UPDATE rows SET status = 'succeeded', error = NULL, message = NULL
  WHERE EXISTS (SELECT 1 FROM attempts WHERE attempts.row_id = rows.row_id)
    AND n <= (SELECT count(DISTINCT image) FROM attempts JOIN images USING (attempt_id)
              WHERE attempts.row_id = rows.row_id AND name IS NOT NULL);
-- name: rebuild_settle
UPDATE rows SET status = ?, error = ?, message = ?
  WHERE row_id = ? AND status = 'pending'
    AND coalesce((SELECT max(attempt_id) FROM attempts
                  WHERE attempts.row_id = rows.row_id), 0) <= ?;
