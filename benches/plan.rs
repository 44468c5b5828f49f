//! What a plan costs where nothing changed: a hundred thousand products, each
//! with a price, compared with their mappings and with what Stripe shows.
//!
//! ```text
//! cargo bench --bench plan
//! ```
//!
//! The yardstick is a copy of the plan's input, made in the same process: memory
//! touched once, strings and maps of the same number. Every size runs in a process
//! of its own, so that its memory is its own, and each twice: a plan's digest is
//! the same in every process. Fails if the plan for all of them takes a second of
//! CPU, or twice the products more than twice the time and memory (and a third).
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints its figures"
)]

#[path = "../tests/it/support/catalog.rs"]
mod catalog;

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::process::Command;

use stripe_product_sync::catalog::{Catalog, PriceKey, Product, TaxBehavior};
use stripe_product_sync::plan::{
    self, Binding, Known, Naming, Observed, ObservedPrice, ObservedProduct, Options, PriceId,
    Target,
};

const SIZES: [usize; 3] = [25_000, 50_000, 100_000];
/// Of these rounds, the quickest counts: another process only ever adds.
const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, size, n, ..] = arguments.as_slice()
        && size == "--size"
    {
        measure(n.parse().unwrap());
        return;
    }
    // `cargo test --all-targets` runs this file as well, without this argument.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("plan: skipped; run `cargo bench --bench plan`");
        return;
    }
    println!("products in sync, one price each: seconds of CPU, megabytes");
    let figures: Vec<Figures> = SIZES.into_iter().map(in_a_process).collect();
    for pair in figures.windows(2) {
        let [half, whole] = pair else { continue };
        let (time, memory) = (whole.plan / half.plan, whole.memory / half.memory);
        println!("  twice the products: {time:.2} times the CPU, {memory:.2} times the memory");
        assert!(time < 2.66 && memory < 2.66, "linear");
    }
    let last = figures.last().unwrap();
    assert!(last.plan < 1.0, "a hundred thousand in less than a second");
}

struct Figures {
    plan: f64,
    memory: f64,
    digest: String,
}

fn in_a_process(n: usize) -> Figures {
    let once = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--size", &n.to_string()]).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let figures: Vec<&str> = told.split_whitespace().collect();
        let [plan, reads, copy, memory, digest] = figures.as_slice() else {
            panic!("{told} {}", String::from_utf8_lossy(&output.stderr));
        };
        let number = |text: &str| text.parse::<f64>().unwrap();
        let (plan, reads, copy) = (number(plan), number(reads), number(copy));
        let memory = number(memory);
        println!(
            "{n:>7}: plan {plan:.3} s, {:.2} of copying its input once ({copy:.3} s); {memory:.1} MB; \
             what to read {reads:.3} s",
            plan / copy
        );
        let digest = (*digest).to_owned();
        Figures {
            plan,
            memory,
            digest,
        }
    };
    let (first, second) = (once(), once());
    assert_eq!(first.digest, second.digest, "the same plan");
    Figures {
        plan: first.plan.min(second.plan),
        ..first
    }
}

fn measure(n: usize) {
    let (catalog, known, observed) = input(n);
    let options = options();
    let resident = resident();
    let plan = plan::plan(&catalog, &known, &observed, &options);
    let memory = (self::resident() - resident) / 1e6;
    assert!(plan.is_empty() && plan.products.len() == n);
    assert!(plan.products.iter().all(|product| product.bind.is_none()));
    let seconds = quickest(|| drop(black_box(plan::plan(&catalog, &known, &observed, &options))));
    let reads = quickest(|| {
        black_box(plan::products_to_read(&catalog, &known, &options));
        let more = plan::products_to_price(&catalog, &known, &observed, &options).len()
            + plan::lookup_keys_to_read(&catalog, &known, &observed, &options).len();
        assert_eq!(more, 0);
    });
    let copy = quickest(|| {
        drop(black_box((
            catalog.clone(),
            known.clone(),
            observed.clone(),
        )))
    });
    println!("{seconds} {reads} {copy} {memory} {}", plan.digest);
}

fn quickest(mut work: impl FnMut()) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let before = cpu();
        work();
        cpu() - before
    });
    rounds.fold(f64::INFINITY, f64::min)
}

/// Seconds that this thread spent on a CPU: proc(5), `schedstat`.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
    nanoseconds / 1e9
}

/// Bytes of this process in memory: proc(5), `VmRSS`.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<f64>().unwrap() * 1e3
}

fn options() -> Options {
    Options {
        naming: Naming {
            product_id_prefix: "prod_".to_owned(),
            lookup_key_prefix: String::new(),
            lookup_keys: true,
            catalog_id: "main".to_owned(),
        },
        scope: BTreeSet::new(),
        force_update: false,
        archive_removed: true,
        repair_drift: true,
        max_archives: None,
        removals_confirmed: false,
        accept_price_changes: false,
        announced: BTreeMap::new(),
    }
}

/// A catalog, and everything as a sync of it leaves it.
fn input(n: usize) -> (Catalog, Known, Observed) {
    let naming = options().naming;
    let (mut known, mut observed) = (Known::default(), Observed::default());
    let catalog = catalog::catalog(catalog::many(n));
    for (at, entry) in catalog.products.values().enumerate() {
        let price = PriceId::new(format!("price_{at:024}"));
        let binding = binding(&entry.product, &naming, price);
        let (product, price) = shown(&binding);
        observed.products.insert(product.id.clone(), product);
        observed.prices.insert(price.id.clone(), price);
        known.bindings.insert(binding.local_id.clone(), binding);
    }
    (catalog, known, observed)
}

fn binding(product: &Product, naming: &Naming, price: PriceId) -> Binding {
    Binding {
        local_id: product.local_id.clone(),
        product_id: naming.product_id(&product.local_id),
        prices: [(PriceKey::default_price(), price)].into(),
        superseded: BTreeSet::new(),
        to_archive: BTreeSet::new(),
        applied: Target::new(product, naming),
        origin: product.origin.clone(),
        active: true,
    }
}

fn shown(binding: &Binding) -> (ObservedProduct, ObservedPrice) {
    let applied = &binding.applied;
    let price = &applied.prices[PriceKey::DEFAULT];
    let id = binding.prices[PriceKey::DEFAULT].clone();
    let product = ObservedProduct {
        id: binding.product_id.clone(),
        active: true,
        name: applied.name.clone(),
        description: applied.description.clone(),
        features: Vec::new(),
        images: Vec::new(),
        url: None,
        unit_label: None,
        tax_code: None,
        statement_descriptor: None,
        metadata: applied.metadata.clone(),
        default_price: Some(id.clone()),
        created: 1,
        updated: 1,
        livemode: false,
    };
    let price = ObservedPrice {
        id,
        product: binding.product_id.clone(),
        active: true,
        terms: Some(price.terms.clone()),
        tax_behavior: TaxBehavior::Unspecified,
        currency_options: None,
        nickname: None,
        lookup_key: price.lookup_key.clone(),
        metadata: price.metadata.clone(),
        created: 1,
        livemode: false,
    };
    (product, price)
}
