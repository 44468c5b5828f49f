//! Why something failed, as machines are told it: the reasons of runs, results and
//! `ErrorInfo`s. They are part of the API: `proto` says which call gives which.

/// A key past its time.
pub(crate) const API_KEY_EXPIRED: &str = "API_KEY_EXPIRED";
/// A key that is none, or not sent as one.
pub(crate) const API_KEY_MALFORMED: &str = "API_KEY_MALFORMED";
/// A call without a key.
pub(crate) const API_KEY_MISSING: &str = "API_KEY_MISSING";
/// A key that was taken back.
pub(crate) const API_KEY_REVOKED: &str = "API_KEY_REVOKED";
/// A key that nobody was given.
pub(crate) const API_KEY_UNKNOWN: &str = "API_KEY_UNKNOWN";
/// More would be archived than a run may.
pub(crate) const ARCHIVE_FUSE_BLOWN: &str = "ARCHIVE_FUSE_BLOWN";
/// Somebody stopped it.
pub(crate) const CANCELLED: &str = "CANCELLED";
/// The catalog cannot be read at all.
pub(crate) const CATALOG_UNREADABLE: &str = "CATALOG_UNREADABLE";
/// Somebody else has, or changes, what is needed.
pub(crate) const CONFLICT: &str = "CONFLICT";
/// It took longer than the caller waits.
pub(crate) const DEADLINE_EXCEEDED: &str = "DEADLINE_EXCEEDED";
/// A bug, or the process is ending; the log says more.
pub(crate) const INTERNAL: &str = "INTERNAL";
/// Its process ended, and no other went on with it.
pub(crate) const INTERRUPTED: &str = "INTERRUPTED";
/// A field of the request is wrong; each is named.
pub(crate) const INVALID_FIELD: &str = "INVALID_FIELD";
/// A page token of another list.
pub(crate) const INVALID_PAGE_TOKEN: &str = "INVALID_PAGE_TOKEN";
/// The keys cannot be read right now.
pub(crate) const KEYS_UNAVAILABLE: &str = "KEYS_UNAVAILABLE";
/// The product's entry in the catalog is wrong.
pub(crate) const LINT_ERROR: &str = "LINT_ERROR";
/// Bytes that are no such message.
pub(crate) const MALFORMED_MESSAGE: &str = "MALFORMED_MESSAGE";
/// A message above the limit.
pub(crate) const MESSAGE_TOO_LARGE: &str = "MESSAGE_TOO_LARGE";
/// No such call.
pub(crate) const NOT_IMPLEMENTED: &str = "NOT_IMPLEMENTED";
/// The service has as much to do as it can.
pub(crate) const OVERLOADED: &str = "OVERLOADED";
/// A price would change too much to go unasked.
pub(crate) const PRICE_CHANGE_HELD: &str = "PRICE_CHANGE_HELD";
/// Some products are not as the catalog says; each result says why.
pub(crate) const PRODUCTS_FAILED: &str = "PRODUCTS_FAILED";
/// More calls than the key may make.
pub(crate) const RATE_LIMITED: &str = "RATE_LIMITED";
/// The request id belongs to another request.
pub(crate) const REQUEST_ID_REUSED: &str = "REQUEST_ID_REUSED";
/// The key's role does not allow it.
pub(crate) const ROLE_TOO_LOW: &str = "ROLE_TOO_LOW";
/// A run is in the way.
pub(crate) const RUN_IN_PROGRESS: &str = "RUN_IN_PROGRESS";
/// No such run.
pub(crate) const RUN_NOT_FOUND: &str = "RUN_NOT_FOUND";
/// The service ends; another replica answers.
pub(crate) const SHUTTING_DOWN: &str = "SHUTTING_DOWN";
/// The catalog was not read whole.
pub(crate) const SOURCE_INCOMPLETE: &str = "SOURCE_INCOMPLETE";
/// The plan is another one by now.
pub(crate) const STALE_PLAN: &str = "STALE_PLAN";
/// The database cannot be reached, or used.
pub(crate) const STORE_UNAVAILABLE: &str = "STORE_UNAVAILABLE";
/// A watch as old as it may get.
pub(crate) const STREAM_MAX_AGE: &str = "STREAM_MAX_AGE";
/// A watch whose client takes nothing.
pub(crate) const STREAM_STALLED: &str = "STREAM_STALLED";
/// Stripe does not take what it was sent.
pub(crate) const STRIPE_REFUSED: &str = "STRIPE_REFUSED";
/// Stripe does not take the key, or not for this.
pub(crate) const STRIPE_UNAUTHORIZED: &str = "STRIPE_UNAUTHORIZED";
/// What answers does not speak as Stripe does.
pub(crate) const STRIPE_UNEXPECTED: &str = "STRIPE_UNEXPECTED";
/// Stripe cannot be reached, or does not answer.
pub(crate) const STRIPE_UNREACHABLE: &str = "STRIPE_UNREACHABLE";
/// More calls at once than the key may have.
pub(crate) const TOO_MANY_CALLS: &str = "TOO_MANY_CALLS";
/// More watches at once than the key may have.
pub(crate) const TOO_MANY_WATCHES: &str = "TOO_MANY_WATCHES";
/// It was changed since its sender looked.
pub(crate) const VERSION_MISMATCH: &str = "VERSION_MISMATCH";
/// Whether Stripe has a write is not known yet.
pub(crate) const WRITE_UNSETTLED: &str = "WRITE_UNSETTLED";

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_protos_document_every_reason() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/stripe_product_sync/v1");
        let protos: String = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
            .collect();
        let mut found = 0;
        for line in include_str!("reason.rs").lines() {
            let Some(constant) = line.strip_prefix("pub(crate) const ") else {
                continue;
            };
            let (name, value) = constant.split_once(": &str = ").unwrap();
            assert_eq!(value, format!("\"{name}\";"));
            assert!(protos.contains(&format!("`{name}`")), "{name}");
            found += 1;
        }
        assert!(found > 30);
    }
}
