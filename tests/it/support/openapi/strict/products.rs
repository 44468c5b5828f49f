//! Rules of a product as a whole. <https://docs.stripe.com/api/products/create>

use super::super::form::Node;
use super::names::below;
use super::prices::{amounts, interval, options};
use super::values::is_url;
use super::{Found, Kind};

pub(super) fn check(kind: Kind, node: &Node, found: &mut Found) {
    if let Some(images) = node.child("images") {
        let images = images.children();
        found.add_if(images.len() > 8, "images", "images", "has more than 8");
        for (index, image) in images {
            let text = image.text().unwrap_or_default();
            found.add_if(
                text.chars().count() > 2_048 || !is_url(text),
                "images",
                below("images", index),
                "is no http(s) address of at most 2048 characters",
            );
        }
    }
    for (index, feature) in node
        .child("marketing_features")
        .map(Node::children)
        .unwrap_or_default()
    {
        let name = feature.at(&["name"]).unwrap_or_default();
        found.add_if(
            !(1..=80).contains(&name.chars().count()),
            "marketing-features",
            below("marketing_features", index),
            "has a name of at most 80 characters",
        );
    }
    // What Stripe shows again is shorter than what it says it takes.
    for (name, max) in [("description", 5_000), ("url", 2_048)] {
        let long = node
            .at(&[name])
            .is_some_and(|text| text.chars().count() > max);
        found.add_if(
            long,
            "too-long-to-show",
            name,
            "is longer than the reply's description allows",
        );
    }
    let features = node
        .child("marketing_features")
        .map_or(0, |list| list.children().len());
    found.add_if(
        features > 15,
        "marketing-features",
        "marketing_features",
        "has more than 15",
    );
    found.add_if(
        kind == Kind::CreateProduct && node.at(&["name"]).is_none(),
        "missing",
        "name",
        "is required",
    );
    if let Some(size) = node
        .child("package_dimensions")
        .filter(|size| size.text().is_none())
    {
        for side in ["height", "length", "weight", "width"] {
            let place = below("package_dimensions", side);
            match size.at(&[side]).map(str::parse::<f64>) {
                None => found.add("missing", place, "is required"),
                Some(Ok(number)) if number > 0.0 => {}
                Some(_) => found.add("package-dimensions", place, "is no number above 0"),
            }
        }
    }
    if let Some(price) = node.child("default_price_data") {
        let place = "default_price_data";
        found.add_if(
            price.at(&["currency"]).is_none(),
            "missing",
            below(place, "currency"),
            "is required",
        );
        amounts(price, place, false, found);
        interval(price, place, found);
        options(price, place, false, found);
    }
}
