//! Files that are no database of ours: an error that names the file and what to do.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use sqlx::Connection as _;
use stripe_product_sync::store::sqlite::Sqlite;
use stripe_product_sync::store::{Error, Store as _};

use super::samples::{add_run, run};
use super::sqlite::connect;

async fn refused(file: &Path) -> String {
    let error = Sqlite::open(file).await.unwrap_err();
    assert!(matches!(error, Error::Unusable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(file.to_str().unwrap()), "{text}");
    text
}

#[tokio::test]
async fn a_folder_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let text = refused(folder.path()).await;
    assert!(text.contains("is a folder; set `database.url`"), "{text}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Sqlite::open(file.join("below/sync.db")).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("cannot be created: "), "{text}");
    assert!(
        text.contains(file.join("below").to_str().unwrap()),
        "{text}"
    );
}

#[tokio::test]
async fn other_files_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    for content in ["hello", &"not a database, but long enough\n".repeat(500)] {
        std::fs::write(&file, content).unwrap();
        let text = refused(&file).await;
        assert!(text.contains("is not an SQLite database"), "{text}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
    }
}

#[tokio::test]
async fn a_damaged_file_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sync.db");
    let store = Sqlite::open(&file).await.unwrap();
    for number in 0..200 {
        add_run(&store, &run(number)).await.unwrap();
    }
    store.close().await;
    // All but the first page, which says that it is a database and where its tables are.
    let mut bytes = std::fs::read(&file).unwrap();
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    bytes[page..].fill(0xa5);
    std::fs::write(&file, &bytes).unwrap();
    let error = match Sqlite::open(&file).await {
        Err(error) => error,
        Ok(store) => store.unfinished_runs().await.unwrap_err(),
    };
    assert!(matches!(error, Error::Unusable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("is damaged; restore it from a backup"),
        "{text}"
    );
    assert!(text.contains(file.to_str().unwrap()), "{text}");
    let now = std::fs::read(&file).unwrap();
    assert!(now[page..] == bytes[page..], "nothing of it is mended");
}

/// A file system of 1 MB; `None` where none may be made.
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn small_disk() -> Option<SmallDisk> {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "sps-test"])
        .arg(folder.path())
        .output();
    match mounted {
        Ok(mounted) if mounted.status.success() => Some(SmallDisk(folder)),
        Ok(mounted) => {
            let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
            eprintln!("skipped: a small tmpfs needs root ({})", why.trim());
            None
        }
        Err(why) => {
            eprintln!("skipped: no `mount` ({why})");
            None
        }
    }
}

struct SmallDisk(tempfile::TempDir);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_for_later_and_what_was_kept_stays() {
    let Some(disk) = small_disk() else { return };
    let file = disk.0.path().join("sync.db");
    let store = Sqlite::open(&file).await.unwrap();
    let filler = disk.0.path().join("filler");
    // Some room for a few more.
    std::fs::write(&filler, vec![0; 200 * 1024]).unwrap();
    let mut kept = 0;
    let error = loop {
        let mut next = run(kept);
        // So that it is soon.
        next.actor = "a".repeat(20_000);
        match add_run(&store, &next).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("is full; free some space"), "{text}");
    assert!(text.contains(file.to_str().unwrap()), "{text}");
    // Reading goes on, and so does writing as soon as there is room.
    assert_eq!(store.unfinished_runs().await.unwrap().len(), kept as usize);
    std::fs::remove_file(&filler).unwrap();
    add_run(&store, &run(kept)).await.unwrap();
    store.close().await;
    let store = Sqlite::open(&file).await.unwrap();
    assert_eq!(
        store.unfinished_runs().await.unwrap().len(),
        kept as usize + 1
    );
    store.close().await;
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sync.db");
    Sqlite::open(&file).await.unwrap().close().await;
    let mut connection = connect(&file).await;
    sqlx::raw_sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9001, 'later', TRUE, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let text = refused(&file).await;
    assert!(text.contains("has schema 9001"), "{text}");
    assert!(text.contains("run the newer program"), "{text}");
}

#[tokio::test]
async fn a_schema_of_someone_elses_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sync.db");
    let mut connection =
        sqlx::SqliteConnection::connect(&format!("sqlite:{}?mode=rwc", file.display()))
            .await
            .unwrap();
    sqlx::raw_sql("CREATE TABLE sync_runs (mine TEXT); INSERT INTO sync_runs VALUES ('kept')")
        .execute(&mut connection)
        .await
        .unwrap();
    refused(&file).await;
    let kept: String = sqlx::query_scalar("SELECT mine FROM sync_runs")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(kept, "kept");
}

#[tokio::test]
async fn a_file_that_may_only_be_read_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sync.db");
    Sqlite::open(&file).await.unwrap().close().await;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
    if std::fs::OpenOptions::new().append(true).open(&file).is_ok() {
        return; // root may write everything; the unit test of the same error runs anyway
    }
    let text = refused(&file).await;
    assert!(text.contains("cannot be opened for writing"), "{text}");
}

#[tokio::test]
async fn migrations_run_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sync.db");
    let store = Sqlite::open(&file).await.unwrap();
    add_run(&store, &run(1)).await.unwrap();
    store.close().await;
    // Opening again, and again beside an open one, changes nothing.
    let (first, second) = (Sqlite::open(&file).await, Sqlite::open(&file).await);
    for store in [first.unwrap(), second.unwrap()] {
        assert_eq!(store.run(&run(1).id).await.unwrap(), Some(run(1)));
    }
}
