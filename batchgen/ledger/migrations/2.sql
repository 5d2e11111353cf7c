-- The plan says which resolution is bought and what is left out; uploads are kept; what
-- failed in an outage does not count against its row.
ALTER TABLE attempts ADD COLUMN excused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE plan ADD COLUMN resolution TEXT;
ALTER TABLE plan ADD COLUMN warning TEXT;
CREATE TABLE uploads (
  provider   TEXT    NOT NULL,
  base_url   TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  link       TEXT    NOT NULL,
  good_until INTEGER NOT NULL,
  PRIMARY KEY (provider, base_url, name)
) STRICT, WITHOUT ROWID;
-- The next run reads the manifest again and fills the new columns.
DELETE FROM meta WHERE name = 'plan_digest';
