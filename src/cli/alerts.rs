//! `alerts list` and `alerts test`: what is wrong, and whether it can be told.

use std::sync::Arc;

use super::args;
use super::connect::{Session, Target};
use super::exit::{Exit, Failure};
use super::local::Role;
use super::output::{Paint, Printer};
use super::{Context, Logs, format, json};
use crate::alerts::{Format, Settings, Webhook};
use crate::config::{AlertFormat, AlertsConfig, Config};
use crate::engine::alerts::{AlertReceiver, AlertRules, Alerter};
use crate::engine::{Engine, clock};
use crate::proto::v1::{Alert, GetStatusRequest};

pub(super) async fn run(context: &Context, args: &args::Alerts) -> Result<Exit, Failure> {
    match args {
        args::Alerts::List => {
            let target = Target::of(context)?;
            let session = target.session(Role::Reads).await?;
            let ended = list(context, &session).await;
            session.close().await;
            ended
        }
        args::Alerts::Test => test(context).await,
    }
}

async fn list(context: &Context, session: &Session) -> Result<Exit, Failure> {
    let printer = &context.printer;
    let status = session.sync().get_status(GetStatusRequest {}).await?;
    let status = status.into_inner();
    if printer.is_json() {
        printer.line(json::pretty("GetStatusResponse", &status)?);
    } else if status.alerts.is_empty() {
        printer.line("Nothing is wrong.");
    } else {
        show(printer, &status.alerts);
    }
    Ok(Exit::Done)
}

/// Alerts as paragraphs: their sentences are too long for a table.
pub(super) fn show(printer: &Printer, alerts: &[Alert]) {
    let now = clock::system()();
    for alert in alerts {
        let times = match alert.count {
            1 => String::new(),
            count => format!(", found {count} times"),
        };
        let since = format::ago(alert.first_time.as_ref(), now);
        let title = printer.paint(Paint::Bad, &alert.title);
        printer.line(format!("{title} (since {since}{times})"));
        printer.line(format!("  {}", alert.message));
        for detail in &alert.details {
            printer.line(format!("  - {detail}"));
        }
        if !alert.hint.is_empty() {
            printer.line(format!("  What to do: {}", alert.hint));
        }
        if !alert.post_error.is_empty() {
            printer.line(format!(
                "  It could not be posted: {}; it is tried again.",
                alert.post_error
            ));
        }
    }
}

/// Needs neither the service nor a database.
async fn test(context: &Context) -> Result<Exit, Failure> {
    let config = context.config(Logs::Command, Vec::new())?;
    let Some(webhook) = webhook(&config.alerts) else {
        return Err(
            Failure::usage("alerts.url is not set: alerts are posted nowhere")
                .hint("set it to where they are to be posted, or read them with `alerts list`"),
        );
    };
    let now = clock::system()();
    let sent = webhook.test(&config.reports.environment, now).await;
    sent.map_err(|error| {
        Failure::new(
            Exit::Unreachable,
            format!("the test could not be posted to alerts.url: {error}"),
        )
    })?;
    context.printer.line("The test was taken.");
    Ok(Exit::Done)
}

/// Who looks for what is wrong, for the service.
pub(super) fn alerter(engine: Engine, config: &Config) -> Alerter {
    let alerts = &config.alerts;
    let rules = AlertRules {
        repeat: alerts.repeat,
        queue_age: alerts.queue_age,
    };
    let receiver = webhook(alerts).map(|webhook| Arc::new(webhook) as Arc<dyn AlertReceiver>);
    Alerter::new(engine, rules, receiver)
}

fn webhook(alerts: &AlertsConfig) -> Option<Webhook> {
    let url = alerts.url.as_ref()?;
    Some(Webhook::new(Settings {
        url: url.expose().to_owned(),
        key: alerts.secret.as_ref().map(|key| key.bytes().to_vec()),
        format: match alerts.format {
            AlertFormat::Json => Format::Json,
            AlertFormat::Slack => Format::Slack,
        },
    }))
}
