-- What the CRM says it changed, from the moment it is told that the event is
-- taken until a run has seen to it. The rows are the queue as well: an event
-- waits ('pending') until a run takes it ('running'), and is then done, waits
-- for another attempt, or is given up ('failed'). What comes in while a run is
-- at work stays 'pending': each run takes only what was there before it read
-- the catalog.
--
-- An event belongs to no account before a run takes it: it is accepted also
-- before Stripe was ever reached. The CRM's product_change_log shows the same
-- events, each under log_id, and is written together with them.

CREATE TABLE change_events (
    ordinal      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- in the order they were received
    event_id     TEXT    NOT NULL UNIQUE,
    log_id       TEXT    NOT NULL, -- product_change_log.id
    account      TEXT,
    mode         TEXT CHECK (mode IN ('test', 'live')),
    event_type   TEXT    NOT NULL,
    product_type TEXT    NOT NULL,
    product_id   TEXT    NOT NULL, -- the CRM's
    changes      TEXT, -- JSON
    user_id      TEXT    NOT NULL,
    occur_time   INTEGER NOT NULL,
    receive_time INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('pending', 'running', 'done', 'failed', 'ignored')),
    attempts     INTEGER NOT NULL,
    next_time    INTEGER NOT NULL, -- not before; 0: at any time
    run_id       TEXT, -- that took it last
    local_ids    TEXT    NOT NULL, -- JSON: the products it was taken to name
    flags        TEXT    NOT NULL, -- JSON
    message      TEXT    NOT NULL,
    CHECK ((account IS NULL) = (mode IS NULL))
) STRICT;

CREATE INDEX change_events_pending ON change_events (next_time, receive_time) WHERE state = 'pending';
CREATE INDEX change_events_failed ON change_events (ordinal) WHERE state = 'failed';
CREATE INDEX change_events_running ON change_events (run_id) WHERE state = 'running';
CREATE INDEX change_events_run_id ON change_events (run_id, ordinal) WHERE run_id IS NOT NULL;
CREATE INDEX change_events_product_id ON change_events (product_id, ordinal);

-- Which requests wrote a product is asked by run.
CREATE INDEX intents_run_id ON intents (run_id, local_id);
