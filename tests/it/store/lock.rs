//! The lock file, between processes.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use stripe_product_sync::store::lock::{Address, HeldLock, Holder, Lock, Waited, acquire};

use super::{child, place};

const LONG: Duration = Duration::from_secs(20);

fn database(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("new/sync.db")
}

#[track_caller]
fn held(database: &Path) -> HeldLock {
    match acquire(database).unwrap() {
        Lock::Held(lock) => lock,
        Lock::Busy(holder) => panic!("busy: {holder:?}"),
    }
}

#[track_caller]
fn busy(database: &Path) -> Holder {
    match acquire(database).unwrap() {
        Lock::Held(lock) => panic!("free: {lock:?}"),
        Lock::Busy(holder) => holder,
    }
}

const KEY: &str = "sps_k";

fn at(grpc: &str) -> Address {
    Address {
        grpc: grpc.to_owned(),
        key: Some(KEY.to_owned()),
    }
}

#[tokio::test]
async fn the_second_one_learns_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let mut lock = held(&database);
    assert_eq!(lock.path(), database.with_extension("db.lock"));
    let holder = busy(&database);
    assert_eq!(holder.pid, Some(std::process::id()));
    assert_eq!(holder.address, None);
    let waited = holder.wait_for_address(Duration::ZERO).await.unwrap();
    assert_eq!(waited, Waited::TimedOut);

    lock.publish("127.0.0.1:50051", KEY).unwrap();
    lock.publish("[::1]:1", KEY).unwrap(); // shorter than the one before
    assert_eq!(busy(&database).address, Some(at("[::1]:1")));
    let waited = holder.wait_for_address(LONG).await.unwrap();
    assert_eq!(waited, Waited::Address(at("[::1]:1")));

    drop(lock);
    held(&database);
}

#[tokio::test]
async fn who_waits_gets_the_address_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let mut lock = held(&database);
    let holder = busy(&database);
    let waiting = tokio::spawn(async move { holder.wait_for_address(LONG).await });
    tokio::task::yield_now().await;
    lock.publish("127.0.0.1:50051", KEY).unwrap();
    let waited = waiting.await.unwrap().unwrap();
    assert_eq!(waited, Waited::Address(at("127.0.0.1:50051")));
}

#[tokio::test]
async fn who_waits_learns_that_the_holder_ended() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let lock = held(&database);
    let holder = busy(&database);
    let waiting = tokio::spawn(async move { holder.wait_for_address(LONG).await });
    tokio::task::yield_now().await;
    drop(lock);
    assert_eq!(waiting.await.unwrap().unwrap(), Waited::Freed);
}

#[test]
fn text_that_is_no_answer_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let lock = held(&database);
    for text in ["", "{\"pid\":12,\"grpc_addr", "[]", "\u{0}\u{0}", "{}"] {
        std::fs::write(lock.path(), text).unwrap();
        let holder = busy(&database);
        assert_eq!((holder.pid, holder.address), (None, None), "{text:?}");
    }
}

#[test]
fn what_a_dead_process_left_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let path = held(&database).path().to_owned();
    std::fs::write(&path, r#"{"pid":1,"grpc_address":"10.0.0.1:1"}"#).unwrap();
    let _lock = held(&database);
    let holder = busy(&database);
    assert_eq!(holder.pid, Some(std::process::id()));
    assert_eq!(holder.address, None);
}

#[test]
fn every_path_to_a_database_leads_to_one_lock() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("sync.db");
    std::fs::write(&database, "").unwrap();
    let other = folder.path().join("other.db");
    std::os::unix::fs::symlink(&database, &other).unwrap();
    let _lock = held(&database);
    busy(&other);
    busy(&folder.path().join(".").join("sync.db"));
}

#[test]
fn a_place_that_cannot_be_locked_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = acquire(&file.join("sync.db")).unwrap_err().to_string();
    assert!(error.contains(file.to_str().unwrap()), "{error}");
    assert!(error.contains("database.url"), "{error}");
    let error = acquire(folder.path()).unwrap_err().to_string();
    assert!(error.contains("is a folder"), "{error}");
}

#[tokio::test]
async fn the_lock_dies_with_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let mut child = child("store::lock::hold_until_killed", database.as_os_str());
    let mut out = child.stdout.take().unwrap();
    let mut seen = String::new();
    let mut byte = [0];
    while !seen.contains("held") && out.read(&mut byte).unwrap() == 1 {
        seen.push(char::from(byte[0]));
    }
    let holder = busy(&database);
    assert_eq!(holder.pid, Some(child.id()));
    assert_eq!(holder.address, Some(at("127.0.0.1:7")));
    child.kill().unwrap();
    child.wait().unwrap();
    held(&database);
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn hold_until_killed() {
    let Some(database) = place() else { return };
    let mut lock = held(&database);
    lock.publish("127.0.0.1:7", KEY).unwrap();
    std::io::stdout().write_all(b"held\n").unwrap();
    // Ends with the parent, whatever happens to it.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
