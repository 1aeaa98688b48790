//! The node agent: receives OTLP, runs two pipelines on its metrics, and delivers.

mod admin;
mod admission;
mod app;
mod config;
mod config_reader;
mod count;
mod deliver;
mod delivery_ledger;
mod engine;
mod fleet;
mod generation;
mod grpc_status;
mod ledger;
mod memory;
mod meter;
mod net;
mod outbox;
mod own_metrics;
mod process;
mod receive;
mod request;
mod signal;
mod telemetry;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};
use config::ConfigSources;

/// Allocator of a static binary: that of musl takes one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A canary-releasing agent for OTLP telemetry. Its config is a Collector file.
#[derive(Debug, Parser)]
#[command(name = "phoenix-agent", version, args_conflicts_with_subcommands = true)]
struct Args {
    #[command(flatten)]
    log: logs::Options,
    #[command(flatten)]
    run: Option<Config>,
    /// Read the config again on SIGHUP alone, and not when its files have changed
    #[arg(long, requires = "config")]
    no_watch: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Args)]
struct Config {
    /// The config: a file, `file:PATH`, `env:NAME` or `yaml:TEXT`. Of several each goes over those before it.
    #[arg(long, value_name = "FILE", required = true)]
    config: Vec<String>,
    /// One property over all of those, for example `processors.batch.timeout=2s`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl From<Config> for ConfigSources {
    fn from(Config { config, set }: Config) -> Self {
        Self { config, set }
    }
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check a config without running it; exits with 2 and every problem if it cannot be used.
    Validate(Config),
    /// Print the receivers, processors, exporters and extensions that the agent has.
    Components,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match (args.command, args.run) {
        (Some(Command::Validate(config)), _) => process::validate(config.into()),
        (Some(Command::Components), _) => process::components(),
        (None, Some(config)) => process::run(config.into(), !args.no_watch, args.log.log_format),
        (None, None) => {
            let missing = clap::error::ErrorKind::MissingRequiredArgument;
            Args::command().error(missing, "say --config FILE, or a command").exit()
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            logs::failure(args.log.log_format, "phoenix-agent", &format!("{failure:#}"));
            failure.exit_code()
        }
    }
}
