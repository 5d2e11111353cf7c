-- A link that stood in a model's text never gets the key, also not in a later run.
ALTER TABLE images ADD COLUMN from_text INTEGER NOT NULL DEFAULT 0;
