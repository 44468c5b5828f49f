//! Documents: YAML, JSON and TOML.

use super::promises;
use crate::discovery;

/// The same text as a document of each sort.
pub fn document(input: &[u8]) {
    let Some(text) = super::text(input) else {
        return;
    };
    for path in ["products.yaml", "products.json", "products.toml"] {
        let files = || vec![(path.to_owned(), text.to_owned())];
        match discovery::of_texts(files(), super::ghostcrm()) {
            Ok(catalog) => promises::catalog(&catalog, &files()),
            Err(error) => panic!("{error}"),
        }
    }
}
