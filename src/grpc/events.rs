//! `ChangeEventService`: takes change events, and shows what became of them.

use std::collections::{BTreeMap, BTreeSet};

use tonic::{Request, Response, Status};

use super::convert::request;
use super::page::Asked;
use super::{Service, actor, convert, detached, status};
use crate::catalog::LocalId;
use crate::proto::v1;
use crate::proto::v1::change_event_service_server::ChangeEventService;
use crate::proto::v1::emit_change_events_response::{Result as EventResult, result::Outcome};
use crate::store::{EventRow, EventState, NewEvent, Page, ResultFilter, ResultRow, RunId};

const MAX_PAGE: u32 = 1000;

#[tonic::async_trait]
impl ChangeEventService for Service {
    async fn emit_change_events(
        &self,
        request: Request<v1::EmitChangeEventsRequest>,
    ) -> Result<Response<v1::EmitChangeEventsResponse>, Status> {
        let actor = actor(&request);
        let events = request::events::batch(request.into_inner())?;
        let now = self.engine.now();
        let checked: Vec<(String, Result<NewEvent, request::events::Invalid>)> = events
            .into_iter()
            .map(|event| {
                let id = event.event_id.clone();
                let triggers = |event_type: &str| self.engine.triggers(event_type);
                (id, request::events::event(event, &actor, triggers, now))
            })
            .collect();
        let good: Vec<NewEvent> = checked
            .iter()
            .filter_map(|(_, event)| event.as_ref().ok().cloned())
            .collect();
        let engine = self.engine.clone();
        let new = detached(async move { engine.accept(&good).await }).await?;
        let mut new = new.into_iter();
        let results = checked.into_iter().map(|(id, event)| match event {
            Ok(event) => taken(event, new.next().unwrap_or_default()),
            Err(invalid) => EventResult {
                event_id: id.chars().take(200).collect(),
                outcome: Outcome::Invalid.into(),
                field: invalid.field.to_owned(),
                message: invalid.message,
            },
        });
        Ok(Response::new(v1::EmitChangeEventsResponse {
            results: results.collect(),
        }))
    }

    async fn list_change_events(
        &self,
        request: Request<v1::ListChangeEventsRequest>,
    ) -> Result<Response<v1::ListChangeEventsResponse>, Status> {
        let mut request = request.into_inner();
        let size = std::mem::take(&mut request.page_size);
        let token = std::mem::take(&mut request.page_token);
        let asked = Asked::new("ListChangeEvents", size, &token, MAX_PAGE, &request)?;
        let filter = request::events::filter(&request)?;
        let page = Page {
            after: asked.after.clone(),
            limit: asked.limit(),
        };
        let found = self.engine.events(&filter, &page).await;
        let found = found.map_err(|error| status::engine(&error))?;
        let results = self.results_of(&found).await?;
        let (events, next_page_token) = asked.cut(
            found,
            |row| row.ordinal.to_string(),
            |row| v1::ChangeEventRecord {
                results: results_for(&row, &results),
                ..convert::events::record(&row)
            },
        );
        Ok(Response::new(v1::ListChangeEventsResponse {
            events,
            next_page_token,
        }))
    }

    async fn replay_change_events(
        &self,
        request: Request<v1::ReplayChangeEventsRequest>,
    ) -> Result<Response<v1::ReplayChangeEventsResponse>, Status> {
        let (engine, actor) = (self.engine.clone(), actor(&request));
        let ids = request::events::replay(request.into_inner())?;
        let asked = ids.clone();
        let replayed =
            detached(async move { engine.replay(asked.as_deref(), &actor).await }).await?;
        let replayed: BTreeSet<String> = replayed.into_iter().collect();
        let mut not_failed = ids.unwrap_or_default();
        not_failed.retain(|id| !replayed.contains(id));
        Ok(Response::new(v1::ReplayChangeEventsResponse {
            replayed: i32::try_from(replayed.len()).unwrap_or(i32::MAX),
            not_failed,
        }))
    }
}

fn taken(event: NewEvent, is_new: bool) -> EventResult {
    let (outcome, message) = match (is_new, event.triggers) {
        (true, true) => (Outcome::Accepted, event.message),
        (true, false) => (Outcome::Ignored, event.message),
        (false, _) => (
            Outcome::Duplicate,
            "an event with this id is stored already".to_owned(),
        ),
    };
    EventResult {
        event_id: event.event_id,
        outcome: outcome.into(),
        field: String::new(),
        message,
    }
}

/// What the runs of some events did, by run and product.
type Results = BTreeMap<(RunId, LocalId), v1::SyncResult>;

impl Service {
    async fn results_of(&self, events: &[EventRow]) -> Result<Results, Status> {
        let mut wanted: BTreeMap<&RunId, BTreeSet<&LocalId>> = BTreeMap::new();
        for event in events {
            if let Some(run) = &event.run {
                wanted.entry(run).or_default().extend(&event.local_ids);
            }
        }
        let store = self.engine.store();
        let failed = |error| status::store(&error);
        let mut results = Results::new();
        for (run, ids) in wanted {
            let ids: Vec<LocalId> = ids.into_iter().cloned().collect();
            if ids.is_empty() {
                continue;
            }
            let at = store.run(run).await.map_err(failed)?.and_then(|run| run.at);
            let links = self.links(at.as_ref());
            let filter = ResultFilter {
                local_ids: ids.clone(),
                ..ResultFilter::default()
            };
            let page = Page {
                after: None,
                limit: u32::MAX,
            };
            let rows = store.results(run, &filter, &page).await.map_err(failed)?;
            let mut requests: BTreeMap<LocalId, Vec<String>> = BTreeMap::new();
            for (id, request) in store.request_ids(run, &ids).await.map_err(failed)? {
                requests.entry(id).or_default().push(request);
            }
            // Products that were in sync have no row; their mapping tells the rest.
            let told: BTreeSet<&LocalId> = rows.iter().map(|row| &row.local_id).collect();
            let untold: Vec<LocalId> = ids
                .iter()
                .filter(|id| !told.contains(id))
                .cloned()
                .collect();
            let in_sync = match &at {
                Some(at) => store.mappings_by_id(at, &untold).await.map_err(failed)?,
                None => Vec::new(),
            };
            let in_sync = in_sync.iter().map(|mapping| ResultRow::in_sync(mapping));
            for row in rows.iter().cloned().chain(in_sync) {
                let result = v1::SyncResult {
                    stripe_request_ids: requests.remove(&row.local_id).unwrap_or_default(),
                    ..convert::run::result(&row, links)
                };
                results.insert((run.clone(), row.local_id), result);
            }
        }
        Ok(results)
    }
}

/// Only of a run that is over for the event: what another attempt will do is not
/// known.
fn results_for(event: &EventRow, results: &Results) -> Vec<v1::SyncResult> {
    let is_over = match event.state {
        EventState::Done | EventState::Failed => true,
        EventState::Pending | EventState::Running | EventState::Ignored => false,
    };
    let Some(run) = event.run.as_ref().filter(|_| is_over) else {
        return Vec::new();
    };
    let of = |id: &LocalId| results.get(&(run.clone(), id.clone())).cloned();
    event.local_ids.iter().filter_map(of).collect()
}
