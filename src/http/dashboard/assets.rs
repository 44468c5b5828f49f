//! What pages load: compiled in, with the names under which they are.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::page;

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, kind, content. `htmx` and its extension are as they were published: see
/// `assets/LICENSES.md`.
const ASSETS: [(&str, &str, &str); 6] = [
    ("app.css", STYLE, include_str!("assets/app.css")),
    ("app.js", SCRIPT, include_str!("assets/app.js")),
    ("theme.js", SCRIPT, include_str!("assets/theme.js")),
    ("htmx.min.js", SCRIPT, include_str!("assets/htmx.min.js")),
    (
        "htmx-ext-sse.min.js",
        SCRIPT,
        include_str!("assets/htmx-ext-sse.min.js"),
    ),
    (
        "favicon.svg",
        "image/svg+xml",
        include_str!("assets/favicon.svg"),
    ),
];

/// One of them. Browsers keep it, and ask whether it is still the same.
pub(in crate::http) async fn get(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let found = ASSETS.iter().find(|(known, _, _)| *known == name);
    let Some((_, kind, content)) = found else {
        return page::not_found(&format!("/admin/stripe-sync/assets/{name}"));
    };
    let digest = Sha256::digest(content.as_bytes());
    let tag = format!("\"{}\"", HEXLOWER.encode(&digest[..8]));
    let is_known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut answer = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => (*content).into_response(),
    };
    page::protect(answer.headers_mut());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    answer
}
