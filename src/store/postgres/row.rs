//! What a row of PostgreSQL's holds, and what its texts cannot hold.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::Hash;

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::store::rows::Cells;

impl Cells for PgRow {
    fn text(&self, column: &str) -> Result<Option<&str>, sqlx::Error> {
        self.try_get(column)
    }

    fn int(&self, column: &str) -> Result<Option<i64>, sqlx::Error> {
        self.try_get(column)
    }

    fn flag(&self, column: &str) -> Result<bool, sqlx::Error> {
        self.try_get(column)
    }
}

/// Rows of one INSERT: a batch of events fits into one.
pub(super) const CHUNK: usize = 1_000;

/// PostgreSQL keeps every character but NUL, which comes from outside at the
/// most. A row that says so is worth more than one that is refused.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{FFFD}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// JSON text for a `jsonb` column of the CRM's, which keeps no NUL either, and
/// refuses its escape.
pub(super) fn clean_json(json: String) -> String {
    if !json.contains("\\u0000") {
        return json;
    }
    let mut cleaned = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        cleaned.push_str(before);
        rest = if let Some(rest) = escape.strip_prefix("\\u0000") {
            cleaned.push_str("\\ufffd");
            rest
        } else {
            // A backslash and the character it makes another of, which may be one too.
            let end = escape.char_indices().nth(2).map_or(escape.len(), |c| c.0);
            let (escape, rest) = escape.split_at(end);
            cleaned.push_str(escape);
            rest
        };
    }
    cleaned.push_str(rest);
    cleaned
}

/// Cuts rows into stretches for one INSERT each. No key comes twice in one:
/// `ON CONFLICT DO UPDATE` refuses that, while one after the other is well.
pub(super) fn batches<'a, T, K: Eq + Hash>(
    rows: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> Vec<&'a [T]> {
    let mut batches = Vec::new();
    let mut begin = 0;
    let mut seen = HashSet::new();
    for (index, row) in rows.iter().enumerate() {
        let key = key(row);
        if index - begin == CHUNK || seen.contains(&key) {
            batches.push(&rows[begin..index]);
            begin = index;
            seen.clear();
        }
        seen.insert(key);
    }
    if begin < rows.len() {
        batches.push(&rows[begin..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_becomes_a_mark() {
        assert_eq!(clean("a\0b"), "a\u{FFFD}b");
        assert!(matches!(clean("café"), Cow::Borrowed("café")));
        for value in ["\0", "\\u0000", "\\\0", "\"\0\"\\", "é\0\u{1F600}\\\\u0000"] {
            let json = clean_json(serde_json::to_string(value).unwrap());
            let back: String = serde_json::from_str(&json).unwrap();
            assert_eq!(back, value.replace('\0', "\u{FFFD}"), "{json}");
        }
    }

    #[test]
    fn a_key_comes_once_in_a_batch() {
        assert_eq!(
            batches(&[1, 2, 1, 3, 3], |n| *n),
            [&[1, 2][..], &[1, 3], &[3]]
        );
        assert!(batches(&[] as &[u8], |n| *n).is_empty());
        let many: Vec<usize> = (0..=CHUNK).collect();
        let sizes: Vec<usize> = batches(&many, |n| *n).iter().map(|b| b.len()).collect();
        assert_eq!(sizes, [CHUNK, 1]);
    }
}
