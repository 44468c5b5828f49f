//! The command line: one file for each command, and what they share.
//!
//! The only place that names concrete adapters. Commands that concern the
//! service talk to it over gRPC wherever it runs, so they behave the same with
//! `--server`, with the process that has the database, and in this process.
//!
//! | file | what it holds |
//! |---|---|
//! | `serve`, `sync`, `validate`, `status`, `watch`, `products`, `push`, `mappings`, `runs` | a command, or a command's part, each |
//! | `schedule`, `events`, `alerts`, `keys`, `migrate`, `check_config`, `healthcheck`, `sandbox` | the same |
//! | `args` | the flags |
//! | `connect`, `reach` | where the service of a command runs, and the way there |
//! | `tls` | the service's certificate |
//! | `local`, `database`, `far_side`, `catalog`, `admission` | the service in this process, from the configuration |
//! | `rotation`, `signals`, `facts` | what a running one follows, and tells of itself |
//! | `follow`, `progress` | a run as it happens, over restarts of the service |
//! | `input` | files that are given |
//! | `run_view`, `format`, `table`, `json`, `markdown` | what is shown |
//! | `output` | the only file that prints |
//! | `exit`, `rpc_error` | exit codes; errors for people |

mod admission;
mod alerts;
mod args;
mod catalog;
mod check_config;
mod connect;
mod database;
mod events;
mod exit;
mod facts;
mod far_side;
mod follow;
mod format;
mod healthcheck;
mod input;
mod json;
mod keys;
mod local;
mod mappings;
mod markdown;
mod migrate;
mod output;
mod products;
mod progress;
mod push;
mod reach;
mod rotation;
mod rpc_error;
mod run_view;
mod runs;
mod sandbox;
mod schedule;
mod serve;
mod signals;
mod status;
mod sync;
mod table;
mod tls;
mod validate;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};

use crate::config::{self, Config, DatabaseAlone, LogFormat, LogLevel, Override, Place, Sources};
use crate::telemetry;
use args::{Cli, Command, Global};
use exit::{Exit, Failure};
use output::{Format, Printer};

/// What is still at work when a command has ended may take so long.
const LAST_MOMENT: Duration = Duration::from_millis(100);

/// Runs the command that these arguments name, the program's own name first. Generic it
/// would be compiled with all that it calls once more for the binary.
pub fn main(args: &[OsString]) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return output::clap(&error).into(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output::last_words(&format!("the program cannot start its threads: {error}"));
            return Exit::Failed.into();
        }
    };
    let sources = Sources::from_process(cli.global.config.clone());
    let no_color = sources.env.get("NO_COLOR");
    let printer = Printer::new(output::Options {
        format: cli.global.output,
        color: cli.global.color,
        no_progress: cli.global.no_progress,
        no_color: no_color.is_some_and(|value| !value.is_empty()),
    });
    let context = Context {
        global: cli.global,
        sources,
        printer: printer.clone(),
        words: args
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
    };
    let command = cli
        .command
        .unwrap_or_else(|| Command::Serve(args::Serve::default()));
    let ended = runtime.block_on(run(command, &context));
    runtime.shutdown_timeout(LAST_MOMENT);
    match ended.and_then(|exit| printer.finish(exit)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            printer.failure(&failure);
            failure.exit.into()
        }
    }
}

async fn run(command: Command, context: &Context) -> Result<Exit, Failure> {
    if context.printer.format() == Format::Markdown && !command.writes_markdown() {
        return Err(Failure::usage("only `sync` writes Markdown").hint("use -o table or -o json"));
    }
    // Boxed: the futures of whole commands are large, and only one is made.
    match command {
        Command::Serve(args) => Box::pin(serve::run(context, &args)).await,
        Command::Sync(args) if args.validate_only => {
            let args = args::Validate {
                max_age: None,
                products: args.products,
            };
            Box::pin(validate::run(context, &args)).await
        }
        Command::Sync(args) => Box::pin(sync::run(context, &args)).await,
        Command::Validate(args) => Box::pin(validate::run(context, &args)).await,
        Command::Status => Box::pin(status::run(context)).await,
        Command::Watch(args) => Box::pin(watch::run(context, &args)).await,
        Command::Products(args) => match &args.change {
            Some(change) => Box::pin(push::run(context, change)).await,
            None => Box::pin(products::run(context, &args)).await,
        },
        Command::Mappings(args) => Box::pin(mappings::run(context, &args)).await,
        Command::Runs(args) => Box::pin(runs::run(context, &args)).await,
        Command::Schedule(args) => Box::pin(schedule::run(context, &args)).await,
        Command::Events(args) => Box::pin(events::run(context, &args)).await,
        Command::Alerts(args) => Box::pin(alerts::run(context, &args)).await,
        Command::Keys(args) => Box::pin(keys::run(context, &args)).await,
        Command::Migrate(args) => Box::pin(migrate::run(context, &args)).await,
        Command::CheckConfig(args) => Box::pin(check_config::run(context, &args)).await,
        Command::Healthcheck => Box::pin(healthcheck::run(context)).await,
        Command::Sandbox(args) => Box::pin(sandbox::run(context, &args)).await,
        Command::Completions(args) => {
            output::completions(args.shell, Cli::command(), "stripe-product-sync");
            Ok(Exit::Done)
        }
    }
}

/// What every command works with.
struct Context {
    global: Global,
    sources: Sources,
    printer: Printer,
    /// The command line, for commands that are shown to be typed next.
    words: Vec<String>,
}

/// How much a command logs unless the configuration says more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Logs {
    /// As `telemetry.log_level` says.
    Service,
    /// From warnings on: people read these commands' output, not their log.
    Command,
}

impl Context {
    /// The configuration, with logging started as it says.
    fn config(&self, logs: Logs, own: Vec<Override>) -> Result<Config, Failure> {
        let mut overrides = self.global.overrides();
        overrides.extend(own);
        let config = config::load(&self.sources, &overrides)?;
        let written = config
            .effective()
            .iter()
            .any(|setting| setting.key == "telemetry.log_level" && setting.place != Place::Default);
        let level = match logs {
            Logs::Service => config.telemetry.log_level,
            Logs::Command if written => config.telemetry.log_level,
            Logs::Command => LogLevel::Warn,
        };
        telemetry::init(self.logging(config.telemetry.log_format, level));
        Ok(config)
    }

    /// Where the database is, for commands that need nothing else.
    fn database(&self) -> Result<DatabaseAlone, Failure> {
        self.log_without_config(LogLevel::Warn);
        Ok(config::load_database(
            &self.sources,
            &self.global.overrides(),
        )?)
    }

    /// Starts logging where no configuration is read.
    fn log_without_config(&self, level: LogLevel) {
        let format = match self.global.log_format {
            None | Some(args::LogFormat::Auto) => LogFormat::Auto,
            Some(args::LogFormat::Json) => LogFormat::Json,
            Some(args::LogFormat::Pretty) => LogFormat::Pretty,
        };
        telemetry::init(self.logging(format, level));
    }

    fn logging(&self, format: LogFormat, level: LogLevel) -> telemetry::Options {
        telemetry::Options {
            format,
            level,
            terminal: self.printer.stderr_is_terminal(),
            color: self.printer.stderr_has_color(),
        }
    }

    /// Says what people must know before anything runs.
    fn notices(&self, config: &Config) {
        for notice in config.notices() {
            self.printer
                .label(output::Paint::Strong, "notice", &notice.to_string());
        }
    }
}
