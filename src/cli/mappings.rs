//! `mappings get` and `mappings list`: where products are in Stripe.

use super::args;
use super::connect::{Session, Target};
use super::exit::{Exit, Failure};
use super::local::Role;
use super::table::Table;
use super::{Context, format, json};
use crate::proto::v1::{
    BatchGetMappingsRequest, BatchGetMappingsResponse, ListMappingsRequest, ListMappingsResponse,
    Mapping,
};

/// The largest page, and the most ids of one request.
const PAGE: i32 = 1000;
const IDS: usize = 1000;

pub(super) async fn run(context: &Context, args: &args::Mappings) -> Result<Exit, Failure> {
    let target = Target::of(context)?;
    let session = target.session(Role::Reads).await?;
    let ended = match args {
        args::Mappings::Get { ids } => get(context, &session, ids).await,
        args::Mappings::List { active, prefix } => list(context, &session, *active, prefix).await,
    };
    session.close().await;
    ended
}

async fn get(context: &Context, session: &Session, ids: &[String]) -> Result<Exit, Failure> {
    let mut client = session.catalog();
    let mut all = BatchGetMappingsResponse::default();
    for local_ids in ids.chunks(IDS) {
        let request = BatchGetMappingsRequest {
            local_ids: local_ids.to_vec(),
        };
        let page = client.batch_get_mappings(request).await?.into_inner();
        all.mappings.extend(page.mappings);
        all.not_found.extend(page.not_found);
    }
    if context.printer.is_json() {
        context
            .printer
            .line(json::pretty("BatchGetMappingsResponse", &all)?);
    } else {
        show(context, &all.mappings);
    }
    for id in &all.not_found {
        context.printer.warning(&format!(
            "{id} has no mapping in this account and mode: it was never synced there"
        ));
    }
    Ok(if all.not_found.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

async fn list(
    context: &Context,
    session: &Session,
    active: Option<bool>,
    prefix: &str,
) -> Result<Exit, Failure> {
    let mut request = ListMappingsRequest {
        page_size: PAGE,
        active,
        local_id_prefix: prefix.to_owned(),
        ..ListMappingsRequest::default()
    };
    let mut client = session.catalog();
    let mut all = ListMappingsResponse::default();
    loop {
        let page = client.list_mappings(request.clone()).await?.into_inner();
        all.mappings.extend(page.mappings);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    if context.printer.is_json() {
        context
            .printer
            .line(json::pretty("ListMappingsResponse", &all)?);
    } else if all.mappings.is_empty() {
        context.printer.talk("no mappings: nothing was synced yet");
    } else {
        show(context, &all.mappings);
    }
    Ok(Exit::Done)
}

fn show(context: &Context, mappings: &[Mapping]) {
    if mappings.is_empty() {
        return;
    }
    let mut table = Table::new(&[
        "LOCAL ID",
        ">AMOUNT",
        "EVERY",
        "PRODUCT",
        "PRICE",
        "ON SALE",
        "STATUS",
        "LAST SYNC",
    ]);
    for mapping in mappings {
        table.row([
            mapping.local_id.clone(),
            mapping
                .amount
                .as_ref()
                .map(format::money)
                .unwrap_or_default(),
            format::every(mapping.interval(), mapping.interval_count),
            mapping.stripe_product_id.clone(),
            mapping.stripe_price_id.clone(),
            if mapping.active { "yes" } else { "no" }.to_owned(),
            format::sync_status(mapping.sync_status()).to_owned(),
            format::time(mapping.last_sync_time.as_ref()),
        ]);
    }
    context.printer.table(&table);
}
