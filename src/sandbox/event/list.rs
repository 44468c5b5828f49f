//! `GET /v1/events`.
//! <https://docs.stripe.com/api/events/list>

use serde_json::Value;

use super::super::account::Account;
use super::super::error::ApiError;
use super::super::form::Node;
use super::super::list::{Paging, body};
use super::super::params::{Fields, TEXT};
use super::Event;

const MAX_TYPES: usize = 20;

#[derive(Debug)]
pub(in super::super) struct EventList {
    paging: Paging,
    /// Names, or groups with `*` as a wildcard.
    types: Option<Vec<String>>,
    delivery_success: Option<bool>,
}

impl EventList {
    pub(in super::super) fn fields(node: &Node) -> Result<Fields<'_>, ApiError> {
        Fields::new(
            node,
            "",
            &[
                "created",
                "delivery_success",
                "ending_before",
                "expand",
                "limit",
                "starting_after",
                "type",
                "types",
            ],
        )
    }

    pub(in super::super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let one = fields.text("type", TEXT)?;
        let many = fields.texts("types", TEXT)?;
        if one.is_some() && many.is_some() {
            return Err(ApiError::exclusive(&[
                "type".to_owned(),
                "types".to_owned(),
            ]));
        }
        if let Some(names) = &many {
            if names.len() > MAX_TYPES {
                return Err(ApiError::invalid(format!(
                    "Array types exceeded maximum {MAX_TYPES} allowed elements."
                ))
                .with_param("types"));
            }
            // Groups are documented for `type` only.
            if let Some(name) = names.iter().find(|name| name.contains('*')) {
                return Err(ApiError::invalid(format!(
                    "Invalid event type: {name}; a group of events can only be named by `type`."
                ))
                .with_param("types"));
            }
        }
        Ok(Self {
            paging: Paging::read(fields)?,
            types: one.map(|name| vec![name]).or(many),
            delivery_success: fields.boolean("delivery_success")?,
        })
    }

    fn keep(&self, event: &Event) -> bool {
        let name = event.kind.as_str();
        self.types
            .as_ref()
            .is_none_or(|types| types.iter().any(|pattern| is_named(pattern, name)))
            && self
                .delivery_success
                .is_none_or(|success| success == (event.pending_webhooks() == 0))
    }

    pub(in super::super) fn answer(&self, account: &Account, now: i64) -> Result<Value, ApiError> {
        let keep = |event: &Event| !event.is_old(now) && self.keep(event);
        let (page, more) =
            self.paging
                .page("event", &account.events, account.events.order(), keep)?;
        let data = page.into_iter().map(|event| event.render(account.live));
        Ok(body("/v1/events", data.collect(), more))
    }
}

fn is_named(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}
