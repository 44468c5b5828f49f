//! The engine on the sandbox: what a sync leaves behind in Stripe, in the
//! database and in its own account of itself.

mod adoption;
mod budget;
mod identity;
mod limits;
mod oddities;
mod queue;
mod settle;
mod sync;
