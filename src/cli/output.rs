//! The only place that prints: stdout is data, stderr is talk.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use indicatif::ProgressBar;

use super::exit::{Exit, Failure};
use super::table::{Table, one_line};
use crate::catalog::hides;

/// What stdout holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
    /// Proto3 JSON, for programs.
    Json,
    /// Markdown, for comments and summaries: `sync` only.
    Markdown,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    fn on(self, terminal: bool, no_color: bool) -> bool {
        match self {
            Self::Auto => terminal && !no_color,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// The colours there are; each has a word or a sign beside it that says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Good,
    Change,
    Bad,
    Faint,
    Strong,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "32",
            Self::Change => "33",
            Self::Bad => "31",
            Self::Faint => "2",
            Self::Strong => "1",
        }
    }
}

/// Prints; clones share everything.
#[derive(Clone)]
pub(super) struct Printer {
    shared: Arc<Shared>,
}

struct Shared {
    format: Format,
    progress: bool,
    out_color: bool,
    err_color: bool,
    out_terminal: bool,
    err_terminal: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The first error of stdout, after which nothing more is written there.
    broken: Option<io::Error>,
    bar: Option<ProgressBar>,
}

/// What the flags and the environment say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) format: Format,
    pub(super) color: Color,
    pub(super) no_progress: bool,
    /// `NO_COLOR` is set: <https://no-color.org>
    pub(super) no_color: bool,
}

impl Printer {
    pub(super) fn new(options: Options) -> Self {
        let out_terminal = io::stdout().is_terminal();
        let err_terminal = io::stderr().is_terminal();
        Self {
            shared: Arc::new(Shared {
                format: options.format,
                progress: !options.no_progress,
                out_color: options.color.on(out_terminal, options.no_color),
                err_color: options.color.on(err_terminal, options.no_color),
                out_terminal,
                err_terminal,
                state: Mutex::default(),
            }),
        }
    }

    pub(super) fn format(&self) -> Format {
        self.shared.format
    }

    pub(super) fn is_json(&self) -> bool {
        self.shared.format == Format::Json
    }

    pub(super) fn stdout_is_terminal(&self) -> bool {
        self.shared.out_terminal
    }

    pub(super) fn stderr_is_terminal(&self) -> bool {
        self.shared.err_terminal
    }

    pub(super) fn stderr_has_color(&self) -> bool {
        self.shared.err_color
    }

    /// Whether progress bars are drawn.
    pub(super) fn draws_progress(&self) -> bool {
        self.shared.progress && self.shared.err_terminal
    }

    /// Whether whoever read stdout has gone.
    pub(super) fn is_closed(&self) -> bool {
        self.state().broken.is_some()
    }

    /// Text for stdout in a colour, where stdout has any.
    pub(super) fn paint(&self, paint: Paint, text: &str) -> String {
        painted(self.shared.out_color, paint, text)
    }

    /// One line of data; line breaks in it are kept.
    pub(super) fn line(&self, line: impl AsRef<str>) {
        self.lines([line]);
    }

    /// Lines of data, at once.
    pub(super) fn lines<T: AsRef<str>>(&self, lines: impl IntoIterator<Item = T>) {
        let mut state = self.state();
        if state.broken.is_some() {
            return;
        }
        let bar = state.bar.clone();
        let write = || {
            let mut out = BufWriter::new(io::stdout().lock());
            for line in lines {
                writeln!(out, "{}", safe(line.as_ref()))?;
            }
            out.flush()
        };
        let written = match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        };
        state.broken = written.err();
    }

    /// A table of data.
    pub(super) fn table(&self, table: &Table) {
        self.lines(table.lines());
    }

    /// Talk, in a line of its own.
    pub(super) fn talk(&self, text: impl AsRef<str>) {
        let bar = self.state().bar.clone();
        // Nothing can be done about a stderr that is gone.
        let write = || {
            let _ = writeln!(io::stderr().lock(), "{}", safe(text.as_ref()));
        };
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Talk behind a label: `warning: …`.
    pub(super) fn label(&self, paint: Paint, label: &str, text: &str) {
        let label = painted(self.shared.err_color, paint, &format!("{label}:"));
        self.talk(format!("{label} {text}"));
    }

    pub(super) fn warning(&self, text: &str) {
        self.label(Paint::Change, "warning", text);
    }

    pub(super) fn hint(&self, text: &str) {
        if !text.is_empty() {
            self.label(Paint::Strong, "hint", text);
        }
    }

    pub(super) fn failure(&self, failure: &Failure) {
        self.label(Paint::Bad, "error", &failure.message);
        for line in &failure.details {
            self.talk(format!("  {}", one_line(line)));
        }
        self.hint(&failure.hint);
    }

    /// Lines are printed above this bar from now on.
    pub(super) fn set_bar(&self, bar: Option<ProgressBar>) {
        self.state().bar = bar;
    }

    /// What a command's end is worth once its output had to be written. A reader
    /// that has gone, as in `… | head`, is no failure.
    pub(super) fn finish(&self, exit: Exit) -> Result<Exit, Failure> {
        match &self.state().broken {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
                Exit::Failed,
                format!("the output could not be written: {error}"),
            )),
            Some(_) | None => Ok(exit),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while printing leaves nothing half done.
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn painted(on: bool, paint: Paint, text: &str) -> String {
    match (on, paint) {
        (false, _) | (true, Paint::Plain) => text.to_owned(),
        (true, paint) => format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code()),
    }
}

/// What a terminal may be given. Much of it was written by others: of control
/// characters only line breaks and our own colours are left, and nothing that turns
/// text around.
fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c != '\n' && hides(c)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\n' => shown.push(c),
            '\u{1b}' => match colour(rest.as_str()) {
                Some(code) => {
                    shown.push(c);
                    shown.push_str(code);
                    rest = rest.as_str()[code.len()..].chars();
                }
                None => shown.push(' '),
            },
            c if hides(c) => shown.push(' '),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// What follows an escape where it is one of our own colours.
fn colour(text: &str) -> Option<&str> {
    let code = text.split_inclusive('m').next()?;
    let number = code.strip_prefix('[')?.strip_suffix('m')?;
    ["0", "1", "2", "31", "32", "33"]
        .contains(&number)
        .then_some(code)
}

/// What clap has to say: help and versions on stdout, mistakes on stderr.
pub(super) fn clap(error: &clap::Error) -> Exit {
    // Nothing can be done about a stream that is gone.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Done
    }
}

/// Before there is a printer.
pub(super) fn last_words(text: &str) {
    let _ = writeln!(io::stderr().lock(), "error: {}", safe(text));
}

/// A shell's completions, on stdout.
pub(super) fn completions(shell: clap_complete::Shell, mut command: clap::Command, name: &str) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    // `… | head` is no failure.
    let _ = io::stdout().lock().write_all(&script);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_flag_the_terminal_and_no_color() {
        assert!(Color::Auto.on(true, false));
        assert!(!Color::Auto.on(true, true));
        assert!(!Color::Auto.on(false, false));
        assert!(Color::Always.on(false, true));
        assert!(!Color::Never.on(true, false));
    }

    #[test]
    fn a_terminal_gets_our_colours_and_nothing_else_of_that_sort() {
        let ours = format!("{}\nb", painted(true, Paint::Bad, "a"));
        assert_eq!(safe(&ours), ours);
        assert_eq!(
            safe("a\u{1b}]0;title\u{7}b\u{1b}[2Jc\rd"),
            "a ]0;title b [2Jc d"
        );
        assert_eq!(safe("a\u{9b}31m\u{202e}b\u{1b}[8mc\u{1b}"), "a 31m b [8mc ");
    }

    #[test]
    fn paint_ends_where_the_text_ends() {
        assert_eq!(painted(true, Paint::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(painted(false, Paint::Bad, "x"), "x");
        assert_eq!(painted(true, Paint::Plain, "x"), "x");
    }
}
