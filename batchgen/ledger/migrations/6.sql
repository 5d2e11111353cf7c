-- A delivery whose reply states no charge costs at least the floor of its price; the rest
-- up to the ceiling is at risk, though its outcome is known.
ALTER TABLE attempts ADD COLUMN floor INTEGER;
ALTER TABLE attempts ADD COLUMN uncertain INTEGER NOT NULL DEFAULT 0;
-- Prices and rules of today: the next run reads the manifest again.
DELETE FROM meta WHERE name = 'plan_digest';
