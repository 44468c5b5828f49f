//! Whole trees to whole catalogs.

use std::path::Path;

use super::*;
use crate::catalog::Entry;
use crate::catalog::test_support::product;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn request(root: &Path, rules: &str) -> Request {
    Request {
        root: root.to_owned(),
        rules: Rules::load(rules).unwrap(),
        lint_policy: lint::Policy::default(),
        pushed: None,
    }
}

fn found(files: &[(&str, &str)]) -> Catalog {
    discover(request(tree(files).path(), "ghostcrm")).unwrap()
}

/// The sample with some files changed or added.
fn sample_with(changes: &[(&str, &str)]) -> Catalog {
    let files = sample::SAMPLE
        .iter()
        .chain(changes)
        .copied()
        .collect::<Vec<_>>();
    found(&files)
}

fn sample_text(path: &str) -> &'static str {
    sample::SAMPLE.iter().find(|(p, _)| *p == path).unwrap().1
}

fn ids(catalog: &Catalog) -> Vec<&str> {
    catalog.products.keys().map(|id| id.as_str()).collect()
}

fn problems(catalog: &Catalog) -> Vec<String> {
    let problems = catalog.all_problems();
    problems
        .map(|(rule, problem)| format!("[{rule}] {problem}"))
        .collect()
}

const PLANS: &str = "src/config/pricing/plans.ts";
const ORGANIZATION: &str = "src/config/pricing/organization.ts";

#[test]
fn the_sample_is_exactly_this() {
    let catalog = sample_with(&[]);
    assert!(catalog.is_complete(), "{:?}", problems(&catalog));
    let mut shown = String::new();
    for (id, Entry { product, lint }) in &catalog.products {
        assert_eq!(lint, &[], "{id}");
        let event = product.origin.event_key.as_ref().unwrap();
        shown.push_str(&format!(
            "{id} | {} | {} | {} | {} | {}/{} | {}:{}:{}\n",
            product.name,
            product.description.as_deref().unwrap_or("-"),
            product.kind,
            product.default_price.terms.describe(),
            event.product_type,
            event.product_id,
            product
                .origin
                .place
                .file
                .trim_start_matches("src/config/pricing/"),
            product.origin.place.line,
            product.origin.place.column,
        ));
        for (key, value) in &product.metadata {
            shown.push_str(&format!("    {key}={value}\n"));
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_renamed_export_makes_its_rule_incomplete_and_no_other() {
    let renamed = sample_text(ORGANIZATION).replace("ORG_PLANS", "ORGANIZATION_PLANS");
    let catalog = sample_with(&[(ORGANIZATION, &renamed)]);
    assert_eq!(ids(&catalog).len(), 13);
    assert_eq!(
        problems(&catalog),
        [
            "[org_plans] no file below catalog.root exports `ORG_PLANS` (`ORGANIZATION_PLANS` is exported at src/config/pricing/organization.ts:4:14; was it renamed?); restore the export, or change rule \"org_plans\" of ghostcrm"
        ]
    );
    assert!(!catalog.vouches_for("org_plans") && catalog.vouches_for("pricing_plans"));
}

#[test]
fn one_bad_entry_stops_only_itself() {
    let text =
        sample_text(PLANS).replace("monthlyPrice: 79.5,", "monthlyPrice: priceOf('growth'),");
    let catalog = sample_with(&[(PLANS, &text)]);
    assert_eq!(ids(&catalog).len(), 15);
    assert_eq!(
        problems(&catalog),
        [
            "[pricing_plans] src/config/pricing/plans.ts:26:19: PRICING_PLANS.growth: `priceOf('growth')` is not a constant: calls are not evaluated; write the value itself"
        ]
    );
    assert!(!catalog.vouches_for("pricing_plans") && catalog.vouches_for("org_plans"));
}

#[test]
fn a_file_that_does_not_parse_makes_its_rule_incomplete() {
    let catalog = sample_with(&[(
        ORGANIZATION,
        "export const ORG_PLANS = [\n  { id: 'x',, }\n]",
    )]);
    let [problem] = &problems(&catalog)[..] else {
        panic!("{:?}", problems(&catalog))
    };
    assert!(
        problem
            .starts_with("[org_plans] src/config/pricing/organization.ts:2:13: does not parse: "),
        "{problem}"
    );
    assert_eq!(ids(&catalog).len(), 13);
}

#[test]
fn a_second_export_of_one_name_names_both_places() {
    let catalog = sample_with(&[("src/legacy/plans.js", "export const PRICING_PLANS = {}")]);
    let [problem] = &problems(&catalog)[..] else {
        panic!("{:?}", problems(&catalog))
    };
    assert!(
        problem.contains("(src/config/pricing/plans.ts:7:14 and src/legacy/plans.js:1:14)"),
        "{problem}"
    );
    assert!(ids(&catalog).iter().all(|id| !id.starts_with("plan_")));
}

#[test]
fn what_is_ignored_or_no_code_of_ours_is_not_read() {
    let decoy = "export const ORG_PLANS = [{ id: 'decoy' }]";
    let catalog = sample_with(&[
        ("dist/a.js", decoy),
        ("packages/x/build/a.js", decoy),
        (".next/a.js", decoy),
        ("src/__tests__/a.ts", decoy),
        ("src/__mocks__/a.ts", decoy),
        ("src/a.spec.ts", decoy),
        ("src/a.d.ts", "export declare const ORG_PLANS: unknown[]"),
        (".gitignore", "generated/\n"),
        ("generated/a.ts", decoy),
    ]);
    assert!(catalog.is_complete(), "{:?}", problems(&catalog));
    assert_eq!(ids(&catalog).len(), 17);
}

#[test]
fn large_and_unreadable_files_are_problems_not_crashes() {
    let mut large = "export const ORG_PLANS = []\n".to_owned();
    large.push_str(&"// x\n".repeat(1 << 20));
    let catalog = sample_with(&[(ORGANIZATION, &large)]);
    assert_eq!(
        problems(&catalog),
        [
            "[org_plans] src/config/pricing/organization.ts:1:1: the file is larger than 5 MB, the most that is read"
        ]
    );
    let dir = tree(sample::SAMPLE);
    std::fs::write(
        dir.path().join(ORGANIZATION),
        b"export const ORG_PLANS = '\xff'",
    )
    .unwrap();
    let catalog = discover(request(dir.path(), "ghostcrm")).unwrap();
    assert!(
        problems(&catalog)[0].contains("is not UTF-8 text"),
        "{:?}",
        problems(&catalog)
    );
}

#[test]
fn two_products_with_one_id_are_both_left_out() {
    let document =
        "products:\n  - {id: org_team_monthly, name: Other, amount: 5, interval: month}\n";
    let catalog = sample_with(&[("stripe-products.yaml", document)]);
    assert_eq!(ids(&catalog).len(), 16);
    assert_eq!(
        problems(&catalog),
        [
            "[] stripe-products.yaml:2:5: 2 products have the local id \"org_team_monthly\": stripe-products.yaml:2:5 (products[0]) and src/config/pricing/organization.ts:5:3 (ORG_PLANS[0]); none of them is synced until all but one have another id"
        ]
    );
    assert!(!catalog.is_complete());
}

#[test]
fn documents_alone_suffice_where_nobody_chose_the_rules() {
    let document = "products:\n  - {id: a, name: A, amount: 19.99, interval: month}\n";
    let files = [
        ("catalog.yaml", document),
        ("src/a.ts", "export const Y = 1"),
        ("catalog.json", "{\"name\": \"no list\"}"),
        ("sub/products.yaml", document),
    ];
    let dir = tree(&files);
    let mut by_default = request(dir.path(), "ghostcrm");
    by_default.rules = by_default.rules.as_default();
    let catalog = discover(by_default).unwrap();
    assert!(catalog.is_complete(), "{:?}", problems(&catalog));
    assert_eq!(ids(&catalog), ["a"]);
    assert!(catalog.vouches_for("catalog.yaml") && catalog.vouches_for(PUSHED));
    let chosen = discover(request(dir.path(), "ghostcrm")).unwrap();
    assert_eq!(
        problems(&chosen).len(),
        4,
        "each of the four exports is missing"
    );
    let documents = discover(request(dir.path(), "documents")).unwrap();
    assert!(documents.is_complete());
}

#[test]
fn a_root_may_be_a_document() {
    let dir = tree(&[
        (
            "prices.yaml",
            "- {id: a, name: A, amount: 1, interval: year}",
        ),
        ("note.txt", ""),
    ]);
    let catalog = discover(request(&dir.path().join("prices.yaml"), "ghostcrm")).unwrap();
    assert_eq!(ids(&catalog), ["a"]);
    assert!(catalog.is_complete());
    let error = discover(request(&dir.path().join("note.txt"), "ghostcrm")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is neither a folder nor a document")
    );
}

#[test]
fn rules_can_name_the_documents() {
    let dir = tree(&[
        ("p/eu.yaml", "- {id: a, name: A, amount: 1, interval: year}"),
        (
            "stripe-products.yaml",
            "- {id: b, name: B, amount: 1, interval: year}",
        ),
    ]);
    let mut request = request(dir.path(), "documents");
    request.rules = Rules::parse("r.toml", "documents = ['p/*.yaml', 'gone/*.json']").unwrap();
    let catalog = discover(request).unwrap();
    assert_eq!(ids(&catalog), ["a"]);
    assert_eq!(
        problems(&catalog),
        [
            "[gone/*.json] no file matches \"gone/*.json\" of the rules' `documents`; restore the file or change the glob"
        ]
    );
}

#[test]
fn without_a_usable_root_there_is_no_discovery() {
    let dir = tree(&[
        ("src/a.ts", "export const OTHER = 1"),
        ("b.ts", "// PRICING_PLANS"),
    ]);
    let missing = discover(request(&dir.path().join("gone"), "ghostcrm")).unwrap_err();
    assert!(matches!(missing, Error::RootMissing(_)), "{missing}");
    assert!(
        missing
            .to_string()
            .ends_with("does not exist; set it to the folder of the CRM's code")
    );
    let nothing = discover(request(dir.path(), "ghostcrm"))
        .unwrap_err()
        .to_string();
    assert!(
        nothing.starts_with("nothing to sell was found below "),
        "{nothing}"
    );
    assert!(nothing.contains("no file exports ADD_ON_PACKAGES, ORG_PLANS, PRICING_CONFIG, PRICING_PLANS, and there is no document such as stripe-products.yaml. Set catalog.root"), "{nothing}");
}

#[test]
fn pushed_products_join_in_and_text_is_normalised() {
    let mut pushed = product("pushed_one", "5");
    pushed.name = " Cafe\u{301}\u{7} ".to_owned();
    pushed.metadata.insert("empty".to_owned(), " ".to_owned());
    let dir = tree(sample::SAMPLE);
    let mut request = request(dir.path(), "ghostcrm");
    request.pushed = Some(vec![pushed]);
    let catalog = discover(request).unwrap();
    let product = &catalog.products["pushed_one"].product;
    assert_eq!(product.name, "Café");
    assert!(!product.metadata.contains_key("empty"));
    assert_eq!(ids(&catalog).len(), 18);
}

#[test]
fn pushed_products_need_no_tree_and_are_gone_once_they_were_taken_away() {
    let dir = tree(&[("README.md", "nothing to sell")]);
    let mut request = request(dir.path(), "documents");
    let nothing = discover(request.clone()).unwrap_err();
    assert!(matches!(nothing, Error::NothingFound { .. }), "{nothing}");

    request.pushed = Some(vec![product("pushed_one", "5")]);
    let catalog = discover(request.clone()).unwrap();
    assert_eq!(ids(&catalog), ["pushed_one"]);
    assert!(catalog.is_complete(), "{:?}", problems(&catalog));

    request.pushed = Some(Vec::new());
    let catalog = discover(request.clone()).unwrap();
    assert!(catalog.products.is_empty() && catalog.vouches_for(PUSHED));

    // Rules that somebody chose still want their exports.
    request.rules = Rules::load("ghostcrm").unwrap();
    assert_eq!(problems(&discover(request.clone()).unwrap()).len(), 4);
    request.rules = request.rules.as_default();
    assert!(discover(request).unwrap().is_complete());
}

#[test]
fn what_is_pushed_and_in_a_file_is_told_with_both_places() {
    let mut pushed = product("org_team_monthly", "5");
    pushed.origin = crate::catalog::Origin::pushed(&pushed.local_id);
    let dir = tree(sample::SAMPLE);
    let mut request = request(dir.path(), "ghostcrm");
    request.pushed = Some(vec![pushed]);
    let catalog = discover(request).unwrap();
    assert!(!catalog.products.contains_key("org_team_monthly"));
    assert_eq!(
        problems(&catalog),
        [
            "[] src/config/pricing/organization.ts:5:3: 2 products have the local id \"org_team_monthly\": pushed (org_team_monthly) and src/config/pricing/organization.ts:5:3 (ORG_PLANS[0]); none of them is synced until all but one have another id"
        ]
    );
}

#[test]
fn the_preset_takes_what_real_files_contain() {
    let catalog = found(&[(
        "lib/pricing.ts",
        "import { Missing } from '@/not/there'\r\nconst FEE = 499.00\r\nexport const PRICING_PLANS = {\r\n  enterprise: { id: 'enterprise', name: 'Enterprise', description: 'Big', monthlyPrice: 299, yearlyPrice: 299 * 12 * 0.9, yearlyDiscount: 10, maxUsers: -1, maxContacts: -1, customPricing: true, enterprise: true },\r\n  free: { id: 'free', name: 'Free', description: 'Try', monthlyPrice: 0, yearlyPrice: 0, maxUsers: 1, maxContacts: 10 },\r\n  talk: { id: 'talk', name: 'Talk', description: 'Call', monthlyPrice: 0, yearlyPrice: 0, customPricing: true, icon: Missing },\r\n}\r\nexport const ORG_PLANS = [{ id: 'starter', name: 'Starter', description: 'x', priceMonthly: 99, setupFee: FEE }, { id: 'free', name: 'Free', description: 'x', priceMonthly: 0, setupFee: 0 }, { id: 'odd', name: 'Odd', description: 'x', priceMonthly: 1, setupFee: -1 }]\r\nexport const PRICING_CONFIG = []\r\nexport const ADD_ON_PACKAGES = {}",
    )]);
    assert_eq!(
        ids(&catalog),
        [
            "org_free_monthly",
            "org_starter_monthly",
            "org_starter_setup",
            "plan_enterprise_monthly",
            "plan_enterprise_yearly",
            "plan_free_monthly",
            "plan_free_yearly"
        ]
    );
    let metadata = &catalog.products["plan_enterprise_yearly"].product.metadata;
    assert_eq!(metadata["maxUsers"], "-1");
    let free = &catalog.products["plan_free_yearly"].product;
    assert_eq!(free.description.as_deref(), Some("Try - Yearly billing"));
    assert!(!free.metadata.contains_key("discount"));
    assert_eq!(
        catalog.products["org_starter_monthly"].product.metadata["setupFee"],
        "499"
    );
    assert_eq!(
        problems(&catalog),
        [
            "[org_plans] lib/pricing.ts:8:263: ORG_PLANS[2]: `amount` is wrong: -1 is negative; a price is 0 or more"
        ]
    );
}
