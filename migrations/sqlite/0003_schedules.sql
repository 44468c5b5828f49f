-- What happens by itself must happen once for every slot of its timetable, also
-- when the service was down at the slot, is killed in the middle of it, or runs
-- several times: so it has to be remembered which slot was taken last. A process
-- claims a slot by writing it here, on the condition that nobody has since it
-- looked. What is claimed and not done is tried again, by whoever is there: what
-- is done at a slot can be repeated without harm, since its run is known by a
-- request id that is made from the slot.
--
-- And a person's word that a schedule shall pause has to outlast every restart.

CREATE TABLE schedules (
    account     TEXT    NOT NULL,
    mode        TEXT    NOT NULL CHECK (mode IN ('test', 'live')),
    job         TEXT    NOT NULL, -- 'validate' or 'sync'
    slot        INTEGER, -- the latest that was claimed or passed over; null: only paused so far
    attempt     INTEGER, -- which one this is, from 1; 0: the slot was passed over
    claim_time  INTEGER, -- when this attempt began
    done        INTEGER CHECK (done IN (0, 1)),
    last_slot   INTEGER, -- the latest that something was done at
    last_time   INTEGER, -- when that was done
    last_run_id TEXT, -- the run that came of it; runs may be tidied up, so it is no foreign key
    pause_time  INTEGER, -- null: it is not paused
    paused_by   TEXT, -- may be empty: nobody's name was known
    PRIMARY KEY (account, mode, job),
    CHECK ((slot IS NULL) = (attempt IS NULL)),
    CHECK ((slot IS NULL) = (claim_time IS NULL)),
    CHECK ((slot IS NULL) = (done IS NULL)),
    CHECK ((last_slot IS NULL) = (last_time IS NULL)),
    CHECK (last_run_id IS NULL OR last_slot IS NOT NULL),
    CHECK ((pause_time IS NULL) = (paused_by IS NULL))
) STRICT, WITHOUT ROWID;
