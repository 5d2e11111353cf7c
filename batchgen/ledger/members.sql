-- name: members_stored
-- All images that the ledger has in the archive, in the order of their places.
SELECT images.name, images.place, images.size_bytes, images.crc32, images.sha256,
       attempts.attempt_id, images.image,
       coalesce(plan.id, plan.position) AS row_name,
       plan.estimate / rows.n AS estimate
  FROM images JOIN attempts USING (attempt_id) JOIN rows USING (row_id)
    LEFT JOIN plan ON plan.generation = :generation AND plan.position =
      (SELECT min(position) FROM plan AS any_plan
       WHERE any_plan.generation = :generation
         AND (any_plan.row_id = rows.row_id OR any_plan.shares = rows.row_id))
  WHERE images.name IS NOT NULL AND images.place IS NOT NULL
  ORDER BY images.place;
-- name: members_count
SELECT count(*), coalesce(sum(size_bytes), 0) FROM images
  WHERE name IS NOT NULL AND place IS NOT NULL;

-- name: kept_drop
DROP TABLE IF EXISTS temp.kept_members;
-- name: kept_create
CREATE TEMP TABLE IF NOT EXISTS kept_members (
  number     INTEGER PRIMARY KEY,
  attempt_id INTEGER NOT NULL,
  image      INTEGER NOT NULL,
  name       TEXT    NOT NULL,
  place      INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  crc32      INTEGER NOT NULL,
  UNIQUE (attempt_id, image)
);
-- name: kept_fill
-- Of an image that was bought twice, only the first stays, as in the directory. A row that left
-- the manifest keeps its images while it has an open attempt, or the user must decide on it.
INSERT INTO kept_members (attempt_id, image, name, place, size_bytes, crc32)
  SELECT attempt_id, image, name, place, size_bytes, crc32
  FROM images JOIN attempts USING (attempt_id) JOIN rows USING (row_id)
  WHERE images.name IS NOT NULL AND images.place IS NOT NULL
    AND (NOT :is_whole OR rows.status = 'held'
         OR EXISTS (SELECT 1 FROM plan WHERE plan.row_id = rows.row_id
                      AND plan.generation = :generation)
         OR EXISTS (SELECT 1 FROM plan WHERE plan.shares = rows.row_id
                      AND plan.generation = :generation)
         OR EXISTS (SELECT 1 FROM attempts AS open_attempts
                    WHERE open_attempts.row_id = rows.row_id
                      AND open_attempts.state IN ('sent', 'accepted', 'delivered', 'overdue')))
    AND NOT EXISTS (SELECT 1 FROM attempts AS earlier JOIN images AS first
                      ON first.attempt_id = earlier.attempt_id
                    WHERE earlier.row_id = attempts.row_id AND first.image = images.image
                      AND first.name IS NOT NULL AND earlier.attempt_id < attempts.attempt_id)
  ORDER BY place;
-- name: kept_members
SELECT number, attempt_id, image, name, place, size_bytes, crc32 FROM temp.kept_members
  ORDER BY number;
-- name: image_moved
UPDATE images SET place = ? WHERE attempt_id = ? AND image = ?;
-- name: images_dropped
SELECT count(*),
       count(*) FILTER (WHERE name IS NOT NULL AND NOT EXISTS
         (SELECT 1 FROM temp.kept_members JOIN attempts AS kept USING (attempt_id)
          WHERE kept.row_id = attempts.row_id AND kept_members.image = images.image))
  FROM images JOIN attempts USING (attempt_id)
  WHERE place IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM temp.kept_members
                    WHERE kept_members.attempt_id = images.attempt_id
                      AND kept_members.image = images.image);
-- name: images_drop
-- Cost and facts of the image stay in the ledger; its bytes are gone.
UPDATE images SET name = NULL, link = NULL, place = NULL
  WHERE place IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM temp.kept_members
                    WHERE kept_members.attempt_id = images.attempt_id
                      AND kept_members.image = images.image);
-- name: rows_without_images
-- If such a row comes back to the manifest, it must be bought again, which needs consent.
UPDATE rows SET status = 'pending', error = NULL, message = NULL
  WHERE status = 'succeeded'
    AND n > (SELECT count(DISTINCT images.image) FROM attempts JOIN images USING (attempt_id)
             WHERE attempts.row_id = rows.row_id AND images.name IS NOT NULL);
