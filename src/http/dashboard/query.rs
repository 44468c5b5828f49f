//! Addresses of the dashboard with a query, and pages of lists.

use std::fmt;

use super::BASE;

/// An address, without what is empty.
#[derive(Clone)]
pub(super) struct Address {
    path: String,
    query: Vec<(&'static str, String)>,
}

impl Address {
    pub(super) fn new(path: &str) -> Self {
        Self {
            path: format!("{BASE}{path}"),
            query: Vec::new(),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        if !value.is_empty() {
            self.query.push((name, value.to_owned()));
        }
        self
    }

    pub(super) fn is_plain(&self) -> bool {
        self.query.is_empty()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.query.is_empty() {
            return Ok(());
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.query);
        write!(f, "?{}", query.finish())
    }
}

/// Of a list that one more was read of than a page has: the last one on the page,
/// where more follow it.
pub(super) fn next<T>(found: &mut Vec<T>, page: u32) -> Option<&T> {
    let page = usize::try_from(page).unwrap_or(usize::MAX);
    let has_more = found.len() > page;
    found.truncate(page);
    found.last().filter(|_| has_more)
}

/// One part of a path, whatever it holds.
pub(super) fn segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_what_is_set() {
        let address = Address::new("/runs").with("state", "").with("q", "a&b =é");
        assert_eq!(
            address.to_string(),
            "/admin/stripe-sync/runs?q=a%26b+%3D%C3%A9"
        );
        assert!(!address.is_plain() && Address::new("/runs").with("a", "").is_plain());
        assert_eq!(segment("a/b c?"), "a%2Fb%20c%3F");
    }

    #[test]
    fn a_page_is_followed_by_what_was_found_beyond_it() {
        let mut found = vec![1, 2, 3];
        assert_eq!(next(&mut found, 2), Some(&2));
        assert_eq!(found, [1, 2]);
        assert_eq!(next(&mut found, 2), None);
        assert_eq!(next(&mut Vec::<i32>::new(), 2), None);
    }
}
