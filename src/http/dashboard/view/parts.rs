//! The small parts that every page is made of.

use askama::Template;
use askama::filters::HtmlSafe;

/// What a thing means to the reader; also the CSS class `tone-…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to say.
    Neutral,
    /// Good, over.
    Ok,
    /// Under way.
    Busy,
    /// A person should look.
    Warn,
    /// Went wrong.
    Bad,
}

impl Tone {
    /// As the style sheet calls it.
    pub fn class(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Ok => "ok",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A picture beside a text that says the same; hidden from screen readers.
#[derive(Clone, Copy, Debug, Template)]
#[template(
    source = r##"<svg class="icon" aria-hidden="true" focusable="false"><use href="#i-{{ name }}"></use></svg>"##,
    ext = "html"
)]
pub struct Icon {
    /// Its name in `partial/icons.html`.
    pub name: &'static str,
}
impl HtmlSafe for Icon {}

/// A state or kind: icon and text, never colour alone.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/badge.html")]
pub struct Badge {
    /// The text.
    pub label: &'static str,
    /// Its picture.
    pub icon: Icon,
    /// Its colour.
    pub tone: Tone,
}
impl HtmlSafe for Badge {}

impl Badge {
    /// A badge.
    pub fn new(label: &'static str, icon: &'static str, tone: Tone) -> Self {
        let icon = Icon { name: icon };
        Self { label, icon, tone }
    }
}

/// A thing of the domain that pages call by a name; what it is stands in `shown`.
pub trait Named: Copy {
    /// In a few words.
    fn label(self) -> &'static str;
}

/// One that has a picture and a colour as well.
pub trait Shown: Copy {
    /// As a badge.
    fn badge(self) -> Badge;
}

impl<T: Shown> Named for T {
    fn label(self) -> &'static str {
        self.badge().label
    }
}

/// A moment: how long ago or until, with the exact time as its title.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/moment.html")]
pub struct Moment {
    /// RFC 3339, `2026-11-23T14:02:11Z`.
    pub iso: String,
    /// `3 min ago`, `in 24 min`. The page keeps it up to date where scripts run.
    pub relative: String,
    /// `2026-11-23 14:02:11 UTC`.
    pub exact: String,
}
impl HtmlSafe for Moment {}

/// An exact amount.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/money.html")]
pub struct Money {
    /// With the currency's own decimals: `1,290.00`; or in words: `3 tiers`.
    pub amount: String,
    /// In upper case: `USD`.
    pub currency: String,
    /// `month`, `3 months`, `year`; empty: charged once.
    pub interval: String,
}
impl HtmlSafe for Money {}

/// A place in the catalog's sources, which may break after each `/`.
#[derive(Clone, Copy, Debug, Template)]
#[template(
    source = r#"<code class="origin">{% for part in self.parts() %}{{ part }}<wbr>{% endfor %}</code>"#,
    ext = "html"
)]
pub struct Place<'a>(
    /// `src/config/pricing/plans.ts:20`.
    &'a str,
);
impl HtmlSafe for Place<'_> {}

impl<'a> Place<'a> {
    /// A place.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    fn parts(&self) -> Vec<&'a str> {
        self.0.split_inclusive('/').collect()
    }
}

/// A sentence in which commands and settings stand between backticks, as messages have
/// them for terminals and logs.
#[derive(Clone, Copy, Debug, Template)]
#[template(
    source = "{% for (i, part) in self.0.split('`').enumerate() %}{% if i % 2 == 1 %}<code>{{ part }}</code>{% else %}{{ part }}{% endif %}{% endfor %}",
    ext = "html"
)]
pub struct Prose<'a>(
    /// The sentence.
    &'a str,
);
impl HtmlSafe for Prose<'_> {}

impl<'a> Prose<'a> {
    /// A sentence.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }
}

/// A run's link: its id is long, and its last characters tell it apart.
#[derive(Clone, Copy, Debug, Template)]
#[template(
    source = r#"<a href="/admin/stripe-sync/runs/{{ self.0 }}"><code title="{{ self.0 }}">{{ self.tail() }}</code></a>"#,
    ext = "html"
)]
pub struct RunLink<'a>(
    /// The run's id.
    &'a str,
);
impl HtmlSafe for RunLink<'_> {}

impl<'a> RunLink<'a> {
    /// A link.
    pub fn new(id: &'a str) -> Self {
        Self(id)
    }

    fn tail(&self) -> &'a str {
        let at = self.0.char_indices().rev().nth(7);
        at.map_or(self.0, |(at, _)| &self.0[at..])
    }
}

/// An id in monospace with a button that copies it.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/id.html")]
pub struct Id {
    /// The id.
    pub value: String,
    /// What it is the id of, for the button's name: `Stripe product id`.
    pub what: &'static str,
    /// Where it leads, in Stripe's dashboard; none in the sandbox.
    pub href: Option<String>,
}
impl HtmlSafe for Id {}

/// One field that differs.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/change.html")]
pub struct Change {
    /// Its path: `description`, `prices[default].amount`.
    pub field: String,
    /// As it is; empty: not set.
    pub from: String,
    /// As it shall be; empty: cleared.
    pub to: String,
}
impl HtmlSafe for Change {}

/// Something that went wrong, or holds back: what happened, to which object, what to do.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/problem.html")]
pub struct Problem {
    /// `STRIPE_REFUSED`; empty where there is none.
    pub reason: String,
    /// What happened, to which object.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
    /// `req_…` of the Stripe call that failed.
    pub stripe_request: Option<Id>,
    /// Its colour: `Bad`, or `Warn` for what only holds back.
    pub tone: Tone,
}
impl HtmlSafe for Problem {}

/// A remark across the page: the answer to what was just done, or an alert.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/notice.html")]
pub struct Notice {
    /// Its colour.
    pub tone: Tone,
    /// In a few words.
    pub title: String,
    /// In a sentence or two; may be empty.
    pub text: String,
    /// Where to go on: address and words.
    pub link: Option<(String, String)>,
}
impl HtmlSafe for Notice {}

impl Notice {
    /// The picture that goes with the tone.
    pub fn icon(&self) -> Icon {
        let name = match self.tone {
            Tone::Neutral => "info",
            Tone::Ok => "check",
            Tone::Busy => "sync",
            Tone::Warn => "warning",
            Tone::Bad => "failed",
        };
        Icon { name }
    }
}

/// What stands where a list would be.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/empty.html")]
pub struct Empty {
    /// Its picture.
    pub icon: Icon,
    /// In a few words.
    pub title: String,
    /// Why, and what would fill the list.
    pub text: String,
    /// Where to go on: address and words.
    pub link: Option<(String, String)>,
}
impl HtmlSafe for Empty {}

/// A choice in a filter.
#[derive(Clone, Debug)]
pub struct Choice {
    /// As the address has it.
    pub value: String,
    /// As people read it.
    pub label: String,
    /// Chosen.
    pub on: bool,
}

/// A link of a filter that is a row of links.
#[derive(Clone, Debug)]
pub struct Tab {
    /// Where it leads.
    pub href: String,
    /// As people read it.
    pub label: String,
    /// How many it shows, where that is known.
    pub count: Option<u64>,
    /// Shown now.
    pub on: bool,
}

/// The ways to the pages of a list.
#[derive(Clone, Debug, Default)]
pub struct Pager {
    /// The first page; none on it.
    pub first: Option<String>,
    /// The next page; none on the last.
    pub next: Option<String>,
}
