//! YAML, JSON and TOML to one tree with places. Numbers keep their digits:
//! none ever passes through a float.

mod toml;
mod yaml;

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::Problem;
use crate::discovery::number;
use crate::discovery::typescript::{eval, lower};
use crate::discovery::value::{Node, Pos, SourceFile, Value};

/// What the file's ending says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Yaml,
    Json,
    Toml,
}

impl Format {
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// The whole file, or where and why it does not parse.
pub(crate) fn parse(file: &Arc<SourceFile>, format: Format) -> Result<Arc<Node>, Problem> {
    match format {
        Format::Yaml => yaml::parse(file),
        Format::Json => json(file),
        Format::Toml => toml::parse(file),
    }
}

fn at(file: &Arc<SourceFile>, offset: u32) -> Pos {
    Pos {
        file: file.clone(),
        offset,
    }
}

/// JSON is an expression of the language that the other reader knows, once a
/// strict parser has said that it is JSON.
fn json(file: &Arc<SourceFile>) -> Result<Arc<Node>, Problem> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&file.text) {
        let offset = file.offset(error.line(), error.column().saturating_sub(1));
        return Err(at(file, offset).problem(format!("is no valid JSON: {error}")));
    }
    let expr = lower::expression(file)?;
    Ok(eval::eval(&mut HashMap::new(), file, &expr, 0))
}

/// A number where its text says just that; else the text, so that `1.10` as
/// metadata stays `1.10`. Fields that take numbers read both.
fn plain_number(raw: &str) -> Value {
    let digits = raw.replace('_', "");
    let digits = digits.strip_prefix('+').unwrap_or(&digits);
    let value = if digits.starts_with("0x") || digits.starts_with("0o") || digits.starts_with("0b")
    {
        number::literal(digits)
    } else {
        number::decimal(digits).filter(|value| value.to_string() == digits)
    };
    value.map_or_else(|| Value::Text(digits.into()), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::value::Field;

    fn read(path: &str, text: &str) -> Result<Arc<Node>, Problem> {
        parse(&SourceFile::new(path, text), Format::of(path).unwrap())
    }

    fn field<'n>(node: &'n Node, key: &str) -> &'n Field {
        node.as_record().unwrap().get(key).unwrap()
    }

    #[test]
    fn three_formats_one_tree_with_places() {
        for (path, text, places) in [
            (
                "a.yaml",
                "x: 19.99\né: {y: [t, 1]}\nz: 1.10\n",
                "1:1 1:4 2:4 2:8",
            ),
            (
                "a.json",
                "{\"x\": 19.99,\n\"é\": {\"y\": [\"t\", 1]},\n\"z\": \"1.10\"}",
                "1:2 1:7 2:6 2:12",
            ),
            (
                "a.toml",
                "x = 19.99\né = {y = [\"t\", 1]}\nz = 1.10\n",
                "1:1 1:5 2:5 2:10",
            ),
        ] {
            let text = text.replace('é', "w");
            let node = read(path, &text).unwrap();
            let x = field(&node, "x");
            let y = &field(&field(&node, "w").node, "y").node;
            assert_eq!(x.node.describe(), "19.99", "{path}");
            assert_eq!(y.as_list().unwrap()[1].describe(), "1", "{path}");
            assert_eq!(field(&node, "z").node.as_text(), Some("1.10"), "{path}");
            let found = [&x.key_pos, &x.node.pos, &field(&node, "w").node.pos, &y.pos];
            let found = found.map(|pos| pos.place().to_string().replace(&format!("{path}:"), ""));
            assert_eq!(found.join(" "), places, "{path}");
        }
    }

    #[test]
    fn broken_files_say_where() {
        for (path, text, expected) in [
            ("a.yaml", "a: [1,\nb: 2", "a.yaml:2:"),
            ("a.yaml", "a: 1\n b: 2", "a.yaml:2:"),
            ("a.yaml", "a: *nope", "a.yaml:1:4"),
            (
                "a.yaml",
                "a: 1\n---\nb: 2",
                "a.yaml:3:1: has a second YAML document",
            ),
            ("a.json", "{\"a\": 1,}", "a.json:1:9: is no valid JSON"),
            ("a.json", "{a: 1}", "a.json:1:2"),
            ("a.json", "{\"a\": f()}", "a.json:1:"),
            ("a.toml", "a = \n", "a.toml:1:"),
            ("a.toml", "a = 1\na = 2", "a.toml:2:1"),
        ] {
            let problem = read(path, text).unwrap_err().to_string();
            assert!(problem.starts_with(expected), "{text:?}: {problem}");
        }
        for path in ["a.yaml", "a.json", "a.toml"] {
            let deep = format!(
                "{}{}",
                if path == "a.toml" { "a = " } else { "" },
                "[".repeat(50_000)
            );
            assert!(read(path, &deep).is_err(), "{path}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_poison() {
        for (path, text) in [
            ("a.yaml", "a: 1\nb: 2\na: 3"),
            ("a.json", "{\"a\": 1,\n\n\"a\": 3}"),
        ] {
            let node = read(path, text).unwrap();
            let problem = field(&node, "a")
                .node
                .poison()
                .unwrap()
                .problem()
                .to_string();
            assert!(problem.starts_with(&format!("{path}:3:1:")), "{problem}");
            assert!(
                problem.contains("stands twice") && problem.contains("line 1"),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_few_merges_do_not_become_millions_of_fields() {
        let fields: String = (0..2_000).map(|n| format!("  f{n}: 1\n")).collect();
        let text = format!("a: &a\n{fields}b:\n{}", "  - <<: *a\n".repeat(1_000));
        let problem = read("a.yaml", &text).unwrap_err();
        assert!(problem.message.contains("merges"), "{problem}");
    }

    #[test]
    fn yaml_scalars_anchors_and_merges() {
        let node = read(
            "a.yaml",
            "base: &b {cur: eur, n: 1}\nitem:\n  <<: *b\n  n: 2\nt: 'true'\nb: true\nnil: ~\noct: 007\ninf: .inf\nsame: *b\n",
        )
        .unwrap();
        let item = &field(&node, "item").node;
        assert_eq!(field(item, "cur").node.as_text(), Some("eur"));
        assert_eq!(field(item, "n").node.describe(), "2");
        assert_eq!(field(&node, "t").node.as_text(), Some("true"));
        assert_eq!(field(&node, "b").node.describe(), "true");
        assert!(field(&node, "nil").node.is_nothing());
        assert_eq!(field(&node, "oct").node.as_text(), Some("007"));
        assert_eq!(field(&node, "inf").node.as_text(), Some(".inf"));
        assert_eq!(field(&field(&node, "same").node, "n").node.describe(), "1");
    }
}
