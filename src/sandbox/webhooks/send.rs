//! One delivery over HTTP, signed as Stripe signs.
//! <https://docs.stripe.com/webhooks/signature>

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use sha2::Sha256;

use crate::net::post::Poster;

const SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");
const AGENT: &str = "Stripe/1.0 (+https://stripe.com/docs/webhooks)";

/// A delivery as it goes over the wire.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) url: String,
    pub(super) body: String,
    pub(super) signature: String,
}

/// The status of the answer, of which redirects are one: they are not followed.
///
/// # Errors
/// Why there was none in time, in words.
pub(super) async fn post(poster: &Poster, letter: Letter) -> Result<u16, String> {
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let signature = HeaderValue::from_str(&letter.signature)
        .map_err(|error| format!("the signature is no header: {error}"))?;
    headers.insert(SIGNATURE, signature);
    let answer = poster.post(&letter.url, headers, letter.body).await?;
    Ok(answer.status.as_u16())
}

/// `t=…,v1=…[,v1=…]`, one `v1` for each secret; in test mode also a `v0`, which
/// is no signature and which receivers are to ignore.
pub(in crate::sandbox) fn sign<'a>(
    body: &str,
    at: i64,
    secrets: impl Iterator<Item = &'a str>,
    live: bool,
) -> String {
    let mut header = format!("t={at}");
    let mut add = |scheme: &str, secret: &str| {
        header.push(',');
        header.push_str(scheme);
        header.push('=');
        // A key of any length does.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
            mac.update(format!("{at}.").as_bytes());
            mac.update(body.as_bytes());
            HEXLOWER.encode_append(&mac.finalize().into_bytes(), &mut header);
        }
    };
    for secret in secrets {
        add("v1", secret);
    }
    if !live {
        add("v0", "no secret");
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value comes from `printf '1492774577.{}' | openssl dgst -sha256 -hmac whsec_a`.
    #[test]
    fn the_signature_is_hmac_sha256_of_time_and_body() {
        let header = sign(
            "{}",
            1_492_774_577,
            ["whsec_a", "whsec_b"].into_iter(),
            true,
        );
        let (time, rest) = header.split_once(',').unwrap();
        assert_eq!(time, "t=1492774577");
        let (first, second) = rest.split_once(',').unwrap();
        assert_eq!(
            first,
            "v1=0795e42ae1a6ef2a9f851697878fcb6cef11bac904210e366dbfab6807a52f1b"
        );
        assert!(second.starts_with("v1=") && second != first);
        let test = sign("{}", 1, ["whsec_a"].into_iter(), false);
        assert_eq!(test.matches(",v1=").count(), 1);
        assert_eq!(test.matches(",v0=").count(), 1);
    }
}
