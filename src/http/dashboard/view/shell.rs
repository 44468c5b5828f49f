//! What surrounds every page.

use super::parts::Notice;

/// The pages of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// How things stand.
    Overview,
    /// What a sync would do.
    Preview,
    /// Runs, and one run.
    Runs,
    /// The catalog and its mappings.
    Products,
    /// Where Stripe and the catalog differ.
    Drift,
    /// What the CRM said that it changed.
    Events,
    /// What happens by itself.
    Schedules,
    /// Settings.
    Configuration,
    /// None of them: errors, login.
    None,
}

impl Page {
    /// Those of the navigation, in order.
    pub const NAV: [Self; 8] = [
        Self::Overview,
        Self::Preview,
        Self::Runs,
        Self::Products,
        Self::Drift,
        Self::Events,
        Self::Schedules,
        Self::Configuration,
    ];

    /// Its name.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Preview => "Preview",
            Self::Runs => "Runs",
            Self::Products => "Products",
            Self::Drift => "Drift",
            Self::Events => "Change events",
            Self::Schedules => "Schedules",
            Self::Configuration => "Configuration",
            Self::None => "",
        }
    }

    /// What follows the prefix in its address.
    pub fn path(&self) -> &'static str {
        match self {
            Self::Overview | Self::None => "",
            Self::Preview => "/preview",
            Self::Runs => "/runs",
            Self::Products => "/products",
            Self::Drift => "/drift",
            Self::Events => "/events",
            Self::Schedules => "/schedules",
            Self::Configuration => "/configuration",
        }
    }

    /// Its picture.
    pub fn icon(&self) -> &'static str {
        match self {
            Self::Overview | Self::None => "home",
            Self::Preview => "diff",
            Self::Runs => "runs",
            Self::Products => "box",
            Self::Drift => "drift",
            Self::Events => "inbox",
            Self::Schedules => "clock",
            Self::Configuration => "sliders",
        }
    }
}

/// Where writes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The built-in sandbox: nothing reaches Stripe.
    Sandbox,
    /// Stripe's test side.
    Test,
    /// Real money.
    Live,
}

impl Mode {
    /// As the style sheet calls it.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Test => "test",
            Self::Live => "live",
        }
    }

    /// Its name.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Sandbox => "Sandbox",
            Self::Test => "Test mode",
            Self::Live => "Live mode",
        }
    }

    /// Its picture.
    pub fn icon(&self) -> &'static str {
        match self {
            Self::Sandbox | Self::Test => "flask",
            Self::Live => "bolt",
        }
    }
}

/// The Stripe account in the header.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name; the id where it has none, empty where it isn't known yet.
    pub name: String,
    /// `acct_…`; empty while it isn't known.
    pub id: String,
    /// Where writes go.
    pub mode: Mode,
    /// Its page in Stripe's dashboard; none in the sandbox.
    pub href: Option<String>,
}

/// Who is logged in.
#[derive(Clone, Debug)]
pub struct User {
    /// The key's name; `this machine` for callers without a key.
    pub name: String,
    /// `viewer`, `emitter`, `operator`, `admin`.
    pub role: &'static str,
    /// Whether there is a login to end.
    pub can_log_out: bool,
}

/// Whether the reader may do a thing.
#[derive(Clone, Debug)]
pub enum Gate {
    /// Yes.
    Open,
    /// No; why, and what it takes.
    Shut(String),
}

impl Gate {
    /// Whether it is shut.
    pub fn shut(&self) -> bool {
        matches!(self, Self::Shut(_))
    }

    /// Why it is shut; empty when it is open.
    pub fn why(&self) -> &str {
        match self {
            Self::Open => "",
            Self::Shut(why) => why,
        }
    }
}

/// In live mode, what has to be typed before anything is written.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// The text to type: the account's name. `None` before Stripe was ever asked whose
    /// key it is: then nothing can be confirmed.
    pub name: Option<String>,
    /// Which form was sent with another text: `sync`, `force`, `apply`; else empty.
    pub wrong_in: &'static str,
}

/// What surrounds a page.
#[derive(Clone, Debug)]
pub struct Shell {
    /// The page's name for the browser's title bar.
    pub title: String,
    /// Which entry of the navigation is current.
    pub page: Page,
    /// The Stripe account; none before login.
    pub account: Option<Account>,
    /// Who is logged in; none before login.
    pub user: Option<User>,
    /// In every form, against requests that other sites make.
    pub csrf: String,
    /// The service's time, RFC 3339: what "3 min ago" is counted from.
    pub now: String,
    /// The answer to what was just done; at most one or two.
    pub notices: Vec<Notice>,
    /// Whether the reader may start, apply and cancel runs and replay events.
    pub operate: Gate,
    /// Whether the reader may pause schedules.
    pub administer: Gate,
    /// Set in live mode.
    pub confirm: Option<Confirm>,
    /// Findings that a person should look at, for the navigation; 0 shows nothing.
    pub findings: u64,
    /// Change events that were given up, for the navigation; 0 shows nothing.
    pub given_up: u64,
}

impl Shell {
    /// Whether writes reach real customers.
    pub fn live(&self) -> bool {
        self.account
            .as_ref()
            .is_some_and(|account| account.mode == Mode::Live)
    }

    /// The mark beside a page's name in the navigation: how many, of what.
    pub fn mark(&self, page: &Page) -> Option<(u64, &'static str)> {
        let (n, of) = match page {
            Page::Drift => (self.findings, "findings"),
            Page::Events => (self.given_up, "given up"),
            Page::Overview
            | Page::Preview
            | Page::Runs
            | Page::Products
            | Page::Schedules
            | Page::Configuration
            | Page::None => (0, ""),
        };
        (n > 0).then_some((n, of))
    }

    /// Whether a page is the current one.
    pub fn is_on(&self, page: &Page) -> bool {
        self.page == *page
    }

    /// Whether no write can be confirmed yet, although each has to be.
    pub fn unconfirmable(&self) -> bool {
        self.confirm
            .as_ref()
            .is_some_and(|confirm| confirm.name.is_none())
    }

    /// Whether the account's name was typed wrongly in a form.
    pub fn confirm_wrong(&self, form: &str) -> bool {
        self.confirm
            .as_ref()
            .is_some_and(|confirm| confirm.wrong_in == form)
    }
}
