-- name: meta_get
SELECT value FROM meta WHERE name = ?;
-- name: meta_set
INSERT INTO meta (name, value) VALUES (?, ?)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value;
-- name: meta_under
SELECT name, value FROM meta WHERE substr(name, 1, length(:under)) = :under ORDER BY name;

-- name: outputs_stale
UPDATE meta SET value = 'stale' WHERE name = 'outputs' AND value <> 'stale';

-- name: plan_last_generation
SELECT coalesce(max(generation), 0) FROM plan;
-- name: plan_drop_others
DELETE FROM plan WHERE generation <> ?;
-- name: columns_drop_others
DELETE FROM own_columns WHERE generation <> ?;
-- name: parents_drop_others
DELETE FROM parents WHERE generation <> ?;
-- name: parents_add
INSERT OR IGNORE INTO parents (generation, position, parent) VALUES (?, ?, ?);
-- name: children_ready
-- Rows that need wait no longer, since this one has its images.
SELECT child.row_id, child.position, child.provider
  FROM plan AS done
    JOIN parents ON parents.generation = done.generation AND parents.parent = done.position
    JOIN plan AS child ON child.generation = parents.generation
                      AND child.position = parents.position
    JOIN rows ON rows.row_id = child.row_id
  WHERE done.generation = :generation AND (done.row_id = :row_id OR done.shares = :row_id)
    AND child.problem IS NULL AND child.shares IS NULL AND rows.status = 'pending'
    AND NOT EXISTS (SELECT 1 FROM waiting_rows
                    WHERE waiting_rows.generation = child.generation
                      AND waiting_rows.position = child.position)
  ORDER BY child.position;
-- name: parent_image
-- The first image of a parent: the one that is named, which may have another id meanwhile.
SELECT images.name, images.place, images.sha256
  FROM parents
    JOIN plan ON plan.generation = parents.generation AND plan.position = parents.parent
    JOIN rows ON rows.row_id = coalesce(plan.shares, plan.row_id)
    JOIN attempts ON attempts.row_id = rows.row_id
    JOIN images ON images.attempt_id = attempts.attempt_id AND images.name IS NOT NULL
  WHERE parents.generation = :generation AND parents.position = :position
  ORDER BY plan.id IS :id DESC, rows.fingerprint IS :fingerprint DESC,
           images.image, images.attempt_id DESC
  LIMIT 1;
-- name: plan_add
INSERT INTO plan (generation, position, line, row_id, id, request, provider, route, shares, model,
                  resolution, estimate, rebuy, at_column, problem, warning, key, fingerprint)
  VALUES (:generation, :position, :line, :row_id, :id, :request, :provider, :route, :shares, :model,
          :resolution, :estimate, :rebuy, :at_column, :problem, :warning, :key, :fingerprint);
-- name: plan_identities
-- The id of a row that has one, else its fingerprint, if the row is in `rows`.
SELECT plan.id, CASE WHEN plan.id IS NULL THEN rows.fingerprint END
  FROM plan LEFT JOIN rows USING (row_id) WHERE plan.generation = ? ORDER BY plan.position;
-- name: plan_unplaced
SELECT position FROM plan
  WHERE generation = ? AND row_id IS NULL AND id IS NULL ORDER BY position;
-- name: columns_first_from
SELECT min(first) FROM own_columns WHERE generation = ? AND first >= ?;
-- name: plan_last_tried
SELECT coalesce(max(position), -1) FROM plan
  WHERE generation = ? AND row_id IN (SELECT row_id FROM attempts);
-- name: columns_add
INSERT INTO own_columns (generation, first, ipc) VALUES (?, ?, ?);
-- name: rows_last
SELECT coalesce(max(row_id), 0) FROM rows;
-- name: row_versions
SELECT key, fingerprint, row_id FROM rows;
-- name: rows_named
SELECT key, stem, n FROM rows ORDER BY row_id;
-- name: row_states
SELECT row_id, status, budget_group,
       EXISTS (SELECT 1 FROM attempts WHERE attempts.row_id = rows.row_id) AS is_tried,
       EXISTS (SELECT 1 FROM attempts WHERE attempts.row_id = rows.row_id
                 AND state NOT IN ('rejected', 'failed')) AS is_bought,
       EXISTS (SELECT 1 FROM paid_rows WHERE paid_rows.row_id = rows.row_id) AS is_paid,
       -- Its images were removed from the archive, and `retry` did not request others.
       status = 'pending' AND EXISTS (SELECT 1 FROM removed_images
                                      WHERE removed_images.row_id = rows.row_id) AS is_removed
  FROM rows WHERE row_id IN (SELECT value FROM json_each(?));
-- name: row_add
INSERT INTO rows (row_id, key, fingerprint, id, stem, request, n, budget_group)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?);
-- name: rows_by_fingerprint
CREATE INDEX IF NOT EXISTS rows_by_fingerprint ON rows (fingerprint);
-- name: rows_by_key
CREATE INDEX IF NOT EXISTS rows_by_key ON rows (key);
-- name: row_to_share
SELECT rows.row_id FROM rows LEFT JOIN plan
    ON plan.row_id = rows.row_id AND plan.generation = :generation
  WHERE rows.fingerprint = :fingerprint AND rows.row_id <> :row_id
    AND CASE WHEN plan.row_id IS NOT NULL
             THEN plan.shares IS NULL AND plan.problem IS NULL
                  -- A row for a single provider gets no images of another provider.
                  AND (plan.provider IS :provider AND (plan.route IS NULL OR :route IS NOT NULL)
                       OR plan.route IS NOT NULL AND :route IS NOT NULL
                       OR rows.status = 'succeeded'
                          AND EXISTS (SELECT 1 FROM attempts
                                      WHERE attempts.row_id = rows.row_id
                                        AND attempts.state = 'stored'
                                        AND attempts.provider = :provider))
             ELSE rows.status = 'succeeded'
                  AND EXISTS (SELECT 1 FROM attempts
                              WHERE attempts.row_id = rows.row_id AND attempts.state = 'stored'
                                AND (attempts.provider = :provider OR :route IS NOT NULL)) END
  ORDER BY rows.status = 'succeeded' DESC, rows.row_id LIMIT 1;
-- name: shares_without_source
-- Rows outside of the plan that cannot share their images with rows of the plan: they will not
-- be bought, or a row of the plan has their name.
SELECT DISTINCT plan.shares FROM plan JOIN rows AS source ON source.row_id = plan.shares
  WHERE plan.generation = :generation AND plan.shares IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM plan AS own
                    WHERE own.row_id = plan.shares AND own.generation = plan.generation)
    AND (source.status <> 'succeeded'
         OR EXISTS (SELECT 1 FROM rows AS other JOIN plan AS now
                      ON now.row_id = other.row_id AND now.generation = :generation
                    WHERE other.key = source.key AND other.stem = source.stem));
-- name: share_first
UPDATE plan SET shares = NULL
  WHERE generation = :generation
    AND position = (SELECT min(position) FROM plan
                    WHERE shares = :source AND generation = :generation)
  RETURNING row_id;
-- name: share_with
UPDATE plan SET shares = :heir WHERE shares = :source AND generation = :generation;
-- name: plan_is_shared
SELECT 1 FROM plan WHERE generation = ? AND shares IS NOT NULL LIMIT 1;
-- name: rows_sharing_count
SELECT count(*) FROM plan WHERE shares = ? AND generation = ? AND position < ?;
-- name: base_names_shared
SELECT DISTINCT rows.stem FROM rows JOIN plan ON plan.shares = rows.row_id
  WHERE rows.row_id IN (SELECT value FROM json_each(?));

-- name: rows_waiting
SELECT rows.*, plan.position, plan.provider, plan.model, plan.resolution
  FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.position > :after AND plan.position < :end
    AND plan.provider = :provider AND plan.problem IS NULL AND rows.status = 'pending'
    AND plan.shares IS NULL
    AND NOT EXISTS (SELECT 1 FROM waiting_rows
                    WHERE waiting_rows.generation = plan.generation
                      AND waiting_rows.position = plan.position)
    AND (:groups IS NULL OR rows.budget_group IN (SELECT value FROM json_each(:groups)))
  ORDER BY plan.position LIMIT :max_rows;
-- name: row_planned
SELECT rows.*, plan.position, plan.provider, plan.model, plan.resolution
  FROM plan JOIN rows USING (row_id)
  WHERE plan.row_id = ? AND plan.generation = ? AND plan.problem IS NULL;
-- name: row_route
SELECT route FROM plan WHERE row_id = ? AND generation = ?;
-- name: row_move
UPDATE plan SET provider = ?, model = ?, resolution = ?, warning = ?
  WHERE row_id = ? AND generation = ?;
-- name: rows_to_take
SELECT rows.*, plan.position, plan.provider, plan.model, plan.resolution
  FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.position < :end
    AND plan.provider = :planned AND plan.problem IS NULL AND rows.status = 'pending'
    AND plan.shares IS NULL AND instr(plan.route, :candidate)
    AND NOT EXISTS (SELECT 1 FROM waiting_rows
                    WHERE waiting_rows.generation = plan.generation
                      AND waiting_rows.position = plan.position)
  ORDER BY plan.position DESC LIMIT :max_rows;
-- name: row_get
SELECT rows.* FROM rows WHERE row_id = ?;
-- name: row_status
SELECT status FROM rows WHERE row_id = ?;
-- name: row_completeness
SELECT status, n <= (SELECT count(DISTINCT images.image)
                     FROM attempts JOIN images USING (attempt_id)
                     WHERE attempts.row_id = rows.row_id AND images.name IS NOT NULL) AS is_whole
  FROM rows WHERE row_id = ?;
-- name: row_may_be_sent
SELECT 1 FROM rows
  WHERE row_id = :row_id AND status = 'pending'
    AND (:provider IS NULL
         OR EXISTS (SELECT 1 FROM plan
                    WHERE plan.row_id = rows.row_id AND plan.provider = :provider
                      AND generation = (SELECT value FROM meta WHERE name = 'generation')))
    AND NOT EXISTS (SELECT 1 FROM attempts
                    WHERE attempts.row_id = rows.row_id
                      AND state IN ('sent', 'accepted', 'delivered')
                      AND first_image < :behind AND first_image + images > :first)
    AND NOT EXISTS (SELECT 1 FROM attempts JOIN images USING (attempt_id)
                    WHERE attempts.row_id = rows.row_id AND name IS NOT NULL
                      AND image >= :first AND image < :behind);
-- name: row_settle
UPDATE rows SET status = ?, error = ?, message = ? WHERE row_id = ?;
-- name: row_is_planned
SELECT provider FROM plan WHERE row_id = ? AND generation = ?;
-- name: row_attempts
SELECT * FROM attempts WHERE row_id = ? ORDER BY attempt_id;
-- name: row_stored_images
SELECT images.image FROM images JOIN attempts USING (attempt_id)
  WHERE attempts.row_id = ? AND images.name IS NOT NULL;

-- name: attempt_add
INSERT INTO attempts (row_id, first_image, images, state, provider, model, base_url,
                      aspect_ratio, resolution, expected, floor, ceiling, sent_at)
  VALUES (?, ?, ?, 'sent', ?, ?, ?, ?, ?, ?, ?, ?, ?);
-- name: attempt_get
SELECT * FROM attempts WHERE attempt_id = ?;
-- name: attempt_state
SELECT state FROM attempts WHERE attempt_id = ?;
-- name: attempt_accept
UPDATE attempts SET state = 'accepted', task_id = ?, request_id = ?, accepted_at = ?
  WHERE attempt_id = ? AND instr(?, state);
-- name: attempt_deliver
UPDATE attempts SET state = 'delivered', charge = ?, cost = ?, uncertain = ?,
                    request_id = coalesce(?, request_id), latency_s = coalesce(latency_s, ?), again = NULL, error = NULL, message = NULL
  WHERE attempt_id = ? AND instr(?, state);
-- name: attempt_warn
UPDATE attempts SET warning = ? WHERE attempt_id = ?;
-- name: attempt_store
UPDATE attempts SET state = 'stored', warning = coalesce(warning || '; ' || ?, ?, warning),
                    ended_at = ?, again = NULL, error = NULL, message = NULL, counts = 1
  WHERE attempt_id = ? AND instr(?, state);
-- name: attempt_end
UPDATE attempts SET state = ?, charge = ?, cost = ?, uncertain = ?, again = ?, counts = ?,
                    excused = ?, error = ?, message = ?,
                    request_id = coalesce(?, request_id), ended_at = ?
  WHERE attempt_id = ? AND instr(?, state);
-- name: attempt_reopen
-- The charge stays; the links of missing images are downloaded again.
UPDATE attempts SET state = 'delivered', again = NULL, error = NULL, message = NULL
  WHERE attempt_id = ? AND instr(?, state);
-- name: attempt_waive
UPDATE attempts SET excused = 1 WHERE attempt_id = ? AND state = 'failed';
-- name: attempts_count
UPDATE attempts SET excused = 0 WHERE row_id = ? AND excused;
-- name: attempt_refuse
UPDATE attempts SET state = 'rejected', again = 'stop', counts = 0, error = ?
  WHERE attempt_id = ? AND state IN ('failed', 'rejected');
-- name: attempts_any
SELECT 1 FROM attempts LIMIT 1;
-- name: attempts_newest
SELECT coalesce(max(attempt_id), 0) FROM attempts;
-- name: attempts_open
SELECT * FROM attempts
  WHERE state IN ('sent', 'accepted', 'delivered', 'overdue') ORDER BY attempt_id;
-- name: attempts_open_by_state
SELECT state, count(*) AS attempts, coalesce(sum(ceiling), 0) AS ceiling,
       sum(ceiling IS NULL) AS unpriced
  FROM attempts
  WHERE state IN ('sent', 'accepted', 'delivered', 'overdue') GROUP BY state;
-- name: attempts_with_lost_links
-- CROSS JOIN keeps this order of the tables, which starts from the few missing images.
SELECT DISTINCT attempts.* FROM images INDEXED BY images_lacking
    CROSS JOIN attempts ON attempts.attempt_id = images.attempt_id
    CROSS JOIN rows ON rows.row_id = attempts.row_id
  WHERE images.name IS NULL AND images.link IS NOT NULL
    AND attempts.state IN ('failed', 'stored') AND rows.status = :status
    -- Another attempt may have delivered the image since then.
    AND NOT EXISTS (SELECT 1 FROM attempts AS other JOIN images AS brought
                      ON brought.attempt_id = other.attempt_id
                    WHERE other.row_id = attempts.row_id AND brought.name IS NOT NULL
                      AND brought.image = images.image)
  ORDER BY attempts.attempt_id;
-- name: attempt_links
SELECT image, link, from_text FROM images
  WHERE attempt_id = ? AND name IS NULL AND link IS NOT NULL ORDER BY image;
-- name: attempt_shapes
SELECT image, width_px, height_px FROM images
  WHERE attempt_id = ? AND name IS NOT NULL ORDER BY image;
-- name: attempts_sent_since
SELECT sent_at FROM attempts WHERE provider = ? AND sent_at > ? ORDER BY sent_at;
-- name: highest_charges
SELECT provider, resolution, max((cost + images - 1) / images) FROM attempts
  WHERE charge IN ('reported', 'billed') AND cost > coalesce(first_ceiling, ceiling)
  GROUP BY 1, 2;
-- name: attempts_raise_ceiling
UPDATE attempts SET first_ceiling = coalesce(first_ceiling, ceiling), ceiling = :per_image * images,
    uncertain = CASE WHEN uncertain > 0 THEN uncertain + :per_image * images - ceiling ELSE 0 END
  WHERE provider = :provider AND resolution IS :resolution
    AND ceiling < :per_image * images
    AND (charge = 'unknown' OR uncertain > 0 OR state IN ('sent', 'accepted'));

-- name: link_set
INSERT INTO images (attempt_id, image, link, from_text) VALUES (?, ?, ?, ?)
  ON CONFLICT (attempt_id, image) DO UPDATE SET
    link = excluded.link, from_text = excluded.from_text;
-- name: image_store
INSERT INTO images (attempt_id, image, name, place, size_bytes, crc32, sha256, media_type,
                    width_px, height_px)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (attempt_id, image) DO UPDATE SET
    name = excluded.name, place = excluded.place, size_bytes = excluded.size_bytes,
    crc32 = excluded.crc32, sha256 = excluded.sha256, media_type = excluded.media_type,
    width_px = excluded.width_px, height_px = excluded.height_px;

-- name: retry_unless
UPDATE rows SET status = 'pending', error = NULL, message = NULL,
    tries_from = coalesce((SELECT max(attempt_id) FROM attempts
                           WHERE attempts.row_id = rows.row_id), 0)
  WHERE coalesce(error, '') NOT IN (SELECT value FROM json_each(?)) AND status = ?
    AND row_id IN (SELECT coalesce(shares, row_id) FROM plan WHERE generation = ?);
-- name: retry_prices
SELECT count(*) AS rows, coalesce(sum(estimate * missing / n), 0) AS estimate,
       coalesce(sum(estimate IS NULL), 0) AS unpriced
  FROM (SELECT plan.estimate, rows.n,
          rows.n - (SELECT count(DISTINCT images.image) FROM attempts JOIN images USING (attempt_id)
                    WHERE attempts.row_id = rows.row_id AND images.name IS NOT NULL) AS missing
        FROM plan JOIN rows USING (row_id)
        WHERE plan.generation = ? AND rows.status = 'pending' AND rows.tries_from > 0);

-- name: money
SELECT
  coalesce(sum(cost) FILTER (WHERE planned), 0) AS spent,
  coalesce(sum(cost) FILTER (WHERE NOT planned), 0) AS retired,
  coalesce(sum(CASE WHEN risky THEN ceiling ELSE uncertain END), 0) AS at_risk,
  coalesce(sum(risky), 0) AS at_risk_attempts,
  coalesce(sum(risky AND ceiling IS NULL), 0) AS unpriced_risk,
  coalesce(sum(cost IS NULL AND charge IN ('reported', 'price_list')), 0) AS unpriced,
  coalesce(sum(risky AND state = 'accepted'), 0) AS accepted,
  coalesce(sum(risky AND state = 'overdue'), 0) AS overdue,
  coalesce(sum(ceiling) FILTER (WHERE risky AND state IN ('accepted', 'overdue')), 0)
    AS tasks_at_risk,
  coalesce(sum(risky AND ceiling IS NULL AND state IN ('accepted', 'overdue')), 0)
    AS unpriced_tasks
  FROM (SELECT cost, ceiling, uncertain, charge, state,
          coalesce(charge = 'unknown', 0) OR state IN ('sent', 'accepted') AS risky,
          EXISTS (SELECT 1 FROM plan
                  WHERE plan.row_id = attempts.row_id AND plan.generation = ?) AS planned
        FROM attempts);
-- name: rows_by_status
SELECT CASE WHEN plan.problem IS NOT NULL AND coalesce(rows.status, '') <> 'succeeded'
            THEN 'invalid' ELSE coalesce(shared.status, rows.status) END AS status,
       count(*) AS rows
  FROM plan LEFT JOIN rows USING (row_id) LEFT JOIN rows AS shared ON shared.row_id = plan.shares
  WHERE plan.generation = :generation AND plan.position < :end GROUP BY 1;
-- name: rows_without_success
SELECT plan.position, plan.line, coalesce(plan.shares, plan.row_id) AS row_id,
       CASE WHEN plan.problem IS NULL THEN coalesce(shared.status, rows.status)
            ELSE 'invalid' END AS ended,
       CASE WHEN plan.problem IS NULL THEN plan.provider END,
       CASE WHEN plan.problem IS NULL THEN iif(plan.shares IS NULL, rows.error, shared.error)
            ELSE 'invalid' END,
       CASE WHEN plan.problem IS NULL THEN iif(plan.shares IS NULL, rows.message, shared.message)
            ELSE plan.problem END,
       plan.at_column
  FROM plan LEFT JOIN rows USING (row_id) LEFT JOIN rows AS shared ON shared.row_id = plan.shares
  WHERE plan.generation = :generation AND plan.position < :end
    AND CASE WHEN plan.problem IS NULL
             THEN coalesce(shared.status, rows.status) IN ('failed', 'refused', 'held')
             ELSE coalesce(rows.status, '') <> 'succeeded' END
  ORDER BY plan.position;
-- name: parents_any
SELECT 1 FROM parents WHERE generation = ? LIMIT 1;
-- name: rows_waiting_for_others
-- Rows without images, and the row on whose image each builds.
SELECT parents.position, coalesce(parent.id, parent.position) AS parent,
       CASE WHEN parent.problem IS NULL THEN source.status ELSE 'invalid' END AS status,
       plan.line, plan.row_id, plan.provider, parents.parent
  FROM parents
    JOIN plan ON plan.generation = parents.generation AND plan.position = parents.position
    JOIN rows ON rows.row_id = plan.row_id
    LEFT JOIN plan AS parent ON parent.generation = parents.generation
                             AND parent.position = parents.parent
    LEFT JOIN rows AS source ON source.row_id = coalesce(parent.shares, parent.row_id)
  WHERE parents.generation = :generation
    AND parents.position >= :first AND plan.position < :end
    AND plan.problem IS NULL AND plan.shares IS NULL AND rows.status = 'pending'
    AND (parent.problem IS NOT NULL OR source.status IS NOT 'succeeded')
  ORDER BY parents.position, parents.parent;
-- name: images_stored
SELECT count(*) FROM images JOIN attempts USING (attempt_id)
  WHERE images.name IS NOT NULL
    AND (EXISTS (SELECT 1 FROM plan WHERE plan.row_id = attempts.row_id
                   AND plan.generation = :generation)
         OR EXISTS (SELECT 1 FROM plan WHERE plan.shares = attempts.row_id
                      AND plan.generation = :generation));
-- name: to_buy
SELECT count(*) AS rows, coalesce(sum(missing), 0) AS images,
       coalesce(sum(estimate * missing / n), 0) AS estimate,
       coalesce(sum(estimate IS NULL), 0) AS unpriced
  FROM (SELECT plan.estimate, rows.n,
          rows.n - (SELECT count(DISTINCT images.image) FROM attempts JOIN images USING (attempt_id)
                    WHERE attempts.row_id = rows.row_id AND images.name IS NOT NULL) AS missing
        FROM plan JOIN rows USING (row_id)
        WHERE plan.generation = :generation AND plan.position < :end
          AND plan.problem IS NULL AND rows.status = 'pending' AND plan.shares IS NULL);
-- name: ceiling_factor
SELECT max(1.0 * ceiling / expected) FROM attempts WHERE expected > 0;
-- name: unsent_row
SELECT 1 FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.position < :end
    AND plan.problem IS NULL AND rows.status = 'pending' AND plan.shares IS NULL
    AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.row_id = rows.row_id)
  LIMIT 1;
-- name: unpriced_row
SELECT plan.provider, plan.model, plan.resolution, rows.request, plan.position, plan.line
  FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.position < :end AND plan.estimate IS NULL
    AND plan.problem IS NULL AND rows.status = 'pending' AND plan.shares IS NULL
  ORDER BY plan.position LIMIT 1;
-- name: to_rebuy
SELECT count(*) AS rows, coalesce(sum(plan.estimate), 0) AS estimate,
       coalesce(sum(plan.estimate IS NULL), 0) AS unpriced,
       coalesce(sum(EXISTS (SELECT 1 FROM removed_images
                            WHERE removed_images.row_id IN (rows.row_id, plan.former))), 0)
         AS removed
  FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.position < :end AND plan.rebuy
    AND plan.problem IS NULL AND rows.status = 'pending' AND plan.shares IS NULL
    AND (NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.row_id = rows.row_id
                       AND attempts.state NOT IN ('rejected', 'failed'))
         OR EXISTS (SELECT 1 FROM removed_images WHERE removed_images.row_id = rows.row_id));
-- name: to_rebuy_first
SELECT plan.id, plan.position
  FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.position < :end AND plan.rebuy
    AND plan.problem IS NULL AND rows.status = 'pending' AND plan.shares IS NULL
    AND (NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.row_id = rows.row_id
                       AND attempts.state NOT IN ('rejected', 'failed'))
         OR EXISTS (SELECT 1 FROM removed_images WHERE removed_images.row_id = rows.row_id))
  ORDER BY plan.position LIMIT :max_rows;
-- name: problems
SELECT position, line, at_column, problem FROM plan
  LEFT JOIN rows USING (row_id)
  WHERE plan.generation = ? AND problem IS NOT NULL AND coalesce(rows.status, '') <> 'succeeded'
  ORDER BY position LIMIT ?;
-- name: renamed
-- Rows that got another name, because theirs was used already: see `naming.assign_names`.
SELECT position, line, rows.stem FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = ? AND rows.stem GLOB '*~[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]'
  ORDER BY position LIMIT ?;
-- name: files_all
SELECT path, size_bytes, changed_at, sha256 FROM reference_files WHERE generation = ?;
-- name: file_add
-- A file that changed while the manifest was read has no single state for all rows.
INSERT INTO reference_files (generation, path, size_bytes, changed_at, sha256)
  VALUES (?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET changed_at = NULL, sha256 = NULL
    WHERE sha256 IS NOT excluded.sha256;
-- name: files_drop_others
DELETE FROM reference_files WHERE generation <> ?;
-- name: warnings
SELECT position, line, NULL AS at_column, warning AS problem FROM plan
  WHERE generation = ? AND warning IS NOT NULL AND problem IS NULL
  ORDER BY position LIMIT ?;
-- name: planned_count
SELECT count(*) FROM plan WHERE generation = ?;

-- name: result_slices
SELECT first, ipc FROM own_columns WHERE generation = ? ORDER BY first;
-- name: result_lines
-- A line for each image of each attempt at a row: most rows have one. The lines of a row are
-- in no order, because sorting them here costs as much as reading them.
SELECT plan.position, plan.line, coalesce(plan.id, plan.position) AS id,
       coalesce(rows.request, plan.request) AS request, plan.provider, plan.model, plan.estimate,
       plan.at_column, plan.problem, plan.warning,
       -- A row that shares the images of another row has the status of that row.
       CASE WHEN plan.shares IS NULL THEN rows.status ELSE shared.status END AS status,
       CASE WHEN plan.shares IS NULL THEN rows.error ELSE shared.error END AS error,
       CASE WHEN plan.shares IS NULL THEN rows.message ELSE shared.message END AS message,
       rows.status AS own_status,
       CASE WHEN plan.shares IS NULL THEN NULL
            ELSE coalesce((SELECT coalesce(first.id, first.position) FROM plan AS first
                           WHERE first.row_id = plan.shares AND first.generation = plan.generation),
                          shared.id, shared.stem) END AS shared_with,
       attempts.attempt_id, state, charge, cost, uncertain, ceiling, counts, attempts.provider,
       attempts.model, aspect_ratio, attempts.resolution, coalesce(request_id, task_id), attempts.warning,
       sent_at, ended_at, latency_s,
       image, name, media_type, width_px, height_px, size_bytes, lower(hex(sha256)) AS sha256
  FROM plan LEFT JOIN rows USING (row_id) LEFT JOIN rows AS shared ON shared.row_id = plan.shares
    LEFT JOIN attempts ON attempts.row_id = coalesce(plan.shares, plan.row_id)
    LEFT JOIN images ON images.attempt_id = attempts.attempt_id AND images.name IS NOT NULL
  WHERE plan.generation = ? AND plan.position >= ? AND plan.position < ?
  ORDER BY plan.position;
-- name: directory_images
SELECT plan.position, image, name, place, size_bytes, crc32, attempts.ended_at,
       -- The directory needs only the columns above, of up to a million images.
       CASE WHEN :whole THEN media_type END, CASE WHEN :whole THEN lower(hex(sha256)) END,
       CASE WHEN :whole THEN width_px END, CASE WHEN :whole THEN height_px END,
       CASE WHEN :whole THEN coalesce(plan.id, plan.position) END,
       CASE WHEN :whole THEN rows.request END, CASE WHEN :whole THEN attempts.provider END,
       CASE WHEN :whole THEN attempts.model END, CASE WHEN :whole THEN attempts.aspect_ratio END,
       CASE WHEN :whole THEN attempts.resolution END
  FROM plan JOIN rows USING (row_id)
    JOIN attempts ON attempts.row_id = coalesce(plan.shares, plan.row_id)
    JOIN images USING (attempt_id)
  WHERE plan.generation = :generation AND images.name IS NOT NULL
    -- Shared images are listed once: at their own row, or at the first row that shares them.
    AND (plan.shares IS NULL
         OR NOT EXISTS (SELECT 1 FROM plan AS own
                        WHERE own.row_id = plan.shares AND own.generation = plan.generation)
         AND plan.position = (SELECT min(other.position) FROM plan AS other
                              WHERE other.shares = plan.shares
                                AND other.generation = plan.generation))
  ORDER BY plan.position, images.image, images.attempt_id;

-- name: upload_get
SELECT link FROM uploads
  WHERE provider = ? AND base_url = ? AND name = ? AND good_until > ?;
-- name: uploads_forget
-- Only these links: a new upload of the same image may have replaced them already.
DELETE FROM uploads WHERE provider = ? AND base_url = ?
  AND link IN (SELECT value FROM json_each(?));
-- name: uploads_forget_until
DELETE FROM uploads WHERE provider = ? AND base_url = ? AND good_until <= ?;
-- name: upload_set
INSERT OR REPLACE INTO uploads (provider, base_url, name, link, good_until)
  VALUES (?, ?, ?, ?, ?);
