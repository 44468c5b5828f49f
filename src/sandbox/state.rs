//! Everything the sandbox knows, and the one place where requests take effect.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::account::{Account, Change, Cx, Tenant};
use super::endpoint::Call;
use super::error::ApiError;
use super::event::{self, Event, News, news};
use super::idempotency::SavedReply;
use super::ids::{Counters, Ids};
use super::persist::{Error, Journal, Record};
use super::webhooks::{self, EndpointStatus, Job, Queue, WebhookEndpoint};

/// All accounts, and the file they are kept in.
#[derive(Debug)]
pub(super) struct State {
    rooms: Rooms,
    journal: Option<Journal>,
    deliveries: Arc<Queue>,
}

#[derive(Debug)]
struct Rooms {
    by_tenant: HashMap<Tenant, Room>,
    counted_ids: bool,
    /// Seconds.
    search_lag: i64,
}

/// One account and what gives out its ids.
#[derive(Debug)]
struct Room {
    account: Account,
    ids: Ids,
}

/// The request around a [`Call`].
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) display_name: &'a str,
    /// Seconds since 1970.
    pub(super) now: i64,
    pub(super) request_id: &'a str,
    pub(super) log_url: String,
    /// Idempotency key and fingerprint, of a POST that has them.
    pub(super) key: Option<(&'a str, &'a str)>,
}

impl Rooms {
    fn room(&mut self, tenant: &Tenant) -> &mut Room {
        let (counted, search_lag) = (self.counted_ids, self.search_lag);
        self.by_tenant
            .entry(tenant.clone())
            .or_insert_with(|| Room {
                account: Account::new(tenant.live, search_lag),
                ids: Ids {
                    counters: Counters::default(),
                    counted,
                },
            })
    }

    /// By account, test mode before live mode: counted ids can be in several.
    fn in_order(&self) -> impl Iterator<Item = (&Tenant, &Room)> {
        let mut rooms: Vec<_> = self.by_tenant.iter().collect();
        rooms.sort_by_key(|(tenant, _)| (tenant.account.clone(), tenant.live));
        rooms.into_iter()
    }

    fn load(&mut self, record: Record) {
        let room = self.room(&record.tenant);
        let counters = &mut room.ids.counters;
        counters.products = counters.products.max(record.counters.products);
        counters.prices = counters.prices.max(record.counters.prices);
        counters.objects = counters.objects.max(record.counters.objects);
        counters.events = counters.events.max(record.counters.events);
        counters.webhook_endpoints = counters
            .webhook_endpoints
            .max(record.counters.webhook_endpoints);
        for change in record.changes {
            if let Some(index) = &mut room.account.index {
                index.apply(change.clone());
            }
            room.account.apply(change);
        }
        if let Some(saved) = record.saved {
            room.account.saved.keep(saved);
        }
    }

    /// The fewest records that say the same.
    fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (tenant, room) in &self.by_tenant {
            let mut add = |changes, saved| {
                records.push(Record {
                    tenant: tenant.clone(),
                    counters: room.ids.counters,
                    changes,
                    saved,
                });
            };
            for product in room.account.products.iter() {
                add(vec![Change::PutProduct(Box::new(product.clone()))], None);
            }
            for price in room.account.prices.iter() {
                add(vec![Change::PutPrice(Box::new(price.clone()))], None);
            }
            for endpoint in room.account.webhook_endpoints.iter() {
                let endpoint = Box::new(endpoint.clone());
                add(vec![Change::PutWebhookEndpoint(endpoint)], None);
            }
            for event in room.account.events.iter() {
                add(vec![Change::PutEvent(Box::new(event.clone()))], None);
            }
            for saved in room.account.saved.iter() {
                add(Vec::new(), Some(saved.clone()));
            }
            // Nothing is left of it but the ids it must not give out again.
            if room.account.products.len() == 0 {
                add(Vec::new(), None);
            }
        }
        records
    }

    fn live_records(&self) -> usize {
        self.by_tenant
            .values()
            .map(|room| {
                let account = &room.account;
                account.products.len()
                    + account.prices.len()
                    + account.webhook_endpoints.len()
                    + account.events.len()
                    + account.saved.len()
            })
            .sum()
    }
}

impl State {
    /// `search_lag` in seconds.
    pub(super) fn open(
        file: Option<&Path>,
        counted_ids: bool,
        search_lag: i64,
        now: i64,
    ) -> Result<Self, Error> {
        let mut rooms = Rooms {
            by_tenant: HashMap::new(),
            counted_ids,
            search_lag,
        };
        let journal = file
            .map(|path| {
                Journal::open(path, &mut rooms, Rooms::load, |rooms| {
                    let mut records = rooms.records();
                    records.retain(|record| {
                        record.saved.as_ref().is_none_or(|saved| !saved.is_old(now))
                            && !record.changes.iter().any(
                                |change| matches!(change, Change::PutEvent(event) if event.is_old(now)),
                            )
                    });
                    records
                })
            })
            .transpose()?;
        let deliveries = Arc::new(Queue::new());
        for (tenant, room) in &mut rooms.by_tenant {
            event::forget_old(&mut room.account, now);
            for event in room.account.events.iter() {
                add_deliveries(&deliveries, tenant, event);
            }
        }
        Ok(Self {
            rooms,
            journal,
            deliveries,
        })
    }

    /// Where the events go that webhook endpoints are to get.
    pub(super) fn deliveries(&self) -> &Arc<Queue> {
        &self.deliveries
    }

    pub(super) fn account(&mut self, tenant: &Tenant) -> &mut Account {
        &mut self.rooms.room(tenant).account
    }

    /// Runs `call`: its changes and its kept reply happen together, durably,
    /// before this returns, or not at all.
    pub(super) fn execute(&mut self, call: Call, context: &Context<'_>) -> (u16, String) {
        let room = self.rooms.room(context.tenant);
        if let Some(index) = &mut room.account.index {
            index.catch_up(context.now);
        }
        let mut cx = Cx {
            now: context.now,
            ids: &mut room.ids,
        };
        let refused = |error: &ApiError| {
            let body = error.body(Some(context.log_url.clone()));
            (error.status, body.to_string())
        };
        let mut changes = Vec::new();
        let mut undo = Vec::new();
        let (status, body) = match call.run(&room.account, &mut cx) {
            Err(error) => refused(&error),
            Ok((steps, answer, expand)) => {
                changes = steps;
                let mut told: Vec<News> = Vec::new();
                for change in &changes {
                    let before = room.account.apply(change.clone());
                    told.extend(news(&room.account, change, before.as_ref()));
                    undo.extend(before);
                }
                for news in told {
                    let key = context.key.map(|(key, _)| key);
                    let event = news.event(&room.account, &mut cx, context.request_id, key);
                    let change = Change::PutEvent(Box::new(event));
                    undo.extend(room.account.apply(change.clone()));
                    changes.push(change);
                }
                let (tenant, name) = (context.tenant, context.display_name);
                let body = answer.render(tenant, name, &room.account, &expand);
                (200, body.to_string())
            }
        };
        let saved = context.key.map(|(key, fingerprint)| SavedReply {
            key: key.to_owned(),
            fingerprint: fingerprint.to_owned(),
            status,
            body: body.clone(),
            request_id: context.request_id.to_owned(),
            at: context.now,
        });
        if changes.is_empty() && saved.is_none() {
            return (status, body);
        }
        let record = Record {
            tenant: context.tenant.clone(),
            counters: room.ids.counters,
            changes,
            saved,
        };
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.append(&record)
        {
            for change in undo.into_iter().rev() {
                room.account.apply(change);
            }
            tracing::error!(%error, "the sandbox could not write its state file");
            return refused(&ApiError::internal(format!(
                "The sandbox could not write its state file ({error}); nothing was changed."
            )));
        }
        for change in &record.changes {
            if let Some(index) = &mut room.account.index {
                index.note(change, context.now);
            }
            if let Change::PutEvent(event) = change {
                add_deliveries(&self.deliveries, context.tenant, event);
            }
        }
        if let Some(saved) = record.saved {
            room.account.saved.keep(saved);
        }
        event::forget_old(&mut room.account, context.now);
        self.compact_if_due();
        (status, body)
    }

    /// A delivery is over. If that cannot be written down, it is forgotten with
    /// the process, and the next one delivers again.
    pub(super) fn settle(&mut self, job: &Job, delivered: bool) {
        let change = Change::Settle {
            event: job.event.clone(),
            webhook_endpoint: job.webhook_endpoint.clone(),
            delivered,
        };
        if let Err(error) = self.change(&job.tenant, change) {
            tracing::warn!(%error, "the sandbox could not write down that a webhook is settled");
        }
        self.compact_if_due();
    }

    /// A change that no request asked for. It happens whether it can be written
    /// down or not.
    fn change(&mut self, tenant: &Tenant, change: Change) -> std::io::Result<()> {
        let room = self.rooms.room(tenant);
        if room.account.apply(change.clone()).is_none() {
            return Ok(());
        }
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        journal.append(&Record {
            tenant: tenant.clone(),
            counters: room.ids.counters,
            changes: vec![change],
            saved: None,
        })
    }

    fn compact_if_due(&mut self) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        if journal.is_mostly_history(self.rooms.live_records())
            && let Err(error) = journal.compact(&self.rooms.records())
        {
            tracing::warn!(%error, "the sandbox could not shorten its state file");
        }
    }
}

/// What is done to webhooks beside requests.
impl State {
    /// An endpoint for all events at `url`. One that is there stays, with `secret`
    /// if that is given.
    pub(super) fn ensure_webhook_endpoint(
        &mut self,
        tenant: &Tenant,
        url: &str,
        secret: Option<&str>,
        now: i64,
    ) -> std::io::Result<()> {
        let room = self.rooms.room(tenant);
        let there = room.account.webhook_endpoints.iter();
        let endpoint = match there.into_iter().find(|endpoint| endpoint.url == url) {
            Some(there) => {
                let Some(secret) = secret.filter(|new| there.secrets(now).next() != Some(new))
                else {
                    return Ok(());
                };
                let mut changed = there.clone();
                changed.roll(Some(secret), now, 0);
                changed
            }
            None => {
                let mut cx = Cx {
                    now,
                    ids: &mut room.ids,
                };
                WebhookEndpoint::of_option(&mut cx, url, secret)
            }
        };
        self.change(tenant, Change::PutWebhookEndpoint(Box::new(endpoint)))
    }

    /// Deliveries of an event to every endpoint that listens to it now.
    pub(super) fn deliveries_of(&self, event: &str) -> Option<Vec<Job>> {
        let (tenant, account, event) = self.rooms.in_order().find_map(|(tenant, room)| {
            Some((tenant, &room.account, room.account.events.get(event)?))
        })?;
        let jobs = webhooks::listening(account, event.kind)
            .into_iter()
            .map(|webhook_endpoint| Job {
                tenant: tenant.clone(),
                event: event.id.clone(),
                webhook_endpoint,
                attempts: 0,
            });
        Some(jobs.collect())
    }

    pub(super) fn roll_secret(&mut self, id: &str, now: i64, keep_old: i64) -> Option<String> {
        let (tenant, mut endpoint) = self.rooms.in_order().find_map(|(tenant, room)| {
            let endpoint = room.account.webhook_endpoints.get(id)?;
            Some((tenant.clone(), endpoint.clone()))
        })?;
        let secret = endpoint.roll(None, now, keep_old);
        let change = Change::PutWebhookEndpoint(Box::new(endpoint));
        match self.change(&tenant, change) {
            Ok(()) => Some(secret),
            Err(error) => {
                tracing::error!(%error, "the sandbox could not write a new webhook secret down");
                None
            }
        }
    }

    pub(super) fn webhook_endpoints(&self, now: i64) -> Vec<EndpointStatus> {
        let mut all = Vec::new();
        for (tenant, room) in self.rooms.in_order() {
            for endpoint in room.account.webhook_endpoints.iter() {
                all.push(EndpointStatus {
                    id: endpoint.id.clone(),
                    url: endpoint.url.clone(),
                    account: tenant.account.clone(),
                    live: tenant.live,
                    enabled: endpoint.is_enabled(),
                    secrets: endpoint.secrets(now).map(str::to_owned).collect(),
                });
            }
        }
        all
    }
}

fn add_deliveries(deliveries: &Queue, tenant: &Tenant, event: &Event) {
    for endpoint in &event.pending {
        deliveries.add(&Job {
            tenant: tenant.clone(),
            event: event.id.clone(),
            webhook_endpoint: endpoint.clone(),
            attempts: 0,
        });
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::super::endpoint::Endpoint;
    use super::super::form;
    use super::*;

    fn send(state: &mut State, tenant: &Tenant, path: &str, body: &str) -> (u16, String) {
        let node = form::tree(&form::pairs(body.as_bytes()).unwrap()).unwrap();
        let call = Endpoint::of(&Method::POST, path)
            .unwrap()
            .read(&node)
            .unwrap();
        let context = Context {
            tenant,
            display_name: "",
            now: 0,
            request_id: "req_1",
            log_url: String::new(),
            key: Some((body, "fingerprint")),
        };
        state.execute(call, &context)
    }

    #[test]
    fn what_cannot_be_written_did_not_happen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let mut state = State::open(Some(&path), true, 0, 0).unwrap();
        let tenant = Tenant {
            account: "acct_1".to_owned(),
            live: false,
        };
        let price =
            "product=prod_a&currency=usd&unit_amount=1&lookup_key=k&transfer_lookup_key=true";
        assert_eq!(
            send(&mut state, &tenant, "/v1/products", "id=prod_a&name=a").0,
            200
        );
        assert_eq!(send(&mut state, &tenant, "/v1/prices", price).0, 200);
        let before = state.rooms.records();
        if let Some(journal) = &mut state.journal {
            journal.break_file();
        }
        for (path, body) in [
            ("/v1/products", "name=b"),
            ("/v1/products/prod_a", "name=b"),
            ("/v1/prices", &format!("{price}&nickname=n")),
        ] {
            let (status, body) = send(&mut state, &tenant, path, body);
            assert_eq!(status, 500, "{body}");
        }
        let changes = |records: Vec<Record>| -> Vec<_> {
            records
                .into_iter()
                .map(|record| (record.changes, record.saved))
                .collect()
        };
        assert_eq!(changes(state.rooms.records()), changes(before));
        let holder = state
            .account(&tenant)
            .price_with_key("k")
            .map(|price| price.id.clone());
        assert_eq!(holder.as_deref(), Some("price_000001"));
        assert_eq!(state.account(&tenant).prices_of("prod_a").count(), 1);
    }
}
