//! `ProductSyncService`: runs, validation, status, schedules, progress.

use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use tonic::{Request, Response, Status};

use super::layers::Deadline;
use super::page::{self, Asked};
use super::{Service, actor, convert, detached, status, watch};
use crate::proto::v1;
use crate::proto::v1::product_sync_service_server::ProductSyncService;
use crate::reason;
use crate::store::{Page, ResultFilter, Run, RunId};

/// Left for the answer's way back.
const MARGIN: Duration = Duration::from_millis(200);
/// The longest that a Sync waits for its run.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// How many results a Sync's answer has.
const MAX_RESULTS: u32 = 500;
/// And how many bytes of them, beside the run and the text of its plan.
const MAX_RESULT_BYTES: usize = 1024 * 1024;
const MAX_RUNS_PAGE: u32 = 200;
const MAX_RESULTS_PAGE: u32 = 1000;

#[tonic::async_trait]
impl ProductSyncService for Service {
    type WatchSyncProgressStream =
        Pin<Box<dyn Stream<Item = Result<v1::WatchSyncProgressResponse, Status>> + Send>>;

    async fn sync(
        &self,
        request: Request<v1::SyncRequest>,
    ) -> Result<Response<v1::SyncResponse>, Status> {
        let deadline = Deadline::of_request(&request);
        let asked = convert::request::sync(request.get_ref(), &actor(&request))?;
        let engine = self.engine.clone();
        let options = asked.request.options.clone();
        let started = detached(async move { engine.sync(asked.request).await }).await?;
        let id = started.run.id.clone();
        let longest = longest_wait(deadline);
        let run = match asked.wait_timeout {
            Some(timeout) => self.wait(&id, timeout.min(longest), has_ended).await?,
            None if options.dry_run => self.wait(&id, longest, has_ended).await?,
            None if options.plan_digest.is_some() => {
                self.wait(&id, longest, Run::is_compared).await?
            }
            None => started.run,
        };
        if let Some(error) = run
            .error
            .as_ref()
            .filter(|e| e.reason == reason::STALE_PLAN)
        {
            return Err(status::stale_plan(&run, error));
        }
        let mut response = Response::new(v1::SyncResponse {
            run: Some(self.whole(&run).await?),
            joined: started.joined,
            results: self.first_results(&run).await?,
            plan: self.plan_text(&run).await?,
        });
        // For the log.
        response.extensions_mut().insert(run.id);
        Ok(response)
    }

    async fn validate(
        &self,
        request: Request<v1::ValidateRequest>,
    ) -> Result<Response<v1::ValidateResponse>, Status> {
        let deadline = Deadline::of_request(&request).map(Deadline::at);
        let (scope, max_age) = convert::request::validate(request.get_ref())?;
        let validated = self
            .engine
            .validate_by(scope, max_age, deadline)
            .await
            .map_err(|error| status::engine(&error))?;
        let response = convert::standing::validated(&validated, self.about.sandbox);
        Ok(Response::new(response))
    }

    async fn get_status(
        &self,
        _request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let now = self
            .engine
            .status()
            .await
            .map_err(|error| status::engine(&error))?;
        let mode = self.engine.settings().mode;
        let database = self.engine.store().info();
        let mut response = convert::standing::status(&now, &self.about, mode, &database);
        for (field, run) in [
            (&mut response.current_run, &now.current),
            (&mut response.last_run, &now.last),
        ] {
            if let Some(run) = run {
                *field = Some(self.whole(run).await?);
            }
        }
        Ok(Response::new(response))
    }

    async fn watch_sync_progress(
        &self,
        request: Request<v1::WatchSyncProgressRequest>,
    ) -> Result<Response<Self::WatchSyncProgressStream>, Status> {
        let deadline = Deadline::of_request(&request);
        let (run, after) = convert::request::watch(request.get_ref())?;
        let principal = request.extensions().get().cloned();
        let watch = watch::open(self.clone(), principal, run, after, deadline);
        let stream = watch.await?;
        Ok(Response::new(Box::pin(stream)))
    }

    async fn cancel_sync(
        &self,
        request: Request<v1::CancelSyncRequest>,
    ) -> Result<Response<v1::CancelSyncResponse>, Status> {
        let id = convert::request::run_id(&request.get_ref().run_id)?;
        let (engine, actor) = (self.engine.clone(), actor(&request));
        let run = detached(async move { engine.cancel(&id, &actor).await }).await?;
        let run = Some(self.whole(&run).await?);
        Ok(Response::new(v1::CancelSyncResponse { run }))
    }

    async fn pause_schedule(
        &self,
        request: Request<v1::PauseScheduleRequest>,
    ) -> Result<Response<v1::PauseScheduleResponse>, Status> {
        let job = convert::request::schedule(request.get_ref().job)?;
        let (engine, actor) = (self.engine.clone(), actor(&request));
        let paused = detached(async move { engine.pause_schedule(job, actor).await }).await?;
        Ok(Response::new(v1::PauseScheduleResponse {
            schedule: Some(convert::schedule::schedule(&paused)),
        }))
    }

    async fn resume_schedule(
        &self,
        request: Request<v1::ResumeScheduleRequest>,
    ) -> Result<Response<v1::ResumeScheduleResponse>, Status> {
        let job = convert::request::schedule(request.get_ref().job)?;
        let (engine, actor) = (self.engine.clone(), actor(&request));
        let resumed = detached(async move { engine.resume_schedule(job, &actor).await }).await?;
        Ok(Response::new(v1::ResumeScheduleResponse {
            schedule: Some(convert::schedule::schedule(&resumed)),
        }))
    }

    async fn get_sync_run(
        &self,
        request: Request<v1::GetSyncRunRequest>,
    ) -> Result<Response<v1::GetSyncRunResponse>, Status> {
        let id = convert::request::run_id(&request.get_ref().run_id)?;
        let run = self
            .engine
            .run(&id)
            .await
            .map_err(|error| status::engine(&error))?;
        Ok(Response::new(v1::GetSyncRunResponse {
            run: Some(self.whole(&run).await?),
            plan: self.plan_text(&run).await?,
        }))
    }

    async fn list_sync_runs(
        &self,
        request: Request<v1::ListSyncRunsRequest>,
    ) -> Result<Response<v1::ListSyncRunsResponse>, Status> {
        let mut request = request.into_inner();
        let size = std::mem::take(&mut request.page_size);
        let token = std::mem::take(&mut request.page_token);
        let asked = Asked::new("ListSyncRuns", size, &token, MAX_RUNS_PAGE, &request)?;
        let filter = convert::request::runs(&request)?;
        let page = Page {
            after: asked.after.clone(),
            limit: asked.limit(),
        };
        let found = self.engine.store().runs(&filter, &page).await;
        let found = found.map_err(|error| status::store(&error))?;
        let (runs, next_page_token) = asked.cut(
            found,
            |run| run.id.to_string(),
            |run| convert::run::brief(&run),
        );
        Ok(Response::new(v1::ListSyncRunsResponse {
            runs,
            next_page_token,
        }))
    }

    async fn list_sync_run_results(
        &self,
        request: Request<v1::ListSyncRunResultsRequest>,
    ) -> Result<Response<v1::ListSyncRunResultsResponse>, Status> {
        let mut request = request.into_inner();
        let size = std::mem::take(&mut request.page_size);
        let token = std::mem::take(&mut request.page_token);
        let asked = Asked::new(
            "ListSyncRunResults",
            size,
            &token,
            MAX_RESULTS_PAGE,
            &request,
        )?;
        let (id, filter) = convert::request::results(&request)?;
        let run = self
            .engine
            .run(&id)
            .await
            .map_err(|error| status::engine(&error))?;
        let page = Page {
            after: asked.after.clone(),
            limit: asked.limit(),
        };
        let found = self.engine.store().results(&id, &filter, &page).await;
        let found = found.map_err(|error| status::store(&error))?;
        let links = self.links(run.at.as_ref());
        let (results, next_page_token) = asked.cut(
            found,
            |row| row.local_id.to_string(),
            |row| convert::run::result(&row, links),
        );
        Ok(Response::new(v1::ListSyncRunResultsResponse {
            results,
            next_page_token,
        }))
    }
}

impl Service {
    /// A run as it is once it has come so far, after the time or at the shutdown.
    async fn wait(
        &self,
        id: &RunId,
        timeout: Duration,
        reached: fn(&Run) -> bool,
    ) -> Result<Run, Status> {
        let run = tokio::select! {
            run = self.engine.wait_until(id, timeout, reached) => run,
            () = self.shutdown.cancelled() => self.engine.run(id).await,
        };
        run.map_err(|error| status::engine(&error))
    }

    /// The first products that differ; none before there is a plan.
    async fn first_results(&self, run: &Run) -> Result<Vec<v1::SyncResult>, Status> {
        if run.plan_digest.is_none() {
            return Ok(Vec::new());
        }
        let page = Page {
            after: None,
            limit: MAX_RESULTS,
        };
        let filter = ResultFilter::default();
        let rows = self.engine.store().results(&run.id, &filter, &page).await;
        let rows = rows.map_err(|error| status::store(&error))?;
        let links = self.links(run.at.as_ref());
        let results = rows.iter().map(|row| convert::run::result(row, links));
        Ok(page::fit(results, MAX_RESULT_BYTES))
    }

    /// The plan of a dry run that has ended; otherwise empty.
    async fn plan_text(&self, run: &Run) -> Result<String, Status> {
        if !run.options.dry_run || !run.state.is_final() {
            return Ok(String::new());
        }
        let plan = self.engine.store().dry_run(&run.id).await;
        let plan = plan.map_err(|error| status::store(&error))?;
        Ok(plan
            .map(|plan| convert::run::plan_text(&plan.text))
            .unwrap_or_default())
    }
}

fn longest_wait(deadline: Option<Deadline>) -> Duration {
    deadline.map_or(MAX_WAIT, |deadline| {
        deadline.remaining().saturating_sub(MARGIN).min(MAX_WAIT)
    })
}

fn has_ended(run: &Run) -> bool {
    run.state.is_final()
}
