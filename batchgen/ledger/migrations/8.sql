-- What is the same under another key is taken over, and what was changed is remembered.
ALTER TABLE plan ADD COLUMN key INTEGER;
ALTER TABLE plan ADD COLUMN fingerprint BLOB;
ALTER TABLE plan ADD COLUMN former INTEGER REFERENCES rows;
ALTER TABLE plan ADD COLUMN kept_for INTEGER REFERENCES rows;
ALTER TABLE plan ADD COLUMN took INTEGER;
CREATE INDEX plan_by_kept ON plan (kept_for) WHERE kept_for IS NOT NULL;
CREATE TABLE former_keys (
  key    INTEGER NOT NULL,
  row_id INTEGER NOT NULL REFERENCES rows,
  PRIMARY KEY (key, row_id)
) STRICT, WITHOUT ROWID;
CREATE VIEW paid_rows AS
  SELECT row_id FROM attempts
  WHERE state IN ('sent', 'accepted', 'overdue', 'delivered', 'stored', 'unknown')
     OR cost > 0 OR (charge = 'price_list' AND cost IS NULL);
