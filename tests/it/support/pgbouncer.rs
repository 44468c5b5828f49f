//! `PgBouncer` in front of the tests' PostgreSQL.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

use super::postgres::{Server, as_unprivileged, free_port};
use super::programs::has;

/// A pooler that runs until it is dropped.
pub(crate) struct PgBouncer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl PgBouncer {
    /// In this mode; `None` where the program is missing.
    pub(crate) fn start(server: &Server, pool_mode: &str) -> Option<Self> {
        if !has("pgbouncer", &["--version"], "apt-get install pgbouncer") {
            return None;
        }
        let behind: PgConnectOptions = server.url("postgres").parse().unwrap();
        let (host, user) = (behind.get_host(), behind.get_username());
        let (port, behind) = (free_port(), behind.get_port());
        let folder = TempDir::new().unwrap();
        let readable = |path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        readable(folder.path(), 0o755);
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(
            &file,
            format!(
                "[databases]\n* = host={host} port={behind} user={user}\n[pgbouncer]\n\
                 listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = any\npool_mode = {pool_mode}\ndefault_pool_size = 20\n"
            ),
        )
        .unwrap();
        readable(&file, 0o644);
        // Ends with its standard input, that is, with this process.
        let script = "pgbouncer \"$1\" & cat >/dev/null; kill $!";
        let mut child = as_unprivileged("sh")
            .args(["-c", script, "sh"])
            .arg(&file)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let up = log
            .by_ref()
            .any(|line| line.unwrap().contains("process up"));
        assert!(up, "pgbouncer does not start");
        std::thread::spawn(move || log.for_each(drop));
        Some(Self {
            child,
            port,
            _folder: folder,
        })
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://app@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
