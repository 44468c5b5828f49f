//! From the parser's syntax tree to [`ir`](super::ir): the only file that knows
//! the parser. Whatever cannot be a constant becomes opaque, with its reason.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar has hundreds of node kinds of which we read a few; all others are opaque"
)]

mod expr;

use std::collections::HashMap;
use std::sync::Arc;

use oxc_allocator::Allocator;
use oxc_ast::ast;
use oxc_parser::Parser;
use oxc_span::SourceType;
use oxc_syntax::operator::UnaryOperator;

use self::expr::{Exprs, object_method, opaque, root, span, text};
use super::ir::{Binding, EnumMember, Export, Expr, Imported, Key, Kind, Module, Span, Target};
use super::nesting;
use crate::catalog::Problem;
use crate::discovery::value::{Pos, SourceFile};

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
        Ok(parsed) => Ok(Exprs { file }.expr(&parsed, 0)),
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
    fn exprs(&self) -> Exprs<'_> {
        Exprs {
            file: &self.module.file,
        }
    }

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
            statement => self.mutations(statement),
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
            Some(value) => self.exprs().expr(value, 0),
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
            Some(init) => lowering.exprs().expr(init, 0),
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
            value: member
                .initializer
                .as_ref()
                .map(|value| self.exprs().expr(value, 0)),
        }
    }

    /// What the top level does besides declaring, loops and conditions included.
    fn mutations(&mut self, statement: &ast::Statement<'_>) {
        match statement {
            ast::Statement::ExpressionStatement(statement) => self.mutation(&statement.expression),
            ast::Statement::BlockStatement(block) => {
                block.body.iter().for_each(|inner| self.mutations(inner));
            }
            ast::Statement::IfStatement(branch) => {
                self.mutations(&branch.consequent);
                if let Some(alternate) = &branch.alternate {
                    self.mutations(alternate);
                }
            }
            ast::Statement::ForStatement(body) => self.mutations(&body.body),
            ast::Statement::ForOfStatement(body) => self.mutations(&body.body),
            ast::Statement::ForInStatement(body) => self.mutations(&body.body),
            ast::Statement::TryStatement(attempt) => {
                attempt
                    .block
                    .body
                    .iter()
                    .for_each(|inner| self.mutations(inner));
            }
            _ => {}
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
}
