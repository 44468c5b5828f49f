//! The sample catalog, for a binary that runs outside of its repository.

/// Path and text of every file of `examples/ghostcrm`.
pub const SAMPLE: &[(&str, &str)] = &[
    (
        "README.md",
        include_str!("../../examples/ghostcrm/README.md"),
    ),
    (
        "node_modules/@ghostcrm/pricing-kit/index.ts",
        include_str!("../../examples/ghostcrm/node_modules/@ghostcrm/pricing-kit/index.ts"),
    ),
    (
        "node_modules/@ghostcrm/pricing-kit/package.json",
        include_str!("../../examples/ghostcrm/node_modules/@ghostcrm/pricing-kit/package.json"),
    ),
    (
        "package.json",
        include_str!("../../examples/ghostcrm/package.json"),
    ),
    (
        "src/app/pricing/page.tsx",
        include_str!("../../examples/ghostcrm/src/app/pricing/page.tsx"),
    ),
    (
        "src/config/pricing/add-ons.ts",
        include_str!("../../examples/ghostcrm/src/config/pricing/add-ons.ts"),
    ),
    (
        "src/config/pricing/index.ts",
        include_str!("../../examples/ghostcrm/src/config/pricing/index.ts"),
    ),
    (
        "src/config/pricing/organization.ts",
        include_str!("../../examples/ghostcrm/src/config/pricing/organization.ts"),
    ),
    (
        "src/config/pricing/plans.test.ts",
        include_str!("../../examples/ghostcrm/src/config/pricing/plans.test.ts"),
    ),
    (
        "src/config/pricing/plans.ts",
        include_str!("../../examples/ghostcrm/src/config/pricing/plans.ts"),
    ),
    (
        "src/config/pricing/roles.ts",
        include_str!("../../examples/ghostcrm/src/config/pricing/roles.ts"),
    ),
    (
        "src/config/pricing/setup-fees.ts",
        include_str!("../../examples/ghostcrm/src/config/pricing/setup-fees.ts"),
    ),
    (
        "src/lib/format-price.ts",
        include_str!("../../examples/ghostcrm/src/lib/format-price.ts"),
    ),
    (
        "src/lib/pricing-docs.ts",
        include_str!("../../examples/ghostcrm/src/lib/pricing-docs.ts"),
    ),
    (
        "src/types/pricing.ts",
        include_str!("../../examples/ghostcrm/src/types/pricing.ts"),
    ),
    (
        "tsconfig.json",
        include_str!("../../examples/ghostcrm/tsconfig.json"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_example_is_left_out() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ghostcrm");
        let mut folders = vec![root.clone()];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let path = path.strip_prefix(&root).unwrap();
                    found.push(path.to_string_lossy().replace('\\', "/"));
                }
            }
        }
        found.sort();
        let embedded: Vec<&str> = SAMPLE.iter().map(|(path, _)| *path).collect();
        assert_eq!(embedded, found);
    }
}
