-- What the service has to remember, so that a crash at any moment, a lost answer
-- of Stripe's or a second run never makes a duplicate or loses a mapping:
-- which objects in Stripe stand for which local id and what was last put there
-- (bindings), what each run did (runs, results, events), which writes were
-- decided and not settled (intents), and what was last read (validations,
-- listings). Beside them the two tables that the CRM reads itself.
--
-- The same numbers and names exist for every engine, so the conventions are
-- those that carry over: times are INTEGER Unix microseconds in UTC, JSON is
-- TEXT, truth values are 0 and 1, ids are compared bytewise. Every row belongs
-- to one account in one mode ('test' or 'live'), because an object of one does
-- not exist in the other. Only a run does not know its account at first; it
-- gets it, with the rows it has by then, as soon as Stripe was asked. STRICT
-- and WITHOUT ROWID (rows that are found by their key only) are SQLite's own.

-- The account behind an API key is asked once. The key itself is never kept;
-- its hash implies the mode.
CREATE TABLE account_keys (
    key_hash     TEXT NOT NULL PRIMARY KEY,
    account      TEXT NOT NULL,
    display_name TEXT
) STRICT;

CREATE TABLE product_bindings (
    account        TEXT    NOT NULL,
    mode           TEXT    NOT NULL CHECK (mode IN ('test', 'live')),
    local_id       TEXT    NOT NULL,
    product_id     TEXT    NOT NULL,
    applied        TEXT    NOT NULL, -- JSON: what was last put there, the third side of every comparison
    origin         TEXT    NOT NULL, -- JSON: where it was defined by then
    active         INTEGER NOT NULL CHECK (active IN (0, 1)), -- 0: archived, for the catalog no longer has it
    on_sale        INTEGER NOT NULL CHECK (on_sale IN (0, 1)), -- 0 as well if the catalog says so; to filter by
    sync_status    TEXT    NOT NULL,
    last_sync_time INTEGER NOT NULL,
    create_time    INTEGER NOT NULL,
    PRIMARY KEY (account, mode, local_id)
) STRICT;

CREATE INDEX product_bindings_product_id ON product_bindings (product_id);

-- Every price of ours, current or replaced. 'to_archive' is a replaced one that
-- may still be on sale: the run that replaced it did not get that far.
CREATE TABLE price_bindings (
    account   TEXT NOT NULL,
    mode      TEXT NOT NULL,
    local_id  TEXT NOT NULL,
    price_key TEXT NOT NULL, -- '' unless current
    price_id  TEXT NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('current', 'replaced', 'to_archive')),
    CHECK ((state = 'current') = (price_key <> '')),
    PRIMARY KEY (account, mode, local_id, price_key, price_id),
    FOREIGN KEY (account, mode, local_id)
        REFERENCES product_bindings (account, mode, local_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE sync_runs (
    id              TEXT    NOT NULL PRIMARY KEY, -- made later sorts later
    account         TEXT,
    mode            TEXT CHECK (mode IN ('test', 'live')),
    request_id      TEXT UNIQUE,
    state           TEXT    NOT NULL,
    stage           TEXT    NOT NULL,
    trigger_kind    TEXT    NOT NULL,
    actor           TEXT    NOT NULL,
    options         TEXT    NOT NULL, -- JSON
    dry_run         INTEGER NOT NULL CHECK (dry_run IN (0, 1)), -- from the options, to filter by
    create_time     INTEGER NOT NULL,
    start_time      INTEGER,
    end_time        INTEGER,
    counts          TEXT    NOT NULL, -- JSON
    steps_total     INTEGER NOT NULL,
    steps_finished  INTEGER NOT NULL,
    stripe_reads    INTEGER NOT NULL,
    stripe_writes   INTEGER NOT NULL,
    stripe_retries  INTEGER NOT NULL,
    last_sequence   INTEGER NOT NULL,
    plan_digest     TEXT,
    plan_text       TEXT, -- of a dry run
    error           TEXT, -- JSON
    source_problems TEXT    NOT NULL, -- JSON
    warnings        TEXT    NOT NULL, -- JSON
    CHECK ((account IS NULL) = (mode IS NULL))
) STRICT;

CREATE INDEX sync_runs_unfinished ON sync_runs (id) WHERE state IN ('pending', 'running');

CREATE TABLE sync_run_results (
    run_id     TEXT    NOT NULL REFERENCES sync_runs (id) ON DELETE CASCADE,
    local_id   TEXT    NOT NULL,
    account    TEXT,
    mode       TEXT,
    name       TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    changes    TEXT    NOT NULL, -- JSON
    outcome    TEXT    NOT NULL,
    product_id TEXT,
    price_id   TEXT,
    currency   TEXT,
    amount     TEXT, -- minor units, exact; may have decimals
    error      TEXT, -- JSON
    attempts   INTEGER NOT NULL,
    origin     TEXT    NOT NULL,
    PRIMARY KEY (run_id, local_id),
    CHECK ((currency IS NULL) = (amount IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE sync_run_events (
    run_id   TEXT    NOT NULL REFERENCES sync_runs (id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    account  TEXT,
    mode     TEXT,
    time     INTEGER NOT NULL,
    body     TEXT    NOT NULL, -- JSON
    PRIMARY KEY (run_id, sequence)
) STRICT, WITHOUT ROWID;

-- A run learns its account after it began; what it wrote by then follows.
CREATE TRIGGER sync_runs_account AFTER UPDATE OF account, mode ON sync_runs
WHEN old.account IS NULL AND new.account IS NOT NULL
BEGIN
    UPDATE sync_run_results SET account = new.account, mode = new.mode WHERE run_id = new.id;
    UPDATE sync_run_events SET account = new.account, mode = new.mode WHERE run_id = new.id;
END;

-- Committed before the write is sent: whoever takes over settles what is open.
-- No foreign key to the run: an intent outlives it, however runs are tidied up.
CREATE TABLE intents (
    ordinal    INTEGER NOT NULL PRIMARY KEY, -- in the order they were first begun
    id         TEXT    NOT NULL UNIQUE,
    account    TEXT    NOT NULL,
    mode       TEXT    NOT NULL CHECK (mode IN ('test', 'live')),
    run_id     TEXT    NOT NULL,
    local_id   TEXT    NOT NULL,
    step       TEXT    NOT NULL, -- JSON: the write, complete
    prices     TEXT    NOT NULL, -- JSON: price ids that earlier steps created
    attempt    INTEGER NOT NULL, -- part of the idempotency key, as are account and id
    begin_time INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('open', 'done', 'failed', 'settled', 'void')),
    request_id TEXT, -- Stripe's, for its support
    price_id   TEXT -- the price it created
) STRICT;

CREATE INDEX intents_open ON intents (account, mode, begin_time, ordinal) WHERE state = 'open';

CREATE TABLE validations (
    account             TEXT    NOT NULL,
    mode                TEXT    NOT NULL CHECK (mode IN ('test', 'live')),
    time                INTEGER NOT NULL,
    products            INTEGER NOT NULL,
    in_sync             INTEGER NOT NULL,
    findings            TEXT    NOT NULL, -- JSON
    source_problems     TEXT    NOT NULL, -- JSON
    catalog_fingerprint TEXT    NOT NULL,
    stripe_calls        INTEGER NOT NULL,
    PRIMARY KEY (account, mode)
) STRICT;

CREATE TABLE listings (
    account TEXT    NOT NULL,
    mode    TEXT    NOT NULL CHECK (mode IN ('test', 'live')),
    time    INTEGER NOT NULL,
    PRIMARY KEY (account, mode)
) STRICT;

-- Every product of the account that carries a localId, as its metadata says.
CREATE TABLE listed_products (
    account    TEXT NOT NULL,
    mode       TEXT NOT NULL,
    product_id TEXT NOT NULL,
    local_id   TEXT NOT NULL,
    catalog    TEXT,
    PRIMARY KEY (account, mode, product_id),
    FOREIGN KEY (account, mode) REFERENCES listings (account, mode) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- The CRM's own two tables, with its names, columns and constraints. Existing
-- rows are kept. uuid, timestamptz and jsonb become TEXT here (ISO 8601 in UTC
-- for times), as the CRM gets them over its REST API. price_amount is
-- numeric(10,2) there: TEXT with two decimals keeps it exact, REAL would not,
-- and a STRICT table has no NUMERIC.
CREATE TABLE IF NOT EXISTS stripe_product_mappings (
    id                 TEXT    NOT NULL PRIMARY KEY DEFAULT (
        lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
            || '-a' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    local_product_id   TEXT    NOT NULL UNIQUE,
    local_product_name TEXT    NOT NULL,
    stripe_product_id  TEXT    NOT NULL,
    stripe_price_id    TEXT    NOT NULL,
    price_amount       TEXT    NOT NULL, -- major units
    currency           TEXT    DEFAULT 'usd',
    billing_type       TEXT    DEFAULT 'monthly',
    sync_status        TEXT    DEFAULT 'synced',
    last_synced_at     TEXT,
    active             INTEGER DEFAULT 1,
    metadata           TEXT    DEFAULT '{}',
    created_at         TEXT    DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at         TEXT    DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE INDEX IF NOT EXISTS idx_stripe_product_mappings_local_id ON stripe_product_mappings (local_product_id);
CREATE INDEX IF NOT EXISTS idx_stripe_product_mappings_stripe_product ON stripe_product_mappings (stripe_product_id);
CREATE INDEX IF NOT EXISTS idx_stripe_product_mappings_stripe_price ON stripe_product_mappings (stripe_price_id);
CREATE INDEX IF NOT EXISTS idx_stripe_product_mappings_active ON stripe_product_mappings (active);
CREATE INDEX IF NOT EXISTS idx_stripe_product_mappings_sync_status ON stripe_product_mappings (sync_status);

CREATE TRIGGER IF NOT EXISTS update_stripe_product_mappings_updated_at
AFTER UPDATE ON stripe_product_mappings
WHEN new.updated_at IS old.updated_at
BEGIN
    UPDATE stripe_product_mappings SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = new.id;
END;

CREATE TABLE IF NOT EXISTS product_change_log (
    id             TEXT    NOT NULL PRIMARY KEY DEFAULT (
        lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
            || '-a' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    event_type     TEXT    NOT NULL,
    product_id     TEXT    NOT NULL,
    product_type   TEXT    NOT NULL,
    changes        TEXT,
    user_id        TEXT,
    triggered_sync INTEGER DEFAULT 0,
    sync_result    TEXT,
    created_at     TEXT    DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE INDEX IF NOT EXISTS idx_product_change_log_product_id ON product_change_log (product_id);
CREATE INDEX IF NOT EXISTS idx_product_change_log_event_type ON product_change_log (event_type);
CREATE INDEX IF NOT EXISTS idx_product_change_log_created_at ON product_change_log (created_at);
CREATE INDEX IF NOT EXISTS idx_product_change_log_user_id ON product_change_log (user_id);
CREATE INDEX IF NOT EXISTS idx_product_change_log_triggered_sync ON product_change_log (triggered_sync);
