//! The part of a module that can hold constants, free of the parser's types and
//! lifetimes: what the evaluator walks.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use oxc_syntax::operator::{BinaryOperator, LogicalOperator, UnaryOperator};
use rust_decimal::Decimal;

use crate::discovery::value::{Pos, SourceFile};

/// Bytes in the module's file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(Arc<str>),
    /// One text more than there are expressions.
    Template {
        texts: Vec<Arc<str>>,
        exprs: Vec<Expr>,
    },
    List(Vec<Item>),
    Object(Vec<Member>),
    Name(Arc<str>),
    Get {
        object: Box<Expr>,
        key: Key,
        optional: bool,
    },
    /// Where an optional chain ends.
    Chain(Box<Expr>),
    Unary(UnaryOperator, Box<Expr>),
    Binary(BinaryOperator, Box<[Expr; 2]>),
    Logical(LogicalOperator, Box<[Expr; 2]>),
    /// Condition, then, else.
    Ternary(Box<[Expr; 3]>),
    /// `Object.keys(…)` and its kin.
    ObjectCall(ObjectCall, Box<Expr>),
    Enum(Vec<EnumMember>),
    /// Not a constant, and why.
    Opaque(Cow<'static, str>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ObjectCall {
    Keys,
    Values,
    Entries,
}

#[derive(Debug)]
pub(crate) enum Item {
    One(Expr),
    Spread(Expr),
    Hole(Span),
}

#[derive(Debug)]
pub(crate) enum Member {
    Field {
        key: Key,
        key_span: Span,
        value: Expr,
    },
    Spread(Expr),
}

#[derive(Debug)]
pub(crate) enum Key {
    Name(Arc<str>),
    Computed(Box<Expr>),
}

#[derive(Debug)]
pub(crate) struct EnumMember {
    pub(crate) name: Arc<str>,
    pub(crate) span: Span,
    pub(crate) value: Option<Expr>,
}

/// A module's top level.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) file: Arc<SourceFile>,
    pub(crate) bindings: HashMap<Arc<str>, Binding>,
    /// In order; a name that is there twice is a mistake in the file.
    pub(crate) exports: Vec<Export>,
    /// What `export * from` names.
    pub(crate) stars: Vec<Arc<str>>,
}

#[derive(Debug)]
pub(crate) enum Binding {
    Value(Expr),
    Import { from: Arc<str>, what: Imported },
}

#[derive(Clone, Debug)]
pub(crate) enum Imported {
    /// `default` for a default import.
    Named(Arc<str>),
    /// `* as`.
    Namespace,
}

#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) name: Arc<str>,
    pub(crate) span: Span,
    pub(crate) target: Target,
}

#[derive(Clone, Debug)]
pub(crate) enum Target {
    Local(Arc<str>),
    From { from: Arc<str>, what: Imported },
}

impl Module {
    pub(crate) fn pos(&self, span: Span) -> Pos {
        Pos {
            file: self.file.clone(),
            offset: span.start,
        }
    }
}
