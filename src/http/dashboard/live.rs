//! What pages are told while they are open: the same parts that they were made of,
//! again, whenever something changed. Whole parts, so that one that was missed is
//! made up for by the next.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::page::Failed;
use super::run::{self, Asked};
use super::shell::{self, Reader};
use super::view::parts::Named as _;
use super::{overview, page};
use crate::access::Principal;
use crate::engine::progress::RunLog;
use crate::gate::{Gate, Slot};
use crate::http::App;
use crate::store::{Run, RunId, RunState, Stage};

/// Nobody reads faster, and a run of thousands of products tells more.
const PACE: Duration = Duration::from_millis(400);
/// How often the overview is looked at without a reason: what others do is not told.
const LOOK: Duration = Duration::from_secs(5);
const PING: Duration = Duration::from_secs(15);
/// How often it is looked whether the reader's key still holds.
const RECHECK: Duration = Duration::from_secs(15);
/// After this a page connects anew.
const LASTS: Duration = Duration::from_secs(15 * 60);

/// Tells one page.
struct Teller(mpsc::Sender<Result<Event, Infallible>>);

/// The page is gone.
struct Gone;

impl Teller {
    async fn part(&self, name: &str, part: &impl Template) -> Result<(), Gone> {
        let html = part.render().unwrap_or_default();
        self.text(name, &html).await
    }

    async fn text(&self, name: &str, text: &str) -> Result<(), Gone> {
        // A carriage return would end a line of the stream.
        let event = Event::default().event(name).data(text.replace('\r', ""));
        self.0.send(Ok(event)).await.map_err(|_| Gone)
    }
}

/// `/live`: what the overview shows.
pub(in crate::http) async fn overview(State(app): State<App>, reader: Reader) -> Response {
    let Some(watcher) = watch(&app, &reader) else {
        return busy();
    };
    stream(&app.clone(), watcher, move |teller| async move {
        let mut begun = app.engine.begun();
        let mut said = String::new();
        loop {
            let Ok(()) = tell_overview(&app, &teller, &mut said).await else {
                return;
            };
            let current = app.engine.current().borrow().clone();
            let changed = async {
                match &current {
                    Some(log) => drop(log.changes().changed().await),
                    None => drop(begun.changed().await),
                }
                tokio::time::sleep(PACE).await;
            };
            // Whichever comes first.
            let _looked = tokio::time::timeout(LOOK, changed).await;
        }
    })
}

async fn tell_overview(app: &App, teller: &Teller, said: &mut String) -> Result<(), Gone> {
    let parts = async {
        let whose = shell::whose(app).await?;
        let status = app.engine.status().await?;
        let runs = overview::runs(app, &whose, &status).await?;
        Ok::<_, Failed>((status, runs))
    };
    // The page stays as it was; the next look may go better.
    let Ok((status, runs)) = parts.await else {
        return Ok(());
    };
    let headline = overview::headline(&status, app.engine.now());
    teller.part("headline", &headline).await?;
    teller
        .part("findings", &overview::findings(status.validation.as_ref()))
        .await?;
    teller.part("runs", &runs).await?;
    teller.part("queue", &overview::queue(&status)).await?;
    teller.part("budget", &overview::budget(app)).await?;
    if *said != headline.title {
        teller.text("said", &headline.title).await?;
        said.clone_from(&headline.title);
    }
    Ok(())
}

/// `/runs/{id}/live`: what a run's page shows, until the run is over.
pub(in crate::http) async fn run(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let id = RunId::new(id);
    let followed = app.engine.follow(&id).await;
    let log = match followed {
        Ok(log) => log,
        Err(error) => return Failed::from(error).page(&reader),
    };
    let Some(watcher) = watch(&app, &reader) else {
        return busy();
    };
    stream(&app.clone(), watcher, move |teller| async move {
        let told = OfRun {
            app,
            reader,
            asked,
            teller,
        };
        let _gone = told.follow(&id, log).await;
    })
}

/// One page of one run.
struct OfRun {
    app: App,
    reader: Reader,
    asked: Asked,
    teller: Teller,
}

impl OfRun {
    async fn follow(&self, id: &RunId, log: Option<Arc<RunLog>>) -> Result<(), Gone> {
        let mut said = None;
        if let Some(log) = log {
            let mut changed = log.changes();
            loop {
                changed.mark_unchanged();
                let run = log.snapshot();
                if run.state.is_final() {
                    break;
                }
                self.tell(&run, &mut said).await?;
                if changed.changed().await.is_err() {
                    break;
                }
                tokio::time::sleep(PACE).await;
            }
        }
        if let Ok(run) = self.app.engine.run(id).await {
            self.tell(&run, &mut said).await?;
        }
        self.teller.text("finished", "over").await
    }

    async fn tell(&self, run: &Run, said: &mut Option<(RunState, Stage)>) -> Result<(), Gone> {
        let (teller, engine) = (&self.teller, &self.app.engine);
        let parts = async {
            let whose = shell::whose(&self.app).await?;
            let results = run::results(engine, run, &whose, &self.asked).await?;
            let problem = run::problem(run, whose.ids());
            Ok::<_, Failed>((results, problem))
        };
        teller.part("facts", &run::facts(run, engine.now())).await?;
        let progress = run::progress(run);
        teller.part("progress", &progress).await?;
        teller
            .part("actions", &run::actions(run, &self.reader))
            .await?;
        if let Ok((results, problem)) = parts.await {
            teller.part("results", &results).await?;
            if let Some(problem) = problem {
                teller.part("problem", &problem).await?;
            }
        }
        let now = (run.state, run.stage);
        if *said != Some(now) {
            let words = match run.state.is_final() {
                true => progress.state.label(),
                false => progress.stage.label(),
            };
            teller.text("said", words).await?;
            *said = Some(now);
        }
        Ok(())
    }
}

/// Who is told, and the place that takes among the open watches.
struct Watcher {
    principal: Arc<Principal>,
    _slot: Slot,
}

fn watch(app: &App, reader: &Reader) -> Option<Watcher> {
    let principal = reader.principal.clone()?;
    let slot = app.door.gate.watch(&principal).ok()?;
    Some(Watcher {
        principal,
        _slot: slot,
    })
}

impl Watcher {
    /// Until its key does not hold any more.
    async fn locked_out(&self, gate: &Gate) {
        loop {
            tokio::time::sleep(RECHECK).await;
            if gate.is_still_admitted(&self.principal).await.is_err() {
                return;
            }
        }
    }
}

fn busy() -> Response {
    page::sentence(
        StatusCode::TOO_MANY_REQUESTS,
        "Too many pages are being told of changes. Close some, or load this page again later.",
    )
}

fn stream<F>(app: &App, watcher: Watcher, tell: impl FnOnce(Teller) -> F) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(16);
    let telling = tell(Teller(sender));
    let (shutdown, gate) = (app.shutdown.clone(), app.door.gate.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = telling => {}
            () = watcher.locked_out(&gate) => {}
            () = tokio::time::sleep(LASTS) => {}
            () = shutdown.cancelled() => {}
        }
    });
    answer(ReceiverStream::new(receiver))
}

fn answer(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let alive = KeepAlive::new().interval(PING);
    let mut answer = Sse::new(events).keep_alive(alive).into_response();
    page::protect(answer.headers_mut());
    // nginx holds answers back otherwise.
    let accelerate = header::HeaderName::from_static("x-accel-buffering");
    answer
        .headers_mut()
        .insert(accelerate, HeaderValue::from_static("no"));
    answer
}
