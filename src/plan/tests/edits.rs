//! What people, other programs and accidents do to Stripe and the database
//! between two syncs.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;

use super::world::World;
use super::{id, naming};
use crate::catalog::test_support::price as usd;
use crate::catalog::{PriceKey, TaxBehavior, Terms};
use crate::plan::{
    CATALOG, LOCAL_ID, MANAGED_BY, MANAGER, ObservedPrice, ObservedProduct, PriceId, ProductId,
};

/// One edit; the index picks the object.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    FlipProduct(Index),
    /// A default price has to give up that place first, as in the dashboard.
    FlipPrice(Index),
    Rename(Index),
    SetText(Index, u8),
    SetMetadata(Index, u8),
    DropMetadata(Index, u8),
    SetPriceMetadata(Index, u8),
    DropPriceMetadata(Index, u8),
    SetNickname(Index),
    SetTax(Index),
    MoveDefault(Index),
    ClearDefault(Index),
    DeleteProduct(Index),
    DeletePrice(Index),
    ForeignProduct(u8),
    ForeignPrice(Index, bool),
    /// A partner's price takes over a lookup key.
    TakeKey(Index),
    DropKey(Index),
    /// As the older code left it: random id, only a `localId`, prices without a default.
    Legacy(u8, u8),
    Duplicate(Index),
    LoseDatabase,
    LoseBinding(Index),
}

pub(super) fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        at().prop_map(Edit::FlipProduct),
        at().prop_map(Edit::FlipPrice),
        at().prop_map(Edit::FlipPrice),
        at().prop_map(Edit::Rename),
        (at(), 0..6_u8).prop_map(|(at, n)| Edit::SetText(at, n)),
        (at(), 0..5_u8).prop_map(|(at, n)| Edit::SetMetadata(at, n)),
        (at(), 0..5_u8).prop_map(|(at, n)| Edit::DropMetadata(at, n)),
        (at(), 0..5_u8).prop_map(|(at, n)| Edit::SetPriceMetadata(at, n)),
        (at(), 0..5_u8).prop_map(|(at, n)| Edit::DropPriceMetadata(at, n)),
        at().prop_map(Edit::SetNickname),
        at().prop_map(Edit::SetTax),
        at().prop_map(Edit::MoveDefault),
        at().prop_map(Edit::MoveDefault),
        at().prop_map(Edit::ClearDefault),
        at().prop_map(Edit::DeleteProduct),
        at().prop_map(Edit::DeletePrice),
        (0..3_u8).prop_map(Edit::ForeignProduct),
        (at(), any::<bool>()).prop_map(|(at, key)| Edit::ForeignPrice(at, key)),
        at().prop_map(Edit::TakeKey),
        at().prop_map(Edit::DropKey),
        (0..3_u8, 0..4_u8).prop_map(|(local_id, prices)| Edit::Legacy(local_id, prices)),
        at().prop_map(Edit::Duplicate),
        Just(Edit::LoseDatabase),
        at().prop_map(Edit::LoseBinding),
    ]
}

/// Keys that edits touch: a partner's, the catalog's, and the marks themselves.
const KEYS: [&str; 5] = ["erp", "tier", LOCAL_ID, CATALOG, MANAGED_BY];

/// Objects that are nobody's of ours.
#[derive(Default)]
pub(super) struct Foreign {
    pub(super) products: BTreeSet<ProductId>,
    pub(super) prices: BTreeSet<PriceId>,
}

pub(super) fn apply(world: &mut World, foreign: &mut Foreign, edit: &Edit) {
    world.stripe.now += 1;
    let now = world.stripe.now;
    let stripe = &mut world.stripe;
    let products: Vec<ProductId> = stripe
        .products
        .keys()
        .filter(|id| !foreign.products.contains(*id))
        .cloned()
        .collect();
    let prices: Vec<PriceId> = stripe
        .prices
        .keys()
        .filter(|id| !foreign.prices.contains(*id))
        .cloned()
        .collect();
    let pick_product = |at: &Index| (!products.is_empty()).then(|| at.get(&products).clone());
    let pick_price = |at: &Index| (!prices.is_empty()).then(|| at.get(&prices).clone());
    macro_rules! product {
        ($at:expr) => {
            match pick_product($at).and_then(|id| stripe.products.get_mut(&id)) {
                Some(product) => product,
                None => return,
            }
        };
    }
    macro_rules! price {
        ($at:expr) => {
            match pick_price($at).and_then(|id| stripe.prices.get_mut(&id)) {
                Some(price) => price,
                None => return,
            }
        };
    }
    match edit {
        Edit::FlipProduct(at) => {
            let product = product!(at);
            product.active = !product.active;
        }
        Edit::FlipPrice(at) => {
            let price = price!(at);
            price.active = !price.active;
            let (price, product) = (price.id.clone(), price.product.clone());
            if let Some(product) = stripe.products.get_mut(&product)
                && product.default_price == Some(price)
            {
                product.default_price = None;
            }
        }
        Edit::Rename(at) => product!(at).name = format!("renamed {now}"),
        Edit::SetText(at, field) => {
            let product = product!(at);
            match field {
                0 => product.description = Some("by hand".to_owned()),
                1 => product.description = None,
                2 => product.url = Some("https://hand.example".to_owned()),
                3 => product.unit_label = None,
                4 => product.features = vec!["by hand".to_owned()],
                _ => product.statement_descriptor = Some("BY HAND".to_owned()),
            }
        }
        Edit::SetMetadata(at, key) => {
            let key = KEYS[usize::from(*key)].to_owned();
            product!(at).metadata.insert(key, "by hand".to_owned());
        }
        Edit::DropMetadata(at, key) => {
            product!(at).metadata.remove(KEYS[usize::from(*key)]);
        }
        Edit::SetPriceMetadata(at, key) => {
            let key = KEYS[usize::from(*key)].to_owned();
            price!(at).metadata.insert(key, "by hand".to_owned());
        }
        Edit::DropPriceMetadata(at, key) => {
            price!(at).metadata.remove(KEYS[usize::from(*key)]);
        }
        Edit::SetNickname(at) => price!(at).nickname = Some("by hand".to_owned()),
        Edit::SetTax(at) => {
            let price = price!(at);
            if price.tax_behavior == TaxBehavior::Unspecified {
                price.tax_behavior = TaxBehavior::Inclusive;
            }
        }
        Edit::MoveDefault(at) => {
            // Also to a partner's price on the same product.
            let all: Vec<&ObservedPrice> = stripe.prices.values().filter(|p| p.active).collect();
            if !all.is_empty() {
                let price = at.get(&all);
                let (price, product) = (price.id.clone(), price.product.clone());
                if let Some(product) = stripe.products.get_mut(&product) {
                    product.default_price = Some(price);
                }
            }
        }
        Edit::ClearDefault(at) => product!(at).default_price = None,
        Edit::DeleteProduct(at) => {
            let Some(id) = pick_product(at) else { return };
            stripe.products.remove(&id);
            stripe.prices.retain(|_, price| price.product != id);
        }
        Edit::DeletePrice(at) => {
            let Some(id) = pick_price(at) else { return };
            stripe.prices.remove(&id);
            for product in stripe.products.values_mut() {
                product.default_price = product.default_price.take().filter(|price| *price != id);
            }
        }
        Edit::ForeignProduct(local_id) => {
            let product_id = naming().product_id(&id(super::generate::IDS[usize::from(*local_id)]));
            if stripe.products.contains_key(&product_id) {
                return;
            }
            let metadata = BTreeMap::from([(CATALOG.to_owned(), "other".to_owned())]);
            let product = bare_product(product_id.clone(), metadata, now);
            stripe.products.insert(product_id.clone(), product);
            foreign.products.insert(product_id);
        }
        Edit::ForeignPrice(at, key) => {
            let Some(product) = pick_product(at) else {
                return;
            };
            let mut price = bare_price(product, "7777.77", now);
            if *key {
                price.lookup_key = Some(format!("partner_{now}"));
            }
            foreign.prices.insert(price.id.clone());
            stripe.prices.insert(price.id.clone(), price);
        }
        Edit::TakeKey(at) => {
            let price = price!(at);
            let Some(key) = price.lookup_key.take() else {
                return;
            };
            let mut partner = bare_price(price.product.clone(), "7777.77", now);
            partner.lookup_key = Some(key);
            foreign.prices.insert(partner.id.clone());
            stripe.prices.insert(partner.id.clone(), partner);
        }
        Edit::DropKey(at) => price!(at).lookup_key = None,
        Edit::Legacy(local_id, prices) => {
            let local_id = super::generate::IDS[usize::from(*local_id)];
            let mark = BTreeMap::from([(LOCAL_ID.to_owned(), local_id.to_owned())]);
            let product_id = ProductId::new(format!("prod_random{now}"));
            for n in 0..*prices {
                let amount = if n == 0 { "10" } else { "20" };
                let mut price = bare_price(product_id.clone(), amount, now + i64::from(n));
                // A replacement lost its mark.
                if n < 2 {
                    price.metadata.clone_from(&mark);
                }
                price.active = n != 1;
                stripe.prices.insert(price.id.clone(), price);
            }
            stripe.now += 4;
            let product = bare_product(product_id.clone(), mark, now);
            stripe.products.insert(product_id, product);
        }
        Edit::Duplicate(at) => {
            let product = product!(at).clone();
            let copy = ProductId::new(format!("prod_copy{now}"));
            let originals: Vec<ObservedPrice> = stripe
                .prices
                .values()
                .filter(|price| price.product == product.id && price.active)
                .cloned()
                .collect();
            let mut default = None;
            for original in originals {
                stripe.now += 1;
                let twin = ObservedPrice {
                    id: PriceId::new(format!("price_copy{}", stripe.now)),
                    product: copy.clone(),
                    lookup_key: None,
                    created: stripe.now,
                    ..original.clone()
                };
                if product.default_price.as_ref() == Some(&original.id) {
                    default = Some(twin.id.clone());
                }
                if foreign.prices.contains(&original.id) {
                    foreign.prices.insert(twin.id.clone());
                }
                stripe.prices.insert(twin.id.clone(), twin);
            }
            stripe.products.insert(
                copy.clone(),
                ObservedProduct {
                    id: copy,
                    default_price: default,
                    created: now,
                    ..product
                },
            );
        }
        Edit::LoseDatabase => world.known.bindings.clear(),
        Edit::LoseBinding(at) => {
            let ids: Vec<_> = world.known.bindings.keys().cloned().collect();
            if !ids.is_empty() {
                world.known.bindings.remove(at.get(&ids));
            }
        }
    }
}

/// A product that somebody made.
pub(super) fn bare_product(
    id: ProductId,
    metadata: BTreeMap<String, String>,
    now: i64,
) -> ObservedProduct {
    ObservedProduct {
        id,
        active: true,
        name: "somebody's".to_owned(),
        description: None,
        features: Vec::new(),
        images: Vec::new(),
        url: None,
        unit_label: None,
        tax_code: None,
        statement_descriptor: None,
        metadata,
        default_price: None,
        created: now,
        updated: now,
        livemode: false,
    }
}

/// A price without any mark, monthly, in usd.
pub(super) fn bare_price(product: ProductId, amount: &str, now: i64) -> ObservedPrice {
    ObservedPrice {
        id: PriceId::new(format!("price_hand{now}")),
        product,
        active: true,
        terms: Some(terms(amount)),
        tax_behavior: TaxBehavior::Unspecified,
        currency_options: Some(BTreeMap::new()),
        nickname: None,
        lookup_key: None,
        metadata: BTreeMap::new(),
        created: now,
        livemode: false,
    }
}

pub(super) fn terms(amount: &str) -> Terms {
    usd(PriceKey::DEFAULT, amount).terms
}

/// The marks of an object of ours.
pub(super) fn marks(local_id: &str) -> BTreeMap<String, String> {
    [
        (LOCAL_ID, local_id),
        (MANAGED_BY, MANAGER),
        (CATALOG, "main"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}
