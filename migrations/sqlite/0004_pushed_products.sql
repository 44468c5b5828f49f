-- Products that the CRM keeps here itself (PutProducts), because their prices
-- are edited in its admin pages and stand in no file. They belong to a catalog,
-- not to an account: the same products are synced to whichever account and mode
-- the service works for.
--
-- The version of a catalog's pushed products goes up with every change, also
-- when the last one is removed: who changes them says which version was looked
-- at, and a version never means two things.

CREATE TABLE pushed_catalogs (
    catalog TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version > 0)
) STRICT;

CREATE TABLE pushed_products (
    catalog     TEXT    NOT NULL REFERENCES pushed_catalogs (catalog),
    local_id    TEXT    NOT NULL,
    product     TEXT    NOT NULL, -- JSON: the product, complete
    version     INTEGER NOT NULL CHECK (version > 0), -- the catalog's, of its last change
    update_time INTEGER NOT NULL,
    actor       TEXT    NOT NULL, -- who changed it last
    PRIMARY KEY (catalog, local_id)
) STRICT;
