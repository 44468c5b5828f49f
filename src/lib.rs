//! Keeps Stripe's products and prices equal to a company's pricing catalog.
//!
//! # Code tour
//! The path of a sync: [`discovery`] reads the catalog, [`engine`] observes
//! Stripe through the port in [`stripe`], [`plan`] decides (pure), [`engine`]
//! executes and records through the port in [`store`], [`grpc`] and [`http`] show.
//!
//! | module | what it holds | uses |
//! |---|---|---|
//! | [`access`] | PURE: roles, API keys as text, who a caller is | nothing of ours |
//! | [`catalog`] | PURE: ids, money, products, prices, lint | nothing of ours |
//! | [`plan`] | PURE: diff of desired, known and observed; checks; digest; rendering | catalog |
//! | [`discovery`] | TypeScript, documents and rules to a catalog | catalog |
//! | [`stripe`] | the far side: port, async-stripe adapter, transport | catalog, metrics, plan, trace |
//! | [`sandbox`] | a stand-in for Stripe over real HTTP | net |
//! | [`store`] | the database: port, what a row means, SQLite, PostgreSQL | access, catalog, plan |
//! | [`engine`] | runs: observe, execute, journal, progress, schedules, alerts, reports | catalog, discovery, metrics, plan, reason, store, stripe, trace |
//! | [`gate`] | who gets in, and how much of the service each may have | access, store |
//! | [`proto`] | the API's messages, generated | nothing of ours |
//! | [`grpc`] | the API: checks, converts, asks the engine | access, catalog, engine, gate, metrics, net, plan, proto, reason, store, stripe, trace |
//! | [`http`] | the dashboard, the CRM's endpoints, webhooks, probes, metrics | access, catalog, engine, gate, metrics, net, plan, reason, store, stripe, trace |
//! | [`alerts`] | posts what the engine wants told, signed | catalog, engine, net, plan, store |
//! | [`metrics`] | what the service counts of itself, for Prometheus | nothing of ours |
//! | `reason` | why something failed, for machines | nothing of ours |
//! | [`net`] | connections: TLS, how many, whose; posts | nothing of ours |
//! | [`trace`] | where a request comes from: its trace, its id | nothing of ours |
//! | [`config`] | one struct per section, all mistakes at once | access, catalog |
//! | [`telemetry`] | log lines | config |
//! | `fuzzing` | what fuzzers call: readers of all sorts, and what holds of what they make | access, catalog, config, discovery, grpc, plan, sandbox, stripe |
//! | [`cli`] | commands; the only place that names concrete adapters | everything |
//!
//! Larger modules begin with such a table of their files.

pub mod access;
pub mod alerts;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod discovery;
pub mod engine;
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod grpc;
pub mod http;
pub mod metrics;
pub mod net;
pub mod plan;
pub mod proto;
pub(crate) mod reason;
pub mod sandbox;
pub mod store;
pub mod stripe;
pub mod telemetry;
pub mod trace;
