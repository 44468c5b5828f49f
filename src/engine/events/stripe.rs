//! What Stripe tells of its products and prices. It waits in the line of the change
//! events: a run looks at just those products, and repairs or reports what it finds.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta};
use serde_json::Value;

use crate::catalog::{LocalId, normalize};
use crate::engine::{Engine, Error};
use crate::plan::{AccountRef, CATALOG, Mode, PriceId, ProductId};
use crate::store::{EventFilter, EventSource, IntentId, NewEvent, Page};
use crate::stripe::webhook::{Event, Object};

/// Who else keeps writing a product is not answered more often than this within
/// [`FIGHT`]: two services that undo each other's work would do so for ever, and each
/// round of it can leave another price behind.
const ROUNDS: usize = 6;
const FIGHT: TimeDelta = TimeDelta::hours(1);
/// Events in which those rounds are looked for.
const LOOK_BACK: u32 = 200;

/// What becomes of an event of Stripe's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is kept: this product is looked at soon.
    Kept(LocalId),
    /// It is kept, but this product is left as it is for now: somebody else keeps
    /// writing it.
    Contested(LocalId),
    /// It was kept before.
    Again(LocalId),
    /// It is this service's own doing.
    Echo,
    /// It is nobody's business here.
    Ignored(Ignored),
}

/// Why an event of Stripe's is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It is of live mode and this service is not, or the reverse.
    OtherMode,
    /// It is of another account.
    OtherAccount,
    /// It is of no product and no price.
    OtherObject,
    /// It is of an object that this catalog has nothing to do with.
    NotOurs,
}

impl Engine {
    /// Takes what Stripe tells. It is on the disk before this returns.
    ///
    /// # Errors
    /// It was not kept: Stripe is to send it again.
    pub async fn hear(&self, event: &Event) -> Result<Heard, Error> {
        if event.is_live != (self.settings().mode == Mode::Live) {
            return Ok(Heard::Ignored(Ignored::OtherMode));
        }
        let Some(object) = &event.object else {
            return Ok(Heard::Ignored(Ignored::OtherObject));
        };
        let Some(at) = self.remembered_account().await? else {
            // Nothing was ever synced: the first run reads everything.
            return Ok(Heard::Ignored(Ignored::NotOurs));
        };
        if event
            .account
            .as_deref()
            .is_some_and(|account| account != &*at.account)
        {
            return Ok(Heard::Ignored(Ignored::OtherAccount));
        }
        if let Some(intent) = event.write_of(&at.account)
            && self.store().is_own_write(&IntentId::new(intent)).await?
        {
            return Ok(Heard::Echo);
        }
        let Some(local_id) = self.named_by(&at, object).await? else {
            return Ok(Heard::Ignored(Ignored::NotOurs));
        };
        let is_contested = self.is_contested(&local_id).await?;
        let kept = self.new_event(event, object, &local_id, is_contested);
        Ok(match self.accept(&[kept]).await?.as_slice() {
            [true] if is_contested => {
                tracing::warn!(%local_id, request = event.request_id.as_deref(), "somebody else keeps changing this product in Stripe; it is left as it is until the next validation");
                Heard::Contested(local_id)
            }
            [true] => Heard::Kept(local_id),
            _ => Heard::Again(local_id),
        })
    }

    /// The product that an object belongs to: by what is mapped, else by what it says of
    /// itself.
    async fn named_by(&self, at: &AccountRef, object: &Object) -> Result<Option<LocalId>, Error> {
        let (product, price) = match object {
            Object::Product { id, .. } => (Some(id), None),
            Object::Price { id, product } => (product.as_ref(), Some(id)),
        };
        let naming = &self.settings().naming;
        let is_ours = |catalog: Option<&str>| catalog.is_none_or(|is| is == naming.catalog_id);
        if let Some(mapping) = self.store().mapping_of(at, product, price).await? {
            let catalog = mapping.binding.applied.metadata.get(CATALOG);
            let is_ours = is_ours(catalog.map(String::as_str));
            return Ok(is_ours.then_some(mapping.binding.local_id));
        }
        let Object::Product {
            local_id: Some(local_id),
            catalog,
            ..
        } = object
        else {
            return Ok(None);
        };
        if !is_ours(catalog.as_deref()) {
            return Ok(None);
        }
        let Ok(local_id) = LocalId::new(local_id) else {
            return Ok(None);
        };
        let is_known = match self
            .store()
            .mappings_by_id(at, std::slice::from_ref(&local_id))
            .await?
        {
            found if !found.is_empty() => true,
            // Anybody can write any localId.
            _ => self
                .discover()
                .await
                .is_ok_and(|catalog| catalog.products.contains_key(&local_id)),
        };
        Ok(is_known.then_some(local_id))
    }

    /// Whether several runs repaired a product lately and it was changed once more.
    async fn is_contested(&self, local_id: &LocalId) -> Result<bool, Error> {
        if !self.settings().repair_drift {
            return Ok(false);
        }
        let filter = EventFilter {
            source: Some(EventSource::Stripe),
            product_id: local_id.to_string(),
            from: Some(self.now() - FIGHT),
            ..EventFilter::default()
        };
        let page = Page {
            after: None,
            limit: LOOK_BACK,
        };
        let lately = self.events(&filter, &page).await?;
        let runs: BTreeSet<_> = lately
            .iter()
            .filter_map(|event| event.run.as_ref())
            .collect();
        Ok(runs.len() >= ROUNDS)
    }

    fn new_event(
        &self,
        event: &Event,
        object: &Object,
        local_id: &LocalId,
        is_contested: bool,
    ) -> NewEvent {
        let (kind, id) = match object {
            Object::Product { id, .. } => ("product", ProductId::as_str(id)),
            Object::Price { id, .. } => ("price", PriceId::as_str(id)),
        };
        let now = self.now();
        let created = event
            .created
            .and_then(|time| DateTime::from_timestamp(time, 0));
        let mut changes = event.changes.clone();
        changes.insert("id".to_owned(), Value::String(id.to_owned()));
        let message = if is_contested {
            format!(
                "left as it is: this service repaired it {ROUNDS} times within the last hour, and \
                 somebody else changed it each time. Find out who else writes {id}"
            )
        } else {
            String::new()
        };
        NewEvent {
            source: EventSource::Stripe,
            event_id: event.id.clone(),
            event_type: format!("stripe.{}", normalize(&event.event_type)),
            product_type: kind.to_owned(),
            product_id: local_id.to_string(),
            changes: Some(Value::Object(changes)),
            user_id: event
                .request_id
                .as_deref()
                .map(normalize)
                .unwrap_or_default(),
            occur_time: created.unwrap_or(now),
            receive_time: now,
            triggers: !is_contested,
            flags: Vec::new(),
            message,
            actor: "stripe".to_owned(),
        }
    }
}
