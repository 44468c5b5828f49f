//! What has to hold at every instant, looked at after every write and every
//! commit of a process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use stripe_product_sync::catalog::{Catalog, LocalId};
use stripe_product_sync::plan::{Binding, Known, Step, UpdatePrice, UpdateProduct};
use stripe_product_sync::sandbox::Sandbox;
use stripe_product_sync::store::{Record, RunId, SyncStatus};
use stripe_product_sync::stripe::{self, Obstacle, Receipt};

use super::super::mortal::Done;
use super::account::{Account, is_active, mark, says};

pub(super) struct Watch {
    sandbox: Arc<Sandbox>,
    /// As the process found it.
    before: Account,
    /// In the catalog and to be sold.
    wanted: BTreeSet<LocalId>,
    catalog_id: String,
    seen: Mutex<Seen>,
}

#[derive(Default)]
pub(super) struct Seen {
    mapped: BTreeMap<LocalId, Binding>,
    /// Every write that the process decided.
    pub(super) begun: Vec<(RunId, LocalId, Step)>,
    pub(super) broken: Vec<String>,
}

impl Watch {
    pub(super) fn new(
        sandbox: Arc<Sandbox>,
        before: Account,
        catalog: &Catalog,
        catalog_id: &str,
        known: Known,
    ) -> Self {
        let wanted = catalog
            .products
            .iter()
            .filter(|(_, entry)| entry.product.active && entry.is_syncable());
        Self {
            sandbox,
            before,
            wanted: wanted.map(|(local_id, _)| local_id.clone()).collect(),
            catalog_id: catalog_id.to_owned(),
            seen: Mutex::new(Seen {
                mapped: known.bindings,
                ..Seen::default()
            }),
        }
    }

    pub(super) fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    pub(super) fn see(&self, done: &Done<'_>) {
        let mut seen = self.seen.lock().unwrap();
        match done {
            Done::Sent(step, answer) => {
                self.refusal(&mut seen, step, answer);
                if takes_off_sale(step) {
                    self.on_sale(&mut seen, step.describe());
                }
            }
            Done::Committed(record) => self.commit(&mut seen, record),
        }
    }

    /// A plan is one that Stripe carries out.
    fn refusal(&self, seen: &mut Seen, step: &Step, answer: &Result<Receipt, stripe::Error>) {
        // What an earlier process had begun may find another world.
        let replayed = !seen.begun.iter().any(|(_, _, begun)| begun == step);
        let refused = match answer {
            Err(stripe::Error::InTheWay {
                obstacle: Obstacle::LookupKeyTaken,
                ..
            }) => !self.asks_for_anothers_key(step),
            Err(
                stripe::Error::InTheWay { .. }
                | stripe::Error::Refused { .. }
                | stripe::Error::NotFound { .. },
            ) => true,
            Ok(_)
            | Err(
                stripe::Error::Unavailable { .. }
                | stripe::Error::Credentials { .. }
                | stripe::Error::Unexpected { .. }
                | stripe::Error::Garbled { .. }
                | stripe::Error::Unsure(_)
                | stripe::Error::Cancelled(_),
            ) => false,
        };
        if refused && !replayed {
            seen.broken
                .push(format!("Stripe refuses {step:?}: {answer:?}"));
        }
    }

    /// Whether a price that is not ours has the key that a step asks for: for a
    /// product that is just created nobody asks before.
    fn asks_for_anothers_key(&self, step: &Step) -> bool {
        let key = match step {
            Step::CreatePrice(create) => create.fields.lookup_key.as_deref(),
            Step::UpdatePrice(update) => update.lookup_key.as_deref(),
            Step::CreateProduct(_) | Step::UpdateProduct(_) | Step::Bind => None,
        };
        let account = Account::of(&self.sandbox);
        key.is_some_and(|key| {
            account.prices.values().any(|price| {
                price["lookup_key"] == key
                    && !(mark(price, "catalog") == Some(&self.catalog_id)
                        && mark(price, "localId").is_some())
            })
        })
    }

    fn commit(&self, seen: &mut Seen, record: &Record) {
        for intent in &record.begun {
            let begun = (
                intent.run.clone(),
                intent.local_id.clone(),
                intent.step.clone(),
            );
            seen.begun.push(begun);
        }
        let Some(written) = &record.binding else {
            return;
        };
        let binding = written.binding.clone();
        if binding.active && written.status != SyncStatus::Error {
            let account = Account::of(&self.sandbox);
            for (key, id) in &binding.prices {
                let price = account.prices.get(id.as_str());
                let fits = price.is_some_and(|price| {
                    is_active(price) && price["product"] == binding.product_id.as_str()
                });
                if !fits {
                    seen.broken.push(format!(
                        "{key} of {} is bound to {price:?}",
                        binding.local_id
                    ));
                }
            }
        }
        seen.mapped.insert(binding.local_id.clone(), binding);
        self.on_sale(seen, "a commit");
    }

    /// What is mapped and to be sold can be bought if it could before; and what
    /// could be bought under whatever mapping still can.
    fn on_sale(&self, seen: &mut Seen, when: &str) {
        let account = Account::of(&self.sandbox);
        let lost = |id: &str| self.before.is_active(id) && !account.is_active(id);
        for binding in seen.mapped.values().filter(|binding| binding.active) {
            if !self.wanted.contains(&binding.local_id) {
                continue;
            }
            let prices = binding.prices.values().map(|price| price.as_str());
            for id in prices.chain([binding.product_id.as_str()]) {
                // New ones are on sale from the start.
                let new = self.before.object(id).is_none();
                let new = new && account.object(id).is_some_and(|object| !is_active(object));
                if lost(id) || new {
                    seen.broken.push(format!(
                        "after {when}: {id} of {} is mapped and off sale",
                        binding.local_id
                    ));
                }
            }
        }
        for local_id in &self.wanted {
            if self.can_be_bought(&self.before, local_id) && !self.can_be_bought(&account, local_id)
            {
                seen.broken
                    .push(format!("after {when}: {local_id} can no longer be bought"));
            }
        }
    }

    fn can_be_bought(&self, account: &Account, local_id: &LocalId) -> bool {
        account.products.iter().any(|(id, product)| {
            is_active(product)
                && says(product, local_id.as_str(), &self.catalog_id)
                && account.prices_of(id).any(is_active)
        })
    }
}

fn takes_off_sale(step: &Step) -> bool {
    matches!(
        step,
        Step::UpdateProduct(UpdateProduct {
            active: Some(false),
            ..
        }) | Step::UpdatePrice(UpdatePrice {
            active: Some(false),
            ..
        })
    )
}
