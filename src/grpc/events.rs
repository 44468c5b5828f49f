//! `ChangeEventService`.

use tonic::{Request, Response, Status};

use super::{Service, status};
use crate::proto::v1;
use crate::proto::v1::change_event_service_server::ChangeEventService;

#[tonic::async_trait]
impl ChangeEventService for Service {
    async fn emit_change_events(
        &self,
        _request: Request<v1::EmitChangeEventsRequest>,
    ) -> Result<Response<v1::EmitChangeEventsResponse>, Status> {
        Err(status::not_implemented("EmitChangeEvents"))
    }

    async fn list_change_events(
        &self,
        _request: Request<v1::ListChangeEventsRequest>,
    ) -> Result<Response<v1::ListChangeEventsResponse>, Status> {
        Err(status::not_implemented("ListChangeEvents"))
    }
}
