//! Whole trees to whole catalogs.

use std::path::Path;

use super::*;
use crate::catalog::Severity;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn request(root: &Path, rules: &str) -> Request {
    Request {
        root: root.to_owned(),
        rules: Rules::load(rules).unwrap(),
        lint_policy: lint::Policy::default(),
        pushed: Vec::new(),
    }
}

fn found(files: &[(&str, &str)]) -> Catalog {
    discover(request(tree(files).path(), "ghostcrm")).unwrap()
}

fn ids(catalog: &Catalog) -> Vec<&str> {
    catalog.products.keys().map(|id| id.as_str()).collect()
}

fn problems(catalog: &Catalog) -> Vec<String> {
    let problems = catalog.all_problems();
    problems
        .map(|(rule, problem)| format!("[{rule}] {problem}"))
        .collect()
}

#[test]
fn the_sample_is_exactly_this() {
    let dir = tree(sample::SAMPLE);
    let catalog = discover(request(dir.path(), "ghostcrm")).unwrap();
    assert!(catalog.is_complete(), "{:?}", problems(&catalog));
    let mut shown = String::new();
    for (id, Entry { product, lint }) in &catalog.products {
        assert_eq!(lint, &[], "{id}");
        let event = product.event_key.as_ref().unwrap();
        shown.push_str(&format!(
            "{id} | {} | {} | {} | {} | {}/{} | {}:{}:{}\n",
            product.name,
            product.description.as_deref().unwrap_or("-"),
            product.kind,
            product.default_price.terms.describe(),
            event.product_type,
            event.product_id,
            product
                .origin
                .place
                .file
                .trim_start_matches("src/config/pricing/"),
            product.origin.place.line,
            product.origin.place.column,
        ));
        for (key, value) in &product.metadata {
            shown.push_str(&format!("    {key}={value}\n"));
        }
    }
    insta::assert_snapshot!(shown);
}

use crate::catalog::Entry;

#[test]
fn debug_placeholder() {
    let _ = Severity::Error;
    let _ = ids(&found(&[("a.ts", "export const ORG_PLANS = []")]));
}
