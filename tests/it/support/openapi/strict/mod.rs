//! What Stripe refuses although its description allows it, and what our own
//! client promises beyond that. Needs no file.

mod lists;
mod names;
mod prices;
mod products;
mod values;

use super::form::{self, Broken, Node};
use super::{Exchange, Found};

/// What is asked for, of the operations there are rules for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Account,
    CreateProduct,
    UpdateProduct,
    ListProducts,
    CreatePrice,
    UpdatePrice,
    ListPrices,
    Search,
    /// Reading or deleting one object.
    One,
}

impl Kind {
    fn of(exchange: &Exchange) -> Option<Self> {
        let path = exchange.path.strip_prefix("/v1/")?;
        let steps: Vec<&str> = path.split('/').collect();
        let kind = match (exchange.method.as_str(), &steps[..]) {
            ("GET", ["account"]) => Self::Account,
            ("POST", ["products"]) => Self::CreateProduct,
            ("GET", ["products"]) => Self::ListProducts,
            ("POST", ["prices"]) => Self::CreatePrice,
            ("GET", ["prices"]) => Self::ListPrices,
            ("GET", ["products" | "prices", "search"]) => Self::Search,
            ("GET" | "DELETE", ["products", _]) | ("GET", ["prices", _]) => Self::One,
            ("POST", ["products", _]) => Self::UpdateProduct,
            ("POST", ["prices", _]) => Self::UpdatePrice,
            _ => return None,
        };
        Some(kind)
    }
}

/// What Stripe takes from anybody.
pub(super) fn check(exchange: &Exchange, found: &mut Found) {
    if exchange.method == "DELETE" && exchange.path.starts_with("/v1/prices/") {
        found.add(
            "no-price-delete",
            exchange.line(),
            "a price is never deleted",
        );
    }
    if let Some(key) = &exchange.key {
        let length = key.chars().count();
        found.add_if(
            !(1..=255).contains(&length),
            "idempotency-key",
            "Idempotency-Key",
            "has 1 to 255 characters",
        );
    }
    found.add_if(
        exchange.method == "GET" && !exchange.form.is_empty(),
        "get-body",
        exchange.line(),
        "a GET has no body",
    );
    let node = match form::tree(exchange.pairs()) {
        Ok(node) => node,
        Err(Broken(rule, name)) => return found.add(rule, name, "broken brackets, or said twice"),
    };
    let Some(kind) = Kind::of(exchange) else {
        return;
    };
    names::check(kind, &node, found);
    values::check(kind, &node, found);
    match kind {
        Kind::CreateProduct | Kind::UpdateProduct => products::check(kind, &node, found),
        Kind::CreatePrice | Kind::UpdatePrice => prices::check(kind, &node, found),
        Kind::ListProducts | Kind::ListPrices | Kind::Search => lists::check(kind, &node, found),
        Kind::Account | Kind::One => {}
    }
    lists::expand(kind, &exchange.path, &node, found);
}

/// What only our own client promises.
pub(super) fn check_ours(exchange: &Exchange, found: &mut Found) {
    let dated = exchange.version.as_deref().is_some_and(|version| {
        let (date, name) = version.split_once('.').unwrap_or((version, ""));
        date.len() == 10 && !name.is_empty() && name != "preview"
    });
    found.add_if(
        !dated,
        "stripe-version",
        "Stripe-Version",
        "every request names a released version, or the account's default decides",
    );
    found.add_if(
        exchange.method == "POST" && exchange.key.is_none(),
        "idempotency-key",
        "Idempotency-Key",
        "a POST without one may take effect twice",
    );
    found.add_if(
        exchange.method == "POST" && !exchange.query.is_empty(),
        "post-query",
        exchange.line(),
        "the parameters of a POST are its body",
    );
    let Ok(node) = form::tree(exchange.pairs()) else {
        return;
    };
    found.add_if(
        Kind::of(exchange) == Some(Kind::ListPrices) && node.child("active").is_none(),
        "active",
        "active",
        "Stripe's words and its behaviour differ on what its absence means",
    );
    for (name, value) in exchange.pairs() {
        let last = form::steps(name).and_then(|steps| steps.last().copied());
        found.add_if(
            last == Some("currency") && value.bytes().any(|byte| byte.is_ascii_uppercase()),
            "currency",
            name.as_str(),
            "is written in lower case",
        );
        found.add_if(
            matches!(
                name.as_str(),
                "recurring[trial_period_days]" | "product_data[id]"
            ),
            "undescribed",
            name.as_str(),
            "is deprecated, or not in the public description",
        );
    }
    let options = node.child("currency_options").map(Node::children);
    for (code, _) in options.unwrap_or_default() {
        found.add_if(
            code.bytes().any(|byte| byte.is_ascii_uppercase()),
            "currency",
            format!("currency_options[{code}]"),
            "is written in lower case",
        );
    }
}
