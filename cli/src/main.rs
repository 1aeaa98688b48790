//! The `phoenix` command: one file per subcommand.

mod counts_endpoint;
mod demo;
mod output;
mod simulate;
mod sink;
mod stop;

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
    Simulate(simulate::Args),
    Sink(sink::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("phoenix: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::run(args).await,
            Command::Simulate(args) => simulate::run(args).await,
            Command::Sink(args) => sink::run(args).await,
        }
    })
}
