-- What Stripe tells of its products and prices waits in the same line as what the
-- CRM tells: it is kept before it is acknowledged, taken by one run, tried again and
-- told the end of in the same way. It is no change of the catalog's, so the CRM's
-- product_change_log does not show it, and no amount in it counts as announced.
--
-- A price is known by its id alone there.

ALTER TABLE change_events ADD COLUMN IF NOT EXISTS source text COLLATE "C" NOT NULL DEFAULT 'crm' CHECK (source IN ('crm', 'stripe'));

CREATE INDEX IF NOT EXISTS change_events_stripe ON change_events (ordinal) WHERE source = 'stripe';
CREATE INDEX IF NOT EXISTS price_bindings_price_id ON price_bindings (price_id);

INSERT INTO sync_schema_versions VALUES (8, 'webhooks', extract(epoch FROM now()) * 1e6) ON CONFLICT DO NOTHING;
