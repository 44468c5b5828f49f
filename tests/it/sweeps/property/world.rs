//! A service with everything around it, whose processes come and go: the
//! account, the database and its copies, the configuration, the time.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stripe_product_sync::catalog::Catalog;
use stripe_product_sync::engine::{Engine, Parts, Settings, SyncRequest, clock};
use stripe_product_sync::plan::{AccountRef, Known, Mode};
use stripe_product_sync::sandbox::{self, Sandbox};
use stripe_product_sync::store::sqlite::Sqlite;
use stripe_product_sync::store::{Page, ResultFilter, ResultRow, Run, RunOptions, Store, Trigger};
use stripe_product_sync::stripe as port;
use stripe_product_sync::stripe::client::connect;
use stripe_product_sync::stripe::transport::SecretKey;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::super::mortal::{Life, MortalStore, MortalStripe};
use super::account::Account;
use super::act::{Act, Config, Sync};
use super::shop::Shop;
use super::watch::{Seen, Watch};
use crate::support::openapi::Sender;
use crate::support::witness::Witness;
use crate::support::{PATIENCE, catalog, client_settings, request, settings, stripe};

pub(super) struct World {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) person: stripe::Stripe,
    client: Arc<dyn port::Stripe>,
    pub(super) store: Arc<Sqlite>,
    pub(super) settings: Settings,
    pub(super) shop: Shop,
    offered: Arc<Mutex<Catalog>>,
    /// Seconds by which it is later than it is.
    later: Arc<AtomicI64>,
    dir: TempDir,
    template: PathBuf,
    copies: Vec<PathBuf>,
    files: usize,
    /// What partners and other catalogs made.
    pub(super) foreign: std::collections::BTreeSet<String>,
    /// Prices that people put on sale or marked: seen where all prices are read.
    pub(super) by_hand: std::collections::BTreeSet<String>,
    /// What partners noted on objects of ours.
    pub(super) notes: std::collections::BTreeSet<(String, String)>,
    pub(super) witness: Option<Witness>,
    pub(super) writes: usize,
    pub(super) syncs: usize,
    pub(super) kills: usize,
    pub(super) faults: u64,
    _ends: DropGuard,
}

/// What became of one sync.
pub(super) struct Ran {
    /// Absent if the process was killed, or nothing was asked of it.
    pub(super) run: Option<Run>,
    pub(super) rows: Vec<ResultRow>,
    pub(super) before: Account,
    pub(super) after: Account,
    pub(super) seen: Seen,
    pub(super) posts: usize,
    pub(super) resumed: bool,
}

impl World {
    /// `template`: an empty database; `judged`: every request is compared with
    /// Stripe's description of its API.
    pub(super) async fn new(template: &Path, judged: bool) -> Self {
        let witness = judged.then(|| Witness::new(Sender::Ours));
        let later = Arc::new(AtomicI64::new(0));
        let mut options = sandbox::Options {
            record: true,
            deterministic_ids: true,
            ..sandbox::Options::default()
        };
        if let Some(witness) = &witness {
            witness.watch(&mut options);
        }
        let sandbox = Sandbox::open(options).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        tokio::spawn(sandbox.clone().serve(listener, shutdown.clone()));
        let client_settings = port::Settings {
            retry_delay: Duration::from_millis(1),
            ..client_settings(&base, (10_000, 10_000), Mode::Test)
        };
        let client = connect(client_settings, SecretKey::new(sandbox::SANDBOX_KEY)).unwrap();
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("0.db");
        std::fs::copy(template, &file).unwrap();
        let mut settings = settings(dir.path().join("reports"), true);
        settings.reports_dir = None;
        settings.account = Some(sandbox::Options::default().account);
        Self {
            sandbox,
            person: stripe::Stripe::new(&base),
            client: Arc::new(client),
            store: Arc::new(Sqlite::open(file).await.unwrap()),
            settings,
            shop: Shop::new(),
            offered: Arc::new(Mutex::new(catalog::catalog(Vec::new()))),
            later,
            dir,
            template: template.to_owned(),
            copies: Vec::new(),
            files: 0,
            foreign: Default::default(),
            notes: Default::default(),
            by_hand: Default::default(),
            witness,
            writes: 0,
            syncs: 0,
            kills: 0,
            faults: 0,
            _ends: shutdown.drop_guard(),
        }
    }

    pub(super) fn catalog(&self) -> Catalog {
        catalog::catalog(self.shop.products())
    }

    pub(super) fn at(&self) -> AccountRef {
        AccountRef {
            account: sandbox::Options::default().account.into(),
            mode: self.settings.mode,
        }
    }

    pub(super) async fn known(&self) -> Known {
        let known = self.store.known(&self.at()).await.unwrap();
        known.of_catalog(&self.settings.naming)
    }

    pub(super) fn account(&self) -> Account {
        Account::of(&self.sandbox)
    }

    fn advance(&self, seconds: i64) {
        self.later.fetch_add(seconds, Ordering::Relaxed);
        let seconds = seconds.try_into().unwrap();
        self.sandbox.advance_clock(Duration::from_secs(seconds));
    }

    /// Carries out one act of a history. What is wrong with it is an error.
    pub(super) async fn act(&mut self, act: &Act) -> Result<(), String> {
        self.advance(1);
        match act {
            Act::Catalog(slot, edit) => self.shop.edit(*slot, *edit),
            Act::Hand(hand, pick) => self.hand(*hand, *pick).await,
            Act::Sync(sync) => {
                let ran = self.sync(sync).await?;
                super::judge::sync(self, sync, &ran)?;
            }
            Act::Config(config) => match config {
                Config::LookupKeys(on) => self.settings.naming.lookup_keys = *on,
                Config::ArchiveRemoved(on) => self.settings.archive_removed = *on,
                Config::RepairDrift(on) => self.settings.repair_drift = *on,
                Config::CatalogId(id) => (*id).clone_into(&mut self.settings.naming.catalog_id),
            },
            Act::Backup => {
                let copy = self
                    .dir
                    .path()
                    .join(format!("copy{}.db", self.copies.len()));
                self.store.close().await;
                std::fs::copy(self.file(), &copy).unwrap();
                self.open(self.file()).await;
                self.copies.push(copy);
            }
            Act::Restore(pick) => {
                if !self.copies.is_empty() {
                    let copy = self.copies[pick % self.copies.len()].clone();
                    self.replace(&copy).await;
                }
            }
            Act::LoseDatabase => self.replace(&self.template.clone()).await,
            Act::Later(hours) => self.advance(i64::from(*hours) * 3600),
        }
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join(format!("{}.db", self.files))
    }

    async fn open(&mut self, file: PathBuf) {
        self.store = Arc::new(Sqlite::open(file).await.unwrap());
    }

    async fn replace(&mut self, by: &Path) {
        self.store.close().await;
        self.files += 1;
        std::fs::copy(by, self.file()).unwrap();
        self.open(self.file()).await;
    }

    /// One process' life: it takes up what was left, and syncs.
    pub(super) async fn sync(&mut self, sync: &Sync) -> Result<Ran, String> {
        self.syncs += 1;
        self.settings.concurrency = if sync.side_by_side { 8 } else { 1 };
        let catalog = self.catalog();
        *self.offered.lock().unwrap() = catalog.clone();
        let before = self.account();
        let watch = Arc::new(Watch::new(
            self.sandbox.clone(),
            before.clone(),
            &catalog,
            &self.settings.naming.catalog_id,
            self.known().await,
        ));
        let eye = watch.clone();
        let life = Life::watched(sync.killed_after.unwrap_or(usize::MAX), move |done| {
            eye.see(&done);
        });
        let engine = self.engine(&life);
        self.sandbox.forget_requests();
        if let Some(fault) = sync.fault {
            self.sandbox.add_fault(fault.parse().unwrap());
        }
        let had_left = !self.store.unfinished_runs().await.unwrap().is_empty();
        let lives = self.live(&engine, sync);
        let run = tokio::select! {
            run = lives => run?,
            () = life.is_over() => None,
        };
        self.faults += self.sandbox.faults().iter().map(|f| f.fired).sum::<u64>();
        self.sandbox.clear_faults();
        let rows = match &run {
            Some(run) => self.rows(run).await,
            None => Vec::new(),
        };
        self.kills += usize::from(run.is_none() && sync.killed_after.is_some());
        let requests = self.sandbox.requests();
        let posts = requests.iter().filter(|r| r.method == "POST").count();
        self.writes += posts;
        let seen = watch.take();
        if let Some(broken) = seen.broken.first() {
            return Err(broken.clone());
        }
        Ok(Ran {
            run,
            rows,
            before,
            after: self.account(),
            seen,
            posts,
            resumed: had_left && sync.resume,
        })
    }

    fn engine(&self, life: &Arc<Life>) -> Engine {
        let (later, now, offered) = (self.later.clone(), clock::system(), self.offered.clone());
        let parts = Parts {
            stripe: Arc::new(MortalStripe {
                inner: self.client.clone(),
                life: life.clone(),
            }),
            store: Arc::new(MortalStore {
                inner: self.store.clone(),
                life: life.clone(),
                own: "",
            }),
            discover: Arc::new(move |_pushed| Ok(offered.lock().unwrap().clone())),
            clock: Arc::new(move || {
                now() + chrono::TimeDelta::seconds(later.load(Ordering::Relaxed))
            }),
        };
        Engine::start(parts, self.settings.clone())
    }

    async fn live(&self, engine: &Engine, sync: &Sync) -> Result<Option<Run>, String> {
        let left = self.store.unfinished_runs().await.unwrap();
        engine
            .take_up(sync.resume)
            .await
            .map_err(|error| error.to_string())?;
        for run in left.iter().filter(|_| sync.resume) {
            let ended = engine.wait(&run.id, PATIENCE).await;
            let ended = ended.map_err(|error| error.to_string())?;
            if !ended.state.is_final() {
                return Err(format!("the run that was taken up hangs: {ended:?}"));
            }
        }
        let mut asked: SyncRequest = request(RunOptions {
            dry_run: sync.dry,
            force_update: sync.force,
            product_ids: sync
                .only
                .iter()
                .map(|slot| self.shop.local_id(*slot))
                .collect(),
            plan_digest: None,
            max_archives: Some(100),
            accept_price_changes: sync.accept,
            comprehensive: sync.daily,
        });
        if sync.daily {
            asked.trigger = Trigger::Schedule;
        }
        // A scope that nobody knows is refused.
        let Ok(started) = engine.sync(asked).await else {
            engine.stop().await;
            return Ok(None);
        };
        let run = engine.wait(&started.run.id, PATIENCE).await;
        let run = run.map_err(|error| error.to_string())?;
        if !run.state.is_final() {
            return Err(format!("the run hangs: {run:?}"));
        }
        engine.stop().await;
        Ok(Some(run))
    }

    async fn rows(&self, run: &Run) -> Vec<ResultRow> {
        let page = Page {
            after: None,
            limit: 10_000,
        };
        let all = ResultFilter::default();
        self.store.results(&run.id, &all, &page).await.unwrap()
    }
}
