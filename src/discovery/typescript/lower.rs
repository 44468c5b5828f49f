//! From the parser's syntax tree to [`ir`](super::ir): the only file that knows
//! the parser. Whatever cannot be a constant becomes opaque, with its reason.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar has hundreds of node kinds of which we read a few; all others are opaque"
)]

use std::collections::HashMap;
use std::sync::Arc;

use oxc_allocator::Allocator;
use oxc_ast::ast;
use oxc_parser::Parser;
use oxc_span::{GetSpan, SourceType};
use oxc_syntax::operator::UnaryOperator;

use super::ir::{
    Binding, EnumMember, Export, Expr, Imported, Item, Key, Kind, Member, Module, ObjectCall, Span,
    Target,
};
use super::nesting;
use crate::catalog::Problem;
use crate::discovery::number;
use crate::discovery::value::{Pos, SourceFile};

/// Deeper expressions are opaque: each level is a stack frame of the evaluator.
const MAX_DEPTH: u32 = 200;

/// Parses a module. Needs a thread with [`nesting::STACK`].
pub(crate) fn module(file: &Arc<SourceFile>) -> Result<Module, Problem> {
    nesting::check(file)?;
    let source_type = SourceType::from_path(&file.path).unwrap_or_else(|_| SourceType::ts());
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, &file.text, source_type).parse();
    if parsed.panicked || parsed.diagnostics.has_errors() {
        let first = parsed.diagnostics.errors().next();
        let first = first.map(|error| (error.labels.first().map(|l| l.offset()), &*error.message));
        return Err(syntax_problem(file, first));
    }
    let mut lowering = Lowering::new(file);
    for statement in &parsed.program.body {
        lowering.statement(statement);
    }
    Ok(lowering.finish())
}

/// Parses one expression, such as a rule's `amount` or a JSON file. Needs a
/// thread with [`nesting::STACK`] for text that is not ours.
pub(crate) fn expression(file: &Arc<SourceFile>) -> Result<Expr, Problem> {
    nesting::check(file)?;
    let allocator = Allocator::default();
    match Parser::new(&allocator, &file.text, SourceType::ts()).parse_expression() {
        Ok(parsed) => Ok(Lowering::new(file).expr(&parsed, 0)),
        Err(diagnostics) => {
            let first = diagnostics.errors().next();
            let first =
                first.map(|error| (error.labels.first().map(|l| l.offset()), &*error.message));
            Err(syntax_problem(file, first))
        }
    }
}

fn syntax_problem(file: &Arc<SourceFile>, first: Option<(Option<u32>, &str)>) -> Problem {
    let (offset, message) = first.unwrap_or((None, "it is no TypeScript"));
    Pos {
        file: file.clone(),
        offset: offset.unwrap_or(0),
    }
    .problem(format!("does not parse: {message}"))
}

struct Lowering {
    module: Module,
    /// Names whose value a top-level statement changes after the declaration.
    mutated: Vec<(Arc<str>, Span)>,
}

impl Lowering {
    fn new(file: &Arc<SourceFile>) -> Self {
        Self {
            module: Module {
                file: file.clone(),
                bindings: HashMap::new(),
                exports: Vec::new(),
                stars: Vec::new(),
            },
            mutated: Vec::new(),
        }
    }

    fn finish(mut self) -> Module {
        for (name, span) in self.mutated {
            let line = self.module.file.place(span.start).line;
            if let Some(Binding::Value(expr)) = self.module.bindings.get_mut(&name) {
                expr.kind = opaque(format!(
                    "it is changed after its declaration, on line {line}"
                ));
            }
        }
        self.module
    }

    fn statement(&mut self, statement: &ast::Statement<'_>) {
        if let Some(declaration) = statement.as_declaration() {
            self.declaration(declaration, false);
            return;
        }
        match statement {
            ast::Statement::ImportDeclaration(import) => self.import(import),
            ast::Statement::ExportDeclaration(export) => {
                self.declaration(&export.declaration, true);
            }
            ast::Statement::ExportNamedDeclaration(export) if export.export_kind.is_value() => {
                for specifier in export
                    .specifiers
                    .iter()
                    .filter(|s| s.export_kind.is_value())
                {
                    let target = Target::Local(text(&specifier.local.name()));
                    self.export(&specifier.exported, target);
                }
            }
            ast::Statement::ExportFromDeclaration(export) if export.export_kind.is_value() => {
                for specifier in export
                    .specifiers
                    .iter()
                    .filter(|s| s.export_kind.is_value())
                {
                    let target = Target::From {
                        from: text(&export.source.value),
                        what: Imported::Named(text(&specifier.local.name())),
                    };
                    self.export(&specifier.exported, target);
                }
            }
            ast::Statement::ExportAllDeclaration(export) if export.export_kind.is_value() => {
                let from = text(&export.source.value);
                match &export.exported {
                    Some(name) => self.export(
                        name,
                        Target::From {
                            from,
                            what: Imported::Namespace,
                        },
                    ),
                    None => self.module.stars.push(from),
                }
            }
            ast::Statement::ExportDefaultDeclaration(export) => self.export_default(export),
            ast::Statement::ExpressionStatement(statement) => self.mutation(&statement.expression),
            _ => {}
        }
    }

    fn import(&mut self, import: &ast::ImportDeclaration<'_>) {
        if !import.import_kind.is_value() {
            return;
        }
        for specifier in import.specifiers.iter().flatten() {
            let (local, what) = match specifier {
                ast::ImportDeclarationSpecifier::ImportSpecifier(named) => {
                    if !named.import_kind.is_value() {
                        continue;
                    }
                    (&named.local, Imported::Named(text(&named.imported.name())))
                }
                ast::ImportDeclarationSpecifier::ImportDefaultSpecifier(default) => {
                    (&default.local, Imported::Named("default".into()))
                }
                ast::ImportDeclarationSpecifier::ImportNamespaceSpecifier(all) => {
                    (&all.local, Imported::Namespace)
                }
            };
            let from = text(&import.source.value);
            self.module
                .bindings
                .insert(text(&local.name), Binding::Import { from, what });
        }
    }

    fn export(&mut self, name: &ast::ModuleExportName<'_>, target: Target) {
        self.module.exports.push(Export {
            name: text(&name.name()),
            span: span(name),
            target,
        });
    }

    /// Bound under the name `default`, which no other binding can have.
    fn export_default(&mut self, export: &ast::ExportDefaultDeclaration<'_>) {
        let expr = match export.declaration.as_expression() {
            Some(value) => self.expr(value, 0),
            None => Expr {
                span: span(export),
                kind: opaque("it is code, not a value"),
            },
        };
        self.module.exports.push(Export {
            name: "default".into(),
            span: expr.span,
            target: Target::Local("default".into()),
        });
        self.module
            .bindings
            .insert("default".into(), Binding::Value(expr));
    }

    fn declaration(&mut self, declaration: &ast::Declaration<'_>, exported: bool) {
        match declaration {
            ast::Declaration::VariableDeclaration(variables) if !variables.declare => {
                for declarator in &variables.declarations {
                    self.variable(variables.kind, declarator, exported);
                }
            }
            ast::Declaration::TSEnumDeclaration(declared) if !declared.declare => {
                let members = declared.body.members.iter();
                let members = members.map(|member| self.enum_member(member)).collect();
                let expr = Expr {
                    span: span(&**declared),
                    kind: Kind::Enum(members),
                };
                self.bind(&declared.id, expr, exported);
            }
            ast::Declaration::FunctionDeclaration(function) if !function.declare => {
                if let Some(id) = &function.id {
                    self.bind_opaque(id, span(&**function), "it is a function", exported);
                }
            }
            ast::Declaration::ClassDeclaration(class) if !class.declare => {
                if let Some(id) = &class.id {
                    self.bind_opaque(id, span(&**class), "it is a class", exported);
                }
            }
            _ => {}
        }
    }

    fn variable(
        &mut self,
        kind: ast::VariableDeclarationKind,
        declarator: &ast::VariableDeclarator<'_>,
        exported: bool,
    ) {
        let value = |lowering: &Self| match &declarator.init {
            Some(_) if !kind.is_const() => Expr {
                span: span(declarator),
                kind: opaque(format!(
                    "it is declared with `{}`, so it may change; declare it with `const`",
                    kind.as_str()
                )),
            },
            Some(init) => lowering.expr(init, 0),
            None => Expr {
                span: span(declarator),
                kind: opaque("it has no value"),
            },
        };
        match &declarator.id {
            ast::BindingPattern::BindingIdentifier(id) => {
                let expr = value(self);
                self.bind(id, expr, exported);
            }
            ast::BindingPattern::ObjectPattern(pattern) => {
                for property in &pattern.properties {
                    let (ast::BindingPattern::BindingIdentifier(id), Some(key)) =
                        (&property.value, property.key.static_name())
                    else {
                        continue;
                    };
                    let expr = Expr {
                        span: span(property),
                        kind: Kind::Get {
                            object: Box::new(value(self)),
                            key: Key::Name(text(&key)),
                            optional: false,
                        },
                    };
                    self.bind(id, expr, exported);
                }
            }
            _ => {}
        }
    }

    fn bind_opaque(
        &mut self,
        id: &ast::BindingIdentifier<'_>,
        span: Span,
        why: &'static str,
        exported: bool,
    ) {
        let kind = opaque(why);
        self.bind(id, Expr { span, kind }, exported);
    }

    fn bind(&mut self, id: &ast::BindingIdentifier<'_>, expr: Expr, exported: bool) {
        let name = text(&id.name);
        if exported {
            self.module.exports.push(Export {
                name: name.clone(),
                span: span(id),
                target: Target::Local(name.clone()),
            });
        }
        self.module.bindings.insert(name, Binding::Value(expr));
    }

    fn enum_member(&self, member: &ast::TSEnumMember<'_>) -> EnumMember {
        let name = match &member.id {
            ast::TSEnumMemberName::Identifier(name) => text(&name.name),
            ast::TSEnumMemberName::String(name) | ast::TSEnumMemberName::ComputedString(name) => {
                text(&name.value)
            }
            ast::TSEnumMemberName::ComputedTemplateString(name) => {
                let cooked = name.quasis.first().and_then(|part| part.value.cooked);
                cooked.map_or_else(|| "".into(), |cooked| text(&cooked))
            }
        };
        EnumMember {
            name,
            span: span(member),
            value: member.initializer.as_ref().map(|value| self.expr(value, 0)),
        }
    }

    /// Notes `PLANS.starter.price = 1`, `delete PLANS.x`, `PLANS.push(…)` and
    /// `Object.assign(PLANS, …)` at the top level: their value isn't what was declared.
    fn mutation(&mut self, expression: &ast::Expression<'_>) {
        let target = match expression {
            ast::Expression::AssignmentExpression(assignment) => assignment
                .left
                .as_simple_assignment_target()
                .and_then(|target| match target {
                    ast::SimpleAssignmentTarget::AssignmentTargetIdentifier(id) => Some(&*id.name),
                    _ => root(target.as_member_expression()?.object()),
                }),
            ast::Expression::UpdateExpression(update) => match &update.argument {
                ast::SimpleAssignmentTarget::AssignmentTargetIdentifier(id) => Some(&*id.name),
                target => target.as_member_expression().and_then(|m| root(m.object())),
            },
            ast::Expression::UnaryExpression(unary) if unary.operator == UnaryOperator::Delete => {
                root(&unary.argument)
            }
            ast::Expression::CallExpression(call) => {
                let first = call
                    .arguments
                    .first()
                    .and_then(|first| first.as_expression());
                match object_method(&call.callee) {
                    Some("assign" | "defineProperty" | "defineProperties") => first.and_then(root),
                    Some(_) => None,
                    None => call
                        .callee
                        .as_member_expression()
                        .and_then(|m| root(m.object())),
                }
            }
            _ => None,
        };
        if let Some(name) = target {
            self.mutated.push((name.into(), span(expression)));
        }
    }

    fn expr(&self, expression: &ast::Expression<'_>, depth: u32) -> Expr {
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
                        let line = self.module.file.place(first.start).line;
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
        self.module
            .file
            .text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }
}

const CALL: &str = "calls are not evaluated; write the value itself";
const ENVIRONMENT: &str = "it is read from the environment at run time; write the value itself";

/// `freeze` of `Object.freeze`.
fn object_method<'a>(callee: &'a ast::Expression<'_>) -> Option<&'a str> {
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
fn root<'a>(expression: &'a ast::Expression<'_>) -> Option<&'a str> {
    let mut at = expression;
    loop {
        at = match at {
            ast::Expression::Identifier(name) => return Some(&name.name),
            ast::Expression::ParenthesizedExpression(inner) => &inner.expression,
            ast::Expression::TSAsExpression(inner) => &inner.expression,
            ast::Expression::TSNonNullExpression(inner) => &inner.expression,
            other => other.as_member_expression()?.object(),
        };
    }
}

fn opaque(why: impl Into<std::borrow::Cow<'static, str>>) -> Kind {
    Kind::Opaque(why.into())
}

fn text(text: &str) -> Arc<str> {
    text.into()
}

fn span(of: &impl GetSpan) -> Span {
    let span = of.span();
    Span {
        start: span.start,
        end: span.end,
    }
}
