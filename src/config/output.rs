//! `[alerts]`, `[reports]` and `[telemetry]`: whom we tell.

use std::path::PathBuf;

use super::address;
use super::key::Mode;
use super::raw::Raw;
use super::reader::Reader;
use super::secret::Secret;
use super::value::{Value, checked, text_enum};

text_enum! {
    /// The body of an alert.
    pub enum AlertFormat {
        /// Our own fields.
        Json = "json",
        /// What Slack's incoming webhooks take.
        Slack = "slack",
    }
}

text_enum! {
    /// The shape of log lines.
    pub enum LogFormat {
        /// Pretty on a terminal, else JSON.
        Auto = "auto",
        /// A JSON object in each line.
        Json = "json",
        /// For people.
        Pretty = "pretty",
    }
}

text_enum! {
    /// The least severe lines that are logged.
    pub enum LogLevel {
        /// Only failures.
        Error = "error",
        /// And what may become one.
        Warn = "warn",
        /// And what happened.
        Info = "info",
        /// And how.
        Debug = "debug",
        /// And every step.
        Trace = "trace",
    }
}

/// `[alerts]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertsConfig {
    /// Where alerts are posted; `None`: nowhere. Secret, since whoever has a
    /// chat's webhook address can post there.
    pub url: Option<Secret>,
    /// Signs each post.
    pub secret: Option<Secret>,
    /// The body's shape.
    pub format: AlertFormat,
}

impl AlertsConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        Self {
            url: r.optional::<AlertUrl>("alerts.url").map(|url| url.0),
            secret: r.optional("alerts.secret"),
            format: r.required("alerts.format"),
        }
    }
}

/// An address with its own secret in the path.
struct AlertUrl(Secret);

impl Value for AlertUrl {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let secret = Secret::parse(raw)?;
        address::web_url(secret.expose())?;
        Ok(Self(secret))
    }

    fn show(&self) -> String {
        let host = self
            .0
            .expose()
            .parse()
            .ok()
            .and_then(|uri: http::Uri| uri.host().map(str::to_owned));
        host.map_or_else(|| "***".to_owned(), |host| format!("{host}/***"))
    }
}

/// `[reports]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportsConfig {
    /// The folder of the reports; made when missing.
    pub dir: PathBuf,
    /// The label in them.
    pub environment: String,
}

impl ReportsConfig {
    pub(super) fn read(r: &mut Reader, mode: Mode) -> Self {
        let environment = r.optional::<Environment>("reports.environment");
        let environment = environment.map_or_else(|| mode.to_string(), |name| name.0);
        r.resolved("reports.environment", environment.clone());
        Self {
            dir: r.required("reports.dir"),
            environment,
        }
    }
}

/// A label.
struct Environment(String);

impl Value for Environment {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = String::parse(raw)?;
        let ok = !text.is_empty() && text.len() <= 100 && !text.chars().any(char::is_control);
        checked(&text, ok, "a label such as production").map(Self)
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// `[telemetry]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// The shape of log lines.
    pub log_format: LogFormat,
    /// The least severe lines that are logged.
    pub log_level: LogLevel,
}

impl TelemetryConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        Self {
            log_format: r.required("telemetry.log_format"),
            log_level: r.required("telemetry.log_level"),
        }
    }
}
