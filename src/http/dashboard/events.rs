//! `/events`: what the CRM and Stripe told, and what became of it.

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::page::{Failed, shown};
use super::query::Address;
use super::shell::{self, Reader};
use super::view::events::{EventRow as Row, EventsPage};
use super::view::parts::{Change, Choice, Empty, Icon, Named as _, Notice, Pager, Tab, Tone};
use super::view::shell::Page as Nav;
use super::words;
use crate::access::Role;
use crate::http::App;
use crate::store::{
    Code as _, EventFilter, EventFlag, EventRow, EventSource, EventState, NewEvent, Page, Timestamp,
};

const PAGE: u32 = 50;
/// Fields of one change that are shown.
const FIELDS: usize = 12;
/// Characters of one value.
const LONGEST: usize = 120;

/// The address's query.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::http) struct Asked {
    state: String,
    r#type: String,
    product: String,
    after: String,
    /// How many were put back in line just now.
    replayed: Option<u64>,
}

pub(in crate::http) async fn show(
    State(app): State<App>,
    reader: Reader,
    Query(asked): Query<Asked>,
) -> Response {
    shown(&reader, fill(&app, &reader, &asked).await)
}

async fn fill(app: &App, reader: &Reader, asked: &Asked) -> Result<EventsPage, Failed> {
    let whose = shell::whose(app).await?;
    let mut shell = shell::shell(&app.engine, &whose, reader, "Change events", Nav::Events).await?;
    if let Some(count) = asked.replayed {
        shell.notices.push(Notice {
            tone: Tone::Ok,
            title: match count {
                1 => "1 event is back in line".to_owned(),
                n => format!("{n} events are back in line"),
            },
            text: "Its run follows within seconds.".to_owned(),
            link: None,
        });
    }
    let filter = EventFilter {
        states: EventState::from_code(&asked.state).into_iter().collect(),
        event_types: Some(asked.r#type.clone())
            .into_iter()
            .filter(|is| !is.is_empty())
            .collect(),
        product_id: asked.product.clone(),
        ..EventFilter::default()
    };
    let wanted = Page {
        after: Some(asked.after.clone()).filter(|after| !after.is_empty()),
        limit: PAGE + 1,
    };
    let mut rows = app.engine.events(&filter, &wanted).await?;
    let plain = Address::new("/events")
        .with("type", &asked.r#type)
        .with("product", &asked.product);
    let address = plain.clone().with("state", &asked.state);
    let next = super::query::next(&mut rows, PAGE);
    let next = next.map(|row| {
        address
            .clone()
            .with("after", &row.ordinal.to_string())
            .to_string()
    });
    let is_filtered = !address.is_plain();
    let now = app.engine.now();
    let csrf = replay_token(reader);
    let tab = |label: &str, value: &str, count: Option<u64>| Tab {
        href: plain.clone().with("state", value).to_string(),
        label: label.to_owned(),
        count,
        on: asked.state == value,
    };
    let given_up = shell.given_up;
    let states = EventState::ALL.iter().map(|state| {
        let count = match state {
            EventState::Failed => Some(given_up).filter(|count| *count > 0),
            EventState::Pending | EventState::Running | EventState::Done | EventState::Ignored => {
                None
            }
        };
        tab(state.label(), state.code(), count)
    });
    Ok(EventsPage {
        filters: std::iter::once(tab("All", "", None))
            .chain(states)
            .collect(),
        types: types(app, &rows, &asked.r#type),
        state: asked.state.clone(),
        product: asked.product.clone(),
        given_up,
        rows: rows.iter().map(|event| row(event, now, &csrf)).collect(),
        empty: Empty {
            icon: Icon { name: "inbox" },
            title: if is_filtered {
                "No event is like that"
            } else {
                "No change events yet"
            }
            .to_owned(),
            text: match is_filtered {
                true => "Choose other filters, or none.".to_owned(),
                false => "The CRM sends them with EmitChangeEvents, Stripe by webhook.".to_owned(),
            },
            link: None,
        },
        pager: Pager {
            first: (!asked.after.is_empty()).then(|| address.to_string()),
            next,
        },
        shell,
    })
}

/// What the form of a row carries; empty: it has none.
fn replay_token(reader: &Reader) -> String {
    match (reader.gate(Role::Operator).shut(), reader.csrf()) {
        (true, _) => String::new(),
        // Without a login forms carry nothing, and need nothing.
        (false, csrf) if csrf.is_empty() => "none".to_owned(),
        (false, csrf) => csrf,
    }
}

fn types(app: &App, rows: &[EventRow], chosen: &str) -> Vec<Choice> {
    let known = app.engine.settings().trigger_events.iter().cloned();
    let seen = rows.iter().map(|row| row.event.event_type.clone());
    let chosen = Some(chosen.to_owned()).filter(|is| !is.is_empty());
    let all: std::collections::BTreeSet<String> = known.chain(seen).chain(chosen.clone()).collect();
    let choice = |value: String, label: String| Choice {
        on: chosen.as_ref().map_or(value.is_empty(), |is| *is == value),
        value,
        label,
    };
    let all = all.into_iter().map(|name| choice(name.clone(), name));
    std::iter::once(choice(String::new(), "Any type".to_owned()))
        .chain(all)
        .collect()
}

/// One event in a list; `csrf` of the form that replays it, empty: none.
pub(super) fn row(row: &EventRow, now: Timestamp, csrf: &str) -> Row {
    let event = &row.event;
    let who = match (event.user_id.as_str(), event.actor.as_str()) {
        ("", actor) => actor.to_owned(),
        (user, "") => user.to_owned(),
        (user, actor) => format!("{user}, by {actor}"),
    };
    Row {
        id: event.event_id.clone(),
        event_type: event.event_type.clone(),
        product_type: event.product_type.clone(),
        product_id: event.product_id.clone(),
        changes: changes(event),
        received: words::moment(event.receive_time, now),
        state: row.state,
        run_id: row.run.as_ref().map(ToString::to_string),
        result: event.message.clone(),
        flags: event
            .flags
            .iter()
            .map(|flag| flag_words(*flag).to_owned())
            .collect(),
        next_attempt: match row.state {
            EventState::Pending => row.next_time.map(|time| words::moment(time, now)),
            EventState::Running | EventState::Done | EventState::Failed | EventState::Ignored => {
                None
            }
        },
        attempts: row.attempts.into(),
        actor: who,
        csrf: csrf.to_owned(),
    }
}

fn flag_words(flag: EventFlag) -> &'static str {
    match flag {
        EventFlag::UnknownProduct => "No such product is known",
        EventFlag::NotInCatalog => "The catalog does not show it",
        EventFlag::FromTheFuture => "It says that it happened later than it came",
        EventFlag::Old => "It happened more than a day before it came",
    }
}

/// `{field: {from, to}}`, and whatever else the CRM sent.
fn changes(event: &NewEvent) -> Vec<Change> {
    let fields = event.changes.as_ref().and_then(Value::as_object);
    let fields = fields.into_iter().flatten();
    // Beside what changed it has the object's id.
    let is_change = |field: &str| event.source == EventSource::Crm || field != "id";
    let fields = fields.filter(|(field, _)| is_change(field));
    let shown = fields.take(FIELDS).map(|(field, value)| {
        let (from, to) = match value.as_object() {
            Some(change) if change.contains_key("to") || change.contains_key("from") => {
                (change.get("from").map(text), change.get("to").map(text))
            }
            Some(_) | None => (None, Some(text(value))),
        };
        Change {
            field: short(field),
            from: from.unwrap_or_default(),
            to: to.unwrap_or_default(),
        }
    });
    shown.collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => short(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            short(&value.to_string())
        }
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
