//! Bindings and mappings.

use std::borrow::Borrow;
use std::sync::Arc;

use stripe_product_sync::catalog::{LocalId, PriceKey};
use stripe_product_sync::plan::{AccountRef, Mode, PriceId, ProductId};
use stripe_product_sync::store::{
    Basis, MappingFilter, MappingRow, Page, Record, Store, SyncStatus, WrittenBinding,
};

use crate::store::Db;
use crate::store::samples::{all, at, bind, binding, here, local, rich_binding, time, written};

async fn put(store: &dyn Store, at: &AccountRef, ids: &[&str]) {
    for id in ids {
        store.record(&bind(written(at, binding(id)))).await.unwrap();
    }
}

fn ids(rows: &[impl Borrow<MappingRow>]) -> Vec<&str> {
    rows.iter()
        .map(|row| row.borrow().binding.local_id.as_str())
        .collect()
}

pub(crate) async fn every_field_comes_back(db: &mut dyn Db) {
    let store = db.store();
    let rich = rich_binding("plan_a");
    let row = WrittenBinding {
        status: SyncStatus::Error,
        time: time(123_457),
        ..written(&here(), rich.clone())
    };
    store.record(&bind(row)).await.unwrap();

    let known = store.known(&here()).await.unwrap();
    assert_eq!(known.bindings[&local("plan_a")], rich);
    assert_eq!(known.bindings.len(), 1);
    let found = store
        .mappings_by_id(&here(), &[local("plan_a")])
        .await
        .unwrap();
    let expected = MappingRow {
        binding: rich,
        status: SyncStatus::Error,
        last_sync_time: time(123_457),
    };
    assert_eq!(found, [Arc::new(expected)]);
}

pub(crate) async fn a_later_binding_replaces_the_earlier(db: &mut dyn Db) {
    let store = db.store();
    let rich = rich_binding("plan_a");
    store
        .record(&bind(written(&here(), rich.clone())))
        .await
        .unwrap();
    // A reprice that came to its end: the price moved on, nothing is left to archive.
    let mut next = rich;
    next.prices
        .insert(PriceKey::default_price(), PriceId::new("price_next"));
    next.superseded.insert(PriceId::new("price_now"));
    next.to_archive.clear();
    next.product_id = ProductId::new("prod_other");
    next.active = true;
    let later = WrittenBinding {
        status: SyncStatus::Updated,
        time: time(5),
        ..written(&here(), next.clone())
    };
    store.record(&bind(later)).await.unwrap();

    let found = store
        .mappings(&here(), &MappingFilter::default(), &all())
        .await;
    let expected = MappingRow {
        binding: next,
        status: SyncStatus::Updated,
        last_sync_time: time(5),
    };
    assert_eq!(found.unwrap(), [expected]);
}

pub(crate) async fn accounts_and_modes_are_apart(db: &mut dyn Db) {
    let store = db.store();
    let others = [at("acct_1", Mode::Live), at("acct_2", Mode::Test)];
    put(&*store, &here(), &["a", "b"]).await;
    put(&*store, &others[0], &["a"]).await;

    assert_eq!(store.known(&here()).await.unwrap().bindings.len(), 2);
    assert_eq!(store.known(&others[0]).await.unwrap().bindings.len(), 1);
    assert!(store.known(&others[1]).await.unwrap().bindings.is_empty());
    let wanted = [local("a"), local("b")];
    let live = store.mappings_by_id(&others[0], &wanted).await.unwrap();
    assert_eq!(ids(&live), ["a"]);
    let none = store
        .mappings(&others[1], &MappingFilter::default(), &all())
        .await;
    assert!(none.unwrap().is_empty());
}

pub(crate) async fn pages_are_bytewise_and_complete(db: &mut dyn Db) {
    let store = db.store();
    put(&*store, &here(), &["b", "B", "a_1", "a-1", "a1", "_", "a"]).await;
    let bytewise = ["B", "_", "a", "a-1", "a1", "a_1", "b"];

    let mut seen: Vec<String> = Vec::new();
    loop {
        let page = Page {
            after: seen.last().cloned(),
            limit: 2,
        };
        let rows = store
            .mappings(&here(), &MappingFilter::default(), &page)
            .await
            .unwrap();
        if rows.is_empty() {
            break;
        }
        assert!(rows.len() <= 2);
        seen.extend(ids(&rows).iter().map(|&id| id.to_owned()));
        // Rows before the page do not move it.
        put(&*store, &here(), &["B"]).await;
    }
    assert_eq!(seen, bytewise);
    let known = store.known(&here()).await.unwrap();
    let known: Vec<&str> = known.bindings.keys().map(LocalId::as_str).collect();
    assert_eq!(known, bytewise);
}

pub(crate) async fn filters_choose_mappings(db: &mut dyn Db) {
    let store = db.store();
    put(&*store, &here(), &["plan_a", "plan_b", "plan-c", "Plan_a"]).await;
    let mut gone = binding("plan_gone");
    gone.active = false;
    let mut off = binding("plan_off");
    off.applied.active = false;
    for (binding, status) in [(gone, SyncStatus::Error), (off, SyncStatus::Synced)] {
        let row = WrittenBinding {
            status,
            ..written(&here(), binding)
        };
        store.record(&bind(row)).await.unwrap();
    }

    let cases: [(MappingFilter, &[&str]); 5] = [
        (
            MappingFilter {
                local_id_prefix: "plan_".to_owned(),
                ..MappingFilter::default()
            },
            &["plan_a", "plan_b", "plan_gone", "plan_off"],
        ),
        (
            MappingFilter {
                active: Some(true),
                ..MappingFilter::default()
            },
            &["Plan_a", "plan-c", "plan_a", "plan_b"],
        ),
        (
            MappingFilter {
                active: Some(false),
                ..MappingFilter::default()
            },
            &["plan_gone", "plan_off"],
        ),
        (
            MappingFilter {
                statuses: vec![SyncStatus::Error, SyncStatus::Updated],
                ..MappingFilter::default()
            },
            &["plan_gone"],
        ),
        (
            MappingFilter {
                local_id_prefix: "%".to_owned(),
                ..MappingFilter::default()
            },
            &[],
        ),
    ];
    for (filter, expected) in cases {
        let rows = store.mappings(&here(), &filter, &all()).await.unwrap();
        assert_eq!(ids(&rows), expected, "{filter:?}");
    }
}

pub(crate) async fn a_look_up_tells_what_was_written_last(db: &mut dyn Db) {
    let store = db.store();
    let wanted = [local("plan_a"), local("plan_b")];
    for second in 1..4 {
        let row = |id| WrittenBinding {
            time: time(second),
            ..written(&here(), binding(id))
        };
        for id in ["plan_a", "plan_b"] {
            store.record(&bind(row(id))).await.unwrap();
        }
        // Twice: the second time it may be remembered.
        for _ in 0..2 {
            let rows = store.mappings_by_id(&here(), &wanted).await.unwrap();
            let told: Vec<_> = rows.iter().map(|row| row.last_sync_time).collect();
            assert_eq!(told, [time(second), time(second)]);
        }
    }
    // One that is refused changes nothing.
    let refused = Record {
        basis: Some(Basis {
            at: here(),
            local_id: local("plan_a"),
            version: None,
            none_open: false,
            beside: Vec::new(),
        }),
        ..bind(WrittenBinding {
            time: time(9),
            ..written(&here(), binding("plan_a"))
        })
    };
    store.record(&refused).await.unwrap_err();
    let rows = store.mappings_by_id(&here(), &wanted[..1]).await.unwrap();
    assert_eq!(rows[0].last_sync_time, time(3));
}

pub(crate) async fn mappings_by_id_leaves_out_the_unknown(db: &mut dyn Db) {
    let store = db.store();
    put(&*store, &here(), &["a", "b", "c"]).await;
    let wanted = [local("c"), local("x"), local("a"), local("A")];
    let rows = store.mappings_by_id(&here(), &wanted).await.unwrap();
    let mut found = ids(&rows);
    found.sort_unstable();
    assert_eq!(found, ["a", "c"]);
    let none = store.mappings_by_id(&here(), &[]).await.unwrap();
    assert!(none.is_empty());
}

pub(crate) async fn all_is_there_after_reopening(db: &mut dyn Db) {
    let rich = rich_binding("plan_a");
    db.store()
        .record(&bind(written(&here(), rich.clone())))
        .await
        .unwrap();
    db.reopen().await;
    let known = db.store().known(&here()).await.unwrap();
    assert_eq!(known.bindings[&local("plan_a")], rich);
}

pub(crate) async fn a_mapping_is_found_by_any_object_it_names_or_named(db: &mut dyn Db) {
    let store = db.store();
    let rich = rich_binding("plan_a");
    let row = written(&here(), rich.clone());
    store.record(&bind(row)).await.unwrap();
    let other = at("acct_2", Mode::Test);
    put(&*store, &other, &["plan_b"]).await;
    let found = async |at: &AccountRef, product: Option<&str>, price: Option<&PriceId>| {
        let product = product.map(ProductId::new);
        let found = store.mapping_of(at, product.as_ref(), price).await.unwrap();
        found.map(|row| row.binding.local_id.to_string())
    };
    let plan_a = Some("plan_a".to_owned());
    let product = rich.product_id.as_str();
    assert_eq!(found(&here(), Some(product), None).await, plan_a);
    let prices = rich.prices.values();
    let prices: Vec<&PriceId> = prices
        .chain(&rich.superseded)
        .chain(&rich.to_archive)
        .collect();
    assert!(prices.len() > 2);
    for price in prices {
        assert_eq!(found(&here(), None, Some(price)).await, plan_a, "{price}");
        assert_eq!(found(&here(), Some("prod_x"), Some(price)).await, plan_a);
        assert_eq!(found(&other, None, Some(price)).await, None);
    }
    assert_eq!(found(&other, Some(product), None).await, None);
    let nothing = PriceId::new("price_x");
    assert_eq!(found(&here(), Some("prod_x"), Some(&nothing)).await, None);
    assert_eq!(found(&here(), None, None).await, None);
}
