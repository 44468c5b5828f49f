//! The engine on the sandbox: what a sync leaves behind in Stripe, in the
//! database and in its own account of itself.

mod adoption;
mod alerts;
mod budget;
mod checks;
mod fields;
mod files;
mod force;
mod identity;
mod limits;
mod names;
mod oddities;
mod ownership;
mod prices;
mod queue;
mod removed;
mod schedule;
mod settle;
mod sync;
mod watched;

use stripe_product_sync::catalog::{Interval, Price};

use crate::support::catalog::price;

/// A yearly price; `amount` in major units.
fn yearly(key: &str, amount: &str, currency: &str) -> Price {
    let mut price = price(key, amount, currency);
    price.terms.recurring.as_mut().unwrap().interval = Interval::Year;
    price
}
