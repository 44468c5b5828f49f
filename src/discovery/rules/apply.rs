//! An export's value and a rule to products.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use minijinja::{Environment, context};

use super::compile::{Compiled, Kind};
use super::{Rule, template};
use crate::catalog::{Origin, Problem, Product, SourceKind};
use crate::discovery::product::{self, Defaults};
use crate::discovery::typescript::eval;
use crate::discovery::value::{Field, Node, Pos, Record, Value, shorten};

/// Makes the products of every entry. An entry with a problem makes none.
pub(crate) fn apply(
    rule: &Rule,
    environment: &Environment<'static>,
    value: &Arc<Node>,
) -> (Vec<Product>, Vec<Problem>) {
    let mut made = Made::default();
    let mut problems = Vec::new();
    for entry in entries(&rule.export, value, &mut problems) {
        let Some(path) = &rule.each else {
            make(rule, environment, &entry, None, &mut made);
            continue;
        };
        let Some(inner) = walk_path(&entry, path, &mut made.problems) else {
            continue;
        };
        let label = format!("{}.{}", entry.label, path.join("."));
        for tier in entries(&label, &inner, &mut made.problems) {
            make(rule, environment, &tier, Some(&entry), &mut made);
        }
    }
    problems.extend(made.problems);
    (made.products, problems)
}

/// What a rule has made so far.
#[derive(Default)]
struct Made {
    products: Vec<Product>,
    problems: Vec<Problem>,
    /// The monthly and the yearly product often fail for one reason.
    told: BTreeSet<Problem>,
}

/// One element of a record or list.
struct Entry {
    /// `PRICING_PLANS.starter`, `ORG_PLANS[0]`.
    label: String,
    key: Arc<Node>,
    pos: Pos,
    node: Arc<Node>,
}

fn entries(label: &str, value: &Arc<Node>, problems: &mut Vec<Problem>) -> Vec<Entry> {
    match &value.value {
        Value::Record(record) => {
            problems.extend(record.rest.iter().map(|rest| rest.problem()));
            let entry = |field: &Field| Entry {
                label: format!("{label}.{}", field.key),
                key: Node::text(field.key_pos.clone(), &field.key),
                pos: field.key_pos.clone(),
                node: field.node.clone(),
            };
            record.fields().iter().map(entry).collect()
        }
        Value::List(items) => {
            let entry = |(index, item): (usize, &Arc<Node>)| Entry {
                label: format!("{label}[{index}]"),
                key: Node::new(item.pos.clone(), Value::Number(index.into())),
                pos: item.pos.clone(),
                node: item.clone(),
            };
            items.iter().enumerate().map(entry).collect()
        }
        Value::Undefined
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::Poison(_) => {
            let problem =
                value.wrong(|what| format!("is {what}; a list or a record of entries is needed"));
            let message = format!("{label}: {}", problem.message);
            problems.push(Problem { message, ..problem });
            Vec::new()
        }
    }
}

/// The nested list that `each` names.
fn walk_path(entry: &Entry, path: &[String], problems: &mut Vec<Problem>) -> Option<Arc<Node>> {
    let mut node = entry.node.clone();
    for part in path {
        let next = node
            .as_record()
            .and_then(|record| match (record.get(part), &record.rest) {
                (Some(field), _) => Some(field.node.clone()),
                (None, Some(rest)) => {
                    Some(Node::new(entry.pos.clone(), Value::Poison(rest.clone())))
                }
                (None, None) => None,
            });
        node = match next {
            Some(next) => next,
            None if node.poison().is_some() => break,
            None => {
                let message = format!(
                    "{}: has no `{part}`, which the rule makes products of",
                    entry.label
                );
                problems.push(entry.pos.problem(message));
                return None;
            }
        };
    }
    Some(node)
}

fn make(
    rule: &Rule,
    environment: &Environment<'static>,
    entry: &Entry,
    parent: Option<&Entry>,
    all: &mut Made,
) {
    let origin = Origin {
        source: SourceKind::Typescript,
        rule: rule.name.clone(),
        entry: entry.label.clone(),
        place: entry.pos.place(),
        event_key: None,
    };
    if entry.node.as_record().is_none() {
        let problem = entry
            .node
            .wrong(|what| format!("is {what}; a record is needed"));
        let message = format!("{}: {}", entry.label, problem.message);
        all.problems.push(Problem { message, ..problem });
        return;
    }
    let mut names = HashMap::from([("item", entry.node.clone()), ("key", entry.key.clone())]);
    if let Some(parent) = parent {
        names.insert("parent", parent.node.clone());
        names.insert("parent_key", parent.key.clone());
    }
    let shown = |name: &str| {
        names
            .get(name)
            .map_or(minijinja::Value::UNDEFINED, template::value)
    };
    let context = context! {
        item => shown("item"),
        key => shown("key"),
        parent => shown("parent"),
        parent_key => shown("parent_key"),
    };
    let mut scope = Scope {
        rule: &rule.name,
        environment,
        entry,
        names,
        context,
    };
    let defaults = Defaults {
        kind: &rule.kind,
        currency: rule.currency,
    };
    let mut made = Vec::new();
    let mut wrong: Vec<Problem> = Vec::new();
    for compiled in &rule.products {
        let result = match scope.record(compiled) {
            Ok(None) => continue,
            Ok(Some(node)) => product::read(&node, &defaults, origin.clone()),
            Err(problem) => Err(vec![problem]),
        };
        match result {
            Ok(product) => made.push(product),
            Err(found) => wrong.extend(found),
        }
    }
    if wrong.is_empty() {
        all.products.extend(made);
        return;
    }
    for problem in wrong {
        if all.told.insert(problem.clone()) {
            all.problems.push(problem);
        }
    }
}

struct Scope<'s> {
    rule: &'s str,
    environment: &'s Environment<'static>,
    entry: &'s Entry,
    names: HashMap<&'static str, Arc<Node>>,
    context: minijinja::Value,
}

impl Scope<'_> {
    /// `None`: its `when` says no.
    fn record(&mut self, compiled: &Compiled) -> Result<Option<Arc<Node>>, Problem> {
        let Kind::Record(fields) = &compiled.kind else {
            return self.node(compiled);
        };
        if let Some((_, when)) = fields.iter().find(|(name, _)| &**name == "when")
            && !self.holds(when)?
        {
            return Ok(None);
        }
        let mut record = Record::default();
        for (name, field) in fields.iter().filter(|(name, _)| &**name != "when") {
            if let Some(node) = self.node(field)? {
                record.set(Field {
                    key: name.clone(),
                    key_pos: self.entry.pos.clone(),
                    node,
                });
            }
        }
        let pos = self.entry.pos.clone();
        Ok(Some(Node::new(pos, Value::Record(record))))
    }

    fn holds(&mut self, when: &Compiled) -> Result<bool, Problem> {
        let Some(node) = self.node(when)? else {
            return Ok(false);
        };
        match &node.value {
            Value::Undefined | Value::Null => Ok(false),
            Value::Bool(value) => Ok(*value),
            Value::Number(value) => Ok(!value.is_zero()),
            // What a template says.
            Value::Text(text) => Ok(!matches!(text.trim(), "" | "false" | "0")),
            Value::List(_) | Value::Record(_) => Ok(true),
            Value::Poison(poison) => Err(self.labelled(when, poison.problem())),
        }
    }

    /// `None`: the field is left out.
    fn node(&mut self, compiled: &Compiled) -> Result<Option<Arc<Node>>, Problem> {
        let pos = &self.entry.pos;
        Ok(match &compiled.kind {
            Kind::Literal(value) => Some(Node::new(pos.clone(), value.clone())),
            Kind::Template { name, source } => {
                let text = self.render(compiled, name, source)?;
                // A template that yields nothing leaves the field alone; only a
                // description may be emptied.
                let is_kept = !text.trim().is_empty()
                    || matches!(&*compiled.field, "id" | "name" | "description");
                is_kept.then(|| Node::text(pos.clone(), &text))
            }
            Kind::Expression { expr, file } => {
                let node = eval::eval(&mut self.names, file, expr, 0);
                let is_of_rule = Arc::ptr_eq(&node.pos.file, file);
                match node.poison() {
                    Some(poison) if Arc::ptr_eq(&poison.pos.file, file) => {
                        return Err(self.rule_problem(
                            compiled,
                            &file.text,
                            &format!("`{}`: {}", poison.expression, poison.why),
                        ));
                    }
                    // Calculated by the rule: it happened at the entry.
                    Some(_) | None if is_of_rule => {
                        Some(Node::new(pos.clone(), node.value.clone()))
                    }
                    Some(_) | None => Some(node),
                }
            }
            Kind::Record(_) => self.record(compiled)?,
            Kind::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.extend(self.node(item)?);
                }
                Some(Node::new(self.entry.pos.clone(), Value::List(list)))
            }
        })
    }

    fn render(&self, compiled: &Compiled, name: &str, source: &str) -> Result<String, Problem> {
        let rendered = self
            .environment
            .get_template(name)
            .and_then(|template| template.render(self.context.clone()));
        rendered.map_err(|error| match template::touched(&error) {
            Some(poison) => self.labelled(compiled, poison.problem()),
            None => {
                let detail = error
                    .detail()
                    .map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
                self.rule_problem(compiled, source, &detail)
            }
        })
    }

    /// A mistake that lies between the rule and this entry.
    fn rule_problem(&self, compiled: &Compiled, source: &str, message: &str) -> Problem {
        self.entry.pos.problem(format!(
            "{}: rule {:?} cannot make `{}` from `{}`: {message}",
            self.entry.label,
            self.rule,
            compiled.field,
            shorten(source, 120),
        ))
    }

    fn labelled(&self, compiled: &Compiled, problem: Problem) -> Problem {
        let label = &self.entry.label;
        let message = if compiled.field == "when" {
            format!("{label}: {}", problem.message)
        } else {
            format!("{label}: `{}`: {}", compiled.field, problem.message)
        };
        Problem { message, ..problem }
    }
}
