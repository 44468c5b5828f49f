//! Programs that others wrote, as independent eyes: what Stripe's own mock says
//! of the requests that are sent, and how Stripe's own SDK gets on with the
//! sandbox.

mod node_sdk;
mod stripe_mock;
