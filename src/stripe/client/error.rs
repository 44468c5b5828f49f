//! What went wrong, named by what the caller does next.

use http::StatusCode;
use serde_json::Value;

use crate::stripe::transport::{Answer, Delivered, Failure, Stop};
use crate::stripe::{Error, Obstacle, Refusal};

/// Where a restricted key with the right permissions is made.
const KEY_PAGE: &str = "https://dashboard.stripe.com/apikeys/create?name=stripe-product-sync\
    &permissions[0]=rak_product_write&permissions[1]=rak_plan_write";

/// What an error's text needs to know of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    /// `POST /v1/products`
    pub(super) operation: &'a str,
    /// As configured, for people.
    pub(super) base: &'a str,
}

/// The answer, if it is one to go on with.
pub(super) fn check(context: Context<'_>, delivered: Delivered) -> Result<Answer, Error> {
    let Delivered {
        result,
        sent,
        uncertain,
        held_back,
    } = delivered;
    let mut attempts = match sent {
        1 => "1 attempt".to_owned(),
        n => format!("{n} attempts"),
    };
    if held_back {
        attempts.push_str("; not tried again, since so much else failed just now");
    }
    let replayed = result.as_ref().is_ok_and(Answer::replayed);
    let unavailable = |message: String, request_id| Error::Unavailable {
        message: format!("{message} ({attempts})"),
        request_id,
        uncertain,
        replayed,
    };
    let base = context.base;
    match result {
        Ok(answer) if answer.status.is_success() => Ok(answer),
        Ok(answer) => {
            let error = refused(context, &answer, unavailable);
            Err(if uncertain { unsure(error) } else { error })
        }
        Err(Failure::Unreachable(cause)) => Err(unavailable(
            format!("cannot reach Stripe at {base}: {cause}"),
            None,
        )),
        Err(Failure::Lost(cause)) => Err(unavailable(
            format!("the connection to Stripe at {base} broke: {cause}"),
            None,
        )),
        Err(Failure::TimedOut(after)) => Err(unavailable(
            format!("no answer from Stripe at {base} within {after:?}"),
            None,
        )),
        Err(Failure::TooLong) => {
            let message = format!(
                "the answer to {} is longer than any of Stripe's; is {base} Stripe?",
                context.operation
            );
            let error = Error::Unexpected {
                message,
                request_id: None,
            };
            Err(if uncertain { garbled(error) } else { error })
        }
        Err(Failure::Stopped(Stop::Cancelled)) => {
            Err(Error::Cancelled("cancelled before the call to Stripe"))
        }
        Err(Failure::Stopped(Stop::Deadline)) => Err(Error::Cancelled(
            "the deadline passed before the call to Stripe",
        )),
    }
}

/// An answer that alone would mean that the write had no effect does not say so
/// of an earlier attempt that had none: a key can be revoked between the two.
fn unsure(error: Error) -> Error {
    match error {
        // It says so itself.
        error @ (Error::Unavailable { .. } | Error::Garbled { .. } | Error::Unsure(_)) => error,
        error @ (Error::Credentials { .. }
        | Error::InTheWay { .. }
        | Error::NotFound { .. }
        | Error::Refused { .. }
        | Error::Unexpected { .. }
        | Error::Cancelled(_)) => Error::Unsure(Box::new(error)),
    }
}

/// What is unexpected in the answer to a write that was answered as done.
pub(super) fn garbled(error: Error) -> Error {
    match error {
        Error::Unexpected {
            message,
            request_id,
        } => Error::Garbled {
            message,
            request_id,
        },
        error @ (Error::Unavailable { .. }
        | Error::Credentials { .. }
        | Error::InTheWay { .. }
        | Error::NotFound { .. }
        | Error::Refused { .. }
        | Error::Garbled { .. }
        | Error::Unsure(_)
        | Error::Cancelled(_)) => error,
    }
}

fn refused(
    context: Context<'_>,
    answer: &Answer,
    unavailable: impl Fn(String, Option<String>) -> Error,
) -> Error {
    let request_id = answer.request_id();
    let status = answer.status;
    let Some(refusal) = refusal(answer) else {
        // A proxy, a load balancer or another server: its status counts, not its words.
        let message = format!(
            "{} answered {status} to {}, without Stripe's error body{}",
            context.base,
            context.operation,
            content_type(answer)
        );
        return if is_temporary(status) {
            unavailable(message, request_id)
        } else {
            Error::Unexpected {
                message,
                request_id,
            }
        };
    };
    if is_temporary(status) {
        let message = match answer.replayed() {
            true => format!(
                "Stripe repeated its earlier answer {status}: {}",
                refusal.message
            ),
            false => format!("Stripe answered {status}: {}", refusal.message),
        };
        return unavailable(message, request_id);
    }
    classify(context, refusal)
}

/// Whether the same request may get another answer later.
fn is_temporary(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::CONFLICT | StatusCode::FAILED_DEPENDENCY | StatusCode::TOO_MANY_REQUESTS
        )
}

fn classify(context: Context<'_>, refusal: Refusal) -> Error {
    let code = refusal.code.as_deref().unwrap_or_default();
    let param = refusal.param.as_deref().unwrap_or_default();
    let text = &refusal.message;
    let said = sentence(text);
    let credentials = |message: String| Error::Credentials {
        message,
        request_id: refusal.request_id.clone(),
    };
    match refusal.status {
        401 => credentials(format!(
            "Stripe does not accept the key: {said} Set stripe.secret_key (STRIPE_SECRET_KEY) to a valid one."
        )),
        403 if context.operation == "GET /v1/account" => credentials(format!(
            "the key may not read its own account: {said} Set stripe.account to the account's id (acct_…), or use a key that may."
        )),
        403 => credentials(format!(
            "the key may not do {}: {said} It needs Products: Write (rak_product_write) and Prices: Write (rak_plan_write); {KEY_PAGE} makes such a key.",
            context.operation
        )),
        _ if is_about_the_key(code) => credentials(format!(
            "Stripe does not accept the key: {said} Check stripe.secret_key (STRIPE_SECRET_KEY) and stripe.mode."
        )),
        // Not an object that is missing but a path: this is not the API.
        404 if code.is_empty()
            && (!context.operation.contains("{id}")
                || text.starts_with("Unrecognized request URL")) =>
        {
            Error::Unexpected {
                message: format!("{said} Is stripe.api_base ({}) Stripe?", context.base),
                request_id: refusal.request_id,
            }
        }
        404 => Error::NotFound {
            detail: Box::new(refusal),
        },
        400 if code == "resource_missing" => Error::NotFound {
            detail: Box::new(refusal),
        },
        _ => match obstacle(context, code, param, text) {
            Some(obstacle) => Error::InTheWay {
                obstacle,
                detail: Box::new(refusal),
            },
            None => Error::Refused {
                detail: Box::new(refusal),
            },
        },
    }
}

/// Stripe gives two of these no code, only a text.
fn obstacle(context: Context<'_>, code: &str, param: &str, text: &str) -> Option<Obstacle> {
    if code == "resource_already_exists" && context.operation == "POST /v1/products" {
        Some(Obstacle::ProductExists)
    } else if param == "lookup_key" && text.contains("already uses that lookup key") {
        Some(Obstacle::LookupKeyTaken)
    } else if text.contains("cannot be archived because it is the default price") {
        Some(Obstacle::IsDefaultPrice)
    } else {
        None
    }
}

/// <https://docs.stripe.com/error-codes>
fn is_about_the_key(code: &str) -> bool {
    matches!(
        code,
        "api_key_expired"
            | "platform_api_key_expired"
            | "secret_key_required"
            | "livemode_mismatch"
    )
}

/// Stripe ends most messages with a full stop, but not all.
fn sentence(text: &str) -> String {
    if text.ends_with(['.', '!', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

/// The error object of the body; `None` where there is none.
fn refusal(answer: &Answer) -> Option<Refusal> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let error = body.get("error")?.as_object()?;
    let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Refusal {
        status: answer.status.as_u16(),
        kind: text("type").unwrap_or_default(),
        code: text("code"),
        param: text("param"),
        message: text("message").unwrap_or_else(|| "(no message)".to_owned()),
        request_id: answer.request_id(),
    })
}

fn content_type(answer: &Answer) -> String {
    answer
        .header("content-type")
        .map_or_else(String::new, |kind| format!(" ({kind})"))
}
