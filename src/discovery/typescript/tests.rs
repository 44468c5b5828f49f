//! One construct a case: what is written, what it means.

use std::collections::BTreeSet;

use super::*;
use crate::discovery::value::Value;

fn scripts(files: &[(&str, &str)]) -> (tempfile::TempDir, Vec<Script>) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let scripts = files
        .iter()
        .filter(|(_, text)| text.contains("X"))
        .map(|(path, text)| Script {
            path: (*path).to_owned(),
            text: Ok((*text).to_owned()),
        });
    let scripts = scripts.collect();
    (dir, scripts)
}

fn find(files: &[(&str, &str)]) -> Finding {
    let (dir, scripts) = scripts(files);
    read(dir.path(), &scripts, &BTreeSet::from(["X"]))
        .0
        .remove("X")
        .unwrap()
}

/// Compact, so that a case fits a line.
fn show(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => format!("'{text}'"),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| show(item)).collect();
            format!("[{}]", items.join(","))
        }
        Value::Record(record) => {
            let fields = record
                .fields()
                .iter()
                .map(|f| format!("{}:{}", f.key, show(&f.node)));
            let rest = record
                .rest
                .iter()
                .map(|rest| format!("...!{}", rest.expression));
            format!("{{{}}}", fields.chain(rest).collect::<Vec<_>>().join(","))
        }
        Value::Poison(poison) => format!("!{}", poison.expression),
        Value::Undefined | Value::Null | Value::Bool(_) | Value::Number(_) => node.describe(),
    }
}

fn value_of(text: &str) -> String {
    let finding = find(&[("a.ts", text)]);
    assert_eq!(finding.problems, [], "{text}");
    show(&finding.value.unwrap())
}

#[test]
fn constants_have_the_values_that_javascript_gives_them() {
    for (expression, value) in [
        ("1_000", "1000"),
        ("-1", "-1"),
        ("-0", "0"),
        (".5", "0.5"),
        ("0xFF", "255"),
        ("1e3", "1000"),
        ("10n", "10"),
        ("299 * 12 * 0.9", "3229.2"),
        ("0.1 + 0.2", "0.3"),
        ("19.99", "19.99"),
        ("(29 - 4) / 2 % 5", "2.5"),
        ("2 ** 10", "1024"),
        ("1 << 4 | 1", "17"),
        ("'it\\'s ' + 5", "'it's 5'"),
        ("'reps\\' leads'", "'reps' leads'"),
        ("\"a\\u00e9\\n\"", "'aé\n'"),
        ("`from ${1.50} to ${'b'}`", "'from 1.5 to b'"),
        ("'🚀 • ok'", "'🚀 • ok'"),
        ("[1, ...[2, 3], ]", "[1,2,3]"),
        ("{ a: 1, ...{ a: 2, b: 3 }, c: 4 }", "{a:2,b:3,c:4}"),
        ("{ b: 1, 10: 2, a: 3, 2: 4 }", "{2:4,10:2,b:1,a:3}"),
        ("{ 'a-b': 1, ['c' + 1]: 2, 0x10: 3 }", "{16:3,a-b:1,c1:2}"),
        (
            "{ ...(false && { a: 1 }), ...undefined, b: null }",
            "{b:null}",
        ),
        ("true ? 'y' : f()", "'y'"),
        ("null ?? undefined ?? 3", "3"),
        ("0 || '' || 'z'", "'z'"),
        ("1 && 2", "2"),
        ("!0", "true"),
        ("1 < 2 && 'a' < 'b' && 2 >= 2", "true"),
        ("undefined > 0", "false"),
        (
            "null == undefined && null !== undefined && 1 === 1.0",
            "true",
        ),
        ("'b' in { b: 1 }", "true"),
        ("typeof 5", "'number'"),
        ("void 0", "undefined"),
        ("{ a: { b: [7] } }.a.b[0]", "7"),
        ("{ a: 1 }['a']", "1"),
        ("({ a: null }).a?.b.c", "undefined"),
        ("({ a: { b: 2 } })?.a!.b", "2"),
        ("[1, 2].length + 'abc'.length", "5"),
        ("{ a: 1 } as const", "{a:1}"),
        ("{ a: 1 } satisfies Record<string, number>", "{a:1}"),
        ("<any>5", "5"),
        ("(5)!", "5"),
        ("Object.freeze({ a: Object.freeze([1]) })", "{a:[1]}"),
        ("Object.keys({ a: 1, b: 2 })", "['a','b']"),
        ("Object.values({ a: 1, b: f() })", "[1,!f()]"),
        ("Object.entries({ a: 1 })", "[['a',1]]"),
        (
            "{ price: 5, format: () => 1, icon: <T,>(x: T) => x, get y() { return 1 } }",
            "{price:5,format:!() => 1,icon:!<T,>(x: T) => x,y:!() { return 1 }}",
        ),
        (
            "{ a: process.env.PRICE, b: 2 }",
            "{a:!process.env.PRICE,b:2}",
        ),
        ("process.env['PRICE'] ?? 5", "!process.env['PRICE']"),
        ("await load()", "!await load()"),
        ("Math.round(5.5)", "!Math.round(5.5)"),
        ("'a'.toUpperCase()", "!'a'.toUpperCase()"),
        ("[1, 2].map((x) => x)", "![1, 2].map((x) => x)"),
        ("new Date()", "!new Date()"),
        ("1 / 0", "!1 / 0"),
        ("NaN", "!NaN"),
        ("-Infinity", "!Infinity"),
        ("1e400", "!1e400"),
        ("'5' * 2", "!'5' * 2"),
        ("Y.z", "!Y"),
        ("undefined.z", "!undefined.z"),
        ("{ a: 1, ...load(), b: 2 }", "{a:!load(),b:2,...!load()}"),
        ("[1, ...load()]", "[1,!load()]"),
        ("{ a: 1, a: 2 }", "{a:!a}"),
    ] {
        assert_eq!(
            value_of(&format!("export const X = {expression}")),
            value,
            "{expression}"
        );
    }
}

#[test]
fn declarations_of_all_sorts_are_understood() {
    for (text, value) in [
        (
            "interface P { n: number }\ntype Q = P\nconst BASE = 10\nexport const X: Record<string, P> = { a: { n: BASE * 2 } }",
            "{a:{n:20}}",
        ),
        ("const X = 1\nexport { X }", "1"),
        (
            "const plans = [1]\nexport { plans as X }\nexport default plans",
            "[1]",
        ),
        (
            "export enum X { A = 29, B, C = A * 2, D = 'd' }",
            "{A:29,B:30,C:58,D:'d'}",
        ),
        (
            "const enum F { Std = 499 }\nexport const X = { fee: F.Std }",
            "{fee:499}",
        ),
        ("export const X = { a: B }\nconst B = { c: 1 }", "{a:{c:1}}"),
        (
            "const { A, B: { D } } = { A: 5, B: { D: 6 } }\nexport const X = A",
            "5",
        ),
        (
            "const A = B, B = A\nexport const X = { a: A, b: 1 }",
            "{a:!A,b:1}",
        ),
        ("let P = 5\nexport const X = { a: P }", "{a:!P = 5}"),
        ("export const X = { a: 1 }\nX.a = 2", "!{ a: 1 }"),
        ("export const X = [1]\nX.push(2)", "![1]"),
        ("export const X = [1]\nObject.assign(X, {})", "![1]"),
        ("export const X = [1]\nif (Y) { X[0]++ }", "![1]"),
        (
            "export const X = { a: 1 }\nObject.values(X).forEach((p) => p.q())",
            "!{ a: 1 }",
        ),
        (
            "export const X = [1]\nconsole.log(X)\nObject.freeze(X)",
            "[1]",
        ),
        ("\u{feff}export const X = 1\r\n// done\r\n", "1"),
        (
            "export const X = 'a' // no semicolon\nexport function f() { return 1 }\nexport type { Y } from './y'",
            "'a'",
        ),
        ("export function X() {}", "!function X() {}"),
    ] {
        assert_eq!(value_of(text), value, "{text}");
    }
}

#[test]
fn imports_are_followed() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[
                ("a.ts", "import { F } from './fees.js'\nexport const X = F"),
                ("fees.ts", "export const F = 1"),
            ],
            "1",
        ),
        (
            &[
                (
                    "src/a.ts",
                    "import { F as G } from '@/fees'\nexport const X = G",
                ),
                ("src/fees/index.ts", "export * from './inner'"),
                ("src/fees/inner.ts", "export const F = 2"),
            ],
            "2",
        ),
        (
            &[
                (
                    "a.ts",
                    "import f, * as all from './f'\nexport const X = [f, all.B, all['C']]",
                ),
                (
                    "f.ts",
                    "const A = 1\nexport default A\nexport const B = 2, C = 3",
                ),
            ],
            "[1,2,3]",
        ),
        (
            &[
                (
                    "a.ts",
                    "import * as all from './f'\nexport const X = { ...all }",
                ),
                ("f.ts", "export const B = 2\nexport const C = g()"),
            ],
            "{B:2,C:!g()}",
        ),
        (
            &[
                (
                    "a.ts",
                    "import fees from './fees.json'\nexport const X = fees.std",
                ),
                ("fees.json", "{\"std\": 4.50}"),
            ],
            "4.5",
        ),
        (
            &[(
                "a.ts",
                "import { F } from 'stripe'\nexport const X = { a: F, b: 2 }",
            )],
            "{a:!F,b:2}",
        ),
        (
            &[(
                "a.ts",
                "import { Gone } from './gone'\nimport type { T } from './t'\nexport const X = { b: 2 }",
            )],
            "{b:2}",
        ),
        (
            &[
                (
                    "a.ts",
                    "import { B } from './b'\nexport const X = { b: B }\nexport const A = 1",
                ),
                ("b.ts", "import { A } from './a'\nexport const B = A + 1"),
            ],
            "{b:2}",
        ),
        (
            &[
                ("a.ts", "export { plans as X } from './b'"),
                ("b.ts", "export const plans = 5"),
            ],
            "5",
        ),
        (
            &[
                ("a.ts", "export const X = 1"),
                (
                    "index.ts",
                    "export { X } from './a'\nexport { X as Y } from './a'",
                ),
                ("c.ts", "import { X } from './a'\nexport { X }"),
            ],
            "1",
        ),
        (
            &[
                ("a.ts", "export * from './b'\nexport { X } from 'elsewhere'"),
                ("b.ts", "export * from './a'\nexport const X = 1"),
            ],
            "1",
        ),
    ];
    for (files, value) in cases {
        let finding = find(files);
        assert_eq!(finding.problems, [], "{files:?}");
        assert_eq!(show(&finding.value.unwrap()), *value, "{files:?}");
    }
}

#[test]
fn what_is_not_a_constant_says_where_and_why() {
    let text = "// 🚀\nexport const X = {\n  é: 'x', price: process.env.PRICE,\n}\n";
    let value = find(&[("src/a.ts", text)]).value.unwrap();
    let field = value.as_record().unwrap().get("price").unwrap();
    assert_eq!(field.key_pos.place().to_string(), "src/a.ts:3:11");
    assert_eq!(
        field.node.poison().unwrap().problem().to_string(),
        "src/a.ts:3:18: `process.env.PRICE` is not a constant: it is read from the environment at run time; write the value itself"
    );
    let import = find(&[("a.ts", "import { F } from '@/gone'\nexport const X = F")])
        .value
        .unwrap();
    assert_eq!(
        import.poison().unwrap().problem().to_string(),
        "a.ts:2:18: `F` is not a constant: the imported file \"@/gone\" does not exist below the root"
    );
    let broken = find(&[
        ("a.ts", "import { F } from './b'\nexport const X = F"),
        ("b.ts", "export const F = ("),
    ]);
    assert!(
        broken
            .value
            .unwrap()
            .poison()
            .unwrap()
            .why
            .starts_with("b.ts:1:19: does not parse")
    );
}

#[test]
fn one_name_exported_twice_names_both_places() {
    let finding = find(&[
        ("a.ts", "export const X = 1"),
        ("b/c.ts", "\nexport const X = 2"),
    ]);
    assert!(finding.value.is_none());
    assert_eq!(
        finding.problems[0].message,
        "`X` is exported in 2 places (a.ts:1:14 and b/c.ts:2:14), and only one can be meant: rename or remove the others, or set catalog.root lower"
    );
    let same_file = find(&[("a.ts", "export const X = 1\nconst Y = 2\nexport { Y as X }")]);
    assert!(same_file.value.is_none());
}

#[test]
fn a_file_that_does_not_parse_matters_where_it_may_define_the_name() {
    let broken = find(&[("a.ts", "export const X = {\n  a: 1,,\n}")]);
    assert!(broken.value.is_none());
    assert!(
        broken.problems[0]
            .to_string()
            .starts_with("a.ts:2:8: does not parse: "),
        "{:?}",
        broken.problems
    );
    let user = find(&[
        ("a.ts", "export const X = 1"),
        ("b.ts", "import { X } from './a'; use(X"),
    ]);
    assert_eq!(user.problems, []);
    let rival = find(&[
        ("a.ts", "export const X = 1"),
        ("b.ts", "export const X = ("),
    ]);
    assert_eq!(rival.problems.len(), 1);
}

#[test]
fn comments_and_texts_export_nothing() {
    let finding = find(&[(
        "a.ts",
        "// export const X = 1\nconst s = `export const X = 2`\n/* export { X } */",
    )]);
    assert!(finding.value.is_none() && finding.problems.is_empty());
}

#[test]
fn deep_nesting_is_refused_not_a_crash() {
    let on_big_stack = |text: String| {
        std::thread::Builder::new()
            .stack_size(nesting::STACK)
            .spawn(move || find(&[("a.ts", &text)]))
            .unwrap()
            .join()
            .unwrap()
    };
    let deep = on_big_stack(format!(
        "export const X = {}1{}",
        "[".repeat(900),
        "]".repeat(900)
    ));
    assert!(deep.value.is_some());
    for (open, close) in [
        ("(", ")"),
        ("{a:", "}"),
        ("f(", ")"),
        ("`${", "}`"),
        ("(() => {return [", "]})"),
        ("a[", "]"),
    ] {
        let count = 1_000 / open.matches(['(', '[', '{']).count() - 1;
        on_big_stack(format!(
            "export const X = {}1{}",
            open.repeat(count),
            close.repeat(count)
        ));
    }
    on_big_stack(format!(
        "export const X = {}1{}",
        "1 ? ".repeat(1_000),
        " : 0".repeat(1_000)
    ));
    for text in [
        format!(
            "export const X = {}1{}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        ),
        format!("export const X = {}1", "!".repeat(100_000)),
        // Both took minutes.
        format!("export const X = {}1", "A<".repeat(100_000)),
        format!("export const X = {}1", "a ? (b) : c => ".repeat(5_000)),
    ] {
        let refused = on_big_stack(text);
        assert!(refused.problems[0].message.contains("nested too deeply"));
    }
    let long = on_big_stack(format!("export const X = 1{}", " + 1".repeat(5_000)));
    assert!(long.value.unwrap().poison().is_some());
    let chain: String = (0..5_000)
        .map(|i| format!("const a{i} = a{}\n", i + 1))
        .collect();
    let chained = on_big_stack(format!("{chain}const a5000 = 1\nexport const X = a0"));
    assert!(chained.value.unwrap().poison().is_some());
}

#[test]
fn a_renamed_export_is_pointed_out() {
    let (dir, _) = scripts(&[
        ("src/org.ts", "// x\nexport const ORGANIZATION_PLANS = []\n"),
        ("src/b.ts", "export const USERS = []"),
    ]);
    let (name, place) = near_miss(dir.path(), "ORG_PLANS", &BTreeSet::from(["ORG_PLANS"])).unwrap();
    assert_eq!(
        (name.as_str(), place.to_string().as_str()),
        ("ORGANIZATION_PLANS", "src/org.ts:2:14")
    );
}

#[test]
fn a_few_lines_do_not_become_millions_of_values() {
    let mut text = "const a0 = [{}, {}, {}, {}, {}, {}, {}, {}];\n".to_owned();
    for n in 1..=14 {
        let before = n - 1;
        text += &format!("const a{n} = [...a{before}, ...a{before}];\n");
    }
    let doubled = format!("{text}export const X = a14;");
    let finding = find(&[("a.ts", &doubled)]);
    assert!(finding.value.is_none(), "131,072 records of 500 bytes");
    assert!(finding.problems[0].message.contains("too large"));
    // Nor is time lost on what is not shown.
    let again: String = (0..500)
        .map(|n| format!("const b{n} = [...a13];\n"))
        .collect();
    let used: String = (0..500).map(|n| format!("b{n}.length,")).collect();
    let copied = format!("{text}{again}export const X = [{used}];");
    let finding = find(&[("a.ts", &copied)]);
    let value = finding.value.unwrap();
    let items = value.as_list().unwrap();
    assert_eq!(items[0].describe(), "65536");
    let last = items.last().unwrap().poison().unwrap();
    assert!(last.why.contains("too much"), "{}", last.why);
}
