//! Log of a process on standard error: lines of text for people, or of JSON for machines.
//!
//! What always holds in JSON: a line is one object, and what an event or a span brings is in `fields` and `spans`, so that nothing
//! hides what is the line's own. `trace_id` and `span_id` alone come up from the spans, because that is where others look for them.

mod json;

use std::io::{self, IsTerminal as _};
use std::panic;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Form of the lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Options of a process about its log.
#[derive(Debug, Clone, Copy, Args)]
pub struct Options {
    /// Form of the log's lines on standard error: text or json
    #[arg(
        long,
        global = true,
        value_enum,
        hide_possible_values = true,
        value_name = "FORM",
        env = "PHOENIX_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: Format,
}

/// Logs what passes the filter to standard error; in JSON panics as well.
pub fn to_stderr(format: Format, filter: EnvFilter) {
    match format {
        Format::Text => {
            let colors = io::stderr().is_terminal();
            tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_ansi(colors)
                .with_writer(io::stderr)
                .init();
        }
        Format::Json => {
            let lines = json::Lines { to: io::stderr };
            tracing_subscriber::registry().with(filter).with(lines).init();
            panic::set_hook(Box::new(|panic| tracing::error!(target: "panic", "{panic}")));
        }
    }
}

/// Writes why a process ends in failure, whatever the filter is.
pub fn failure(format: Format, process: &str, why: &str) {
    match format {
        Format::Text => eprintln!("{process}: {why}"),
        Format::Json => eprintln!("{}", json::failure(process, why)),
    }
}
