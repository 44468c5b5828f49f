//! `serve`: the service.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::alerts;
use super::args;
use super::connect::access_for_service;
use super::exit::{Exit, Failure};
use super::healthcheck::{published, reachable};
use super::local::Local;
use super::signals::Signals;
use super::{Context, Logs, catalog, tls};
use crate::access::KeyRequired;
use crate::config::{Config, OnStart, Watch};
use crate::engine::{Engine, FileWatch, IfBusy, OnChange, Scheduler, SyncRequest};
use crate::net::tls::{Protocols, Tls};
use crate::net::{self, Limits, Listener};
use crate::store::{Run, RunOptions, Trigger};
use crate::{grpc, http};

/// A client that keeps a connection for calls to come makes the first one soon.
const GRPC_FIRST_CALL: Duration = Duration::from_secs(30);
/// Browsers, load balancers and the like connect when they have something to ask.
const HTTP_FIRST_CALL: Duration = Duration::from_secs(10);

pub(super) async fn run(context: &Context, args: &args::Serve) -> Result<Exit, Failure> {
    if context.global.server.is_some() {
        return Err(
            Failure::usage("--server makes a client, `serve` is the service")
                .hint("leave --server out"),
        );
    }
    let config = context.config(Logs::Service, args.overrides())?;
    let tls = tls::load(&config)?;
    announce(context, &config, tls.as_deref());
    let signals = Signals::listen()?;
    let work = async {
        let access = access_for_service(&config).await?;
        let grpc = bind("server.grpc_listen", config.server.grpc_listen).await?;
        let http = bind("server.http_listen", config.server.http_listen).await?;
        let mut local = Local::open(&config, access).await?;
        local.publish(&published(grpc.address, tls.is_some()))?;
        let resumed = local.engine.take_up(true).await?;
        local.engine.watch_events();
        local.engine.keep_tidy();
        if let Some(rotation) = local.rotate(&config) {
            supervised("the key's rotation", rotation);
        }
        let keys = local.admission.keys.clone();
        if config.auth.required == KeyRequired::Always && keys.has_any().await == Some(false) {
            tracing::warn!(
                "nobody can call yet: there is no API key; `stripe-product-sync keys create` makes one"
            );
        }
        let ended = CancellationToken::new();
        let noted = ended.clone();
        let noting = tokio::spawn(async move { keys.note_uses(&noted).await });
        supervised(
            "the alerts",
            alerts::alerter(local.engine.clone(), &config).run(),
        );
        if let (Some(tls), Some(files)) = (&tls, &config.tls) {
            supervised(
                "the looks at the TLS files",
                tls.clone().follow(files.reload),
            );
        }
        let serving = Serving::start(&local, grpc, http, &config, tls.as_ref());
        listening(context, &config, &serving);
        let watch = file_watch(&config, &local.engine)?;
        let by_itself = by_itself(local.engine.clone(), config.sync.on_start, resumed, watch);
        let by_itself = supervised("the schedules", by_itself);
        serving.until(&signals.first).await;
        tracing::info!("shutting down");
        by_itself.abort();
        // Both at once: open calls end while the run at work does.
        let stopping = stop_within(config.server.drain_timeout, &local.engine);
        let (served, ()) = tokio::join!(serving.end(), stopping);
        ended.cancel();
        let _noted = noting.await;
        local.close_at_once().await;
        served?;
        tracing::info!("shut down");
        Ok(Exit::Done)
    };
    tokio::select! {
        ended = work => ended,
        () = signals.second.cancelled() => Ok(Exit::Interrupted),
    }
}

/// Has the run at work stop between two products, if Stripe lets it: a call without an
/// answer is no reason to stay, for the next start settles it as after a crash.
async fn stop_within(patience: Duration, engine: &Engine) {
    if tokio::time::timeout(patience, engine.stop()).await.is_err() {
        tracing::warn!(
            "Stripe has not answered for as long as server.drain_timeout; the next start settles what was under way"
        );
    }
}

/// A listener with the address it got.
struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

async fn bind(key: &str, wanted: SocketAddr) -> Result<Bound, Failure> {
    let failed = |error: std::io::Error| {
        let kind = error.kind();
        let (what, hint) = if kind == ErrorKind::AddrInUse {
            (
                "is taken by another process".to_owned(),
                "stop that one, or set another port; port 0 takes any free one",
            )
        } else if kind == ErrorKind::PermissionDenied {
            (
                "may not be used by this user".to_owned(),
                "take a port from 1024 on",
            )
        } else {
            (
                format!("cannot be used: {error}"),
                "set an address of this machine",
            )
        };
        Failure::usage(format!("{key}: {wanted} {what}")).hint(hint)
    };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, address })
}

/// Both servers at work.
struct Serving {
    grpc: SocketAddr,
    http: SocketAddr,
    stop: CancellationToken,
    /// Cancelled when a server ends by itself.
    ended: CancellationToken,
    servers: JoinSet<Result<(), Failure>>,
}

impl Serving {
    fn start(
        local: &Local,
        grpc: Bound,
        http: Bound,
        config: &Config,
        tls: Option<&Arc<Tls>>,
    ) -> Self {
        let max_connections = net::files::connections(
            config.server.max_connections.get(),
            net::files::raise_limit(),
        );
        let listener = |bound: TcpListener, protocols, first_call_within| {
            let limits = Limits {
                max_connections,
                first_call_within,
            };
            let listener = Listener::new(bound, limits);
            match tls {
                Some(tls) => listener.with_tls(tls.clone(), protocols),
                None => listener,
            }
        };
        let grpc_listener = listener(grpc.listener, Protocols::Grpc, GRPC_FIRST_CALL);
        let http_listener = listener(http.listener, Protocols::Http, HTTP_FIRST_CALL);
        let stop = CancellationToken::new();
        let ended = CancellationToken::new();
        let drain = config.server.drain_timeout;
        let mut servers = JoinSet::new();
        let serving = grpc::serve(
            local.service.clone(),
            grpc_listener,
            local.admission.serving(),
            stop.clone(),
            drain,
        );
        servers.spawn(watched("gRPC", serving, ended.clone()));
        let serving = http::serve(
            local.engine.clone(),
            local.admission.door(),
            local.facts(config, grpc.address),
            http_listener,
            stop.clone(),
            drain,
        );
        servers.spawn(watched("HTTP", serving, ended.clone()));
        Self {
            grpc: grpc.address,
            http: http.address,
            stop,
            ended,
            servers,
        }
    }

    /// Until a signal comes, or a server ends without one.
    async fn until(&self, signal: &CancellationToken) {
        tokio::select! {
            () = signal.cancelled() => {}
            () = self.ended.cancelled() => {}
        }
    }

    /// Ends both in good order; what a server failed with.
    async fn end(mut self) -> Result<(), Failure> {
        self.stop.cancel();
        let mut result = Ok(());
        while let Some(served) = self.servers.join_next().await {
            let served = served.unwrap_or_else(|error| {
                Err(Failure::new(
                    Exit::Failed,
                    format!("a server broke: {error}"),
                ))
            });
            result = result.and(served);
        }
        result
    }
}

async fn watched(
    what: &'static str,
    serving: impl Future<Output = std::io::Result<()>>,
    ended: CancellationToken,
) -> Result<(), Failure> {
    let served = serving.await;
    ended.cancel();
    served.map_err(|error| Failure::new(Exit::Failed, format!("the {what} server failed: {error}")))
}

/// Says what people must know, before anything else.
fn announce(context: &Context, config: &Config, tls: Option<&Tls>) {
    let warnings = tls.map(Tls::warnings).unwrap_or_default();
    if logs_json(context, config) {
        for notice in config.notices() {
            tracing::warn!(notice = %notice, "notice");
        }
        for warning in warnings {
            tracing::warn!("{warning}");
        }
    } else {
        context.notices(config);
        for warning in warnings {
            context.printer.warning(&warning);
        }
    }
}

/// Says where to look.
fn listening(context: &Context, config: &Config, serving: &Serving) {
    if logs_json(context, config) {
        tracing::info!(grpc.address = %serving.grpc, http.address = %serving.http, "listening");
        return;
    }
    let (grpc, http) = (reachable(serving.grpc), reachable(serving.http));
    let printer = &context.printer;
    printer.talk(format!("gRPC       {}", serving.grpc));
    let (scheme, flags) = match &config.tls {
        Some(tls) => ("https", format!("-cacert {}", tls.cert.display())),
        None => ("http", "-plaintext".to_owned()),
    };
    printer.talk(format!(
        "health     {scheme}://{http}/livez and {scheme}://{http}/readyz"
    ));
    printer.talk(format!(
        "try        grpcurl {flags} {grpc} stripe_product_sync.v1.ProductSyncService/GetStatus"
    ));
    printer.talk("           stripe-product-sync status | watch | products | mappings list");
}

fn logs_json(context: &Context, config: &Config) -> bool {
    let telemetry = config.telemetry;
    context
        .logging(telemetry.log_format, telemetry.log_level)
        .is_json()
}

/// Who follows the catalog's files, if somebody should.
fn file_watch(config: &Config, engine: &Engine) -> Result<Option<FileWatch>, Failure> {
    let on_change = match config.catalog.watch {
        Watch::Off => return Ok(None),
        Watch::Rediscover => OnChange::Rediscover,
        Watch::Sync => OnChange::Sync,
    };
    let files = catalog::files(config)?;
    Ok(Some(FileWatch::new(engine.clone(), files, on_change)))
}

/// What the service does without being asked.
async fn by_itself(
    engine: Engine,
    first: OnStart,
    resumed: Option<Run>,
    mut watch: Option<FileWatch>,
) {
    let mut missed = None;
    if let Some(watch) = &mut watch {
        // What changed while the service was down; what it can't do now it does later.
        let _wait = watch.look(Instant::now()).await;
        missed = watch.started().cloned();
    }
    if let Some(watch) = watch {
        supervised("the watch over the catalog's files", watch.run());
    }
    // Of several processes on one database one works by itself.
    engine.leads().await;
    match missed {
        Some(run) => {
            tracing::info!(run.id = %run.id, "the sync of what changed in the catalog does what sync.on_start would")
        }
        None => on_start(engine.clone(), first, resumed).await,
    }
    Scheduler::new(engine).run().await;
}

/// Runs a task beside the others and says so if it breaks: nobody waits for it.
fn supervised(
    what: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) -> tokio::task::AbortHandle {
    let task = tokio::spawn(task);
    let handle = task.abort_handle();
    tokio::spawn(async move {
        if let Err(error) = task.await
            && error.is_panic()
        {
            tracing::error!(%error, task = what, "a task broke, and is not done any more until the next start");
        }
    });
    handle
}

/// The first thing of it.
async fn on_start(engine: Engine, what: OnStart, resumed: Option<Run>) {
    // A run that goes on discovers, observes and plans all of it just now.
    let is_done_anyway = resumed
        .is_some_and(|run| run.options.product_ids.is_empty() && run.options.plan_digest.is_none());
    match what {
        OnStart::Off => {}
        OnStart::Sync if is_done_anyway => {
            tracing::info!("the run that was taken up is the sync of sync.on_start");
        }
        OnStart::Sync => {
            let request = SyncRequest {
                request_id: None,
                options: RunOptions::default(),
                // A run that was taken up again comes first.
                if_busy: IfBusy::Coalesce,
                trigger: Trigger::Startup,
                actor: String::new(),
            };
            if let Err(error) = engine.sync(request).await {
                let failure = Failure::from(error);
                tracing::error!(error = %failure, "the sync of sync.on_start could not be started");
            }
        }
        OnStart::Validate => match engine.validate(Vec::new(), None).await {
            Ok(validated) if validated.is_valid() => {
                tracing::info!("Stripe is as the catalog says")
            }
            Ok(validated) => tracing::warn!(
                findings = validated.validation.findings.len(),
                source_problems = validated.validation.source_problems.len(),
                "Stripe is not as the catalog says; `validate` shows what differs, `sync` mends it"
            ),
            Err(error) => {
                let failure = Failure::from(error);
                tracing::error!(error = %failure, "the validation of sync.on_start failed");
            }
        },
    }
}
