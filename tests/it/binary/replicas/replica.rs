//! One service of a fleet: a process that can be killed, stopped and cut off from the
//! database.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;
use tonic::transport::{Channel, Endpoint};

use super::super::{command, signal};
use super::proxy::{Heal, Proxy};
use super::wait::until;
use crate::support::postgres::{Database, SCHEMA};

/// Configuration beyond what every replica has, as in the environment.
pub(super) type Settings = &'static [(&'static str, &'static str)];

/// A sync takes its time, product by product.
pub(super) const ONE_BY_ONE: Settings = &[("SPS_STRIPE__MAX_CONCURRENCY", "1")];

/// One service, killed when dropped.
pub(super) struct Replica {
    number: usize,
    proxy: Proxy,
    user: String,
    database: String,
    stripe: String,
    dir: PathBuf,
    settings: Settings,
    /// How often it was started.
    lives: usize,
    child: Option<Child>,
    /// As it listens, or did.
    pub(super) address: watch::Sender<String>,
}

/// What a replica has to do with.
pub(super) struct Around<'a> {
    pub(super) database: &'a Database,
    /// Where Stripe's stand-in listens.
    pub(super) stripe: &'a str,
    /// The company's folder, for logs as well.
    pub(super) dir: &'a Path,
}

impl Replica {
    /// One that listens, with a way of its own to the database.
    pub(super) async fn started(number: usize, around: &Around<'_>, settings: Settings) -> Self {
        let url: PgConnectOptions = around.database.url().parse().unwrap();
        let server = format!("{}:{}", url.get_host(), url.get_port());
        let server = tokio::net::lookup_host(server).await.unwrap().next();
        let mut replica = Self {
            number,
            proxy: Proxy::start(server.unwrap()).await,
            user: url.get_username().to_owned(),
            database: around.database.name().to_owned(),
            stripe: around.stripe.to_owned(),
            dir: around.dir.to_owned(),
            settings,
            lives: 0,
            child: None,
            address: watch::Sender::default(),
        };
        replica.start().await;
        replica
    }

    /// Starts it and waits until it listens.
    pub(super) async fn start(&mut self) {
        assert!(self.child.is_none(), "it runs");
        self.lives += 1;
        let log = File::create(self.log(self.lives)).unwrap();
        let database: SocketAddr = self.proxy.address();
        let (user, name) = (&self.user, &self.database);
        let child = command(&self.dir)
            .args(["serve", "--log-format=json"])
            .args(["--set=server.grpc_listen=127.0.0.1:0"])
            .args(["--set=server.http_listen=127.0.0.1:0"])
            .env("STRIPE_SECRET_KEY", "sk_test_fleet")
            .env("STRIPE_API_BASE", format!("http://{}", self.stripe))
            .env(
                "DATABASE_URL",
                format!("postgres://{user}@{database}/{name}"),
            )
            .env("SPS_DATABASE__SCHEMA", SCHEMA)
            .env("SPS_DATABASE__MIGRATE", "true")
            .env("SPS_CATALOG__ROOT", "products.yaml")
            .env("SPS_SYNC__ON_START", "off")
            .env("SPS_STRIPE__RATE_LIMIT", "1000")
            .env("SPS_STRIPE__ENDPOINT_RATE_LIMIT", "1000")
            .env("SPS_STRIPE__RETRY_DELAY", "20ms")
            .env("SPS_SERVER__DRAIN_TIMEOUT", "1s")
            .env("SPS_REPORTS__DIR", format!("reports-{}", self.number))
            .envs(self.settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
        let mut address = None;
        until("it listens", async || {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            let log = self.life();
            assert!(ended.is_none(), "it ended: {log}");
            let listening = log.lines().find(|line| line.contains("\"listening\""));
            let line = listening.and_then(|line| serde_json::from_str::<Value>(line).ok());
            address = line.map(|line| line["grpc.address"].as_str().unwrap().to_owned());
            address.is_some()
        })
        .await;
        self.address.send_replace(address.unwrap());
    }

    /// Ends it at once, whatever it is doing.
    pub(super) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Has it end in good order; how long that took.
    pub(super) async fn terminate(&mut self) -> Duration {
        let begun = Instant::now();
        self.signal("-TERM");
        until("it ends", async || {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            ended.is_some_and(|status| status.success())
        })
        .await;
        self.child = None;
        begun.elapsed()
    }

    /// It does nothing more, and doesn't know.
    pub(super) fn stop(&self) {
        self.signal("-STOP");
    }

    /// It goes on where it was.
    pub(super) fn go_on(&self) {
        self.signal("-CONT");
    }

    /// It doesn't reach the database any more.
    pub(super) fn cut_off(&self) {
        self.proxy.cut();
    }

    /// It reaches it again.
    pub(super) fn heal(&self, how: Heal) {
        self.proxy.heal(how);
    }

    fn signal(&self, name: &str) {
        signal(name, self.child.as_ref().unwrap().id());
    }

    pub(super) fn channel(&self) -> Channel {
        channel(&self.address.borrow())
    }

    fn log(&self, life: usize) -> PathBuf {
        self.dir.join(format!("replica-{}-{life}.log", self.number))
    }

    /// What it has logged since it was started last.
    pub(super) fn life(&self) -> String {
        std::fs::read_to_string(self.log(self.lives)).unwrap()
    }

    /// Whether it has since it was started last.
    pub(super) fn has_logged(&self, words: &str) -> bool {
        self.life().contains(words)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Where replicas listen, wherever they are started again.
#[derive(Clone)]
pub(super) struct Addresses(Vec<watch::Receiver<String>>);

impl Addresses {
    pub(super) fn new(addresses: impl Iterator<Item = watch::Receiver<String>>) -> Self {
        Self(addresses.collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn channel(&self, number: usize) -> Channel {
        channel(&self.0[number].borrow())
    }

    pub(super) fn any(&self, rng: &mut fastrand::Rng) -> Channel {
        self.channel(rng.usize(..self.len()))
    }
}

/// Notices soon that the other end has stopped.
fn channel(address: &str) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_timeout(Duration::from_secs(1))
        .http2_keep_alive_interval(Duration::from_secs(1))
        .keep_alive_timeout(Duration::from_secs(2))
        .keep_alive_while_idle(true)
        .connect_lazy()
}
