//! The dashboard: pages that work without scripts, and are live with them.
//!
//! | file | what it does |
//! |---|---|
//! | `overview`, `preview`, `runs`, `run`, `products`, `product`, `drift`, `events`, `schedules`, `configuration` | fill the page of that name |
//! | `actions` | what forms do |
//! | `live` | tells open pages what changed |
//! | `session` | the login: an API key in a cookie |
//! | `shell`, `page`, `words`, `query` | what all pages share |
//! | `view`, `templates`, `assets` | what they look like |

mod actions;
mod assets;
mod configuration;
mod drift;
mod events;
mod live;
mod overview;
mod page;
mod preview;
mod product;
mod products;
mod query;
mod run;
mod runs;
mod schedules;
mod session;
mod shell;
#[expect(
    unreachable_pub,
    reason = "what templates see stands in modules of its own"
)]
mod view;
mod words;

use axum::http::Method;
use axum::routing::{get, post};

pub(super) use self::page::{not_found, refused, sentence};
pub(super) use self::session::unfold;
use super::route::Route;
use crate::access::Role;
use crate::gate::Needs;

/// Below this is everything of it, so that a proxy has to forward one prefix.
pub(super) const BASE: &str = "/admin/stripe-sync";

const VIEWER: Needs = Needs::Role(Role::Viewer);
const OPERATOR: Needs = Needs::Role(Role::Operator);
const ADMIN: Needs = Needs::Role(Role::Admin);

macro_rules! routes {
    ($($method:ident $path:literal $needs:expr, $handler:path;)+) => {
        &[$(Route {
            method: Method::$method,
            path: $path,
            needs: $needs,
            handle: || routes!(@ $method $handler),
        },)+]
    };
    (@ GET $handler:path) => { get($handler) };
    (@ POST $handler:path) => { post($handler) };
}

/// Its paths.
pub(super) const ROUTES: &[Route] = routes! {
    GET "/" VIEWER, overview::show;
    GET "/admin/stripe-sync" VIEWER, overview::show;
    GET "/admin/stripe-sync/live" VIEWER, live::overview;
    GET "/admin/stripe-sync/preview" VIEWER, preview::show;
    GET "/admin/stripe-sync/runs" VIEWER, runs::show;
    GET "/admin/stripe-sync/runs/{id}" VIEWER, run::show;
    GET "/admin/stripe-sync/runs/{id}/live" VIEWER, live::run;
    GET "/admin/stripe-sync/products" VIEWER, products::show;
    GET "/admin/stripe-sync/products/{id}" VIEWER, product::show;
    GET "/admin/stripe-sync/drift" VIEWER, drift::show;
    GET "/admin/stripe-sync/events" VIEWER, events::show;
    GET "/admin/stripe-sync/schedules" VIEWER, schedules::show;
    GET "/admin/stripe-sync/configuration" VIEWER, configuration::show;
    GET "/admin/stripe-sync/login" Needs::Nothing, actions::login_page;
    GET "/admin/stripe-sync/assets/{name}" Needs::Nothing, assets::get;
    POST "/admin/stripe-sync/login" Needs::Nothing, actions::log_in;
    POST "/admin/stripe-sync/logout" VIEWER, actions::log_out;
    POST "/admin/stripe-sync/validate" VIEWER, actions::validate;
    POST "/admin/stripe-sync/preview" OPERATOR, actions::preview;
    POST "/admin/stripe-sync/sync" OPERATOR, actions::sync;
    POST "/admin/stripe-sync/apply" OPERATOR, actions::apply;
    POST "/admin/stripe-sync/runs/{id}/cancel" OPERATOR, actions::cancel;
    POST "/admin/stripe-sync/events/replay" OPERATOR, actions::replay;
    POST "/admin/stripe-sync/schedules/{name}/pause" ADMIN, actions::pause;
    POST "/admin/stripe-sync/schedules/{name}/resume" ADMIN, actions::resume;
};

/// Whether a path is one of the dashboard's, which are answered with pages.
pub(super) fn is_page(path: &str) -> bool {
    path == "/"
        || path
            .strip_prefix(BASE)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
