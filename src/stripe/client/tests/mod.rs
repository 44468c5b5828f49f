//! The client against a small scripted server: what it sends, and what it makes
//! of the answers.

mod answers;
mod errors;
mod oddities;
#[expect(dead_code, reason = "the integration tests use all of it")]
#[path = "../../../../tests/it/support/openapi/mod.rs"]
mod openapi;
mod retries;
mod server;
mod writes;

use std::time::Duration;

use super::super::transport::SecretKey;
use super::super::{Call, IdempotencyKey, Settings};
use super::{Client, connect};
use crate::plan::Mode;

fn settings(api_base: &str) -> Settings {
    Settings {
        api_base: api_base.to_owned(),
        mode: Mode::Test,
        rate_limit: 1000,
        endpoint_rate_limit: 1000,
        max_concurrency: 16,
        max_attempts: 3,
        retry_delay: Duration::from_millis(1),
        timeout: Duration::from_secs(5),
    }
}

fn client(api_base: &str) -> Client {
    connect(settings(api_base), SecretKey::new("sk_test_secret")).unwrap()
}

fn key() -> IdempotencyKey {
    IdempotencyKey::new("acct_1", "intent", 1)
}

fn call() -> Call {
    Call::default()
}
