//! `serve`: the service.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::args;
use super::connect::lock_for_service;
use super::exit::{Exit, Failure};
use super::healthcheck::reachable;
use super::local::Local;
use super::signals::Signals;
use super::{Context, Logs};
use crate::config::{Config, OnStart};
use crate::engine::{Engine, IfBusy, SyncRequest};
use crate::store::{RunOptions, Trigger};
use crate::{grpc, http};

pub(super) async fn run(context: &Context, args: &args::Serve) -> Result<Exit, Failure> {
    if context.global.server.is_some() {
        return Err(Failure::usage("--server makes a client, `serve` is the service")
            .hint("leave --server out"));
    }
    let config = context.config(Logs::Service, args.overrides())?;
    refuse_what_is_not_built(&config)?;
    announce(context, &config);
    let signals = Signals::listen()?;
    let lock = lock_for_service(&config).await?;
    let grpc = bind("server.grpc_listen", config.server.grpc_listen).await?;
    let http = bind("server.http_listen", config.server.http_listen).await?;
    let work = async {
        let mut local = Local::open(&config, lock).await?;
        local.publish(&reachable(grpc.address).to_string())?;
        local.engine.take_up(true).await?;
        let serving = Serving::start(&local, grpc, http, &config);
        context.listening(&serving);
        let starting = tokio::spawn(on_start(local.engine.clone(), config.sync.on_start));
        let ended = serving.until(&signals.first).await;
        tracing::info!("shutting down");
        starting.abort();
        // Both at once: open calls end while the run at work does.
        let (served, ()) = tokio::join!(serving.end(), local.engine.stop());
        local.close().await;
        ended.and(served)?;
        tracing::info!("shut down");
        Ok(Exit::Done)
    };
    tokio::select! {
        ended = work => ended,
        () = signals.second.cancelled() => Ok(Exit::Interrupted),
    }
}

/// What the configuration can ask for, and a service without would be unsafe.
fn refuse_what_is_not_built(config: &Config) -> Result<(), Failure> {
    let what = if config.auth.required {
        "API keys (auth.required, which also holds for any listen address beyond loopback)"
    } else if config.tls.is_some() {
        "TLS ([tls])"
    } else {
        return Ok(());
    };
    Err(
        Failure::usage(format!("this version does not have {what} yet"))
            .hint("listen on 127.0.0.1 without [auth] and [tls], behind a proxy that has them"),
    )
}

/// A listener with the address it got.
struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

async fn bind(key: &str, wanted: SocketAddr) -> Result<Bound, Failure> {
    let failed = |error: std::io::Error| {
        let (what, hint) = match error.kind() {
            std::io::ErrorKind::AddrInUse => (
                "is taken by another process".to_owned(),
                "stop that one, or set another port; port 0 takes any free one",
            ),
            std::io::ErrorKind::PermissionDenied => (
                "may not be used by this user".to_owned(),
                "take a port from 1024 on",
            ),
            _ => (format!("cannot be used: {error}"), "set an address of this machine"),
        };
        Failure::usage(format!("{key}: {wanted} {what}")).hint(hint)
    };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, address })
}
