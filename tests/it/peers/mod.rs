//! Programs that others wrote, as independent eyes: what Stripe's own mock says
//! of the requests that are sent, how Stripe's own SDK gets on with the sandbox,
//! and a client of the service in another language.

mod crm_node;
mod node_sdk;
mod standard_webhooks;
mod stripe_mock;
