//! YAML, JSON and TOML to one tree with places. Numbers keep their digits:
//! none ever passes through a float.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle};
use toml::de::{DeTable, DeValue};

use crate::catalog::Problem;
use crate::discovery::number;
use crate::discovery::typescript::{eval, lower};
use crate::discovery::value::{Field, Node, Poison, Pos, Record, SourceFile, Value};

/// Deeper data is no list of products.
const MAX_DEPTH: usize = 64;

/// What the file's ending says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Yaml,
    Json,
    Toml,
}

impl Format {
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// The whole file, or where and why it does not parse.
pub(crate) fn parse(file: &Arc<SourceFile>, format: Format) -> Result<Arc<Node>, Problem> {
    match format {
        Format::Yaml => yaml(file),
        Format::Json => json(file),
        Format::Toml => toml(file),
    }
}

fn at(file: &Arc<SourceFile>, offset: u32) -> Pos {
    Pos {
        file: file.clone(),
        offset,
    }
}

fn twice(file: &Arc<SourceFile>, first: &Pos, key_pos: &Pos, key: &str) -> Arc<Node> {
    let poison = Poison {
        pos: key_pos.clone(),
        expression: key.to_owned(),
        why: format!(
            "this key stands twice, first on line {}; remove one",
            first.place().line
        ),
    };
    Node::new(at(file, key_pos.offset), Value::Poison(Arc::new(poison)))
}

/// JSON is an expression of the language that the other reader knows, once a
/// strict parser has said that it is JSON.
fn json(file: &Arc<SourceFile>) -> Result<Arc<Node>, Problem> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&file.text) {
        let offset = file.offset(error.line(), error.column().saturating_sub(1));
        return Err(at(file, offset).problem(format!("is no valid JSON: {error}")));
    }
    let expr = lower::expression(file)?;
    Ok(eval::eval(&mut HashMap::new(), file, &expr, 0))
}

fn toml(file: &Arc<SourceFile>) -> Result<Arc<Node>, Problem> {
    let table = DeTable::parse(&file.text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        at(file, offset).problem(format!("is no valid TOML: {}", error.message()))
    })?;
    Ok(toml_table(file, table.get_ref(), 0))
}

fn toml_table(file: &Arc<SourceFile>, table: &DeTable<'_>, offset: u32) -> Arc<Node> {
    let mut record = Record::default();
    let mut fields: Vec<Field> = table
        .iter()
        .map(|(key, value)| Field {
            key: (**key.get_ref()).into(),
            key_pos: at(file, start(&key.span())),
            node: toml_value(file, value.get_ref(), start(&value.span())),
        })
        .collect();
    // The parser sorts by key; files are read in order.
    fields.sort_by_key(|field| field.key_pos.offset);
    for field in fields {
        record.set(field);
    }
    Node::new(at(file, offset), Value::Record(record))
}

fn start(span: &std::ops::Range<usize>) -> u32 {
    u32::try_from(span.start).unwrap_or(u32::MAX)
}

fn toml_value(file: &Arc<SourceFile>, value: &DeValue<'_>, offset: u32) -> Arc<Node> {
    let value = match value {
        DeValue::String(text) => Value::Text((**text).into()),
        DeValue::Integer(integer) => {
            let prefix = match integer.radix() {
                2 => "0b",
                8 => "0o",
                16 => "0x",
                _ => "",
            };
            plain_number(&format!("{prefix}{}", integer.as_str()))
        }
        DeValue::Float(float) => plain_number(float.as_str()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(time) => Value::Text(time.to_string().into()),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| toml_value(file, item.get_ref(), start(&item.span())))
                .collect(),
        ),
        DeValue::Table(table) => return toml_table(file, table, offset),
    };
    Node::new(at(file, offset), value)
}

/// A number where its text says just that; else the text, so that `1.10` as
/// metadata stays `1.10`. Fields that take numbers read both.
fn plain_number(raw: &str) -> Value {
    let digits = raw.replace('_', "");
    let digits = digits.strip_prefix('+').unwrap_or(&digits);
    let value = if digits.starts_with("0x") || digits.starts_with("0o") || digits.starts_with("0b")
    {
        number::literal(digits)
    } else {
        number::decimal(digits).filter(|value| value.to_string() == digits)
    };
    value.map_or_else(|| Value::Text(digits.into()), Value::Number)
}

/// A collection that is not closed yet.
enum Open {
    List {
        pos: Pos,
        anchor: usize,
        items: Vec<Arc<Node>>,
    },
    Record {
        pos: Pos,
        anchor: usize,
        record: Record,
        key: Option<(Arc<str>, Pos)>,
        merged: Vec<Arc<Node>>,
    },
}

fn yaml(file: &Arc<SourceFile>) -> Result<Arc<Node>, Problem> {
    let mut stack: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Arc<Node>> = HashMap::new();
    let mut documents: Vec<Arc<Node>> = Vec::new();
    for event in Parser::new_from_str(&file.text) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            let offset = file.offset(marker.line(), marker.col());
            at(file, offset).problem(format!("is no valid YAML: {}", error.info()))
        })?;
        let pos = at(file, file.offset(span.start.line(), span.start.col()));
        let done = match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd => continue,
            Event::DocumentStart(_) | Event::DocumentEnd => continue,
            Event::SequenceStart(anchor, _) => {
                stack.push(Open::List {
                    pos,
                    anchor,
                    items: Vec::new(),
                });
                if stack.len() > MAX_DEPTH {
                    return Err(too_deep(file, &stack));
                }
                continue;
            }
            Event::MappingStart(anchor, _) => {
                stack.push(Open::Record {
                    pos,
                    anchor,
                    record: Record::default(),
                    key: None,
                    merged: Vec::new(),
                });
                if stack.len() > MAX_DEPTH {
                    return Err(too_deep(file, &stack));
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(open) => {
                    let (anchor, node) = close(open);
                    anchors.insert(anchor, node.clone());
                    node
                }
                None => continue,
            },
            Event::Scalar(text, style, anchor, tag) => {
                let is_text =
                    style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str");
                let value = if is_text {
                    Value::Text((*text).into())
                } else {
                    yaml_scalar(&text)
                };
                let node = Node::new(pos, value);
                anchors.insert(anchor, node.clone());
                node
            }
            Event::Alias(anchor) => match anchors.get(&anchor) {
                Some(node) => node.clone(),
                None => return Err(pos.problem("this alias refers to itself or to nothing")),
            },
        };
        place(done, &mut stack, &mut documents)?;
    }
    if let Some(second) = documents.get(1) {
        return Err(second
            .pos
            .problem("has a second YAML document; put all products into one"));
    }
    Ok(documents
        .into_iter()
        .next()
        .unwrap_or_else(|| Node::new(at(file, 0), Value::Null)))
}

fn too_deep(file: &Arc<SourceFile>, stack: &[Open]) -> Problem {
    match stack.last() {
        Some(Open::List { pos, .. } | Open::Record { pos, .. }) => {
            pos.problem("is nested too deeply")
        }
        None => at(file, 0).problem("is nested too deeply"),
    }
}

fn close(open: Open) -> (usize, Arc<Node>) {
    match open {
        Open::List { pos, anchor, items } => (anchor, Node::new(pos, Value::List(items))),
        Open::Record {
            pos,
            anchor,
            mut record,
            merged,
            ..
        } => {
            // A merge (`<<: *defaults`) only fills in what is not there.
            for node in merged {
                let fields = node.as_record().map(Record::fields).unwrap_or_default();
                for field in fields {
                    if record.get(&field.key).is_none() {
                        record.set(field.clone());
                    }
                }
            }
            (anchor, Node::new(pos, Value::Record(record)))
        }
    }
}

/// Puts a finished node where it belongs.
fn place(
    node: Arc<Node>,
    stack: &mut [Open],
    documents: &mut Vec<Arc<Node>>,
) -> Result<(), Problem> {
    match stack.last_mut() {
        None => documents.push(node),
        Some(Open::List { items, .. }) => items.push(node),
        Some(Open::Record {
            record,
            key,
            merged,
            ..
        }) => match key.take() {
            None => {
                let text = match &node.value {
                    Value::Text(text) => text.clone(),
                    Value::Number(number) => number.to_string().into(),
                    Value::Bool(value) => value.to_string().into(),
                    Value::Undefined
                    | Value::Null
                    | Value::List(_)
                    | Value::Record(_)
                    | Value::Poison(_) => {
                        return Err(node.pos.problem(format!("{} is no key", node.describe())));
                    }
                };
                *key = Some((text, node.pos.clone()));
            }
            Some((key, _)) if &*key == "<<" => match node.as_list() {
                Some(list) => merged.extend_from_slice(list),
                None => merged.push(node),
            },
            Some((key, key_pos)) => {
                let node = match record.get(&key) {
                    Some(first) => twice(&key_pos.file, &first.key_pos, &key_pos, &key),
                    None => node,
                };
                record.set(Field { key, key_pos, node });
            }
        },
    }
    Ok(())
}

/// The core schema of YAML 1.2.
fn yaml_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        // A `_` makes it text in YAML 1.2.
        text if text.contains('_') => Value::Text(text.into()),
        text => plain_number(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, text: &str) -> Result<Arc<Node>, Problem> {
        parse(&SourceFile::new(path, text), Format::of(path).unwrap())
    }

    fn field<'n>(node: &'n Node, key: &str) -> &'n Field {
        node.as_record().unwrap().get(key).unwrap()
    }

    #[test]
    fn three_formats_one_tree_with_places() {
        for (path, text, places) in [
            (
                "a.yaml",
                "x: 19.99\né: {y: [t, 1]}\nz: 1.10\n",
                "1:1 1:4 2:4 2:8",
            ),
            (
                "a.json",
                "{\"x\": 19.99,\n\"é\": {\"y\": [\"t\", 1]},\n\"z\": \"1.10\"}",
                "1:2 1:7 2:6 2:12",
            ),
            (
                "a.toml",
                "x = 19.99\né = {y = [\"t\", 1]}\nz = 1.10\n",
                "1:1 1:5 2:5 2:10",
            ),
        ] {
            let text = text.replace('é', "w");
            let node = read(path, &text).unwrap();
            let x = field(&node, "x");
            let y = &field(&field(&node, "w").node, "y").node;
            assert_eq!(x.node.describe(), "19.99", "{path}");
            assert_eq!(y.as_list().unwrap()[1].describe(), "1", "{path}");
            assert_eq!(field(&node, "z").node.as_text(), Some("1.10"), "{path}");
            let found = [&x.key_pos, &x.node.pos, &field(&node, "w").node.pos, &y.pos];
            let found = found.map(|pos| pos.place().to_string().replace(&format!("{path}:"), ""));
            assert_eq!(found.join(" "), places, "{path}");
        }
    }

    #[test]
    fn broken_files_say_where() {
        for (path, text, expected) in [
            ("a.yaml", "a: [1,\nb: 2", "a.yaml:2:"),
            ("a.yaml", "a: 1\n b: 2", "a.yaml:2:"),
            ("a.yaml", "a: *nope", "a.yaml:1:4"),
            (
                "a.yaml",
                "a: 1\n---\nb: 2",
                "a.yaml:3:1: has a second YAML document",
            ),
            ("a.json", "{\"a\": 1,}", "a.json:1:9: is no valid JSON"),
            ("a.json", "{a: 1}", "a.json:1:2"),
            ("a.json", "{\"a\": f()}", "a.json:1:"),
            ("a.toml", "a = \n", "a.toml:1:"),
            ("a.toml", "a = 1\na = 2", "a.toml:2:1"),
        ] {
            let problem = read(path, text).unwrap_err().to_string();
            assert!(problem.starts_with(expected), "{text:?}: {problem}");
        }
        for path in ["a.yaml", "a.json", "a.toml"] {
            let deep = format!(
                "{}{}",
                if path == "a.toml" { "a = " } else { "" },
                "[".repeat(50_000)
            );
            assert!(read(path, &deep).is_err(), "{path}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_poison() {
        for (path, text) in [
            ("a.yaml", "a: 1\nb: 2\na: 3"),
            ("a.json", "{\"a\": 1,\n\n\"a\": 3}"),
        ] {
            let node = read(path, text).unwrap();
            let problem = field(&node, "a")
                .node
                .poison()
                .unwrap()
                .problem()
                .to_string();
            assert!(problem.starts_with(&format!("{path}:3:1:")), "{problem}");
            assert!(
                problem.contains("stands twice") && problem.contains("line 1"),
                "{problem}"
            );
        }
    }

    #[test]
    fn yaml_scalars_anchors_and_merges() {
        let node = read(
            "a.yaml",
            "base: &b {cur: eur, n: 1}\nitem:\n  <<: *b\n  n: 2\nt: 'true'\nb: true\nnil: ~\noct: 007\ninf: .inf\nsame: *b\n",
        )
        .unwrap();
        let item = &field(&node, "item").node;
        assert_eq!(field(item, "cur").node.as_text(), Some("eur"));
        assert_eq!(field(item, "n").node.describe(), "2");
        assert_eq!(field(&node, "t").node.as_text(), Some("true"));
        assert_eq!(field(&node, "b").node.describe(), "true");
        assert!(field(&node, "nil").node.is_nothing());
        assert_eq!(field(&node, "oct").node.as_text(), Some("007"));
        assert_eq!(field(&node, "inf").node.as_text(), Some(".inf"));
        assert_eq!(field(&field(&node, "same").node, "n").node.describe(), "1");
    }
}
