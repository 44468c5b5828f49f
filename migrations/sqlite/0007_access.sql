-- Who may use the service is kept beside what it knows, so that every process of
-- it accepts the same keys, and one that is revoked is refused by all of them. Of
-- a key its hash is kept and never the key itself: who reads this table, or a
-- backup of it, can use none.
--
-- And what was done has to be told with who did it: who sent an event and who
-- stopped a run. (Who started a run, pushed a product or paused a schedule is
-- kept already.) Empty where nobody's name was known, as of all that was there
-- before.

CREATE TABLE api_keys (
    id            TEXT    NOT NULL PRIMARY KEY, -- public: names the key in lists and logs
    name          TEXT    NOT NULL, -- whose it is
    role          TEXT    NOT NULL CHECK (role IN ('viewer', 'emitter', 'operator', 'admin')),
    hash          TEXT    NOT NULL, -- SHA-256 of the whole key, in hexadecimal
    create_time   INTEGER NOT NULL,
    expire_time   INTEGER, -- when it ends by itself; null: never
    revoke_time   INTEGER, -- when somebody ended it
    last_use_time INTEGER -- to about a minute
) STRICT, WITHOUT ROWID;

ALTER TABLE change_events ADD COLUMN actor TEXT NOT NULL DEFAULT ''; -- who sent it
ALTER TABLE sync_runs ADD COLUMN cancelled_by TEXT NOT NULL DEFAULT ''; -- who asked it to stop, first
