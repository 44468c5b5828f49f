//! Stored change events.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

use super::{int, time};
use crate::proto::v1;
use crate::store::{EventFlag, EventRow, EventSource, EventState};

/// An event without the results of its run.
pub(in crate::grpc) fn record(row: &EventRow) -> v1::ChangeEventRecord {
    let event = &row.event;
    let changes = event
        .changes
        .as_ref()
        .and_then(serde_json::Value::as_object);
    v1::ChangeEventRecord {
        event_id: event.event_id.clone(),
        event_type: event.event_type.clone(),
        product_type: event.product_type.clone(),
        product_id: event.product_id.clone(),
        changes: changes.map(object),
        user_id: event.user_id.clone(),
        occur_time: Some(time(event.occur_time)),
        receive_time: Some(time(event.receive_time)),
        state: state(row.state).into(),
        run_id: row
            .run
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        results: Vec::new(),
        message: event.message.clone(),
        attempts: int(row.attempts),
        next_attempt_time: match row.state {
            EventState::Pending => row.next_time.map(time),
            EventState::Running | EventState::Done | EventState::Failed | EventState::Ignored => {
                None
            }
        },
        flags: event.flags.iter().map(|is| flag(*is).into()).collect(),
        local_ids: row.local_ids.iter().map(ToString::to_string).collect(),
        actor: event.actor.clone(),
        source: source(event.source).into(),
    }
}

fn source(source: EventSource) -> v1::change_event_record::Source {
    use v1::change_event_record::Source;
    match source {
        EventSource::Crm => Source::Crm,
        EventSource::Stripe => Source::Stripe,
    }
}

fn object(fields: &serde_json::Map<String, serde_json::Value>) -> Struct {
    Struct {
        fields: fields
            .iter()
            .map(|(name, field)| (name.clone(), value(field)))
            .collect(),
    }
}

fn value(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(is) => Kind::BoolValue(*is),
        // It came in as a double.
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(values) => Kind::ListValue(ListValue {
            values: values.iter().map(self::value).collect(),
        }),
        Json::Object(fields) => Kind::StructValue(object(fields)),
    };
    Value { kind: Some(kind) }
}

fn state(state: EventState) -> v1::change_event_record::State {
    use v1::change_event_record::State;
    match state {
        EventState::Pending => State::Pending,
        EventState::Running => State::Running,
        EventState::Done => State::Done,
        EventState::Failed => State::Failed,
        EventState::Ignored => State::Ignored,
    }
}

fn flag(flag: EventFlag) -> v1::change_event_record::Flag {
    use v1::change_event_record::Flag;
    match flag {
        EventFlag::UnknownProduct => Flag::UnknownProduct,
        EventFlag::NotInCatalog => Flag::NotInCatalog,
        EventFlag::FromTheFuture => Flag::FromTheFuture,
        EventFlag::Old => Flag::Old,
    }
}
