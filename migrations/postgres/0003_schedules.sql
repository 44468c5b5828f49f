-- What happens by itself must happen once for every slot of its timetable, also
-- when the service was down at the slot, is killed in the middle of it, or runs
-- several times: so it has to be remembered which slot was taken last. A process
-- claims a slot by writing it here, on the condition that nobody has since it
-- looked. What is claimed and not done is tried again, by whoever is there: what
-- is done at a slot can be repeated without harm, since its run is known by a
-- request id that is made from the slot.
--
-- And a person's word that a schedule shall pause has to outlast every restart.

CREATE TABLE IF NOT EXISTS schedules (
    account     text    COLLATE "C" NOT NULL,
    mode        text    COLLATE "C" NOT NULL CHECK (mode IN ('test', 'live')),
    job         text    COLLATE "C" NOT NULL, -- 'validate' or 'sync'
    slot        bigint, -- the latest that was claimed or passed over; null: only paused so far
    attempt     bigint, -- which one this is, from 1; 0: the slot was passed over
    claim_time  bigint, -- when this attempt began
    done        boolean,
    last_slot   bigint, -- the latest that something was done at
    last_time   bigint, -- when that was done
    last_run_id text    COLLATE "C", -- the run that came of it; runs may be tidied up, so it is no foreign key
    pause_time  bigint, -- null: it is not paused
    paused_by   text, -- may be empty: nobody's name was known
    PRIMARY KEY (account, mode, job),
    CHECK ((slot IS NULL) = (attempt IS NULL)),
    CHECK ((slot IS NULL) = (claim_time IS NULL)),
    CHECK ((slot IS NULL) = (done IS NULL)),
    CHECK ((last_slot IS NULL) = (last_time IS NULL)),
    CHECK (last_run_id IS NULL OR last_slot IS NOT NULL),
    CHECK ((pause_time IS NULL) = (paused_by IS NULL))
);

DO $$
DECLARE
    ours    text;
    visitor text;
BEGIN
    FOREACH ours IN ARRAY ARRAY['schedules'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', ours);
        FOR visitor IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', ours, visitor);
        END LOOP;
    END LOOP;
END
$$;

INSERT INTO sync_schema_versions VALUES (3, 'schedules', extract(epoch FROM now()) * 1e6) ON CONFLICT DO NOTHING;
