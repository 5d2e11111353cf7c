-- name: purchases
SELECT (SELECT min(position) FROM plan
        WHERE plan.row_id = attempts.row_id AND plan.generation = :generation) AS position,
       rows.id,
       (SELECT count(*) FROM attempts AS earlier
        WHERE earlier.row_id = attempts.row_id
          AND earlier.attempt_id <= attempts.attempt_id) AS number,
       attempt_id, sent_at, accepted_at, ended_at, provider, model, resolution, images, state,
       request_id, task_id, charge, cost, uncertain, expected, ceiling, attempts.error, attempts.message,
       base_url, first_image, aspect_ratio, again, counts, floor, warning, latency_s,
       rows.key, lower(hex(rows.fingerprint)) AS fingerprint
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
-- The first bill stores the charge from before it; a second bill does not change that.
UPDATE attempts
  SET charge_before_bill = CASE WHEN charge IS 'billed' THEN charge_before_bill
                                ELSE coalesce(charge, '') END,
      cost_before_bill = CASE WHEN charge IS 'billed' THEN cost_before_bill ELSE cost END,
      uncertain_before_bill = CASE WHEN charge IS 'billed' THEN uncertain_before_bill
                                   ELSE uncertain END,
      charge = 'billed', cost = ?, uncertain = 0
  WHERE attempt_id = ?;
-- name: purchases_unsettle
-- Attempts that were open at that time, and have ended since, got the cost of the bill.
UPDATE attempts
  SET charge = CASE WHEN charge_before_bill <> '' THEN charge_before_bill
                    WHEN state NOT IN ('sent', 'accepted') THEN 'unknown' END,
      cost = cost_before_bill,
      uncertain = coalesce(uncertain_before_bill, 0),
      charge_before_bill = NULL, cost_before_bill = NULL, uncertain_before_bill = NULL
  WHERE charge = 'billed' AND charge_before_bill IS NOT NULL
    AND (:provider IS NULL OR provider = :provider);
-- name: purchases_settled_without_note
SELECT count(*) FROM attempts
  WHERE charge = 'billed' AND charge_before_bill IS NULL
    AND (:provider IS NULL OR provider = :provider);
-- name: ceilings_lower
UPDATE attempts
  SET uncertain = CASE WHEN uncertain > 0 THEN max(0, uncertain - ceiling + first_ceiling) ELSE 0 END,
      ceiling = first_ceiling, first_ceiling = NULL
  WHERE first_ceiling IS NOT NULL
    AND (charge = 'unknown' OR uncertain > 0 OR state IN ('sent', 'accepted'))
    AND (:provider IS NULL OR provider = :provider);
