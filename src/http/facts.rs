//! What the dashboard tells that the engine does not know.

use std::sync::Arc;

use crate::metrics::Source;
use crate::store::Timestamp;

/// The service as it was started.
pub struct Facts {
    /// Whether the far side is the built-in sandbox: no links to Stripe then.
    pub sandbox: bool,
    /// `catalog.root`, absolute.
    pub catalog_root: String,
    /// When the process started.
    pub start_time: Timestamp,
    /// The service's version, with the commit it was built from where that is known.
    pub build: String,
    /// Requests to Stripe that are allowed a second, and how much of that was used over
    /// the last second, 0 to 1.
    pub budget: Arc<dyn Fn() -> (f64, f64) + Send + Sync>,
    /// What of that the configuration allows.
    pub rate_limit: f64,
    /// Stripe's API version that is spoken.
    pub api_version: String,
    /// Where gRPC is, for commands that are shown: `127.0.0.1:50051`.
    pub grpc: String,
    /// Whether both servers speak TLS.
    pub is_tls: bool,
    /// What is counted elsewhere.
    pub counted: Vec<Arc<dyn Source>>,
    /// The configuration in force, secrets redacted.
    pub settings: Vec<Setting>,
}

/// One setting.
pub struct Setting {
    /// `section.key`.
    pub key: String,
    /// For people; `***` for a secret.
    pub value: String,
    /// Where it comes from.
    pub place: Place,
}

/// Where a setting comes from.
pub enum Place {
    /// It is built in.
    Default,
    /// A file, with the line where there is one.
    File(String),
    /// A variable.
    Environment(String),
    /// A flag.
    Flag(String),
}
