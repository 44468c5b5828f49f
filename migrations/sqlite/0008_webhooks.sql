-- What Stripe tells of its products and prices waits in the same line as what the
-- CRM tells: it is kept before it is acknowledged, taken by one run, tried again and
-- told the end of in the same way. It is no change of the catalog's, so the CRM's
-- product_change_log does not show it, and no amount in it counts as announced.
--
-- A price is known by its id alone there.

ALTER TABLE change_events ADD COLUMN source TEXT NOT NULL DEFAULT 'crm' CHECK (source IN ('crm', 'stripe'));

CREATE INDEX change_events_stripe ON change_events (ordinal) WHERE source = 'stripe';
CREATE INDEX price_bindings_price_id ON price_bindings (price_id);
