-- name: picked_names
SELECT coalesce(id, CAST(position AS TEXT)) AS name, coalesce(shares, row_id) AS row_id
  FROM plan WHERE generation = ? ORDER BY position;
-- name: picked_again
UPDATE rows SET status = 'pending', error = NULL, message = NULL,
    tries_from = coalesce((SELECT max(attempt_id) FROM attempts
                           WHERE attempts.row_id = rows.row_id), 0)
  WHERE row_id = ?;
-- name: picked_reject
-- An image without a name is missing: the ZIP does not list it, and the row lacks it. What
-- was paid for it, and where its bytes lie, stays.
UPDATE images SET name = NULL, link = NULL
  WHERE attempt_id IN (SELECT attempt_id FROM attempts WHERE row_id = :row_id)
    AND name IS NOT NULL AND (:image IS NULL OR image = :image);
