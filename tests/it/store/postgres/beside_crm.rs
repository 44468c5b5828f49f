//! Installed beside the CRM: its two tables stay what they are, and everything
//! that it asks of them is still answered.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use stripe_product_sync::catalog::{Interval, Usage};
use stripe_product_sync::store::postgres::Postgres;
use stripe_product_sync::store::{Error, Store, SyncStatus, WrittenBinding};

use crate::store::conformance::text::event;
use crate::store::samples::{
    bind, binding, here, local, price, recurring, target, terms, time, written,
};
use crate::support::postgres::{Database, SCHEMA, execute, server};

const DUMP: &str = include_str!("ghostcrm.sql");
/// Supabase's roles. They belong to the server, so several tests make them at once.
const ROLES: &str = "DO $$ BEGIN
    CREATE ROLE anon; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
    DO $$ BEGIN
    CREATE ROLE authenticated; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";

/// A database with the CRM in it and nothing of ours.
async fn crm() -> Option<Database> {
    let database = server()?.empty().await;
    database.execute(ROLES).await;
    database.execute(DUMP).await;
    Some(database)
}

async fn open(database: &Database) -> Postgres {
    Postgres::open(&database.url(), SCHEMA).await.unwrap()
}

/// All that can be said of the two tables: shape, rules, rights, rows.
async fn described(database: &Database) -> Vec<String> {
    database
        .texts(
            "WITH crm AS (
                 SELECT * FROM pg_class WHERE relnamespace = 'public'::regnamespace
                   AND relname IN ('stripe_product_mappings', 'product_change_log')
             )
             SELECT concat_ws(' ', relname, relowner, relacl, relrowsecurity, relforcerowsecurity) FROM crm
             UNION ALL SELECT concat_ws(' ', relname, attname, format_type(atttypid, atttypmod), attnotnull,
                 attcollation, attacl, pg_get_expr(adbin, adrelid))
             FROM crm JOIN pg_attribute a ON a.attrelid = crm.oid AND attnum > 0
             LEFT JOIN pg_attrdef d ON d.adrelid = crm.oid AND d.adnum = attnum
             UNION ALL SELECT concat_ws(' ', conname, pg_get_constraintdef(c.oid)) FROM crm JOIN pg_constraint c ON conrelid = crm.oid
             UNION ALL SELECT pg_get_indexdef(indexrelid) FROM crm JOIN pg_index ON indrelid = crm.oid
             UNION ALL SELECT pg_get_triggerdef(t.oid) FROM crm JOIN pg_trigger t ON tgrelid = crm.oid
             UNION ALL SELECT concat_ws(' ', polname, polcmd, polroles, pg_get_expr(polqual, polrelid),
                 pg_get_expr(polwithcheck, polrelid)) FROM crm JOIN pg_policy ON polrelid = crm.oid
             UNION ALL SELECT to_jsonb(m)::text FROM public.stripe_product_mappings m
             UNION ALL SELECT to_jsonb(l)::text FROM public.product_change_log l
             ORDER BY 1",
        )
        .await
}

#[tokio::test]
async fn nothing_of_the_crms_is_changed_or_lost() {
    let Some(database) = crm().await else { return };
    let before = described(&database).await;
    assert!(before.len() > 45, "{before:#?}");
    for _ in 0..2 {
        open(&database).await.close().await;
        assert_eq!(described(&database).await, before);
    }
}

#[tokio::test]
async fn in_an_empty_database_its_tables_are_made_in_its_shape() {
    let Some(database) = server().map(|server| server.empty()) else {
        return;
    };
    let database = database.await;
    open(&database).await.close().await;
    let theirs = crm().await.unwrap();
    const SHAPE: &str = "SELECT concat_ws(' ', table_name, column_name, data_type, numeric_precision, numeric_scale,
                             is_nullable, column_default)
        FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name IN ('stripe_product_mappings', 'product_change_log')
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
        ORDER BY 1";
    let shape = database.texts(SHAPE).await;
    assert_eq!(shape, theirs.texts(SHAPE).await);
    assert_eq!(shape.len(), 23 + 13);
}

#[tokio::test]
async fn its_rows_are_hints_but_for_the_poisoned_ones() {
    let Some(database) = crm().await else { return };
    let known = open(&database).await.known(&here()).await.unwrap();
    let hints: Vec<(&str, &str)> = known
        .hints
        .iter()
        .map(|(id, product)| (id.as_str(), product.as_str()))
        .collect();
    let expected = [
        ("plan_starter_monthly", "prod_NxStarterM"),
        ("plan_starter_yearly", "prod_NxStarterY"),
    ];
    assert_eq!(hints, expected);
    assert!(known.bindings.is_empty() && known.unprojected.is_empty());
}

#[tokio::test]
async fn what_is_synced_mends_the_row_that_is_there() {
    let Some(database) = crm().await else { return };
    let store = open(&database).await;
    let mut yearly = binding("plan_starter_yearly");
    let every_year = Some(recurring(Interval::Year, 1, Usage::Licensed));
    yearly.applied = target(
        "Starter Plan (Yearly)",
        price(terms("31320", "usd", every_year)),
    );
    let row = WrittenBinding {
        status: SyncStatus::Updated,
        ..written(&here(), yearly)
    };
    store.record(&bind(row)).await.unwrap();
    let found = database
        .texts(
            "SELECT concat_ws('|', id, stripe_product_id, price_amount, billing_type, sync_status,
                 last_synced_at AT TIME ZONE 'UTC', created_at AT TIME ZONE 'UTC',
                 updated_at > now() - interval '1 hour')
             FROM public.stripe_product_mappings WHERE local_product_id = 'plan_starter_yearly'",
        )
        .await;
    let synced = time(0).format("%Y-%m-%d %H:%M:%S");
    let expected = format!(
        "22222222-2222-4222-8222-222222222222|prod_plan_starter_yearly|313.20|yearly|updated|{synced}|2024-01-02 03:04:05|t"
    );
    assert_eq!(found, [expected]);
}

/// A connection of the CRM's, through Supabase's REST API.
async fn visitor(database: &Database, role: &str) -> PgConnection {
    let mut connection = database.connect().await;
    execute(
        &mut connection,
        &format!("SET search_path = public; SET ROLE {role}"),
    )
    .await;
    connection
}

async fn texts(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn checkout_finds_one_row_by_local_id() {
    let Some(database) = crm().await else { return };
    let store = open(&database).await;
    let on_sale = binding("plan_starter_monthly");
    let mut gone = binding("plan_gone");
    gone.active = false;
    for binding in [on_sale, gone] {
        store
            .record(&bind(written(&here(), binding)))
            .await
            .unwrap();
    }
    // As supabase-js sends `.eq('local_product_id', …).eq('active', true).single()`.
    let mut anon = visitor(&database, "anon").await;
    for (local_id, found) in [
        ("plan_starter_monthly", Some("price_plan_starter_monthly")),
        ("plan_gone", None),
        ("plan_starter_yearly", Some("price_1NxStarterY")),
    ] {
        let sql = format!(
            "SELECT stripe_price_id FROM stripe_product_mappings
             WHERE local_product_id = '{local_id}' AND active = true"
        );
        let expected: Vec<&str> = found.into_iter().collect();
        assert_eq!(texts(&mut anon, &sql).await, expected);
    }
}

#[tokio::test]
async fn its_older_code_may_go_on_upserting() {
    let Some(database) = crm().await else { return };
    let store = open(&database).await;
    let bound = binding("plan_starter_monthly");
    store
        .record(&bind(written(&here(), bound.clone())))
        .await
        .unwrap();
    let mut crm = visitor(&database, "authenticated").await;
    for local_id in ["plan_starter_monthly", "plan_new"] {
        execute(
            &mut crm,
            &format!(
                "INSERT INTO stripe_product_mappings
                     (local_product_id, local_product_name, stripe_product_id, stripe_price_id, price_amount,
                      last_synced_at, metadata)
                 VALUES ('{local_id}', 'By hand', 'prod_by_hand', 'price_by_hand', 30.00, now(), '{{}}')
                 ON CONFLICT (local_product_id) DO UPDATE
                 SET stripe_product_id = excluded.stripe_product_id, stripe_price_id = excluded.stripe_price_id,
                     price_amount = excluded.price_amount, last_synced_at = excluded.last_synced_at"
            ),
        )
        .await;
    }
    // Ours is what is true: that row is shown again as it is, the other is looked at.
    let known = store.known(&here()).await.unwrap();
    assert!(known.unprojected.contains("plan_starter_monthly"));
    assert_eq!(known.hints[&local("plan_new")].as_str(), "prod_by_hand");
    store.record(&bind(written(&here(), bound))).await.unwrap();
    let known = store.known(&here()).await.unwrap();
    assert!(known.unprojected.is_empty());
}

#[tokio::test]
async fn its_admin_pages_count_and_list() {
    let Some(database) = crm().await else { return };
    let store = open(&database).await;
    store
        .record(&bind(written(&here(), binding("plan_starter_monthly"))))
        .await
        .unwrap();
    let mut crm = visitor(&database, "authenticated").await;
    let counted = texts(
        &mut crm,
        "SELECT concat_ws(' ', sync_status, count(*)) FROM stripe_product_mappings
         GROUP BY sync_status ORDER BY sync_status",
    )
    .await;
    assert_eq!(counted, ["created 1", "error 1", "synced 2", "1"]);
    let listed = texts(
        &mut crm,
        "SELECT local_product_id FROM stripe_product_mappings WHERE active = true
         ORDER BY local_product_name",
    )
    .await;
    assert_eq!(listed.len(), 3);
}

#[tokio::test]
async fn its_log_is_written_and_read_by_both() {
    let Some(database) = crm().await else { return };
    let store = open(&database).await;
    let mut crm = visitor(&database, "authenticated").await;
    execute(
        &mut crm,
        "INSERT INTO product_change_log (event_type, product_id, product_type, changes, user_id, triggered_sync)
         VALUES ('plan.updated', 'pro', 'plan', '{\"name\": {\"from\": \"a\", \"to\": \"b\"}}', 'bob', false)",
    )
    .await;
    let mut sent = event("e1", time(123_456));
    sent.changes = Some(serde_json::json!({"monthlyPrice": {"from": 29, "to": 35.5}}));
    store.insert_events(&[sent]).await.unwrap();
    let listed = texts(
        &mut crm,
        "SELECT concat_ws('|', event_type, product_id, changes ->> 'monthlyPrice', triggered_sync,
             created_at AT TIME ZONE 'UTC')
         FROM product_change_log WHERE product_type = 'plan' AND product_id = 'starter'
         ORDER BY created_at DESC LIMIT 50",
    )
    .await;
    let moment = time(123_456).format("%Y-%m-%d %H:%M:%S%.6f");
    assert_eq!(
        listed[0],
        format!("plan.updated|starter|{{\"to\": 35.5, \"from\": 29}}|f|{moment}")
    );
    assert_eq!(listed.len(), 2);
    let marked = texts(
        &mut crm,
        "UPDATE product_change_log SET triggered_sync = true, sync_result = '{\"success\": true}'
         WHERE user_id = 'bob' RETURNING event_type",
    )
    .await;
    assert_eq!(marked, ["plan.updated"]);
}

#[tokio::test]
async fn visitors_see_and_change_nothing_of_ours() {
    let Some(server) = server() else { return };
    let database = server.empty().await;
    database.execute(ROLES).await;
    // As Supabase does with whatever is made in `public`.
    database
        .execute(
            "GRANT USAGE ON SCHEMA public TO anon, authenticated;
             ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated",
        )
        .await;
    let store = Postgres::open(&database.url(), "public").await.unwrap();
    store.ping().await.unwrap();
    let rights = |tables: &str| {
        format!(
            "SELECT concat_ws(' ', role, t.oid::regclass, r) FROM pg_class t,
                 unnest(ARRAY['anon', 'authenticated']) AS role,
                 unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS r
             WHERE t.relnamespace = 'public'::regnamespace AND t.relkind = 'r'
               AND t.relname {tables} ('stripe_product_mappings', 'product_change_log')
               AND has_table_privilege(role, t.oid, r) ORDER BY 1"
        )
    };
    let ours = database.texts(&rights("NOT IN")).await;
    assert_eq!(ours, Vec::<String>::new());
    let theirs = database.texts(&rights("IN")).await;
    assert_eq!(
        theirs,
        [
            "anon product_change_log SELECT",
            "anon stripe_product_mappings SELECT",
            "authenticated product_change_log SELECT",
            "authenticated stripe_product_mappings SELECT",
        ]
    );
    let open = database
        .texts(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
               AND relkind = 'r' AND NOT relrowsecurity ORDER BY 1",
        )
        .await;
    assert_eq!(open, ["product_change_log", "stripe_product_mappings"]);
}

/// A role of ours that row level security hides the CRM's rows from would take
/// a mapped product for a new one.
#[tokio::test]
async fn a_role_that_does_not_see_the_crms_rows_is_refused() {
    let Some(database) = crm().await else { return };
    open(&database).await.close().await;
    let role = format!("{}_blind", database.name());
    database
        .execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'hunter2';
             ALTER SCHEMA {SCHEMA} OWNER TO {role};
             GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .await;
    let ours = database
        .texts(&format!(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = '{SCHEMA}'"
        ))
        .await;
    for table in ours {
        let owned = format!("ALTER TABLE {SCHEMA}.{table} OWNER TO {role}");
        database.execute(&owned).await;
    }
    let url = database.url_as(&role, "hunter2");
    let error = Postgres::open(&url, SCHEMA).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Unusable { .. }), "{text}");
    let says = "table public.product_change_log of";
    assert!(
        text.contains(says) && text.contains("hides its rows"),
        "{text}"
    );
    // A policy of its own is enough.
    for table in ["stripe_product_mappings", "product_change_log"] {
        let policy = format!("CREATE POLICY sync ON public.{table} TO {role} USING (true)");
        database.execute(&policy).await;
    }
    let store = Postgres::open(&url, SCHEMA).await.unwrap();
    store
        .record(&bind(written(&here(), binding("plan_a"))))
        .await
        .unwrap();
    store.close().await;
    database
        .execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"))
        .await;
}

/// The database's own settings change nothing of what is kept.
#[tokio::test]
async fn a_database_set_up_otherwise_keeps_the_same() {
    let Some(database) = crm().await else { return };
    let name = database.name().to_owned();
    database
        .execute(&format!(
            "ALTER DATABASE {name} SET timezone = 'Asia/Kolkata';
             ALTER DATABASE {name} SET datestyle = 'German';
             ALTER DATABASE {name} SET synchronous_commit = off;
             ALTER DATABASE {name} SET default_transaction_isolation = 'serializable';
             ALTER DATABASE {name} SET extra_float_digits = -15"
        ))
        .await;
    let store = open(&database).await;
    store
        .insert_events(&[event("e1", time(123_456))])
        .await
        .unwrap();
    let logged = database
        .texts(
            "SELECT (extract(epoch FROM created_at) * 1e6)::bigint::text FROM product_change_log
             WHERE created_at > '2026-01-01'",
        )
        .await;
    assert_eq!(logged, [time(123_456).timestamp_micros().to_string()]);
    let mut connection = database.connect().await;
    connection.ping().await.unwrap();
}
