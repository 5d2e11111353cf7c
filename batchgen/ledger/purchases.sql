-- name: purchases
SELECT (SELECT min(position) FROM plan
        WHERE plan.row_id = attempts.row_id AND plan.generation = :generation) AS position,
       rows.id AS name,
       (SELECT count(*) FROM attempts AS earlier
        WHERE earlier.row_id = attempts.row_id
          AND earlier.attempt_id <= attempts.attempt_id) AS number,
       attempt_id, sent_at, accepted_at, ended_at, provider, model, resolution, images, state,
       request_id, task_id, charge, cost, uncertain, expected, ceiling, attempts.error, attempts.message
  FROM attempts JOIN rows USING (row_id) ORDER BY attempt_id;

-- name: providers_bought_from
SELECT DISTINCT provider FROM attempts ORDER BY provider;
-- name: purchases_of
SELECT attempts.*, rows.id AS row_name,
       (SELECT min(position) FROM plan
        WHERE plan.row_id = attempts.row_id AND plan.generation = ?) AS position
  FROM attempts JOIN rows USING (row_id)
  WHERE attempts.provider = ? ORDER BY attempt_id;
-- name: purchase_settle
UPDATE attempts SET charge = 'billed', cost = ?, uncertain = 0 WHERE attempt_id = ?;
