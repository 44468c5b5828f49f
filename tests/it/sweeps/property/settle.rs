//! What one undisturbed sync leaves after whatever history: an account and a
//! database as the catalog says, and nothing to do.
//!
//! | holds | with |
//! |---|---|
//! | a further sync and a dry run write nothing, in Stripe or the mappings | any options |
//! | what is not held back is as the catalog says, and bound to what it is | drift repaired |
//! | no other price of ours is on sale on a bound product, those apart that people put on sale by hand | drift repaired |
//! | what left the catalog is off sale | removals archived |
//! | one live product for a local id, none for those that left | the account listed |
//! | what is held back stands against something that is not ours | any options |

use std::collections::BTreeSet;

use stripe_product_sync::catalog::{Entry, LocalId};
use stripe_product_sync::plan::{Binding, Known, Target};
use stripe_product_sync::store::{Outcome, ResultRow};

use super::account::{Account, is_active, mark, says};
use super::act::{History, Sync};
use super::world::{Ran, World};
use super::{expected, judge};

/// The last syncs of a history.
pub(super) async fn settle(world: &mut World, history: &History) -> Result<(), String> {
    let plain = Sync {
        accept: true,
        daily: history.listed,
        side_by_side: history.side_by_side,
        ..Sync::default()
    };
    let policy = (world.settings.repair_drift, world.settings.archive_removed);
    if policy != (true, true) {
        // By a policy that only reports, there is an end as well.
        settle_once(world, &plain).await?;
        world.settings.repair_drift = true;
        world.settings.archive_removed = true;
    }
    settle_once(world, &plain).await
}

async fn settle_once(world: &mut World, plain: &Sync) -> Result<(), String> {
    let ran = world.sync(plain).await?;
    judge::sync(world, plain, &ran)?;
    let held = held_back(world, &ran).await?;
    let known = world.known().await;
    if world.settings.repair_drift && world.settings.archive_removed {
        as_the_catalog_says(world, &ran.after, &known, &held)?;
        if plain.daily {
            alone(world, &ran.after, &known, &held)?;
        }
    }
    // What a person has to decide about stays open until they did.
    let open = world.store_open_intents(&held).await;
    if open > 0 {
        return Err(format!("{open} writes are still open"));
    }
    let again = Sync {
        resume: true,
        ..plain.clone()
    };
    nothing_to_do(world, &again, &ran.after, &known).await?;
    let dry = Sync { dry: true, ..again };
    nothing_to_do(world, &dry, &ran.after, &known).await
}

/// The products that the sync could not deal with, each for a reason that is
/// not this service's.
async fn held_back(world: &World, ran: &Ran) -> Result<BTreeSet<LocalId>, String> {
    let run = ran.run.as_ref().ok_or("no run")?;
    let known = world.known().await;
    let mut held = BTreeSet::new();
    for row in &ran.rows {
        match row.outcome {
            Outcome::Done => {}
            Outcome::Skipped => {
                if world.settings.repair_drift && world.settings.archive_removed {
                    return Err(format!("skipped without a policy for it: {row:?}"));
                }
                held.insert(row.local_id.clone());
            }
            Outcome::Failed if is_due(world, &ran.after, &known, row) => {
                held.insert(row.local_id.clone());
            }
            Outcome::Failed | Outcome::Planned => {
                return Err(format!("a good product fails: {row:#?}"));
            }
        }
    }
    let other = run
        .error
        .as_ref()
        .filter(|error| error.reason != "PRODUCTS_FAILED");
    match other {
        Some(error) => Err(format!("the run failed: {error:?}")),
        None => Ok(held),
    }
}

fn is_due(world: &World, account: &Account, known: &Known, row: &ResultRow) -> bool {
    let Some(error) = &row.error else {
        return false;
    };
    match error.reason.as_str() {
        "LINT_ERROR" => true,
        "CONFLICT" => {
            let catalog = world.settings.naming.catalog_id.as_str();
            let local_id = row.local_id.as_str();
            let others = account.objects().filter(|(id, object)| {
                let unmarked =
                    mark(object, "catalog") != Some(catalog) || mark(object, "localId").is_none();
                let other = object["object"] == "price" || !says(object, local_id, catalog);
                // A partner's may stand where ours was deleted.
                world.foreign.contains(*id) || (!bound(known, id) && unmarked && other)
            });
            let names = |id: &str| {
                let mut words = error
                    .message
                    .split(|c: char| !(c.is_alphanumeric() || "_-".contains(c)));
                words.any(|word| word == id)
            };
            // What the database maps for another catalog stays that one's, whatever
            // became of it in Stripe.
            let mapped_for_another = known.others.contains_key(&row.local_id)
                && error.message.starts_with("this database maps");
            mapped_for_another
                || others.into_iter().any(|(id, _)| names(id))
                || error.message.contains("is also that of")
        }
        _ => false,
    }
}

fn bound(known: &Known, id: &str) -> bool {
    known.bindings.values().any(|binding| {
        binding.product_id.as_str() == id
            || binding.prices.values().any(|price| price.as_str() == id)
            || binding.superseded.iter().any(|price| price.as_str() == id)
    })
}

/// What is sold is as wanted, and bound; what is not sold any more is not.
fn as_the_catalog_says(
    world: &World,
    account: &Account,
    known: &Known,
    held: &BTreeSet<LocalId>,
) -> Result<(), String> {
    let catalog = world.catalog();
    for (local_id, entry) in &catalog.products {
        if held.contains(local_id) {
            continue;
        }
        let binding = known.bindings.get(local_id);
        let binding = binding.ok_or_else(|| format!("{local_id} is not mapped"))?;
        bound_and_equal(world, account, binding, entry)
            .map_err(|what| format!("{local_id}: {what}\n  {binding:?}"))?;
    }
    for (local_id, binding) in &known.bindings {
        if !catalog.products.contains_key(local_id) && binding.active && !held.contains(local_id) {
            return Err(format!(
                "{local_id} left the catalog and is still bound as on sale"
            ));
        }
    }
    Ok(())
}

fn bound_and_equal(
    world: &World,
    account: &Account,
    binding: &Binding,
    entry: &Entry,
) -> Result<(), String> {
    let target = Target::new(&entry.product, &world.settings.naming);
    if !binding.active || binding.applied != target || !binding.to_archive.is_empty() {
        return Err("the mapping is not what was applied".to_owned());
    }
    let product = account
        .products
        .get(binding.product_id.as_str())
        .ok_or("no product")?;
    expected::product(&target, product)?;
    let default = binding.prices.get("default").ok_or("no default price")?;
    if product["default_price"] != default.as_str() {
        return Err(format!("the default price is {}", product["default_price"]));
    }
    if !binding.prices.keys().eq(target.prices.keys()) {
        return Err("other prices are bound than wanted".to_owned());
    }
    for (key, id) in &binding.prices {
        let price = account.prices.get(id.as_str()).ok_or("no price")?;
        if !is_active(price) || price["product"] != binding.product_id.as_str() {
            return Err(format!("{id} ({key}) cannot be bought"));
        }
        expected::price(&target.prices[key], price).map_err(|what| format!("{key}: {what}"))?;
    }
    let catalog = world.settings.naming.catalog_id.as_str();
    let left = account
        .prices_of(binding.product_id.as_str())
        .find(|price| {
            let id = price["id"].as_str().unwrap_or_default();
            is_active(price)
                && mark(price, "catalog") == Some(catalog)
                && says(price, binding.local_id.as_str(), catalog)
                && !world.by_hand.contains(id)
                && !binding.prices.values().any(|bound| bound.as_str() == id)
        });
    match left {
        Some(price) => Err(format!("a price is left on sale: {price}")),
        None => Ok(()),
    }
}

/// Nothing of ours is on sale beside what is bound.
fn alone(
    world: &World,
    account: &Account,
    known: &Known,
    held: &BTreeSet<LocalId>,
) -> Result<(), String> {
    let catalog = world.settings.naming.catalog_id.as_str();
    for (id, product) in account
        .products
        .iter()
        .filter(|(_, product)| is_active(product))
    {
        let Some(local_id) = mark(product, "localId").and_then(|id| LocalId::new(id).ok()) else {
            continue;
        };
        let ours = says(product, local_id.as_str(), catalog);
        let offered = world.catalog().products.contains_key(&local_id);
        // What older code made for something that nobody sells is not ours to judge.
        let judged = ours && (offered || mark(product, "catalog").is_some());
        if judged && !bound(known, id) && !held.contains(&local_id) {
            return Err(format!(
                "{id} is on sale for {local_id}, and bound to nothing: {product}"
            ));
        }
        if judged && !offered && !held.contains(&local_id) && bound_to(known, id) == Some(&local_id)
        {
            return Err(format!(
                "{id} is on sale, though {local_id} left the catalog"
            ));
        }
    }
    Ok(())
}

fn bound_to<'a>(known: &'a Known, product: &str) -> Option<&'a LocalId> {
    let mut bindings = known.bindings.values();
    let binding = bindings.find(|binding| binding.product_id.as_str() == product);
    binding.map(|binding| &binding.local_id)
}

async fn nothing_to_do(
    world: &mut World,
    sync: &Sync,
    account: &Account,
    known: &Known,
) -> Result<(), String> {
    let ran = world.sync(sync).await?;
    judge::sync(world, sync, &ran)?;
    if let Some((_, local_id, step)) = ran.seen.begun.first() {
        return Err(format!(
            "there was still this to do for {local_id}: {step:#?}\n{:#?}",
            ran.rows
        ));
    }
    judge::same(account, &ran.after)?;
    let done: Vec<&ResultRow> = ran
        .rows
        .iter()
        .filter(|row| match row.outcome {
            Outcome::Done => true,
            Outcome::Planned => {
                row.error.is_none() && world.settings.repair_drift && world.settings.archive_removed
            }
            Outcome::Failed | Outcome::Skipped => false,
        })
        .collect();
    if !done.is_empty() {
        return Err(format!(
            "there was still this to do (dry: {}): {done:#?}",
            sync.dry
        ));
    }
    let is = world.known().await.bindings;
    if is != known.bindings {
        return Err(format!(
            "the mappings were {:#?} and are {is:#?}",
            known.bindings
        ));
    }
    Ok(())
}

impl World {
    async fn store_open_intents(&self, held: &BTreeSet<LocalId>) -> usize {
        use stripe_product_sync::store::Store as _;
        let mut open = self.store.open_intents(&self.at()).await.unwrap();
        open.retain(|intent| !held.contains(&intent.local_id));
        open.len()
    }
}
