//! What the CRM pushed.

use stripe_product_sync::catalog::Product;
use stripe_product_sync::store::{Error, Pushed, PushedChange, Store};

use crate::store::Db;
use crate::store::samples::{local, rich_product, time};
use crate::support::catalog::product;

const HERE: &str = "main";

fn change(basis: i64, put: Vec<Product>, remove: &[&str]) -> PushedChange {
    PushedChange {
        basis,
        put,
        remove: remove.iter().map(|id| local(id)).collect(),
        time: time(basis),
        actor: format!("person {basis}"),
    }
}

fn shown(pushed: &Pushed) -> Vec<(&str, i64, &str)> {
    let products = pushed.products.iter();
    products
        .map(|p| (p.product.local_id.as_str(), p.version, p.actor.as_str()))
        .collect()
}

async fn put(store: &dyn Store, basis: i64, put: Vec<Product>) -> i64 {
    let change = change(basis, put, &[]);
    store.change_pushed(HERE, &change).await.unwrap()
}

pub(crate) async fn every_field_comes_back(db: &mut dyn Db) {
    let store = db.store();
    assert_eq!(store.pushed(HERE).await.unwrap(), Pushed::default());
    let rich = rich_product("plan_a");
    assert_eq!(put(&*store, 0, vec![rich.clone()]).await, 1);
    db.reopen().await;
    let found = db.store().pushed(HERE).await.unwrap();
    assert_eq!(found.version, 1);
    let [only] = found.products.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(only.product, rich);
    assert_eq!((only.version, only.update_time), (1, time(0)));
    assert_eq!(only.actor, "person 0");
}

pub(crate) async fn a_change_counts_and_marks_what_it_touches(db: &mut dyn Db) {
    let store = db.store();
    let first = vec![product("b", "1"), product("a", "1"), product("B", "1")];
    put(&*store, 0, first).await;
    let next = change(1, vec![product("b", "2"), product("c", "1")], &["a", "z"]);
    assert_eq!(store.change_pushed(HERE, &next).await.unwrap(), 2);
    let found = store.pushed(HERE).await.unwrap();
    assert_eq!(found.version, 2);
    let expected = [
        ("B", 1, "person 0"),
        ("b", 2, "person 1"),
        ("c", 2, "person 1"),
    ];
    assert_eq!(shown(&found), expected);
    assert_eq!(found.products[1].product, product("b", "2"));
}

pub(crate) async fn a_version_never_comes_again(db: &mut dyn Db) {
    let store = db.store();
    put(&*store, 0, vec![product("a", "1")]).await;
    let none = change(1, Vec::new(), &["a"]);
    store.change_pushed(HERE, &none).await.unwrap();
    let empty = Pushed {
        version: 2,
        products: Vec::new(),
    };
    assert_eq!(store.pushed(HERE).await.unwrap(), empty);
    assert_eq!(put(&*store, 2, vec![product("a", "1")]).await, 3);
}

pub(crate) async fn a_change_on_another_basis_leaves_nothing(db: &mut dyn Db) {
    let store = db.store();
    put(&*store, 0, vec![product("a", "1")]).await;
    let before = store.pushed(HERE).await.unwrap();
    for basis in [0, 2] {
        let late = change(basis, vec![product("b", "1")], &["a"]);
        let error = store.change_pushed(HERE, &late).await.unwrap_err();
        let Error::Moved { expected, found } = error else {
            panic!("{error:?}");
        };
        assert_eq!((expected, found), (basis, 1));
    }
    assert_eq!(store.pushed(HERE).await.unwrap(), before);
    // Of two at once, one is first.
    let (one, other) = (
        change(1, vec![product("b", "1")], &[]),
        change(1, vec![product("c", "1")], &[]),
    );
    let (one, other) = tokio::join!(
        store.change_pushed(HERE, &one),
        store.change_pushed(HERE, &other)
    );
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
}

pub(crate) async fn catalogs_are_apart(db: &mut dyn Db) {
    let store = db.store();
    put(&*store, 0, vec![product("a", "1")]).await;
    assert_eq!(store.pushed("MAIN").await.unwrap(), Pushed::default());
    let other = change(0, vec![product("a", "2")], &[]);
    assert_eq!(store.change_pushed("MAIN", &other).await.unwrap(), 1);
    let found = store.pushed(HERE).await.unwrap();
    assert_eq!(found.products[0].product, product("a", "1"));
}

pub(crate) async fn many_fit_into_one_change(db: &mut dyn Db) {
    let store = db.store();
    let many: Vec<Product> = (0..1001)
        .map(|n| product(&format!("plan_{n:04}"), "1"))
        .collect();
    put(&*store, 0, many.clone()).await;
    let found = store.pushed(HERE).await.unwrap();
    let found: Vec<Product> = found.products.into_iter().map(|p| p.product).collect();
    assert_eq!(found, many);
    let ids: Vec<String> = many.iter().map(|p| p.local_id.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let gone = change(1, Vec::new(), &ids[1..]);
    store.change_pushed(HERE, &gone).await.unwrap();
    assert_eq!(store.pushed(HERE).await.unwrap().products.len(), 1);
}
