//! Idempotency keys: the first executed result is kept and given again.
//! <https://docs.stripe.com/api/idempotent_requests>

use std::collections::{HashMap, VecDeque};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{ApiError, ErrorType};
use super::form::Pair;

/// Stripe keeps keys for at least this long; then a reuse runs anew.
const KEPT_SECONDS: i64 = 24 * 60 * 60;
const MAX_KEY: usize = 255;

/// A result kept for repeats of its request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedReply {
    pub(super) key: String,
    pub(super) fingerprint: String,
    pub(super) status: u16,
    pub(super) body: String,
    /// Of the request that ran.
    pub(super) request_id: String,
    /// Seconds since 1970.
    pub(super) at: i64,
}

impl SavedReply {
    pub(super) fn is_old(&self, now: i64) -> bool {
        now - self.at >= KEPT_SECONDS
    }
}

/// The kept results of one account and mode, and the keys in flight.
#[derive(Debug, Default)]
pub(super) struct Saved {
    replies: HashMap<String, SavedReply>,
    by_age: VecDeque<(i64, String)>,
    in_flight: HashMap<String, String>,
}

/// What a request with a key is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// It is the first; the key is now in flight until [`Saved::end`].
    Run,
    /// It was done before.
    Replay(SavedReply),
}

impl Saved {
    /// # Errors
    /// 400 if the key was used for another request, 409 if that one still runs.
    pub(super) fn begin(
        &mut self,
        key: &str,
        fingerprint: &str,
        now: i64,
    ) -> Result<Begin, ApiError> {
        self.forget_old(now);
        let earlier = self.replies.get(key).map(|reply| &reply.fingerprint);
        if earlier
            .or_else(|| self.in_flight.get(key))
            .is_some_and(|earlier| earlier != fingerprint)
        {
            return Err(ApiError::invalid(format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. \
                 Try using a key other than '{key}' if you meant to execute a different request."
            ))
            .with_type(ErrorType::Idempotency));
        }
        if self.in_flight.contains_key(key) {
            return Err(ApiError::invalid(format!(
                "There is currently another in-progress request using this Idempotent Key (that probably means you \
                 submitted twice, and the other request is still going through): {key}. Please try again later."
            ))
            .with_status(409)
            .with_code("idempotency_key_in_use"));
        }
        if let Some(reply) = self.replies.get(key) {
            return Ok(Begin::Replay(reply.clone()));
        }
        self.in_flight
            .insert(key.to_owned(), fingerprint.to_owned());
        Ok(Begin::Run)
    }

    /// The request with `key` has been answered.
    pub(super) fn end(&mut self, key: &str) {
        self.in_flight.remove(key);
    }

    pub(super) fn keep(&mut self, reply: SavedReply) {
        self.by_age.push_back((reply.at, reply.key.clone()));
        self.replies.insert(reply.key.clone(), reply);
    }

    /// Oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &SavedReply> {
        self.by_age
            .iter()
            .filter_map(|(at, key)| self.replies.get(key).filter(|reply| reply.at == *at))
    }

    pub(super) fn len(&self) -> usize {
        self.replies.len()
    }

    pub(super) fn forget_old(&mut self, now: i64) {
        while let Some((at, _)) = self.by_age.front()
            && now - at >= KEPT_SECONDS
        {
            let Some((at, key)) = self.by_age.pop_front() else {
                break;
            };
            if self.replies.get(&key).is_some_and(|reply| reply.at == at) {
                self.replies.remove(&key);
            }
        }
    }
}

/// # Errors
/// 400 for an empty key or one of more than 255 characters.
pub(super) fn check_key(key: &str) -> Result<(), ApiError> {
    let length = key.chars().count();
    if (1..=MAX_KEY).contains(&length) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Idempotency keys must have between 1 and {MAX_KEY} characters; this one has {length}."
    )))
}

/// Equal for equal requests, whatever the order of their parameters.
pub(super) fn fingerprint(method: &str, path: &str, pairs: &[Pair]) -> String {
    let mut sorted: Vec<&Pair> = pairs.iter().collect();
    sorted.sort();
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    };
    add(method);
    add(path);
    for (name, value) in sorted {
        add(name);
        add(value);
    }
    HEXLOWER.encode(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(key: &str, at: i64) -> SavedReply {
        SavedReply {
            key: key.to_owned(),
            fingerprint: "same".to_owned(),
            status: 200,
            body: "{}".to_owned(),
            request_id: "req_1".to_owned(),
            at,
        }
    }

    #[test]
    fn replays_refuses_and_forgets() {
        let mut saved = Saved::default();
        assert_eq!(saved.begin("k", "same", 0).unwrap(), Begin::Run);
        assert_eq!(saved.begin("k", "same", 0).unwrap_err().status, 409);
        let mismatch = saved.begin("k", "other", 0).unwrap_err();
        assert_eq!(
            (mismatch.status, mismatch.kind),
            (400, ErrorType::Idempotency)
        );
        // Whatever its status.
        let failed = SavedReply {
            status: 500,
            ..reply("k", 0)
        };
        saved.keep(failed.clone());
        saved.end("k");
        assert_eq!(
            saved.begin("k", "same", KEPT_SECONDS - 1).unwrap(),
            Begin::Replay(failed)
        );
        assert_eq!(
            saved.begin("k", "other", 1).unwrap_err().kind,
            ErrorType::Idempotency
        );
        assert_eq!(saved.begin("k", "other", KEPT_SECONDS).unwrap(), Begin::Run);
        assert_eq!(saved.len(), 0);
    }

    #[test]
    fn a_key_ended_without_a_result_is_free_again() {
        let mut saved = Saved::default();
        assert_eq!(saved.begin("k", "one", 0).unwrap(), Begin::Run);
        saved.end("k");
        assert_eq!(saved.begin("k", "two", 0).unwrap(), Begin::Run);
    }

    #[test]
    fn the_fingerprint_ignores_order_and_nothing_else() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let base = fingerprint("POST", "/v1/prices", &[pair("a", "1"), pair("b", "2")]);
        assert_eq!(
            base,
            fingerprint("POST", "/v1/prices", &[pair("b", "2"), pair("a", "1")])
        );
        for other in [
            fingerprint("POST", "/v1/products", &[pair("a", "1"), pair("b", "2")]),
            fingerprint("POST", "/v1/prices", &[pair("a", "12"), pair("b", "")]),
            fingerprint("POST", "/v1/prices", &[pair("a", "1")]),
        ] {
            assert_ne!(base, other);
        }
    }
}
