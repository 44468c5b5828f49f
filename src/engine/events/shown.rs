//! Whether the catalog shows what an event tells of. Judged are prices, names and
//! descriptions only: what else the CRM sends has no fixed place in a product.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::claimed::amount;
use crate::catalog::{Catalog, LocalId, Product};

/// The fields that none of these products shows as told, each in words.
pub(super) fn not_shown(
    catalog: &Catalog,
    ids: &BTreeSet<LocalId>,
    told: &BTreeMap<String, Value>,
) -> BTreeMap<String, String> {
    let products: Vec<&Product> = ids
        .iter()
        .filter_map(|id| catalog.products.get(id))
        .map(|entry| &entry.product)
        .collect();
    told.iter()
        .filter(|(field, to)| shows(&products, field, to) == Some(false))
        .map(|(field, to)| {
            let to = match to {
                Value::String(text) => shortened(text),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => to.to_string(),
            };
            (field.clone(), format!("{} is to be {to}", shortened(field)))
        })
        .collect()
}

/// `None`: there is no telling.
fn shows(products: &[&Product], field: &str, to: &Value) -> Option<bool> {
    let field = field.to_ascii_lowercase();
    if ["price", "fee", "amount"]
        .iter()
        .any(|part| field.contains(part))
    {
        let wanted = amount(to)?;
        let mut amounts = products.iter().flat_map(|product| product.prices());
        return Some(amounts.any(|price| {
            let terms = &price.terms;
            let is = terms.amount().map(|is| is.major(terms.currency));
            is.is_some_and(|is| is.normalize() == wanted)
        }));
    }
    let text = |of: fn(&Product) -> &str| {
        let wanted = to.as_str()?.trim();
        Some(products.iter().any(|product| of(product).contains(wanted)))
    };
    match field.as_str() {
        "name" | "displayname" | "display_name" => text(|product| &product.name),
        "description" => text(|product| product.description.as_deref().unwrap_or_default()),
        _ => None,
    }
}

/// A word of a message, not a page.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{:?}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Entry;
    use crate::catalog::test_support::product;

    fn flagged(told: &Value) -> Vec<String> {
        let mut catalog = Catalog::default();
        let mut ids = BTreeSet::new();
        for (id, amount) in [("plan_a_monthly", "29"), ("plan_a_yearly", "290.50")] {
            let product = product(id, amount);
            ids.insert(product.local_id.clone());
            let entry = Entry {
                product,
                lint: Vec::new(),
            };
            catalog
                .products
                .insert(entry.product.local_id.clone(), entry);
        }
        let told = told.as_object().unwrap().clone().into_iter().collect();
        not_shown(&catalog, &ids, &told).into_values().collect()
    }

    #[test]
    fn prices_names_and_descriptions_are_compared() {
        assert_eq!(
            flagged(&json!({"monthlyPrice": 29, "yearlyPrice": "290.50", "name": "plan_a"})),
            Vec::<String>::new()
        );
        assert_eq!(
            flagged(&json!({"monthlyPrice": 35.5, "setupFee": "0", "description": "new"})),
            [
                "description is to be new",
                "monthlyPrice is to be 35.5",
                "setupFee is to be 0"
            ]
        );
    }

    #[test]
    fn what_has_no_place_in_a_product_is_not_judged() {
        let told = json!({
            "maxUsers": 7, "features": ["a"], "price": null, "amount": {"usd": 1}, "name": 5
        });
        assert_eq!(flagged(&told), Vec::<String>::new());
    }
}
