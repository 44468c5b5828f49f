//! What is done to webhooks beside requests.

use std::io;

use super::super::account::{Change, Cx, Tenant};
use super::super::persist::Record;
use super::super::state::State;
use super::{EndpointStatus, Job, WebhookEndpoint, listening};

impl State {
    /// A delivery is over. If that cannot be written down, it is forgotten with
    /// the process, and the next one delivers again.
    pub(in super::super) fn settle(&mut self, job: &Job, delivered: bool) {
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

    /// An endpoint for all events at `url`. One that is there stays, with `secret`
    /// if that is given.
    pub(in super::super) fn ensure_webhook_endpoint(
        &mut self,
        tenant: &Tenant,
        url: &str,
        secret: Option<&str>,
        now: i64,
    ) -> io::Result<()> {
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
                WebhookEndpoint::new(&mut cx, url.to_owned(), secret)
            }
        };
        self.change(tenant, Change::PutWebhookEndpoint(Box::new(endpoint)))
    }

    /// Deliveries of an event to every endpoint that listens to it now.
    pub(in super::super) fn deliveries_of(&self, event: &str) -> Option<Vec<Job>> {
        let (tenant, account, event) = self.rooms.in_order().find_map(|(tenant, room)| {
            Some((tenant, &room.account, room.account.events.get(event)?))
        })?;
        let jobs = listening(account, event.kind)
            .into_iter()
            .map(|webhook_endpoint| Job {
                tenant: tenant.clone(),
                event: event.id.clone(),
                webhook_endpoint,
                attempts: 0,
            });
        Some(jobs.collect())
    }

    pub(in super::super) fn roll_secret(
        &mut self,
        id: &str,
        now: i64,
        keep_old: i64,
    ) -> Option<String> {
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

    pub(in super::super) fn webhook_endpoints(&self, now: i64) -> Vec<EndpointStatus> {
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

    /// A change that no request asked for. It happens whether it can be written
    /// down or not.
    fn change(&mut self, tenant: &Tenant, change: Change) -> io::Result<()> {
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
}
