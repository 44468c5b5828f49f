//! Keys: which are taken, and what their prefix says.
//! <https://docs.stripe.com/keys>

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::error::ApiError;

/// Whether the request's key is a live one.
///
/// # Errors
/// 401 without a usable key, and for a live key unless `live_allowed`; 403 for
/// a publishable key.
pub(super) fn check(headers: &HeaderMap, live_allowed: bool) -> Result<bool, ApiError> {
    let key = key(headers).ok_or_else(|| {
        ApiError::invalid(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using \
             Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication \
             for details, or we can help at https://support.stripe.com/.",
        )
        .with_status(401)
    })?;
    if key.starts_with("pk_") {
        return Err(ApiError::invalid(
            "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a \
             list of your API keys at https://dashboard.stripe.com/account/apikeys.",
        )
        .with_status(403)
        .with_code("secret_key_required"));
    }
    let refuse = |why: &str| {
        let start: String = key.chars().take(8).collect();
        let end: String = key
            .chars()
            .skip(8)
            .collect::<Vec<_>>()
            .iter()
            .rev()
            .take(4)
            .rev()
            .collect();
        Err(
            ApiError::invalid(format!("Invalid API Key provided: {start}****{end}.{why}"))
                .with_status(401),
        )
    };
    let mut parts = key.splitn(3, '_');
    let (kind, mode, rest) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    let kind_known = matches!(kind, Some("sk" | "rk" | "rkcs"));
    let well_formed =
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    match mode {
        Some("test") if kind_known && well_formed => Ok(false),
        Some("live") if kind_known && well_formed && live_allowed => Ok(true),
        Some("live") if kind_known && well_formed => refuse(
            " This sandbox takes test keys only; it must be started in live mode for others.",
        ),
        Some(_) | None => refuse(""),
    }
}

/// The key of `Authorization: Bearer KEY`, or the user name of Basic.
fn key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let key = if scheme.eq_ignore_ascii_case("bearer") {
        rest.trim().to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = base64(rest.trim())?;
        decoded.split(':').next()?.to_owned()
    } else {
        return None;
    };
    Some(key).filter(|key| !key.is_empty())
}

/// Standard base64 of ASCII text, padded or not.
fn base64(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        buffer = (buffer << 6 | u32::from(value)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_value(value: &str, live: bool) -> Result<bool, (u16, Option<&'static str>)> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        check(&headers, live).map_err(|error| (error.status, error.code))
    }

    #[test]
    fn takes_secret_and_restricted_keys_of_its_mode() {
        for key in ["sk_test_x", "rk_test_a_b", "rkcs_test_1"] {
            assert_eq!(
                check_value(&format!("Bearer {key}"), false),
                Ok(false),
                "{key}"
            );
        }
        // "sk_test_sandbox:" and "sk_test_sandbox"
        for value in [
            "Basic c2tfdGVzdF9zYW5kYm94Og==",
            "basic c2tfdGVzdF9zYW5kYm94",
        ] {
            assert_eq!(check_value(value, false), Ok(false), "{value}");
        }
        assert_eq!(check_value("Bearer sk_live_x", true), Ok(true));
        assert_eq!(check_value("Bearer sk_live_x", false), Err((401, None)));
    }

    #[test]
    fn refuses_other_keys() {
        for value in [
            "Bearer sk_test_",
            "Bearer sk_test",
            "Bearer xx_test_1",
            "Bearer sk_prod_1",
            "Bearer sk_test_a b",
            "Bearer ",
            "Digest sk_test_x",
            "Basic ###",
        ] {
            assert_eq!(check_value(value, true), Err((401, None)), "{value}");
        }
        assert_eq!(
            check_value("Bearer pk_test_x", false),
            Err((403, Some("secret_key_required")))
        );
        assert_eq!(check(&HeaderMap::new(), true).unwrap_err().status, 401);
    }
}
