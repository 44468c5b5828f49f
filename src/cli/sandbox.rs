//! `sandbox`: the stand-in for Stripe, alone.

use tokio::net::TcpListener;

use super::args;
use super::exit::{Exit, Failure};
use super::signals::Signals;
use super::{Context, args::SandboxLimits};
use crate::config::LogLevel;
use crate::sandbox::webhooks::Webhooks;
use crate::sandbox::{Error, Latency, Limits, Options, Sandbox};

pub(super) async fn run(context: &Context, args: &args::Sandbox) -> Result<Exit, Failure> {
    context.log_without_config(LogLevel::Info);
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        Failure::unreachable(format!("--listen {} cannot be used: {error}", args.listen))
            .hint("stop what listens there, or choose another address; port 0 takes any free one")
    })?;
    let sandbox = Sandbox::open(options(args)).map_err(|error| unopened(&error))?;
    let failed = |error: std::io::Error| {
        Failure::unreachable(format!("the sandbox stopped listening: {error}"))
    };
    let address = listener.local_addr().map_err(failed)?;
    let kept = match &args.state {
        Some(path) => format!("state in {}", path.display()),
        None => "state in memory".to_owned(),
    };
    context.printer.talk(format!(
        "Stripe sandbox at http://{address} ({kept}); it takes any sk_test_… or rk_test_… key; \
         to drive it: http://{address}/_sandbox"
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

fn options(args: &args::Sandbox) -> Options {
    let base = args.limits.map(|mode| match mode {
        SandboxLimits::Test => Limits::TEST,
        SandboxLimits::Live => Limits::LIVE,
    });
    let mut limits = base.clone().unwrap_or_default();
    for setting in &args.limit {
        setting.apply(&mut limits);
    }
    let mut latency = Latency::default();
    for part in &args.latency {
        latency.extend(part.clone());
    }
    let defaults = Options::default();
    Options {
        state: args.state.clone(),
        latency,
        seed: args.seed,
        faults: args.faults.clone(),
        deterministic_ids: args.deterministic_ids,
        live: args.live,
        limits: (base.is_some() || !args.limit.is_empty()).then_some(limits),
        account: args.account.clone().unwrap_or(defaults.account),
        keys: args.keys.clone(),
        connected: args.connected.clone(),
        record: args.record,
        search_lag: args.search_lag,
        webhooks: Webhooks {
            endpoints: args.webhooks.clone(),
            ..Webhooks::default()
        },
        ..Options::default()
    }
}

/// A file that is something else is a mistake in the flag; one that is in use or
/// cannot be reached may be right a moment later.
fn unopened(error: &Error) -> Failure {
    let exit = match error {
        Error::InUse { .. } | Error::Io { .. } => Exit::Unreachable,
        Error::NotAStateFile { .. } | Error::OtherVersion { .. } | Error::Broken { .. } => {
            Exit::Usage
        }
    };
    Failure::chain(exit, error).detail("--state names the file".to_owned())
}
