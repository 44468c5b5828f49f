-- Somebody has to be told when a sync fails, and told when it works again, once
-- each: over restarts, and also when whoever is to be told cannot be reached. So
-- what is wrong is kept here until it isn't any more, with what was last told of
-- it: what is still to be told is the difference between the two.
--
-- The end of each run is judged once: a run of the time before this table, or
-- a dry one, never is.

CREATE TABLE alerts (
    id             TEXT    NOT NULL PRIMARY KEY, -- named in what is posted
    account        TEXT, -- null: not known when it began
    mode           TEXT    NOT NULL CHECK (mode IN ('test', 'live')),
    kind           TEXT    NOT NULL,
    message        TEXT    NOT NULL,
    hint           TEXT    NOT NULL, -- may be empty
    details        TEXT    NOT NULL, -- JSON: lines
    run_id         TEXT, -- the run that said so last; runs may be tidied up, so it is no foreign key
    scope          TEXT    NOT NULL, -- JSON: what a run has to bring in order for it to be over
    first_time     INTEGER NOT NULL,
    last_time      INTEGER NOT NULL,
    count          INTEGER NOT NULL, -- how often it was found
    end_time       INTEGER, -- null: it is still so
    told           TEXT, -- JSON: what was posted last; null: nothing was
    told_open      INTEGER NOT NULL CHECK (told_open IN (0, 1)), -- from it: somebody waits to hear that it is over
    posts          INTEGER NOT NULL, -- that were taken
    attempts       INTEGER NOT NULL, -- that failed since
    next_time      INTEGER, -- before which no other attempt is made
    delivery_error TEXT -- of the last attempt
) STRICT;

-- What is wrong is open once.
CREATE UNIQUE INDEX alerts_open ON alerts (coalesce(account, ''), mode, kind) WHERE end_time IS NULL;

ALTER TABLE sync_runs ADD COLUMN judged INTEGER NOT NULL DEFAULT 1 CHECK (judged IN (0, 1));

UPDATE sync_runs SET judged = 0 WHERE state IN ('pending', 'running') AND dry_run = 0;

CREATE INDEX sync_runs_unjudged ON sync_runs (end_time) WHERE judged = 0;

-- Products that differ and that no sync would change: what a person has to mend.
ALTER TABLE validations ADD COLUMN unmended TEXT NOT NULL DEFAULT '[]'; -- JSON: local ids
