//! Everything the sandbox knows, and the one place where requests take effect.

use std::collections::HashMap;
use std::path::Path;

use super::account::{Account, Change, Cx, Tenant};
use super::endpoint::Call;
use super::error::ApiError;
use super::idempotency::SavedReply;
use super::ids::{Counters, Ids};
use super::persist::{Error, Journal, Record};

/// All accounts, and the file they are kept in.
#[derive(Debug)]
pub(super) struct State {
    rooms: Rooms,
    journal: Option<Journal>,
}

#[derive(Debug)]
struct Rooms {
    by_tenant: HashMap<Tenant, Room>,
    counted_ids: bool,
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
        let counted = self.counted_ids;
        self.by_tenant
            .entry(tenant.clone())
            .or_insert_with(|| Room {
                account: Account::new(tenant.live),
                ids: Ids {
                    counters: Counters::default(),
                    counted,
                },
            })
    }

    fn load(&mut self, record: Record) {
        let room = self.room(&record.tenant);
        for change in record.changes {
            room.account.apply(change);
        }
        if let Some(saved) = record.saved {
            room.account.saved.keep(saved);
        }
        let least = room.account.least_counters().objects;
        let known = &mut room.ids.counters;
        known.products = known.products.max(record.counters.products);
        known.prices = known.prices.max(record.counters.prices);
        known.objects = known.objects.max(record.counters.objects).max(least);
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
                account.products.len() + account.prices.len() + account.saved.len()
            })
            .sum()
    }
}

impl State {
    pub(super) fn open(file: Option<&Path>, counted_ids: bool, now: i64) -> Result<Self, Error> {
        let mut rooms = Rooms {
            by_tenant: HashMap::new(),
            counted_ids,
        };
        let journal = file
            .map(|path| {
                Journal::open(path, &mut rooms, Rooms::load, |rooms| {
                    let mut records = rooms.records();
                    records.retain(|record| {
                        record.saved.as_ref().is_none_or(|saved| !saved.is_old(now))
                    });
                    records
                })
            })
            .transpose()?;
        Ok(Self { rooms, journal })
    }

    pub(super) fn account(&mut self, tenant: &Tenant) -> &mut Account {
        &mut self.rooms.room(tenant).account
    }

    /// Runs `call`: its changes and its kept reply happen together, durably,
    /// before this returns, or not at all.
    pub(super) fn execute(&mut self, call: Call, context: &Context<'_>) -> (u16, String) {
        let room = self.rooms.room(context.tenant);
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
                for change in &changes {
                    undo.extend(room.account.apply(change.clone()));
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
        if let Some(saved) = record.saved {
            room.account.saved.keep(saved);
        }
        self.compact_if_due();
        (status, body)
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
