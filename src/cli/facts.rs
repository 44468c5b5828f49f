//! What the dashboard tells of how the service was started.

use std::net::SocketAddr;
use std::sync::Arc;

use super::local::Local;
use crate::config::{Config, Place};
use crate::http::{self, Facts};
use crate::stripe::transport::STRIPE_VERSION;

impl Local {
    pub(super) fn facts(&self, config: &Config, grpc: SocketAddr) -> Arc<Facts> {
        let about = &self.about;
        let build = match about.commit {
            Some(commit) => format!("{} ({commit})", about.version),
            None => about.version.to_owned(),
        };
        Arc::new(Facts {
            sandbox: about.sandbox,
            catalog_root: about.catalog_root.clone(),
            start_time: about.start_time,
            build,
            budget: about.budget.clone(),
            rate_limit: config.stripe.rate_limit.into(),
            api_version: STRIPE_VERSION.to_owned(),
            grpc: grpc.to_string(),
            counted: vec![
                Arc::new(self.service.metrics().clone()),
                Arc::new(self.calls()),
            ],
            is_tls: config.tls.is_some(),
            settings: config.effective().iter().map(setting).collect(),
        })
    }
}

fn setting(setting: &crate::config::Setting) -> http::Setting {
    http::Setting {
        key: setting.key.clone(),
        value: setting.value.clone(),
        place: match &setting.place {
            Place::Default => http::Place::Default,
            Place::File { .. } => http::Place::File(setting.place.to_string()),
            Place::Env(name) => http::Place::Environment(name.clone()),
            Place::Flag(name) => http::Place::Flag(name.clone()),
        },
    }
}
