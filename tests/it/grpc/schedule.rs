//! Schedules: shown in the status, paused and resumed.

use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::schedule::Job;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{Served, told};
use crate::support::catalog::product;
use crate::support::wall::schedules;
use crate::support::{Setup, TestApp};

async fn served() -> Served {
    let setup = Setup {
        settings: |settings| settings.schedules.validate = schedules().validate,
        ..Setup::default()
    };
    Served::over(TestApp::with(setup, vec![product("plan_a", "1")]).await).await
}

async fn shown(served: &Served) -> [v1::Schedule; 2] {
    let status = served.sync().get_status(v1::GetStatusRequest {}).await;
    let schedules = status.unwrap().into_inner().schedules;
    schedules.try_into().unwrap()
}

fn pause(job: Job) -> v1::PauseScheduleRequest {
    v1::PauseScheduleRequest { job: job.into() }
}

fn resume(job: Job) -> v1::ResumeScheduleRequest {
    v1::ResumeScheduleRequest { job: job.into() }
}

#[tokio::test]
async fn the_status_tells_of_every_schedule_without_a_call_to_stripe() {
    let served = served().await;
    let [validate, sync] = shown(&served).await;
    assert_eq!((validate.job(), sync.job()), (Job::Validate, Job::Sync));
    assert_eq!(
        (validate.cron.as_str(), validate.time_zone.as_str()),
        ("0 * * * *", "UTC")
    );
    assert!(
        validate
            .next_time
            .is_some_and(|time| time.seconds % 3600 == 0)
    );
    assert_eq!(validate.last_time, None);
    // Turned off, and still there.
    assert_eq!((sync.cron.as_str(), sync.next_time), ("", None));
    assert_eq!(served.app.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_schedule_is_paused_and_resumed() {
    let served = served().await;
    let mut client = served.sync();
    let paused = client.pause_schedule(pause(Job::Validate)).await.unwrap();
    let paused = paused.into_inner().schedule.unwrap();
    assert!(paused.pause.as_ref().unwrap().start_time.is_some());
    assert_eq!(paused.next_time, None);
    let [validate, sync] = shown(&served).await;
    assert_eq!((&validate, sync.pause), (&paused, None));
    let again = client.pause_schedule(pause(Job::Validate)).await.unwrap();
    assert_eq!(again.into_inner().schedule.unwrap(), paused);

    let resumed = client.resume_schedule(resume(Job::Validate)).await.unwrap();
    let resumed = resumed.into_inner().schedule.unwrap();
    assert_eq!(resumed.pause, None);
    assert!(resumed.next_time.is_some());
    let [validate, _] = shown(&served).await;
    assert_eq!(validate, resumed);
    // What isn't paused stays as it is.
    let again = client.resume_schedule(resume(Job::Sync)).await.unwrap();
    assert_eq!(again.into_inner().schedule.unwrap().pause, None);
}

#[tokio::test]
async fn a_job_has_to_be_named() {
    let served = served().await;
    let mut client = served.sync();
    let refused = [
        client.pause_schedule(pause(Job::Unspecified)).await.err(),
        client.resume_schedule(resume(Job::Unspecified)).await.err(),
    ];
    for status in refused {
        let status = status.unwrap();
        assert_eq!(
            told(&status),
            (Code::InvalidArgument, "INVALID_FIELD".to_owned())
        );
        let request = status.get_details_bad_request().unwrap();
        assert_eq!(request.field_violations[0].field, "job");
    }
}
