//! The CRM's table: what it shows of bindings, and what its older rows are good for.

use stripe_product_sync::catalog::{Charge, Interval, TiersMode, Usage};
use stripe_product_sync::plan::{Mode, ProductId};
use stripe_product_sync::store::{SyncStatus, WrittenBinding};

use crate::store::Db;
use crate::store::samples::{
    at, bind, binding, here, local, price, recurring, rich_binding, target, terms, time, written,
};

const AS_TEXT: &str =
    "SELECT local_product_id, local_product_name, stripe_product_id, stripe_price_id,
     CAST(price_amount AS text), currency, billing_type, sync_status, CAST(active AS text),
     CAST(metadata AS text)
 FROM stripe_product_mappings ORDER BY local_product_id";

async fn rows(db: &dyn Db, sql: &'static str) -> Vec<Vec<String>> {
    let rows = db.rows(sql).await;
    rows.into_iter()
        .map(|row| row.into_iter().map(Option::unwrap_or_default).collect())
        .collect()
}

pub(crate) async fn a_binding_shows_as_the_crms_row(db: &mut dyn Db) {
    let store = db.store();
    let mut rich = rich_binding("plan_a");
    store
        .record(&bind(written(&here(), rich.clone())))
        .await
        .unwrap();
    let found = rows(db, AS_TEXT).await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0][..8],
        [
            "plan_a",
            "Café \"Pro\" 'n' 👩‍💻 %_\\",
            "prod_plan_a",
            "price_now",
            "500.00",
            "jpy",
            "one_time",
            "created"
        ]
    );
    assert!(["0", "false"].contains(&found[0][8].as_str()));
    let metadata: serde_json::Value = serde_json::from_str(&found[0][9]).unwrap();
    assert_eq!(
        metadata,
        serde_json::json!({"localId": "plan_a", "ключ": "{\"a\":1}"})
    );

    // The next write changes that row and makes no other.
    rich.applied.active = true;
    rich.active = true;
    rich.applied.name = "Pro".to_owned();
    let next = WrittenBinding {
        status: SyncStatus::Synced,
        ..written(&here(), rich)
    };
    store.record(&bind(next)).await.unwrap();
    let found = rows(db, AS_TEXT).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0][1], "Pro");
    assert_eq!(found[0][7], "synced");
    assert!(["1", "true"].contains(&found[0][8].as_str()));
}

pub(crate) async fn billing_and_money_are_the_crms(db: &mut dyn Db) {
    let store = db.store();
    let every = |interval, count| Some(recurring(interval, count, Usage::Licensed));
    let mut tiered = terms("1", "usd", every(Interval::Year, 1));
    tiered.charge = Charge::Tiered {
        mode: TiersMode::Volume,
        tiers: Vec::new(),
    };
    let cases = [
        (
            terms("1999", "usd", every(Interval::Month, 1)),
            "19.99",
            "usd",
            "monthly",
        ),
        (
            terms("500", "jpy", every(Interval::Year, 1)),
            "500.00",
            "jpy",
            "yearly",
        ),
        (terms("5125", "kwd", None), "5.13", "kwd", "one_time"),
        (
            terms("0", "usd", every(Interval::Week, 1)),
            "0.00",
            "usd",
            "weekly",
        ),
        (
            terms("10", "eur", every(Interval::Day, 1)),
            "0.10",
            "eur",
            "daily",
        ),
        (
            terms("10", "eur", every(Interval::Month, 3)),
            "0.10",
            "eur",
            "every_3_months",
        ),
        (tiered, "0.00", "usd", "yearly"),
    ];
    for (terms, amount, currency, billing) in cases {
        let mut binding = binding("plan_a");
        binding.applied = target("plan_a", price(terms));
        store
            .record(&bind(written(&here(), binding)))
            .await
            .unwrap();
        let found = rows(db, AS_TEXT).await;
        assert_eq!(found[0][4..7], [amount, currency, billing]);
    }
}

pub(crate) async fn the_crms_row_is_taken_over_not_replaced(db: &mut dyn Db) {
    db.execute(
        "INSERT INTO stripe_product_mappings
             (id, local_product_id, local_product_name, stripe_product_id, stripe_price_id,
              price_amount, created_at, updated_at)
         VALUES ('7d444840-9dc0-41d1-b245-5ffdce74fad2', 'plan_a', 'Old', 'prod_old', 'price_old',
                 '9.99', '2024-01-02 03:04:05Z', '2024-01-02 03:04:05Z')",
    )
    .await;
    db.store()
        .record(&bind(written(&here(), binding("plan_a"))))
        .await
        .unwrap();
    let found = rows(
        db,
        "SELECT CAST(id AS text), stripe_product_id, substr(CAST(created_at AS text), 1, 10),
                substr(CAST(last_synced_at AS text), 1, 10), substr(CAST(updated_at AS text), 1, 2)
         FROM stripe_product_mappings",
    )
    .await;
    let day = time(0).format("%Y-%m-%d").to_string();
    assert_eq!(
        found,
        [[
            "7d444840-9dc0-41d1-b245-5ffdce74fad2",
            "prod_plan_a",
            "2024-01-02",
            &day,
            "20"
        ]]
    );
    // The trigger moved it.
    let moved = rows(
        db,
        "SELECT local_product_id FROM stripe_product_mappings WHERE updated_at > created_at",
    )
    .await;
    assert_eq!(moved, [["plan_a"]]);
}

pub(crate) async fn its_older_rows_are_hints(db: &mut dyn Db) {
    db.execute(
        "INSERT INTO stripe_product_mappings
             (local_product_id, local_product_name, stripe_product_id, stripe_price_id, price_amount)
         VALUES ('plan_a', 'A', 'prod_NxA', 'price_a', '1.00'),
                ('plan_own', 'B', 'my-own-id', 'price_b', '1.00'),
                ('plan_bound', 'C', 'prod_NxC', 'price_c', '1.00'),
                ('plan_fallback', 'D', 'fallback_product_id', 'fallback_price_id', '1.00'),
                ('plan_dry', 'E', 'dry_run_product_id', 'dry_run_price_id', '1.00'),
                ('plan_empty', 'F', '', '', '1.00'),
                ('no id of ours', 'G', 'prod_NxG', 'price_g', '1.00')",
    )
    .await;
    let store = db.store();
    store
        .record(&bind(written(&here(), binding("plan_bound"))))
        .await
        .unwrap();
    let known = store.known(&here()).await.unwrap();
    let hints: Vec<(&str, &str)> = known
        .hints
        .iter()
        .map(|(local_id, product)| (local_id.as_str(), product.as_str()))
        .collect();
    assert_eq!(hints, [("plan_a", "prod_NxA"), ("plan_own", "my-own-id")]);
    assert_eq!(known.bindings.len(), 1);
}

pub(crate) async fn rows_of_another_account_are_no_hints(db: &mut dyn Db) {
    let store = db.store();
    let mut adopted = binding("plan_a");
    adopted.product_id = ProductId::new("prod_NxRandom");
    store
        .record(&bind(written(&here(), adopted)))
        .await
        .unwrap();
    db.execute(
        "INSERT INTO stripe_product_mappings
             (local_product_id, local_product_name, stripe_product_id, stripe_price_id, price_amount)
         VALUES ('plan_b', 'B', 'prod_NxB', 'price_b', '1.00')",
    )
    .await;
    for other in [at("acct_1", Mode::Live), at("acct_2", Mode::Test)] {
        let known = store.known(&other).await.unwrap();
        assert!(known.bindings.is_empty());
        let hinted: Vec<_> = known.hints.into_keys().collect();
        assert_eq!(hinted, [local("plan_b")], "{other:?}");
    }
}

pub(crate) async fn its_constraints_hold(db: &mut dyn Db) {
    db.execute(
        "INSERT INTO stripe_product_mappings
             (local_product_id, local_product_name, stripe_product_id, stripe_price_id, price_amount)
         VALUES ('plan_a', 'A', 'prod_a', 'price_a', '19.90');
         INSERT INTO product_change_log (event_type, product_id, product_type)
         VALUES ('plan.updated', 'starter', 'plan')",
    )
    .await;
    let defaults = rows(
        db,
        "SELECT CAST(length(CAST(id AS text)) AS text), CAST(price_amount AS text), currency,
                billing_type, sync_status, CAST(metadata AS text)
         FROM stripe_product_mappings WHERE created_at IS NOT NULL AND updated_at IS NOT NULL",
    )
    .await;
    assert_eq!(
        defaults,
        [["36", "19.90", "usd", "monthly", "synced", "{}"]]
    );
    let log = rows(
        db,
        "SELECT CAST(length(CAST(id AS text)) AS text), event_type FROM product_change_log
         WHERE created_at IS NOT NULL AND changes IS NULL",
    )
    .await;
    assert_eq!(log, [["36", "plan.updated"]]);
}

pub(crate) async fn an_amount_that_its_column_does_not_hold_is_shown_as_none(db: &mut dyn Db) {
    let store = db.store();
    for (minor, shown) in [
        ("9999999999", "99999999.99"),
        ("10000000000", "0.00"),
        ("9999999999.5", "0.00"),
        ("999999999999", "0.00"),
    ] {
        let mut binding = binding("plan_a");
        binding.applied = target("plan_a", price(terms(minor, "usd", None)));
        store
            .record(&bind(written(&here(), binding.clone())))
            .await
            .unwrap();
        let found = rows(db, AS_TEXT).await;
        assert_eq!((&*found[0][3], &*found[0][4]), ("price_plan_a", shown));
        // What was last applied is known to the last digit all the same.
        let known = store.known(&here()).await.unwrap();
        assert_eq!(known.bindings["plan_a"], binding);
    }
}
