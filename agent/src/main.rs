//! The node agent: receives OTLP, runs two pipelines on its metrics, and delivers.

mod admin;
mod admission;
mod app;
mod config;
mod count;
mod deliver;
mod delivery_ledger;
mod engine;
mod fleet;
mod generation;
mod grpc_status;
mod ledger;
mod meter;
mod net;
mod outbox;
mod process;
mod receive;
mod request;
mod signal;
mod telemetry;

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
