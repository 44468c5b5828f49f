//! Requests to the gRPC services, from the wire.

use super::promises;
use crate::catalog::lint;
use crate::discovery;
use crate::grpc::probe::{self, Taken};

/// A byte that says which method, and the message.
pub fn protobuf(input: &[u8]) {
    match probe::request(input) {
        None => {}
        Some(Taken::Refused(why)) => {
            for (field, message) in why {
                promises::line("field", &field);
                promises::line(&field, &message);
                assert!(
                    !field.is_empty() && !message.is_empty(),
                    "{field}: {message}"
                );
            }
        }
        Some(Taken::Texts(texts)) => {
            for text in texts {
                promises::line("text", &text);
                promises::bounded("text", &text, 200);
            }
        }
        Some(Taken::Products(products)) => {
            let products: Vec<_> = products.into_iter().map(discovery::normalized).collect();
            let entries = lint::lint(products, &lint::Policy::default());
            entries.values().for_each(promises::entry);
        }
        Some(Taken::Events(events)) => {
            for event in events {
                for (field, text, max) in [
                    ("event_id", &event.event_id, 200),
                    ("event_type", &event.event_type, 100),
                    ("product_type", &event.product_type, 100),
                    ("product_id", &event.product_id, 200),
                    ("user_id", &event.user_id, 200),
                    ("message", &event.message, 500),
                ] {
                    promises::line(field, text);
                    promises::bounded(field, text, max);
                }
                let changes = event.changes.map(|changes| changes.to_string());
                assert!(changes.is_none_or(|json| json.len() <= 64 * 1024));
            }
        }
    }
}
