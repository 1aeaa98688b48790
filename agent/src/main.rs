//! The node agent: receives OTLP, runs two pipelines on its metrics, and delivers.

mod account;
mod admin;
mod admission;
mod app;
mod assignment;
mod config;
mod count;
mod deliver;
mod engine;
mod fleet;
mod ledger;
mod process;
mod receive;
mod signal;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// A canary-releasing agent for OTLP telemetry. Its config is a Collector file.
#[derive(Debug, Parser)]
#[command(name = "phoenix-agent", version)]
struct Args {
    /// The config; reread on SIGHUP.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    process::log_to_stderr();
    match process::run(&args.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("phoenix-agent: {failure:#}");
            failure.exit_code()
        }
    }
}
