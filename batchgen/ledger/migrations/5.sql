-- A link that stood in a model's text never gets the key, also not in a later run; links
-- that were lost are looked for by each run.
ALTER TABLE images ADD COLUMN from_text INTEGER NOT NULL DEFAULT 0;
CREATE INDEX images_lacking ON images (attempt_id) WHERE name IS NULL AND link IS NOT NULL;
