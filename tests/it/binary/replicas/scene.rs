//! Two replicas, one of which is in the middle of a sync.

use std::time::{Duration, Instant};

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::WatchSyncProgressResponse as Message;
use stripe_product_sync::proto::v1::progress_event::Kind;
use stripe_product_sync::proto::v1::sync_run::State;
use stripe_product_sync::proto::v1::watch_sync_progress_response::Payload;
use tonic::Streaming;

use super::fleet::Fleet;
use super::replica::ONE_BY_ONE;
use super::wait::until;
use super::{plans, run_of, syncing, verdict};
use crate::support::in_time;

pub(super) const PLANS: usize = 12;

/// Two replicas, one of them in the middle of a first sync.
pub(super) struct Scene {
    pub(super) fleet: Fleet,
    pub(super) worker: usize,
    pub(super) other: usize,
    pub(super) run: String,
    /// Of the run, at the other one.
    watch: Streaming<Message>,
}

impl Scene {
    pub(super) async fn open() -> Option<Self> {
        let fleet = Fleet::start(2, &plans(PLANS), ONE_BY_ONE).await?;
        fleet.latency("150ms");
        let worker = fleet.led().await;
        let other = 1 - worker;
        let mut client = syncing(fleet.replicas[other].channel());
        let started = client.sync(v1::SyncRequest::default()).await.unwrap();
        let run = started.into_inner().run.unwrap().id;
        let request = v1::WatchSyncProgressRequest {
            run_id: run.clone(),
            ..v1::WatchSyncProgressRequest::default()
        };
        let watch = client.watch_sync_progress(request).await.unwrap();
        let mut scene = Self {
            fleet,
            worker,
            other,
            run,
            watch: watch.into_inner(),
        };
        for _ in 0..2 {
            let is_finished = |kind: &Kind| matches!(kind, Kind::StepFinished(_));
            scene.see(is_finished).await;
        }
        Some(scene)
    }

    /// Until the watch tells of this.
    async fn see(&mut self, is_it: impl Fn(&Kind) -> bool) {
        loop {
            let next = in_time("the watch goes on", self.watch.message()).await;
            let message = next.unwrap().expect("the run has not ended");
            if let Some(Payload::Event(event)) = message.payload
                && is_it(event.kind.as_ref().unwrap())
            {
                return;
            }
        }
    }

    /// Until the other one has the run; how long that took since then.
    pub(super) async fn taken_over(&mut self, since: Instant) -> Duration {
        let is_resumed = |kind: &Kind| matches!(kind, Kind::RunStarted(begun) if begun.resumed);
        self.see(is_resumed).await;
        since.elapsed()
    }

    /// Until the run is over, as it should be.
    pub(super) async fn succeeds(&mut self) {
        self.fleet.latency("0ms");
        let end = async {
            loop {
                let message = self.watch.message().await.unwrap().expect("an end");
                if let Some(Payload::Finished(run)) = message.payload {
                    return run;
                }
            }
        };
        let run = in_time("the run ends", end).await;
        assert_eq!(
            (run.id.as_str(), run.state()),
            (self.run.as_str(), State::Succeeded),
            "{run:?}"
        );
    }

    pub(super) async fn assert_well(&self, dollars: u32) {
        let mut wanted = plans(PLANS);
        wanted.iter_mut().for_each(|plan| plan.1 = dollars);
        verdict::assert_no_duplicate(&self.fleet, &wanted).await;
        verdict::assert_no_run_twice(&self.fleet).await;
    }

    /// A sync to its end, asked of this one.
    pub(super) async fn sync_at(&self, replica: usize) -> v1::SyncRun {
        let channel = self.fleet.replicas[replica].channel();
        let started = syncing(channel.clone())
            .sync(v1::SyncRequest::default())
            .await;
        let id = started.unwrap().into_inner().run.unwrap().id;
        let mut run = v1::SyncRun::default();
        until("the run ends", async || {
            run = run_of(channel.clone(), &id).await;
            run.end_time.is_some()
        })
        .await;
        assert_eq!(run.state(), State::Succeeded, "{run:?}");
        run
    }

    /// Writes that Stripe was sent so far.
    pub(super) fn writes(&self) -> usize {
        let (_, seen) = self
            .fleet
            .stripe
            .ask("GET /_sandbox/requests", "text/plain", "");
        let seen = seen["requests"].as_array().unwrap().iter();
        seen.filter(|request| request["method"] == "POST").count()
    }

    /// What the database holds that a late write could change.
    pub(super) async fn remembered(&self) -> Vec<String> {
        self.fleet
            .database
            .texts(
                "SELECT run_id || ' ' || sequence || ' ' || body FROM sync_run_events
                 UNION ALL SELECT run_id || ' ' || local_id || ' ' || outcome FROM sync_run_results
                 UNION ALL SELECT id || ' ' || state || ' ' || last_sequence FROM sync_runs
                 UNION ALL SELECT id || ' ' || state FROM intents
                 UNION ALL SELECT local_id || ' ' || price_id || ' ' || state FROM price_bindings
                 UNION ALL SELECT local_id || ' ' || applied FROM product_bindings
                 ORDER BY 1",
            )
            .await
    }
}
