//! Expressions of the parser's tree.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar has hundreds of node kinds of which we read a few; all others are opaque"
)]

use std::collections::HashMap;
use std::sync::Arc;

use oxc_ast::ast;
use oxc_span::GetSpan;

use crate::discovery::number;
use crate::discovery::typescript::ir::{Expr, Item, Key, Kind, Member, ObjectCall, Span};
use crate::discovery::value::SourceFile;

/// Deeper expressions are opaque: each level is a stack frame of the evaluator.
const MAX_DEPTH: u32 = 200;

const CALL: &str = "calls are not evaluated; write the value itself";
const ENVIRONMENT: &str = "it is read from the environment at run time; write the value itself";

pub(super) struct Exprs<'f> {
    pub(super) file: &'f Arc<SourceFile>,
}

impl Exprs<'_> {
    pub(super) fn expr(&self, expression: &ast::Expression<'_>, depth: u32) -> Expr {
        let span = span(expression);
        let kind = if depth > MAX_DEPTH {
            opaque("it is nested too deeply")
        } else {
            self.kind(expression, depth + 1)
        };
        Expr { span, kind }
    }

    fn boxed(&self, expression: &ast::Expression<'_>, depth: u32) -> Box<Expr> {
        Box::new(self.expr(expression, depth))
    }

    fn kind(&self, expression: &ast::Expression<'_>, depth: u32) -> Kind {
        if let Some(member) = expression.as_member_expression() {
            return self.member(member, depth);
        }
        match expression {
            ast::Expression::BooleanLiteral(literal) => Kind::Bool(literal.value),
            ast::Expression::NullLiteral(_) => Kind::Null,
            ast::Expression::NumericLiteral(literal) => {
                self.number(literal.raw.as_deref().unwrap_or_default())
            }
            ast::Expression::BigIntLiteral(literal) => {
                let raw = literal.raw.as_deref().unwrap_or_default();
                self.number(raw.trim_end_matches('n'))
            }
            ast::Expression::StringLiteral(literal) if literal.lone_surrogates => {
                opaque("it holds half a character (a lone surrogate)")
            }
            ast::Expression::StringLiteral(literal) => Kind::Text(text(&literal.value)),
            ast::Expression::TemplateLiteral(template) => self.template(template, depth),
            ast::Expression::Identifier(name) => Kind::Name(text(&name.name)),
            ast::Expression::ArrayExpression(array) => Kind::List(
                array
                    .elements
                    .iter()
                    .map(|element| self.item(element, depth))
                    .collect(),
            ),
            ast::Expression::ObjectExpression(object) => self.object(object, depth),
            ast::Expression::BinaryExpression(binary) => Kind::Binary(
                binary.operator,
                Box::new([
                    self.expr(&binary.left, depth),
                    self.expr(&binary.right, depth),
                ]),
            ),
            ast::Expression::LogicalExpression(logical) => Kind::Logical(
                logical.operator,
                Box::new([
                    self.expr(&logical.left, depth),
                    self.expr(&logical.right, depth),
                ]),
            ),
            ast::Expression::ConditionalExpression(ternary) => Kind::Ternary(Box::new([
                self.expr(&ternary.test, depth),
                self.expr(&ternary.consequent, depth),
                self.expr(&ternary.alternate, depth),
            ])),
            ast::Expression::UnaryExpression(unary) => {
                Kind::Unary(unary.operator, self.boxed(&unary.argument, depth))
            }
            ast::Expression::ChainExpression(chain) => {
                let inner = match &chain.expression {
                    ast::ChainElement::CallExpression(_) => opaque(CALL),
                    ast::ChainElement::TSNonNullExpression(inner) => {
                        return Kind::Chain(self.boxed(&inner.expression, depth));
                    }
                    element => match element.as_member_expression() {
                        Some(member) => self.member(member, depth),
                        None => opaque(CALL),
                    },
                };
                let span = span(&**chain);
                Kind::Chain(Box::new(Expr { span, kind: inner }))
            }
            ast::Expression::ParenthesizedExpression(inner) => self.kind(&inner.expression, depth),
            ast::Expression::TSAsExpression(typed) => self.kind(&typed.expression, depth),
            ast::Expression::TSSatisfiesExpression(typed) => self.kind(&typed.expression, depth),
            ast::Expression::TSTypeAssertion(typed) => self.kind(&typed.expression, depth),
            ast::Expression::TSNonNullExpression(typed) => self.kind(&typed.expression, depth),
            ast::Expression::TSInstantiationExpression(typed) => {
                self.kind(&typed.expression, depth)
            }
            ast::Expression::CallExpression(call) => self.call(call, depth),
            ast::Expression::ArrowFunctionExpression(_)
            | ast::Expression::FunctionExpression(_) => opaque("it is a function"),
            ast::Expression::ClassExpression(_) => opaque("it is a class"),
            ast::Expression::NewExpression(_) => opaque("it is made at run time"),
            ast::Expression::AwaitExpression(_) => {
                opaque("it is awaited at run time; write the value itself")
            }
            ast::Expression::ImportExpression(_) => opaque("it is imported at run time"),
            ast::Expression::AssignmentExpression(_) | ast::Expression::UpdateExpression(_) => {
                opaque("it changes a variable")
            }
            ast::Expression::JSXElement(_) | ast::Expression::JSXFragment(_) => {
                opaque("it is markup")
            }
            ast::Expression::RegExpLiteral(_) => opaque("it is a regular expression"),
            ast::Expression::TaggedTemplateExpression(_) => opaque(CALL),
            _ => opaque("it is computed at run time"),
        }
    }

    fn number(&self, raw: &str) -> Kind {
        number::literal(raw).map_or_else(
            || opaque("it has more digits than exact arithmetic holds, or a leading zero"),
            Kind::Number,
        )
    }

    fn template(&self, template: &ast::TemplateLiteral<'_>, depth: u32) -> Kind {
        let texts: Option<Vec<Arc<str>>> = template
            .quasis
            .iter()
            .map(|part| part.value.cooked.filter(|_| !part.lone_surrogates))
            .map(|cooked| cooked.map(|cooked| text(&cooked)))
            .collect();
        let exprs = template
            .expressions
            .iter()
            .map(|e| self.expr(e, depth))
            .collect();
        match texts {
            Some(texts) => Kind::Template { texts, exprs },
            None => opaque("it holds half a character (a lone surrogate)"),
        }
    }

    fn item(&self, element: &ast::ArrayExpressionElement<'_>, depth: u32) -> Item {
        match element {
            ast::ArrayExpressionElement::SpreadElement(spread) => {
                Item::Spread(self.expr(&spread.argument, depth))
            }
            element => match element.as_expression() {
                Some(one) => Item::One(self.expr(one, depth)),
                None => Item::Hole(span(element)),
            },
        }
    }

    fn object(&self, object: &ast::ObjectExpression<'_>, depth: u32) -> Kind {
        let mut seen: HashMap<Arc<str>, Span> = HashMap::new();
        let mut members = Vec::with_capacity(object.properties.len());
        for property in &object.properties {
            let property = match property {
                ast::ObjectPropertyKind::SpreadProperty(spread) => {
                    members.push(Member::Spread(self.expr(&spread.argument, depth)));
                    continue;
                }
                ast::ObjectPropertyKind::ObjectProperty(property) => property,
            };
            let key_span = span(&property.key);
            let mut value = self.expr(&property.value, depth);
            if property.kind != ast::PropertyKind::Init {
                value.kind = opaque("it is a getter or setter");
            }
            let key = match self.key(property, depth) {
                Key::Name(name) => {
                    if let Some(first) = seen.insert(name.clone(), key_span) {
                        let line = self.file.place(first.start).line;
                        value.span = key_span;
                        value.kind = opaque(format!(
                            "this key stands twice in one object, first on line {line}; remove one"
                        ));
                    }
                    Key::Name(name)
                }
                key @ Key::Computed(_) => key,
            };
            members.push(Member::Field {
                key,
                key_span,
                value,
            });
        }
        Kind::Object(members)
    }

    fn key(&self, property: &ast::ObjectProperty<'_>, depth: u32) -> Key {
        match &property.key {
            ast::PropertyKey::StaticIdentifier(name) => Key::Name(text(&name.name)),
            ast::PropertyKey::StringLiteral(name) => Key::Name(text(&name.value)),
            key => match key.as_expression() {
                Some(expression) => Key::Computed(self.boxed(expression, depth)),
                None => Key::Computed(Box::new(Expr {
                    span: span(key),
                    kind: opaque("it is private"),
                })),
            },
        }
    }

    fn member(&self, member: &ast::MemberExpression<'_>, depth: u32) -> Kind {
        let object = member.object();
        let key = match member {
            ast::MemberExpression::StaticMemberExpression(member) => {
                let path = self.source(span(&**member));
                if path.starts_with("process.env") || path.starts_with("import.meta") {
                    return opaque(ENVIRONMENT);
                }
                Key::Name(text(&member.property.name))
            }
            ast::MemberExpression::ComputedMemberExpression(member) => {
                if self.source(span(&**member)).starts_with("process.env") {
                    return opaque(ENVIRONMENT);
                }
                Key::Computed(self.boxed(&member.expression, depth))
            }
            ast::MemberExpression::PrivateFieldExpression(_) => return opaque("it is private"),
        };
        Kind::Get {
            object: self.boxed(object, depth),
            key,
            optional: member.optional(),
        }
    }

    fn call(&self, call: &ast::CallExpression<'_>, depth: u32) -> Kind {
        let [argument] = call.arguments.as_slice() else {
            return opaque(CALL);
        };
        let Some(argument) = argument.as_expression() else {
            return opaque(CALL);
        };
        match object_method(&call.callee) {
            Some("freeze" | "seal") => self.kind(argument, depth),
            Some("keys") => Kind::ObjectCall(ObjectCall::Keys, self.boxed(argument, depth)),
            Some("values") => Kind::ObjectCall(ObjectCall::Values, self.boxed(argument, depth)),
            Some("entries") => Kind::ObjectCall(ObjectCall::Entries, self.boxed(argument, depth)),
            Some(_) | None => opaque(CALL),
        }
    }

    fn source(&self, span: Span) -> &str {
        self.file
            .text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }
}

/// `freeze` of `Object.freeze`.
pub(super) fn object_method<'a>(callee: &'a ast::Expression<'_>) -> Option<&'a str> {
    let ast::Expression::StaticMemberExpression(member) = callee else {
        return None;
    };
    match &member.object {
        ast::Expression::Identifier(object) if object.name == "Object" => {
            Some(&member.property.name)
        }
        _ => None,
    }
}

/// The name that a path of members starts from.
pub(super) fn root<'a>(expression: &'a ast::Expression<'_>) -> Option<&'a str> {
    let mut at = expression;
    loop {
        at = match at {
            ast::Expression::Identifier(name) => return Some(&name.name),
            ast::Expression::ParenthesizedExpression(inner) => &inner.expression,
            ast::Expression::TSAsExpression(inner) => &inner.expression,
            ast::Expression::TSNonNullExpression(inner) => &inner.expression,
            // `Object.values(PLANS).forEach(…)` reaches into PLANS.
            ast::Expression::CallExpression(call) => {
                object_method(&call.callee)?;
                call.arguments.first()?.as_expression()?
            }
            other => other.as_member_expression()?.object(),
        };
    }
}

pub(super) fn opaque(why: impl Into<std::borrow::Cow<'static, str>>) -> Kind {
    Kind::Opaque(why.into())
}

pub(super) fn text(text: &str) -> Arc<str> {
    text.into()
}

pub(super) fn span(of: &impl GetSpan) -> Span {
    let span = of.span();
    Span {
        start: span.start,
        end: span.end,
    }
}
