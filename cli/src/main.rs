//! The `phoenix` command: one file per subcommand.

mod counts_endpoint;
mod demo;
mod output;
mod pipeline;
mod remote;
mod simulate;
mod sink;
mod stop;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Canary releases for telemetry pipelines.
#[derive(Parser)]
#[command(name = "phoenix", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    #[command(subcommand)]
    Pipeline(pipeline::Command),
    Simulate(simulate::Args),
    Sink(sink::Args),
    #[command(flatten)]
    Remote(remote::Command),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(args) => serve(demo::run(args)),
        Command::Pipeline(command) => pipeline::run(command),
        Command::Simulate(args) => serve(simulate::run(args)),
        Command::Sink(args) => serve(sink::run(args)),
        Command::Remote(command) => serve(remote::run(command)),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("phoenix: {error:#}");
        ExitCode::FAILURE
    })
}

fn serve(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Runtime::new()?.block_on(command)?;
    Ok(ExitCode::SUCCESS)
}
