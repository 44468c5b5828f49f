-- Products that the CRM keeps here itself (PutProducts), because their prices
-- are edited in its admin pages and stand in no file. They belong to a catalog,
-- not to an account: the same products are synced to whichever account and mode
-- the service works for.
--
-- The version of a catalog's pushed products goes up with every change, also
-- when the last one is removed: who changes them says which version was looked
-- at, and a version never means two things.

CREATE TABLE IF NOT EXISTS pushed_catalogs (
    catalog text   COLLATE "C" NOT NULL PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0)
);

CREATE TABLE IF NOT EXISTS pushed_products (
    catalog     text   COLLATE "C" NOT NULL REFERENCES pushed_catalogs (catalog),
    local_id    text   COLLATE "C" NOT NULL,
    product     text   NOT NULL, -- JSON: the product, complete
    version     bigint NOT NULL CHECK (version > 0), -- the catalog's, of its last change
    update_time bigint NOT NULL,
    actor       text   NOT NULL, -- who changed it last
    PRIMARY KEY (catalog, local_id)
);

DO $$
DECLARE
    ours    text;
    visitor text;
BEGIN
    FOREACH ours IN ARRAY ARRAY['pushed_catalogs', 'pushed_products'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', ours);
        FOR visitor IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', ours, visitor);
        END LOOP;
    END LOOP;
END
$$;

INSERT INTO sync_schema_versions VALUES (4, 'pushed_products', extract(epoch FROM now()) * 1e6) ON CONFLICT DO NOTHING;
