//! `products`: the discovered catalog, without Stripe or a database.

use super::args;
use super::exit::{Exit, Failure};
use super::output::{Paint, Printer};
use super::table::Table;
use super::{Context, Logs, catalog, format, json, run_view};
use crate::grpc;
use crate::proto::v1::{ListProductsResponse, Price, Product, Severity};

pub(super) async fn run(context: &Context, args: &args::Products) -> Result<Exit, Failure> {
    let response = match &context.global.server {
        Some(_) => asked(context, args).await?,
        None => {
            let config = context.config(Logs::Command, Vec::new())?;
            context.notices(&config);
            let read = tokio::task::spawn_blocking(move || catalog::read(&config)).await;
            let catalog = read.map_err(|error| {
                Failure::new(Exit::Failed, format!("reading the catalog broke: {error}"))
            })??;
            chosen(grpc::products(&catalog), args)
        }
    };
    let printer = &context.printer;
    if printer.is_json() {
        printer.line(json::pretty("ListProductsResponse", &response)?);
    } else {
        show(printer, &response);
    }
    lint(printer, &response.products);
    run_view::problems(printer, &response.source_problems);
    Ok(exit(&response))
}

/// The catalog as another service reads it.
async fn asked(context: &Context, args: &args::Products) -> Result<ListProductsResponse, Failure> {
    let session = super::connect::Target::of(context)?
        .session(super::local::Role::Reads)
        .await?;
    let mut client = session.catalog();
    let mut request = crate::proto::v1::ListProductsRequest {
        page_size: 1000,
        kinds: args.kinds.clone(),
        local_ids: args.products.clone(),
        ..crate::proto::v1::ListProductsRequest::default()
    };
    let mut all = ListProductsResponse::default();
    loop {
        let page = client.list_products(request.clone()).await?.into_inner();
        all.products.extend(page.products);
        all.total_size = page.total_size;
        all.source_problems = page.source_problems;
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(all);
        }
    }
}

fn chosen(mut response: ListProductsResponse, args: &args::Products) -> ListProductsResponse {
    let among = |list: &[String], text: &String| list.is_empty() || list.contains(text);
    response.products.retain(|product| {
        among(&args.kinds, &product.kind) && among(&args.products, &product.local_id)
    });
    response.total_size = i32::try_from(response.products.len()).unwrap_or(i32::MAX);
    response
}

fn show(printer: &Printer, response: &ListProductsResponse) {
    let mut table = Table::new(&["LOCAL ID", ">AMOUNT", "EVERY", "NAME", "ORIGIN"]);
    for product in &response.products {
        // A further price has a line of its own.
        for (index, price) in product.prices.iter().enumerate() {
            let first = index == 0;
            let own = |text: &str| {
                if first {
                    text.to_owned()
                } else {
                    String::new()
                }
            };
            let origin = product.origin.as_ref().map(format::place);
            table.row([
                if first {
                    product.local_id.clone()
                } else {
                    format!("  {}", price.key)
                },
                amount(price),
                every(price),
                own(&product.name),
                own(&origin.unwrap_or_default()),
            ]);
        }
    }
    if !response.products.is_empty() {
        printer.table(&table);
    }
    printer.talk(format::count(response.total_size, "product"));
}

fn amount(price: &Price) -> String {
    match &price.amount {
        Some(money) => format::money(money),
        None if !price.tiers.is_empty() => format!("tiered {}", price.currency_code),
        None => format!(
            "{} minor units of {}",
            price.amount_decimal, price.currency_code
        ),
    }
}

fn every(price: &Price) -> String {
    match &price.recurring {
        Some(recurring) => format::every(recurring.interval(), recurring.interval_count),
        None => "once".to_owned(),
    }
}

/// What the lint says, on stderr.
fn lint(printer: &Printer, products: &[Product]) {
    for product in products {
        let place = product
            .origin
            .as_ref()
            .map(format::place)
            .unwrap_or_default();
        for finding in &product.lint {
            let field = match finding.field.as_str() {
                "" => String::new(),
                field => format!(" {field}"),
            };
            let text = format!(
                "{place}: {}{field}: {} [{}]",
                product.local_id, finding.message, finding.code
            );
            let text = text.trim_start_matches(": ");
            if finding.severity() == Severity::Error {
                printer.label(Paint::Bad, "error", text);
            } else {
                printer.warning(text);
            }
        }
    }
}

/// What a sync of this catalog could not do whole.
fn exit(response: &ListProductsResponse) -> Exit {
    let stopped = |product: &Product| {
        let mut lint = product.lint.iter();
        lint.any(|finding| finding.severity() == Severity::Error)
    };
    if response.source_problems.is_empty() && !response.products.iter().any(stopped) {
        Exit::Done
    } else {
        Exit::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{LintFinding, SourceProblem};

    #[test]
    fn warnings_never_change_the_exit_code() {
        let with = |severity: Severity| ListProductsResponse {
            products: vec![Product {
                lint: vec![LintFinding {
                    severity: severity.into(),
                    ..LintFinding::default()
                }],
                ..Product::default()
            }],
            ..ListProductsResponse::default()
        };
        assert_eq!(exit(&with(Severity::Warning)), Exit::Done);
        assert_eq!(exit(&with(Severity::Error)), Exit::Failed);
        let broken = ListProductsResponse {
            source_problems: vec![SourceProblem::default()],
            ..ListProductsResponse::default()
        };
        assert_eq!(exit(&broken), Exit::Failed);
    }
}
