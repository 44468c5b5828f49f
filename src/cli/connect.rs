//! Where a command's service runs: at `--server`, in the process that has the
//! database's file, or in this one.

use std::time::Duration;

use tokio::time::Instant;
use tonic::transport::Channel;

use super::database::{self, Access};
use super::exit::Failure;
use super::local::{Host, Role};
use super::reach::{Reach, there};
use super::{Context, Logs};
use crate::config::{Config, DatabaseUrl};
use crate::proto::v1::catalog_service_client::CatalogServiceClient;
use crate::proto::v1::change_event_service_client::ChangeEventServiceClient;
use crate::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use crate::store::lock::{self, Holder, Lock, Waited};

/// How long a process that has just taken the lock may take to say where it is.
const ADDRESS_WAIT: Duration = Duration::from_secs(5);
/// How long a lock that changes hands is followed.
const SETTLE_WAIT: Duration = Duration::from_secs(10);
/// How long a service that starts waits for a command to be done.
const COMMAND_WAIT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);
/// The longest answer taken; a page of a thousand products is far below.
const MAX_MESSAGE: usize = 64 << 20;

/// The service that a command talks to.
pub(super) enum Session {
    /// In this process.
    Here(Box<Host>),
    /// In another one.
    There {
        channel: Channel,
        /// As it was asked for, for messages.
        address: String,
    },
}

impl Session {
    pub(super) fn channel(&self) -> Channel {
        match self {
            Self::Here(host) => host.channel.clone(),
            Self::There { channel, .. } => channel.clone(),
        }
    }

    pub(super) fn sync(&self) -> ProductSyncServiceClient<Channel> {
        ProductSyncServiceClient::new(self.channel()).max_decoding_message_size(MAX_MESSAGE)
    }

    pub(super) fn catalog(&self) -> CatalogServiceClient<Channel> {
        CatalogServiceClient::new(self.channel()).max_decoding_message_size(MAX_MESSAGE)
    }

    pub(super) fn events(&self) -> ChangeEventServiceClient<Channel> {
        ChangeEventServiceClient::new(self.channel()).max_decoding_message_size(MAX_MESSAGE)
    }

    /// The service in this process, if it is the one.
    pub(super) fn host(&self) -> Option<&Host> {
        match self {
            Self::Here(host) => Some(host),
            Self::There { .. } => None,
        }
    }

    pub(super) async fn close(self) {
        match self {
            Self::Here(host) => host.close().await,
            Self::There { .. } => {}
        }
    }
}

/// Who is to answer, before it is known where it runs.
pub(super) enum Target {
    /// The service at `--server`.
    Server(Reach),
    /// The one that has this database.
    Database(Box<Config>),
}

impl Target {
    /// Reads the configuration only where it is needed.
    pub(super) fn of(context: &Context) -> Result<Self, Failure> {
        if let Some(url) = &context.global.server {
            context.log_without_config(crate::config::LogLevel::Warn);
            return Ok(Self::Server(context.reach(url)?));
        }
        let config = context.config(Logs::Command, Vec::new())?;
        context.notices(&config);
        Ok(Self::Database(Box::new(config)))
    }

    /// The service, in this process if no other one has the database.
    pub(super) async fn session(&self, role: Role) -> Result<Session, Failure> {
        let config = match self {
            Self::Server(reach) => return there(reach).await,
            Self::Database(config) => config,
        };
        match claim(config).await? {
            Claim::Ours(access) => Ok(Session::Here(Box::new(
                Host::open(config, access, role).await?,
            ))),
            Claim::Served(session) => Ok(session),
        }
    }

    /// A service that knows what other processes do, if there is one now: the one that
    /// has the file, or one of our own on a server. Waits for nothing longer than a
    /// connection.
    pub(super) async fn elsewhere(&self) -> Result<Option<Session>, Failure> {
        let config = match self {
            Self::Server(reach) => return there(reach).await.map(Some),
            Self::Database(config) => config,
        };
        let path = match database::url(config) {
            DatabaseUrl::Sqlite(path) => path,
            DatabaseUrl::Postgres(url) => {
                let host = Host::open(config, Access::Shared(url), Role::Reads).await?;
                return Ok(Some(Session::Here(Box::new(host))));
            }
        };
        match lock::acquire(&path)? {
            Lock::Held(_) => Ok(None),
            Lock::Busy(holder) => match &holder.address {
                Some(address) => there(&Reach::local(address, config)).await.map(Some),
                None => Ok(None),
            },
        }
    }
}

/// What came of asking for the database.
enum Claim {
    Ours(Access),
    Served(Session),
}

/// Takes the lock, or finds the service of the process that has it.
async fn claim(config: &Config) -> Result<Claim, Failure> {
    let path = match database::url(config) {
        DatabaseUrl::Sqlite(path) => path,
        DatabaseUrl::Postgres(url) => return Ok(Claim::Ours(Access::Shared(url))),
    };
    let deadline = Instant::now() + SETTLE_WAIT;
    loop {
        let holder = match lock::acquire(&path)? {
            Lock::Held(lock) => return Ok(Claim::Ours(Access::Alone(path, lock))),
            Lock::Busy(holder) => holder,
        };
        let failure = match holder.wait_for_address(ADDRESS_WAIT).await? {
            Waited::Address(address) => match there(&Reach::local(&address, config)).await {
                Ok(session) => return Ok(Claim::Served(session)),
                // It may have ended just now.
                Err(failure) => failure.hint(holder_hint(&holder)),
            },
            Waited::Freed => continue,
            Waited::TimedOut => Failure::unreachable(format!(
                "{} has the database {}, but does not say where it can be reached",
                process(&holder),
                path.display(),
            ))
            .hint(holder_hint(&holder)),
        };
        if Instant::now() >= deadline {
            return Err(failure);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// For a service of our own; another one that has the file is in the way otherwise.
pub(super) async fn access_for_service(config: &Config) -> Result<Access, Failure> {
    let path = match database::url(config) {
        DatabaseUrl::Sqlite(path) => path,
        DatabaseUrl::Postgres(url) => return Ok(Access::Shared(url)),
    };
    let deadline = Instant::now() + COMMAND_WAIT;
    loop {
        let holder = match lock::acquire(&path)? {
            Lock::Held(lock) => return Ok(Access::Alone(path, lock)),
            Lock::Busy(holder) => holder,
        };
        let at = match holder.wait_for_address(ADDRESS_WAIT).await? {
            // Someone only looked, or it has just ended.
            Waited::Freed => continue,
            // A command such as `status`, or a service that is just ending.
            Waited::Address(_) if Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Waited::Address(address) => format!(" at {address}"),
            Waited::TimedOut => String::new(),
        };
        return Err(Failure::usage(format!(
            "{} already serves the database {}{at}",
            process(&holder),
            path.display(),
        ))
        .hint(
            "`stripe-product-sync status` and `watch` talk to it; stop it first, or set \
             database.url to another file",
        ));
    }
}

pub(super) fn process(holder: &Holder) -> String {
    match holder.pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

fn holder_hint(holder: &Holder) -> String {
    format!(
        "wait for {} to end, or end it: its lock on {} ends with it",
        process(holder),
        holder.path.display(),
    )
}
