//! YAML 1.2 from the parser's events: its own loader turns numbers into floats.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::{at, plain_number};
use crate::catalog::Problem;
use crate::discovery::value::{Field, Node, Poison, Pos, Record, SourceFile, Value};

/// Deeper data is no list of products.
const MAX_DEPTH: usize = 64;

/// Fields that merges may copy: a few lines can ask for millions.
const MAX_MERGES: usize = 200_000;

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

impl Open {
    /// Fields that are copied into it.
    fn merges(&self) -> usize {
        match self {
            Self::List { .. } => 0,
            Self::Record { merged, .. } => {
                let records = merged.iter().filter_map(|node| node.as_record());
                records.map(|record| record.fields().len()).sum()
            }
        }
    }
}

pub(super) fn parse(file: &Arc<SourceFile>) -> Result<Arc<Node>, Problem> {
    let mut stack: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Arc<Node>> = HashMap::new();
    let mut documents: Vec<Arc<Node>> = Vec::new();
    let mut cursor = Cursor::default();
    let mut merges = 0;
    for event in Parser::new_from_str(&file.text) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            let offset = file.offset(marker.line(), marker.col());
            at(file, offset).problem(format!("is no valid YAML: {}", error.info()))
        })?;
        let pos = at(
            file,
            cursor.offset(file, span.start.line(), span.start.col()),
        );
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
                    merges += open.merges();
                    if merges > MAX_MERGES {
                        return Err(pos.problem("merges (`<<`) more values than can be read"));
                    }
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
                    scalar(&text)
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

/// Goes along with the parser, so that a long line is counted once and not from
/// its start for every value in it.
#[derive(Default)]
struct Cursor {
    line: usize,
    column: usize,
    offset: u32,
}

impl Cursor {
    fn offset(&mut self, file: &SourceFile, line: usize, column: usize) -> u32 {
        if line != self.line || column < self.column {
            self.line = line;
            self.column = 0;
            self.offset = file.offset(line, 0);
        }
        let rest = file.text.get(self.offset as usize..).unwrap_or_default();
        let further = rest.chars().take(column - self.column).map(char::len_utf8);
        self.offset += u32::try_from(further.sum::<usize>()).unwrap_or_default();
        self.column = column;
        self.offset
    }
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
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        // A `_` makes it text in YAML 1.2.
        text if text.contains('_') => Value::Text(text.into()),
        text => plain_number(text),
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
