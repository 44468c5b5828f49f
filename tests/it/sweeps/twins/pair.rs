//! Two engines on one account, let on by turns.

use std::fmt;
use std::sync::Arc;

use stripe_product_sync::engine::{Engine, Parts};
use stripe_product_sync::store::{Run, RunOptions};
use tokio::sync::watch;

use super::super::mortal::{Life, MortalStore, MortalStripe};
use super::Side;
use crate::support::{PATIENCE, TestApp, request};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    First,
    Second,
}

/// Whose turn it is, and for how many events. Afterwards the first goes on to
/// its end, then the second.
#[derive(Clone, Debug)]
pub(super) struct Order(pub(super) Vec<(Who, usize)>);

impl Order {
    /// Turns of one to six events, the same for the same seed.
    pub(super) fn random(seed: u64) -> Self {
        let mut state = seed;
        let mut next = || {
            // SplitMix64: <https://prng.di.unimi.it/splitmix64.c>
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let turns = (0..40).map(|turn| {
            let who = if turn % 2 == 0 {
                Who::First
            } else {
                Who::Second
            };
            (who, 1 + usize::try_from(next() % 6).unwrap())
        });
        Self(turns.collect())
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (who, events) in &self.0 {
            write!(f, "{who:?}×{events} ")?;
        }
        f.write_str("then the rest")
    }
}

/// One engine in the middle of a run.
pub(super) struct Twin {
    pub(super) name: &'static str,
    pub(super) life: Arc<Life>,
    ended: watch::Receiver<Option<Run>>,
}

impl Twin {
    /// Starts an engine that stands still before its first event.
    pub(super) fn start(app: &TestApp, side: &Side, options: RunOptions) -> Self {
        let life = Life::halted();
        let engine = engine(app, side, &life);
        let (tell, ended) = watch::channel(None);
        tokio::spawn(async move {
            let started = engine.sync(request(options)).await.unwrap();
            let run = engine.wait(&started.run.id, PATIENCE).await.unwrap();
            tell.send_replace(Some(run));
            engine.stop().await;
        });
        Self {
            name: side.name,
            life,
            ended,
        }
    }

    /// Lets one more event happen; `false` once its run has ended.
    pub(super) async fn step(&mut self) -> bool {
        if self.ended.borrow().is_some() {
            return false;
        }
        tokio::select! {
            () = self.life.go_on() => true,
            ended = self.ended.wait_for(Option::is_some) => {
                ended.unwrap();
                false
            }
        }
    }

    /// How its run ended.
    pub(super) fn run(&self) -> Run {
        self.ended.borrow().clone().unwrap()
    }

    /// What happened last.
    pub(super) fn last(&self) -> String {
        let last = self.life.happened().last().cloned();
        format!("{}: {}", self.name, last.unwrap_or_default())
    }
}

/// An engine on an app's database and Stripe, with a catalog of its own.
fn engine(app: &TestApp, side: &Side, life: &Arc<Life>) -> Engine {
    let catalog = side.catalog.clone();
    let parts = app.parts();
    let parts = Parts {
        stripe: Arc::new(MortalStripe {
            inner: parts.stripe,
            life: Arc::clone(life),
        }),
        store: Arc::new(MortalStore {
            inner: parts.store,
            life: Arc::clone(life),
            own: side.name,
        }),
        discover: Arc::new(move |_pushed| Ok(catalog.clone())),
        ..parts
    };
    Engine::start(parts, side.settings.clone())
}

/// A sync from its beginning to its end, undisturbed.
pub(super) async fn sync(app: &TestApp, side: &Side) -> Run {
    let options = RunOptions {
        accept_price_changes: true,
        ..RunOptions::default()
    };
    let mut twin = Twin::start(app, side, options);
    twin.life.release();
    twin.ended.wait_for(Option::is_some).await.unwrap();
    twin.run()
}
