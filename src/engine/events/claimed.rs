//! What the events of one run say, read once, before it plans.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use rust_decimal::Decimal;
use serde_json::Value;

use super::reach::{Directory, Reach};
use super::shown;
use crate::catalog::{Catalog, LocalId};
use crate::engine::{Engine, Error};
use crate::plan::AccountRef;
use crate::store::{EventRow, EventSource, RunId, Subject};

/// Events read at once.
pub(super) const PAGE: u32 = 1000;

/// What the events of one run name, and what they say of it.
#[derive(Debug, Default)]
pub(in crate::engine) struct Claimed {
    groups: BTreeMap<Subject, Group>,
}

/// Events about the same thing.
#[derive(Debug)]
struct Group {
    reach: Reach,
    /// What each field is to be by the newest event that tells.
    latest: BTreeMap<String, Value>,
    /// Those of the fields that the catalog shows otherwise, in words.
    not_shown: BTreeMap<String, String>,
}

impl Claimed {
    /// What a run's events say; `None`: it has none. What is mapped is looked up only
    /// where it has some.
    pub(in crate::engine) async fn read(
        engine: &Engine,
        run: &RunId,
        catalog: &Catalog,
        at: Option<&AccountRef>,
    ) -> Result<Option<Self>, Error> {
        let mut latest: BTreeMap<Subject, BTreeMap<String, Value>> = BTreeMap::new();
        let mut after = 0;
        loop {
            let events = engine.store().run_events(run, after, PAGE).await?;
            let Some(last) = events.last() else { break };
            after = last.ordinal;
            for event in &events {
                let fields = latest.entry(subject(event)).or_default();
                fields.extend(told(event).map(|(field, to)| (field.clone(), to.clone())));
            }
        }
        if latest.is_empty() {
            return Ok(None);
        }
        let known = engine.known(at).await?;
        let directory = Directory::new(catalog, &known);
        let groups = latest.into_iter().map(|(subject, latest)| {
            let reach = directory.reach(&subject);
            let not_shown = match &reach {
                Reach::Products(ids) => shown::not_shown(catalog, ids, &latest),
                Reach::All | Reach::Unknown => BTreeMap::new(),
            };
            let group = Group {
                reach,
                latest,
                not_shown,
            };
            (subject, group)
        });
        Ok(Some(Self {
            groups: groups.collect(),
        }))
    }

    /// Amounts, in major units, that the events say a product shall cost.
    pub(in crate::engine) fn announced(&self) -> BTreeMap<LocalId, BTreeSet<Decimal>> {
        let mut announced: BTreeMap<LocalId, BTreeSet<Decimal>> = BTreeMap::new();
        for group in self.groups.values() {
            let Reach::Products(ids) = &group.reach else {
                continue;
            };
            let amounts: BTreeSet<Decimal> = group.latest.values().filter_map(amount).collect();
            if amounts.is_empty() {
                continue;
            }
            for id in ids {
                announced.entry(id.clone()).or_default().extend(&amounts);
            }
        }
        announced
    }

    /// All products that are named one by one.
    pub(super) fn named(&self) -> BTreeSet<LocalId> {
        let mut named = BTreeSet::new();
        for group in self.groups.values() {
            match &group.reach {
                Reach::Products(ids) => named.extend(ids.iter().cloned()),
                Reach::All | Reach::Unknown => {}
            }
        }
        named
    }

    pub(super) fn reach(&self, event: &EventRow) -> &Reach {
        self.groups
            .get(&subject(event))
            .map_or(&Reach::Unknown, |group| &group.reach)
    }

    /// What the catalog doesn't show of what an event tells, unless a later event
    /// told otherwise.
    pub(super) fn not_shown(&self, event: &EventRow) -> Vec<&str> {
        let Some(group) = self.groups.get(&subject(event)) else {
            return Vec::new();
        };
        told(event)
            .filter(|(field, to)| group.latest.get(*field) == Some(*to))
            .filter_map(|(field, _)| group.not_shown.get(field).map(String::as_str))
            .collect()
    }
}

pub(super) fn subject(event: &EventRow) -> Subject {
    Subject {
        product_type: event.event.product_type.clone(),
        product_id: event.event.product_id.clone(),
    }
}

/// `{field: {from, to}}`: the fields, and what each is to be. Stripe tells how its own
/// objects are, which says nothing of how they are to be.
fn told(event: &EventRow) -> impl Iterator<Item = (&String, &Value)> {
    let changes = match event.event.source {
        EventSource::Crm => event.event.changes.as_ref().and_then(Value::as_object),
        EventSource::Stripe => None,
    };
    changes
        .into_iter()
        .flatten()
        .filter_map(|(field, change)| Some((field, change.get("to")?)))
}

/// A number, also where the CRM sends it as text.
pub(super) fn amount(value: &Value) -> Option<Decimal> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    Decimal::from_str(text.trim()).ok().map(|n| n.normalize())
}
