//! Requests read as far as it takes no account: what a fuzzer looks at. Each
//! function panics where a promise is broken.

use http::Method;

use super::endpoint::Endpoint;
use super::form::{self, Node, Pair, Segment};

/// A request to a path of the API that a test says is in order.
///
/// # Errors
/// The refusal that the caller would get.
pub(crate) fn post(path: &str, body: &str) -> Result<(), String> {
    let read = form::pairs(body.as_bytes())
        .and_then(|pairs| form::tree(&pairs))
        .and_then(|tree| Endpoint::of(&Method::POST, path)?.read(&tree));
    read.map(drop).map_err(|refused| refused.message)
}

/// Any form: what is read of it can be written and read again, and every endpoint
/// takes it or says why not.
pub(crate) fn any(raw: &[u8]) {
    let Ok(pairs) = form::pairs(raw) else {
        return;
    };
    // Somebody else's decoder sees the same.
    let others: Vec<Pair> = form_urlencoded::parse(raw).into_owned().collect();
    assert_eq!(pairs, others, "another decoder reads something else");
    assert_eq!(form::pairs(encode(&pairs).as_bytes()).as_ref(), Ok(&pairs));
    let Ok(tree) = form::tree(&pairs) else {
        return;
    };
    let mut flat = Vec::new();
    flatten(&tree, "", &mut flat);
    assert_eq!(flat.len(), pairs.len(), "every value is in the tree once");
    assert_eq!(form::tree(&flat).as_ref(), Ok(&tree));
    let first = pairs.first().map_or("", |(name, _)| name.as_str());
    for method in [Method::GET, Method::POST, Method::DELETE] {
        for path in [
            "account",
            "products",
            "prices",
            "events",
            "webhook_endpoints",
        ] {
            for path in [
                format!("/v1/{path}"),
                format!("/v1/{path}/search"),
                format!("/v1/{path}/{first}"),
            ] {
                read(&method, &path, &tree);
            }
        }
    }
}

fn read(method: &Method, path: &str, tree: &Node) {
    let read = Endpoint::of(method, path).and_then(|endpoint| endpoint.read(tree));
    if let Err(refused) = read {
        assert!((400..500).contains(&refused.status), "{refused:?}");
        assert!(!refused.message.is_empty(), "a refusal says why");
    }
}

fn encode(pairs: &[Pair]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs).finish()
}

fn flatten(node: &Node, name: &str, flat: &mut Vec<Pair>) {
    let below = match node {
        Node::Text(text) => return flat.push((name.to_owned(), text.clone())),
        Node::Branch(below) => below,
    };
    for (step, node) in below {
        let name = match (step, name) {
            (Segment::Name(step), "") => step.clone(),
            (Segment::Name(step), name) => format!("{name}[{step}]"),
            (Segment::Push, name) => format!("{name}[]"),
        };
        flatten(node, &name, flat);
    }
}

/// The header that a delivery of this body at this time has.
pub(crate) fn signed(body: &str, at: i64, secrets: &[&str]) -> String {
    super::webhooks::sign(body, at, secrets.iter().copied(), false)
}
