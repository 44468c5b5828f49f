//! What becomes of a write that was begun. One total function decides it, so
//! that no answer of Stripe's is without its consequence.

use chrono::TimeDelta;

use super::bind::created_key;
use crate::plan::Step;
use crate::store::Intent;
use crate::stripe::{self, Receipt};

/// Stripe keeps an idempotency key for at least 24 hours.
/// <https://docs.stripe.com/api/idempotent_requests>
const KEPT: TimeDelta = TimeDelta::hours(24);
/// As far as the clocks that an intent's age is told by may be apart.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::hours(4);

/// Where an intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It may have had its effect, or may yet have it.
    Open,
    /// It had its effect.
    Done,
    /// It had none: Stripe refused it, or was never reached.
    Failed,
    /// Whatever it did shows in its objects, and nothing more will come of it.
    Settled,
    /// It had no effect and will have none.
    Void,
}

impl Status {
    /// Whether the write may have had its effect.
    pub(super) fn may_have_happened(self) -> bool {
        match self {
            Self::Open | Self::Done | Self::Settled => true,
            Self::Failed | Self::Void => false,
        }
    }

    /// Its name in the database; `None` as long as it is open.
    pub(super) fn closed(self) -> Option<&'static str> {
        match self {
            Self::Open => None,
            Self::Done => Some("done"),
            Self::Failed => Some("failed"),
            Self::Settled => Some("settled"),
            Self::Void => Some("void"),
        }
    }
}

/// What happened to an intent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    /// It was sent, and this is what came of all its attempts.
    Sent(&'a Result<Receipt, stripe::Error>),
    /// Whoever took over sent it once more, unchanged and with its key.
    SentAgain(&'a Result<Receipt, stripe::Error>),
    /// Whoever took over reads its objects instead.
    Read,
}

/// Where an intent stands after this.
pub(super) fn next_status(intent: &Intent, event: Event<'_>) -> Status {
    use stripe::Error;
    match event {
        Event::Sent(Ok(receipt)) => match lacks_its_price(intent, receipt) {
            true => Status::Open,
            false => Status::Done,
        },
        // Nobody has looked yet at what it did.
        Event::Sent(Err(
            Error::Unavailable {
                uncertain: true, ..
            }
            | Error::Garbled { .. }
            | Error::Unexpected { .. }
            | Error::Unsure(_),
        )) => Status::Open,
        Event::Sent(Err(
            Error::Unavailable {
                uncertain: false, ..
            }
            | Error::Credentials { .. }
            | Error::InTheWay { .. }
            | Error::NotFound { .. }
            | Error::Refused { .. },
        )) => Status::Failed,
        Event::Sent(Err(Error::Cancelled(_))) => Status::Void,

        // Its effect was had once, by this time at the latest.
        Event::SentAgain(Ok(_)) => Status::Settled,
        // The answer that is kept under the key, which does not tell what was done.
        Event::SentAgain(Err(
            Error::Unavailable { replayed: true, .. } | Error::Garbled { .. },
        )) => Status::Settled,
        // The key was used for another request: something did arrive under it.
        Event::SentAgain(Err(Error::Refused { detail })) if detail.kind == "idempotency_error" => {
            Status::Settled
        }
        // Had it had its effect before, the same key would have brought that answer.
        Event::SentAgain(Err(
            Error::Refused { .. } | Error::NotFound { .. } | Error::InTheWay { .. },
        )) => Status::Void,
        // No answer to the question, or that the first request still runs.
        Event::SentAgain(Err(
            Error::Unavailable {
                replayed: false, ..
            }
            | Error::Credentials { .. }
            | Error::Unexpected { .. }
            | Error::Unsure(_)
            | Error::Cancelled(_),
        )) => Status::Open,

        Event::Read => Status::Settled,
    }
}

/// Whether the answer does not name the price that it is about.
fn lacks_its_price(intent: &Intent, receipt: &Receipt) -> bool {
    created_key(&intent.step).is_some() && receipt.price.is_none()
}

/// How an open intent is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    /// Send it again unchanged: the same key has the effect once, and the answer
    /// is the first one's.
    SendAgain,
    /// Read its objects: what they show is what the write did or did not do.
    Read,
}

/// Only the creation of a price needs its answer: the id is Stripe's to choose.
/// A product's id is ours, and an update shows in its object.
///
/// A key that Stripe may have forgotten would create a second price. `age` is
/// what the clock says: one that stands far before the intent's own time says
/// nothing of how old the key is.
pub(super) fn settlement(step: &Step, age: TimeDelta) -> Settlement {
    let kept = -CLOCKS_DIFFER < age && age < KEPT - CLOCKS_DIFFER;
    match step {
        Step::CreatePrice(_) if kept => Settlement::SendAgain,
        Step::CreatePrice(_)
        | Step::CreateProduct(_)
        | Step::UpdateProduct(_)
        | Step::UpdatePrice(_)
        | Step::Bind => Settlement::Read,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::catalog::{Amount, Charge, Currency, LocalId, PriceKey, Terms};
    use crate::plan::{
        AccountRef, CreatePrice, CreateProduct, Mode, PriceFields, PriceId, PriceRef,
        ProductFields, ProductId, UpdatePrice, UpdateProduct,
    };
    use crate::store::{IntentId, RunId, Timestamp};
    use crate::stripe::{Error, Obstacle, Refusal};

    fn create_price() -> Step {
        Step::CreatePrice(CreatePrice {
            product: ProductId::new("prod_a"),
            key: PriceKey::default_price(),
            fields: PriceFields {
                terms: Terms {
                    currency: Currency::USD,
                    charge: Charge::PerUnit(Amount::from_whole(2000).unwrap()),
                    recurring: None,
                    transform_quantity: None,
                },
                tax_behavior: None,
                currency_options: BTreeMap::new(),
                nickname: None,
                lookup_key: None,
                metadata: BTreeMap::new(),
            },
            transfer_lookup_key: false,
        })
    }

    fn others() -> [Step; 4] {
        [
            Step::CreateProduct(CreateProduct {
                id: ProductId::new("prod_a"),
                fields: ProductFields::default(),
                default_price: None,
            }),
            Step::UpdateProduct(UpdateProduct::new(ProductId::new("prod_a"))),
            Step::UpdatePrice(UpdatePrice::new(PriceRef::Existing(PriceId::new(
                "price_1",
            )))),
            Step::Bind,
        ]
    }

    fn intent(step: Step) -> Intent {
        Intent {
            id: IntentId::new("i1"),
            at: AccountRef {
                account: "acct_1".into(),
                mode: Mode::Test,
            },
            run: RunId::new("r1"),
            local_id: LocalId::new("a").unwrap(),
            step,
            prices: BTreeMap::new(),
            attempt: 1,
            begin_time: Timestamp::UNIX_EPOCH,
        }
    }

    fn receipt(price: Option<&str>) -> Result<Receipt, Error> {
        Ok(Receipt {
            product: None,
            price: price.map(PriceId::new),
            request_id: None,
            replayed: false,
        })
    }

    fn unavailable(uncertain: bool, replayed: bool) -> Error {
        Error::Unavailable {
            message: String::new(),
            request_id: None,
            uncertain,
            replayed,
        }
    }

    fn refusal(kind: &str) -> Box<Refusal> {
        Box::new(Refusal {
            kind: kind.to_owned(),
            ..Refusal::default()
        })
    }

    #[test]
    fn every_answer_has_its_consequence() {
        use Status::{Done, Failed, Open, Settled, Void};
        let (message, request_id) = (String::new(), None);
        let credentials = || Error::Credentials {
            message: message.clone(),
            request_id: request_id.clone(),
        };
        // Sent first; sent again.
        let table = [
            (receipt(Some("price_1")), Done, Settled),
            // Of a creation.
            (receipt(None), Open, Settled),
            (Err(unavailable(false, false)), Failed, Open),
            (Err(unavailable(true, false)), Open, Open),
            (Err(unavailable(true, true)), Open, Settled),
            (Err(credentials()), Failed, Open),
            (Err(Error::Unsure(Box::new(credentials()))), Open, Open),
            (
                Err(Error::InTheWay {
                    obstacle: Obstacle::LookupKeyTaken,
                    detail: refusal(""),
                }),
                Failed,
                Void,
            ),
            (
                Err(Error::NotFound {
                    detail: refusal(""),
                }),
                Failed,
                Void,
            ),
            (
                Err(Error::Refused {
                    detail: refusal("invalid_request_error"),
                }),
                Failed,
                Void,
            ),
            (
                Err(Error::Refused {
                    detail: refusal("idempotency_error"),
                }),
                Failed,
                Settled,
            ),
            (
                Err(Error::Unexpected {
                    message: message.clone(),
                    request_id: request_id.clone(),
                }),
                Open,
                Open,
            ),
            (
                Err(Error::Garbled {
                    message: message.clone(),
                    request_id: request_id.clone(),
                }),
                Open,
                Settled,
            ),
            (Err(Error::Cancelled("")), Void, Open),
        ];
        let intent = intent(create_price());
        for (answer, first, again) in table {
            let shown = format!("{answer:?}");
            assert_eq!(next_status(&intent, Event::Sent(&answer)), first, "{shown}");
            let sent_again = Event::SentAgain(&answer);
            assert_eq!(next_status(&intent, sent_again), again, "{shown}");
        }
        assert_eq!(next_status(&intent, Event::Read), Settled);
    }

    #[test]
    fn what_creates_no_price_needs_none_in_its_answer() {
        for step in others() {
            let answer = receipt(None);
            let status = next_status(&intent(step), Event::Sent(&answer));
            assert_eq!(status, Status::Done);
        }
    }

    #[test]
    fn only_young_price_creates_are_sent_again() {
        let minute = TimeDelta::minutes(1);
        let hours = TimeDelta::hours;
        for (age, settled_by) in [
            (TimeDelta::zero(), Settlement::SendAgain),
            (hours(20) - minute, Settlement::SendAgain),
            (hours(20), Settlement::Read),
            (hours(24 * 365), Settlement::Read),
            // The clock was set back since.
            (-minute, Settlement::SendAgain),
            (minute - hours(4), Settlement::SendAgain),
            (-hours(4), Settlement::Read),
            (-hours(24 * 365), Settlement::Read),
        ] {
            assert_eq!(settlement(&create_price(), age), settled_by, "{age}");
        }
        for step in others() {
            assert_eq!(settlement(&step, TimeDelta::zero()), Settlement::Read);
        }
    }
}
