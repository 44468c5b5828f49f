//! What any source says, as one tree: each node knows its place, and what could
//! not be read is a node too, so that only the products that touch it suffer.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use rust_decimal::Decimal;

use crate::catalog::{Place, Problem};

/// A file's text and name, shared by all nodes that came from it.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Relative to the catalog's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    line_starts: OnceLock<Vec<u32>>,
    /// Characters before each block of the text.
    blocks: OnceLock<Vec<u32>>,
}

/// Bytes of a block: all that is counted for one place, however long its line is.
const BLOCK: usize = 256;

impl SourceFile {
    /// A byte order mark is dropped: columns count from the first real character.
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let mut text = text.into();
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        Arc::new(Self {
            path: path.into(),
            text,
            line_starts: OnceLock::new(),
            blocks: OnceLock::new(),
        })
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let newlines = self.text.bytes().zip(1_u32..).filter(|(b, _)| *b == b'\n');
            std::iter::once(0)
                .chain(newlines.map(|(_, next)| next))
                .collect()
        })
    }

    /// The place of a byte offset.
    pub(crate) fn place(&self, offset: u32) -> Place {
        let starts = self.line_starts();
        let line = starts.partition_point(|start| *start <= offset).max(1);
        let start = starts.get(line - 1).copied().unwrap_or_default();
        let is_in_text = self.text.get(start as usize..offset as usize).is_some();
        let before = |offset: u32| self.characters_before(offset as usize);
        let column = match is_in_text {
            true => before(offset) - before(start) + 1,
            false => 1,
        };
        Place {
            file: self.path.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column,
        }
    }

    /// How many characters begin before this byte.
    fn characters_before(&self, offset: usize) -> u32 {
        // All bytes of a character but its first one look like this.
        let begins = |bytes: &[u8]| bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        let count = |bytes: &[u8]| u32::try_from(begins(bytes)).unwrap_or(u32::MAX);
        let text = self.text.as_bytes();
        let blocks = self.blocks.get_or_init(|| {
            let mut before = 0;
            let block = |block| {
                let start = before;
                before += count(block);
                start
            };
            text.chunks(BLOCK).map(block).collect()
        });
        let at = offset / BLOCK;
        let rest = text.get(at * BLOCK..offset).unwrap_or_default();
        blocks.get(at).copied().unwrap_or_default() + count(rest)
    }

    /// The byte offset of a line (from 1) and a column (in characters, from 0).
    pub(crate) fn offset(&self, line: usize, column: usize) -> u32 {
        let starts = self.line_starts();
        let start = starts
            .get(line.saturating_sub(1))
            .or_else(|| starts.last())
            .copied()
            .unwrap_or_default();
        let line = self.text.get(start as usize..).unwrap_or_default();
        let within: usize = line.chars().take(column).map(char::len_utf8).sum();
        start + u32::try_from(within).unwrap_or_default()
    }
}

/// A position in a file.
#[derive(Clone, Debug)]
pub(crate) struct Pos {
    pub(crate) file: Arc<SourceFile>,
    /// In bytes.
    pub(crate) offset: u32,
}

impl Pos {
    pub(crate) fn place(&self) -> Place {
        self.file.place(self.offset)
    }

    pub(crate) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem {
            place: Some(self.place()),
            message: message.into(),
        }
    }
}

/// A value and its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) pos: Pos,
    pub(crate) value: Value,
    /// What it costs to look at all of it: a value that is referred to many times
    /// counts each time.
    pub(crate) weight: u64,
}

/// Of what is more than its parts: a record is asked for many fields.
const RECORD: u64 = 8;
/// What is read of however little text.
const LEAST_WEIGHT: u64 = 150_000;
/// Bytes of text that weigh as much as a number.
const TEXT: u64 = 64;

#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A name or a field that isn't there.
    Undefined,
    Null,
    Bool(bool),
    /// Exact, from the source's own digits.
    Number(Decimal),
    Text(Arc<str>),
    List(Vec<Arc<Node>>),
    Record(Record),
    /// Not a constant.
    Poison(Arc<Poison>),
}

/// Why something has no value here.
#[derive(Debug)]
pub(crate) struct Poison {
    pub(crate) pos: Pos,
    /// Shortened.
    pub(crate) expression: String,
    /// Completes "is not a constant: …".
    pub(crate) why: String,
}

impl Poison {
    pub(crate) fn problem(&self) -> Problem {
        self.pos.problem(format!(
            "`{}` is not a constant: {}",
            self.expression, self.why
        ))
    }
}

/// Fields in order; a later one replaces an earlier one of its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    fields: Vec<Field>,
    index: HashMap<Arc<str>, usize>,
    /// Set when something unknown was spread into the record: any field that is
    /// not known may come from there.
    pub(crate) rest: Option<Arc<Poison>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) key: Arc<str>,
    pub(crate) key_pos: Pos,
    pub(crate) node: Arc<Node>,
}

impl Record {
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Field> {
        self.index.get(key).map(|at| &self.fields[*at])
    }

    /// Adds or replaces.
    pub(crate) fn set(&mut self, field: Field) {
        match self.index.get(&field.key) {
            Some(at) => self.fields[*at] = field,
            None => {
                self.index.insert(field.key.clone(), self.fields.len());
                self.fields.push(field);
            }
        }
    }

    /// What is spread in without being known may replace all that came before.
    pub(crate) fn spread_unknown(&mut self, poison: &Arc<Poison>) {
        // One that is unknown already stays so, by its own reason.
        let known = self.fields.iter_mut().filter(|f| f.node.poison().is_none());
        for field in known {
            field.node = Node::new(field.node.pos.clone(), Value::Poison(poison.clone()));
        }
        self.rest = Some(poison.clone());
    }

    /// JavaScript's order: keys that are array indices first, ascending.
    pub(crate) fn in_js_order(mut self) -> Self {
        let number = |key: &str| {
            key.parse::<u32>()
                .ok()
                .filter(|n| *n != u32::MAX && n.to_string() == key)
        };
        if self.fields.iter().any(|field| number(&field.key).is_some()) {
            self.fields
                .sort_by_key(|field| number(&field.key).map_or((1, 0), |number| (0, number)));
            self.index = self
                .fields
                .iter()
                .zip(0..)
                .map(|(f, at)| (f.key.clone(), at))
                .collect();
        }
        self
    }
}

impl Node {
    pub(crate) fn new(pos: Pos, value: Value) -> Arc<Self> {
        let sum = |sum: u64, node: &Arc<Self>| sum.saturating_add(node.weight);
        let weight = match &value {
            Value::Undefined | Value::Null | Value::Bool(_) | Value::Number(_) => 1,
            Value::Poison(_) => 1,
            Value::Text(text) => 1 + text.len() as u64 / TEXT,
            Value::List(items) => items.iter().fold(1, sum),
            Value::Record(record) => {
                let fields = record.fields.iter().map(|field| &field.node);
                fields.fold(RECORD, sum)
            }
        };
        Arc::new(Self { pos, value, weight })
    }

    /// Refuses what references have made far larger than all the text that it was
    /// read of: a product would be made of each, and a few lines can name millions.
    pub(crate) fn check_weight(&self, text_bytes: usize) -> Result<(), Problem> {
        if self.weight <= LEAST_WEIGHT.max((text_bytes as u64).saturating_mul(2)) {
            return Ok(());
        }
        Err(self.pos.problem(
            "refers to the same values so often that it becomes too large to be read; write fewer of them",
        ))
    }

    pub(crate) fn text(pos: Pos, text: &str) -> Arc<Self> {
        Self::new(pos, Value::Text(text.into()))
    }

    pub(crate) fn poison(&self) -> Option<&Arc<Poison>> {
        if let Value::Poison(poison) = &self.value {
            Some(poison)
        } else {
            None
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value {
            Some(text)
        } else {
            None
        }
    }

    pub(crate) fn as_record(&self) -> Option<&Record> {
        if let Value::Record(record) = &self.value {
            Some(record)
        } else {
            None
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Arc<Self>]> {
        if let Value::List(items) = &self.value {
            Some(items)
        } else {
            None
        }
    }

    /// Not there, or explicitly nothing.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self.value, Value::Undefined | Value::Null)
    }

    /// For messages: `text "abc"`, `19.99`, `a list`.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::Undefined => "undefined".to_owned(),
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::Text(text) => format!("text {:?}", shorten(text, 60)),
            Value::List(_) => "a list".to_owned(),
            Value::Record(_) => "a record".to_owned(),
            Value::Poison(poison) => format!("`{}`", poison.expression),
        }
    }

    /// The problem to report where this node has the wrong shape: its own
    /// poison where it has one.
    pub(crate) fn wrong(&self, message: impl FnOnce(&str) -> String) -> Problem {
        match self.poison() {
            Some(poison) => poison.problem(),
            None => self.pos.problem(message(&self.describe())),
        }
    }
}

/// One line of at most `max` characters.
pub(crate) fn shorten(text: &str, max: usize) -> String {
    let words = text.split_whitespace().enumerate();
    let mut chars = words.flat_map(|(index, word)| {
        let space = (index > 0).then_some(' ');
        space.into_iter().chain(word.chars())
    });
    let line: String = chars.by_ref().take(max).collect();
    if chars.next().is_none() {
        line
    } else {
        line.chars().take(max - 1).chain(['…']).collect()
    }
}

/// `; did you mean "x"?` where a known name is close, else nothing.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(score, _)| *score >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, close)| {
            format!("; did you mean {close:?}?")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_not_bytes() {
        let file = SourceFile::new("a.ts", "\u{feff}a\r\n🚀 é x\n");
        let at = u32::try_from(file.text.find('x').unwrap()).unwrap();
        assert_eq!(file.place(at).to_string(), "a.ts:2:5");
        assert_eq!(file.place(0).to_string(), "a.ts:1:1");
        assert_eq!(file.offset(2, 4), at);
        assert_eq!(file.place(9999).line, 3);
    }

    #[test]
    fn places_in_a_long_line_are_those_of_a_short_one() {
        let text = format!("a\n{}", "🚀é".repeat(1000));
        let file = SourceFile::new("a.ts", &*text);
        for (index, (offset, _)) in text.char_indices().skip(2).enumerate() {
            let place = file.place(u32::try_from(offset).unwrap());
            let column = u32::try_from(index).unwrap() + 1;
            assert_eq!((place.line, place.column), (2, column));
        }
    }

    #[test]
    fn index_keys_come_first_as_in_javascript() {
        let pos = Pos {
            file: SourceFile::new("a", ""),
            offset: 0,
        };
        let mut record = Record::default();
        for key in ["b", "10", "a", "2", "01", "4294967295"] {
            record.set(Field {
                key: key.into(),
                key_pos: pos.clone(),
                node: Node::text(pos.clone(), key),
            });
        }
        let record = record.in_js_order();
        let keys: Vec<&str> = record.fields().iter().map(|f| &*f.key).collect();
        assert_eq!(keys, ["2", "10", "b", "a", "01", "4294967295"]);
        assert_eq!(record.get("a").unwrap().node.as_text(), Some("a"));
    }
}
