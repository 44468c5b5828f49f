//! The integration tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod binary;
mod browser;
mod engine;
mod fuzz;
mod grpc;
mod http;
mod layering;
mod openapi;
mod peers;
mod regressions;
mod sandbox;
mod store;
mod support;
mod sweeps;
mod transport;
