//! Several services on one PostgreSQL, each with a way of its own there, one
//! catalog in a folder that all of them see, and one Stripe in a process of its own.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::account::Account;
use super::super::{Running, run, told};
use super::replica::{Addresses, Around, Replica, Settings};
use super::wait::until;
use crate::support::postgres::{Database, Server, server};

/// A line of the catalog: local id and whole dollars a month.
pub(super) type Plan = (String, u32);

pub(super) struct Fleet {
    // In this order: services end before what they stand on.
    pub(super) replicas: Vec<Replica>,
    pub(super) stripe: Arc<Running>,
    pub(super) database: Database,
    dir: TempDir,
}

impl Fleet {
    /// So many of them, with this catalog; `None` where there is no PostgreSQL.
    pub(super) async fn start(count: usize, plans: &[Plan], settings: Settings) -> Option<Self> {
        Some(Self::on(server()?, count, plans, settings).await)
    }

    /// The same on this server.
    pub(super) async fn on(
        server: &'static Server,
        count: usize,
        plans: &[Plan],
        settings: Settings,
    ) -> Self {
        let database = server.migrated().await;
        let dir = TempDir::new().unwrap();
        let stripe = Arc::new(Running::start(dir.path(), &["--record"]));
        let mut fleet = Self {
            replicas: Vec::new(),
            stripe,
            database,
            dir,
        };
        say(fleet.dir.path(), plans);
        for number in 0..count {
            let around = Around {
                database: &fleet.database,
                stripe: &fleet.stripe.address,
                dir: fleet.dir.path(),
            };
            let replica = Replica::started(number, &around, settings).await;
            fleet.replicas.push(replica);
        }
        fleet
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What the catalog says from now on.
    pub(super) fn say(&self, plans: &[Plan]) {
        say(self.dir.path(), plans);
    }

    /// How long Stripe takes from now on.
    pub(super) fn latency(&self, latency: &str) {
        let latency = json!({ "latency": latency, "seed": 1 }).to_string();
        let (status, answer) =
            self.stripe
                .ask("PUT /_sandbox/latency", "application/json", &latency);
        assert_eq!(status, 200, "{answer}");
    }

    /// The one that works; `None` while nobody may.
    pub(super) async fn leader(&self) -> Option<usize> {
        let owner = self
            .database
            .texts(
                "SELECT owner FROM leases WHERE name LIKE 'runs/%'
                 AND expire_time > extract(epoch FROM clock_timestamp()) * 1000000
                 ORDER BY name LIKE 'runs/key:%'",
            )
            .await;
        let owner = owner.first()?;
        self.replicas
            .iter()
            .position(|replica| replica.has_logged(owner))
    }

    /// Until one works; which one.
    pub(super) async fn led(&self) -> usize {
        let mut leader = None;
        until("a replica works", async || {
            leader = self.leader().await;
            leader.is_some()
        })
        .await;
        leader.unwrap()
    }

    /// Everything in Stripe.
    pub(super) fn account(&self) -> Account {
        Account::of(&self.stripe)
    }

    /// As a replica lists them.
    pub(super) fn mappings(&self) -> Vec<Value> {
        let address = self.replicas[0].address.borrow().clone();
        let said = run(
            self.path(),
            &["mappings", "list", "-o", "json", "--server", &address],
        );
        let (stdout, stderr, code) = told(&said);
        assert_eq!(code, 0, "{stderr}");
        let said: Value = serde_json::from_str(&stdout).unwrap();
        said["mappings"].as_array().cloned().unwrap_or_default()
    }

    /// Where each of them listens, for tasks.
    pub(super) fn addresses(&self) -> Addresses {
        let addresses = self.replicas.iter();
        Addresses::new(addresses.map(|replica| replica.address.subscribe()))
    }
}

impl Drop for Fleet {
    #[expect(
        clippy::print_stderr,
        reason = "whoever looks for the fault needs the logs"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
            eprintln!("the logs are in {}", self.dir.path().display());
        }
    }
}

/// In one step, as an editor or a checkout puts a file in place.
pub(super) fn say(dir: &Path, plans: &[Plan]) {
    let mut yaml = String::from("currency: usd\nproducts:\n");
    for (id, amount) in plans {
        writeln!(
            yaml,
            "  - {{id: {id}, name: Plan {id}, amount: {amount}, interval: month, event_type: plan, event_id: {id}}}"
        )
        .unwrap();
    }
    std::fs::write(dir.join("products.yaml.new"), yaml).unwrap();
    std::fs::rename(dir.join("products.yaml.new"), dir.join("products.yaml")).unwrap();
}
