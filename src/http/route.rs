//! What is served, and what each path asks of its caller. What is not in this table
//! is not served.

use axum::http::Method;
use axum::routing::{MethodRouter, get, post};

use super::{App, crm, dashboard, metrics, probes, webhooks};
use crate::access::Role;
use crate::gate::Needs;

/// One path with one method.
pub struct Route {
    /// As HTTP has it. What is read with GET is with HEAD as well.
    pub method: Method,
    /// As axum writes it.
    pub path: &'static str,
    /// What a caller must be allowed to do.
    pub needs: Needs,
    pub(super) handle: fn() -> MethodRouter<App>,
}

impl Route {
    pub(super) fn handler(&self) -> MethodRouter<App> {
        (self.handle)()
    }
}

/// Open to everybody where the configuration says so.
pub(super) const METRICS: &str = "/metrics";

/// Every path with every method.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().chain(dashboard::ROUTES)
}

const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/livez",
        needs: Needs::Nothing,
        handle: || get(probes::live),
    },
    Route {
        method: Method::GET,
        path: "/readyz",
        needs: Needs::Nothing,
        handle: || get(probes::ready),
    },
    Route {
        method: Method::GET,
        path: METRICS,
        needs: Needs::Role(Role::Viewer),
        handle: || get(metrics::show),
    },
    // Who signs needs no key of ours.
    Route {
        method: Method::POST,
        path: "/webhooks/stripe",
        needs: Needs::Nothing,
        handle: || post(webhooks::receive),
    },
    Route {
        method: Method::GET,
        path: "/api/stripe/product-mapping",
        needs: Needs::Role(Role::Viewer),
        handle: || get(crm::product_mapping),
    },
    Route {
        method: Method::GET,
        path: "/api/admin/stripe/sync-products",
        needs: Needs::Role(Role::Viewer),
        handle: || get(crm::sync_status),
    },
    Route {
        method: Method::POST,
        path: "/api/admin/stripe/sync-products",
        needs: Needs::Role(Role::Operator),
        handle: || post(crm::sync_products),
    },
];
