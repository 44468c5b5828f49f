-- The CRM's two tables as they are where this service is installed: on Supabase,
-- with its roles, grants and row level security, and with rows that its older
-- code wrote: yearly prices that say monthly, and placeholders for what it could
-- not make in Stripe.

CREATE FUNCTION public.update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = now();
    RETURN NEW;
END
$$;

CREATE TABLE public.stripe_product_mappings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    local_product_id text UNIQUE NOT NULL,
    local_product_name text NOT NULL,
    stripe_product_id text NOT NULL,
    stripe_price_id text NOT NULL,
    price_amount decimal(10,2) NOT NULL,
    currency text DEFAULT 'usd',
    billing_type text DEFAULT 'monthly',
    sync_status text DEFAULT 'synced',
    last_synced_at timestamptz,
    active boolean DEFAULT true,
    metadata jsonb DEFAULT '{}',
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);
CREATE INDEX idx_stripe_product_mappings_local_id ON public.stripe_product_mappings (local_product_id);
CREATE INDEX idx_stripe_product_mappings_stripe_product ON public.stripe_product_mappings (stripe_product_id);
CREATE INDEX idx_stripe_product_mappings_stripe_price ON public.stripe_product_mappings (stripe_price_id);
CREATE INDEX idx_stripe_product_mappings_active ON public.stripe_product_mappings (active);
CREATE INDEX idx_stripe_product_mappings_sync_status ON public.stripe_product_mappings (sync_status);
CREATE TRIGGER update_stripe_product_mappings_updated_at BEFORE UPDATE ON public.stripe_product_mappings
    FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();

CREATE TABLE public.product_change_log (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    event_type text NOT NULL,
    product_id text NOT NULL,
    product_type text NOT NULL,
    changes jsonb,
    user_id text,
    triggered_sync boolean DEFAULT false,
    sync_result jsonb,
    created_at timestamptz DEFAULT now()
);
CREATE INDEX idx_product_change_log_product_id ON public.product_change_log (product_id);
CREATE INDEX idx_product_change_log_event_type ON public.product_change_log (event_type);
CREATE INDEX idx_product_change_log_created_at ON public.product_change_log (created_at);
CREATE INDEX idx_product_change_log_user_id ON public.product_change_log (user_id);
CREATE INDEX idx_product_change_log_triggered_sync ON public.product_change_log (triggered_sync);

ALTER TABLE public.stripe_product_mappings ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.product_change_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Everybody may see what is on sale" ON public.stripe_product_mappings FOR SELECT USING (active);
CREATE POLICY "The CRM writes" ON public.stripe_product_mappings FOR ALL TO authenticated USING (true) WITH CHECK (true);
CREATE POLICY "The CRM logs" ON public.product_change_log FOR ALL TO authenticated USING (true) WITH CHECK (true);
GRANT USAGE ON SCHEMA public TO anon, authenticated;
GRANT SELECT ON public.stripe_product_mappings TO anon;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.stripe_product_mappings, public.product_change_log TO authenticated;

INSERT INTO public.stripe_product_mappings
    (id, local_product_id, local_product_name, stripe_product_id, stripe_price_id, price_amount, currency,
     billing_type, sync_status, last_synced_at, active, metadata, created_at, updated_at)
VALUES
    ('11111111-1111-4111-8111-111111111111', 'plan_starter_monthly', 'Starter Plan (Monthly)', 'prod_NxStarterM',
     'price_1NxStarterM', 29.00, 'usd', 'monthly', 'created', '2024-02-01 10:00:00+00', true,
     '{"source": "pricing_plans", "planId": "starter"}', '2024-01-02 03:04:05+00', '2024-02-01 10:00:00+00'),
    ('22222222-2222-4222-8222-222222222222', 'plan_starter_yearly', 'Starter Plan (Yearly)', 'prod_NxStarterY',
     'price_1NxStarterY', 348.00, 'usd', 'monthly', 'synced', '2024-02-01 10:00:01+00', true,
     '{"source": "pricing_plans", "planId": "starter", "discount": "10"}', '2024-01-02 03:04:05+00',
     '2024-02-01 10:00:01+00'),
    ('33333333-3333-4333-8333-333333333333', 'addon_ai', 'AI Add-on', 'fallback_product_id', 'fallback_price_id',
     49.99, 'usd', 'monthly', 'synced', NULL, true, '{}', '2024-01-02 03:04:05+00', '2024-01-02 03:04:05+00'),
    ('44444444-4444-4444-8444-444444444444', 'addon_old', 'Old Add-on', 'dry_run_product_id', 'dry_run_price_id',
     9.90, 'usd', 'monthly', 'error', NULL, false, '{"note": "naïve ☃"}', '2024-01-02 03:04:05+00',
     '2024-01-02 03:04:05+00'),
    ('55555555-5555-4555-8555-555555555555', 'Not an id of ours', 'Odd', 'prod_NxOdd', 'price_1NxOdd', 1.00, NULL,
     NULL, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO public.product_change_log
    (id, event_type, product_id, product_type, changes, user_id, triggered_sync, sync_result, created_at)
VALUES
    ('66666666-6666-4666-8666-666666666666', 'plan.price_changed', 'starter', 'plan',
     '{"monthlyPrice": {"from": 19, "to": 29}}', 'ada', true, '{"success": true}', '2024-02-01 09:59:00+00'),
    ('77777777-7777-4777-8777-777777777777', 'addon.created', 'ai', 'addon', NULL, NULL, false, NULL,
     '2024-02-01 09:58:00+00');
