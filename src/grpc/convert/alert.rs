//! What is wrong and told of.

use super::run::text;
use super::{int, time};
use crate::proto::v1;
use crate::proto::v1::alert::Kind;
use crate::store::{Alert, AlertKind};

pub(in crate::grpc) fn alert(alert: &Alert) -> v1::Alert {
    let Alert {
        notice, delivery, ..
    } = alert;
    v1::Alert {
        id: alert.id.clone(),
        kind: kind(notice.kind).into(),
        title: notice.kind.title().to_owned(),
        message: notice.message.clone(),
        hint: notice.hint.clone(),
        details: notice.details.clone(),
        run_id: text(notice.run.as_ref()),
        first_time: Some(time(alert.first_time)),
        last_time: Some(time(alert.last_time)),
        count: int(alert.count),
        post_time: delivery.told.map(|told| time(told.time)),
        post_error: delivery.error.clone().unwrap_or_default(),
    }
}

fn kind(kind: AlertKind) -> Kind {
    match kind {
        AlertKind::RunFailed => Kind::RunFailed,
        AlertKind::FuseBlown => Kind::FuseBlown,
        AlertKind::CredentialsRefused => Kind::CredentialsRefused,
        AlertKind::DriftNotMended => Kind::DriftNotMended,
        AlertKind::DeadLetters => Kind::DeadLetters,
        AlertKind::QueueTooOld => Kind::QueueTooOld,
        AlertKind::ValidationFailed => Kind::ValidationFailed,
        AlertKind::CatalogBroken => Kind::CatalogBroken,
    }
}
