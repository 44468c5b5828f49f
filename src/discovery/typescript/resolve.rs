//! From an import's text to a file below the root, as TypeScript and bundlers do:
//! relative paths, `paths` and `baseUrl` of the nearest tsconfig, `@/…`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::eval;
use super::lower;
use crate::discovery::value::{Node, SourceFile};
use crate::discovery::walk;

const EXTENSIONS: [&str; 9] = ["ts", "tsx", "mts", "cts", "js", "jsx", "mjs", "cjs", "json"];

pub(crate) struct Resolver {
    root: PathBuf,
    /// By folder; `None`: no tsconfig from there up to the root.
    configs: HashMap<String, Option<Rc<TsConfig>>>,
}

#[derive(Clone, Default)]
struct TsConfig {
    folder: String,
    base_url: Option<String>,
    /// Pattern, targets (relative to the root).
    paths: Vec<(String, Vec<String>)>,
}

impl Resolver {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            configs: HashMap::new(),
        }
    }

    /// The file, relative to the root; or why there is none.
    pub(crate) fn resolve(&mut self, specifier: &str, importer: &str) -> Result<String, String> {
        let folder = parent(importer);
        if specifier.starts_with("./")
            || specifier.starts_with("../")
            || matches!(specifier, "." | "..")
        {
            let Some(path) = join(folder, specifier) else {
                return Err(format!(
                    "{specifier:?} is outside of the catalog's root; set catalog.root higher"
                ));
            };
            return self
                .file(&path)
                .ok_or_else(|| format!("the imported file {specifier:?} does not exist"));
        }
        let config = self.config(folder);
        let mut candidates: Vec<String> = Vec::new();
        if let Some(config) = &config {
            candidates.extend(config.aliases(specifier));
            candidates.extend(
                config
                    .base_url
                    .as_ref()
                    .and_then(|base| join(base, specifier)),
            );
        }
        let aliased = ["@/", "~/"]
            .iter()
            .find_map(|alias| specifier.strip_prefix(alias));
        if let Some(rest) = aliased {
            let bases = config
                .iter()
                .map(|config| config.folder.as_str())
                .chain([""]);
            for base in bases {
                candidates.extend(join(base, rest));
                candidates.extend(join(base, "src").and_then(|src| join(&src, rest)));
            }
        }
        if let Some(path) = candidates.iter().find_map(|path| self.file(path)) {
            return Ok(path);
        }
        if aliased.is_some()
            || !candidates.is_empty() && config.is_some_and(|c| c.has_alias(specifier))
        {
            Err(format!(
                "the imported file {specifier:?} does not exist below the root"
            ))
        } else {
            Err(format!(
                "it is imported from the package {specifier:?}, and packages are not read"
            ))
        }
    }

    fn file(&self, path: &str) -> Option<String> {
        let (stem, extension) = match path.rsplit_once('.') {
            Some((stem, extension)) if !extension.contains('/') => (stem, extension),
            Some(_) | None => (path, ""),
        };
        // `./plans.js` in TypeScript means `./plans.ts`.
        let swapped: &[&str] = match extension {
            "js" => &["ts", "tsx"],
            "jsx" => &["tsx"],
            "mjs" => &["mts"],
            "cjs" => &["cts"],
            _ => &[],
        };
        let swapped = swapped.iter().map(|swapped| format!("{stem}.{swapped}"));
        let exact = EXTENSIONS.contains(&extension).then(|| path.to_owned());
        let added = EXTENSIONS
            .iter()
            .map(|extension| format!("{path}.{extension}"));
        let folder = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let index = EXTENSIONS
            .iter()
            .map(|extension| format!("{folder}index.{extension}"));
        swapped
            .chain(exact)
            .chain(added)
            .chain(index)
            .find(|candidate| self.root.join(candidate).is_file())
    }

    fn config(&mut self, folder: &str) -> Option<Rc<TsConfig>> {
        if let Some(known) = self.configs.get(folder) {
            return known.clone();
        }
        let own = ["tsconfig.json", "jsconfig.json"].iter().find_map(|name| {
            let path = join(folder, name)?;
            self.root
                .join(&path)
                .is_file()
                .then(|| self.read_config(&path, 0))?
        });
        let config = match own {
            Some(config) => Some(Rc::new(TsConfig {
                folder: folder.to_owned(),
                ..config
            })),
            None if folder.is_empty() => None,
            None => self.config(parent(folder)),
        };
        self.configs.insert(folder.to_owned(), config.clone());
        config
    }

    /// A tsconfig that cannot be read is none: TypeScript itself will complain.
    fn read_config(&self, path: &str, depth: u32) -> Option<TsConfig> {
        let text = walk::read(&self.root.join(path)).ok()?;
        let file = SourceFile::new(path, text);
        let expr = lower::expression(&file).ok()?;
        let json = eval::eval(&mut HashMap::new(), &file, &expr, 0);
        let folder = parent(path);
        let mut config = TsConfig::default();
        if let Some(extends) = get(&json, "extends").filter(|_| depth < 8) {
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
                    .find(|path| self.root.join(path).is_file())
                });
                config = found
                    .and_then(|found| self.read_config(&found, depth + 1))
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
}

impl TsConfig {
    fn has_alias(&self, specifier: &str) -> bool {
        self.paths
            .iter()
            .any(|(pattern, _)| matched(pattern, specifier).is_some())
    }

    /// The targets of the most specific pattern.
    fn aliases(&self, specifier: &str) -> Vec<String> {
        self.paths
            .iter()
            .filter_map(|(pattern, targets)| Some((pattern, matched(pattern, specifier)?, targets)))
            .max_by_key(|(pattern, _, _)| pattern.split('*').next().map_or(0, str::len))
            .map(|(_, star, targets)| targets.iter().map(|t| t.replacen('*', star, 1)).collect())
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

fn get<'n>(node: &'n Node, key: &str) -> Option<&'n std::sync::Arc<Node>> {
    Some(&node.as_record()?.get(key)?.node)
}

pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// `None` where the path would leave the root.
fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn imports_find_their_files() {
        let dir = tree(&[
            (
                "tsconfig.json",
                "{ // comments\n \"extends\": \"./base\", \"compilerOptions\": {\"baseUrl\": \"lib\", \"paths\": {\"#fees\": [\"../cfg/fees.ts\"], \"x/*\": [\"../cfg/*\",], \"x/deep/*\": [\"../deep/*\"]},}, }",
            ),
            ("base.json", "{}"),
            ("cfg/fees.ts", ""),
            ("deep/a.ts", ""),
            ("lib/prices/index.ts", ""),
            ("src/only.tsx", ""),
            ("src/a.b.ts", ""),
            ("data.json", ""),
        ]);
        let mut resolver = Resolver::new(dir.path());
        for (specifier, importer, found) in [
            ("./fees", "cfg/x.ts", "cfg/fees.ts"),
            ("./fees.js", "cfg/x.ts", "cfg/fees.ts"),
            ("../cfg/fees.ts", "src/x.ts", "cfg/fees.ts"),
            ("#fees", "src/x.ts", "cfg/fees.ts"),
            ("x/fees", "src/x.ts", "cfg/fees.ts"),
            ("x/deep/a", "src/x.ts", "deep/a.ts"),
            ("prices", "src/x.ts", "lib/prices/index.ts"),
            ("@/only", "src/x.ts", "src/only.tsx"),
            ("@/src/only", "src/x.ts", "src/only.tsx"),
            ("~/data.json", "x.ts", "data.json"),
            ("./a.b", "src/x.ts", "src/a.b.ts"),
        ] {
            assert_eq!(
                resolver.resolve(specifier, importer).as_deref(),
                Ok(found),
                "{specifier}"
            );
        }
        for (specifier, reason) in [
            ("react", "packages are not read"),
            ("./gone", "does not exist"),
            ("@/gone", "does not exist below the root"),
            ("../../up", "set catalog.root higher"),
        ] {
            let error = resolver.resolve(specifier, "src/x.ts").unwrap_err();
            assert!(error.contains(reason), "{specifier}: {error}");
        }
    }
}
