-- Several processes work on one database, and one of them at a time on an
-- account. So which one it is has to be written here, for a time that has to be
-- renewed: a process that is killed, stopped or cut off makes room by itself. It
-- may go on later and not know that it was replaced: everything that it writes
-- for the lease names the epoch it was given, and is refused once there is
-- another one.
--
-- And the line is the same for all of them: one run waits per queue, whoever was
-- asked for it, others join it as long as it has not begun, and who wants it to
-- stop says so here. Each process hears at once what the others changed.

CREATE TABLE IF NOT EXISTS leases (
    name        text   COLLATE "C" NOT NULL PRIMARY KEY,
    owner       text   COLLATE "C" NOT NULL, -- who had it last
    epoch       bigint NOT NULL, -- grows with every owner, and whenever the time had run out
    expire_time bigint NOT NULL, -- by this server's clock; 0: it was given back
    -- Makes the epoch part of a key: a write under a lease locks the key alone, so
    -- that a takeover has to wait for it while a renewal does not.
    UNIQUE (name, epoch)
);

ALTER TABLE sync_runs ADD COLUMN IF NOT EXISTS queue text COLLATE "C"; -- it waits or works in; of a dry run the lease of its process
ALTER TABLE sync_runs ADD COLUMN IF NOT EXISTS is_joined boolean NOT NULL DEFAULT false; -- while it waited, another request was content with it
ALTER TABLE sync_runs ADD COLUMN IF NOT EXISTS is_cancelled boolean NOT NULL DEFAULT false; -- it was asked to stop

-- What an older program left open. Without an account nobody knows whose line it
-- belongs to, and of those that wait in one only the oldest has a place in it.
UPDATE sync_runs
SET state = 'failed', end_time = create_time,
    error = '{"reason":"INTERRUPTED","message":"the process that ran it ended before the run did","stripe_request_id":null,"hint":"start a sync: it settles what was left open and does the rest"}'
WHERE state IN ('pending', 'running') AND NOT dry_run AND queue IS NULL
  AND (account IS NULL
      OR (state = 'pending' AND EXISTS (
          SELECT 1 FROM sync_runs AS older
          WHERE older.state = 'pending' AND NOT older.dry_run
            AND older.account = sync_runs.account AND older.mode = sync_runs.mode
            AND older.id < sync_runs.id)));

UPDATE sync_runs SET queue = 'runs/' || account || '/' || mode
WHERE state IN ('pending', 'running') AND NOT dry_run AND queue IS NULL;

-- In a queue one run waits.
CREATE UNIQUE INDEX IF NOT EXISTS sync_runs_waiting ON sync_runs (queue)
WHERE state = 'pending' AND NOT dry_run AND queue IS NOT NULL;

-- Who listens is told that something changed, and in which schema: what it is
-- has to be read anyway. Of one transaction it is told once.
CREATE OR REPLACE FUNCTION sync_tell_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('stripe_product_sync', TG_TABLE_SCHEMA);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER sync_runs_changed AFTER INSERT OR UPDATE ON sync_runs
FOR EACH STATEMENT EXECUTE FUNCTION sync_tell_changes();
CREATE OR REPLACE TRIGGER sync_run_events_changed AFTER INSERT ON sync_run_events
FOR EACH STATEMENT EXECUTE FUNCTION sync_tell_changes();
CREATE OR REPLACE TRIGGER change_events_changed AFTER INSERT ON change_events
FOR EACH STATEMENT EXECUTE FUNCTION sync_tell_changes();

DO $$
DECLARE
    ours    text;
    visitor text;
BEGIN
    FOREACH ours IN ARRAY ARRAY['leases'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', ours);
        FOR visitor IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', ours, visitor);
        END LOOP;
    END LOOP;
END
$$;

INSERT INTO sync_schema_versions VALUES (6, 'leases', extract(epoch FROM now()) * 1e6) ON CONFLICT DO NOTHING;
