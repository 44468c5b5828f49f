//! `events emit`, `events list` and `events replay`: what the CRM says it changed.

use serde_json::Value;

use super::args;
use super::connect::{Session, Target};
use super::exit::{Exit, Failure};
use super::local::Role;
use super::output::Paint;
use super::table::Table;
use super::{Context, format, input, json};
use crate::proto::v1::change_event_record::State;
use crate::proto::v1::emit_change_events_response::{Result as EventResult, result::Outcome};
use crate::proto::v1::{
    ChangeEvent, ChangeEventRecord, EmitChangeEventsRequest, EmitChangeEventsResponse,
    ListChangeEventsRequest, ListChangeEventsResponse, ReplayChangeEventsRequest,
    ReplayChangeEventsResponse,
};

/// Events of one call, as many as the API takes.
const BATCH: usize = 1000;
const PAGE: i32 = 1000;

pub(super) async fn run(context: &Context, args: &args::Events) -> Result<Exit, Failure> {
    // Read before anything is opened: a mistake in them costs nothing.
    let events = match args {
        args::Events::Emit(emit) => given(emit)?,
        args::Events::List(_) | args::Events::Replay { .. } => Vec::new(),
    };
    let target = Target::of(context)?;
    let session = target.session(Role::Reads).await?;
    let ended = match args {
        args::Events::Emit(_) => emit(context, &session, events).await,
        args::Events::List(list) => show(context, &session, list).await,
        args::Events::Replay { ids, all_failed } => {
            replay(context, &session, ids, *all_failed).await
        }
    };
    session.close().await;
    ended
}

/// The events of the command line: one from its arguments, or a file's.
fn given(args: &args::EmitEvents) -> Result<Vec<ChangeEvent>, Failure> {
    let Some(file) = &args.file else {
        let changes = args.changes.as_deref().map(object).transpose()?;
        let event = serde_json::json!({
            "eventId": args.event_id,
            "eventType": args.event_type,
            "productType": args.product_type,
            "productId": args.product_id,
            "userId": args.user_id,
            "changes": changes,
        });
        return Ok(vec![json::read("ChangeEvent", event)?]);
    };
    let name = file.display();
    let text = input::read(file)?;
    let mut events = Vec::new();
    for value in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
        let value = value.map_err(|error| {
            Failure::usage(format!("{name} is not JSON: {error}"))
                .hint("give events as JSON objects, one after the other, or as an array of them")
        })?;
        for event in listed(value) {
            let number = events.len() + 1;
            let event = json::read("ChangeEvent", event)
                .map_err(|failure| failure.within(&format!("{name}, event {number}")))?;
            events.push(event);
        }
    }
    if events.is_empty() {
        return Err(Failure::usage(format!("{name} has no events")));
    }
    Ok(events)
}

fn object(text: &str) -> Result<Value, Failure> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Failure::usage("--changes is not a JSON object")),
        Err(error) => Err(Failure::usage(format!("--changes is not JSON: {error}"))),
    }
    .map_err(|failure| {
        failure.hint(r#"for example --changes '{"monthlyPrice": {"from": 29, "to": 35}}'"#)
    })
}

/// An event, an array of events, or a whole request.
fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(events) => events,
        Value::Object(mut fields) => match fields.remove("events") {
            Some(Value::Array(events)) => events,
            Some(_) | None => vec![Value::Object(fields)],
        },
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => vec![other],
    }
}

async fn emit(
    context: &Context,
    session: &Session,
    events: Vec<ChangeEvent>,
) -> Result<Exit, Failure> {
    let printer = &context.printer;
    let mut client = session.events();
    let mut results: Vec<EventResult> = Vec::new();
    for batch in events.chunks(BATCH) {
        let request = EmitChangeEventsRequest {
            events: batch.to_vec(),
        };
        let sent = client.emit_change_events(request).await;
        let sent = sent.map_err(|error| {
            let failure = Failure::from(error);
            match results.len() {
                0 => failure,
                kept => failure.within(&format!("the first {kept} are kept, the next")),
            }
        })?;
        results.extend(sent.into_inner().results);
    }
    let of = |outcome| results.iter().filter(|r| r.outcome() == outcome).count();
    let (accepted, invalid) = (of(Outcome::Accepted), of(Outcome::Invalid));
    if printer.is_json() {
        let response = EmitChangeEventsResponse { results };
        printer.line(json::pretty("EmitChangeEventsResponse", &response)?);
    } else {
        for (at, result) in results.iter().enumerate() {
            let (word, paint) = outcome(result.outcome());
            let id = match result.event_id.as_str() {
                "" => format!("event {}", at + 1),
                id => id.to_owned(),
            };
            let why = [result.field.as_str(), result.message.as_str()];
            let why: Vec<&str> = why.into_iter().filter(|text| !text.is_empty()).collect();
            let line = format!("{id} {} {}", printer.paint(paint, word), why.join(": "));
            printer.line(line.trim_end());
        }
    }
    if accepted > 0 && session.host().is_some() {
        printer
            .talk("kept; no service is running: `serve`, or the next `sync`, sees to what is kept");
    }
    Ok(if invalid > 0 {
        Exit::Failed
    } else {
        Exit::Done
    })
}

fn outcome(outcome: Outcome) -> (&'static str, Paint) {
    match outcome {
        Outcome::Unspecified => ("unknown", Paint::Plain),
        Outcome::Accepted => ("accepted", Paint::Good),
        Outcome::Duplicate => ("duplicate", Paint::Plain),
        Outcome::Ignored => ("ignored", Paint::Change),
        Outcome::Invalid => ("invalid", Paint::Bad),
    }
}

async fn show(
    context: &Context,
    session: &Session,
    args: &args::ListEvents,
) -> Result<Exit, Failure> {
    let limit = if args.limit == 0 {
        usize::MAX
    } else {
        args.limit
    };
    let mut request = ListChangeEventsRequest {
        page_size: i32::try_from(limit).map_or(PAGE, |limit| limit.min(PAGE)),
        states: args
            .states
            .iter()
            .map(|given| state(*given).into())
            .collect(),
        event_types: args.event_types.clone(),
        product_type: args.product_type.clone().unwrap_or_default(),
        product_id: args.product_id.clone().unwrap_or_default(),
        run_id: args.run_id.clone().unwrap_or_default(),
        user_id: args.user_id.clone().unwrap_or_default(),
        ..ListChangeEventsRequest::default()
    };
    let mut client = session.events();
    let mut events: Vec<ChangeEventRecord> = Vec::new();
    loop {
        let page = client
            .list_change_events(request.clone())
            .await?
            .into_inner();
        events.extend(page.events);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() || events.len() >= limit {
            break;
        }
    }
    events.truncate(limit);
    let printer = &context.printer;
    if printer.is_json() {
        let response = ListChangeEventsResponse {
            events,
            next_page_token: String::new(),
        };
        printer.line(json::pretty("ListChangeEventsResponse", &response)?);
        return Ok(Exit::Done);
    }
    if events.is_empty() {
        printer.talk("no events");
        return Ok(Exit::Done);
    }
    let has_senders = events.iter().any(|event| !event.actor.is_empty());
    let sent_by = if has_senders { "SENT BY" } else { "" };
    let mut table = Table::new(&[
        "EVENT", "RECEIVED", sent_by, "TYPE", "PRODUCT", "STATE", "RUN", "MESSAGE",
    ]);
    for event in &events {
        let product = [event.product_type.as_str(), event.product_id.as_str()];
        let product: Vec<&str> = product
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        let attempts = match event.attempts {
            0 | 1 => String::new(),
            attempts => format!(", attempt {attempts}"),
        };
        table.row([
            event.event_id.clone(),
            format::time(event.receive_time.as_ref()),
            event.actor.clone(),
            event.event_type.clone(),
            product.join(" "),
            format!("{}{attempts}", word(event.state())),
            event.run_id.clone(),
            event.message.clone(),
        ]);
    }
    printer.table(&table);
    Ok(Exit::Done)
}

fn word(state: State) -> &'static str {
    match state {
        State::Unspecified => "unknown",
        State::Pending => "pending",
        State::Running => "running",
        State::Done => "done",
        State::Failed => "failed",
        State::Ignored => "ignored",
    }
}

fn state(state: args::EventState) -> State {
    match state {
        args::EventState::Pending => State::Pending,
        args::EventState::Running => State::Running,
        args::EventState::Done => State::Done,
        args::EventState::Failed => State::Failed,
        args::EventState::Ignored => State::Ignored,
    }
}

async fn replay(
    context: &Context,
    session: &Session,
    ids: &[String],
    all_failed: bool,
) -> Result<Exit, Failure> {
    let request = ReplayChangeEventsRequest {
        event_ids: ids.to_vec(),
        all_failed,
    };
    let replayed = session.events().replay_change_events(request).await?;
    let replayed: ReplayChangeEventsResponse = replayed.into_inner();
    let printer = &context.printer;
    if printer.is_json() {
        printer.line(json::pretty("ReplayChangeEventsResponse", &replayed)?);
    } else {
        printer.line(format!(
            "{} back in line",
            format::count(replayed.replayed, "event")
        ));
    }
    for id in &replayed.not_failed {
        printer.warning(&format!("{id} is not stored, or has not failed"));
    }
    Ok(if replayed.not_failed.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}
