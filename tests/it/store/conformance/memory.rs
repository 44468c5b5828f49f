//! Accounts, validations, listings, and what the store says of itself.

use stripe_product_sync::plan::{Finding, FindingKind, Mode, PriceId, ProductId};
use stripe_product_sync::store::{Listed, Listing, RememberedAccount, SourceNote, Validation};

use crate::store::Db;
use crate::store::samples::{at, here, local, time};

pub(crate) async fn accounts_are_remembered_by_key(db: &mut dyn Db) {
    let store = db.store();
    let account = |name: Option<&str>| RememberedAccount {
        id: "acct_1".to_owned(),
        display_name: name.map(str::to_owned),
    };
    assert_eq!(store.account_of_key("hash").await.unwrap(), None);
    for name in [None, Some("Café GmbH")] {
        store
            .remember_account("hash", &account(name))
            .await
            .unwrap();
        let found = store.account_of_key("hash").await.unwrap();
        assert_eq!(found, Some(account(name)));
    }
    assert_eq!(store.account_of_key("HASH").await.unwrap(), None);
}

fn finding(kind: FindingKind) -> Finding {
    Finding {
        kind,
        local_id: "not an id of ours".to_owned(),
        name: "Café".to_owned(),
        field: "description".to_owned(),
        expected: "a".to_owned(),
        actual: "b".to_owned(),
        message: "differs".to_owned(),
        is_error: true,
        code: String::new(),
        product_id: Some(ProductId::new("prod_1")),
        price_id: Some(PriceId::new("price_1")),
        origin: "lib/pricing.ts:1:2".to_owned(),
    }
}

pub(crate) async fn a_validation_replaces_the_one_before(db: &mut dyn Db) {
    let store = db.store();
    assert_eq!(store.last_validation(&here()).await.unwrap(), None);
    let mut validation = Validation {
        time: time(123_457),
        products: u32::MAX,
        in_sync: 1,
        findings: vec![
            finding(FindingKind::Drifted),
            finding(FindingKind::MappingStale),
        ],
        source_problems: vec![SourceNote {
            rule: "plans".to_owned(),
            place: None,
            message: "missing".to_owned(),
        }],
        catalog_fingerprint: "abc".to_owned(),
        stripe_calls: 3,
        unmended: vec![local("plan_a"), local("plan_b")],
    };
    store
        .save_validation(&here(), &validation, None)
        .await
        .unwrap();
    let found = store.last_validation(&here()).await.unwrap();
    assert_eq!(found.as_ref(), Some(&validation));

    validation.findings.clear();
    validation.time = time(123_458);
    store
        .save_validation(&here(), &validation, None)
        .await
        .unwrap();
    db.reopen().await;
    let found = db.store().last_validation(&here()).await.unwrap();
    assert_eq!(found, Some(validation));
    let other = at("acct_1", Mode::Live);
    assert_eq!(db.store().last_validation(&other).await.unwrap(), None);
}

pub(crate) async fn a_listing_replaces_the_one_before(db: &mut dyn Db) {
    let store = db.store();
    assert_eq!(store.last_listing(&here()).await.unwrap(), None);
    let listed = |n: u32, local_id: &str| Listed {
        local_id: local_id.to_owned(),
        product_id: ProductId::new(format!("prod_{n:04}")),
        catalog: n.is_multiple_of(2).then(|| "main".to_owned()),
    };
    let mut listing = Listing {
        time: time(1),
        // Two products of one local id, and one that could not be ours.
        products: (0..450).map(|n| listed(n, "plan é/…")).collect(),
    };
    store.save_listing(&here(), &listing, None).await.unwrap();
    let found = store.last_listing(&here()).await.unwrap();
    assert_eq!(found.as_ref(), Some(&listing));

    // A product that two pages showed counts once, as the later page has it.
    let twice = Listing {
        time: time(2),
        products: vec![listed(2, "old"), listed(1, "b"), listed(2, "a")],
    };
    store.save_listing(&here(), &twice, None).await.unwrap();
    listing = Listing {
        time: time(2),
        products: vec![listed(1, "b"), listed(2, "a")],
    };
    assert_eq!(store.last_listing(&here()).await.unwrap(), Some(listing));

    let empty = Listing {
        time: time(3),
        products: Vec::new(),
    };
    store.save_listing(&here(), &empty, None).await.unwrap();
    assert_eq!(store.last_listing(&here()).await.unwrap(), Some(empty));
    let other = at("acct_2", Mode::Test);
    assert_eq!(store.last_listing(&other).await.unwrap(), None);
}

pub(crate) async fn the_store_says_what_it_is(db: &mut dyn Db) {
    let store = db.store();
    store.ping().await.unwrap();
    let info = store.info();
    assert!(!info.kind.is_empty() && !info.location.is_empty());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/");
    let files = std::fs::read_dir(format!("{folder}{}", info.kind)).unwrap();
    assert_eq!(usize::try_from(info.schema_version), Ok(files.count()));
}
