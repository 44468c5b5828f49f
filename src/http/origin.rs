//! Requests that a browser makes for somebody else's page.
//!
//! A page of another origin can have a browser send requests with what that browser
//! has: its cookie, or its place on this machine. It cannot read the answers, but what
//! changes something must not be carried out. Browsers say whose page asks; what is no
//! browser says nothing of it and has no cookie to lose.
//! <https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site>

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use super::{App, error};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Refuses what would change something and comes from a page of another origin.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_read = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if is_read || !is_foreign(request.headers(), request.uri(), app.door.behind_proxy) {
        return next.run(request).await;
    }
    error::of_path(
        request.uri().path(),
        StatusCode::FORBIDDEN,
        "PERMISSION_DENIED",
        "the request comes from a page of another origin, which may change nothing here",
    )
}

/// Whether a page of another origin has the request made.
fn is_foreign(headers: &HeaderMap, uri: &Uri, behind_proxy: bool) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        // `none`: a person typed the address.
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    // `null` is the origin of a page that hides its own.
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.parse::<Uri>().ok());
    let Some(origin) = origin.as_ref().and_then(Uri::authority) else {
        return true;
    };
    let is_it = |host: Option<&str>| {
        let host = host.and_then(|host| host.parse::<Authority>().ok());
        host.is_some_and(|host| host.as_str().eq_ignore_ascii_case(origin.as_str()))
    };
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let forwarded = behind_proxy.then(|| text(FORWARDED_HOST)).flatten();
    !(is_it(host(headers, uri)) || is_it(forwarded))
}

/// Whom the request was sent to, as its sender says.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    // HTTP/2 has it in the address.
    host.or_else(|| uri.authority().map(Authority::as_str))
}

/// Whether a request was sent to this machine by a name that nobody else can give it.
/// A page whose own name was made to mean 127.0.0.1 is of the same origin as what it
/// calls then, and says so: only the name gives it away.
pub(super) fn is_to_this_machine(headers: &HeaderMap, uri: &Uri) -> bool {
    let Some(host) = host(headers, uri).and_then(|host| host.parse::<Authority>().ok()) else {
        // No browser leaves it out.
        return true;
    };
    let host = host.host().trim_matches(['[', ']']);
    let name = host.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || host.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(set: &[(&str, &str)]) -> HeaderMap {
        let set = set.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        });
        set.collect()
    }

    #[test]
    fn who_asks_is_told_by_what_browsers_say() {
        let foreign =
            |set: &[(&str, &str)]| is_foreign(&headers(set), &Uri::from_static("/"), false);
        let host = ("host", "sync.example.com:8080");
        // No browser.
        assert!(!foreign(&[host]));
        for (site, is) in [
            ("same-origin", false),
            ("none", false),
            ("same-site", true),
            ("cross-site", true),
            ("", true),
        ] {
            assert_eq!(foreign(&[host, ("sec-fetch-site", site)]), is, "{site}");
        }
        for (origin, is) in [
            ("http://sync.example.com:8080", false),
            ("http://SYNC.example.com:8080", false),
            ("http://sync.example.com", true),
            ("http://sync.example.com:8081", true),
            ("https://evil.example", true),
            ("http://sync.example.com:8080.evil.example", true),
            ("null", true),
            ("", true),
            ("\u{7f}", true),
        ] {
            let set = headers(&[host]);
            let mut set = set;
            if let Ok(value) = origin.parse() {
                set.insert(header::ORIGIN, value);
                assert_eq!(
                    is_foreign(&set, &Uri::from_static("/"), false),
                    is,
                    "{origin}"
                );
            }
        }
        // It says so itself, whatever else it says.
        let both = [
            host,
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://sync.example.com:8080"),
        ];
        assert!(foreign(&both));
        assert!(
            foreign(&[("origin", "http://sync.example.com:8080")]),
            "no host"
        );
    }

    #[test]
    fn behind_a_proxy_its_name_counts() {
        let set = headers(&[
            ("host", "10.0.0.7:8080"),
            ("x-forwarded-host", "sync.example.com"),
            ("origin", "https://sync.example.com"),
        ]);
        let uri = Uri::from_static("/");
        assert!(is_foreign(&set, &uri, false));
        assert!(!is_foreign(&set, &uri, true));
        let http2 = Uri::from_static("http://sync.example.com/x");
        let set = headers(&[("origin", "https://sync.example.com")]);
        assert!(!is_foreign(&set, &http2, false));
    }

    #[test]
    fn a_name_that_was_made_to_mean_this_machine_is_told_apart() {
        let is =
            |host: &str| is_to_this_machine(&headers(&[("host", host)]), &Uri::from_static("/"));
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "a.localhost",
        ] {
            assert!(is(host), "{host}");
        }
        for host in [
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "127.1",
        ] {
            assert!(!is(host), "{host}");
        }
        assert!(is_to_this_machine(
            &HeaderMap::new(),
            &Uri::from_static("/")
        ));
    }
}
