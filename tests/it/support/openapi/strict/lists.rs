//! Lists, searches and expanding. <https://docs.stripe.com/api/pagination>,
//! <https://docs.stripe.com/api/expanding_objects>

use super::super::form::Node;
use super::names::below;
use super::{Found, Kind};

pub(super) fn check(kind: Kind, node: &Node, found: &mut Found) {
    let given = |name: &str| node.child(name).is_some();
    let count = |name: &str| node.child(name).map_or(0, |list| list.children().len());
    found.add_if(
        given("starting_after") && given("ending_before"),
        "cursors",
        "ending_before",
        "one cursor at a time",
    );
    found.add_if(
        given("ids") && (given("starting_after") || given("ending_before")),
        "cursors",
        "ids",
        "do not go with a cursor",
    );
    found.add_if(
        count("lookup_keys") > 10,
        "lookup-keys",
        "lookup_keys",
        "has more than 10",
    );
    found.add_if(count("ids") > 100, "ids", "ids", "has more than a page");
    found.add_if(
        kind == Kind::Search && !given("query"),
        "missing",
        "query",
        "is required",
    );
}

/// What has a whole object, or more of itself, to show.
const EXPANDABLE: &[&str] = &[
    "default_price",
    "product",
    "tiers",
    "currency_options",
    "tax_code",
];

pub(super) fn expand(kind: Kind, path: &str, node: &Node, found: &mut Found) {
    for (index, property) in node.child("expand").map(Node::children).unwrap_or_default() {
        let place = below("expand", index);
        let Some(text) = property.text() else {
            continue;
        };
        let mut steps: Vec<&str> = text.split('.').collect();
        found.add_if(
            steps.len() > 4,
            "expand",
            place.as_str(),
            "is more than four levels deep",
        );
        if matches!(kind, Kind::ListProducts | Kind::ListPrices | Kind::Search) {
            if kind == Kind::Search && text == "total_count" {
                continue;
            }
            found.add_if(
                steps[0] != "data",
                "expand",
                place.as_str(),
                "of a list starts with data",
            );
            steps.remove(0);
        }
        let first = match path.starts_with("/v1/products") {
            true => "default_price tax_code",
            false => "product tiers currency_options",
        };
        let known = steps
            .first()
            .is_some_and(|step| first.split(' ').any(|known| known == *step))
            && steps
                .iter()
                .all(|step| EXPANDABLE.contains(step) || step.len() == 3);
        found.add_if(!known, "expand", place, "is not expandable");
    }
}
