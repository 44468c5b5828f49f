//! Pages of lists: sizes, and tokens that belong to one list with its filters.

use data_encoding::HEXLOWER;
use prost::Message;
use sha2::{Digest as _, Sha256};
use tonic::Status;

use super::status;

/// What `page_size` 0 means.
const DEFAULT_SIZE: u32 = 50;
/// The longest key that a list goes by, a local id.
const MAX_KEY: usize = 200;
/// An answer stays well below the 4 MiB that clients take by default.
const MAX_BYTES: usize = 3 * 1024 * 1024;
/// Characters of the filters' hash in a token.
const HASH: usize = 16;

/// Which page a request asks for.
#[derive(Debug)]
pub(super) struct Asked {
    /// Begins after this key.
    pub(super) after: Option<String>,
    /// At most so many.
    pub(super) size: u32,
    filters: String,
}

impl Asked {
    /// Checks what a request to this list says. `filters` is the request without
    /// its page fields: a token that was made with others is refused.
    pub(super) fn new(
        list: &str,
        page_size: i32,
        page_token: &str,
        max_size: u32,
        filters: &impl Message,
    ) -> Result<Self, Status> {
        let size = match u32::try_from(page_size) {
            Ok(0) => DEFAULT_SIZE,
            Ok(size) => size.min(max_size),
            Err(_) => return Err(status::invalid("page_size", "must be 0 or more")),
        };
        let filters = hash(list, filters);
        let after = if page_token.is_empty() {
            None
        } else {
            Some(open(page_token, &filters).ok_or_else(status::invalid_page_token)?)
        };
        Ok(Self {
            after,
            size,
            filters,
        })
    }

    /// One more than the page holds: tells whether another page follows.
    pub(super) fn limit(&self) -> u32 {
        self.size + 1
    }

    /// The page out of what was found with [`Asked::limit`], and the token of
    /// the next one. A page of large items is shorter than asked for.
    pub(super) fn cut<R, M: Message>(
        &self,
        found: Vec<R>,
        key: impl Fn(&R) -> String,
        message: impl Fn(R) -> M,
    ) -> (Vec<M>, String) {
        let total = found.len();
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let mut items = Vec::with_capacity(total.min(size));
        let mut bytes = 0;
        let mut last = String::new();
        for row in found.into_iter().take(size) {
            let row_key = key(&row);
            let item = message(row);
            bytes += item.encoded_len();
            if bytes > MAX_BYTES && !items.is_empty() {
                break;
            }
            last = row_key;
            items.push(item);
        }
        let next = if items.len() < total {
            format!("{}{}", self.filters, HEXLOWER.encode(last.as_bytes()))
        } else {
            String::new()
        };
        (items, next)
    }
}

/// As many messages as have room in so many bytes together.
pub(super) fn fit<M: Message>(messages: impl IntoIterator<Item = M>, max_bytes: usize) -> Vec<M> {
    let mut bytes = 0_usize;
    messages
        .into_iter()
        .take_while(|message| {
            bytes = bytes.saturating_add(message.encoded_len());
            bytes <= max_bytes
        })
        .collect()
}

fn open(token: &str, filters: &str) -> Option<String> {
    let key = token.strip_prefix(filters)?;
    if key.is_empty() || key.len() > 2 * MAX_KEY {
        return None;
    }
    // Lists go by ids and numbers.
    let key = String::from_utf8(HEXLOWER.decode(key.as_bytes()).ok()?).ok()?;
    key.bytes().all(|b| b.is_ascii_graphic()).then_some(key)
}

/// Equal requests have equal bytes: maps are ordered in the generated types.
fn hash(list: &str, filters: &impl Message) -> String {
    let mut hasher = Sha256::new();
    hasher.update(list.as_bytes());
    hasher.update(filters.encode_to_vec());
    let mut text = HEXLOWER.encode(&hasher.finalize());
    text.truncate(HASH);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(list: &str, size: i32, token: &str, filter: &str) -> Result<Asked, Status> {
        Asked::new(list, size, token, 200, &filter.to_owned())
    }

    fn token_after(key: &str, filter: &str) -> String {
        let page = asked("a", 1, "", filter).unwrap();
        let found = vec![key.to_owned(), "never shown".to_owned()];
        page.cut(found, String::clone, |row| row).1
    }

    #[test]
    fn sizes_are_defaulted_capped_or_refused() {
        for (size, expected) in [(0, 50), (7, 7), (200, 200), (201, 200), (i32::MAX, 200)] {
            assert_eq!(asked("a", size, "", "").unwrap().size, expected, "{size}");
        }
        let status = asked("a", -1, "", "").unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
    }

    #[test]
    fn a_token_goes_on_after_the_last_item_of_the_same_list_and_filters() {
        let token = token_after("plan_a", "active");
        let next = asked("a", 1, &token, "active").unwrap();
        assert_eq!(next.after.as_deref(), Some("plan_a"));
        for (list, filter) in [("a", "other"), ("b", "active")] {
            assert!(asked(list, 1, &token, filter).is_err(), "{list} {filter}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let good = token_after("plan_a", "");
        let odd = format!("{good}0");
        let not_hex = format!("{}zz", &good[..16]);
        let too_long = format!("{}{}", &good[..16], "61".repeat(MAX_KEY + 1));
        let not_ascii = format!("{}ä", &good[..16]);
        let hidden = format!("{}00", &good[..16]);
        for bad in [
            "x",
            &hidden,
            &good[..16],
            &odd,
            &not_hex,
            &too_long,
            &not_ascii,
        ] {
            assert!(asked("a", 1, bad, "").is_err(), "{bad}");
        }
    }

    #[test]
    fn the_last_page_has_no_token_and_large_items_shorten_a_page() {
        let page = asked("a", 10, "", "").unwrap();
        let two = vec!["a".to_owned(), "b".to_owned()];
        let (items, token) = page.cut(two, String::clone, |row| row);
        assert_eq!((items.len(), token.as_str()), (2, ""));
        let large = vec!["a".repeat(2 * 1024 * 1024), "b".repeat(2 * 1024 * 1024)];
        let (items, token) = page.cut(large, |row| row[..1].to_owned(), |row| row);
        assert_eq!(items.len(), 1);
        assert_eq!(
            asked("a", 10, &token, "").unwrap().after.as_deref(),
            Some("a")
        );
    }
}
