//! What the dashboard's forms do. Each answers with the page that shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::page::{Failed, login, to};
use super::query::Address;
use super::session;
use super::shell::{self, Reader, Whose};
use super::view::login::LoginError;
use super::{BASE, query};
use crate::access::Token;
use crate::catalog::LocalId;
use crate::engine::{self, IfBusy, SyncRequest, detached};
use crate::gate::Refusal;
use crate::http::App;
use crate::reason;
use crate::store::{Job, Run, RunId, RunOptions, Trigger};

/// How long an apply is watched for being no plan of now any more.
const COMPARED: Duration = Duration::from_secs(20);
/// Local ids in one form.
const MAX_IDS: usize = 1000;

/// A form's fields.
struct Form(BTreeMap<String, Vec<String>>);

impl Form {
    /// Reads it, and sees that it is one of this login's.
    fn read(reader: &Reader, body: &Bytes) -> Result<Self, Failed> {
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            fields
                .entry(name.into_owned())
                .or_default()
                .push(value.into_owned());
        }
        let form = Self(fields);
        let is_own = reader
            .session
            .as_ref()
            .is_none_or(|session| session.allows(form.text("csrf")));
        if !is_own {
            return Err(Failed::BadForm(
                "The form belongs to another login, or to none.",
            ));
        }
        Ok(form)
    }

    fn text(&self, name: &str) -> &str {
        let first = self.0.get(name).and_then(|values| values.first());
        first.map(String::as_str).unwrap_or_default()
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.0
            .get(name)
            .is_some_and(|values| values.iter().any(|is| is == value))
    }

    fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the account's name was typed, where it has to be.
    fn confirms(&self, whose: &Whose) -> bool {
        whose.confirms(self.text("confirm"))
    }

    /// What a run is asked for.
    fn options(&self) -> Result<RunOptions, Failed> {
        let ids = self
            .text("products")
            .split(|c: char| c == ',' || c.is_whitespace());
        let ids: Vec<&str> = ids.filter(|id| !id.is_empty()).take(MAX_IDS).collect();
        let mut product_ids = Vec::with_capacity(ids.len());
        for id in ids {
            let unknown = || engine::Error::UnknownProduct {
                local_id: id.to_owned(),
                near: Vec::new(),
            };
            product_ids.push(LocalId::new(id).map_err(|_| unknown())?);
        }
        let archives = self.text("max_archives");
        Ok(RunOptions {
            product_ids,
            force_update: self.is("mode", "force"),
            accept_price_changes: self.is("accept_price_changes", "1"),
            max_archives: match archives {
                "" => None,
                archives => {
                    let count = archives
                        .parse()
                        .map_err(|_| Failed::BadForm("max_archives is no number."))?;
                    Some(count)
                }
            },
            ..RunOptions::default()
        })
    }
}

async fn start(app: &App, reader: &Reader, options: RunOptions) -> Result<RunId, Failed> {
    let request = SyncRequest {
        request_id: None,
        options,
        if_busy: IfBusy::Coalesce,
        trigger: Trigger::Manual,
        actor: reader.actor(),
    };
    let engine = app.engine.clone();
    let started = detached(async move { engine.sync(request).await }).await?;
    Ok(started.run.id)
}

fn answered(reader: &Reader, answer: Result<Response, Failed>) -> Response {
    answer.unwrap_or_else(|failed| failed.page(reader))
}

/// `POST /sync`
pub(in crate::http) async fn sync(State(app): State<App>, reader: Reader, body: Bytes) -> Response {
    let answer = async {
        let form = Form::read(&reader, &body)?;
        let whose = shell::whose(&app).await?;
        if !form.confirms(&whose) {
            let which = if form.is("mode", "force") {
                "force"
            } else {
                "sync"
            };
            return Ok(to(&format!("?confirm={which}")));
        }
        let run = start(&app, &reader, form.options()?).await?;
        Ok(to(&format!("/runs/{run}")))
    };
    answered(&reader, answer.await)
}

/// `POST /preview`: a dry run, which changes nothing.
pub(in crate::http) async fn preview(
    State(app): State<App>,
    reader: Reader,
    body: Bytes,
) -> Response {
    let answer = async {
        let form = Form::read(&reader, &body)?;
        let options = form.options().map(|options| RunOptions {
            dry_run: true,
            ..options
        });
        let started = match options {
            Ok(options) => start(&app, &reader, options).await,
            Err(failed) => Err(failed),
        };
        match started {
            Ok(run) => Ok(to(&format!("/preview?run={run}"))),
            Err(Failed::Engine(engine::Error::UnknownProduct { local_id, .. })) => {
                let short: String = local_id.chars().take(100).collect();
                let address = Address::new("/preview").with("unknown", &short).to_string();
                Ok(to(address.trim_start_matches(BASE)))
            }
            Err(failed) => Err(failed),
        }
    };
    answered(&reader, answer.await)
}

/// `POST /apply`: exactly the plan that was previewed, or nothing.
pub(in crate::http) async fn apply(
    State(app): State<App>,
    reader: Reader,
    body: Bytes,
) -> Response {
    let answer = async {
        let form = Form::read(&reader, &body)?;
        let whose = shell::whose(&app).await?;
        let previewed = query::segment(form.text("run_id"));
        if !form.confirms(&whose) {
            return Ok(to(&format!("/preview?run={previewed}&confirm=apply")));
        }
        let digest = form.text("plan_digest").to_owned();
        if digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Failed::BadForm("The form has no plan."));
        }
        let options = RunOptions {
            plan_digest: Some(digest),
            ..form.options()?
        };
        let run = start(&app, &reader, options).await?;
        let seen = app
            .engine
            .wait_until(&run, COMPARED, Run::is_compared)
            .await?;
        let is_stale = seen
            .error
            .as_ref()
            .is_some_and(|error| error.reason == reason::STALE_PLAN);
        Ok(match is_stale {
            true => to(&format!("/preview?stale={run}")),
            false => to(&format!("/runs/{run}")),
        })
    };
    answered(&reader, answer.await)
}

/// `POST /validate`: asks Stripe now.
pub(in crate::http) async fn validate(
    State(app): State<App>,
    reader: Reader,
    body: Bytes,
) -> Response {
    let answer = async {
        Form::read(&reader, &body)?;
        let engine = app.engine.clone();
        detached(async move { engine.validate(Vec::new(), Some(Duration::ZERO)).await }).await?;
        Ok(to("/drift"))
    };
    answered(&reader, answer.await)
}

/// `POST /runs/{id}/cancel`
pub(in crate::http) async fn cancel(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let answer = async {
        Form::read(&reader, &body)?;
        let (engine, id, by) = (app.engine.clone(), RunId::new(id), reader.actor());
        let run = detached(async move { engine.cancel(&id, &by).await }).await?;
        Ok(to(&format!("/runs/{}", run.id)))
    };
    answered(&reader, answer.await)
}

/// `POST /events/replay`
pub(in crate::http) async fn replay(
    State(app): State<App>,
    reader: Reader,
    body: Bytes,
) -> Response {
    let answer = async {
        let form = Form::read(&reader, &body)?;
        let ids = form.all("event_id").to_vec();
        let asked = match (form.is("all", "1"), ids.is_empty()) {
            (true, true) => None,
            (false, false) if ids.len() <= MAX_IDS => Some(ids),
            (_, _) => return Err(Failed::BadForm("The form names no event.")),
        };
        let (engine, by) = (app.engine.clone(), reader.actor());
        let replayed = detached(async move { engine.replay(asked.as_deref(), &by).await }).await?;
        Ok(to(&format!("/events?replayed={}", replayed.len())))
    };
    answered(&reader, answer.await)
}

/// `POST /schedules/{name}/pause`
pub(in crate::http) async fn pause(
    State(app): State<App>,
    reader: Reader,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let answer = async {
        Form::read(&reader, &body)?;
        let (engine, job, by) = (app.engine.clone(), job(&name)?, reader.actor());
        detached(async move { engine.pause_schedule(job, by).await }).await?;
        Ok(to("/schedules"))
    };
    answered(&reader, answer.await)
}

/// `POST /schedules/{name}/resume`
pub(in crate::http) async fn resume(
    State(app): State<App>,
    reader: Reader,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let answer = async {
        Form::read(&reader, &body)?;
        let (engine, job, by) = (app.engine.clone(), job(&name)?, reader.actor());
        detached(async move { engine.resume_schedule(job, &by).await }).await?;
        Ok(to("/schedules"))
    };
    answered(&reader, answer.await)
}

fn job(name: &str) -> Result<Job, Failed> {
    let found = Job::ALL.into_iter().find(|job| job.as_str() == name);
    found.ok_or_else(|| Failed::NotFound(format!("There is no schedule {name:?}.")))
}

/// `GET /login`
pub(in crate::http) async fn login_page() -> Response {
    login(StatusCode::OK, None, BASE)
}

/// `POST /login`: the key becomes a cookie, if it is one.
pub(in crate::http) async fn log_in(
    State(app): State<App>,
    reader: Reader,
    body: Bytes,
) -> Response {
    // There is no login yet that the form could be of; a page of another origin was
    // refused before.
    let nobody = Reader {
        session: None,
        ..reader
    };
    let form = match Form::read(&nobody, &body) {
        Ok(form) => form,
        Err(failed) => return failed.page(&nobody),
    };
    let next = match form.text("next") {
        next if is_ours(next) => next.to_owned(),
        _ => BASE.to_owned(),
    };
    let Ok(token) = Token::parse(form.text("key").trim()) else {
        return login(StatusCode::BAD_REQUEST, Some(LoginError::Unknown), &next);
    };
    match app.door.gate.knows(&token).await {
        Ok(()) => {
            let mut answer = to(next.trim_start_matches(BASE));
            session::begin(answer.headers_mut(), &token, app.is_secure());
            answer
        }
        Err(Refusal::Expired { .. }) => {
            login(StatusCode::UNAUTHORIZED, Some(LoginError::Expired), &next)
        }
        Err(refusal) => super::page::refused(StatusCode::UNAUTHORIZED, &refusal, true, &next),
    }
}

/// A path of the dashboard's, and of nothing else.
fn is_ours(path: &str) -> bool {
    let rest = path.strip_prefix(BASE);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        && path.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `POST /logout`
pub(in crate::http) async fn log_out(
    State(app): State<App>,
    reader: Reader,
    body: Bytes,
) -> Response {
    if let Err(failed) = Form::read(&reader, &body) {
        return failed.page(&reader);
    }
    let mut answer = to("/login");
    session::end(answer.headers_mut(), app.is_secure());
    answer
}
