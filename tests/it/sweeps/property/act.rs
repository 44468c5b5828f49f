//! What happens to a service between two syncs, and the syncs themselves: a
//! history, made from a seed. Every act can be left out of it, and what it is
//! about is picked when it happens.

use super::shop::{Edit, SLOTS};

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// The catalog's product in a slot changes.
    Catalog(usize, Edit),
    /// Somebody does something in Stripe; the number picks the object.
    Hand(Hand, usize),
    /// A sync, disturbed or not, whatever comes of it.
    Sync(Sync),
    /// The configuration is another from here on.
    Config(Config),
    /// A copy of the database is put aside.
    Backup,
    /// The database is one of the copies again.
    Restore(usize),
    /// The database is gone.
    LoseDatabase,
    /// So many hours pass.
    Later(u32),
}

/// What people and other programs do in Stripe.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hand {
    FlipProduct,
    /// A default price has to give up that place first.
    FlipPrice,
    Rename,
    Describe,
    ClearText,
    Features,
    Nickname,
    Tax,
    Currency,
    /// A key of a partner's; it has to stay.
    Note,
    NotePrice,
    /// One of the catalog's own keys.
    Meta,
    DropMark(usize),
    DropPriceMark(usize),
    /// Says that a product of ours is another catalog's.
    MarkAsOthers,
    MoveDefault,
    ClearDefault,
    /// A lookup key goes to another price of ours.
    MoveKey,
    /// A price that nobody marked, on a product of ours.
    AddPrice,
    /// A partner's price takes over a lookup key.
    StealKey,
    /// A copy of a product of ours, marks and all.
    Twin,
    /// As older code left it: a random id, only a `localId`, no default price.
    Legacy(usize, usize),
    /// A partner's product where ours would be.
    OnOurId(usize),
    /// Another catalog's product for the same local id; maybe with our lookup key.
    Partner(usize, bool),
    /// A product is deleted, as the dashboard deletes it.
    Delete,
    /// All of the account's test data.
    Wipe,
}

/// How a sync is asked for, and what disturbs it.
#[derive(Clone, Debug, Default)]
pub(super) struct Sync {
    /// Only this slot's product.
    pub(super) only: Option<usize>,
    pub(super) force: bool,
    pub(super) dry: bool,
    pub(super) accept: bool,
    /// The clock asks for it: it lists the account.
    pub(super) daily: bool,
    /// The process dies after so many calls and commits.
    pub(super) killed_after: Option<usize>,
    pub(super) fault: Option<&'static str>,
    /// What an earlier process left is gone on with.
    pub(super) resume: bool,
    pub(super) side_by_side: bool,
}

/// What can be configured otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) enum Config {
    LookupKeys(bool),
    ArchiveRemoved(bool),
    RepairDrift(bool),
    CatalogId(&'static str),
}

const FAULTS: [&str; 22] = [
    "POST /v1/products #1: lost-reply",
    "POST /v1/products #1: 500 after",
    "POST /v1/products #1: 500 after saved",
    "POST /v1/products: lost-reply",
    "POST /v1/products/{id} #1: 500 saved",
    "POST /v1/products/{id}: lost-reply",
    "POST /v1/products/{id} #2: 500 after saved",
    "POST /v1/products/{id}: lost-request",
    "POST /v1/prices #1: 500 after",
    "POST /v1/prices #1: 500 after saved",
    "POST /v1/prices #1: 500 saved",
    "POST /v1/prices: lost-reply",
    "POST /v1/prices #1: html",
    "POST /v1/prices/{price} #1: 500",
    "POST /v1/prices/{price}: lost-reply",
    "POST /v1/prices/{price} #2: 500 saved",
    "GET /v1/prices #1: truncated",
    "GET /v1/products: 500",
    "* every 3: lost-reply",
    "* every 4: cut",
    "* every 5: lost-request",
    "* every 3: 500 after saved",
];

/// A history and how it is judged at its end.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) acts: Vec<Act>,
    /// Whether the last sync lists the account.
    pub(super) listed: bool,
    pub(super) side_by_side: bool,
}

/// What one history is about: few things, so that they meet.
struct Theme {
    slots: usize,
    edits: Vec<Edit>,
    hands: Vec<Hand>,
    /// Of a hundred: the catalog, people, syncs, the configuration, the
    /// database, the time.
    weights: [u8; 6],
}

impl Theme {
    fn new(rng: &mut fastrand::Rng) -> Self {
        let slots = [1, 1, 1, 2, 2, SLOTS][rng.usize(0..6)];
        let mut edits: Vec<Edit> = (0..rng.usize(2..6)).map(|_| Edit::any(rng)).collect();
        edits.extend([Edit::Amount(0), Edit::Amount(1)]);
        let weights = [
            [36, 26, 24, 4, 7, 3],
            [30, 10, 26, 4, 26, 4],
            [22, 48, 22, 2, 4, 2],
            [28, 14, 26, 24, 5, 3],
        ];
        Self {
            slots,
            edits,
            hands: (0..rng.usize(1..5)).map(|_| hand(rng, slots)).collect(),
            weights: weights[rng.usize(0..weights.len())],
        }
    }

    fn act(&self, rng: &mut fastrand::Rng) -> Act {
        let mut at = rng.u8(0..100);
        let mut kind = 0;
        while at >= self.weights[kind] {
            at -= self.weights[kind];
            kind += 1;
        }
        let slot = rng.usize(0..self.slots);
        match kind {
            0 => Act::Catalog(slot, self.edits[rng.usize(0..self.edits.len())]),
            1 => Act::Hand(
                self.hands[rng.usize(0..self.hands.len())],
                rng.usize(0..1000),
            ),
            2 => Act::Sync(sync(rng)),
            3 => Act::Config(match rng.u8(0..8) {
                0..4 => Config::LookupKeys(rng.bool()),
                4 => Config::ArchiveRemoved(rng.bool()),
                5 | 6 => Config::RepairDrift(rng.bool()),
                _ => Config::CatalogId(["main", "second"][rng.usize(0..2)]),
            }),
            4 => match rng.u8(0..5) {
                0 | 1 => Act::Backup,
                2 | 3 => Act::Restore(rng.usize(0..1000)),
                _ => Act::LoseDatabase,
            },
            _ => Act::Later([1, 19, 21, 25, 80][rng.usize(0..5)]),
        }
    }
}

pub(super) fn history(seed: u64) -> History {
    let mut rng = fastrand::Rng::with_seed(seed);
    let theme = Theme::new(&mut rng);
    let mut acts = Vec::new();
    // What stands there before the first sync.
    for _ in 0..[0, 0, 0, 1][rng.usize(0..4)] {
        let slot = rng.usize(0..theme.slots);
        let hand = match rng.u8(0..4) {
            0 => Hand::OnOurId(slot),
            1 => Hand::Partner(slot, rng.bool()),
            _ => Hand::Legacy(slot, rng.usize(0..4)),
        };
        acts.push(Act::Hand(hand, 0));
    }
    for slot in 0..theme.slots {
        acts.push(Act::Catalog(slot, Edit::Put(rng.u8(0..6))));
    }
    for _ in 0..rng.usize(3..13) {
        acts.push(theme.act(&mut rng));
    }
    History {
        acts,
        listed: rng.bool(),
        side_by_side: rng.bool(),
    }
}

fn sync(rng: &mut fastrand::Rng) -> Sync {
    let mut some = |of_ten: u8| rng.u8(0..10) < of_ten;
    let (only, killed, fault) = (some(1), some(4), some(2));
    let (force, dry, accept, daily) = (some(1), some(1), some(8), some(3));
    let (resume, side_by_side) = (some(5), some(5));
    Sync {
        only: only.then(|| rng.usize(0..SLOTS)),
        force,
        dry: dry && !killed,
        accept,
        daily,
        killed_after: killed.then(|| rng.usize(1..30)),
        fault: fault.then(|| FAULTS[rng.usize(0..FAULTS.len())]),
        resume,
        side_by_side,
    }
}

fn hand(rng: &mut fastrand::Rng, slots: usize) -> Hand {
    let slot = rng.usize(0..slots);
    match rng.u8(0..33) {
        0 | 1 => Hand::FlipProduct,
        2..5 => Hand::FlipPrice,
        5 => Hand::Rename,
        6 => Hand::Describe,
        7 => Hand::ClearText,
        8 => Hand::Features,
        9 => Hand::Nickname,
        10 => Hand::Tax,
        11 => Hand::Currency,
        12 => Hand::Note,
        13 => Hand::NotePrice,
        14 => Hand::Meta,
        15 => Hand::DropMark(rng.usize(0..3)),
        16 => Hand::DropPriceMark(rng.usize(0..3)),
        17 => Hand::MarkAsOthers,
        18..21 => Hand::MoveDefault,
        21 => Hand::ClearDefault,
        22 => Hand::MoveKey,
        23 | 24 => Hand::AddPrice,
        25 => Hand::StealKey,
        26 | 27 => Hand::Twin,
        28 | 29 => Hand::Legacy(slot, rng.usize(0..4)),
        30 => Hand::OnOurId(slot),
        31 => Hand::Partner(slot, rng.bool()),
        _ if rng.bool() => Hand::Delete,
        _ => Hand::Wipe,
    }
}
