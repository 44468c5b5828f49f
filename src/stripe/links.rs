//! Pages in Stripe's dashboard.

use crate::plan::{AccountRef, Mode, ProductId};

/// The pages of one account. With the account in it a link opens the right one
/// whatever the browser showed last.
#[derive(Clone, Copy, Debug)]
pub struct Links<'a> {
    at: Option<&'a AccountRef>,
}

impl<'a> Links<'a> {
    /// Of this account, where it is known. Nothing of the sandbox is in Stripe's
    /// dashboard.
    pub fn new(at: Option<&'a AccountRef>, is_sandbox: bool) -> Self {
        Self {
            at: at.filter(|_| !is_sandbox),
        }
    }

    /// The page of all products.
    pub fn products(self) -> Option<String> {
        Some(format!("{}/products", self.base()?))
    }

    /// The page of one product. A price has none that every account shows.
    pub fn product(self, id: &ProductId) -> Option<String> {
        Some(format!("{}/{}", self.products()?, segment(id.as_str())))
    }

    /// The page of a request in Stripe's log.
    pub fn request(self, id: &str) -> Option<String> {
        Some(format!("{}/logs/{}", self.base()?, segment(id)))
    }

    fn base(self) -> Option<String> {
        let at = self.at?;
        let test = match at.mode {
            Mode::Test => "/test",
            Mode::Live => "",
        };
        let account = segment(&at.account);
        Some(format!("https://dashboard.stripe.com/{account}{test}"))
    }
}

/// An id as one part of an address: nobody's id leads elsewhere.
fn segment(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_only_to_objects_of_stripe() {
        let of = |mode| AccountRef {
            account: "acct_1".into(),
            mode,
        };
        let (test, live) = (of(Mode::Test), of(Mode::Live));
        let product = |at, id| Links::new(at, false).product(&ProductId::new(id));
        assert_eq!(
            product(Some(&test), "prod_1").unwrap(),
            "https://dashboard.stripe.com/acct_1/test/products/prod_1"
        );
        assert_eq!(
            product(Some(&live), "../a?b#c").unwrap(),
            "https://dashboard.stripe.com/acct_1/products/%2E%2E%2Fa%3Fb%23c"
        );
        assert_eq!(
            Links::new(Some(&live), false).request("req_1").unwrap(),
            "https://dashboard.stripe.com/acct_1/logs/req_1"
        );
        assert_eq!(product(None, "prod_1"), None);
        assert_eq!(Links::new(Some(&test), true).products(), None);
    }
}
