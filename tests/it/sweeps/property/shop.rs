//! The catalog of a history, and what its people do to it.

use std::num::NonZeroU32;

use stripe_product_sync::catalog::{
    Amount, Charge, Currency, CurrencyOption, Interval, LocalId, Price, PriceKey, Product,
    Recurring, Round, TaxBehavior, Terms, Tier, TiersMode, TransformQuantity, Usage,
};

use crate::support::catalog::{price, product};

pub(super) const SLOTS: usize = 3;

/// The names that a slot's product goes by, one after the other.
const NAMES: [[&str; 2]; SLOTS] = [
    ["starter", "starter_v2"],
    ["team", "team_v2"],
    ["seat-pack", "seat-pack_v2"],
];

/// One change of the catalog. The numbers pick from few values, so that what was
/// before comes back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    /// The product is one of a few variants.
    Put(u8),
    Remove,
    /// As it was when it was removed.
    PutBack,
    Rename,
    OtherId,
    Amount(u8),
    Interval(u8),
    Money(u8),
    Tiers(u8),
    Packs,
    Metered,
    Extra(u8, u8),
    DropExtra(u8),
    /// The default price and a further one change places.
    Swap,
    Active,
    Text(u8, u8),
    Features(u8),
    Images(u8),
    Meta(u8, u8),
    PriceMeta(u8),
    Nickname(u8),
    Tax(u8),
    Option(u8, u8),
    Key(u8),
    Origin,
}

impl Edit {
    pub(super) fn any(rng: &mut fastrand::Rng) -> Self {
        let n = rng.u8(0..4);
        let m = rng.u8(0..4);
        match rng.u8(0..36) {
            0 | 1 => Self::Put(rng.u8(0..6)),
            2..5 => Self::Remove,
            5..7 => Self::PutBack,
            7 => Self::Rename,
            8 => Self::OtherId,
            9..14 => Self::Amount(n),
            14 => Self::Interval(n),
            15 => Self::Money(n),
            16 => Self::Tiers(n),
            17 => Self::Packs,
            18 => Self::Metered,
            19..22 => Self::Extra(n, m),
            22 | 23 => Self::DropExtra(n),
            24 => Self::Swap,
            25 => Self::Active,
            26 => Self::Text(n, m),
            27 => Self::Features(n),
            28 => Self::Images(n),
            29 => Self::Meta(n, m),
            30 => Self::PriceMeta(n),
            31 => Self::Nickname(n),
            32 => Self::Tax(n),
            33 => Self::Option(n, m),
            34 => Self::Key(n),
            _ => Self::Origin,
        }
    }
}

/// What the catalog offers, and what it offered before.
#[derive(Clone)]
pub(super) struct Shop {
    slots: [Slot; SLOTS],
}

#[derive(Clone)]
struct Slot {
    product: Product,
    offered: bool,
}

impl Shop {
    pub(super) fn new() -> Self {
        Self {
            slots: std::array::from_fn(|slot| Slot {
                product: variant(NAMES[slot][0], 0),
                offered: false,
            }),
        }
    }

    pub(super) fn products(&self) -> Vec<Product> {
        let offered = self.slots.iter().filter(|slot| slot.offered);
        offered.map(|slot| slot.product.clone()).collect()
    }

    pub(super) fn local_id(&self, slot: usize) -> LocalId {
        self.slots[slot].product.local_id.clone()
    }

    pub(super) fn edit(&mut self, slot: usize, edit: Edit) {
        let names = NAMES[slot];
        let Slot { product, offered } = &mut self.slots[slot];
        let default = &mut product.default_price;
        match edit {
            Edit::Put(n) => {
                *product = variant(product.local_id.as_str(), n);
                *offered = true;
            }
            Edit::Remove => *offered = false,
            Edit::PutBack => *offered = true,
            Edit::Rename => product.name.push('!'),
            Edit::OtherId => {
                let next = usize::from(product.local_id.as_str() == names[0]);
                product.local_id = LocalId::new(names[next]).unwrap();
            }
            Edit::Amount(n) => {
                default.terms.charge = Charge::PerUnit(amount(n));
                for option in default.currency_options.values_mut() {
                    option.charge = Charge::PerUnit(amount(n));
                }
            }
            Edit::Interval(n) => {
                if matches!(default.terms.charge, Charge::PerUnit(_)) {
                    default.terms.recurring = period(n);
                }
            }
            Edit::Money(n) => {
                default.terms.currency = money(n);
                let own = default.terms.currency;
                default.currency_options.remove(&own);
            }
            Edit::Tiers(n) => {
                default.terms.charge = tiers(n);
                default.terms.recurring = period(0);
                default.terms.transform_quantity = None;
                for option in default.currency_options.values_mut() {
                    option.charge = tiers(n);
                }
            }
            Edit::Packs => {
                if matches!(default.terms.charge, Charge::PerUnit(_)) {
                    default.terms.transform_quantity = match default.terms.transform_quantity {
                        None => Some(packs()),
                        Some(_) => None,
                    };
                }
            }
            Edit::Metered => {
                if let Some(recurring) = &mut default.terms.recurring {
                    recurring.usage = match recurring.usage {
                        Usage::Licensed => Usage::Metered("mtr_calls".to_owned()),
                        Usage::Metered(_) => Usage::Licensed,
                    };
                }
            }
            Edit::Extra(key, n) => {
                let extra = extra(key, n);
                product.more_prices.retain(|price| price.key != extra.key);
                product.more_prices.push(extra);
            }
            Edit::DropExtra(n) => {
                if !product.more_prices.is_empty() {
                    let at = usize::from(n) % product.more_prices.len();
                    product.more_prices.remove(at);
                }
            }
            Edit::Swap => {
                if let Some(extra) = product.more_prices.first_mut() {
                    std::mem::swap(&mut default.terms, &mut extra.terms);
                    std::mem::swap(&mut default.currency_options, &mut extra.currency_options);
                }
            }
            Edit::Active => product.active = !product.active,
            Edit::Text(field, n) => {
                let value = |texts: [&str; 2]| match n {
                    0 => None,
                    1 => Some(String::new()),
                    _ => Some(texts[usize::from(n) - 2].to_owned()),
                };
                match field {
                    0 => product.description = value(["About it", "All about it & more"]),
                    1 => product.url = value(["https://a.example", "https://a.example/?b=c"]),
                    2 => product.unit_label = value(["seat", "user"]),
                    _ if n % 2 == 0 => product.tax_code = value(["txcd_10000000", "txcd_10103001"]),
                    _ => {
                        product.statement_descriptor =
                            value(["ACME", "ACME CRM"]).filter(|text| !text.is_empty());
                    }
                }
            }
            Edit::Features(n) => product.features = list(n, ["Unlimited", "24/7"]),
            Edit::Images(n) => {
                product.images = list(n, ["https://a.example/a.png", "https://a.example/b.png"]);
            }
            Edit::Meta(key, n) => {
                let key = ["tier", "maxUsers"][usize::from(key) % 2].to_owned();
                match n {
                    0 => drop(product.metadata.remove(&key)),
                    _ => drop(
                        product
                            .metadata
                            .insert(key, ["", "1", "2"][usize::from(n) - 1].to_owned()),
                    ),
                }
            }
            Edit::PriceMeta(n) => {
                default.metadata = [("plan".to_owned(), n.to_string())].into();
            }
            Edit::Nickname(n) => {
                default.nickname =
                    [None, Some(""), Some("List"), Some("Sale")][usize::from(n)].map(str::to_owned);
            }
            Edit::Tax(n) => default.tax_behavior = tax(n),
            Edit::Option(n, m) => {
                let currency = ["chf", "nok"][usize::from(n) % 2].parse().unwrap();
                let charge = match &default.terms.charge {
                    Charge::PerUnit(_) => Charge::PerUnit(amount(m)),
                    Charge::Tiered { mode, .. } => match tiers(m) {
                        Charge::Tiered { tiers, .. } => Charge::Tiered { mode: *mode, tiers },
                        per_unit @ Charge::PerUnit(_) => per_unit,
                    },
                };
                if n < 3 && currency != default.terms.currency {
                    let tax_behavior = tax(m);
                    let option = CurrencyOption {
                        charge,
                        tax_behavior,
                    };
                    default.currency_options.insert(currency, option);
                } else {
                    default.currency_options.clear();
                }
            }
            Edit::Key(n) => {
                default.lookup_key = [None, None, Some("popular"), Some("starter")][usize::from(n)]
                    .map(str::to_owned);
            }
            Edit::Origin => product.origin.entry.push('\''),
        }
    }
}

/// A product with some fields set; the same number is the same product.
fn variant(local_id: &str, n: u8) -> Product {
    let mut it = product(local_id, "10");
    it.description = None;
    if n == 0 {
        return it;
    }
    let mut rng = fastrand::Rng::with_seed(u64::from(n));
    let mut shop = Shop {
        slots: std::array::from_fn(|_| Slot {
            product: it.clone(),
            offered: true,
        }),
    };
    for _ in 0..8 {
        let edit = Edit::any(&mut rng);
        let again = matches!(
            edit,
            Edit::Put(_) | Edit::OtherId | Edit::Remove | Edit::Active | Edit::Key(_)
        );
        if !again {
            shop.edit(0, edit);
        }
    }
    std::mem::replace(&mut shop.slots[0].product, it)
}

fn amount(n: u8) -> Amount {
    let minor = ["1000", "2000", "0", "1234.5"][usize::from(n)];
    Amount::from_minor(minor.parse().unwrap()).unwrap()
}

fn period(n: u8) -> Option<Recurring> {
    let (interval, count) = match n {
        0 => (Interval::Month, 1),
        1 => (Interval::Year, 1),
        2 => (Interval::Week, 2),
        _ => return None,
    };
    Some(Recurring {
        interval,
        interval_count: NonZeroU32::new(count).unwrap(),
        usage: Usage::Licensed,
    })
}

/// No decimals, two and three.
fn money(n: u8) -> Currency {
    ["usd", "eur", "jpy", "kwd"][usize::from(n)]
        .parse()
        .unwrap()
}

fn tiers(n: u8) -> Charge {
    let tier = |up_to, unit| Tier {
        up_to,
        unit_amount: Some(unit),
        flat_amount: (n == 3).then(|| amount(0)),
    };
    Charge::Tiered {
        mode: [TiersMode::Graduated, TiersMode::Volume][usize::from(n) % 2],
        tiers: vec![tier(Some(10), amount(n)), tier(None, amount(0))],
    }
}

fn packs() -> TransformQuantity {
    TransformQuantity {
        divide_by: NonZeroU32::new(10).unwrap(),
        round: Round::Up,
    }
}

fn extra(key: u8, n: u8) -> Price {
    let (key, currency) = [
        ("yearly", "usd"),
        ("eur", "eur"),
        ("yen", "jpy"),
        ("once", "usd"),
    ][usize::from(key)];
    let mut extra = price(key, "20", currency);
    extra.terms = Terms {
        charge: Charge::PerUnit(amount(n % 3)),
        recurring: match key {
            "yearly" => period(1),
            "once" => None,
            _ => period(0),
        },
        ..extra.terms
    };
    extra.key = PriceKey::new(key).unwrap();
    extra
}

fn list(n: u8, all: [&str; 2]) -> Option<Vec<String>> {
    (n > 0).then(|| {
        let some = all.iter().take(usize::from(n) - 1);
        some.map(|text| (*text).to_owned()).collect()
    })
}

fn tax(n: u8) -> Option<TaxBehavior> {
    [
        None,
        Some(TaxBehavior::Unspecified),
        Some(TaxBehavior::Exclusive),
        Some(TaxBehavior::Inclusive),
    ][usize::from(n)]
}
