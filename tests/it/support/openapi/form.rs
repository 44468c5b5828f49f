//! Bracketed names to a tree. Whether `[0]` is an index or a name is for the
//! schema to say, so both stay names here; `[]` is the empty name.

/// A value, or what stands below a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Text(String),
    Below(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children()
            .iter()
            .find_map(|(known, node)| (known == name).then_some(node))
    }

    pub(super) fn children(&self) -> &[(String, Self)] {
        match self {
            Self::Text(_) => &[],
            Self::Below(children) => children,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Below(_) => None,
        }
    }

    /// The text below this path of names.
    pub(super) fn at(&self, path: &[&str]) -> Option<&str> {
        path.iter()
            .try_fold(self, |node, name| node.child(name))?
            .text()
    }
}

/// `a[b][]` → `a`, `b`, the empty name.
pub(super) fn steps(name: &str) -> Option<Vec<&str>> {
    let Some(open) = name.find('[') else {
        return (!name.is_empty() && !name.contains(']')).then(|| vec![name]);
    };
    let (root, rest) = name.split_at(open);
    let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
    let mut steps = vec![root];
    steps.extend(inner.split("]["));
    let whole = steps
        .iter()
        .enumerate()
        .all(|(at, step)| !step.contains(['[', ']']) && (at > 0 || !step.is_empty()));
    whole.then_some(steps)
}

/// What stands in the way of a tree: the pair's name and the reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) &'static str, pub(super) String);

pub(super) fn tree<'a>(
    pairs: impl IntoIterator<Item = &'a (String, String)>,
) -> Result<Node, Broken> {
    let mut root = Vec::new();
    for (name, value) in pairs {
        let steps = steps(name).ok_or_else(|| Broken("brackets", name.clone()))?;
        put(&mut root, &steps, value).map_err(|()| Broken("twice", name.clone()))?;
    }
    Ok(Node::Below(root))
}

fn put(below: &mut Vec<(String, Node)>, steps: &[&str], value: &str) -> Result<(), ()> {
    let (step, rest) = steps.split_first().ok_or(())?;
    // The next `[]` is a new element once the last one has this name already.
    let known = below
        .iter()
        .rposition(|(name, node)| name == step && !(step.is_empty() && has(node, rest)));
    let last = below.iter().rposition(|(name, _)| name == step);
    let known = if step.is_empty() {
        known.filter(|at| Some(*at) == last)
    } else {
        known
    };
    match (known, rest.is_empty()) {
        (None, true) => below.push(((*step).to_owned(), Node::Text(value.to_owned()))),
        (None, false) => {
            let mut deeper = Vec::new();
            put(&mut deeper, rest, value)?;
            below.push(((*step).to_owned(), Node::Below(deeper)));
        }
        (Some(at), false) => match &mut below[at].1 {
            Node::Below(deeper) => put(deeper, rest, value)?,
            Node::Text(_) => return Err(()),
        },
        (Some(_), true) => return Err(()),
    }
    Ok(())
}

/// Whether the whole path is taken.
fn has(node: &Node, steps: &[&str]) -> bool {
    match steps.split_first() {
        None => true,
        Some((step, rest)) => node.child(step).is_some_and(|child| has(child, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Result<Node, Broken> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(raw.as_bytes())
            .into_owned()
            .collect();
        tree(&pairs)
    }

    #[test]
    fn names_become_paths_and_pushed_elements_stay_apart() {
        let node = read("a[b][c]=1&a[b][d]=2&f[][x]=1&f[][y]=2&f[][x]=3&e[]=p&e[]=q").unwrap();
        assert_eq!(node.at(&["a", "b", "d"]), Some("2"));
        assert_eq!(node.child("f").unwrap().children().len(), 2);
        assert_eq!(node.child("e").unwrap().children().len(), 2);
    }

    #[test]
    fn broken_and_doubled_names_are_told_apart() {
        for raw in ["a[b=1", "a]=1", "[a]=1", "a[b]c=1", "a[[b]]=1", "=1"] {
            assert_eq!(read(raw).unwrap_err().0, "brackets", "{raw}");
        }
        for raw in ["a=1&a=2", "a=1&a[b]=2", "a[b]=1&a=2", "a[0]=1&a[0]=2"] {
            assert_eq!(read(raw).unwrap_err().0, "twice", "{raw}");
        }
    }
}
