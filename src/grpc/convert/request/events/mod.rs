//! Change events as they are sent: each is taken or refused by itself.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use tonic::Status;

use super::check::{id, instant, timestamp, values};
use crate::catalog::{LocalId, hides, normalize};
use crate::engine::events::{ALL, FOR_ALL};
use crate::grpc::status::{self, Violations};
use crate::proto::v1;
use crate::store::{EventFilter, EventFlag, EventSource, EventState, NewEvent, Timestamp};

/// Events a call.
const MAX_EVENTS: usize = 1000;
const MAX_EVENT_ID: usize = 200;
const MAX_TYPE: usize = 100;
const MAX_USER_ID: usize = 200;
/// Bytes of `changes` as JSON.
const MAX_CHANGES: usize = 64 * 1024;
/// How deep `changes` may go.
const MAX_DEPTH: usize = 32;
/// What clocks may differ by.
const AHEAD: chrono::TimeDelta = chrono::TimeDelta::minutes(5);
/// Older than that is worth a remark.
const OLD: chrono::TimeDelta = chrono::TimeDelta::days(1);

/// Why an event is refused.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::grpc) struct Invalid {
    pub(in crate::grpc) field: &'static str,
    pub(in crate::grpc) message: String,
}

fn invalid<T>(field: &'static str, message: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid {
        field,
        message: message.into(),
    })
}

/// How many there may be in one call.
pub(in crate::grpc) fn batch(
    request: v1::EmitChangeEventsRequest,
) -> Result<Vec<v1::ChangeEvent>, Status> {
    let count = request.events.len();
    if !(1..=MAX_EVENTS).contains(&count) {
        let message = format!("must be 1 to {MAX_EVENTS}, not {count}");
        return Err(status::invalid("events", &message));
    }
    Ok(request.events)
}

/// One event; `actor` sent it, and `triggers` says whether its type starts a sync.
pub(in crate::grpc) fn event(
    event: v1::ChangeEvent,
    actor: &str,
    triggers: impl Fn(&str) -> bool,
    now: Timestamp,
) -> Result<NewEvent, Invalid> {
    let event_id = match event.event_id.as_str() {
        "" => uuid::Uuid::now_v7().to_string(),
        id => short("event_id", id, MAX_EVENT_ID)?,
    };
    let event_type = word("event_type", &event.event_type)?;
    if event_type.is_empty() {
        return invalid("event_type", "is missing; plan.updated, for example");
    }
    let product_type = word("product_type", &event.product_type)?;
    let product_id = match event.product_id.as_str() {
        "" if FOR_ALL.contains(&event_type.as_str()) => ALL.to_owned(),
        "" => {
            return invalid(
                "product_id",
                "is missing: the CRM's id of what changed, a local id, or \"all\"",
            );
        }
        id => match LocalId::new(id) {
            Ok(id) => id.to_string(),
            Err(error) => return invalid("product_id", error.to_string()),
        },
    };
    let user_id = normalize(&short("user_id", &event.user_id, MAX_USER_ID)?);
    let changes = event.changes.map(changes).transpose()?;
    let occur_time = match &event.occur_time {
        None => now,
        Some(time) => match timestamp(time) {
            Some(time) => time,
            None => {
                return invalid(
                    "occur_time",
                    "must be a time between the years 1 and 9999, or absent",
                );
            }
        },
    };
    let triggers = triggers(&event_type);
    let (flags, mut message) = oddities(occur_time, now);
    if !triggers {
        message =
            format!("{event_type} is not among sync.trigger_events: kept, and no sync follows");
    }
    Ok(NewEvent {
        source: EventSource::Crm,
        event_id,
        event_type,
        product_type,
        product_id,
        changes,
        user_id,
        occur_time,
        receive_time: now,
        triggers,
        flags,
        message,
        actor: actor.to_owned(),
    })
}

fn oddities(occur_time: Timestamp, now: Timestamp) -> (Vec<EventFlag>, String) {
    if occur_time > now + AHEAD {
        let message = "occur_time is in the future: the sender's clock is wrong, or this one";
        (vec![EventFlag::FromTheFuture], message.to_owned())
    } else if occur_time < now - OLD {
        let days = (now - occur_time).num_days();
        let unit = if days == 1 { "day" } else { "days" };
        (
            vec![EventFlag::Old],
            format!("it happened {days} {unit} ago"),
        )
    } else {
        (Vec::new(), String::new())
    }
}

fn short(field: &'static str, text: &str, max: usize) -> Result<String, Invalid> {
    if text.chars().count() > max {
        return invalid(field, format!("must be at most {max} characters"));
    }
    if text.chars().any(hides) {
        let message =
            "must have no control characters, and none that are not seen or turn text around";
        return invalid(field, message);
    }
    Ok(text.to_owned())
}

/// What a list is narrowed down to; longer than what is stored it finds nothing.
fn sought(field: &str, text: &str, max: usize, wrong: &mut Violations) -> String {
    if text.chars().count() > max {
        wrong.add(field, format!("must be at most {max} characters"));
    }
    if text.chars().any(hides) {
        wrong.add(field, "must have no characters that are not seen");
    }
    normalize(text)
}

fn word(field: &'static str, text: &str) -> Result<String, Invalid> {
    let text = short(field, text, MAX_TYPE)?;
    if text.chars().any(char::is_whitespace) {
        return invalid(field, "must have no spaces");
    }
    Ok(normalize(&text))
}

fn changes(changes: Struct) -> Result<serde_json::Value, Invalid> {
    let Some(changes) = object(changes, MAX_DEPTH) else {
        let message = format!("must be JSON: numbers finite, at most {MAX_DEPTH} levels deep");
        return invalid("changes", message);
    };
    let bytes = changes.to_string().len();
    if bytes > MAX_CHANGES {
        let message = format!(
            "must be at most {MAX_CHANGES} bytes as JSON, not {bytes}: send what changed, not all there is"
        );
        return invalid("changes", message);
    }
    Ok(changes)
}

fn object(fields: Struct, depth: usize) -> Option<serde_json::Value> {
    let depth = depth.checked_sub(1)?;
    let fields = fields.fields.into_iter();
    let fields = fields.map(|(name, field)| Some((name, value(field, depth)?)));
    let fields: Option<serde_json::Map<_, _>> = fields.collect();
    fields.map(serde_json::Value::Object)
}

fn value(value: Value, depth: usize) -> Option<serde_json::Value> {
    Some(match value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(is)) => is.into(),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::NumberValue(number)) => self::number(number)?,
        Some(Kind::StructValue(fields)) => object(fields, depth)?,
        Some(Kind::ListValue(ListValue { values })) => {
            let depth = depth.checked_sub(1)?;
            let values = values.into_iter().map(|item| self::value(item, depth));
            serde_json::Value::Array(values.collect::<Option<_>>()?)
        }
    })
}

/// 29, not 29.0: as the CRM wrote it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be whole and small"
)]
fn number(number: f64) -> Option<serde_json::Value> {
    const EXACT: f64 = 9_007_199_254_740_991.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Some((number as i64).into());
    }
    serde_json::Number::from_f64(number).map(serde_json::Value::Number)
}

/// Which events a list shows.
pub(in crate::grpc) fn filter(
    request: &v1::ListChangeEventsRequest,
) -> Result<EventFilter, Status> {
    let mut wrong = Violations::default();
    let states = values("states", &request.states, state, &mut wrong);
    let flags = values("flags", &request.flags, flag, &mut wrong);
    if request.event_types.len() > super::MAX_VALUES {
        wrong.add(
            "event_types",
            format!("must be at most {}", super::MAX_VALUES),
        );
    }
    let types = request
        .event_types
        .iter()
        .take(super::MAX_VALUES)
        .enumerate();
    let event_types = types
        .map(|(at, text)| sought(&format!("event_types[{at}]"), text, MAX_TYPE, &mut wrong))
        .collect();
    let product_type = sought("product_type", &request.product_type, MAX_TYPE, &mut wrong);
    let product_id = &request.product_id;
    let product_id = sought("product_id", product_id, LocalId::MAX_LEN, &mut wrong);
    let user_id = sought("user_id", &request.user_id, MAX_USER_ID, &mut wrong);
    let run = match request.run_id.as_str() {
        "" => None,
        run => Some(id("run_id", run, &mut wrong)),
    };
    let from = instant(
        "receive_time_from",
        request.receive_time_from.as_ref(),
        &mut wrong,
    );
    let before = instant(
        "receive_time_before",
        request.receive_time_before.as_ref(),
        &mut wrong,
    );
    let source = match v1::change_event_record::Source::try_from(request.source) {
        Ok(v1::change_event_record::Source::Unspecified) => None,
        Ok(v1::change_event_record::Source::Crm) => Some(EventSource::Crm),
        Ok(v1::change_event_record::Source::Stripe) => Some(EventSource::Stripe),
        Err(_) => {
            wrong.add(
                "source",
                format!("{} is no value to select by", request.source),
            );
            None
        }
    };
    wrong.check()?;
    Ok(EventFilter {
        source,
        states,
        event_types,
        product_type,
        product_id,
        run,
        user_id,
        flags,
        from,
        before,
    })
}

/// The events to replay; `None`: all that failed.
pub(in crate::grpc) fn replay(
    request: v1::ReplayChangeEventsRequest,
) -> Result<Option<Vec<String>>, Status> {
    let ids = request.event_ids;
    let mut wrong = Violations::default();
    for (at, id) in ids.iter().take(MAX_EVENTS).enumerate() {
        sought(&format!("event_ids[{at}]"), id, MAX_EVENT_ID, &mut wrong);
    }
    wrong.check()?;
    match (request.all_failed, ids.len()) {
        (true, 0) => Ok(None),
        (false, 1..=MAX_EVENTS) => Ok(Some(ids)),
        (true, _) => Err(status::invalid(
            "event_ids",
            "must be empty with all_failed",
        )),
        (false, count) => {
            let message = format!("must be 1 to {MAX_EVENTS}, not {count}, or all_failed set");
            Err(status::invalid("event_ids", &message))
        }
    }
}

fn state(number: i32) -> Option<EventState> {
    use v1::change_event_record::State;
    Some(match State::try_from(number).ok()? {
        State::Unspecified => return None,
        State::Pending => EventState::Pending,
        State::Running => EventState::Running,
        State::Done => EventState::Done,
        State::Failed => EventState::Failed,
        State::Ignored => EventState::Ignored,
    })
}

fn flag(number: i32) -> Option<EventFlag> {
    use v1::change_event_record::Flag;
    Some(match Flag::try_from(number).ok()? {
        Flag::Unspecified => return None,
        Flag::UnknownProduct => EventFlag::UnknownProduct,
        Flag::NotInCatalog => EventFlag::NotInCatalog,
        Flag::FromTheFuture => EventFlag::FromTheFuture,
        Flag::Old => EventFlag::Old,
    })
}

#[cfg(test)]
mod tests;
