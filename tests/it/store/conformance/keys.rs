//! API keys: made once, ended once, noted as used.

use stripe_product_sync::access::{ApiKey, KeyHash, KeyId, KeyState, Role};
use stripe_product_sync::store::{Error, Retention, Store};

use crate::store::Db;
use crate::store::samples::time;

fn id(number: u32) -> KeyId {
    KeyId::new(&format!("Key{number:09}")).unwrap()
}

/// Made at this second.
fn key(number: u32) -> ApiKey {
    ApiKey {
        id: id(number),
        name: "crm".to_owned(),
        role: Role::Emitter,
        hash: KeyHash::from_hex(&format!("{number:064x}")).unwrap(),
        create_time: time(i64::from(number) * 1_000_000),
        expire_time: None,
        revoke_time: None,
        last_use_time: None,
    }
}

fn rich(number: u32) -> ApiKey {
    ApiKey {
        name: "Zoë (ops@example.com)".to_owned(),
        role: Role::Admin,
        hash: KeyHash::from_hex(&"9f".repeat(32)).unwrap(),
        expire_time: Some(time(7_000_001)),
        revoke_time: Some(time(8_000_002)),
        last_use_time: Some(time(6_000_003)),
        ..key(number)
    }
}

async fn add(store: &dyn Store, keys: impl IntoIterator<Item = ApiKey>) {
    for key in keys {
        store.add_api_key(&key).await.unwrap();
    }
}

/// All of a key; a hash has no `==`.
fn shown(key: &ApiKey) -> String {
    format!("{key:?} {}", key.hash.to_hex())
}

async fn all(store: &dyn Store) -> Vec<String> {
    let keys = store.api_keys().await.unwrap();
    keys.iter().map(shown).collect()
}

pub(crate) async fn every_field_comes_back(db: &mut dyn Db) {
    let store = db.store();
    let mut made: Vec<ApiKey> = Role::ALL
        .into_iter()
        .zip(1..)
        .map(|(role, number)| ApiKey {
            role,
            ..key(number)
        })
        .collect();
    made.push(rich(9));
    add(&*store, made.clone()).await;
    db.reopen().await;
    let newest_first: Vec<String> = made.iter().rev().map(shown).collect();
    assert_eq!(all(&*db.store()).await, newest_first);
}

pub(crate) async fn an_id_is_taken_once_and_a_name_is_not(db: &mut dyn Db) {
    let store = db.store();
    add(&*store, [key(1), key(2)]).await;
    let error = store.add_api_key(&rich(1)).await.unwrap_err();
    assert!(matches!(error, Error::Duplicate { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("the key {} exists already", id(1))
    );
    assert_eq!(all(&*store).await, [key(2), key(1)].map(|k| shown(&k)));
    // Ids are told apart by their bytes.
    let lower = KeyId::new(&id(1).as_str().to_lowercase()).unwrap();
    add(
        &*store,
        [ApiKey {
            id: lower,
            ..key(3)
        }],
    )
    .await;
}

pub(crate) async fn a_key_is_ended_once(db: &mut dyn Db) {
    let store = db.store();
    let other = key(2);
    add(&*store, [key(1), other.clone()]).await;
    for now in [time(50), time(60), time(40)] {
        let ended = store.revoke_api_key(&id(1), now).await.unwrap().unwrap();
        assert_eq!(ended.revoke_time, Some(time(50)));
        assert_eq!(ended.state(time(0)), KeyState::Revoked);
    }
    assert!(
        store
            .revoke_api_key(&id(3), time(50))
            .await
            .unwrap()
            .is_none()
    );
    let ended = ApiKey {
        revoke_time: Some(time(50)),
        ..key(1)
    };
    assert_eq!(all(&*store).await, [other, ended].map(|k| shown(&k)));
}

pub(crate) async fn the_last_use_is_the_latest(db: &mut dyn Db) {
    let store = db.store();
    add(&*store, [key(1), key(2), key(3)]).await;
    // Of several processes each notes what it saw, in any order.
    for used in [
        vec![],
        vec![(id(1), time(20)), (id(2), time(5)), (id(7), time(90))],
        vec![(id(2), time(6)), (id(1), time(10)), (id(2), time(4))],
    ] {
        store.note_key_use(&used).await.unwrap();
    }
    let keys = store.api_keys().await.unwrap();
    let noted: Vec<_> = keys.iter().map(|key| key.last_use_time).collect();
    assert_eq!(noted, [None, Some(time(6)), Some(time(20))]);
}

pub(crate) async fn what_ended_long_ago_goes(db: &mut dyn Db) {
    let store = db.store();
    let made = |number, expire_time, revoke_time| ApiKey {
        expire_time,
        revoke_time,
        ..key(number)
    };
    let (early, late) = (Some(time(10)), Some(time(30)));
    add(
        &*store,
        [
            made(1, None, None),
            made(2, late, None),
            made(3, None, late),
            made(4, early, None),
            made(5, None, early),
            made(6, late, early),
            made(7, early, late),
        ],
    )
    .await;
    let retention = Retention {
        before: time(20),
        max_runs: 1_000,
        max_events: 1_000,
    };
    store.tidy(&retention).await.unwrap();
    let keys = store.api_keys().await.unwrap();
    let left: Vec<&KeyId> = keys.iter().map(|key| &key.id).collect();
    assert_eq!(left, [&id(3), &id(2), &id(1)]);
}
