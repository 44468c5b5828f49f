-- What the service has to remember, so that a crash at any moment, a lost answer
-- of Stripe's or a second run never makes a duplicate or loses a mapping:
-- which objects in Stripe stand for which local id and what was last put there
-- (bindings), what each run did (runs, results, events), which writes were
-- decided and not settled (intents), and what was last read (validations,
-- listings). Beside them the two tables that the CRM reads itself.
--
-- The same numbers and names exist for every engine, so the conventions are
-- those that carry over: times are bigint Unix microseconds in UTC, JSON is text
-- (exactly as it was written, which jsonb would not keep), ids are compared
-- bytewise (COLLATE "C", whatever the database's language). Truth values are
-- booleans, as the CRM's are. Every row belongs to one account in one mode
-- ('test' or 'live'), because an object of one does not exist in the other. Only
-- a run does not know its account at first; it gets it, with the rows it has by
-- then, as soon as Stripe was asked.
--
-- Our own tables are made in the first schema of the search path
-- (`database.schema`); the CRM's are in `public`, and where they exist nothing
-- of them is touched. Every file can be run again without effect, also by
-- `psql -v ON_ERROR_STOP=1 -f`, and notes at its end that it was run.

CREATE TABLE IF NOT EXISTS sync_schema_versions (
    version    bigint NOT NULL PRIMARY KEY,
    name       text   NOT NULL,
    apply_time bigint NOT NULL
);

-- The account behind an API key is asked once. The key itself is never kept;
-- its hash implies the mode.
CREATE TABLE IF NOT EXISTS account_keys (
    key_hash     text COLLATE "C" NOT NULL PRIMARY KEY,
    account      text COLLATE "C" NOT NULL,
    display_name text
);

CREATE TABLE IF NOT EXISTS product_bindings (
    account        text    COLLATE "C" NOT NULL,
    mode           text    COLLATE "C" NOT NULL CHECK (mode IN ('test', 'live')),
    local_id       text    COLLATE "C" NOT NULL,
    product_id     text    COLLATE "C" NOT NULL,
    applied        text    NOT NULL, -- JSON: what was last put there, the third side of every comparison
    origin         text    NOT NULL, -- JSON: where it was defined by then
    active         boolean NOT NULL, -- false: archived, for the catalog no longer has it
    on_sale        boolean NOT NULL, -- false as well if the catalog says so; to filter by
    sync_status    text    COLLATE "C" NOT NULL,
    last_sync_time bigint  NOT NULL,
    create_time    bigint  NOT NULL,
    PRIMARY KEY (account, mode, local_id)
);

CREATE INDEX IF NOT EXISTS product_bindings_product_id ON product_bindings (product_id);

-- Every price of ours, current or replaced. 'to_archive' is a replaced one that
-- may still be on sale: the run that replaced it did not get that far.
CREATE TABLE IF NOT EXISTS price_bindings (
    account   text COLLATE "C" NOT NULL,
    mode      text COLLATE "C" NOT NULL,
    local_id  text COLLATE "C" NOT NULL,
    price_key text COLLATE "C" NOT NULL, -- '' unless current
    price_id  text COLLATE "C" NOT NULL,
    state     text COLLATE "C" NOT NULL CHECK (state IN ('current', 'replaced', 'to_archive')),
    CHECK ((state = 'current') = (price_key <> '')),
    PRIMARY KEY (account, mode, local_id, price_key, price_id),
    FOREIGN KEY (account, mode, local_id)
        REFERENCES product_bindings (account, mode, local_id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS sync_runs (
    id              text    COLLATE "C" NOT NULL PRIMARY KEY, -- made later sorts later
    account         text    COLLATE "C",
    mode            text    COLLATE "C" CHECK (mode IN ('test', 'live')),
    request_id      text    COLLATE "C" UNIQUE,
    state           text    COLLATE "C" NOT NULL,
    stage           text    NOT NULL,
    trigger_kind    text    COLLATE "C" NOT NULL,
    actor           text    NOT NULL,
    options         text    NOT NULL, -- JSON
    dry_run         boolean NOT NULL, -- from the options, to filter by
    create_time     bigint  NOT NULL,
    start_time      bigint,
    end_time        bigint,
    counts          text    NOT NULL, -- JSON
    steps_total     bigint  NOT NULL,
    steps_finished  bigint  NOT NULL,
    stripe_reads    bigint  NOT NULL,
    stripe_writes   bigint  NOT NULL,
    stripe_retries  bigint  NOT NULL,
    last_sequence   bigint  NOT NULL,
    plan_digest     text,
    plan_text       text, -- of a dry run
    error           text, -- JSON
    source_problems text    NOT NULL, -- JSON
    warnings        text    NOT NULL, -- JSON
    CHECK ((account IS NULL) = (mode IS NULL))
);

CREATE INDEX IF NOT EXISTS sync_runs_unfinished ON sync_runs (id) WHERE state IN ('pending', 'running');

CREATE TABLE IF NOT EXISTS sync_run_results (
    run_id     text   COLLATE "C" NOT NULL REFERENCES sync_runs (id) ON DELETE CASCADE,
    local_id   text   COLLATE "C" NOT NULL,
    account    text   COLLATE "C",
    mode       text   COLLATE "C",
    name       text   NOT NULL,
    action     text   COLLATE "C" NOT NULL,
    reason     text   NOT NULL,
    changes    text   NOT NULL, -- JSON
    outcome    text   COLLATE "C" NOT NULL,
    product_id text   COLLATE "C",
    price_id   text   COLLATE "C",
    currency   text   COLLATE "C",
    amount     text   COLLATE "C", -- minor units, exact; may have decimals
    error      text, -- JSON
    attempts   bigint NOT NULL,
    origin     text   NOT NULL,
    PRIMARY KEY (run_id, local_id),
    CHECK ((currency IS NULL) = (amount IS NULL))
);

CREATE TABLE IF NOT EXISTS sync_run_events (
    run_id   text   COLLATE "C" NOT NULL REFERENCES sync_runs (id) ON DELETE CASCADE,
    sequence bigint NOT NULL,
    account  text   COLLATE "C",
    mode     text   COLLATE "C",
    time     bigint NOT NULL,
    body     text   NOT NULL, -- JSON
    PRIMARY KEY (run_id, sequence)
);

-- A run learns its account after it began; what it wrote by then follows. The
-- tables are named by the schema they are in, whatever the session's path is.
CREATE OR REPLACE FUNCTION sync_runs_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('UPDATE %I.sync_run_results SET account = $1, mode = $2 WHERE run_id = $3', TG_TABLE_SCHEMA)
        USING new.account, new.mode, new.id;
    EXECUTE format('UPDATE %I.sync_run_events SET account = $1, mode = $2 WHERE run_id = $3', TG_TABLE_SCHEMA)
        USING new.account, new.mode, new.id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER sync_runs_account AFTER UPDATE OF account, mode ON sync_runs
FOR EACH ROW WHEN (old.account IS NULL AND new.account IS NOT NULL)
EXECUTE FUNCTION sync_runs_account();

-- Committed before the write is sent: whoever takes over settles what is open.
-- No foreign key to the run: an intent outlives it, however runs are tidied up.
CREATE TABLE IF NOT EXISTS intents (
    ordinal    bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, -- in the order they were first begun
    id         text   COLLATE "C" NOT NULL UNIQUE,
    account    text   COLLATE "C" NOT NULL,
    mode       text   COLLATE "C" NOT NULL CHECK (mode IN ('test', 'live')),
    run_id     text   COLLATE "C" NOT NULL,
    local_id   text   COLLATE "C" NOT NULL,
    step       text   NOT NULL, -- JSON: the write, complete
    prices     text   NOT NULL, -- JSON: price ids that earlier steps created
    attempt    bigint NOT NULL, -- part of the idempotency key, as are account and id
    begin_time bigint NOT NULL,
    state      text   COLLATE "C" NOT NULL CHECK (state IN ('open', 'done', 'failed', 'settled', 'void')),
    request_id text   COLLATE "C", -- Stripe's, for its support
    price_id   text   COLLATE "C" -- the price it created
);

CREATE INDEX IF NOT EXISTS intents_open ON intents (account, mode, begin_time, ordinal) WHERE state = 'open';

CREATE TABLE IF NOT EXISTS validations (
    account             text   COLLATE "C" NOT NULL,
    mode                text   COLLATE "C" NOT NULL CHECK (mode IN ('test', 'live')),
    time                bigint NOT NULL,
    products            bigint NOT NULL,
    in_sync             bigint NOT NULL,
    findings            text   NOT NULL, -- JSON
    source_problems     text   NOT NULL, -- JSON
    catalog_fingerprint text   NOT NULL,
    stripe_calls        bigint NOT NULL,
    PRIMARY KEY (account, mode)
);

CREATE TABLE IF NOT EXISTS listings (
    account text   COLLATE "C" NOT NULL,
    mode    text   COLLATE "C" NOT NULL CHECK (mode IN ('test', 'live')),
    time    bigint NOT NULL,
    PRIMARY KEY (account, mode)
);

-- Every product of the account that carries a localId, as its metadata says.
CREATE TABLE IF NOT EXISTS listed_products (
    account    text COLLATE "C" NOT NULL,
    mode       text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    local_id   text COLLATE "C" NOT NULL,
    catalog    text COLLATE "C",
    PRIMARY KEY (account, mode, product_id),
    FOREIGN KEY (account, mode) REFERENCES listings (account, mode) ON DELETE CASCADE
);

-- The CRM's own two tables, where they are missing: with its names, columns,
-- constraints, indexes and trigger. A role that Supabase's REST API lets anybody
-- use may read them and not write: whoever could, would say what is bought.
DO $$
DECLARE
    visitor text;
BEGIN
    IF to_regclass('public.stripe_product_mappings') IS NULL THEN
        CREATE TABLE public.stripe_product_mappings (
            id                 uuid           NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
            local_product_id   text           NOT NULL UNIQUE,
            local_product_name text           NOT NULL,
            stripe_product_id  text           NOT NULL,
            stripe_price_id    text           NOT NULL,
            price_amount       decimal(10, 2) NOT NULL, -- major units
            currency           text           DEFAULT 'usd',
            billing_type       text           DEFAULT 'monthly',
            sync_status        text           DEFAULT 'synced',
            last_synced_at     timestamptz,
            active             boolean        DEFAULT true,
            metadata           jsonb          DEFAULT '{}',
            created_at         timestamptz    DEFAULT now(),
            updated_at         timestamptz    DEFAULT now()
        );
        CREATE INDEX idx_stripe_product_mappings_local_id ON public.stripe_product_mappings (local_product_id);
        CREATE INDEX idx_stripe_product_mappings_stripe_product ON public.stripe_product_mappings (stripe_product_id);
        CREATE INDEX idx_stripe_product_mappings_stripe_price ON public.stripe_product_mappings (stripe_price_id);
        CREATE INDEX idx_stripe_product_mappings_active ON public.stripe_product_mappings (active);
        CREATE INDEX idx_stripe_product_mappings_sync_status ON public.stripe_product_mappings (sync_status);
        CREATE OR REPLACE FUNCTION public.update_stripe_product_mappings_updated_at()
        RETURNS trigger LANGUAGE plpgsql AS $function$
        BEGIN
            new.updated_at = now();
            RETURN new;
        END
        $function$;
        CREATE TRIGGER update_stripe_product_mappings_updated_at
        BEFORE UPDATE ON public.stripe_product_mappings
        FOR EACH ROW EXECUTE FUNCTION public.update_stripe_product_mappings_updated_at();
        FOR visitor IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
            EXECUTE format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON public.stripe_product_mappings FROM %I', visitor);
        END LOOP;
    END IF;
    IF to_regclass('public.product_change_log') IS NULL THEN
        CREATE TABLE public.product_change_log (
            id             uuid        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
            event_type     text        NOT NULL,
            product_id     text        NOT NULL,
            product_type   text        NOT NULL,
            changes        jsonb,
            user_id        text,
            triggered_sync boolean     DEFAULT false,
            sync_result    jsonb,
            created_at     timestamptz DEFAULT now()
        );
        CREATE INDEX idx_product_change_log_product_id ON public.product_change_log (product_id);
        CREATE INDEX idx_product_change_log_event_type ON public.product_change_log (event_type);
        CREATE INDEX idx_product_change_log_created_at ON public.product_change_log (created_at);
        CREATE INDEX idx_product_change_log_user_id ON public.product_change_log (user_id);
        CREATE INDEX idx_product_change_log_triggered_sync ON public.product_change_log (triggered_sync);
        FOR visitor IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
            EXECUTE format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON public.product_change_log FROM %I', visitor);
        END LOOP;
    END IF;
END
$$;

-- Whoever comes through a REST API over this database sees and changes nothing
-- of ours. The role that owns the tables is not held up by row level security.
DO $$
DECLARE
    ours    text;
    visitor text;
BEGIN
    FOREACH ours IN ARRAY ARRAY['sync_schema_versions', 'account_keys', 'product_bindings', 'price_bindings',
        'sync_runs', 'sync_run_results', 'sync_run_events', 'intents', 'validations', 'listings', 'listed_products'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', ours);
        FOR visitor IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', ours, visitor);
        END LOOP;
    END LOOP;
END
$$;

INSERT INTO sync_schema_versions VALUES (1, 'core', extract(epoch FROM now()) * 1e6) ON CONFLICT DO NOTHING;
