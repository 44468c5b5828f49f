//! Rules files: what they say, and what is said about their mistakes.

use std::collections::HashMap;

use super::*;
use crate::catalog::Product;
use crate::discovery::typescript::{eval, lower};

/// A rule with one product template, on one value.
fn make(rule: &str, value: &str) -> (Vec<Product>, Vec<String>) {
    let rules = Rules::parse("rules.toml", rule).unwrap();
    let file = SourceFile::new("a.ts", value);
    let expr = lower::expression(&file).unwrap();
    let node = eval::eval(&mut HashMap::new(), &file, &expr, 0);
    let (products, problems) = apply(&rules.rules()[0], rules.environment(), &node);
    let problems = problems.iter().map(ToString::to_string).collect();
    (products, problems)
}

fn mistakes(text: &str) -> String {
    Rules::parse("rules.toml", text).unwrap_err().to_string()
}

const MINIMAL: &str = "[[rule]]\nexport = 'X'\n[[rule.product]]\nid = '{{ key }}'\nname = '{{ item.name }}'\ninterval = 'month'\n";

#[test]
fn records_and_lists_expressions_and_templates() {
    let rule = format!(
        "{MINIMAL}amount = 'item.price * 12 * 0.9'\nfeatures = 'item.features'\nactive = '!item.hidden'\nnickname = '{{{{ item.nick | optional }}}}'\nmetadata.price = '{{{{ item.price }}}}'\nmetadata.n = 5\nmetadata.first = '{{% if item.features %}}{{{{ item.features[0] }}}}{{% endif %}}'\n"
    );
    let (products, problems) = make(
        &rule,
        "{ a: { name: 'A', price: 19.95, features: ['x', 'y'], nick: 'n' }, 7: { name: 'B', price: 299, features: ['z'], hidden: true } }",
    );
    assert_eq!(problems, [""; 0]);
    let [seven, a] = &products[..] else {
        panic!("{products:?}")
    };
    assert_eq!(
        (
            seven.local_id.as_str(),
            seven.active,
            seven.default_price.nickname.as_deref()
        ),
        ("7", false, None)
    );
    assert_eq!(seven.default_price.terms.describe(), "3229.20 usd / month");
    assert_eq!(a.default_price.terms.describe(), "215.46 usd / month");
    assert_eq!(a.default_price.nickname.as_deref(), Some("n"));
    assert_eq!(
        a.features.as_deref(),
        Some(&["x".to_owned(), "y".to_owned()][..])
    );
    let metadata: Vec<String> = a.metadata.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(metadata, ["first=x", "n=5", "price=19.95"]);
    assert_eq!(a.origin.entry, "X.a");
    assert_eq!(a.origin.event_key, None);
}

#[test]
fn prices_are_exact_in_every_currency() {
    for (currency, expression, shown) in [
        ("usd", "item.p", "19.99 usd"),
        ("usd", "0.1 + 0.2", "0.30 usd"),
        ("usd", "299 * 12 * 0.9", "3229.20 usd"),
        ("jpy", "500", "500 jpy"),
        ("kwd", "1.234", "1.234 kwd"),
        ("usd", "{{ item.p }}", "19.99 usd"),
        ("usd", "19.99", "19.99 usd"),
    ] {
        let rule = format!("{MINIMAL}currency = '{currency}'\namount = '{expression}'\n");
        let (products, problems) = make(&rule, "{ a: { name: 'A', p: 19.99 } }");
        assert_eq!(problems, [""; 0], "{expression}");
        let terms = &products[0].default_price.terms;
        assert_eq!(terms.describe(), format!("{shown} / month"), "{expression}");
    }
}

#[test]
fn each_sees_its_parent_and_when_leaves_out() {
    let rule = "[[rule]]\nname = 'tiers'\nexport = 'X'\neach = 'item.inner.tiers'\nkind = 'role'\ncurrency = 'eur'\n[[rule.product]]\nid = '{{ parent.role }}_{{ item.id }}_{{ parent_key }}{{ key }}'\nname = '{{ parent.role }} {{ item.id }}'\nwhen = 'item.p > 0'\namount = 'item.p'\ninterval = 'one_time'\nevent_id = '{{ item.id }}'\n";
    let (products, problems) = make(
        rule,
        "[{ role: 'r', inner: { tiers: [{ id: 'a', p: 0 }, { id: 'b', p: 2 }] } }]",
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(products.len(), 1);
    assert_eq!(products[0].local_id.as_str(), "r_b_01");
    assert_eq!(products[0].origin.entry, "X[0].inner.tiers[1]");
    assert_eq!(products[0].kind, "role");
    assert_eq!(products[0].default_price.terms.describe(), "2.00 eur once");
    assert_eq!(
        products[0].origin.event_key.as_ref().unwrap().product_type,
        "role"
    );
}

#[test]
fn further_prices_tiers_and_options_come_from_rules_too() {
    let rule = format!(
        "{MINIMAL}tiers_mode = 'graduated'\ntiers = [{{ up_to = 'item.first', unit_amount = 'item.p' }}, {{ up_to = 'inf', unit_amount_decimal = '0.5' }}]\nmeter = 'mtr_1'\n[[rule.product.price]]\nkey = 'eur'\ncurrency = 'eur'\namount = 'item.p * 2'\ninterval = 'year'\ncurrency_options = {{ gbp = 'item.p', jpy = {{ amount = 300 }} }}\ntransform_quantity = {{ divide_by = 10, round = 'up' }}\nmetadata.a = '{{{{ item.name }}}}'\n[[rule.product.price]]\nkey = 'off'\nwhen = 'false'\namount = '1'\ninterval = 'day'\n"
    );
    let (products, problems) = make(&rule, "{ a: { name: 'A', p: 2.5, first: 10 } }");
    assert_eq!(problems, [""; 0]);
    let product = &products[0];
    assert_eq!(
        product.default_price.terms.describe(),
        "graduated usd [to 10: 2.50 usd each; above: 0.005 usd each] / month metered by mtr_1"
    );
    let [eur] = &product.more_prices[..] else {
        panic!("{:?}", product.more_prices)
    };
    assert_eq!(eur.terms.describe(), "5.00 eur per 10 / year");
    assert_eq!(eur.currency_options.len(), 2);
    assert_eq!(eur.metadata["a"], "A");
}

#[test]
fn an_entry_with_a_mistake_is_left_out_and_the_others_go_on() {
    let rule = format!(
        "{MINIMAL}amount = 'item.p'\nmetadata.tags = \"{{{{ item.tags | default([]) | join(',') }}}}\"\n"
    );
    for (entry, expected) in [
        (
            "{ name: 'B', p: load() }",
            "a.ts:1:49: X.bad: `amount`: `load()` is not a constant",
        ),
        (
            "{ name: f(), p: 1 }",
            "a.ts:1:41: X.bad: `name`: `f()` is not a constant",
        ),
        (
            "{ p: 1 }",
            "a.ts:1:28: X.bad: rule \"X\" cannot make `name` from `{{ item.name }}`: ",
        ),
        (
            "{ name: 'B', p: -5 }",
            "a.ts:1:49: X.bad: `amount` is wrong: -5 is negative",
        ),
        (
            "{ name: 'B', p: 1.999 }",
            "`amount` is wrong: 1.999 has more decimals than usd",
        ),
        ("{ name: 'B', p: 100 / 3 }", "has more decimals than usd"),
        (
            "{ name: 'B', p: '5 dollars' }",
            "`amount` is text \"5 dollars\"; a number such as 19.99 is needed",
        ),
        (
            "{ name: 'B', p: null }",
            "`amount` is null; a price needs an amount",
        ),
        (
            "{ name: 'B' }",
            "`amount` is undefined; a price needs an amount",
        ),
        (
            "{ name: 'B', p: NaN }",
            "`NaN` is not a constant: it is not a finite number",
        ),
        (
            "{ name: null, p: 1 }",
            "cannot make `name` from `{{ item.name }}`: null has no text",
        ),
        ("{ name: ['x'], p: 1 }", "a list has no text"),
        (
            "{ name: 'B', p: 1, tags: ['x', g()] }",
            "`metadata.tags`: `g()` is not a constant",
        ),
        ("{ ...base, p: 1 }", "`base` is not a constant"),
        ("loadPlan()", "X.bad: `loadPlan()` is not a constant"),
        ("5", "X.bad: is 5; a record is needed"),
    ] {
        let (products, problems) = make(
            &rule,
            &format!("{{ ok: {{ name: 'A', p: 1 }}, bad: {entry} }}"),
        );
        assert_eq!(products.len(), 1, "{entry}");
        assert_eq!(problems.len(), 1, "{entry}: {problems:?}");
        assert!(problems[0].contains(expected), "{entry}: {problems:?}");
    }
    let (_, problems) = make(&rule, "{ 'a b': { name: 'A', p: 1 } }");
    assert!(
        problems[0].contains("local id \"a b\" holds ' '"),
        "{problems:?}"
    );
    let odd = rule.replace("item.p'", "item.p + fee'");
    let (_, problems) = make(&odd, "{ a: { name: 'A', p: 1 } }");
    assert_eq!(
        problems,
        [
            "a.ts:1:3: X.a: rule \"X\" cannot make `amount` from `item.p + fee`: `fee`: this name is not declared in this file"
        ]
    );
}

#[test]
fn mistakes_in_a_rules_file_name_their_line() {
    for (text, expected) in [
        ("[[rule]\n", "rules.toml:1:"),
        (
            "rules = []",
            "rules.toml:1:1: `rules` is no field of a rules file; did you mean \"rule\"?",
        ),
        (
            "[[rule]]\nexprt = 'X'\n",
            "rules.toml:2:1: `exprt` is no field of a rule; did you mean \"export\"?",
        ),
        ("[[rule]]\nname = 'x'\n", "a rule needs `export`"),
        (
            "[[rule]]\nexport = 'X'\n",
            "a rule needs at least one [[rule.product]]",
        ),
        (
            "[[rule]]\nexport = 'X'\ncurrency = 'dollar'\n",
            "`currency`: \"dollar\" is not a currency",
        ),
        ("[rule]\nexport = 'X'\n", "`rule` is a list: write [[rule]]"),
        (
            &format!("{MINIMAL}amout = '5'"),
            "rules.toml:7:1: `amout` is no field of a product template; did you mean \"amount\"?",
        ),
        (
            &format!("{MINIMAL}amount = '5 +'"),
            "rules.toml:7:10: `amount` is no expression",
        ),
        (
            &format!("{MINIMAL}url = '{{{{ item.'"),
            "rules.toml:7:7: `url` is no template",
        ),
        (
            "[[rule]]\nexport = 'X'\n[[rule.product]]\nid = 'a'\n",
            "this product template has no `name`",
        ),
        (
            &format!("{MINIMAL}\n{MINIMAL}"),
            "a second rule is named \"X\"",
        ),
        ("documents = 'a.yaml'", "`documents` is a list of globs"),
        ("documents = ['a[']", "rules.toml:1:14"),
    ] {
        let message = mistakes(text);
        assert!(message.contains(expected), "{text}: {message}");
    }
    assert_eq!(
        mistakes("a = 1\nb = 2").lines().count(),
        2,
        "all mistakes at once"
    );
}

#[test]
fn presets_load_and_unknown_ones_are_named() {
    for (name, _) in PRESETS {
        assert_eq!(Rules::load(name).unwrap().name(), name);
    }
    assert_eq!(
        Rules::load("ghostcm").unwrap_err().to_string(),
        "catalog.rules \"ghostcm\" is neither a file nor a preset; the presets are ghostcrm and documents; did you mean \"ghostcrm\"?"
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.toml");
    std::fs::write(&path, format!("{MINIMAL}amount = 1")).unwrap();
    let rules = Rules::load(path.to_str().unwrap()).unwrap();
    assert_eq!(rules.exports().into_iter().collect::<Vec<_>>(), ["X"]);
}
