//! What is served, and what each path asks of its caller. What is not in this table
//! is not served.

use axum::routing::{MethodRouter, get};

use super::{App, probes};
use crate::gate::Needs;

/// One path.
pub struct Route {
    /// As axum writes it.
    pub path: &'static str,
    /// For each of its methods.
    pub needs: Needs,
    handle: fn() -> MethodRouter<App>,
}

impl Route {
    pub(super) fn handler(&self) -> MethodRouter<App> {
        (self.handle)()
    }
}

/// Every path.
pub const ROUTES: &[Route] = &[
    Route {
        path: "/livez",
        needs: Needs::Nothing,
        handle: || get(probes::live),
    },
    Route {
        path: "/readyz",
        needs: Needs::Nothing,
        handle: || get(probes::ready),
    },
];
