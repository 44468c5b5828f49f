//! The part of a tsconfig that says where imports lead.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::resolve::{join, parent};
use super::{eval, lower};
use crate::discovery::value::{Node, SourceFile};
use crate::discovery::walk;

#[derive(Clone, Default)]
pub(super) struct TsConfig {
    /// Where it applies.
    pub(super) folder: String,
    pub(super) base_url: Option<String>,
    /// Pattern, targets (relative to the root).
    pub(super) paths: Vec<(String, Vec<String>)>,
}

/// Files that one tsconfig may be made of; two that extend each other have no end.
const MAX_FILES: u32 = 32;

/// A tsconfig that cannot be read is none: TypeScript itself will complain.
pub(super) fn read(root: &Path, path: &str) -> Option<TsConfig> {
    read_some(root, path, &mut 0)
}

fn read_some(root: &Path, path: &str, files: &mut u32) -> Option<TsConfig> {
    *files += 1;
    if *files > MAX_FILES {
        return None;
    }
    let text = walk::read(&root.join(path)).ok()?;
    let file = SourceFile::new(path, text);
    let expr = lower::expression(&file).ok()?;
    let json = eval::eval(&mut HashMap::new(), &file, &expr, 0);
    let folder = parent(path);
    let mut config = TsConfig::default();
    if let Some(extends) = get(&json, "extends") {
        let list = extends
            .as_list()
            .map_or_else(|| vec![extends.clone()], <[_]>::to_vec);
        for base in list.iter().filter_map(|base| base.as_text()) {
            let base = join(folder, base).filter(|_| base.starts_with('.'));
            let found = base.and_then(|base| {
                [
                    base.clone(),
                    format!("{base}.json"),
                    format!("{base}/tsconfig.json"),
                ]
                .into_iter()
                .find(|path| root.join(path).is_file())
            });
            config = found
                .and_then(|found| read_some(root, &found, files))
                .unwrap_or(config);
        }
    }
    let Some(options) = get(&json, "compilerOptions") else {
        return Some(config);
    };
    if let Some(base) = get(options, "baseUrl").and_then(|base| base.as_text()) {
        config.base_url = join(folder, base);
    }
    if let Some(paths) = get(options, "paths").and_then(|paths| paths.as_record()) {
        let base = config.base_url.clone().unwrap_or_else(|| folder.to_owned());
        config.paths = paths
            .fields()
            .iter()
            .map(|field| {
                let targets = field.node.as_list().unwrap_or_default().iter();
                let targets = targets.filter_map(|t| join(&base, t.as_text()?));
                (field.key.to_string(), targets.collect())
            })
            .collect();
    }
    Some(config)
}

impl TsConfig {
    pub(super) fn has_alias(&self, specifier: &str) -> bool {
        self.paths
            .iter()
            .any(|(pattern, _)| matched(pattern, specifier).is_some())
    }

    /// The targets of the most specific pattern.
    pub(super) fn aliases(&self, specifier: &str) -> Vec<String> {
        self.paths
            .iter()
            .filter_map(|(pattern, targets)| Some((pattern, matched(pattern, specifier)?, targets)))
            .max_by_key(|(pattern, _, _)| pattern.split('*').next().map_or(0, str::len))
            .map(|(_, star, targets)| {
                // What stands for the star may lead up, or be a whole path itself.
                let targets = targets.iter().map(|t| t.replacen('*', star, 1));
                targets.filter_map(|path| join("", &path)).collect()
            })
            .unwrap_or_default()
    }
}

/// What `*` stands for.
fn matched<'s>(pattern: &str, specifier: &'s str) -> Option<&'s str> {
    match pattern.split_once('*') {
        Some((before, after)) => specifier.strip_prefix(before)?.strip_suffix(after),
        None => (pattern == specifier).then_some(""),
    }
}

fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Arc<Node>> {
    Some(&node.as_record()?.get(key)?.node)
}
