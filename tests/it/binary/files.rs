//! `catalog.watch`: real files, a real service.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::{Served, run, told};
use crate::support::PATIENCE;

/// A catalog that is watched.
struct Shop {
    dir: TempDir,
    root: &'static str,
    rules: &'static str,
    watch: &'static str,
}

impl Shop {
    fn new(watch: &'static str) -> Self {
        let shop = Self {
            dir: TempDir::new().unwrap(),
            root: "shop",
            rules: "documents",
            watch,
        };
        shop.write("a.stripe-products.yaml", &plan("plan_a", 10));
        shop
    }

    fn settings(&self) -> Vec<String> {
        let watch = format!("catalog.watch={}", self.watch);
        let root = format!("catalog.root={}", self.root);
        let rules = format!("catalog.rules={}", self.rules);
        let settings = [
            &root,
            &rules,
            &watch,
            "sync.debounce=50ms",
            "sync.max_wait=2s",
            "sync.on_start=sync",
        ];
        settings
            .iter()
            .flat_map(|set| ["--set".to_owned(), (*set).to_owned()])
            .collect()
    }

    fn serve(&self) -> Served {
        let settings = self.settings();
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        Served::start(self.dir.path(), &settings)
    }

    fn file(&self, path: &str) -> PathBuf {
        self.dir.path().join(self.root).join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.file(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// As editors do.
    fn save(&self, path: &str, text: &str) {
        let draft = format!("{path}.tmp");
        self.write(&draft, text);
        std::fs::rename(self.file(&draft), self.file(path)).unwrap();
    }

    fn ask(&self, args: &[&str]) -> Value {
        let settings = self.settings();
        let settings = settings.iter().map(String::as_str);
        let args: Vec<&str> = args
            .iter()
            .copied()
            .chain(["-o", "json"])
            .chain(settings)
            .collect();
        let (stdout, stderr, _) = told(&run(self.dir.path(), &args));
        serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"))
    }

    /// What the status says once it says that.
    fn status_when(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let status = self.ask(&["status"]);
            if is_so(&status) {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {status}");
        }
    }

    /// Until Stripe has this price of it and its run has ended; prints how long after
    /// the change that was.
    #[expect(clippy::print_stderr, reason = "a figure, for who asks for it")]
    fn synced(&self, id: &str, major: u32, changed: Instant) {
        let cents = format!("{major}00");
        loop {
            let mapped = self.ask(&["mappings", "get", id]);
            if mapped["mappings"][0]["amount"]["minorUnits"] == cents.as_str() {
                break;
            }
            assert!(changed.elapsed() < PATIENCE, "{id} {major}: {mapped}");
        }
        let is_over = |status: &Value| status["overall"] == "OVERALL_ALL_SYNCED";
        self.status_when("all is synced", is_over);
        eprintln!("{id} at {major}: {:?} after the change", changed.elapsed());
    }
}

fn plan(id: &str, major: u32) -> String {
    format!(
        "currency: usd\nproducts:\n  - {{id: {id}, name: Plan, amount: {major}, interval: month}}\n"
    )
}

fn is_broken(status: &Value) -> bool {
    !status["catalog"]["brokenTime"].is_null()
}

#[test]
fn changed_files_are_synced_and_broken_ones_are_told_of() {
    let shop = Shop::new("sync");
    let _served = shop.serve();
    shop.synced("plan_a", 10, Instant::now());
    let watched = shop.ask(&["status"]);
    assert_eq!(watched["catalog"]["watch"], "WATCH_SYNC");

    let file = "a.stripe-products.yaml";
    let changed = Instant::now();
    shop.write(file, &plan("plan_a", 12));
    shop.synced("plan_a", 12, changed);

    // Half written, with another price before the place where it breaks off.
    let whole = plan("plan_a", 14);
    shop.write(file, &whole[..whole.len() - 20]);
    let broken = shop.status_when("the file is broken", is_broken);
    assert_eq!(broken["overall"], "OVERALL_NEEDS_SYNC", "{broken}");
    let message = broken["message"].as_str().unwrap();
    assert!(message.contains(&format!("{file}:")), "{message}");
    assert!(message.contains("is kept until then"), "{message}");
    assert_eq!(broken["catalog"]["products"], 1);
    let mapped = shop.ask(&["mappings", "get", "plan_a"]);
    assert_eq!(mapped["mappings"][0]["amount"]["minorUnits"], "1200");
    let runs = shop.ask(&["runs", "list"]);
    let triggers: Vec<&str> = runs["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["trigger"].as_str().unwrap())
        .collect();
    assert_eq!(triggers, ["TRIGGER_CATALOG", "TRIGGER_STARTUP"]);

    let changed = Instant::now();
    shop.save(file, &plan("plan_a", 13));
    shop.synced("plan_a", 13, changed);
    assert!(!is_broken(&shop.ask(&["status"])));

    let changed = Instant::now();
    shop.write("more/of/b.stripe-products.yaml", &plan("plan_b", 5));
    shop.synced("plan_b", 5, changed);
    let changed = Instant::now();
    shop.write("more/of/b.stripe-products.yaml", &plan("plan_b", 6));
    shop.synced("plan_b", 6, changed);
}

#[test]
fn what_changed_while_the_service_was_down_is_synced_when_it_starts() {
    let shop = Shop::new("sync");
    let mut served = shop.serve();
    shop.synced("plan_a", 10, Instant::now());
    served.kill();
    shop.save("a.stripe-products.yaml", &plan("plan_a", 12));
    let changed = Instant::now();
    let _served = shop.serve();
    shop.synced("plan_a", 12, changed);
    let runs = shop.ask(&["runs", "list"]);
    assert_eq!(runs["runs"][0]["trigger"], "TRIGGER_CATALOG", "{runs}");
    assert_eq!(runs["runs"].as_array().unwrap().len(), 2, "{runs}");
}

#[test]
fn files_that_are_only_read_again_change_nothing_in_stripe() {
    let shop = Shop::new("rediscover");
    let _served = shop.serve();
    shop.synced("plan_a", 10, Instant::now());
    shop.save("a.stripe-products.yaml", &plan("plan_a", 12));
    let differs = |status: &Value| status["overall"] == "OVERALL_NEEDS_SYNC";
    let status = shop.status_when("the catalog is another one", differs);
    assert_eq!(status["catalog"]["watch"], "WATCH_REDISCOVER");
    assert_eq!(
        shop.ask(&["runs", "list"])["runs"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_half_written_script_leaves_stripe_as_it_is() {
    let shop = Shop {
        dir: TempDir::new().unwrap(),
        root: "crm",
        rules: "ghostcrm",
        watch: "sync",
    };
    let file = "src/config/pricing/plans.ts";
    for (path, text) in stripe_product_sync::discovery::sample::SAMPLE {
        shop.write(path, text);
    }
    let _served = shop.serve();
    shop.synced("plan_starter_monthly", 29, Instant::now());
    let text = std::fs::read_to_string(shop.file(file)).unwrap();
    let dearer = text.replace("monthlyPrice: 29,", "monthlyPrice: 35,");
    shop.write(file, &dearer[..dearer.len() / 2]);
    let broken = shop.status_when("the file is broken", is_broken);
    let message = broken["message"].as_str().unwrap();
    assert!(message.contains(&format!("{file}:")), "{message}");
    assert_eq!(broken["catalog"]["products"], 17);
    let runs = shop.ask(&["runs", "list"]);
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1, "{runs}");
    let changed = Instant::now();
    shop.write(file, &dearer);
    shop.synced("plan_starter_monthly", 35, changed);
}

/// As Kubernetes mounts a `ConfigMap` and brings it up to date.
#[cfg(unix)]
#[test]
fn a_mounted_config_map_is_followed_when_it_is_swapped() {
    use std::os::unix::fs::symlink;
    let shop = Shop::new("sync");
    let folder = shop.dir.path().join("shop");
    let swap = |edition: &str, major: u32| {
        shop.write(
            &format!("{edition}/x.stripe-products.yaml"),
            &plan("plan_x", major),
        );
        symlink(edition, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    swap("..first", 20);
    symlink(
        Path::new("..data/x.stripe-products.yaml"),
        shop.file("x.stripe-products.yaml"),
    )
    .unwrap();
    let _served = shop.serve();
    shop.synced("plan_x", 20, Instant::now());
    let changed = Instant::now();
    swap("..second", 22);
    std::fs::remove_dir_all(folder.join("..first")).unwrap();
    shop.synced("plan_x", 22, changed);
}
