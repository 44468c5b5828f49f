//! The HTTP side: the dashboard, the endpoints that the CRM calls, what Stripe tells,
//! and what load balancers and orchestrators ask.
//!
//! | file | what it does |
//! |---|---|
//! | `route` | every path, with what it asks of its caller |
//! | `access`, `origin` | who is let in, and whose page a browser asks for |
//! | `dashboard` | what people see and do, in a browser |
//! | `crm` | the CRM's endpoints, with the answers they know |
//! | `webhooks` | what Stripe tells |
//! | `log` | a request's id, its place in a trace, a count and a line in the log |
//! | `metrics` | what is counted, for Prometheus |
//! | `probes` | whether the service lives and serves |
//! | `facts` | what the engine does not know of the service |
//! | `connections`, `body`, `error` | what they stand on |

mod access;
mod body;
mod connections;
mod crm;
mod dashboard;
mod error;
mod facts;
mod log;
mod metrics;
mod origin;
mod probes;
mod route;
mod webhooks;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler as _;
use axum::middleware::from_fn_with_state;
use tokio_util::sync::CancellationToken;

pub use self::facts::{Facts, Place, Setting};
pub use self::route::{Route, routes};
pub use self::webhooks::Secrets;
use crate::engine::Engine;
use crate::gate::{Gate, Needs};
use crate::metrics::{Web, Webhooks};
use crate::net;

/// Connections that were cut need a moment to notice.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);
/// Of a request's body, unless a route says otherwise.
const MAX_BODY: usize = 1024 * 1024;

/// Who is let in.
#[derive(Clone)]
pub struct Door {
    /// Passed by every request.
    pub gate: Gate,
    /// A proxy in front says whom it calls for.
    pub behind_proxy: bool,
    /// `/metrics` is for everybody.
    pub open_metrics: bool,
    /// Who signs webhooks.
    pub secrets: Secrets,
}

/// What the handlers work with.
#[derive(Clone)]
struct App {
    engine: Engine,
    door: Door,
    facts: Arc<Facts>,
    shutdown: CancellationToken,
    web: Web,
    webhooks: Webhooks,
}

impl App {
    /// Whether browsers reach it by https.
    fn is_secure(&self) -> bool {
        self.facts.is_tls || self.door.behind_proxy
    }
}

/// Serves until `shutdown` is cancelled, then lets requests under way end for as
/// long as `drain`; whatever is still open after that is cut.
///
/// # Errors
/// Where the listener fails for good.
pub async fn serve(
    engine: Engine,
    door: Door,
    facts: Arc<Facts>,
    listener: impl Into<net::Listener>,
    shutdown: CancellationToken,
    drain: Duration,
) -> io::Result<()> {
    let listener = listener.into();
    let app = App {
        engine,
        door,
        facts,
        shutdown: shutdown.clone(),
        web: Web::default(),
        webhooks: Webhooks::default(),
    };
    let cut = listener.cut();
    // Also when this future is dropped.
    let _cut_at_the_end = cut.clone().drop_guard();
    let serving = connections::serve(listener, router(app), shutdown.clone());
    let mut serving = std::pin::pin!(serving);
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        () = &mut serving => return Ok(()),
        () = too_late => {}
    }
    cut.cancel();
    // Those that do not notice are left behind.
    let _ended = tokio::time::timeout(CUT_TIMEOUT, serving).await;
    Ok(())
}

fn router(app: App) -> Router {
    let routes = routes().fold(Router::new(), |router, route| {
        let needs = match route.path {
            route::METRICS if app.door.open_metrics => Needs::Nothing,
            _ => route.needs,
        };
        let admit = from_fn_with_state((app.clone(), needs), access::admit);
        router.route(route.path, route.handler().layer(admit))
    });
    // Whoever asks for what is not there has a budget as well.
    let admit = from_fn_with_state((app.clone(), Needs::Nothing), access::admit);
    routes
        .fallback(error::not_found.layer(admit))
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(app.clone(), origin::guard))
        .layer(from_fn_with_state(app.web.clone(), log::tell))
        .with_state(app)
}
