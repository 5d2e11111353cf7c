-- Each reading finds keys and names by itself: an index of random numbers wrote a page for
-- each row. Reference images are remembered as they were read.
DROP INDEX plan_by_key;
DROP INDEX plan_by_base;
DROP INDEX rows_by_key;
DROP TABLE stems;
ALTER TABLE plan DROP COLUMN key;
ALTER TABLE plan DROP COLUMN base;
ALTER TABLE plan DROP COLUMN occurrence;
CREATE TABLE reference_files (
  generation INTEGER NOT NULL,
  path       TEXT    NOT NULL,
  size_bytes INTEGER,
  changed_at INTEGER,
  sha256     TEXT,
  PRIMARY KEY (generation, path)
) STRICT, WITHOUT ROWID;
-- The next run reads the manifest again and fills the new table.
DELETE FROM meta WHERE name = 'plan_digest';
