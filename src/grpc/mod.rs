//! The gRPC services: [`serve`] on a socket, [`in_process`] without one.
//!
//! A service checks and converts a request, asks the engine's handle or the
//! store, and converts the answer. What a request starts belongs to the engine:
//! no call's end stops it.
//!
//! | file | what it holds |
//! |---|---|
//! | `sync`, `watch`, `catalog`, `events` | the services, and the stream of a run |
//! | `convert`, `page`, `status` | messages to values and back; pages of lists; errors |
//! | `layers`, `access` | what happens around every call; what each asks of its caller |
//! | `server` | on a socket, or in memory |
//! | `probe` | what a fuzzer looks at |

mod access;
mod catalog;
mod convert;
mod events;
mod layers;
mod page;
pub(crate) mod probe;
mod server;
mod status;
mod sync;
mod watch;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

pub use self::access::Open;
pub use self::server::{STALLED_AFTER, Serving, in_process, serve};
use crate::access::Principal;
use crate::engine::{self, CatalogStatus, Engine};
use crate::gate::Gate;
use crate::metrics::Rpc;
use crate::plan::AccountRef;
use crate::proto::v1;
use crate::store::{self, Outcome, Page, ResultFilter, Run, RunId};
use crate::stripe::Links;

/// How many failed products a run shows.
const MAX_FAILURES: u32 = 50;
/// And how many bytes of them: with what comes along, an answer stays below the
/// 4 MiB that clients take by default.
const MAX_FAILURE_BYTES: usize = 1024 * 1024;

/// What a status tells that the engine does not know.
pub struct About {
    /// Whether the far side is the built-in sandbox: no links to Stripe then.
    pub sandbox: bool,
    /// `catalog.id`.
    pub catalog_id: String,
    /// `catalog.root`, absolute.
    pub catalog_root: String,
    /// `catalog.rules`: a preset's name or a file.
    pub rules: String,
    /// When the process started.
    pub start_time: store::Timestamp,
    /// The service's version.
    pub version: &'static str,
    /// The commit it was built from.
    pub commit: Option<&'static str>,
    /// Requests to Stripe that are allowed a second, and how much of that was
    /// used over the last second, 0 to 1.
    pub budget: Arc<dyn Fn() -> (f64, f64) + Send + Sync>,
}

/// The services over one engine; clones share it.
#[derive(Clone)]
pub struct Service {
    engine: Engine,
    about: Arc<About>,
    /// Open streams end with it.
    shutdown: CancellationToken,
    /// Counts every call.
    rpc: Rpc,
    /// Whom open watches ask whether they may go on.
    gate: Gate,
    last_end: Arc<Mutex<Option<End>>>,
    /// Whose first page was asked for last, if others follow: they go on in it.
    listed: Arc<Mutex<Option<Arc<CatalogStatus>>>>,
}

/// The end of a run as every watcher of it is told: read once, not ten thousand
/// times.
#[derive(Clone)]
struct End {
    run: RunId,
    message: Arc<OnceCell<v1::SyncRun>>,
}

impl Service {
    /// The services over this engine.
    pub fn new(engine: Engine, about: impl Into<Arc<About>>) -> Self {
        Self {
            engine,
            about: about.into(),
            shutdown: CancellationToken::new(),
            rpc: access::rpc(),
            gate: Gate::in_process(),
            last_end: Arc::default(),
            listed: Arc::default(),
        }
    }

    /// What counts its calls.
    pub fn metrics(&self) -> &Rpc {
        &self.rpc
    }

    fn links<'a>(&self, at: Option<&'a AccountRef>) -> Links<'a> {
        Links::new(at, self.about.sandbox)
    }

    /// A run with its first failures.
    async fn whole(&self, run: &Run) -> Result<v1::SyncRun, Status> {
        let mut whole = convert::run::whole(run);
        if run.counts.failed > 0 {
            let filter = ResultFilter {
                outcomes: vec![Outcome::Failed],
                ..ResultFilter::default()
            };
            let page = Page {
                after: None,
                limit: MAX_FAILURES,
            };
            let rows = self.engine.store().results(&run.id, &filter, &page).await;
            let rows = rows.map_err(|error| status::store(&error))?;
            let links = self.links(run.at.as_ref());
            let failures = rows.iter().map(|row| convert::run::result(row, links));
            whole.failures = page::fit(failures, MAX_FAILURE_BYTES);
        }
        Ok(whole)
    }

    /// A run that has ended, with its first failures.
    async fn ended(&self, run: &Run) -> Result<v1::SyncRun, Status> {
        let end = {
            let mut last = self.last_end.lock().unwrap_or_else(PoisonError::into_inner);
            match &*last {
                Some(end) if end.run == run.id => end.clone(),
                Some(_) | None => last
                    .insert(End {
                        run: run.id.clone(),
                        message: Arc::default(),
                    })
                    .clone(),
            }
        };
        end.message
            .get_or_try_init(|| self.whole(run))
            .await
            .cloned()
    }
}

/// Who asks, as runs and events remember it.
fn actor<T>(request: &Request<T>) -> String {
    let principal = request.extensions().get::<Arc<Principal>>();
    principal.map(|who| who.actor()).unwrap_or_default()
}

/// Carries a request out whether or not its caller waits for the end.
async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, engine::Error>> + Send + 'static,
) -> Result<T, Status> {
    let done = engine::detached(work).await;
    done.map_err(|error| status::engine(&error))
}

/// What `ListProducts` says of a catalog, on one page: for whoever has the
/// catalog and no service.
pub fn products(catalog: &crate::catalog::Catalog) -> v1::ListProductsResponse {
    v1::ListProductsResponse {
        products: catalog
            .products
            .values()
            .map(|entry| convert::catalog::product(entry, 0))
            .collect(),
        pushed_version: 0,
        next_page_token: String::new(),
        total_size: i32::try_from(catalog.products.len()).unwrap_or(i32::MAX),
        source_problems: catalog
            .all_problems()
            .take(convert::MAX_REMARKS)
            .map(|(rule, problem)| convert::catalog::problem(rule, problem))
            .collect(),
    }
}
