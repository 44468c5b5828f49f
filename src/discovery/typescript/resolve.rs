//! From an import's text to a file below the root, as TypeScript and bundlers do:
//! relative paths, `paths` and `baseUrl` of the nearest tsconfig, `@/…`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::tsconfig::{self, TsConfig};

pub(super) const EXTENSIONS: [&str; 9] =
    ["ts", "tsx", "mts", "cts", "js", "jsx", "mjs", "cjs", "json"];

pub(crate) struct Resolver {
    root: PathBuf,
    /// Files that were read already.
    known: HashSet<String>,
    /// By folder; `None`: no tsconfig from there up to the root.
    configs: HashMap<String, Option<Rc<TsConfig>>>,
}

impl Resolver {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            known: HashSet::new(),
            configs: HashMap::new(),
        }
    }

    /// Notes a file that needs no look at the disk.
    pub(crate) fn add(&mut self, path: &str) {
        self.known.insert(path.to_owned());
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
            .find(|path| self.known.contains(path) || self.root.join(path).is_file())
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
                .then(|| tsconfig::read(&self.root, &path))?
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
}

pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// `None` where the path would leave the root.
pub(super) fn join(folder: &str, path: &str) -> Option<String> {
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
    fn a_tsconfig_that_extends_itself_over_and_over_is_read_in_no_time() {
        let itself = ["\"./tsconfig\""; 100].join(", ");
        let text =
            format!("{{\"extends\": [{itself}], \"compilerOptions\": {{\"baseUrl\": \"lib\"}}}}");
        let dir = tree(&[("tsconfig.json", &text), ("lib/a.ts", "")]);
        let mut resolver = Resolver::new(dir.path());
        assert_eq!(resolver.resolve("a", "x.ts").as_deref(), Ok("lib/a.ts"));
    }

    #[test]
    fn no_alias_leads_out_of_the_root() {
        let dir = tree(&[
            ("outside.ts", ""),
            (
                "root/tsconfig.json",
                "{\"compilerOptions\": {\"paths\": {\"x/*\": [\"*\"]}}}",
            ),
            ("root/inside.ts", ""),
        ]);
        let mut resolver = Resolver::new(&dir.path().join("root"));
        let whole = format!("x/{}", dir.path().join("outside").display());
        for specifier in ["x/../outside", "x/a/../../outside.ts", &whole] {
            let found = resolver.resolve(specifier, "a.ts");
            assert!(found.is_err(), "{specifier}: {found:?}");
        }
        let found = resolver.resolve("x/a/../inside", "a.ts");
        assert_eq!(found.as_deref(), Ok("inside.ts"));
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
