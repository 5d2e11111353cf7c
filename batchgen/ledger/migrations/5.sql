-- What a bill settles can be taken back: what stood before is kept beside it.
ALTER TABLE attempts ADD COLUMN charge_before_bill TEXT;
ALTER TABLE attempts ADD COLUMN cost_before_bill INTEGER;
ALTER TABLE attempts ADD COLUMN first_ceiling INTEGER;
