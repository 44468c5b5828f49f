//! Who asks: the request's key, the account it acts on, and what it may do there.
//! <https://docs.stripe.com/keys>, <https://docs.stripe.com/connect/authentication>

use std::collections::BTreeSet;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};

use super::account::Tenant;
use super::error::ApiError;
use super::keys::{self, Directory, Found, Permission};

const STRIPE_ACCOUNT: HeaderName = HeaderName::from_static("stripe-account");
const STRIPE_CONTEXT: HeaderName = HeaderName::from_static("stripe-context");

/// Who asks, for which account.
#[derive(Debug)]
pub(super) struct Caller {
    /// The account acted on.
    pub(super) tenant: Tenant,
    /// The key as it may be shown.
    shown: String,
    /// `None`: everything.
    permissions: Option<BTreeSet<Permission>>,
}

/// # Errors
/// 401 without a usable key, and for a live key unless `live_allowed`; 403 for
/// a publishable key, and for an account that the key does not reach.
pub(super) fn check(
    headers: &HeaderMap,
    directory: &Directory,
    live_allowed: bool,
) -> Result<Caller, ApiError> {
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
    let shown = shown(&key);
    let refuse = |why: &str| {
        ApiError::invalid(format!("Invalid API Key provided: {shown}.{why}")).with_status(401)
    };
    if key.starts_with("sk_org_") {
        return Err(refuse(
            " This sandbox has no organizations; use a key of the account itself.",
        ));
    }
    let (_, live, _) = keys::parts(&key).ok_or_else(|| refuse(""))?;
    if live && !live_allowed {
        return Err(refuse(
            " This sandbox takes test keys only; it must be started in live mode for others.",
        ));
    }
    match directory.find(&key) {
        Found::Expired => Err(
            ApiError::invalid(format!("Expired API Key provided: {shown}"))
                .with_status(401)
                .with_code("api_key_expired"),
        ),
        Found::Account {
            account,
            permissions,
        } => Ok(Caller {
            tenant: Tenant {
                account: acted_on(headers, directory, account, &shown)?,
                live,
            },
            shown,
            permissions,
        }),
    }
}

/// `Stripe-Account` is the key's own account or one connected to it.
/// `Stripe-Context` is for organizations, which there are none of: who sends it
/// must not be served as somebody else.
fn acted_on(
    headers: &HeaderMap,
    directory: &Directory,
    own: String,
    shown: &str,
) -> Result<String, ApiError> {
    if headers.contains_key(STRIPE_CONTEXT) {
        return Err(ApiError::invalid(
            "The Stripe-Context header is not taken by this sandbox: use a key of the account itself, or \
             Stripe-Account for a connected account.",
        ));
    }
    let Some(named) = headers.get(STRIPE_ACCOUNT) else {
        return Ok(own);
    };
    let named = String::from_utf8_lossy(named.as_bytes()).into_owned();
    if named == own || directory.is_connected(&named, &own) {
        return Ok(named);
    }
    Err(ApiError::invalid(format!(
        "The provided key '{shown}' does not have access to account '{named}' (or that account does not exist). \
         Application access may have been revoked."
    ))
    .with_status(403)
    .with_code("account_invalid"))
}

impl Caller {
    /// # Errors
    /// 403 that names the first permission a restricted key lacks.
    pub(super) fn may(&self, endpoint: &str, pairs: &[(String, String)]) -> Result<(), ApiError> {
        let Some(held) = &self.permissions else {
            return Ok(());
        };
        let needed = Permission::needed(endpoint, pairs);
        let lacking = match &needed {
            Some(needed) => needed.iter().find(|needed| !keys::allows(held, **needed)),
            None => None,
        };
        let hint = match (&needed, lacking) {
            (Some(_), None) => return Ok(()),
            (Some(_), Some(lacking)) => {
                format!(" Having the '{lacking}' permission would allow this request to continue.")
            }
            (None, _) => String::new(),
        };
        let Self { shown, tenant, .. } = self;
        Err(ApiError::invalid(format!(
            "The provided key '{shown}' does not have the required permissions for this endpoint on account '{}'.{hint}",
            tenant.account
        ))
        .with_status(403))
    }
}

/// Its kind and its last four characters.
fn shown(key: &str) -> String {
    let start: String = key.chars().take(8).collect();
    let rest: Vec<char> = key.chars().skip(8).collect();
    let end: String = rest[rest.len().saturating_sub(4)..].iter().collect();
    format!("{start}****{end}")
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
        let rules = ["sk_test_old=expired".parse().unwrap()];
        check(&headers, &Directory::new("acct_1", &rules, &[]), live)
            .map(|caller| caller.tenant.live)
            .map_err(|error| (error.status, error.code))
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
            "Bearer sk_org_live_1",
            "Bearer rkcs_live_1",
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
        assert_eq!(
            check_value("Bearer sk_test_old", false),
            Err((401, Some("api_key_expired")))
        );
        let directory = Directory::new("acct_1", &[], &[]);
        assert_eq!(
            check(&HeaderMap::new(), &directory, true)
                .unwrap_err()
                .status,
            401
        );
    }
}
