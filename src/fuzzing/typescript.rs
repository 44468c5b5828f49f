//! Scripts with the CRM's constants.

use super::promises;
use crate::discovery;

/// A line that begins like this and goes on with a path begins another file.
const FILE: &str = "//// ";
/// What comes before the first of them.
const FIRST: &str = "src/pricing.ts";

/// One or more scripts, read by the rules of the preset `ghostcrm`.
pub fn typescript(input: &[u8]) {
    let Some(text) = super::text(input) else {
        return;
    };
    let files = split(text);
    match discovery::of_texts(files.clone(), super::ghostcrm()) {
        Ok(catalog) => promises::catalog(&catalog, &files),
        Err(error) => panic!("{error}"),
    }
}

fn split(text: &str) -> Vec<(String, String)> {
    let mut files = vec![(FIRST.to_owned(), String::new())];
    for line in text.split_inclusive('\n') {
        match line.strip_prefix(FILE) {
            Some(path) => files.push((path.trim().to_owned(), String::new())),
            None => files
                .iter_mut()
                .rev()
                .take(1)
                .for_each(|f| f.1.push_str(line)),
        }
    }
    files.truncate(20);
    // Two files of one path are on no disk.
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files.dedup_by(|a, b| a.0 == b.0);
    files
}
