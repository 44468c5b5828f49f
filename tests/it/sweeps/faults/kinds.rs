//! What can go wrong with one request: every kind of fault that the sandbox has.

use std::time::Duration;

/// One kind of fault.
pub(super) struct Kind {
    /// As a rule has it after the colon.
    pub(super) action: &'static str,
    /// What becomes of a run that meets it once.
    pub(super) once: Once,
    /// What becomes of a run that meets it from some call on.
    pub(super) always: Always,
}

/// What becomes of a run that meets a fault once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Once {
    /// It goes on as if nothing had happened.
    Ridden,
    /// A write is looked at and planned again; a read ends the run.
    RiddenByWrites,
    /// It ends, and says why.
    Told,
    /// One or the other: as time will have it, or as much of the answer can be trusted.
    Either,
}

/// What becomes of a run that meets a fault from some call on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Always {
    /// It does not notice.
    Harmless,
    /// It ends, and says why.
    Told,
    /// One or the other: what had its effect is answered when it is repeated.
    Either,
    /// It waits for hours, as Stripe asks it to; a person may call it off.
    Waits,
}

use Always::{Harmless, Waits};

const fn kind(action: &'static str, once: Once) -> Kind {
    Kind {
        action,
        once,
        always: Always::Told,
    }
}

const fn after(action: &'static str, once: Once) -> Kind {
    Kind {
        action,
        once,
        always: Always::Either,
    }
}

const fn waits(action: &'static str) -> Kind {
    Kind {
        action,
        once: Once::Ridden,
        always: Waits,
    }
}

/// Longer than [`PATIENCE`].
pub(super) const TOO_LONG: &str = "700ms";
/// How long a client waits for an answer that comes too late.
pub(super) const PATIENCE: Duration = Duration::from_millis(300);

impl Kind {
    /// Whether a write may have its effect without an answer that says so.
    pub(super) fn leaves_doubt(&self) -> bool {
        const UNHEARD: [&str; 9] = [
            "after",
            "lost-reply",
            "cut",
            "html",
            "delay",
            "truncated",
            "nonsense",
            "empty",
            "saved",
        ];
        UNHEARD.iter().any(|word| self.action.contains(word))
    }
}

/// All of them.
pub(super) const ALL: &[Kind] = &[
    // Stripe's own failures: before and after the effect, kept under the key or not.
    kind("500", Once::Ridden),
    after("500 after", Once::Ridden),
    kind("500 saved", Once::Ridden),
    after("500 after saved", Once::Ridden),
    after("502 after", Once::Ridden),
    kind("503 retry=true", Once::Ridden),
    kind("503 retry=false", Once::RiddenByWrites),
    after("503 after retry=false", Once::RiddenByWrites),
    kind("424", Once::Ridden),
    // What stands in the way for a moment.
    kind("409 code=idempotency_key_in_use", Once::Ridden),
    after("409 after code=idempotency_key_in_use", Once::Ridden),
    kind("429 code=lock_timeout", Once::Ridden),
    waits("429"),
    waits("429 reason=global-rate"),
    waits("429 reason=endpoint-rate retry=true"),
    waits("429 reason=global-concurrency"),
    waits("429 reason=endpoint-concurrency"),
    waits("429 reason=resource-specific"),
    kind("429 reason=global-rate retry=false", Once::Told),
    kind("400 retry=true", Once::Ridden),
    // The network.
    kind("lost-request", Once::Ridden),
    kind("lost-reply", Once::Ridden),
    kind("cut", Once::Ridden),
    kind("html", Once::Ridden),
    kind("delay 700ms", Once::Either),
    kind("delay-reply 700ms", Once::Either),
    Kind {
        action: "slow 20ms",
        once: Once::Ridden,
        always: Harmless,
    },
    // Answers that no Stripe gives.
    kind("truncated", Once::Either),
    kind("nonsense", Once::Either),
    kind("empty", Once::Either),
    kind("200", Once::Either),
    after("200 after", Once::Either),
    after("200 after body=[]", Once::Either),
    kind("302 header:location=/", Once::Either),
    kind("403 body=\"<html>\"", Once::Either),
    after("400 after body=\"\"", Once::Either),
    // Refusals.
    kind("400 message=\"No.\"", Once::Told),
    kind("400 type=idempotency_error", Once::Told),
    kind("402 type=card_error", Once::Told),
    kind("404 code=resource_missing param=id", Once::RiddenByWrites),
    kind("401 message=\"Invalid API Key provided\"", Once::Told),
    kind("401 code=api_key_expired", Once::Told),
    kind("403 message=\"No permission\"", Once::Told),
];
