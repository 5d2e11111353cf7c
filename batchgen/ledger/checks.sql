-- name: rows_to_buy
SELECT plan.provider, plan.model, plan.resolution, rows.request, plan.estimate, plan.route, rows.n,
       rows.budget_group,
       rows.n - (SELECT count(DISTINCT images.image) FROM attempts JOIN images USING (attempt_id)
                 WHERE attempts.row_id = rows.row_id AND images.name IS NOT NULL) AS missing
  FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.position < :end
    AND plan.problem IS NULL AND rows.status = 'pending' AND plan.shares IS NULL;
-- name: plan_sales
SELECT plan.provider, plan.model, plan.resolution, rows.request, min(plan.position) AS position,
       count(*) AS rows, sum(rows.n) AS images
  FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.position < :end
    AND plan.problem IS NULL AND plan.provider IS NOT NULL AND plan.shares IS NULL
  GROUP BY plan.provider, plan.model, plan.resolution ORDER BY position;
-- name: rows_sharing
SELECT count(*) AS rows, coalesce(sum(rows.n), 0) AS images,
       coalesce(sum(plan.estimate), 0) AS estimate,
       coalesce(sum(plan.estimate IS NULL), 0) AS unpriced
  FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.position < :end
    AND plan.shares IS NOT NULL AND rows.status = 'pending';
-- name: plan_share_nothing
UPDATE plan SET shares = NULL WHERE generation = ?;
-- name: image_sizes
SELECT attempts.resolution, avg(images.size_bytes) AS size_bytes
  FROM images JOIN attempts USING (attempt_id)
  WHERE images.name IS NOT NULL AND attempts.resolution IS NOT NULL GROUP BY 1;
-- name: last_latencies
SELECT latency_s FROM attempts WHERE provider = ? AND latency_s IS NOT NULL
  ORDER BY attempt_id DESC LIMIT 1000;
-- name: rows_sharing_first
SELECT plan.position, plan.line, rows.request FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.position < :end
    AND plan.shares IS NOT NULL AND rows.status = 'pending'
  ORDER BY plan.position LIMIT 1;
-- name: sales_to_buy
-- One line for all rows that cost the same: the price does not depend on the prompt.
SELECT provider, model, resolution, request, budget_group, sum(missing) AS missing
  FROM (SELECT plan.provider, plan.model, plan.resolution, rows.budget_group, rows.request,
               rows.n - (SELECT count(DISTINCT images.image)
                         FROM attempts JOIN images USING (attempt_id)
                         WHERE attempts.row_id = rows.row_id AND images.name IS NOT NULL) AS missing
        FROM plan JOIN rows USING (row_id)
        WHERE plan.generation = :generation AND plan.position < :end
          AND plan.problem IS NULL AND rows.status = 'pending' AND plan.shares IS NULL)
  GROUP BY provider, model, resolution, budget_group, json_extract(request, '$.options'),
           json_array_length(request, '$.references');
-- name: rows_that_can_run
SELECT count(*) FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.position < :end AND plan.problem IS NULL;
-- name: row_that_can_run
SELECT plan.position, plan.line, rows.request FROM plan JOIN rows USING (row_id)
  WHERE plan.generation = :generation AND plan.position < :end AND plan.problem IS NULL
  ORDER BY plan.position LIMIT 1 OFFSET :above;
-- name: warnings_count
SELECT count(*) FROM plan
  WHERE generation = :generation AND position < :end AND warning IS NOT NULL AND problem IS NULL;
