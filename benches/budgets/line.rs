//! A budget, and what was measured of it.

/// One line of the table.
pub(crate) struct Line {
    what: String,
    measured: String,
    yardstick: String,
    ratio: f64,
    must: String,
    is_kept: bool,
}

/// What was measured, and in what.
#[derive(Clone, Copy)]
pub(crate) struct Figure(pub(crate) f64, pub(crate) &'static str);

impl Figure {
    fn text(self) -> String {
        let Self(number, unit) = self;
        let digits = match number.abs() {
            size if size >= 100.0 || number.fract() == 0.0 => 0,
            size if size >= 1.0 => 2,
            _ => 3,
        };
        format!("{number:.digits$} {unit}").trim_end().to_owned()
    }
}

/// What is promised.
#[derive(Clone, Copy)]
pub(crate) enum Must {
    /// Of the ratio.
    BeAtLeast(f64),
    /// Of the ratio.
    BeAtMost(f64),
    /// Of the figure itself.
    StayBelow(f64),
    /// Nothing: it is there to be read.
    BeTold,
}

impl Line {
    /// `yardstick` was measured in the same run, and is named.
    pub(crate) fn new(
        what: impl Into<String>,
        measured: Figure,
        yardstick: (Figure, &str),
        must: Must,
    ) -> Self {
        let (of, name) = yardstick;
        let ratio = measured.0 / of.0;
        let (must, is_kept) = match must {
            Must::BeAtLeast(least) => (format!("ratio >= {least:.3}"), ratio >= least),
            Must::BeAtMost(most) => (format!("ratio <= {most:.3}"), ratio <= most),
            Must::StayBelow(most) => {
                let limit = Figure(most, measured.1).text();
                (format!("< {limit}"), measured.0 < most)
            }
            Must::BeTold => (String::new(), true),
        };
        Self {
            what: what.into(),
            measured: measured.text(),
            yardstick: format!("{} ({name})", of.text()),
            ratio,
            must,
            is_kept,
        }
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// A row in Markdown, as `TITLES` has it.
    pub(crate) fn row(&self) -> String {
        let kept = match (self.must.is_empty(), self.is_kept) {
            (true, _) => "",
            (false, true) => "kept",
            (false, false) => "**missed**",
        };
        format!(
            "| {} | {} | {} | {:.3} | {} | {kept} |",
            self.what, self.measured, self.yardstick, self.ratio, self.must
        )
    }
}

pub(crate) const TITLES: &str =
    "| what | measured | yardstick | ratio | must be | |\n|---|---|---|---|---|---|";
