//! What a process sent to the sandbox inside it: its log tells, at level trace.

use serde_json::Value;

use crate::support::openapi::{self, Exchange, Sender};

/// Requests and their replies, in the order of the log.
#[derive(Default)]
pub(super) struct Requests(Vec<Exchange>);

impl Requests {
    /// Takes a line of a JSON log; most are about something else.
    pub(super) fn read(&mut self, line: &str) {
        if !line.contains("stripe_product_sync::sandbox::requests") {
            return;
        }
        // A killed process may have been in the middle of a line.
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            return;
        };
        let text = |key: &str| line[key].as_str().map(str::to_owned);
        let pairs = |key: &str| {
            let raw = line[key].as_str().unwrap();
            form_urlencoded::parse(raw.as_bytes())
                .into_owned()
                .collect()
        };
        let status = u16::try_from(line["status"].as_u64().unwrap()).unwrap();
        self.0.push(Exchange {
            method: text("method").unwrap(),
            path: text("path").unwrap(),
            query: pairs("query"),
            form: pairs("form"),
            version: text("stripe_version"),
            key: text("idempotency_key"),
            answer: Some((status, text("reply").unwrap())),
        });
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Fails the test if a rule is broken.
    pub(super) fn judge(&self) {
        for exchange in &self.0 {
            let found = openapi::check(openapi::spec(), exchange, Sender::Ours);
            assert!(found.is_empty(), "{exchange:?}: {found:?}");
        }
    }
}
