//! A product template of a rules file, checked and parsed once.

use std::sync::Arc;

use minijinja::Environment;

use crate::catalog::Problem;
use crate::discovery::product::{
    FURTHER_PRICE_FIELDS, OPTION_FIELDS, PRICE_FIELDS, PRODUCT_FIELDS, TIER_FIELDS,
    TRANSFORM_FIELDS,
};
use crate::discovery::typescript::{ir::Expr, lower};
use crate::discovery::value::{Field, Node, SourceFile, Value, did_you_mean};

/// Fields that hold text: their strings are templates. In the others a string
/// is an expression, unless it holds `{{` or `{%`.
const TEXT_FIELDS: &[&str] = &[
    "id",
    "name",
    "description",
    "kind",
    "currency",
    "interval",
    "url",
    "unit_label",
    "tax_code",
    "statement_descriptor",
    "nickname",
    "lookup_key",
    "tax_behavior",
    "key",
    "event_type",
    "event_id",
    "usage",
    "meter",
    "round",
    "tiers_mode",
];

/// Whose own strings are texts too: `metadata.x`, the items of `features`.
const TEXT_CONTAINERS: &[&str] = &["metadata", "price_metadata", "features", "images"];

/// Whether the product (or further price) is made at all.
pub(crate) const WHEN: &[&str] = &["when"];

#[derive(Debug)]
pub(crate) struct Compiled {
    /// Its path, for messages: `metadata.plan`.
    pub(crate) field: String,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// As it stands.
    Literal(Value),
    Template {
        /// In the environment.
        name: String,
        source: String,
    },
    Expression {
        expr: Box<Expr>,
        file: Arc<SourceFile>,
    },
    Record(Vec<(Arc<str>, Compiled)>),
    List(Vec<Compiled>),
}

/// Which fields a record may have.
#[derive(Clone, Copy)]
enum Shape {
    Product,
    Price,
    Tier,
    Transform,
    /// Currencies, each with an amount or [`Shape::Option`].
    Options,
    Option,
    /// Any names.
    Free,
}

impl Shape {
    fn fields(self) -> Option<Vec<&'static str>> {
        let fields: &[&[&'static str]] = match self {
            Self::Product => &[PRODUCT_FIELDS, PRICE_FIELDS, WHEN],
            Self::Price => &[PRICE_FIELDS, FURTHER_PRICE_FIELDS, WHEN],
            Self::Tier => &[TIER_FIELDS],
            Self::Transform => &[TRANSFORM_FIELDS],
            Self::Option => &[OPTION_FIELDS],
            Self::Options | Self::Free => return None,
        };
        Some(fields.concat())
    }

    fn of_field(self, name: &str) -> Self {
        match (self, name) {
            (Self::Product | Self::Price, "price" | "prices") => Self::Price,
            (_, "tiers") => Self::Tier,
            (_, "transform_quantity") => Self::Transform,
            (_, "currency_options") => Self::Options,
            (Self::Options, _) => Self::Option,
            _ => Self::Free,
        }
    }
}

pub(crate) struct Compiler<'c> {
    pub(crate) environment: &'c mut Environment<'static>,
    /// The rule's name, part of each template's name.
    pub(crate) rule: &'c str,
    pub(crate) problems: Vec<Problem>,
}

impl Compiler<'_> {
    /// A `[[rule.product]]`.
    pub(crate) fn product(&mut self, node: &Node, index: usize) -> Compiled {
        for name in ["id", "name", "interval"] {
            let is_there = node
                .as_record()
                .is_some_and(|record| record.get(name).is_some());
            if !is_there {
                self.wrong(
                    node,
                    format!("this product template has no `{name}`; every one needs it"),
                );
            }
        }
        self.compile(node, &format!("{index}"), "", Shape::Product, false)
    }

    fn wrong(&mut self, node: &Node, message: impl Into<String>) {
        self.problems.push(node.pos.problem(message));
    }

    fn compile(
        &mut self,
        node: &Node,
        id: &str,
        field: &str,
        shape: Shape,
        is_text: bool,
    ) -> Compiled {
        let kind = match &node.value {
            Value::Text(text) => self.text(node, text, id, field, is_text),
            Value::Record(record) => {
                let fields = record.fields();
                self.only(fields, shape);
                let container = TEXT_CONTAINERS.contains(&field);
                let compile = |item: &Field| {
                    let name = &*item.key;
                    let path = if field.is_empty() {
                        name.to_owned()
                    } else {
                        format!("{field}.{name}")
                    };
                    let is_text = container || TEXT_FIELDS.contains(&name);
                    let id = format!("{id}/{name}");
                    let compiled =
                        self.compile(&item.node, &id, &path, shape.of_field(name), is_text);
                    (item.key.clone(), compiled)
                };
                Kind::Record(fields.iter().map(compile).collect())
            }
            Value::List(items) => {
                let is_text = TEXT_CONTAINERS.contains(&field);
                let items = items.iter().enumerate().map(|(index, item)| {
                    let path = format!("{field}[{index}]");
                    self.compile(item, &format!("{id}/{index}"), &path, shape, is_text)
                });
                Kind::List(items.collect())
            }
            Value::Poison(poison) => {
                self.problems.push(poison.problem());
                Kind::Literal(Value::Null)
            }
            value @ (Value::Undefined | Value::Null | Value::Bool(_) | Value::Number(_)) => {
                Kind::Literal(value.clone())
            }
        };
        Compiled {
            field: field.to_owned(),
            kind,
        }
    }

    fn only(&mut self, fields: &[Field], shape: Shape) {
        let Some(known) = shape.fields() else {
            return;
        };
        for field in fields.iter().filter(|field| !known.contains(&&*field.key)) {
            let hint = did_you_mean(&field.key, known.iter().copied());
            let message = format!("`{}` is no field of a product template{hint}", field.key);
            self.problems.push(field.key_pos.problem(message));
        }
    }

    fn text(&mut self, node: &Node, text: &Arc<str>, id: &str, field: &str, is_text: bool) -> Kind {
        let has_template = ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark));
        let last = field.rsplit('.').next().unwrap_or(field);
        if has_template {
            let name = format!("{}/{id}", self.rule);
            let source = text.to_string();
            if let Err(error) = self
                .environment
                .add_template_owned(name.clone(), source.clone())
            {
                let detail = error.detail().unwrap_or_default();
                self.wrong(
                    node,
                    format!("`{field}` is no template: {} {detail}", error.kind()),
                );
            }
            return Kind::Template { name, source };
        }
        // `up_to: inf` and plain numbers written as text stand for themselves.
        if is_text || (last == "up_to" && matches!(&**text, "inf" | ".inf")) {
            return Kind::Literal(Value::Text(text.clone()));
        }
        let file = SourceFile::new(node.pos.file.path.clone(), &**text);
        match lower::expression(&file) {
            Ok(expr) => Kind::Expression {
                expr: Box::new(expr),
                file,
            },
            Err(problem) => {
                self.wrong(
                    node,
                    format!("`{field}` is no expression: {text:?} {}", problem.message),
                );
                Kind::Literal(Value::Null)
            }
        }
    }
}
