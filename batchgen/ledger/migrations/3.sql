-- Rows may move on to another provider, share one purchase, and belong to a budget.
ALTER TABLE rows ADD COLUMN budget_group TEXT;
ALTER TABLE plan ADD COLUMN route TEXT;
ALTER TABLE plan ADD COLUMN shares INTEGER REFERENCES rows;
CREATE INDEX plan_by_shared ON plan (shares) WHERE shares IS NOT NULL;
-- The next run reads the manifest again and fills the new columns.
DELETE FROM meta WHERE name = 'plan_digest';
