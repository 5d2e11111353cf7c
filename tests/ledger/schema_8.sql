-- The run's durable state. Money is in nano-dollars, time in microseconds since 1970
-- (UTC), images are counted from 1 within their row.
--
-- rows      what was asked for: one line for each version of each row, never deleted
-- plan      the manifest as it stands now: position -> row, or why it is invalid
-- attempts  one try at buying some images of a row, written before it happens
-- images    what an attempt delivered: first the link, then the place in the archive
-- uploads   reference images that a provider keeps for a while, to be named by link

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value ANY
) STRICT, WITHOUT ROWID;

CREATE TABLE rows (
  row_id      INTEGER PRIMARY KEY,
  -- Digest of the row's identity: its id, else its fingerprint and how many times that
  -- stood above. No index, for an index of random numbers writes a page for each row. Two
  -- ids that meet in 63 bits end as a visible "repeated id".
  key         INTEGER NOT NULL,
  fingerprint BLOB    NOT NULL,   -- digest of what the user asked for
  id          TEXT,               -- as in the manifest; null without an id column
  stem        TEXT    NOT NULL,   -- name in the archive, without number and extension
  request     TEXT    NOT NULL,   -- ImageRequest as JSON
  n           INTEGER NOT NULL,
  status      TEXT    NOT NULL DEFAULT 'pending',
  error       TEXT,
  message     TEXT,
  budget_group TEXT,              -- values of the columns that have budgets, as JSON
  tries_from  INTEGER NOT NULL DEFAULT 0  -- attempts up to this one no longer count
                                          -- against the limits, because of `retry`
) STRICT;

CREATE TABLE plan (
  generation  INTEGER NOT NULL,   -- a new reading of the manifest is a new generation
  position    INTEGER NOT NULL,
  line        INTEGER,
  row_id      INTEGER REFERENCES rows,
  id          TEXT,
  request     TEXT,               -- of rows that have no entry in `rows`
  provider    TEXT,               -- who makes it; a row may move on to the next
  route       TEXT,               -- who else can make it, best first, as JSON
  shares      INTEGER REFERENCES rows,  -- the row whose images it has, unbought
  model       TEXT,               -- as it is sent
  resolution  TEXT,               -- as it is bought: the provider's default if not stated
  estimate    INTEGER,
  rebuy       INTEGER NOT NULL DEFAULT 0,  -- buying it needs consent: see `former`
  at_column   TEXT,
  problem     TEXT,               -- why it is invalid
  warning     TEXT,               -- the row can run, but not all that it asks for
  key         INTEGER,            -- of rows that have no entry in `rows`
  fingerprint BLOB,               -- likewise
  former      INTEGER,  -- paid for, and what this row was before an edit
  kept_for    INTEGER,  -- the row that this would be, had it not kept
                                        -- what was bought before an edit
  took        INTEGER,            -- set where the row took over what was bought under
                                  -- another key: its own entry in `rows`, unused; 0 for none
  PRIMARY KEY (generation, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX plan_by_row  ON plan (row_id);
CREATE INDEX plan_by_shared ON plan (shares) WHERE shares IS NOT NULL;
CREATE INDEX plan_by_kept ON plan (kept_for) WHERE kept_for IS NOT NULL;

-- Former keys of rows, from before a row with another key took over what was bought.
CREATE TABLE former_keys (
  key    INTEGER NOT NULL,
  row_id INTEGER NOT NULL REFERENCES rows,
  PRIMARY KEY (key, row_id)
) STRICT, WITHOUT ROWID;

-- The user's columns of the manifest, as Arrow IPC, for the result table.
CREATE TABLE own_columns (
  generation INTEGER NOT NULL,
  first      INTEGER NOT NULL,    -- position of the slice's first row
  ipc        BLOB    NOT NULL,
  PRIMARY KEY (generation, first)
) STRICT;

-- Local reference images as the plan's reading found them. While none of them and not the
-- manifest has changed, the manifest need not be read again.
CREATE TABLE reference_files (
  generation INTEGER NOT NULL,
  path       TEXT    NOT NULL,    -- as the manifest names it
  size_bytes INTEGER,             -- null for one that was not there
  changed_at INTEGER,             -- in nanoseconds since 1970
  sha256     TEXT,
  PRIMARY KEY (generation, path)
) STRICT, WITHOUT ROWID;

-- sent -> accepted | delivered | stored | rejected | failed | unknown
-- accepted, overdue -> delivered | failed | unknown | overdue
-- delivered -> delivered (fresh links) | stored | failed
-- unknown -> stored (found whole in the archive after a kill)
-- unknown -> accepted | delivered | failed (its kept reply is read anew)
-- failed -> accepted | delivered (likewise, or its lost links download after all)
CREATE TABLE attempts (
  attempt_id   INTEGER PRIMARY KEY,
  row_id       INTEGER NOT NULL REFERENCES rows,
  first_image  INTEGER NOT NULL,  -- the part: images first_image .. + images - 1
  images       INTEGER NOT NULL,
  state        TEXT    NOT NULL,
  provider     TEXT    NOT NULL,
  model        TEXT    NOT NULL,
  base_url     TEXT    NOT NULL,
  aspect_ratio TEXT,              -- as sent
  resolution   TEXT,
  expected     INTEGER,           -- price of the whole part; null if unknown
  floor        INTEGER,           -- the least that the price list says; null if unknown
  ceiling      INTEGER,
  task_id      TEXT,
  request_id   TEXT,
  charge       TEXT,              -- none | reported | billed | price_list |
                                  -- unknown
  cost         INTEGER,           -- null while, or where, it is unknown
  uncertain    INTEGER NOT NULL DEFAULT 0,  -- what it may cost beyond `cost`, where the
                                  -- price list has a range and the reply no charge
  again        TEXT,
  counts       INTEGER NOT NULL DEFAULT 1,  -- 0: surely rejected unprocessed
  excused      INTEGER NOT NULL DEFAULT 0,  -- 1: the provider failed for everybody
  -- What stood here before a bill settled it, to be put back if that bill was wrong: the
  -- charge ('' for none) and the cost. Null where no bill settled it.
  charge_before_bill TEXT,
  cost_before_bill   INTEGER,
  uncertain_before_bill INTEGER,
  first_ceiling      INTEGER,     -- the ceiling before a higher charge raised it
  error        TEXT,
  message      TEXT,
  warning      TEXT,
  sent_at      INTEGER NOT NULL,
  accepted_at  INTEGER,
  ended_at     INTEGER,
  latency_s    REAL               -- monotonic; null across a restart
) STRICT;

CREATE INDEX attempts_by_row ON attempts (row_id);
CREATE INDEX attempts_open ON attempts (state)
  WHERE state IN ('sent', 'accepted', 'delivered', 'overdue');
CREATE INDEX attempts_by_time ON attempts (sent_at);

CREATE TABLE images (
  attempt_id INTEGER NOT NULL REFERENCES attempts,
  image      INTEGER NOT NULL,    -- within its row
  link       TEXT,                -- empty where it held a key and was not written
  from_text  INTEGER NOT NULL DEFAULT 0,  -- 1: it stood in a model's text
  name       TEXT,                -- member of the archive, once stored
  place      INTEGER,             -- offset of its local header
  size_bytes INTEGER,
  crc32      INTEGER,
  sha256     BLOB,
  media_type TEXT,
  width_px   INTEGER,
  height_px  INTEGER,
  PRIMARY KEY (attempt_id, image)
) STRICT, WITHOUT ROWID;

CREATE INDEX images_lacking ON images (attempt_id) WHERE name IS NULL AND link IS NOT NULL;

CREATE TABLE uploads (
  provider   TEXT    NOT NULL,
  base_url   TEXT    NOT NULL,
  name       TEXT    NOT NULL,    -- digest of the bytes that were sent
  link       TEXT    NOT NULL,
  good_until INTEGER NOT NULL,
  PRIMARY KEY (provider, base_url, name)
) STRICT, WITHOUT ROWID;

-- Rows for which something was or may have been paid, or for which a task runs.
CREATE VIEW paid_rows AS
  SELECT row_id FROM attempts
  WHERE state IN ('sent', 'accepted', 'overdue', 'delivered', 'stored', 'unknown')
     OR cost > 0 OR (charge = 'price_list' AND cost IS NULL);

-- Images that were removed from the archive, if since then neither `retry` marked the row nor
-- anything was bought for it: buying them again needs consent.
CREATE VIEW removed_images AS
  SELECT attempts.row_id, images.image FROM attempts JOIN images USING (attempt_id)
    JOIN rows USING (row_id)
  WHERE images.name IS NULL AND images.sha256 IS NOT NULL
    AND attempts.attempt_id > rows.tries_from
    AND NOT EXISTS (SELECT 1 FROM attempts AS later
                    WHERE later.row_id = attempts.row_id
                      AND later.attempt_id > attempts.attempt_id
                      AND later.state NOT IN ('rejected', 'failed'));
