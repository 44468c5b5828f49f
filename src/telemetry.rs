//! Log lines, on stderr. A line's message is constant, what varies is in fields.

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogLevel};

/// How log lines are written.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Their shape.
    pub format: LogFormat,
    /// The least severe ones.
    pub level: LogLevel,
    /// Whether stderr is a terminal: decides [`LogFormat::Auto`].
    pub terminal: bool,
    /// Whether the pretty ones have colours.
    pub color: bool,
}

impl Options {
    /// Whether lines are JSON.
    pub fn is_json(self) -> bool {
        match self.format {
            LogFormat::Auto => !self.terminal,
            LogFormat::Json => true,
            LogFormat::Pretty => false,
        }
    }
}

/// Starts logging, once for the process; a second call changes nothing.
pub fn init(options: Options) {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter(options.level)))
        .with_writer(std::io::stderr)
        .with_ansi(options.color);
    let _already_started = if options.is_json() {
        subscriber
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init()
    } else {
        subscriber.with_target(false).try_init()
    };
}

/// Our own lines at this level. Those of libraries only from `warn` on: their
/// details are of use to nobody who runs this.
fn filter(level: LogLevel) -> String {
    let others = match level {
        LogLevel::Error => "error",
        LogLevel::Warn | LogLevel::Info | LogLevel::Debug => "warn",
        LogLevel::Trace => "debug",
    };
    format!("{others},stripe_product_sync={level}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_quieter_than_we_are() {
        assert_eq!(filter(LogLevel::Info), "warn,stripe_product_sync=info");
        assert_eq!(filter(LogLevel::Error), "error,stripe_product_sync=error");
        for level in [LogLevel::Error, LogLevel::Warn, LogLevel::Trace] {
            assert!(EnvFilter::builder().parse(filter(level)).is_ok());
        }
    }

    #[test]
    fn auto_is_pretty_on_a_terminal() {
        let options = |terminal| Options {
            format: LogFormat::Auto,
            level: LogLevel::Info,
            terminal,
            color: false,
        };
        assert!(!options(true).is_json());
        assert!(options(false).is_json());
    }
}
