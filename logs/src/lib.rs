//! Log of a process on standard error: lines of text for people, or of JSON for machines.
//!
//! What always holds in JSON: a line is one object, and what an event or a span brings is in `fields` and `spans`, so that nothing
//! hides what is the line's own. `trace_id` and `span_id` alone come up from the spans, because that is where others look for them.

mod json;

use std::io::{self, IsTerminal as _};
use std::panic;
use std::sync::OnceLock;

use clap::{Args, ValueEnum};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// Form of the log of this process, once it has one.
static FORMAT: OnceLock<Format> = OnceLock::new();

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
    /// Form of the log's lines on standard error: text, the default, or json
    #[arg(
        long,
        global = true,
        value_enum,
        hide_possible_values = true,
        value_name = "FORM",
        env = "PHOENIX_LOG_FORMAT"
    )]
    pub log_format: Option<Format>,
}

/// Handle by which the filter of the log is changed.
#[derive(Debug, Clone)]
pub struct Filter(reload::Handle<EnvFilter, Registry>);

impl Filter {
    /// Puts another filter in its place.
    pub fn set(&self, filter: EnvFilter) {
        if let Err(error) = self.0.reload(filter) {
            tracing::warn!(%error, "the filter of the log stays as it is");
        }
    }
}

/// Logs what passes the filter to standard error; in JSON panics as well.
pub fn to_stderr(format: Format, filter: EnvFilter) -> Filter {
    let _first_wins = FORMAT.set(format);
    let (filter, handle) = reload::Layer::new(filter);
    let log = tracing_subscriber::registry().with(filter);
    match format {
        Format::Text => {
            let colors = io::stderr().is_terminal();
            log.with(fmt::layer().with_ansi(colors).with_writer(io::stderr)).init();
        }
        Format::Json => {
            log.with(json::Lines { to: io::stderr }).init();
            panic::set_hook(Box::new(|panic| tracing::error!(target: "panic", "{panic}")));
        }
    }
    Filter(handle)
}

/// Writes why a process ends in failure, whatever the filter is: in the form of its log, or in this one if it has none yet.
pub fn failure(otherwise: Option<Format>, process: &str, why: &str) {
    match FORMAT.get().copied().or(otherwise).unwrap_or_default() {
        Format::Text => eprintln!("{process}: {why}"),
        Format::Json => eprintln!("{}", json::failure(process, why)),
    }
}
