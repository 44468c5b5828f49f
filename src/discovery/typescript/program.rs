//! Modules that refer to each other, loaded as they are needed.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::eval;
use super::ir::{Binding, Expr, Imported, Kind, Module, Span, Target};
use super::lower;
use super::names::{At, Names};
use super::resolve::Resolver;
use crate::discovery::value::{Field, Node, Record, SourceFile, Value};
use crate::discovery::walk;

type Loaded = Result<Arc<Module>, String>;

pub(crate) struct Program {
    root: PathBuf,
    resolver: Resolver,
    modules: HashMap<String, Loaded>,
    /// Files that were read for others.
    pub(crate) imports: BTreeSet<String>,
    /// By file and name; `None` while it is being evaluated.
    values: HashMap<(String, Arc<str>), Option<Arc<Node>>>,
    /// Whole modules as values, by file; `None` while one is being made.
    namespaces: HashMap<String, Option<Arc<Node>>>,
    /// What evaluating has cost.
    spent: usize,
}

/// Values that are evaluated or copied. A catalog of ten thousand products takes a
/// tenth of it.
const MOST_SPENT: usize = 5_000_000;

/// Where an export leads.
pub(crate) enum Found {
    Local(Arc<Module>, Arc<str>),
    Namespace(Arc<Module>),
    /// No such export.
    Missing,
    /// It leads out of what can be read, and why.
    Unresolved(String),
}

impl Program {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            resolver: Resolver::new(root),
            modules: HashMap::new(),
            imports: BTreeSet::new(),
            values: HashMap::new(),
            namespaces: HashMap::new(),
            spent: 0,
        }
    }

    pub(crate) fn add(&mut self, path: &str, loaded: Loaded) {
        self.resolver.add(path);
        self.modules.insert(path.to_owned(), loaded);
    }

    /// Of all files that were read.
    pub(crate) fn text_bytes(&self) -> usize {
        let read = self
            .modules
            .values()
            .filter_map(|loaded| loaded.as_ref().ok());
        read.map(|module| module.file.text.len()).sum()
    }

    fn load(&mut self, path: &str) -> Loaded {
        if let Some(known) = self.modules.get(path) {
            return known.clone();
        }
        let loaded = match walk::read(&self.root.join(path)) {
            Ok(text) => parse(&SourceFile::new(path, text)),
            Err(error) => Err(format!("{path} {error}")),
        };
        self.imports.insert(path.to_owned());
        self.modules.insert(path.to_owned(), loaded.clone());
        loaded
    }

    /// Follows re-exports to where a name is defined.
    pub(crate) fn find(&mut self, path: &str, name: &str) -> Found {
        self.follow(path, name, &mut Vec::new())
    }

    fn follow(&mut self, path: &str, name: &str, visited: &mut Vec<(String, String)>) -> Found {
        let here = (path.to_owned(), name.to_owned());
        if visited.contains(&here) || visited.len() > 200 {
            return Found::Missing;
        }
        visited.push(here);
        let module = match self.load(path) {
            Ok(module) => module,
            Err(why) => return Found::Unresolved(why),
        };
        if let Some(export) = module.exports.iter().find(|export| &*export.name == name) {
            return match &export.target {
                Target::From { from, what } => self.imported(path, from, what, visited),
                Target::Local(local) => match module.bindings.get(local) {
                    Some(Binding::Import { from, what }) => {
                        self.imported(path, from, what, visited)
                    }
                    Some(Binding::Value(_)) => Found::Local(module.clone(), local.clone()),
                    None => Found::Missing,
                },
            };
        }
        let mut unresolved = None;
        for from in module.stars.iter().filter(|_| name != "default") {
            match self.imported(path, from, &Imported::Named(name.into()), visited) {
                Found::Missing => {}
                Found::Unresolved(why) => unresolved = Some(why),
                found @ (Found::Local(..) | Found::Namespace(_)) => return found,
            }
        }
        unresolved.map_or(Found::Missing, Found::Unresolved)
    }

    fn imported(
        &mut self,
        importer: &str,
        from: &str,
        what: &Imported,
        visited: &mut Vec<(String, String)>,
    ) -> Found {
        let path = match self.resolver.resolve(from, importer) {
            Ok(path) => path,
            Err(why) => return Found::Unresolved(why),
        };
        match what {
            Imported::Named(name) => self.follow(&path, name, visited),
            Imported::Namespace => match self.load(&path) {
                Ok(module) => Found::Namespace(module),
                Err(why) => Found::Unresolved(why),
            },
        }
    }

    /// The value of a name that an import or export leads to.
    fn found(&mut self, found: Found, from: &str, at: &At<'_>) -> Arc<Node> {
        match found {
            Found::Local(module, name) => self.value(&module, &name, at),
            Found::Namespace(module) => self.namespace(&module, at),
            Found::Missing => at.poison(format!("{from:?} exports no such name")),
            Found::Unresolved(why) => at.poison(why),
        }
    }

    /// The value of a module's own constant, evaluated once.
    pub(crate) fn value(
        &mut self,
        module: &Arc<Module>,
        name: &Arc<str>,
        at: &At<'_>,
    ) -> Arc<Node> {
        let Some(Binding::Value(expr)) = module.bindings.get(name) else {
            return at.poison("it is not declared as a constant");
        };
        let key = (module.file.path.clone(), name.clone());
        match self.values.get(&key) {
            Some(Some(value)) => return value.clone(),
            Some(None) => return at.poison("it refers to itself"),
            None => {}
        }
        self.values.insert(key.clone(), None);
        let mut names = ModuleNames {
            program: self,
            module,
        };
        let value = eval::eval(&mut names, &module.file, expr, at.depth);
        self.values.insert(key, Some(value.clone()));
        value
    }

    /// A module as a value, made once.
    fn namespace(&mut self, module: &Arc<Module>, at: &At<'_>) -> Arc<Node> {
        let path = &module.file.path;
        match self.namespaces.get(path) {
            Some(Some(made)) => return made.clone(),
            Some(None) => return at.poison("it refers to itself"),
            None => {}
        }
        self.namespaces.insert(path.clone(), None);
        let made = self.exports_of(module, at);
        self.namespaces.insert(path.clone(), Some(made.clone()));
        made
    }

    fn exports_of(&mut self, module: &Arc<Module>, at: &At<'_>) -> Arc<Node> {
        let mut record = Record::default();
        for export in &module.exports {
            let found = self.find(&module.file.path, &export.name);
            let node = self.found(found, &module.file.path, at);
            record.set(Field {
                key: export.name.clone(),
                key_pos: module.pos(export.span),
                node,
            });
        }
        at.node(Value::Record(record))
    }
}

/// Parses a script, or a JSON file as a module with a default export.
pub(crate) fn parse(file: &Arc<SourceFile>) -> Loaded {
    if !file.path.ends_with(".json") {
        return lower::module(file)
            .map(Arc::new)
            .map_err(|problem| problem.to_string());
    }
    let expr = lower::expression(file).map_err(|problem| problem.to_string())?;
    let name: Arc<str> = "default".into();
    Ok(Arc::new(Module {
        file: file.clone(),
        exports: vec![super::ir::Export {
            name: name.clone(),
            span: expr.span,
            target: Target::Local(name.clone()),
        }],
        bindings: HashMap::from([(name, Binding::Value(expr))]),
        stars: Vec::new(),
    }))
}

struct ModuleNames<'p> {
    program: &'p mut Program,
    module: &'p Arc<Module>,
}

impl Names for ModuleNames<'_> {
    fn get(&mut self, name: &str, at: &At<'_>) -> Option<Arc<Node>> {
        let (name, binding) = self.module.bindings.get_key_value(name)?;
        Some(match binding {
            Binding::Value(_) => self.program.value(self.module, name, at),
            Binding::Import { from, what } => {
                let importer = &self.module.file.path;
                let found = self.program.imported(importer, from, what, &mut Vec::new());
                self.program.found(found, from, at)
            }
        })
    }

    fn spend(&mut self, cost: usize) -> bool {
        self.program.spent = self.program.spent.saturating_add(cost);
        self.program.spent <= MOST_SPENT
    }

    fn get_from_namespace(&mut self, name: &str, key: &str, at: &At<'_>) -> Option<Arc<Node>> {
        let Binding::Import {
            from,
            what: Imported::Namespace,
        } = self.module.bindings.get(name)?
        else {
            return None;
        };
        let what = Imported::Named(key.into());
        let importer = &self.module.file.path;
        let found = self
            .program
            .imported(importer, from, &what, &mut Vec::new());
        Some(self.program.found(found, from, at))
    }
}

/// A poisoned value for an export that leads nowhere.
pub(crate) fn unresolved(module: &Module, span: Span, why: String) -> Arc<Node> {
    let at = At {
        file: &module.file,
        span,
        depth: 0,
    };
    let expr = Expr {
        span,
        kind: Kind::Opaque(why.into()),
    };
    eval::eval(&mut HashMap::new(), at.file, &expr, 0)
}
