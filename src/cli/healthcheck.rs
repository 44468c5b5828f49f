//! `healthcheck`: whether the service answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::exit::{Exit, Failure};
use super::reach::{Reach, there};
use super::{Context, Logs};
use crate::config::LogLevel;

/// Below the three seconds that container runtimes often allow.
const PATIENCE: Duration = Duration::from_millis(2500);

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let reach = match &context.global.server {
        Some(url) => {
            context.log_without_config(LogLevel::Warn);
            context.reach(url)?
        }
        None => {
            let config = context.config(Logs::Command, Vec::new())?;
            let listen = config.server.grpc_listen;
            Reach::local(&published(listen, config.tls.is_some()), &config)
        }
    };
    let checked = tokio::time::timeout(PATIENCE, check(&reach)).await;
    let address = &reach.address;
    let status = checked.unwrap_or_else(|_| {
        Err(Failure::unreachable(format!(
            "{address} did not answer within {} ms",
            PATIENCE.as_millis()
        )))
    })?;
    match status {
        ServingStatus::Serving => {
            context.printer.line("serving");
            Ok(Exit::Done)
        }
        ServingStatus::NotServing | ServingStatus::Unknown | ServingStatus::ServiceUnknown => Err(
            Failure::unreachable(format!("{address} is up, but not serving")),
        ),
    }
}

async fn check(reach: &Reach) -> Result<ServingStatus, Failure> {
    let session = there(reach).await?;
    let mut client = HealthClient::new(session.channel());
    let request = HealthCheckRequest::default();
    Ok(client.check(request).await?.into_inner().status())
}

/// Where other processes on this machine find a service that listens here.
pub(super) fn published(listen: SocketAddr, is_tls: bool) -> String {
    let address = reachable(listen);
    if is_tls {
        format!("https://{address}")
    } else {
        address.to_string()
    }
}

/// An address that is listened on, as one that can be called.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_called_on_loopback() {
        let reach = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reach("0.0.0.0:1"), "127.0.0.1:1");
        assert_eq!(reach("[::]:1"), "[::1]:1");
        assert_eq!(reach("10.0.0.1:1"), "10.0.0.1:1");
    }
}
