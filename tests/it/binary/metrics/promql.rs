//! Which metrics and labels queries name. Not a parser of their language: it knows what the rules
//! and the dashboard use, and does not pass over what it doesn't know.

use super::scrape::Scrape;

/// What Prometheus itself knows.
const WORDS: &[&str] = &[
    "by",
    "max",
    "sum",
    "rate",
    "increase",
    "time",
    "histogram_quantile",
    "up",
    "job",
    "instance",
];
/// What the scrape adds.
const TARGET: &[&str] = &["job", "instance"];
/// Labels whose values only come with what happens.
const LATER: &[&str] = &["code"];

/// The expressions of alert rules: `expr: …` on one line, or `expr: |` and what is
/// indented below it.
pub(super) fn of_rules(yaml: &str) -> Vec<String> {
    let mut queries = Vec::new();
    let mut lines = yaml.lines().peekable();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        match line.trim_start().strip_prefix("expr: ") {
            None => {}
            Some("|") => {
                let mut query = String::new();
                while let Some(more) = lines.next_if(|l| l.len() - l.trim_start().len() > indent) {
                    query.push_str(more.trim());
                    query.push(' ');
                }
                queries.push(query);
            }
            Some(query) => queries.push(query.to_owned()),
        }
    }
    queries
}

/// The expressions of a Grafana dashboard.
pub(super) fn of_dashboard(json: &str) -> Vec<String> {
    let dashboard: serde_json::Value = serde_json::from_str(json).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap());
    targets
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect()
}

/// Every name is one of the scrape's, with the labels that are asked for, and with values
/// that there are.
pub(super) fn check(query: &str, scrape: &Scrape) {
    let mut rest = query;
    let mut found = Vec::new();
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || "\"[$".contains(c)) {
        let at = &rest[start..];
        let first = at.chars().next().unwrap();
        if first == '"' || first == '[' {
            // A text outside of matchers, or how far back: no names.
            let close = if first == '"' { '"' } else { ']' };
            rest = &at[1 + at[1..].find(close).unwrap() + 1..];
            continue;
        }
        let end = at.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$');
        let (word, behind) = at.split_at(end.unwrap_or(at.len()));
        rest = behind;
        if let Some(matchers) = behind.strip_prefix('{') {
            let (matchers, behind) = matchers.split_once('}').unwrap();
            rest = behind;
            found.push((word, matchers));
        } else if word == "by" {
            let (labels, behind) = behind.split_once(')').unwrap();
            rest = behind;
            let labels = labels
                .trim_start_matches([' ', '('])
                .split(',')
                .map(str::trim);
            for label in labels.filter(|label| !TARGET.contains(label) && *label != "le") {
                let known = query_names(query).any(|name| {
                    scrape
                        .labels(name)
                        .is_some_and(|labels| labels.contains_key(label))
                });
                assert!(known, "no metric of `{query}` has the label {label}");
            }
        } else if !WORDS.contains(&word) {
            found.push((word, ""));
        }
    }
    assert!(!found.is_empty(), "`{query}` asks for nothing");
    for (name, matchers) in found.into_iter().filter(|(name, _)| *name != "up") {
        let labels = scrape.labels(name);
        let labels = labels.unwrap_or_else(|| panic!("no scrape has the {name} of `{query}`"));
        for matcher in matchers.split(",").filter(|matcher| !matcher.is_empty()) {
            let (label, value) = matcher.split_once(['=', '!']).unwrap();
            if TARGET.contains(&label) {
                continue;
            }
            let values = labels.get(label);
            let values = values.unwrap_or_else(|| panic!("{name} of `{query}` has no {label}"));
            let value = value.trim_matches(['=', '~', '"']);
            for one in value.split('|').filter(|_| !LATER.contains(&label)) {
                assert!(
                    values.contains(one),
                    "{name} of `{query}` is never {label}={one}"
                );
            }
        }
    }
}

/// The names in it, and other words.
fn query_names(query: &str) -> impl Iterator<Item = &str> {
    query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}
