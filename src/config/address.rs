//! Addresses: Stripe's, a webhook's and our own.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where Stripe's API answers: scheme, host and perhaps a port, without a
/// trailing slash. Plain http only where the host is loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiBase(String);

impl ApiBase {
    /// As in `https://api.stripe.com`: put the path (`/v1/…`) behind it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks an address.
    ///
    /// # Errors
    /// What is wrong with it, without the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri = web_url(text)?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('#') {
            return Err(
                "takes only scheme, host and port: leave out the path (/v1 is added)".to_owned(),
            );
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for ApiBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks an address that we send to: https, or http to loopback, nothing
/// secret in it. The errors never hold the text, which may be a secret.
pub(super) fn web_url(text: &str) -> Result<http::Uri, String> {
    let bad = || "is not a URL: expected https://HOST".to_owned();
    let uri: http::Uri = text.parse().map_err(|_| bad())?;
    let authority = uri.authority().ok_or_else(bad)?;
    if authority.as_str().contains('@') {
        return Err("holds a user name or password: leave it out".to_owned());
    }
    // A port that is none (too large, empty) is left out of `port_u16`.
    let host = authority.host();
    if host.is_empty() || (authority.as_str() != host && authority.port_u16().is_none()) {
        return Err(bad());
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_loopback_host(host) => Ok(uri),
        Some("http") => Err("is plain http, which is taken only to loopback: use https".to_owned()),
        Some(_) | None => Err(bad()),
    }
}

fn is_loopback_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// `HOST:PORT` to listen on. Port 0 lets the system choose.
pub(super) fn listen_addr(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text
        .strip_prefix("localhost:")
        .and_then(|port| port.parse().ok())
    {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse()
        .map_err(|_| "expected ADDRESS:PORT, as in 127.0.0.1:8080 or [::]:8080".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_base() {
        for good in [
            "https://api.stripe.com",
            "http://127.0.0.1:12111",
            "http://localhost:12111/",
            "http://[::1]:12111",
            "https://stripe.example.com",
        ] {
            let base = ApiBase::parse(good).unwrap();
            assert_eq!(base.as_str(), good.trim_end_matches('/'));
        }
        for (bad, why) in [
            ("http://api.stripe.com", "plain http"),
            ("http://127.0.0.1.example.com", "plain http"),
            ("http://localhost@evil.example", "user name"),
            ("ftp://localhost", "not a URL"),
            ("api.stripe.com", "not a URL"),
            ("", "not a URL"),
            ("https://", "not a URL"),
            ("https://:443", "not a URL"),
            ("https://example.com:99999", "not a URL"),
            ("https://example.com:", "not a URL"),
            ("https://api.stripe.com/v1", "leave out the path"),
            ("https://api.stripe.com?x=1", "leave out the path"),
        ] {
            let error = ApiBase::parse(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn listen_addresses() {
        assert_eq!(listen_addr("0.0.0.0:0").unwrap().port(), 0);
        assert!(listen_addr("localhost:80").unwrap().ip().is_loopback());
        assert!(listen_addr("[::1]:80").unwrap().ip().is_loopback());
        for bad in [
            "",
            "8080",
            ":8080",
            "localhost",
            "example.com:80",
            "127.0.0.1:70000",
        ] {
            assert!(listen_addr(bad).is_err(), "{bad}");
        }
    }
}
