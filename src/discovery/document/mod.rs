//! YAML, JSON and TOML files with a list of products.

pub(crate) mod syntax;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::syntax::Format;
use super::product::{self, Defaults};
use super::value::{Node, SourceFile, did_you_mean};
use crate::catalog::{Currency, Origin, Problem, Product, Source, SourceKind};

const FILE_FIELDS: [&str; 4] = ["products", "product", "currency", "$schema"];

/// Documents that are found without any rule naming them.
pub(crate) fn is_document_by_name(path: &str) -> bool {
    if Format::of(path).is_none() {
        return false;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem == "stripe-products" || stem.ends_with(".stripe-products") || may_be_document(path)
}

/// `products.yaml` and `catalog.json` in the root itself are common names: they
/// are documents only if their content says so.
pub(crate) fn may_be_document(path: &str) -> bool {
    let stem = path.rsplit_once('.').map(|(stem, _)| stem);
    Format::of(path).is_some() && matches!(stem, Some("products" | "catalog"))
}

/// Whether the top level has a list of products. A file that does not parse but
/// is meant as a document says so by the word.
pub(crate) fn looks_like_document(file: &Arc<SourceFile>, format: Format) -> bool {
    match syntax::parse(file, format) {
        Ok(node) => node
            .as_record()
            .and_then(|record| record.get("products"))
            .is_some_and(|products| products.node.as_list().is_some()),
        Err(_) => file.text.contains("products"),
    }
}

/// Reads every product of a file.
pub(crate) fn read(file: &Arc<SourceFile>, format: Format) -> (Vec<Product>, Source) {
    let mut products = Vec::new();
    let mut problems = Vec::new();
    match syntax::parse(file, format) {
        Ok(node) => match node.check_weight(file.text.len()) {
            Ok(()) => read_node(&node, &file.path, &mut products, &mut problems),
            Err(problem) => problems.push(problem),
        },
        Err(problem) => problems.push(problem),
    }
    let source = Source {
        rule: file.path.clone(),
        files: vec![file.path.clone()],
        problems,
    };
    (products, source)
}

fn read_node(
    node: &Arc<Node>,
    rule: &str,
    products: &mut Vec<Product>,
    problems: &mut Vec<Problem>,
) {
    let mut currency = Currency::USD;
    let list = match node.as_record() {
        None => node.as_list(),
        Some(record) => {
            for field in record.fields() {
                if !FILE_FIELDS.contains(&&*field.key) {
                    let hint = did_you_mean(&field.key, FILE_FIELDS);
                    let message = format!("`{}` is no field of a document{hint}", field.key);
                    problems.push(field.key_pos.problem(message));
                }
            }
            if let Some(field) = record.get("currency") {
                match field.node.as_text().map(str::parse) {
                    Some(Ok(known)) => currency = known,
                    Some(Err(error)) => {
                        // Without it, no amount of this file means anything.
                        let error: crate::catalog::UnknownCurrency = error;
                        problems.push(
                            field
                                .node
                                .pos
                                .problem(format!("`currency` is wrong: {error}")),
                        );
                        return;
                    }
                    None => {
                        problems.push(field.node.wrong(|what| {
                            format!("`currency` is {what}; a code such as usd is needed")
                        }));
                        return;
                    }
                }
            }
            let field = record.get("products").or_else(|| record.get("product"));
            if let Some(poison) = field.and_then(|field| field.node.poison()) {
                problems.push(poison.problem());
                return;
            }
            field.and_then(|field| field.node.as_list())
        }
    };
    let Some(list) = list else {
        problems.push(node.pos.problem("has no list `products`"));
        return;
    };
    for (index, item) in list.iter().enumerate() {
        let origin = Origin {
            source: SourceKind::Document,
            rule: rule.to_owned(),
            entry: format!("products[{index}]"),
            place: item.pos.place(),
            event_key: None,
        };
        let defaults = Defaults {
            kind: "product",
            currency,
        };
        match product::read(item, &defaults, origin) {
            Ok(product) => products.push(product),
            Err(found) => problems.extend(found),
        }
    }
}
