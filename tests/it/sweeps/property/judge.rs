//! What every sync leaves: an account that its results explain, with nothing
//! changed that is not ours.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stripe_product_sync::catalog::LocalId;
use stripe_product_sync::plan::{PriceRef, Step};
use stripe_product_sync::store::{ActionKind, Counts, Outcome, ResultRow, Run, RunState};

use super::account::Account;
use super::act::Sync;
use super::world::{Ran, World};

/// After any sync, disturbed or not.
pub(super) fn sync(world: &World, sync: &Sync, ran: &Ran) -> Result<(), String> {
    untouched(world, ran)?;
    explained(ran)?;
    let Some(run) = &ran.run else { return Ok(()) };
    truthful(sync, ran, run)
}

/// Partners' objects are what they were, to the byte; what partners noted on
/// ours stays.
fn untouched(world: &World, ran: &Ran) -> Result<(), String> {
    for id in &world.foreign {
        let (was, is) = (ran.before.object(id), ran.after.object(id));
        if was != is {
            return Err(format!("a partner's {id} was {was:?} and is {is:?}"));
        }
    }
    for (id, note) in &world.notes {
        if let Some(object) = ran.after.object(id)
            && object["metadata"]["erp"] != note.as_str()
        {
            return Err(format!("the note {note} is gone from {object}"));
        }
    }
    Ok(())
}

/// Every difference in the account comes from a write that was kept before.
fn explained(ran: &Ran) -> Result<(), String> {
    let Ran { before, after, .. } = ran;
    let mut written: BTreeSet<&str> = BTreeSet::new();
    let mut keys: BTreeSet<&str> = BTreeSet::new();
    let mut made_for: BTreeSet<&str> = BTreeSet::new();
    for (_, _, step) in &ran.seen.begun {
        match step {
            Step::CreateProduct(create) => {
                written.insert(create.id.as_str());
                made_for.insert(create.id.as_str());
            }
            Step::UpdateProduct(update) => drop(written.insert(update.id.as_str())),
            Step::CreatePrice(create) => {
                made_for.insert(create.product.as_str());
                keys.extend(create.fields.lookup_key.as_deref());
            }
            Step::UpdatePrice(update) => {
                if let PriceRef::Existing(id) = &update.price {
                    written.insert(id.as_str());
                }
                keys.extend(update.lookup_key.as_deref());
            }
            Step::Bind => {}
        }
    }
    // What an earlier process began is sent again by the one that takes over, and
    // takes its key along.
    let taken_over = after
        .objects()
        .filter(|(id, _)| before.object(id).is_none())
        .filter_map(|(_, made)| made["lookup_key"].as_str());
    keys.extend(taken_over);
    for (id, is) in after.objects() {
        let was = before.object(id);
        let explained = match was {
            Some(was) => was == is || written.contains(id.as_str()) || lost_key(was, is, &keys),
            // A price has the id that Stripe gave it.
            None => {
                written.contains(id.as_str())
                    || is["product"]
                        .as_str()
                        .is_some_and(|product| made_for.contains(product))
            }
        };
        let taken_over = was.is_none() && is["object"] == "price";
        if !explained && !taken_over {
            return Err(format!("nobody meant to write {id}: {was:?} is {is}"));
        }
    }
    Ok(())
}

/// Whether all that a price lost is a key that was given to another.
fn lost_key(was: &Value, is: &Value, keys: &BTreeSet<&str>) -> bool {
    let mut without = was.clone();
    without["lookup_key"] = Value::Null;
    without == *is
        && was["lookup_key"]
            .as_str()
            .is_some_and(|key| keys.contains(key))
}

/// The run says what it did.
fn truthful(sync: &Sync, ran: &Ran, run: &Run) -> Result<(), String> {
    let rows: BTreeMap<&LocalId, &ResultRow> =
        ran.rows.iter().map(|row| (&row.local_id, row)).collect();
    let wrong = |what: String| {
        Err(format!(
            "{what}\n  run {:?} {:?} {:?}\n  rows {:#?}",
            run.state, run.counts, run.error, ran.rows
        ))
    };
    if sync.dry {
        let begun = ran.seen.begun.iter().any(|(id, _, _)| *id == run.id);
        return if begun || ran.rows.iter().any(|row| row.outcome != Outcome::Planned) {
            wrong("a dry run did something".to_owned())
        } else {
            Ok(())
        };
    }
    let aborted = run
        .error
        .as_ref()
        .is_some_and(|error| error.reason != "PRODUCTS_FAILED");
    for (_, local_id, step) in ran.seen.begun.iter().filter(|(id, _, _)| *id == run.id) {
        let told = match rows.get(local_id) {
            Some(row) => match row.action {
                ActionKind::InSync | ActionKind::Block => row.attempts > 1,
                ActionKind::Create
                | ActionKind::Update
                | ActionKind::Reprice
                | ActionKind::Archive
                | ActionKind::Adopt
                | ActionKind::Reactivate => row.outcome != Outcome::Skipped,
            },
            // Nobody heard that it was done, and it was found so.
            None => aborted || sync.fault.is_some() || ran.resumed,
        };
        if !told {
            return wrong(format!("no result tells of {step:?} for {local_id}"));
        }
    }
    let counted = count(&ran.rows, run.counts.in_sync);
    if counted != run.counts {
        return wrong(format!("the results make {counted:?}"));
    }
    let failed = ran.rows.iter().any(|row| row.outcome == Outcome::Failed);
    let says_so = match run.state {
        RunState::Succeeded => !failed && run.error.is_none(),
        RunState::PartiallyFailed | RunState::Failed => failed || aborted,
        RunState::Pending | RunState::Running | RunState::Cancelled => false,
    };
    if !says_so {
        return wrong("the state is not what the results are".to_owned());
    }
    let disturbed = sync.fault.is_some() || ran.resumed;
    if !disturbed && ran.posts < ran.seen.begun.len() {
        return wrong(format!(
            "{} writes of {:?} were sent",
            ran.posts, ran.seen.begun
        ));
    }
    Ok(())
}

fn count(rows: &[ResultRow], in_sync: u32) -> Counts {
    let mut counts = Counts {
        in_sync,
        ..Counts::default()
    };
    for row in rows {
        let field = match (row.outcome, row.action) {
            (Outcome::Failed, _) => &mut counts.failed,
            (Outcome::Skipped | Outcome::Planned, _) => &mut counts.skipped,
            (Outcome::Done, ActionKind::InSync) => continue,
            (Outcome::Done, ActionKind::Create) => &mut counts.created,
            (Outcome::Done, ActionKind::Update | ActionKind::Reactivate) => &mut counts.updated,
            (Outcome::Done, ActionKind::Reprice) => &mut counts.repriced,
            (Outcome::Done, ActionKind::Archive) => &mut counts.archived,
            (Outcome::Done, ActionKind::Adopt) => &mut counts.adopted,
            (Outcome::Done, ActionKind::Block) => &mut counts.failed,
        };
        *field += 1;
    }
    counts
}

/// Without what changes with every write.
pub(super) fn same(was: &Account, is: &Account) -> Result<(), String> {
    for (id, object) in is.objects() {
        if was.object(id) != Some(object) {
            return Err(format!("{id} was {:?} and is {object}", was.object(id)));
        }
    }
    Ok(())
}
