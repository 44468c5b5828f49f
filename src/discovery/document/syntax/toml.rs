//! TOML, with the digits of its numbers.

use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::{at, plain_number};
use crate::catalog::Problem;
use crate::discovery::value::{Field, Node, Record, SourceFile, Value};

pub(super) fn parse(file: &Arc<SourceFile>) -> Result<Arc<Node>, Problem> {
    let table = DeTable::parse(&file.text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        at(file, offset).problem(format!("is no valid TOML: {}", error.message()))
    })?;
    Ok(read_table(file, table.get_ref(), 0))
}

fn read_table(file: &Arc<SourceFile>, table: &DeTable<'_>, offset: u32) -> Arc<Node> {
    let mut record = Record::default();
    let mut fields: Vec<Field> = table
        .iter()
        .map(|(key, value)| Field {
            key: (**key.get_ref()).into(),
            key_pos: at(file, start(&key.span())),
            node: read_value(file, value.get_ref(), start(&value.span())),
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

fn read_value(file: &Arc<SourceFile>, value: &DeValue<'_>, offset: u32) -> Arc<Node> {
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
                .map(|item| read_value(file, item.get_ref(), start(&item.span())))
                .collect(),
        ),
        DeValue::Table(table) => return read_table(file, table, offset),
    };
    Node::new(at(file, offset), value)
}
