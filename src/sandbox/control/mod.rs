//! Driving a running sandbox: over HTTP below `/_sandbox/`, or in process by the
//! methods in `drive`.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /_sandbox` | what is set, and how much there is |
//! | `GET /_sandbox/faults` | the rules with their counts |
//! | `POST /_sandbox/faults` `{"rule":"POST /v1/prices #3: 500"}` | adds one |
//! | `PUT /_sandbox/faults` `{"rules":[…]}` | these in the place of all |
//! | `DELETE /_sandbox/faults`, `/_sandbox/faults/{id}` | removes all, or one |
//! | `PUT /_sandbox/latency` `{"latency":"p50=80ms,p99=900ms","seed":7}` | |
//! | `PUT /_sandbox/limits` `{"mode":"test","global":10,"locks":false}` | mode `test`, `live` or `off`; without it the limits named change |
//! | `GET`, `DELETE /_sandbox/requests` | what was asked and answered, where that is recorded |
//! | `GET /_sandbox/state` | every object, as the API shows it |
//! | `POST /_sandbox/reset` `{}` or `{"account":"acct_…"}` | forgets all of it, in the state file too |
//! | `POST /_sandbox/clock` `{"advance":"24h"}` | for what waits for time to pass |
//! | `GET /_sandbox/keys` | keys and connected accounts |
//! | `PUT`, `DELETE /_sandbox/keys` `{"key":"rk_test_a=acct_1:rak_plan_read"}` | declares a key; takes it back |
//! | `PUT /_sandbox/connected` `{"account":"acct_B"}` | declares a connected account |
//! | `/_sandbox/webhooks/…` | holds, reorders, repeats and loses deliveries: see `webhooks::control` |
//!
//! It takes no key: whoever reaches the port may do all of this, so a sandbox is
//! for tests. What changes something has to be sent as `application/json`, which
//! a page of another origin cannot do, and no request of one is told anything.

mod drive;
mod request;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{delete, get, post, put};
use axum::{Router, middleware};
use serde_json::{Value, json};

use self::request::{Body, Refusal, Reply, no_such_url, only_json};
use super::limits::Limits;
use super::{Sandbox, faults, span, webhooks};

type Shared = State<Arc<Sandbox>>;

/// Everything below `/_sandbox`. What drives another part is nested in here, and
/// has its changes sent as JSON like the rest.
pub(super) fn router() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/", get(summary))
        .route(
            "/faults",
            get(list_faults)
                .post(add_fault)
                .put(replace_faults)
                .delete(clear_faults),
        )
        .route("/faults/{id}", delete(remove_fault))
        .route("/latency", get(summary).put(set_latency))
        .route("/limits", get(summary).put(set_limits))
        .route("/requests", get(requests).delete(forget_requests))
        .route("/state", get(dump))
        .route("/reset", post(reset))
        .route("/clock", get(summary).post(advance_clock))
        .route("/keys", get(keys).put(add_key).delete(remove_key))
        .route("/connected", put(connect))
        .nest("/webhooks", webhooks::control::router())
        .fallback(no_such_url)
        .method_not_allowed_fallback(no_such_url)
        .layer(middleware::from_fn(only_json))
}

async fn summary(State(sandbox): Shared) -> Reply {
    Reply(sandbox.summary())
}

async fn list_faults(State(sandbox): Shared) -> Reply {
    Reply(json!({ "faults": sandbox.faults() }))
}

async fn add_fault(State(sandbox): Shared, body: Body) -> Result<Reply, Refusal> {
    let fault = match body.get("rule") {
        Some(rule) => {
            body.only(&["rule"])?;
            faults::from_json(rule)
        }
        None => faults::from_json(&Value::Object(body.0)),
    };
    let id = sandbox.add_fault(fault.map_err(Refusal::bad)?);
    let added = sandbox.faults().into_iter().find(|fault| fault.id == id);
    Ok(Reply(json!({ "added": added })))
}

async fn replace_faults(State(sandbox): Shared, body: Body) -> Result<Reply, Refusal> {
    body.only(&["rules"])?;
    let Some(Value::Array(rules)) = body.get("rules") else {
        return Err(Refusal::bad("rules is missing, or is no array of rules"));
    };
    let parsed = rules.iter().enumerate().map(|(at, rule)| {
        faults::from_json(rule).map_err(|error| Refusal::bad(format!("rules[{at}]: {error}")))
    });
    // Either all are taken or none.
    let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
    sandbox.clear_faults();
    for fault in parsed {
        sandbox.add_fault(fault);
    }
    Ok(Reply(json!({ "faults": sandbox.faults() })))
}

async fn clear_faults(State(sandbox): Shared, body: Body) -> Result<Reply, Refusal> {
    body.only(&[])?;
    sandbox.clear_faults();
    Ok(Reply(json!({ "faults": [] })))
}

async fn remove_fault(
    State(sandbox): Shared,
    Path(id): Path<String>,
    body: Body,
) -> Result<Reply, Refusal> {
    body.only(&[])?;
    if id.parse().is_ok_and(|id| sandbox.remove_fault(id)) {
        return Ok(Reply(json!({ "faults": sandbox.faults() })));
    }
    Err(Refusal::not_found(format!(
        "no fault has the id {id:?}; GET /_sandbox/faults lists them"
    )))
}

async fn set_latency(State(sandbox): Shared, body: Body) -> Result<Reply, Refusal> {
    body.only(&["latency", "seed"])?;
    let latency = body.text("latency")?.parse().map_err(Refusal::bad)?;
    let seed =
        match body.get("seed") {
            None => None,
            Some(seed) => Some(seed.as_u64().ok_or_else(|| {
                Refusal::bad(format!("seed is a whole number from 0, not {seed}"))
            })?),
        };
    sandbox.set_latency(latency, seed);
    Ok(Reply(sandbox.summary()))
}

async fn set_limits(State(sandbox): Shared, body: Body) -> Result<Reply, Refusal> {
    let mut settings = body.0;
    let base = match settings.shift_remove("mode") {
        None => sandbox.limits().unwrap_or_default(),
        Some(mode) => match mode.as_str() {
            Some("test") => Limits::TEST,
            Some("live") => Limits::LIVE,
            Some("off") => Limits::NONE,
            Some(_) | None => {
                return Err(Refusal::bad(format!(
                    "mode is test, live or off, not {mode}"
                )));
            }
        },
    };
    let mut limits = base;
    limits.merge(&settings).map_err(Refusal::bad)?;
    sandbox.set_limits(Some(limits).filter(|limits| *limits != Limits::NONE));
    Ok(Reply(sandbox.summary()))
}

async fn requests(State(sandbox): Shared) -> Result<Reply, Refusal> {
    if !sandbox.options.record {
        return Err(Refusal::not_found(
            "requests are not recorded; start the sandbox with --record",
        ));
    }
    Ok(Reply(json!({ "requests": sandbox.requests() })))
}

async fn forget_requests(State(sandbox): Shared, body: Body) -> Result<Reply, Refusal> {
    body.only(&[])?;
    sandbox.forget_requests();
    Ok(Reply(json!({ "requests": [] })))
}

async fn dump(State(sandbox): Shared) -> Reply {
    Reply(sandbox.dump())
}

async fn reset(State(sandbox): Shared, body: Body) -> Result<Reply, Refusal> {
    body.only(&["account"])?;
    let account = match body.get("account") {
        None => None,
        Some(_) => Some(body.text("account")?),
    };
    sandbox.reset(account).map_err(|error| {
        Refusal::failed(format!("the state file could not be written: {error}"))
    })?;
    Ok(Reply(sandbox.summary()))
}

async fn advance_clock(State(sandbox): Shared, body: Body) -> Result<Reply, Refusal> {
    body.only(&["advance"])?;
    let by = span::parse(body.text("advance")?).map_err(Refusal::bad)?;
    if by.subsec_nanos() > 0 {
        return Err(Refusal::bad("the clock has whole seconds"));
    }
    sandbox.advance_clock(by);
    Ok(Reply(sandbox.summary()))
}

async fn keys(State(sandbox): Shared) -> Reply {
    Reply(sandbox.directory_json())
}

async fn add_key(State(sandbox): Shared, body: Body) -> Result<Reply, Refusal> {
    body.only(&["key"])?;
    sandbox.add_key(body.text("key")?.parse().map_err(Refusal::bad)?);
    Ok(Reply(sandbox.directory_json()))
}

async fn remove_key(State(sandbox): Shared, body: Body) -> Result<Reply, Refusal> {
    body.only(&["key"])?;
    let key = body.text("key")?;
    let key = key.split_once('=').map_or(key, |(key, _)| key);
    if sandbox.remove_key(key) {
        return Ok(Reply(sandbox.directory_json()));
    }
    Err(Refusal::not_found("that key was not declared"))
}

async fn connect(State(sandbox): Shared, body: Body) -> Result<Reply, Refusal> {
    body.only(&["account"])?;
    sandbox.connect(body.text("account")?.parse().map_err(Refusal::bad)?);
    Ok(Reply(sandbox.directory_json()))
}
