//! The engine on the sandbox: what a sync leaves behind in Stripe, in the
//! database and in its own account of itself.

mod adoption;
mod budget;
mod checks;
mod fields;
mod force;
mod identity;
mod limits;
mod names;
mod oddities;
mod ownership;
mod prices;
mod queue;
mod removed;
mod settle;
mod sync;
mod watched;
