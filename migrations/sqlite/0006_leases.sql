-- Several processes work on one database, and one of them at a time on an
-- account. So which one it is has to be written here, for a time that has to be
-- renewed: a process that is killed, stopped or cut off makes room by itself. It
-- may go on later and not know that it was replaced: everything that it writes
-- for the lease names the epoch it was given, and is refused once there is
-- another one.
--
-- And the line is the same for all of them: one run waits per queue, whoever was
-- asked for it, others join it as long as it has not begun, and who wants it to
-- stop says so here. In SQLite there is one process, which does the same.

CREATE TABLE leases (
    name        TEXT    NOT NULL PRIMARY KEY,
    owner       TEXT    NOT NULL, -- who had it last
    epoch       INTEGER NOT NULL, -- grows with every owner, and whenever it had been given back
    expire_time INTEGER NOT NULL  -- never: there is nobody else; 0: it was given back
) STRICT, WITHOUT ROWID;

ALTER TABLE sync_runs ADD COLUMN queue TEXT; -- it waits or works in; of a dry run the lease of its process
ALTER TABLE sync_runs ADD COLUMN is_joined INTEGER NOT NULL DEFAULT 0 CHECK (is_joined IN (0, 1)); -- while it waited, another request was content with it
ALTER TABLE sync_runs ADD COLUMN is_cancelled INTEGER NOT NULL DEFAULT 0 CHECK (is_cancelled IN (0, 1)); -- it was asked to stop

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
CREATE UNIQUE INDEX sync_runs_waiting ON sync_runs (queue)
WHERE state = 'pending' AND NOT dry_run AND queue IS NOT NULL;
