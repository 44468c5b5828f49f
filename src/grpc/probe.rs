//! Requests read as far as it takes no engine: what a fuzzer looks at. Each
//! function panics where a promise is broken.

use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::convert::{self, request};
use super::page::Asked;
use crate::catalog::{Entry, Product};
use crate::engine::pushed::PushRequest;
use crate::proto::v1;
use crate::store::{NewEvent, Timestamp};

/// A product as the API shows it, put as a client would put it.
///
/// # Errors
/// What the client would be told.
pub(crate) fn put_as_shown(product: &Product) -> Result<Option<Product>, Status> {
    let entry = Entry {
        product: product.clone(),
        lint: Vec::new(),
    };
    let shown = v1::PutProductsRequest {
        products: vec![convert::catalog::product(&entry, 0)],
        expected_version: None,
    };
    let read = v1::PutProductsRequest::decode(shown.encode_to_vec().as_slice());
    assert_eq!(read.as_ref(), Ok(&shown), "a message can be read again");
    let put = request::put(&shown, "")?.put.into_iter().next();
    Ok(put.map(|put| put.product))
}

/// What came out of a request.
pub(crate) enum Taken {
    /// The messages of a refusal, each with its field.
    Refused(Vec<(String, String)>),
    /// Texts that go on as they are.
    Texts(Vec<String>),
    /// Products to store.
    Products(Vec<Product>),
    /// Events to store.
    Events(Vec<NewEvent>),
}

/// The request that these bytes are; the first one says of which method.
pub(crate) fn request(bytes: &[u8]) -> Option<Taken> {
    let (which, bytes) = bytes.split_first()?;
    let taken = match which % 15 {
        0 => texts(&read::<v1::SyncRequest>(bytes)?, |request| {
            let asked = request::sync(request, "")?.request;
            let ids = asked.options.product_ids.iter().map(ToString::to_string);
            let more = asked
                .request_id
                .into_iter()
                .chain(asked.options.plan_digest);
            Ok(ids.chain(more).collect())
        }),
        1 => texts(&read::<v1::ValidateRequest>(bytes)?, |request| {
            let (ids, _) = request::validate(request)?;
            Ok(ids.iter().map(ToString::to_string).collect())
        }),
        2 => texts(&read::<v1::WatchSyncProgressRequest>(bytes)?, |request| {
            let (run, after) = request::watch(request)?;
            assert!(after >= 0, "{after}");
            Ok(run.iter().map(ToString::to_string).collect())
        }),
        3 => texts(&read::<v1::GetSyncRunRequest>(bytes)?, |request| {
            Ok(vec![request::run_id(&request.run_id)?.to_string()])
        }),
        4 => texts(&read::<v1::ListSyncRunsRequest>(bytes)?, |request| {
            request::runs(request)?;
            page("ListSyncRuns", request.page_size, &request.page_token)
        }),
        5 => texts(&read::<v1::ListSyncRunResultsRequest>(bytes)?, |request| {
            let (run, filter) = request::results(request)?;
            let mut texts = page("ListSyncRunResults", request.page_size, &request.page_token)?;
            texts.push(run.to_string());
            texts.extend(filter.local_ids.iter().map(ToString::to_string));
            Ok(texts)
        }),
        6 => texts(&read::<v1::ListProductsRequest>(bytes)?, |request| {
            let filter = request::products(request)?;
            let mut texts = page("ListProducts", request.page_size, &request.page_token)?;
            texts.extend(filter.kinds);
            texts.extend(filter.local_ids.iter().map(ToString::to_string));
            Ok(texts)
        }),
        7 => texts(&read::<v1::ListMappingsRequest>(bytes)?, |request| {
            let filter = request::mappings(request)?;
            Ok(vec![filter.local_id_prefix])
        }),
        8 => texts(&read::<v1::BatchGetMappingsRequest>(bytes)?, |request| {
            let ids = request::lookup(request)?;
            Ok(ids.iter().map(ToString::to_string).collect())
        }),
        9 => texts(&read::<v1::ListChangeEventsRequest>(bytes)?, |request| {
            let filter = request::events::filter(request)?;
            let own = [filter.product_type, filter.product_id, filter.user_id];
            Ok(filter.event_types.into_iter().chain(own).collect())
        }),
        10 => texts(&read::<v1::ReplayChangeEventsRequest>(bytes)?, |request| {
            Ok(request::events::replay(request.clone())?.unwrap_or_default())
        }),
        11 => texts(&read::<v1::RemoveProductsRequest>(bytes)?, |request| {
            let asked = request::remove(request, "")?;
            Ok(asked.remove.iter().map(ToString::to_string).collect())
        }),
        12 => texts(&read::<v1::ResumeScheduleRequest>(bytes)?, |request| {
            request::schedule(request.job)?;
            Ok(Vec::new())
        }),
        13 => put(&read::<v1::PutProductsRequest>(bytes)?),
        _ => emit(read::<v1::EmitChangeEventsRequest>(bytes)?),
    };
    Some(taken)
}

/// A message, if it is one; it can then be written and read again.
fn read<M: Message + Default + PartialEq>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    let written = message.encode_to_vec();
    let again = M::decode(written.as_slice());
    // Not a number is never equal to itself.
    let is_same = again.is_ok_and(|again| again == message || again.encode_to_vec() == written);
    assert!(is_same, "a message can be read again");
    Some(message)
}

fn texts<M>(message: &M, take: impl Fn(&M) -> Result<Vec<String>, Status>) -> Taken {
    take(message).map_or_else(|status| refused(&status), Taken::Texts)
}

fn page(list: &str, size: i32, token: &str) -> Result<Vec<String>, Status> {
    let asked = Asked::new(list, size, token, 200, &String::new())?;
    assert!((1..=200).contains(&asked.size), "{}", asked.size);
    Ok(asked.after.into_iter().collect())
}

fn put(request: &v1::PutProductsRequest) -> Taken {
    match request::put(request, "") {
        Ok(PushRequest { put, .. }) => {
            Taken::Products(put.into_iter().map(|put| put.product).collect())
        }
        Err(status) => refused(&status),
    }
}

fn emit(request: v1::EmitChangeEventsRequest) -> Taken {
    let events = match request::events::batch(request) {
        Ok(events) => events,
        Err(status) => return refused(&status),
    };
    let mut taken = Vec::new();
    for event in events {
        match request::events::event(event, "", |_| true, Timestamp::UNIX_EPOCH) {
            Ok(event) => taken.push(event),
            Err(invalid) => {
                return Taken::Refused(vec![(invalid.field.to_owned(), invalid.message)]);
            }
        }
    }
    Taken::Events(taken)
}

/// A refusal names what is wrong, and fits into headers.
fn refused(status: &Status) -> Taken {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(
        status.details().len() < 12_000,
        "{}",
        status.details().len()
    );
    let details = status.get_error_details();
    let violations = details
        .bad_request()
        .map(|bad| bad.field_violations.clone());
    let violations = violations.unwrap_or_default();
    assert!(!violations.is_empty(), "{status:?}");
    let pairs = violations.into_iter().map(|v| (v.field, v.description));
    Taken::Refused(pairs.collect())
}
