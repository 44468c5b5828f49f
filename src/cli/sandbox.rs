//! `sandbox`: the stand-in for Stripe, alone.

use tokio::net::TcpListener;

use super::args;
use super::exit::{Exit, Failure};
use super::signals::Signals;
use super::{Context, args::SandboxLimits};
use crate::config::LogLevel;
use crate::sandbox::webhooks::Webhooks;
use crate::sandbox::{Limits, Options, Sandbox};

pub(super) async fn run(context: &Context, args: &args::Sandbox) -> Result<Exit, Failure> {
    context.log_without_config(LogLevel::Info);
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        Failure::unreachable(format!("--listen {} cannot be used: {error}", args.listen))
            .hint("stop what listens there, or choose another address; port 0 takes any free one")
    })?;
    let sandbox = Sandbox::open(Options {
        state: args.state.clone(),
        latency: args.latency,
        deterministic_ids: args.deterministic_ids,
        limits: args.limits.map(|mode| match mode {
            SandboxLimits::Test => Limits::TEST,
            SandboxLimits::Live => Limits::LIVE,
        }),
        search_lag: args.search_lag,
        webhooks: Webhooks {
            endpoints: args.webhooks.clone(),
            ..Webhooks::default()
        },
        ..Options::default()
    })
    .map_err(|error| Failure::chain(Exit::Unreachable, &error))?;
    let failed = |error: std::io::Error| {
        Failure::unreachable(format!("the sandbox stopped listening: {error}"))
    };
    let address = listener.local_addr().map_err(failed)?;
    let kept = match &args.state {
        Some(path) => format!("state in {}", path.display()),
        None => "state in memory".to_owned(),
    };
    context.printer.talk(format!(
        "Stripe sandbox at http://{address} ({kept}); it takes any sk_test_… or rk_test_… key"
    ));
    for endpoint in sandbox.webhook_endpoints() {
        if let Some(secret) = endpoint.secrets.first() {
            let url = &endpoint.url;
            context
                .printer
                .talk(format!("Events go to {url}, signed with {secret}"));
        }
    }
    let signals = Signals::listen()?;
    tokio::select! {
        served = sandbox.serve(listener, signals.first.clone()) => {
            served.map_err(failed)?;
            Ok(Exit::Done)
        }
        () = signals.second.cancelled() => Ok(Exit::Interrupted),
    }
}
