-- What a bill settles can be taken back: what stood before is kept beside it.
ALTER TABLE attempts ADD COLUMN charge_before_bill TEXT;
ALTER TABLE attempts ADD COLUMN cost_before_bill INTEGER;
ALTER TABLE attempts ADD COLUMN uncertain_before_bill INTEGER;
ALTER TABLE attempts ADD COLUMN first_ceiling INTEGER;
CREATE VIEW removed_images AS
  SELECT attempts.row_id, images.image FROM attempts JOIN images USING (attempt_id)
    JOIN rows USING (row_id)
  WHERE images.name IS NULL AND images.sha256 IS NOT NULL
    AND attempts.attempt_id > rows.tries_from
    AND NOT EXISTS (SELECT 1 FROM attempts AS later
                    WHERE later.row_id = attempts.row_id
                      AND later.attempt_id > attempts.attempt_id
                      AND later.state NOT IN ('rejected', 'failed'));
