//! Evaluates constants. Nothing is executed: what would need execution becomes
//! a poisoned value that knows its place, its text and why.

use std::sync::Arc;

use oxc_syntax::operator::LogicalOperator;

use super::ir::{EnumMember, Expr, Item, Key, Kind, Member, ObjectCall};
use super::names::{At, Names};
use super::operators;
use crate::discovery::value::{Field, Node, Poison, Pos, Record, SourceFile, Value};

/// References through references, and expressions in expressions. Each is a few
/// stack frames.
const MAX_DEPTH: u32 = 2_000;

/// Longer lists, records and texts are no constants that people wrote.
const MAX_ITEMS: usize = 200_000;
const MAX_TEXT: usize = 1 << 20;

/// Bytes of text that cost as much as a value.
const TEXT: usize = 16;
const TOO_MUCH: &str = "the constants take too much to evaluate; write fewer that copy others";

/// The value of an expression; poisoned where it has none.
pub(crate) fn eval(
    names: &mut dyn Names,
    file: &Arc<SourceFile>,
    expr: &Expr,
    depth: u32,
) -> Arc<Node> {
    Evaluator { names, file }
        .eval(expr, depth)
        .unwrap_or_else(|| {
            Node::new(
                Pos {
                    file: file.clone(),
                    offset: expr.span.start,
                },
                Value::Undefined,
            )
        })
}

struct Evaluator<'e> {
    names: &'e mut dyn Names,
    file: &'e Arc<SourceFile>,
}

impl<'e> Evaluator<'e> {
    /// `None`: the optional chain that this is part of ended early.
    fn eval(&mut self, expr: &Expr, depth: u32) -> Option<Arc<Node>> {
        let depth = depth + 1;
        let file = self.file;
        let at = At {
            file,
            span: expr.span,
            depth,
        };
        if depth > MAX_DEPTH {
            return Some(at.poison("it is nested too deeply"));
        }
        if !self.names.spend(1) {
            return Some(at.poison(TOO_MUCH));
        }
        Some(match &expr.kind {
            Kind::Null => at.node(Value::Null),
            Kind::Bool(value) => at.node(Value::Bool(*value)),
            Kind::Number(value) => at.node(Value::Number(*value)),
            Kind::Text(value) => at.node(Value::Text(value.clone())),
            Kind::Template { texts, exprs } => self.template(texts, exprs, &at),
            Kind::List(items) => self.list(items, &at),
            Kind::Object(members) => self.object(members, &at),
            Kind::Name(name) => self.name(name, &at),
            Kind::Get {
                object,
                key,
                optional,
            } => return self.get(object, key, *optional, &at),
            Kind::Chain(inner) => self
                .eval(inner, depth)
                .unwrap_or_else(|| at.node(Value::Undefined)),
            Kind::Unary(operator, argument) => {
                operators::unary(*operator, &self.value(argument, depth), &at)
            }
            Kind::Binary(operator, sides) => {
                let [left, right] = &**sides;
                let left = self.value(left, depth);
                let right = self.value(right, depth);
                let bytes = |node: &Node| node.as_text().map_or(0, str::len);
                if !self.names.spend((bytes(&left) + bytes(&right)) / TEXT) {
                    return Some(at.poison(TOO_MUCH));
                }
                operators::binary(*operator, &left, &right, &at)
            }
            Kind::Logical(operator, sides) => self.logical(*operator, sides, &at),
            Kind::Ternary(parts) => {
                let [condition, yes, no] = &**parts;
                let condition = self.value(condition, depth);
                match operators::truth(&condition) {
                    Ok(true) => self.value(yes, depth),
                    Ok(false) => self.value(no, depth),
                    Err(poison) => at.node(Value::Poison(poison)),
                }
            }
            Kind::ObjectCall(call, argument) => {
                let argument = self.value(argument, depth);
                let fields = argument
                    .as_record()
                    .map_or(0, |record| record.fields().len());
                if !self.names.spend(3 * fields) {
                    return Some(at.poison(TOO_MUCH));
                }
                object_call(*call, &argument, &at)
            }
            Kind::Enum(members) => self.enumeration(members, &at),
            Kind::Opaque(why) => at.poison(why.clone()),
        })
    }

    fn value(&mut self, expr: &Expr, depth: u32) -> Arc<Node> {
        eval(self.names, self.file, expr, depth)
    }

    fn name(&mut self, name: &str, at: &At<'_>) -> Arc<Node> {
        if let Some(node) = self.names.get(name, at) {
            return node;
        }
        match name {
            "undefined" => at.node(Value::Undefined),
            "NaN" | "Infinity" => at.poison("it is not a finite number"),
            _ => at.poison("this name is not declared in this file"),
        }
    }

    fn template(&mut self, texts: &[Arc<str>], exprs: &[Expr], at: &At<'_>) -> Arc<Node> {
        let mut out = String::new();
        for (index, text) in texts.iter().enumerate() {
            out.push_str(text);
            let Some(expr) = exprs.get(index) else {
                continue;
            };
            let node = self.value(expr, at.depth);
            match operators::to_text(&node) {
                Ok(text) => out.push_str(&text),
                Err(Some(poison)) => return at.node(Value::Poison(poison)),
                Err(None) => {
                    return at.poison(format!("{} has no text of its own", node.describe()));
                }
            }
            if out.len() > MAX_TEXT {
                return at.poison("the text is too long");
            }
            if !self.names.spend(out.len() / TEXT) {
                return at.poison(TOO_MUCH);
            }
        }
        at.node(Value::Text(out.into()))
    }

    fn list(&mut self, items: &[Item], at: &At<'_>) -> Arc<Node> {
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::One(expr) => out.push(self.value(expr, at.depth)),
                Item::Hole(span) => out.push(Node::new(
                    Pos {
                        file: at.file.clone(),
                        offset: span.start,
                    },
                    Value::Undefined,
                )),
                Item::Spread(expr) => {
                    let spread = self.value(expr, at.depth);
                    match spread.as_list() {
                        Some(items) if self.names.spend(items.len()) => {
                            out.extend_from_slice(items);
                        }
                        Some(_) => return at.poison(TOO_MUCH),
                        None if spread.poison().is_some() => out.push(spread),
                        None => {
                            let here = At {
                                span: expr.span,
                                ..*at
                            };
                            out.push(here.poison(format!("{} is no list", spread.describe())));
                        }
                    }
                }
            }
            if out.len() > MAX_ITEMS {
                return at.poison("the list is too long");
            }
        }
        at.node(Value::List(out))
    }

    fn object(&mut self, members: &[Member], at: &At<'_>) -> Arc<Node> {
        let mut record = Record::default();
        for member in members {
            match member {
                Member::Field {
                    key,
                    key_span,
                    value,
                } => {
                    let key = match self.key(key, at.depth) {
                        Ok(key) => key,
                        Err(poison) => {
                            record.rest = Some(poison);
                            continue;
                        }
                    };
                    let key_pos = Pos {
                        file: at.file.clone(),
                        offset: key_span.start,
                    };
                    let node = self.value(value, at.depth);
                    record.set(Field { key, key_pos, node });
                }
                Member::Spread(expr) => {
                    let spread = self.value(expr, at.depth);
                    // What is unknown may replace each field that is there.
                    let there = record.fields().len();
                    let copied = spread.as_record().map_or(0, |other| other.fields().len());
                    if !self.names.spend(there.max(copied)) {
                        return at.poison(TOO_MUCH);
                    }
                    self.spread(
                        &mut record,
                        &spread,
                        &At {
                            span: expr.span,
                            ..*at
                        },
                    );
                }
            }
            if record.fields().len() > MAX_ITEMS {
                return at.poison("the record is too large");
            }
        }
        at.node(Value::Record(record.in_js_order()))
    }

    fn spread(&self, record: &mut Record, spread: &Arc<Node>, at: &At<'_>) {
        match &spread.value {
            Value::Record(other) => {
                if let Some(rest) = &other.rest {
                    record.spread_unknown(rest);
                }
                for field in other.fields() {
                    record.set(field.clone());
                }
            }
            Value::Poison(poison) => record.spread_unknown(poison),
            // `...(flag && {…})` and `...undefined` add nothing.
            Value::Undefined | Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::Text(_) | Value::List(_) => {
                let node = at.poison(format!("{} is no record", spread.describe()));
                if let Some(poison) = node.poison() {
                    record.spread_unknown(poison);
                }
            }
        }
    }

    fn key(&mut self, key: &Key, depth: u32) -> Result<Arc<str>, Arc<Poison>> {
        match key {
            Key::Name(name) => Ok(name.clone()),
            Key::Computed(expr) => {
                let node = self.value(expr, depth);
                match operators::to_text(&node) {
                    Ok(text) => Ok(text.into()),
                    Err(Some(poison)) => Err(poison),
                    Err(None) => {
                        let at = At {
                            file: self.file,
                            span: expr.span,
                            depth,
                        };
                        let poisoned = at.poison(format!("{} is no key", node.describe()));
                        Err(poisoned.poison().cloned().unwrap_or_else(|| {
                            Arc::new(Poison {
                                pos: at.pos(),
                                expression: String::new(),
                                why: "it is no key".to_owned(),
                            })
                        }))
                    }
                }
            }
        }
    }

    fn get(&mut self, object: &Expr, key: &Key, optional: bool, at: &At<'_>) -> Option<Arc<Node>> {
        let key = match self.key(key, at.depth) {
            Ok(key) => key,
            Err(poison) => return Some(at.node(Value::Poison(poison))),
        };
        if let Kind::Name(name) = &object.kind
            && let Some(node) = self.names.get_from_namespace(name, &key, at)
        {
            return Some(node);
        }
        let object = self.eval(object, at.depth)?;
        Some(match &object.value {
            Value::Poison(_) => object,
            Value::Undefined | Value::Null if optional => return None,
            Value::Undefined | Value::Null => {
                at.poison(format!("there is no {key:?} in {}", object.describe()))
            }
            Value::Record(record) => match (record.get(&key), &record.rest) {
                (Some(field), _) => field.node.clone(),
                (None, Some(rest)) => at.node(Value::Poison(rest.clone())),
                (None, None) => at.node(Value::Undefined),
            },
            Value::List(items) if &*key == "length" => at.node(Value::Number(items.len().into())),
            Value::List(items) => match key.parse::<usize>() {
                Ok(index) => items
                    .get(index)
                    .cloned()
                    .unwrap_or_else(|| at.node(Value::Undefined)),
                Err(_) => at.poison("calls are not evaluated; write the value itself"),
            },
            Value::Text(text) if &*key == "length" => {
                at.node(Value::Number(text.encode_utf16().count().into()))
            }
            Value::Text(_) | Value::Number(_) | Value::Bool(_) => {
                at.poison("calls are not evaluated; write the value itself")
            }
        })
    }

    fn logical(&mut self, operator: LogicalOperator, sides: &[Expr; 2], at: &At<'_>) -> Arc<Node> {
        let [left, right] = sides;
        let left = self.value(left, at.depth);
        let takes_left = match operator {
            LogicalOperator::Or => operators::truth(&left),
            LogicalOperator::And => operators::truth(&left).map(|truth| !truth),
            LogicalOperator::Coalesce => match left.poison() {
                Some(poison) => Err(poison.clone()),
                None => Ok(!left.is_nothing()),
            },
        };
        match takes_left {
            Ok(true) => left,
            Ok(false) => self.value(right, at.depth),
            Err(poison) => at.node(Value::Poison(poison)),
        }
    }

    /// Members see the ones before them by their bare names.
    fn enumeration(&mut self, members: &[EnumMember], at: &At<'_>) -> Arc<Node> {
        let mut record = Record::default();
        let mut next = Some(rust_decimal::Decimal::ZERO);
        for member in members {
            let here = At {
                span: member.span,
                ..*at
            };
            let node = match (&member.value, next) {
                (Some(expr), _) => {
                    let mut names = EnumNames {
                        outer: self.names,
                        members: &record,
                    };
                    eval(&mut names, self.file, expr, at.depth)
                }
                (None, Some(number)) => here.node(Value::Number(number)),
                (None, None) => here.poison("the member before it is no number"),
            };
            next = if let Value::Number(number) = node.value {
                crate::discovery::number::add(number, rust_decimal::Decimal::ONE)
            } else {
                None
            };
            record.set(Field {
                key: member.name.clone(),
                key_pos: here.pos(),
                node,
            });
        }
        at.node(Value::Record(record))
    }
}

struct EnumNames<'e> {
    outer: &'e mut dyn Names,
    members: &'e Record,
}

impl Names for EnumNames<'_> {
    fn get(&mut self, name: &str, at: &At<'_>) -> Option<Arc<Node>> {
        match self.members.get(name) {
            Some(field) => Some(field.node.clone()),
            None => self.outer.get(name, at),
        }
    }

    fn get_from_namespace(&mut self, name: &str, key: &str, at: &At<'_>) -> Option<Arc<Node>> {
        self.outer.get_from_namespace(name, key, at)
    }

    fn spend(&mut self, cost: usize) -> bool {
        self.outer.spend(cost)
    }
}

fn object_call(call: ObjectCall, argument: &Arc<Node>, at: &At<'_>) -> Arc<Node> {
    if argument.poison().is_some() {
        return argument.clone();
    }
    let Some(record) = argument.as_record() else {
        return at.poison(format!("{} is no record", argument.describe()));
    };
    let rest = record.rest.clone().map(|rest| at.node(Value::Poison(rest)));
    let items = record.fields().iter().map(|field| {
        let key = || Node::text(field.key_pos.clone(), &field.key);
        match call {
            ObjectCall::Keys => key(),
            ObjectCall::Values => field.node.clone(),
            ObjectCall::Entries => Node::new(
                field.key_pos.clone(),
                Value::List(vec![key(), field.node.clone()]),
            ),
        }
    });
    at.node(Value::List(items.chain(rest).collect()))
}
