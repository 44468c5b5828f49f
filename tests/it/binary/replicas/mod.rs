//! Several processes on one PostgreSQL: one works, the others stand by, any of them
//! answers. They are killed, stopped and cut off from the database.

mod chaos;
mod faults;
mod fleet;
mod load;
mod outage;
mod proxy;
mod replica;
mod scene;
mod takeover;
mod together;
mod verdict;
mod wait;
mod watchers;

use std::time::Duration;

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use self::fleet::Plan;

/// How long a client waits for an answer before it asks another replica.
const CALL: Duration = Duration::from_secs(3);

fn plans(count: usize) -> Vec<Plan> {
    (0..count).map(|n| (format!("plan_{n:02}"), 100)).collect()
}

fn syncing(channel: Channel) -> ProductSyncServiceClient<Channel> {
    ProductSyncServiceClient::new(channel)
}

/// An answer, unless the replica is away, or cannot reach its database: then another
/// one is to be asked. Any other error is a fault.
async fn answered<T>(
    what: &str,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Option<T> {
    match tokio::time::timeout(CALL, call).await {
        Ok(Ok(answer)) => Some(answer.into_inner()),
        Ok(Err(status)) => {
            assert!(is_elsewhere(&status), "{what}: {status:?}");
            None
        }
        Err(_late) => None,
    }
}

/// Whether another replica may answer.
fn is_elsewhere(status: &Status) -> bool {
    // Every error of the service has details; those of the way there have none.
    let is_of_the_service = status.get_details_error_info().is_some();
    let may_be_repeated = status.get_details_retry_info().is_some();
    !is_of_the_service || (status.code() == Code::Unavailable && may_be_repeated)
}

/// One run, as this replica knows it.
async fn run_of(channel: Channel, run_id: &str) -> v1::SyncRun {
    let request = v1::GetSyncRunRequest {
        run_id: run_id.to_owned(),
    };
    let answer = syncing(channel).get_sync_run(request).await.unwrap();
    answer.into_inner().run.unwrap()
}
