//! The CRM that this service takes over from, as its code is: four exports that
//! make 29 products.

use std::fmt::Write as _;
use std::path::Path;

use stripe_product_sync::catalog::{Catalog, lint};
use stripe_product_sync::discovery::{self, Request, Rules};
use tempfile::TempDir;

/// The pricing files, with these replacements.
pub(super) fn files(replace: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    let mut text = source();
    for (from, to) in replace {
        assert!(text.contains(from), "{from:?} is not in the pricing file");
        text = text.replace(from, to);
    }
    std::fs::write(dir.path().join("pricing.ts"), text).unwrap();
    dir
}

/// What the preset makes of them.
pub(super) fn catalog(replace: &[(&str, &str)]) -> Catalog {
    read(files(replace).path())
}

pub(super) fn read(root: &Path) -> Catalog {
    let request = Request {
        root: root.to_owned(),
        rules: Rules::load("ghostcrm").unwrap(),
        lint_policy: lint::Policy::default(),
        pushed: None,
    };
    discovery::discover(request).unwrap()
}

/// Yearly prices are twelve monthly ones here: see fault 16.
fn source() -> String {
    let mut text = String::from("export const PRICING_PLANS: Record<string, Plan> = {\n");
    for (id, monthly) in [
        ("starter", "19.99"),
        ("growth", "79"),
        ("business", "199"),
        ("max", "599.5"),
    ] {
        let _ = writeln!(
            text,
            "  {id}: {{ id: '{id}', name: '{id}', description: 'For {id}', monthlyPrice: {monthly}, \
             yearlyPrice: {monthly} * 12, maxUsers: -1, maxContacts: 1_000 }},"
        );
    }
    text.push_str("}\nexport const ADD_ON_PACKAGES = {\n");
    for (n, id) in ["sales", "calls", "ai", "reports", "mail", "storage"]
        .iter()
        .enumerate()
    {
        let _ = writeln!(
            text,
            "  {id}: {{ id: '{id}', name: '{id}', description: 'More {id}', monthlyPrice: 1{n}.99, \
             features: ['a', 'b'], availableForPlans: ['growth'] }},"
        );
    }
    text.push_str("} as const\nexport const PRICING_CONFIG: Role[] = [\n");
    for role in ["sales_rep", "manager", "admin"] {
        let _ = write!(
            text,
            "  {{ role: '{role}', displayName: '{role}', description: '', icon: '📈', tiers: ["
        );
        for (n, tier) in ["basic", "pro", "elite"].iter().enumerate() {
            let _ = write!(
                text,
                "{{ id: '{role}_{tier}', name: '{tier}', description: 'The {tier} tools', price: 2{n}.29, features: [] }}, "
            );
        }
        text.push_str("] },\n");
    }
    text.push_str("]\nconst SETUP = 499\nexport const ORG_PLANS = [\n");
    for id in ["starter", "growth", "scale"] {
        let _ = writeln!(
            text,
            "  {{ id: '{id}', name: '{id}', description: 'For groups', priceMonthly: 490, setupFee: SETUP, features: [] }},"
        );
    }
    text.push_str("]\n");
    text
}

#[test]
fn its_four_exports_make_29_products() {
    let catalog = catalog(&[]);
    assert!(catalog.is_complete(), "{:?}", catalog.sources);
    let of = |start: &str| {
        let ids = catalog.products.keys();
        ids.filter(|id| id.as_str().starts_with(start)).count()
    };
    let counts = ["plan_", "addon_", "role_", "org_"].map(of);
    assert_eq!(counts, [8, 6, 9, 6]);
}
