//! Form-encoded bodies and query strings, read into a tree.
//!
//! Stripe takes `a=`, `a[b]=`, `a[b][c]=`, `a[]=` and `a[0]=`, brackets plain
//! or percent-encoded. Where it would take the last of two equal names, this
//! refuses: a client that says a thing twice has a fault worth seeing.

use super::error::ApiError;

/// More parameters than any request to a catalog needs; a hostile form stops here.
const MAX_PARAMS: usize = 1_000;
/// `currency_options[eur][tiers][0][up_to]` has five levels.
const MAX_DEPTH: usize = 8;

/// One decoded `name=value`.
pub(super) type Pair = (String, String);

/// One step of a bracketed name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// `[]`: the next element of an array.
    Push,
    /// `[name]` or `[0]`.
    Name(String),
}

/// A value, or the values below a name, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Text(String),
    Branch(Vec<(Segment, Node)>),
}

/// The pairs of a body or query string, decoded.
///
/// # Errors
/// 400 on bytes that are not UTF-8 once decoded, on NUL characters, and on more
/// than 1,000 parameters.
pub(super) fn pairs(raw: &[u8]) -> Result<Vec<Pair>, ApiError> {
    let mut pairs = Vec::new();
    for piece in raw
        .split(|byte| *byte == b'&')
        .filter(|piece| !piece.is_empty())
    {
        if pairs.len() == MAX_PARAMS {
            return Err(ApiError::invalid(format!(
                "Too many parameters: a request may have {MAX_PARAMS} at most."
            )));
        }
        let (name, value) = match piece.iter().position(|byte| *byte == b'=') {
            Some(at) => (&piece[..at], &piece[at + 1..]),
            None => (piece, &[][..]),
        };
        pairs.push((decode(name)?, decode(value)?));
    }
    Ok(pairs)
}

/// Percent-decoding with `+` for a space.
pub(super) fn decode(raw: &[u8]) -> Result<String, ApiError> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = tail.first().zip(tail.get(1));
                let value = digits.and_then(|(high, low)| Some(hex(*high)? << 4 | hex(*low)?));
                let Some(value) = value else {
                    return Err(ApiError::invalid(
                        "Invalid request: a '%' that is not followed by two hexadecimal digits.",
                    ));
                };
                bytes.push(value);
                rest = &tail[2..];
            }
            other => bytes.push(other),
        }
    }
    if bytes.contains(&0) {
        return Err(ApiError::invalid(
            "Invalid request: parameters must not contain NUL characters.",
        ));
    }
    String::from_utf8(bytes)
        .map_err(|_| ApiError::invalid("Invalid request: parameters must be UTF-8."))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// The tree of all pairs.
///
/// # Errors
/// 400 on a name with broken brackets, a name given twice, or a name used both
/// as a value and as an object.
pub(super) fn tree(pairs: &[Pair]) -> Result<Node, ApiError> {
    let mut root = Vec::new();
    for (name, value) in pairs {
        let path = segments(name)?;
        insert(&mut root, &path, value, name)?;
    }
    Ok(Node::Branch(root))
}

/// `a[b][]` → a, b, push.
fn segments(name: &str) -> Result<Vec<Segment>, ApiError> {
    let broken = || ApiError::unknown(&[name.to_owned()]);
    let (root, mut rest) = match name.find('[') {
        Some(at) => name.split_at(at),
        None => (name, ""),
    };
    if root.is_empty() || root.contains(']') {
        return Err(broken());
    }
    let mut path = vec![Segment::Name(root.to_owned())];
    while !rest.is_empty() {
        let inner = rest.strip_prefix('[').ok_or_else(broken)?;
        let (step, tail) = inner.split_once(']').ok_or_else(broken)?;
        if step.contains('[') || path.len() == MAX_DEPTH {
            return Err(broken());
        }
        path.push(if step.is_empty() {
            Segment::Push
        } else {
            Segment::Name(step.to_owned())
        });
        rest = tail;
    }
    Ok(path)
}

fn insert(
    branch: &mut Vec<(Segment, Node)>,
    path: &[Segment],
    value: &str,
    name: &str,
) -> Result<(), ApiError> {
    let Some((step, rest)) = path.split_first() else {
        return Ok(());
    };
    let at = match step {
        Segment::Name(_) => branch.iter().position(|(known, _)| known == step),
        // `a[][x]=1&a[][y]=2` is one element, `a[][x]=1&a[][x]=2` are two.
        Segment::Push if rest.is_empty() => None,
        Segment::Push => branch
            .iter()
            .rposition(|(known, _)| *known == Segment::Push)
            .filter(|at| !holds(&branch[*at].1, rest)),
    };
    match at {
        None if rest.is_empty() => branch.push((step.clone(), Node::Text(value.to_owned()))),
        None => {
            let mut below = Vec::new();
            insert(&mut below, rest, value, name)?;
            branch.push((step.clone(), Node::Branch(below)));
        }
        Some(at) => match &mut branch[at].1 {
            Node::Branch(below) if !rest.is_empty() => insert(below, rest, value, name)?,
            Node::Branch(_) | Node::Text(_) => {
                return Err(ApiError::invalid(format!(
                    "Invalid request: '{name}' is given more than once, or both as a value and as an object."
                ))
                .with_param(name));
            }
        },
    }
    Ok(())
}

/// Whether `path` is already taken below `node`.
fn holds(node: &Node, path: &[Segment]) -> bool {
    let (Node::Branch(entries), Some((step, rest))) = (node, path.split_first()) else {
        return true;
    };
    match step {
        Segment::Push => false,
        Segment::Name(_) => entries
            .iter()
            .find(|(known, _)| known == step)
            .is_some_and(|(_, below)| rest.is_empty() || holds(below, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Result<Node, ApiError> {
        tree(&pairs(raw.as_bytes())?)
    }

    fn name(text: &str) -> Segment {
        Segment::Name(text.to_owned())
    }

    fn text(value: &str) -> Node {
        Node::Text(value.to_owned())
    }

    #[test]
    fn reads_nested_names_with_plain_and_encoded_brackets() {
        let expected = Node::Branch(vec![
            (
                name("recurring"),
                Node::Branch(vec![(name("interval"), text("month"))]),
            ),
            (
                name("metadata"),
                Node::Branch(vec![(name("a b"), text("ü&="))]),
            ),
        ]);
        let raw = "recurring[interval]=month&metadata%5Ba+b%5D=%C3%BC%26%3D";
        assert_eq!(parse(raw).unwrap(), expected);
    }

    #[test]
    fn pushed_elements_are_grouped_like_rack_does() {
        let pushed = parse("f[][name]=a&f[][size]=1&f[][name]=b").unwrap();
        let element = |pairs: &[(&str, &str)]| {
            Node::Branch(pairs.iter().map(|(k, v)| (name(k), text(v))).collect())
        };
        let expected = Node::Branch(vec![(
            name("f"),
            Node::Branch(vec![
                (Segment::Push, element(&[("name", "a"), ("size", "1")])),
                (Segment::Push, element(&[("name", "b")])),
            ]),
        )]);
        assert_eq!(pushed, expected);
    }

    #[test]
    fn refuses_what_is_said_twice_or_broken() {
        for raw in [
            "a=1&a=2",
            "a=1&a[b]=2",
            "a[b]=1&a=2",
            "a[0]=1&a[0]=2",
            "a[b=1",
            "a]b=1",
            "[a]=1",
            "a[b]c=1",
            "a[[b]]=1",
            "a=%zz",
            "a=%C3",
            "a=%00",
            "a%00=b",
            "a[1][2][3][4][5][6][7][8]=x",
        ] {
            assert!(parse(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_form_of_ten_thousand_names_is_refused() {
        let raw = (0..10_000).map(|n| format!("k{n}=1&")).collect::<String>();
        assert!(parse(&raw).unwrap_err().message.contains("Too many"));
    }
}
