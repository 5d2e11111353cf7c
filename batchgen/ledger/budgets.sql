-- name: money_by_day
SELECT sent_at / 86400000000 AS day,
       sum(coalesce(cost, 0) + CASE WHEN charge = 'unknown' OR state IN ('sent', 'accepted')
                                    THEN coalesce(ceiling, 0) ELSE uncertain END) AS nano
  FROM attempts WHERE sent_at >= ? GROUP BY 1;
-- name: money_by_group
SELECT rows.budget_group,
       sum(coalesce(cost, 0) + CASE WHEN charge = 'unknown' OR state IN ('sent', 'accepted')
                                    THEN coalesce(ceiling, 0) ELSE uncertain END) AS nano
  FROM attempts JOIN rows USING (row_id) WHERE rows.budget_group IS NOT NULL GROUP BY 1;
-- name: images_unpriced
SELECT attempts.provider, attempts.model, attempts.resolution,
       attempts.sent_at / 86400000000 AS day, rows.budget_group, sum(attempts.images) AS images
  FROM attempts JOIN rows USING (row_id)
  WHERE attempts.cost IS NULL
    AND (attempts.charge IN ('reported', 'price_list')
         OR attempts.ceiling IS NULL
            AND (attempts.charge = 'unknown' OR attempts.state IN ('sent', 'accepted')))
  GROUP BY 1, 2, 3, 4, 5;
-- name: row_regroup
UPDATE rows SET budget_group = ? WHERE row_id = ?;
-- name: risk_increase
SELECT attempts.sent_at / 86400000000 AS day, rows.budget_group,
       sum(:per_image * attempts.images - attempts.ceiling) AS nano
  FROM attempts JOIN rows USING (row_id)
  WHERE attempts.provider = :provider AND attempts.resolution IS :resolution
    AND attempts.ceiling < :per_image * attempts.images
    AND (attempts.charge = 'unknown' OR attempts.uncertain > 0)
  GROUP BY 1, 2;
