//! Reads Stripe, in as few calls as the plan can do with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::{Engine, Error};
use crate::catalog::{Catalog, LocalId};
use crate::plan::{
    self, AccountRef, CATALOG, Details, Known, LOCAL_ID, Observed, Options, PriceId, ProductId,
    Target, Unreadable, archived_by_others, creates, details_to_read, lookup_keys_to_read, lost,
    products_to_find, products_to_price, products_to_read, rebuilds,
};
use crate::store::{Fence, Listed, Listing};
use crate::stripe::{self, Call, Expand, ProductPage, Stripe};

/// Reads that are under way at once.
const PARALLEL: usize = 8;
/// Ids or objects a page. <https://docs.stripe.com/api/pagination>
const PAGE: usize = 100;
/// Lookup keys a request. <https://docs.stripe.com/api/prices/list>
const KEYS: usize = 10;

/// What to read beyond what the catalog and the mappings need.
#[derive(Clone, Debug, Default)]
pub(super) struct Extra {
    /// List the whole account whatever else speaks for it.
    pub(super) list: bool,
    /// Read all prices of these local ids' products.
    pub(super) prices_of: BTreeSet<LocalId>,
    /// Ask who holds these lookup keys.
    pub(super) lookup_keys: BTreeSet<String>,
    /// List the account where what is mapped turned out to be archived: before it
    /// is put on sale again, a live one of the same local id has to be known. A
    /// validation needs no more than that it is archived.
    pub(super) twins_of_archived: bool,
    /// The lease under which a listing is kept; `None`: under none.
    pub(super) fence: Option<Fence>,
}

impl Engine {
    /// Reads what [`plan::plan`] needs.
    pub(super) async fn observe(
        &self,
        call: &Call,
        at: &AccountRef,
        catalog: &Catalog,
        known: &Known,
        options: &Options,
        extra: &Extra,
    ) -> Result<Observed, Error> {
        let stripe = self.inner.parts.stripe.as_ref();
        let expand = expand(catalog, known);
        let mut observed = Observed::default();
        let mut ids = products_to_read(catalog, known, options);
        let last_listing = self.store().last_listing(at).await?;
        if extra.list || self.has_to_list(catalog, known, options, last_listing.as_ref()) {
            self.list(call, at, &expand, extra, &mut observed).await?;
            // Listed or not there. What is mapped is asked for by its id all the
            // same if the listing lacks it: nothing is held to be deleted on
            // the word of one page.
            ids.retain(|id| !observed.has(id));
            ids.retain(|id| {
                known
                    .bindings
                    .values()
                    .any(|binding| binding.product_id == *id)
            });
        } else {
            // A forced run repairs the duplicates that were seen as well.
            ids.extend(remembered(last_listing.as_ref(), |id| {
                options.covers(id)
                    && catalog.products.contains_key(id)
                    && (options.force_update || !known.bindings.contains_key(id))
            }));
        }
        read(stripe, call, &expand, &ids, &mut observed).await?;
        let lost = lost(catalog, known, &observed, options);
        let mut elsewhere = products_to_find(known, &observed, options, &lost);
        if !observed.listed {
            elsewhere.extend(remembered(last_listing.as_ref(), |id| lost.contains(id)));
            elsewhere.retain(|id| !ids.contains(id));
        }
        read(stripe, call, &expand, &elsewhere, &mut observed).await?;
        let creates =
            !self.is_young(last_listing.as_ref()) && creates(catalog, known, &observed, options);
        let archived =
            extra.twins_of_archived && archived_by_others(catalog, known, &observed, options);
        if creates || archived {
            self.list(call, at, &expand, extra, &mut observed).await?;
        }
        if rebuilds(catalog, known, &observed, options) {
            let (prices, unreadable) = prices_of(stripe, call, None, true, &expand).await?;
            odd(unreadable, &mut observed);
            for price in prices {
                observed.prices.entry(price.id.clone()).or_insert(price);
            }
        }
        let mut to_price = products_of(&extra.prices_of, known, options, &observed);
        // Twice: the first prices can put another product first.
        for _ in 0..2 {
            to_price.extend(products_to_price(catalog, known, &observed, options));
            price(
                stripe,
                call,
                &expand,
                std::mem::take(&mut to_price),
                &mut observed,
            )
            .await?;
        }
        let mut keys = lookup_keys_to_read(catalog, known, &observed, options);
        keys.extend(extra.lookup_keys.iter().cloned());
        hold(stripe, call, &keys, &mut observed).await?;
        Ok(observed)
    }

    /// Lists the account's products, and remembers those with a local id.
    async fn list(
        &self,
        call: &Call,
        at: &AccountRef,
        expand: &Expand,
        extra: &Extra,
        observed: &mut Observed,
    ) -> Result<(), Error> {
        let time = self.now();
        list(self.inner.parts.stripe.as_ref(), call, expand, observed).await?;
        observed.listed = true;
        let listing = listing(time, observed);
        let kept = self
            .store()
            .save_listing(at, &listing, extra.fence.as_ref());
        Ok(kept.await?)
    }

    /// With nothing bound, the listing *is* the read. Later, a local id that was
    /// never bound may stand on an object that older code made: only a listing
    /// finds it, and one that is young enough has.
    fn has_to_list(
        &self,
        catalog: &Catalog,
        known: &Known,
        options: &Options,
        last: Option<&Listing>,
    ) -> bool {
        if known.bindings.is_empty() {
            return true;
        }
        let never_bound = catalog.products.iter().any(|(id, entry)| {
            options.covers(id) && entry.is_syncable() && !known.bindings.contains_key(id)
        });
        never_bound && !self.is_young(last)
    }

    fn is_young(&self, listing: Option<&Listing>) -> bool {
        listing.is_some_and(|listing| {
            let age = self
                .now()
                .signed_duration_since(listing.time)
                .to_std()
                .unwrap_or(Duration::ZERO);
            age <= self.settings().listing_age
        })
    }
}

fn expand(catalog: &Catalog, known: &Known) -> Expand {
    let Details {
        tiers,
        currency_options,
        option_tiers,
    } = details_to_read(catalog, known);
    Expand {
        tiers,
        currency_options,
        option_tiers,
    }
}

/// Asks who holds these lookup keys.
async fn hold(
    stripe: &dyn Stripe,
    call: &Call,
    keys: &BTreeSet<String>,
    observed: &mut Observed,
) -> Result<(), stripe::Error> {
    let keys: Vec<String> = keys.iter().cloned().collect();
    for keys in keys.chunks(KEYS) {
        let holders = stripe.prices_by_lookup_key(call, keys).await?;
        odd(holders.unreadable, observed);
        for price in holders.prices {
            if let Some(key) = &price.lookup_key {
                observed.key_holders.insert(key.clone(), price.id.clone());
            }
            observed.prices.entry(price.id.clone()).or_insert(price);
        }
    }
    Ok(())
}

async fn list(
    stripe: &dyn Stripe,
    call: &Call,
    expand: &Expand,
    observed: &mut Observed,
) -> Result<(), stripe::Error> {
    let mut after: Option<ProductId> = None;
    loop {
        let page = stripe
            .list_products(call, after.as_ref(), expand.clone())
            .await?;
        after.clone_from(&page.next);
        add(page, observed);
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn read(
    stripe: &dyn Stripe,
    call: &Call,
    expand: &Expand,
    ids: &BTreeSet<ProductId>,
    observed: &mut Observed,
) -> Result<(), stripe::Error> {
    let ids: Vec<ProductId> = ids.iter().cloned().collect();
    // Boxed: the compiler cannot see that futures borrowing from a stream's items are Send.
    let reads: Vec<BoxFuture<'_, _>> = ids
        .chunks(PAGE)
        .map(|chunk| stripe.products_by_id(call, chunk, expand.clone()))
        .collect();
    let mut pages = stream::iter(reads).buffer_unordered(PARALLEL);
    while let Some(page) = pages.try_next().await? {
        add(page, observed);
    }
    Ok(())
}

fn odd(unreadable: Vec<Unreadable>, observed: &mut Observed) {
    for odd in unreadable {
        let known = observed.unreadable.entry(odd.product.clone()).or_default();
        if !known.contains(&odd) {
            known.push(odd);
        }
    }
}

fn add(page: ProductPage, observed: &mut Observed) {
    odd(page.unreadable, observed);
    observed.products.extend(
        page.products
            .into_iter()
            .map(|product| (product.id.clone(), product)),
    );
    observed.prices.extend(
        page.prices
            .into_iter()
            .map(|price| (price.id.clone(), price)),
    );
}

async fn price(
    stripe: &dyn Stripe,
    call: &Call,
    expand: &Expand,
    products: BTreeSet<ProductId>,
    observed: &mut Observed,
) -> Result<(), stripe::Error> {
    // Archived prices are among them. What one of them offers in further currencies has
    // to be known before it is put on sale again, whether or not the catalog has any now;
    // what one with tiers costs, before one without takes its place.
    let expand = &Expand {
        tiers: true,
        currency_options: true,
        ..expand.clone()
    };
    let reads: Vec<BoxFuture<'_, _>> = products
        .iter()
        .flat_map(|id| [(id, true), (id, false)])
        .map(|(id, active)| prices_of(stripe, call, Some(id), active, expand).boxed())
        .collect();
    let mut pages = stream::iter(reads).buffer_unordered(PARALLEL);
    while let Some((prices, unreadable)) = pages.try_next().await? {
        observed
            .prices
            .extend(prices.into_iter().map(|price| (price.id.clone(), price)));
        odd(unreadable, observed);
    }
    drop(pages);
    observed.priced.extend(products);
    Ok(())
}

async fn prices_of(
    stripe: &dyn Stripe,
    call: &Call,
    of: Option<&ProductId>,
    active: bool,
    expand: &Expand,
) -> Result<(Vec<plan::ObservedPrice>, Vec<Unreadable>), stripe::Error> {
    let (mut found, mut odd) = (Vec::new(), Vec::new());
    let mut after: Option<PriceId> = None;
    loop {
        let page = stripe
            .prices_of(call, of, active, after.as_ref(), expand.clone())
            .await?;
        found.extend(page.prices);
        odd.extend(page.unreadable);
        after = page.next;
        if after.is_none() {
            return Ok((found, odd));
        }
    }
}

fn listing(time: crate::store::Timestamp, observed: &Observed) -> Listing {
    let products = observed.products.values().filter_map(|product| {
        Some(Listed {
            local_id: product.metadata.get(LOCAL_ID)?.clone(),
            product_id: product.id.clone(),
            catalog: product.metadata.get(CATALOG).cloned(),
        })
    });
    let unreadable = observed.unreadable.values().filter_map(|odd| {
        let odd = odd.iter().find(|odd| odd.price.is_none())?;
        Some(Listed {
            local_id: odd.local_id.clone()?,
            product_id: odd.product.clone(),
            catalog: odd.catalog.clone(),
        })
    });
    Listing {
        time,
        products: products.chain(unreadable).collect(),
    }
}

/// Where the last listing saw objects of these local ids.
fn remembered(last: Option<&Listing>, of: impl Fn(&LocalId) -> bool) -> BTreeSet<ProductId> {
    let listed = last.into_iter().flat_map(|last| &last.products);
    listed
        .filter(|listed| LocalId::new(&listed.local_id).is_ok_and(|id| of(&id)))
        .map(|listed| listed.product_id.clone())
        .collect()
}

/// The observed products that may stand for these local ids.
fn products_of(
    local_ids: &BTreeSet<LocalId>,
    known: &Known,
    options: &Options,
    observed: &Observed,
) -> BTreeSet<ProductId> {
    let marked = observed.products.values().filter(|product| {
        let local_id = product.metadata.get(LOCAL_ID);
        local_id.is_some_and(|local_id| local_ids.contains(local_id.as_str()))
    });
    local_ids
        .iter()
        .flat_map(|id| {
            let bound = known
                .bindings
                .get(id)
                .map(|binding| binding.product_id.clone());
            [bound, Some(options.naming.product_id(id))]
        })
        .flatten()
        .chain(marked.map(|product| product.id.clone()))
        .filter(|id| observed.products.contains_key(id) && !observed.priced.contains(id))
        .collect()
}

/// The lookup keys that a product's prices shall have.
pub(super) fn wanted_keys(target: &Target) -> BTreeSet<String> {
    target
        .prices
        .values()
        .filter_map(|price| price.lookup_key.clone())
        .collect()
}

/// By local id, for the products of a catalog that a run covers.
pub(super) fn targets(catalog: &Catalog, options: &Options) -> BTreeMap<LocalId, Target> {
    let covered = catalog.products.iter().filter(|(id, _)| options.covers(id));
    covered
        .map(|(id, entry)| (id.clone(), Target::new(&entry.product, &options.naming)))
        .collect()
}
