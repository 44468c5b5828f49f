//! `[alerts]`, `[reports]` and `[telemetry]`: whom we tell.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

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

/// What can be guessed signs nothing.
const SHORTEST_KEY: usize = 16;

/// `[alerts]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertsConfig {
    /// Where alerts are posted; `None`: nowhere. Secret, since whoever has a
    /// chat's webhook address can post there.
    pub url: Option<Secret>,
    /// Signs each post.
    pub secret: Option<SigningKey>,
    /// The body's shape.
    pub format: AlertFormat,
    /// What was posted and happens again is posted again after so long.
    pub repeat: Duration,
    /// A change event that has waited for longer is told of.
    pub queue_age: Duration,
}

impl AlertsConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        Self {
            url: r.optional::<AlertUrl>("alerts.url").map(|url| url.0),
            secret: r.optional("alerts.secret"),
            format: r.required("alerts.format"),
            repeat: r.required("alerts.repeat"),
            queue_age: r.required("alerts.queue_age"),
        }
    }
}

/// What signs alerts: `whsec_` and base64, as receivers' libraries take it, or any
/// other text, of which the bytes are the key. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// The key itself.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Value for SigningKey {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let secret = Secret::parse(raw)?;
        let text = secret.expose().trim();
        let key = match text.strip_prefix("whsec_") {
            None => text.as_bytes().to_vec(),
            Some(coded) => STANDARD.decode(coded).map_err(|_| {
                "is whsec_ with something behind it that is not base64: copy it again".to_owned()
            })?,
        };
        if key.len() < SHORTEST_KEY {
            return Err(format!(
                "is too short: at least {SHORTEST_KEY} bytes, such as whsec_ and the output of `openssl rand -base64 32`"
            ));
        }
        Ok(Self(key))
    }

    fn show(&self) -> String {
        "***".to_owned()
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
