-- Who may use the service is kept beside what it knows, so that every process of
-- it accepts the same keys, and one that is revoked is refused by all of them. Of
-- a key its hash is kept and never the key itself: who reads this table, or a
-- backup of it, can use none.
--
-- And what was done has to be told with who did it: who sent an event and who
-- stopped a run. (Who started a run, pushed a product or paused a schedule is
-- kept already.) Empty where nobody's name was known, as of all that was there
-- before.

CREATE TABLE IF NOT EXISTS api_keys (
    id            text   COLLATE "C" NOT NULL PRIMARY KEY, -- public: names the key in lists and logs
    name          text   NOT NULL, -- whose it is
    role          text   COLLATE "C" NOT NULL CHECK (role IN ('viewer', 'emitter', 'operator', 'admin')),
    hash          text   COLLATE "C" NOT NULL, -- SHA-256 of the whole key, in hexadecimal
    create_time   bigint NOT NULL,
    expire_time   bigint, -- when it ends by itself; null: never
    revoke_time   bigint, -- when somebody ended it
    last_use_time bigint -- to about a minute
);

ALTER TABLE change_events ADD COLUMN IF NOT EXISTS actor text NOT NULL DEFAULT ''; -- who sent it
ALTER TABLE sync_runs ADD COLUMN IF NOT EXISTS cancelled_by text NOT NULL DEFAULT ''; -- who asked it to stop, first

DO $$
DECLARE
    ours    text;
    visitor text;
BEGIN
    FOREACH ours IN ARRAY ARRAY['api_keys'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', ours);
        FOR visitor IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', ours, visitor);
        END LOOP;
    END LOOP;
END
$$;

INSERT INTO sync_schema_versions VALUES (7, 'access', extract(epoch FROM now()) * 1e6) ON CONFLICT DO NOTHING;
