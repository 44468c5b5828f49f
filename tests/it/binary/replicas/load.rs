//! What a company does all day: it edits its prices, says so in events, asks for
//! syncs, and looks things up, at whichever replica answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::catalog_service_client::CatalogServiceClient;
use stripe_product_sync::proto::v1::change_event_service_client::ChangeEventServiceClient;
use stripe_product_sync::proto::v1::emit_change_events_response::result::Outcome;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use uuid::Uuid;

use super::super::Running;
use super::fleet::{Plan, say};
use super::replica::Addresses;
use super::wait::LOOK;
use super::{answered, is_elsewhere, syncing};

/// What was promised to clients.
#[derive(Default)]
pub(super) struct Ledger {
    /// Events that were taken, and whether they are to be synced.
    pub(super) events: BTreeMap<String, bool>,
    /// Requests for runs, and what they got.
    pub(super) runs: BTreeMap<String, String>,
    /// Look-ups and such that were answered.
    pub(super) answers: usize,
    /// What the catalog says.
    pub(super) plans: Vec<Plan>,
}

/// Plans that are always in the catalog.
const STABLE: usize = 18;
/// And those that come and go: archiving them all is within the fuse.
const VOLATILE: usize = 2;

pub(super) fn catalog() -> Vec<Plan> {
    super::plans(STABLE + VOLATILE)
}

#[derive(Clone)]
pub(super) struct Client {
    pub(super) replicas: Addresses,
    pub(super) stripe: Arc<Running>,
    pub(super) dir: PathBuf,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) stop: CancellationToken,
}

impl Client {
    /// All of it at once, until it is stopped.
    pub(super) fn start(&self, rng: &mut fastrand::Rng, tasks: &mut JoinSet<()>) {
        tasks.spawn(self.clone().emit(rng.fork()));
        tasks.spawn(self.clone().edit(rng.fork()));
        for _ in 0..3 {
            tasks.spawn(self.clone().sync(rng.fork()));
            tasks.spawn(self.clone().look_up(rng.fork()));
        }
    }

    /// Whether to go on after a moment's rest.
    async fn rests(&self, rng: &mut fastrand::Rng, longest: u64) -> bool {
        let pause = Duration::from_millis(rng.u64(longest / 5..=longest));
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.stop.cancelled() => false,
        }
    }

    /// Events in small batches, each of them until it is acknowledged.
    async fn emit(self, mut rng: fastrand::Rng) {
        let mut number = 0;
        while self.rests(&mut rng, 300).await {
            let mut events = Vec::new();
            for _ in 0..rng.usize(1..=5) {
                number += 1;
                events.push(event(number, &mut rng));
            }
            let request = v1::EmitChangeEventsRequest { events };
            let results = loop {
                let mut client = ChangeEventServiceClient::new(self.replicas.any(&mut rng));
                let sent = client.emit_change_events(request.clone());
                match answered("events", sent).await {
                    Some(answer) => break answer.results,
                    None => tokio::time::sleep(LOOK).await,
                }
            };
            let mut ledger = self.ledger.lock().unwrap();
            for result in results {
                let is_synced = match result.outcome() {
                    Outcome::Accepted => true,
                    Outcome::Ignored => false,
                    // Taken at an attempt whose answer was lost.
                    Outcome::Duplicate => result.event_id.starts_with("plan"),
                    Outcome::Unspecified | Outcome::Invalid => panic!("{result:?}"),
                };
                ledger.events.insert(result.event_id, is_synced);
            }
        }
    }

    /// Prices change, and some plans come and go.
    async fn edit(self, mut rng: fastrand::Rng) {
        let mut all = catalog();
        while self.rests(&mut rng, 1200).await {
            for _ in 0..rng.usize(1..=8) {
                // Not by so much that somebody has to confirm it; and back, too.
                let changed = rng.usize(..all.len());
                all[changed].1 = 100 + rng.u32(0..=12);
            }
            let is_there = rng.bool();
            let here = if is_there { all.len() } else { STABLE };
            say(&self.dir, &all[..here]);
            self.ledger.lock().unwrap().plans = all[..here].to_vec();
        }
    }

    /// Runs, each asked for until it is known what became of the request, and then
    /// once more of another replica.
    async fn sync(self, mut rng: fastrand::Rng) {
        while self.rests(&mut rng, 1500).await {
            let product_ids = match rng.u8(..4) {
                0 => vec![format!("plan_{:02}", rng.usize(..STABLE))],
                _ => Vec::new(),
            };
            let request = v1::SyncRequest {
                request_id: Uuid::from_u128(rng.u128(..)).to_string(),
                dry_run: rng.u8(..6) == 0,
                product_ids,
                ..v1::SyncRequest::default()
            };
            let Some(run) = self.ask(&request, &mut rng).await else {
                continue;
            };
            // One that joined another's run is not remembered with it.
            if run.request_id == request.request_id {
                let again = self.ask(&request, &mut rng).await;
                assert_eq!(again.unwrap().id, run.id, "{request:?}");
            }
            let mut ledger = self.ledger.lock().unwrap();
            ledger.runs.insert(request.request_id, run.id);
        }
    }

    /// The run of a request; `None`: another run is in its way.
    async fn ask(&self, request: &v1::SyncRequest, rng: &mut fastrand::Rng) -> Option<v1::SyncRun> {
        loop {
            let mut client = syncing(self.replicas.any(rng));
            let asked = client.sync(request.clone());
            match tokio::time::timeout(super::CALL, asked).await {
                Ok(Ok(answer)) => return answer.into_inner().run,
                Ok(Err(status)) if status.code() == Code::Aborted => return None,
                Ok(Err(status)) => assert!(is_elsewhere(&status), "{status:?}"),
                Err(_late) => {}
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What is asked at every checkout, and by people.
    async fn look_up(self, mut rng: fastrand::Rng) {
        while self.rests(&mut rng, 300).await {
            let is_answered = match rng.u8(..4) {
                0 => {
                    let mut client = syncing(self.replicas.any(&mut rng));
                    let status = client.get_status(v1::GetStatusRequest {});
                    answered("status", status).await.is_some()
                }
                1 => {
                    let mut client = syncing(self.replicas.any(&mut rng));
                    let runs = client.list_sync_runs(v1::ListSyncRunsRequest::default());
                    answered("runs", runs).await.is_some()
                }
                _ => self.look_up_a_price(&mut rng).await,
            };
            self.ledger.lock().unwrap().answers += usize::from(is_answered);
        }
    }

    /// A price that is mapped can be bought.
    async fn look_up_a_price(&self, rng: &mut fastrand::Rng) -> bool {
        let local_id = format!("plan_{:02}", rng.usize(..STABLE));
        let Some(mapped) = self.mapping(&local_id, rng).await else {
            return false;
        };
        let stripe = self.stripe.clone();
        let target = format!("GET /v1/prices/{mapped}");
        let asked = tokio::task::spawn_blocking(move || stripe.ask(&target, "text/plain", ""));
        let (_, price) = asked.await.unwrap();
        if price["active"] != true {
            // It may have been replaced just now.
            let now = self.mapping(&local_id, rng).await;
            assert_ne!(now, Some(mapped), "{local_id} cannot be bought: {price}");
        }
        true
    }

    async fn mapping(&self, local_id: &str, rng: &mut fastrand::Rng) -> Option<String> {
        let mut client = CatalogServiceClient::new(self.replicas.any(rng));
        let request = v1::BatchGetMappingsRequest {
            local_ids: vec![local_id.to_owned()],
        };
        let found = answered("mappings", client.batch_get_mappings(request)).await?;
        let mapping = found.mappings.into_iter().next()?;
        Some(mapping.stripe_price_id)
    }
}

/// Most are of plans; some nobody waits for.
fn event(number: usize, rng: &mut fastrand::Rng) -> v1::ChangeEvent {
    let is_of_a_plan = rng.u8(..8) > 0;
    let (kind, event_type) = match is_of_a_plan {
        true => ("plan", "plan.updated"),
        false => ("other", "invoice.paid"),
    };
    v1::ChangeEvent {
        event_id: format!("{kind}-{number}"),
        event_type: event_type.to_owned(),
        product_type: "plan".to_owned(),
        product_id: format!("plan_{:02}", rng.usize(..STABLE)),
        ..v1::ChangeEvent::default()
    }
}
