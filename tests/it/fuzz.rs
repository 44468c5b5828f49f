//! What the fuzzers found, without them: their corpus, and every input that once
//! broke a promise.

use std::path::Path;
use std::time::{Duration, Instant};

use stripe_product_sync::fuzzing::TARGETS;

/// Far more than any input takes, even where nothing is optimised and other tests
/// run beside: what grows with the square of its input takes minutes.
const LIMIT: Duration = Duration::from_secs(20);

fn inputs(kind: &str, target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(kind);
    let Ok(entries) = std::fs::read_dir(folder.join(target)) else {
        return Vec::new();
    };
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.display().to_string(), std::fs::read(&path).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

#[test]
fn what_the_fuzzers_keep_breaks_no_promise() {
    for (target, run) in TARGETS {
        let corpus = inputs("corpus", target);
        assert!(!corpus.is_empty(), "fuzz/corpus/{target} is empty");
        for (path, input) in corpus.into_iter().chain(inputs("regressions", target)) {
            let begun = Instant::now();
            // The panic itself is told where it happens.
            let is_kept = std::panic::catch_unwind(|| run(&input)).is_ok();
            assert!(is_kept, "{path} breaks a promise of {target}");
            assert!(
                begun.elapsed() < LIMIT,
                "{path} takes {:?}",
                begun.elapsed()
            );
        }
    }
}

#[test]
fn every_target_has_a_fuzzer_of_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for (target, _) in TARGETS {
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target}"
        );
        let path = folder.join(format!("fuzz_targets/{target}.rs"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(&format!("fuzzing::{target}(")), "{target}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}
