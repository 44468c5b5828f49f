//! A PostgreSQL for the tests: the one that `TEST_DATABASE_URL` names, or one
//! that is started for this run and is gone with it.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use stripe_product_sync::store::postgres::Postgres;

/// The schema that most tests use: not the CRM's, so that nothing is found there by chance.
pub(crate) const SCHEMA: &str = "stripe_sync";
const TEMPLATE: &str = "sps_test_template";

/// A server that is there for the whole run.
pub(crate) struct Server {
    /// Without a database's name.
    base: String,
    /// Whether the server outlives the run, so that databases have to go.
    lasts: bool,
    /// Ends with its standard input, that is, with this process.
    process: Option<Process>,
}

struct Process {
    _child: Child,
    programs: PathBuf,
    /// Where its files are.
    folder: String,
    port: u16,
}

/// The server; `None` where there is none: then the test says so and is skipped,
/// except where everything has to be there.
pub(crate) fn server() -> Option<&'static Server> {
    static SERVER: LazyLock<Result<Server, String>> = LazyLock::new(|| prepared(start()?));
    or_skipped(SERVER.as_ref())
}

/// One that a test may stop: it is there for nobody else. It goes with the run, too.
pub(crate) fn server_of_its_own() -> Option<&'static Server> {
    let server = start_one().and_then(prepared);
    let server: &'static Result<_, _> = Box::leak(Box::new(server));
    or_skipped(server.as_ref())
}

fn prepared(server: Server) -> Result<Server, String> {
    // Not on the runtime of the test that happens to be first: it ends with it.
    std::thread::scope(|scope| {
        let made = scope.spawn(|| block_on(server.make_template()));
        made.join().map_err(|_| "the template failed".to_owned())
    })?;
    Ok(server)
}

#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn or_skipped(server: Result<&'static Server, &String>) -> Option<&'static Server> {
    match server {
        Ok(server) => Some(server),
        Err(why) => {
            assert!(
                variable("CI").as_deref() != Some("true"),
                "no PostgreSQL, and CI=true: {why}"
            );
            eprintln!("skipped: no PostgreSQL ({why}; apt-get install postgresql)");
            None
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are where the environment may be looked at"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn start() -> Result<Server, String> {
    if let Some(url) = variable("TEST_DATABASE_URL") {
        let (base, _) = url
            .rsplit_once('/')
            .ok_or("TEST_DATABASE_URL is no postgres://…/NAME")?;
        return Ok(Server {
            base: base.to_owned(),
            lasts: true,
            process: None,
        });
    }
    start_one()
}

fn start_one() -> Result<Server, String> {
    let programs = programs().ok_or("no initdb on the PATH or in /usr/lib/postgresql/*/bin")?;
    // Another test may take the port until the server listens.
    (0..3)
        .find_map(|_| start_on(free_port(), &programs))
        .ok_or_else(|| format!("{} does not start", programs.display()))
}

/// Nothing of it has to outlast the machine.
const OPTIONS: &str =
    "-c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off -c max_connections=300";

fn start_on(port: u16, programs: &Path) -> Option<Server> {
    // Everything below one folder of the server's user, which goes at the end.
    let script = r#"
        set -e
        dir=$(mktemp -d /tmp/sps-test-pg-XXXXXX)
        trap 'rm -rf "$dir"' EXIT
        "$1/initdb" -D "$dir/data" -U postgres -A trust --no-sync --no-instructions >&2
        "$1/pg_ctl" -w -D "$dir/data" -l "$dir/log" -o "-p $2 -k $dir $3" start >/dev/null
        echo "ready $dir"
        cat >/dev/null
        "$1/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null
    "#;
    let mut command = as_unprivileged("sh");
    let mut child = command
        .args(["-c", script, "sh"])
        .arg(programs)
        .args([&port.to_string(), OPTIONS])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut line = String::new();
    let _ = BufReader::new(child.stdout.take().unwrap()).read_line(&mut line);
    let Some(folder) = line.trim().strip_prefix("ready ") else {
        let _ = child.wait();
        return None;
    };
    Some(Server {
        base: format!("postgres://postgres@127.0.0.1:{port}"),
        lasts: false,
        process: Some(Process {
            _child: child,
            programs: programs.to_owned(),
            folder: folder.to_owned(),
            port,
        }),
    })
}

/// On the path, or where Debian keeps them: the newest.
fn programs() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    debian.sort();
    on_path
        .chain(debian.into_iter().rev())
        .find(|folder| folder.join("initdb").is_file())
}

/// The server and the pooler refuse to run as root.
pub(crate) fn as_unprivileged(program: &str) -> Command {
    let id = Command::new("id").arg("-u").output();
    let is_root = id.is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    if is_root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", program]);
        return command;
    }
    Command::new(program)
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Server {
    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.base)
    }

    /// An empty database.
    pub(crate) async fn empty(&'static self) -> Database {
        self.create("template0").await
    }

    /// A database with all migrations in [`SCHEMA`].
    pub(crate) async fn migrated(&'static self) -> Database {
        self.create(TEMPLATE).await
    }

    async fn create(&'static self, template: &str) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sps_test_{}_{number}", std::process::id());
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        self.admin(&create).await;
        Database { server: self, name }
    }

    /// Ends it as an operator does, open connections and all.
    pub(crate) fn stop(&self) {
        self.control(&["-m", "fast", "stop"]);
    }

    /// Starts it again where it was; returns when it answers.
    pub(crate) fn start_again(&self) {
        let Process { folder, port, .. } = self.process.as_ref().unwrap();
        let options = format!("-p {port} -k {folder} {OPTIONS}");
        let log = format!("{folder}/log");
        self.control(&["-l", &log, "-o", &options, "start"]);
    }

    fn control(&self, args: &[&str]) {
        let Process {
            programs, folder, ..
        } = self.process.as_ref().unwrap();
        let program = programs.join("pg_ctl");
        let done = as_unprivileged(program.to_str().unwrap())
            .args(["-w", "-D", &format!("{folder}/data")])
            .args(args)
            .current_dir("/")
            .stdout(Stdio::null())
            .status();
        assert!(done.unwrap().success(), "pg_ctl {args:?}");
    }

    async fn make_template(&self) {
        self.admin(&format!("DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)"))
            .await;
        self.admin(&format!("CREATE DATABASE {TEMPLATE} TEMPLATE template0"))
            .await;
        let store = Postgres::open(&self.url(TEMPLATE), SCHEMA).await.unwrap();
        store.close().await;
    }

    pub(crate) async fn admin(&self, sql: &str) {
        let mut connection = connect(&self.url("postgres")).await;
        execute(&mut connection, sql).await;
        connection.close().await.unwrap();
    }
}

/// A database of one test.
pub(crate) struct Database {
    server: &'static Server,
    name: String,
}

impl Database {
    pub(crate) fn url(&self) -> String {
        self.server.url(&self.name)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// As another role, with this password.
    pub(crate) fn url_as(&self, role: &str, password: &str) -> String {
        let (scheme, rest) = self.server.base.split_once("://").unwrap();
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        format!("{scheme}://{role}:{password}@{place}/{}", self.name)
    }

    /// A connection that finds our tables and the CRM's by their names.
    pub(crate) async fn connect(&self) -> PgConnection {
        let mut connection = connect(&self.url()).await;
        execute(
            &mut connection,
            &format!("SET search_path = {SCHEMA}, public"),
        )
        .await;
        connection
    }

    /// Runs statements past the store.
    pub(crate) async fn execute(&self, sql: &str) {
        let mut connection = self.connect().await;
        execute(&mut connection, sql).await;
        connection.close().await.unwrap();
    }

    /// The first column of the rows, which is text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let mut connection = self.connect().await;
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !self.server.lasts {
            return;
        }
        let (server, name) = (self.server, self.name.clone());
        let dropped = std::thread::spawn(move || {
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            block_on(server.admin(&sql));
        });
        let _ = dropped.join();
    }
}

async fn connect(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().unwrap();
    options.connect().await.unwrap()
}

pub(crate) async fn execute(connection: &mut PgConnection, sql: &str) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await {
        panic!("{error}: {sql}");
    }
}
