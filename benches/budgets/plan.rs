//! What a plan costs where nothing changed: a hundred thousand products, each
//! with a price, compared with their mappings and with what Stripe shows.
//!
//! The yardstick is a copy of the plan's input, made in the same process: memory
//! touched once, strings and maps of the same number. Every size runs in a process
//! of its own, so that its memory is its own, and each twice: a plan's digest is
//! the same in every process.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use stripe_product_sync::catalog::{Catalog, PriceKey, Product, TaxBehavior};
use stripe_product_sync::plan::{
    self, Binding, Known, Naming, Observed, ObservedPrice, ObservedProduct, Options, PriceId,
    Target,
};

use super::line::{Figure, Line, Must};
use super::{catalog, cpu, processes};

const SIZES: [usize; 3] = [25_000, 50_000, 100_000];
/// Of these rounds, the quickest counts: another process only ever adds.
const ROUNDS: usize = 5;
/// Twice the products may take so much more: twice, and a third for what the machine does.
const LINEAR: f64 = 2.66;

pub(crate) fn measure() -> Vec<Line> {
    let figures: Vec<Figures> = SIZES.into_iter().map(in_processes).collect();
    let last = figures.last().unwrap();
    let mut lines = vec![Line::new(
        format!("plan, {} products unchanged", SIZES[SIZES.len() - 1]),
        Figure(last.plan, "s of CPU"),
        (Figure(last.copy, "s of CPU"), "a copy of its input"),
        Must::StayBelow(1.0),
    )];
    lines.push(Line::new(
        format!("what to read for it, {} products", SIZES[SIZES.len() - 1]),
        Figure(last.reads, "s of CPU"),
        (Figure(last.copy, "s of CPU"), "a copy of the plan's input"),
        Must::BeTold,
    ));
    for (sizes, pair) in SIZES.windows(2).zip(figures.windows(2)) {
        let ([_, n], [half, whole]) = (sizes, pair) else {
            continue;
        };
        lines.push(Line::new(
            format!("plan, {n} products"),
            Figure(whole.plan, "s of CPU"),
            (Figure(half.plan, "s of CPU"), "half of them"),
            Must::BeAtMost(LINEAR),
        ));
        lines.push(Line::new(
            format!("plan, {n} products"),
            Figure(whole.memory, "MB"),
            (Figure(half.memory, "MB"), "half of them"),
            Must::BeAtMost(LINEAR),
        ));
    }
    lines
}

struct Figures {
    plan: f64,
    /// To know what has to be read for it.
    reads: f64,
    copy: f64,
    memory: f64,
}

/// The better of two.
fn in_processes(n: usize) -> Figures {
    let (first, second) = (in_a_process(n), in_a_process(n));
    assert_eq!(first.1, second.1, "the same plan");
    let (first, second) = (first.0, second.0);
    Figures {
        plan: first.plan.min(second.plan),
        reads: first.reads.min(second.reads),
        copy: first.copy.min(second.copy),
        memory: first.memory,
    }
}

/// And the plan's digest.
fn in_a_process(n: usize) -> (Figures, String) {
    let output = processes::part("plan").arg(n.to_string()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let figures: Vec<&str> = told.split_whitespace().collect();
    let [plan, reads, copy, memory, digest] = figures.as_slice() else {
        panic!("{told} {}", String::from_utf8_lossy(&output.stderr));
    };
    let number = |text: &str| text.parse::<f64>().unwrap();
    let figures = Figures {
        plan: number(plan),
        reads: number(reads),
        copy: number(copy),
        memory: number(memory),
    };
    (figures, (*digest).to_owned())
}

/// Prints the figures of one size, for `in_a_process`.
pub(crate) fn print(n: usize) {
    let (catalog, known, observed) = input(n);
    let options = options();
    let resident = cpu::resident_here();
    let plan = plan::plan(&catalog, &known, &observed, &options);
    let memory = (cpu::resident_here() - resident) / 1e6;
    assert!(plan.is_empty() && plan.products.len() == n);
    assert!(plan.products.iter().all(|product| product.bind.is_none()));
    let seconds = quickest(|| {
        drop(black_box(plan::plan(&catalog, &known, &observed, &options)));
    });
    let reads = quickest(|| {
        black_box(plan::products_to_read(&catalog, &known, &options));
        let more = plan::products_to_price(&catalog, &known, &observed, &options).len()
            + plan::lookup_keys_to_read(&catalog, &known, &observed, &options).len();
        assert_eq!(more, 0);
    });
    let copy = quickest(|| {
        let copy = (catalog.clone(), known.clone(), observed.clone());
        drop(black_box(copy));
    });
    println!("{seconds} {reads} {copy} {memory} {}", plan.digest);
}

fn quickest(mut work: impl FnMut()) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let before = cpu::of_this_thread();
        work();
        cpu::of_this_thread() - before
    });
    rounds.fold(f64::INFINITY, f64::min)
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
