//! The `phoenix` command: one file per subcommand.

mod counts_endpoint;
mod demo;
mod output;
mod simulate;
mod sink;
mod stop;

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

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match cli.command {
            Command::Demo(args) => demo::run(args).await,
            Command::Simulate(args) => simulate::run(args).await,
            Command::Sink(args) => sink::run(args).await,
        }
    })
}
