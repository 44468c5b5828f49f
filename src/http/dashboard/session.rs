//! The login: an API key in a cookie. So a login ends when its key does, every
//! replica knows it, and nothing of it is kept here.

use axum::http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::access::Token;

/// How long a browser keeps a login. Its key may end before.
const LASTS: u32 = 12 * 60 * 60;
/// A cookie of this name is only taken over TLS, from this host alone.
/// <https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes>
const SECURE_NAME: &str = "__Host-sps";
const PLAIN_NAME: &str = "sps";

/// A request that shows its key in a cookie.
#[derive(Clone)]
pub(in crate::http) struct Session(String);

impl Session {
    /// What its forms have to carry: nobody who does not know the cookie can say it.
    pub(super) fn csrf(&self) -> String {
        let digest = Sha256::digest(format!("stripe-product-sync csrf {}", self.0));
        HEXLOWER.encode(&digest[..16])
    }

    /// Whether a form carries it.
    pub(super) fn allows(&self, csrf: &str) -> bool {
        self.csrf().as_bytes().ct_eq(csrf.as_bytes()).into()
    }
}

/// Takes the key out of the cookie, where the request shows none itself.
pub(in crate::http) fn unfold(headers: &mut HeaderMap) -> Option<Session> {
    if headers.contains_key(AUTHORIZATION) {
        return None;
    }
    let key = cookie(headers)?.to_owned();
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).ok()?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Some(Session(key))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter();
    let mut cookies = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let cookie = cookies.find(|(name, _)| [SECURE_NAME, PLAIN_NAME].contains(name));
    cookie.map(|(_, key)| key).filter(|key| !key.is_empty())
}

/// Has the browser keep a login.
pub(super) fn begin(headers: &mut HeaderMap, token: &Token, is_secure: bool) {
    set(headers, token.expose(), LASTS, is_secure);
}

/// Has the browser forget it.
pub(super) fn end(headers: &mut HeaderMap, is_secure: bool) {
    set(headers, "", 0, is_secure);
}

fn set(headers: &mut HeaderMap, key: &str, lasts: u32, is_secure: bool) {
    let (name, secure) = match is_secure {
        true => (SECURE_NAME, "; Secure"),
        false => (PLAIN_NAME, ""),
    };
    let cookie = format!("{name}={key}; Path=/; Max-Age={lasts}; HttpOnly; SameSite=Lax{secure}");
    // A key is letters, digits and underscores.
    if let Ok(mut value) = HeaderValue::from_str(&cookie) {
        value.set_sensitive(true);
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cookies: &[&'static str]) -> HeaderMap {
        let cookies = cookies
            .iter()
            .map(|cookie| (COOKIE, HeaderValue::from_static(cookie)));
        cookies.collect()
    }

    #[test]
    fn a_cookie_stands_for_the_header() {
        for cookies in [
            &["sps=k"][..],
            &["a=b; __Host-sps=k; c=d"],
            &["a=b", "sps=k"],
        ] {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                headers.append(COOKIE, HeaderValue::from_static(cookie));
            }
            assert!(unfold(&mut headers).is_some(), "{cookies:?}");
            assert_eq!(headers[AUTHORIZATION], "Bearer k");
        }
        for cookies in [&[][..], &["sps="], &["xsps=k"], &["sps"], &["a=sps=k"]] {
            let mut headers = with(cookies);
            assert!(unfold(&mut headers).is_none(), "{cookies:?}");
            assert!(!headers.contains_key(AUTHORIZATION));
        }
        // What a request says itself holds, and is no login.
        let mut headers = with(&["sps=k"]);
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer other"));
        assert!(unfold(&mut headers).is_none());
        assert_eq!(headers[AUTHORIZATION], "Bearer other");
    }

    #[test]
    fn a_form_needs_what_its_own_login_says() {
        let (one, other) = (Session("a".to_owned()), Session("b".to_owned()));
        assert!(one.allows(&one.csrf()) && !one.allows(&other.csrf()));
        assert!(!one.allows("") && !one.csrf().contains('a'.to_string().repeat(32).as_str()));
        assert_eq!(one.csrf().len(), 32);
    }

    #[test]
    fn a_login_is_for_this_host_and_no_script() {
        let token = Token::generate(|bytes| {
            bytes.fill(7);
            Ok::<_, ()>(())
        });
        let token = token.unwrap();
        let mut headers = HeaderMap::new();
        begin(&mut headers, &token, true);
        let cookie = headers[SET_COOKIE].to_str().unwrap().to_owned();
        for part in [
            "__Host-sps=sps_",
            "; Path=/;",
            "; HttpOnly",
            "; SameSite=Lax",
            "; Secure",
        ] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(headers[SET_COOKIE].is_sensitive());
        let mut headers = HeaderMap::new();
        end(&mut headers, false);
        assert_eq!(
            headers[SET_COOKIE],
            "sps=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }
}
