//! Faults that need the inside of the store to happen.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::plan::Mode;
use crate::store::Listed;

struct Opened {
    store: Sqlite,
    folder: TempDir,
}

async fn open() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open_with(folder.path().join("sync.db"), Duration::from_millis(20))
        .await
        .unwrap();
    Opened { store, folder }
}

impl Opened {
    fn file(&self) -> PathBuf {
        self.folder.path().join("sync.db")
    }

    async fn sql(&self, sql: &'static str) {
        let mut writer = self.store.writer.lock().await;
        let writer = writer.as_mut().unwrap();
        sqlx::raw_sql(sql).execute(writer).await.unwrap();
    }

    async fn write(&self) -> Result<(), Error> {
        let account = RememberedAccount {
            id: "acct_1".to_owned(),
            display_name: None,
        };
        self.store.remember_account("hash", &account).await
    }
}

fn here() -> AccountRef {
    AccountRef {
        account: "acct_1".into(),
        mode: Mode::Test,
    }
}

fn unavailable(error: &Error) -> String {
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    error.to_string()
}

fn unusable(error: &Error) -> String {
    assert!(matches!(error, Error::Unusable { .. }), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_file_that_another_program_locks_is_for_later() {
    let opened = open().await;
    let other = Opened {
        store: Sqlite::open_with(opened.file(), Duration::ZERO)
            .await
            .unwrap(),
        folder: tempfile::tempdir().unwrap(),
    };
    other.sql("BEGIN IMMEDIATE").await;
    let text = unavailable(&opened.write().await.unwrap_err());
    assert!(
        text.contains("sync.db` is locked by another program"),
        "{text}"
    );
    // Readers do not mind.
    assert!(opened.store.known(&here()).await.is_ok());
    other.sql("ROLLBACK").await;
    opened.write().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_for_later_and_leaves_all_as_it_was() {
    let opened = open().await;
    let listing = |products: u32| Listing {
        products: (0..products)
            .map(|n| Listed {
                local_id: format!("plan_{n}"),
                product_id: crate::plan::ProductId::new(format!("prod_{n}")),
                catalog: None,
            })
            .collect(),
        ..Listing::default()
    };
    opened
        .store
        .save_listing(&here(), &listing(3), None)
        .await
        .unwrap();
    opened.sql("PRAGMA max_page_count = 1").await; // taken as: the pages there are
    let error = opened
        .store
        .save_listing(&here(), &listing(5_000), None)
        .await
        .unwrap_err();
    let text = unavailable(&error);
    assert!(text.contains("sync.db` is full; free some space"), "{text}");
    let kept = opened.store.last_listing(&here()).await.unwrap().unwrap();
    assert_eq!(kept, listing(3));
    opened.sql("PRAGMA max_page_count = 100000").await;
    opened
        .store
        .save_listing(&here(), &listing(5_000), None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_file_that_may_only_be_read_is_to_be_mended() {
    let opened = open().await;
    opened.sql("PRAGMA query_only = ON").await;
    let text = unusable(&opened.write().await.unwrap_err());
    assert!(
        text.contains("sync.db` cannot be opened for writing"),
        "{text}"
    );
}

#[tokio::test]
async fn a_file_that_was_removed_is_to_be_put_back() {
    let opened = open().await;
    opened.store.ping().await.unwrap();
    std::fs::rename(opened.file(), opened.folder.path().join("moved")).unwrap();
    let text = unusable(&opened.store.ping().await.unwrap_err());
    assert!(text.contains("was moved or deleted"), "{text}");
}

#[tokio::test]
async fn a_row_that_was_tampered_with_is_named() {
    let opened = open().await;
    opened
        .sql(
            "INSERT INTO validations VALUES ('acct_1', 'test', 0, 1, 1, '[{]', '[]', '', 0, '[]');
             INSERT INTO product_bindings VALUES
                 ('acct_1', 'test', 'plan_a', 'prod_a', '{}', '{}', 1, 1, 'lost', 0, 0)",
        )
        .await;
    let error = opened.store.last_validation(&here()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Corrupt { table: "validations", message } if message.starts_with("findings: ")),
        "{error}"
    );
    let asked = [LocalId::new("plan_a").unwrap()];
    let error = opened
        .store
        .mappings_by_id(&here(), &asked)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Corrupt { table: "product_bindings", message } if message.starts_with("applied of plan_a: ")),
        "{error}"
    );
    // A run looks at what the row names, and believes nothing else of it.
    let known = opened.store.known(&here()).await.unwrap();
    assert!(known.bindings.is_empty());
    assert_eq!(known.hints[&asked[0]].as_str(), "prod_a");
}

#[tokio::test]
async fn a_dropped_write_is_undone_and_blocks_nothing() {
    let opened = open().await;
    {
        let mut writer = opened.store.writer.lock().await;
        let writer = writer.as_mut().unwrap();
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
        sqlx::query("INSERT INTO account_keys VALUES ('hash', 'acct_other', NULL)")
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    assert_eq!(opened.store.account_of_key("hash").await.unwrap(), None);
    opened.write().await.unwrap();
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let opened = open().await;
    opened.write().await.unwrap();
    opened.store.close().await;
    let text = unavailable(&opened.write().await.unwrap_err());
    assert!(text.contains("was closed"), "{text}");
    unavailable(&opened.store.known(&here()).await.unwrap_err());
    assert!(!opened.folder.path().join("sync.db-wal").exists());
}
