-- Somebody has to be told when a sync fails, and told when it works again, once
-- each: over restarts, and also when whoever is to be told cannot be reached. So
-- what is wrong is kept here until it isn't any more, with what was last told of
-- it: what is still to be told is the difference between the two.
--
-- The end of each run is judged once: a run of the time before this table, or
-- a dry one, never is.

CREATE TABLE IF NOT EXISTS alerts (
    id             text   COLLATE "C" NOT NULL PRIMARY KEY, -- named in what is posted
    account        text   COLLATE "C", -- null: not known when it began
    mode           text   COLLATE "C" NOT NULL CHECK (mode IN ('test', 'live')),
    kind           text   COLLATE "C" NOT NULL,
    message        text   NOT NULL,
    hint           text   NOT NULL, -- may be empty
    details        text   NOT NULL, -- JSON: lines
    run_id         text   COLLATE "C", -- the run that said so last; runs may be tidied up, so it is no foreign key
    scope          text   NOT NULL, -- JSON: what a run has to bring in order for it to be over
    first_time     bigint NOT NULL,
    last_time      bigint NOT NULL,
    count          bigint NOT NULL, -- how often it was found
    end_time       bigint, -- null: it is still so
    told           text, -- JSON: what was posted last; null: nothing was
    told_open      boolean NOT NULL, -- from it: somebody waits to hear that it is over
    posts          bigint NOT NULL, -- that were taken
    attempts       bigint NOT NULL, -- that failed since
    next_time      bigint, -- before which no other attempt is made
    delivery_error text -- of the last attempt
);

-- What is wrong is open once.
CREATE UNIQUE INDEX IF NOT EXISTS alerts_open ON alerts (coalesce(account, ''), mode, kind) WHERE end_time IS NULL;

ALTER TABLE sync_runs ADD COLUMN IF NOT EXISTS judged boolean NOT NULL DEFAULT true;

CREATE INDEX IF NOT EXISTS sync_runs_unjudged ON sync_runs (end_time) WHERE NOT judged;

-- Products that differ and that no sync would change: what a person has to mend.
ALTER TABLE validations ADD COLUMN IF NOT EXISTS unmended text NOT NULL DEFAULT '[]'; -- JSON: local ids

DO $$
DECLARE
    ours    text;
    visitor text;
BEGIN
    FOREACH ours IN ARRAY ARRAY['alerts'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', ours);
        FOR visitor IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', ours, visitor);
        END LOOP;
    END LOOP;
END
$$;

INSERT INTO sync_schema_versions VALUES (5, 'alerts', extract(epoch FROM now()) * 1e6) ON CONFLICT DO NOTHING;
