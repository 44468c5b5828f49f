//! Where a command's service runs: at `--server`, in the process that has the
//! database's file, or in this one.

use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::database::{self, Access};
use super::exit::Failure;
use super::local::{Host, Role};
use super::reach::{Reach, there};
use super::{Context, Logs};
use crate::config::{Config, DatabaseUrl, Secret};
use crate::proto::v1::catalog_service_client::CatalogServiceClient;
use crate::proto::v1::change_event_service_client::ChangeEventServiceClient;
use crate::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use crate::store::lock::{self, Holder, Lock, Waited};
use crate::store::sqlite::Sqlite;

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
        channel: Link,
        /// As it was asked for, for messages.
        address: String,
    },
}

impl Session {
    pub(super) fn channel(&self) -> Link {
        match self {
            Self::Here(host) => link(host.channel.clone(), None),
            Self::There { channel, .. } => channel.clone(),
        }
    }

    pub(super) fn sync(&self) -> ProductSyncServiceClient<Link> {
        ProductSyncServiceClient::new(self.channel()).max_decoding_message_size(MAX_MESSAGE)
    }

    pub(super) fn catalog(&self) -> CatalogServiceClient<Link> {
        CatalogServiceClient::new(self.channel()).max_decoding_message_size(MAX_MESSAGE)
    }

    pub(super) fn events(&self) -> ChangeEventServiceClient<Link> {
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
                Some(address) => there(&Reach::beside(address, config)).await.map(Some),
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
            Waited::Address(address) => match there(&Reach::beside(&address, config)).await {
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
            Waited::Address(address) => format!(" at {}", address.grpc),
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

/// For a command that writes only what no service works on: beside the one that has
/// the file, if one does. It has brought the schema up to date before it says where
/// it is.
pub(super) async fn access_beside(url: &DatabaseUrl) -> Result<Access, Failure> {
    let path = match url {
        DatabaseUrl::Sqlite(path) => path,
        DatabaseUrl::Postgres(url) => return Ok(Access::Shared(url.clone())),
    };
    loop {
        let holder = match lock::acquire(path)? {
            Lock::Held(lock) => return Ok(Access::Alone(path.clone(), lock)),
            Lock::Busy(holder) => holder,
        };
        match holder.wait_for_address(ADDRESS_WAIT).await? {
            Waited::Freed => {}
            Waited::Address(_) | Waited::TimedOut => {
                let missing = Sqlite::missing(path).await?;
                if missing.is_empty() {
                    return Ok(Access::Beside(path.clone()));
                }
                let missing: Vec<String> = missing.iter().map(i64::to_string).collect();
                return Err(Failure::usage(format!(
                    "{} has the database {}, which lacks migrations {}: it is an older version",
                    process(&holder),
                    path.display(),
                    missing.join(", "),
                ))
                .hint("start it again with this version first"));
            }
        }
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

/// A connection that shows a key with every call.
pub(super) type Link = InterceptedService<Channel, ShowKey>;

pub(super) fn link(channel: Channel, key: Option<&Secret>) -> Link {
    let header = key.and_then(|key| {
        let mut header = MetadataValue::try_from(format!("Bearer {}", key.expose())).ok()?;
        header.set_sensitive(true);
        Some(header)
    });
    InterceptedService::new(channel, ShowKey(header))
}

/// Adds the key.
#[derive(Clone)]
pub(super) struct ShowKey(Option<MetadataValue<Ascii>>);

impl Interceptor for ShowKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", header.clone());
        }
        Ok(request)
    }
}
