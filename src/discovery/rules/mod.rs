//! Which exported constant becomes which products: a TOML file, or a preset.
//!
//! ```toml
//! documents = ["pricing/*.yaml"]      # optional: which files are documents
//!
//! [[rule]]
//! name = "roles"                      # optional: the export's name
//! export = "PRICING_CONFIG"           # an exported constant, wherever it is
//! each = "tiers"                      # optional: a list in each entry; the entry is `parent`
//! kind = "role_tier"                  # optional: the rule's name
//! currency = "usd"                    # optional
//!
//! [[rule.product]]                    # one or more: the fields of a document's product
//! id = "role_{{ parent.role }}_{{ item.id }}"     # text fields are templates
//! name = "{{ parent.displayName }} - {{ item.name }}"
//! amount = "item.price"               # other fields are expressions, in exact decimals
//! interval = "month"
//! when = "item.price > 0"             # optional
//! metadata.tier = "{{ item.name }}"
//! ```
//! `key` is the entry's key or index, `parent_key` its parent's.

mod apply;
mod compile;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use minijinja::Environment;

pub(crate) use self::apply::apply;
use self::compile::{Compiled, Compiler};
use super::Error;
use super::document::syntax::{self, Format};
use super::value::{Field, Node, SourceFile, did_you_mean};
use super::walk;
use crate::catalog::{Currency, Problem};

/// The presets by name.
pub const PRESETS: [(&str, &str); 2] = [
    ("ghostcrm", include_str!("../presets/ghostcrm.toml")),
    ("documents", ""),
];

/// A rules file, checked and parsed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules {
    inner: Arc<Inner>,
    /// Whether nobody chose these rules: then a tree that has documents and none
    /// of the exports is fine.
    pub defaulted: bool,
}

#[derive(Debug)]
struct Inner {
    /// A preset's name or the file's path.
    name: String,
    rules: Vec<Rule>,
    documents: Option<(Vec<String>, GlobSet)>,
    environment: Environment<'static>,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) export: String,
    /// Path of a list in each entry.
    each: Option<Vec<String>>,
    kind: String,
    currency: Currency,
    products: Vec<Compiled>,
}

const FILE_FIELDS: [&str; 2] = ["documents", "rule"];
const RULE_FIELDS: [&str; 6] = ["name", "export", "each", "kind", "currency", "product"];

impl Rules {
    /// Loads a preset by its name, or else a file by its path.
    ///
    /// # Errors
    /// [`Error::UnknownRules`] where there is neither, [`Error::Rules`] with
    /// every mistake in the file.
    pub fn load(preset_or_path: &str) -> Result<Self, Error> {
        let preset = PRESETS.iter().find(|(name, _)| *name == preset_or_path);
        if let Some((name, text)) = preset {
            return Self::parse(name, text);
        }
        let path = Path::new(preset_or_path);
        match walk::read(path) {
            Ok(text) => Self::parse(preset_or_path, &text),
            Err(walk::Unreadable::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                let names = PRESETS.map(|(name, _)| name);
                Err(Error::UnknownRules {
                    name: preset_or_path.to_owned(),
                    hint: did_you_mean(preset_or_path, names),
                })
            }
            Err(unreadable) => Err(Error::Rules(vec![Problem {
                place: None,
                message: format!("the rules file {preset_or_path} {unreadable}"),
            }])),
        }
    }

    /// Parses the text of a rules file; `name` is for messages.
    ///
    /// # Errors
    /// [`Error::Rules`] with every mistake in it.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let file = SourceFile::new(name, text);
        let node =
            syntax::parse(&file, Format::Toml).map_err(|problem| Error::Rules(vec![problem]))?;
        let mut reader = Reader {
            environment: template::environment(),
            problems: Vec::new(),
        };
        let (rules, documents) = reader.file(&node);
        if !reader.problems.is_empty() {
            return Err(Error::Rules(reader.problems));
        }
        Ok(Self {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                rules,
                documents,
                environment: reader.environment,
            }),
            defaulted: false,
        })
    }

    /// The same rules as the ones nobody chose.
    pub fn as_default(mut self) -> Self {
        self.defaulted = true;
        self
    }

    /// The preset's name or the file's path.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The exports that are looked for.
    pub fn exports(&self) -> BTreeSet<&str> {
        self.inner.rules.iter().map(|rule| &*rule.export).collect()
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.inner.rules
    }

    /// The globs that say which files are documents, where the file has any.
    pub(crate) fn documents(&self) -> Option<(&[String], &GlobSet)> {
        let (globs, set) = self.inner.documents.as_ref()?;
        Some((globs, set))
    }

    pub(crate) fn environment(&self) -> &Environment<'static> {
        &self.inner.environment
    }
}

/// As in an ignore file: `*` stays within a folder, `**` does not.
pub(crate) fn glob(text: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(text).literal_separator(true).build()
}

struct Reader {
    environment: Environment<'static>,
    problems: Vec<Problem>,
}

type Documents = Option<(Vec<String>, GlobSet)>;

impl Reader {
    fn file(&mut self, node: &Node) -> (Vec<Rule>, Documents) {
        let fields = node
            .as_record()
            .map(|record| record.fields())
            .unwrap_or_default();
        self.only(fields, &FILE_FIELDS, "a rules file");
        let (mut rules, mut documents) = (Vec::new(), None);
        for field in fields {
            match &*field.key {
                "documents" => documents = self.documents(&field.node),
                "rule" => {
                    for node in self.list(field) {
                        let rule = self.rule(node);
                        if rule.name == crate::catalog::PUSHED {
                            let message = format!(
                                "{:?} names the pushed products; give the rule another `name`",
                                rule.name
                            );
                            self.problems.push(node.pos.problem(message));
                        }
                        if let Some(twin) = rules.iter().find(|r: &&Rule| r.name == rule.name) {
                            let message = format!(
                                "a second rule is named {:?}; give it another `name`",
                                twin.name
                            );
                            self.problems.push(node.pos.problem(message));
                        }
                        rules.push(rule);
                    }
                }
                _ => {}
            }
        }
        (rules, documents)
    }

    fn only(&mut self, fields: &[Field], known: &[&str], of: &str) {
        for field in fields.iter().filter(|field| !known.contains(&&*field.key)) {
            let hint = did_you_mean(&field.key, known.iter().copied());
            let message = format!("`{}` is no field of {of}{hint}", field.key);
            self.problems.push(field.key_pos.problem(message));
        }
    }

    fn list<'n>(&mut self, field: &'n Field) -> &'n [Arc<Node>] {
        field.node.as_list().unwrap_or_else(|| {
            let message = format!("`{}` is a list: write [[{}]]", field.key, field.key);
            self.problems.push(field.key_pos.problem(message));
            &[]
        })
    }

    fn documents(&mut self, node: &Node) -> Documents {
        let mut builder = GlobSetBuilder::new();
        let mut globs = Vec::new();
        for item in node.as_list().unwrap_or_default() {
            match item.as_text().map(glob) {
                Some(Ok(glob)) => {
                    globs.push(glob.glob().to_owned());
                    builder.add(glob);
                }
                Some(Err(error)) => self.problems.push(item.pos.problem(error.to_string())),
                None => self.problems.push(
                    item.pos
                        .problem("a glob such as \"pricing/*.yaml\" is needed"),
                ),
            }
        }
        if node.as_list().is_none() {
            self.problems
                .push(node.pos.problem("`documents` is a list of globs"));
        }
        match builder.build() {
            Ok(set) => Some((globs, set)),
            Err(error) => {
                self.problems.push(node.pos.problem(error.to_string()));
                None
            }
        }
    }

    fn text(&mut self, node: &Node, name: &str) -> Option<String> {
        let field = node.as_record()?.get(name)?;
        let text = field.node.as_text().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.problems
                .push(field.node.pos.problem(format!("`{name}` is text")));
        }
        text.map(ToOwned::to_owned)
    }

    fn rule(&mut self, node: &Node) -> Rule {
        let fields = node
            .as_record()
            .map(|record| record.fields())
            .unwrap_or_default();
        self.only(fields, &RULE_FIELDS, "a rule");
        let export = self.text(node, "export").unwrap_or_default();
        let is_name = !export.is_empty()
            && export
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '$');
        if !is_name {
            self.problems.push(
                node.pos
                    .problem("a rule needs `export`, the name of an exported constant"),
            );
        }
        let name = self.text(node, "name").unwrap_or_else(|| export.clone());
        let each = self.text(node, "each").map(|path| {
            let path = path.strip_prefix("item.").unwrap_or(&path);
            path.split('.').map(|part| part.trim().to_owned()).collect()
        });
        let kind = self.text(node, "kind").unwrap_or_else(|| name.clone());
        let currency = self.text(node, "currency").and_then(|code| {
            let parsed = code.parse();
            parsed
                .map_err(|error| {
                    self.problems
                        .push(node.pos.problem(format!("`currency`: {error}")))
                })
                .ok()
        });
        let mut products = Vec::new();
        match node.as_record().and_then(|record| record.get("product")) {
            Some(field) => {
                for (index, product) in self.list(field).iter().enumerate() {
                    let mut compiler = Compiler {
                        environment: &mut self.environment,
                        rule: &name,
                        problems: Vec::new(),
                    };
                    products.push(compiler.product(product, index));
                    self.problems.extend(compiler.problems);
                }
            }
            None => self.problems.push(
                node.pos
                    .problem("a rule needs at least one [[rule.product]]"),
            ),
        }
        Rule {
            name,
            export,
            each,
            kind,
            currency: currency.unwrap_or(Currency::USD),
            products,
        }
    }
}
