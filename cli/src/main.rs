//! The `phoenix` command: one file per subcommand.

mod adopt;
mod calibrate;
mod compare;
mod completions;
mod counts_endpoint;
mod demo;
mod output;
mod pipeline;
mod plan;
mod remote;
mod report;
mod runner;
mod simulate;
mod sink;
mod stop;
mod table;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Allocator of a static binary: that of musl takes one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Canary releases for telemetry pipelines.
#[derive(Parser)]
#[command(name = "phoenix", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Adopt(adopt::Args),
    Calibrate(calibrate::Args),
    Compare(compare::Args),
    Completions(completions::Args),
    Demo(demo::Args),
    #[command(subcommand)]
    Pipeline(pipeline::Command),
    Plan(plan::Args),
    Simulate(simulate::Args),
    Sink(sink::Args),
    #[command(flatten)]
    Remote(remote::Command),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Adopt(args) => adopt::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
        Command::Demo(args) => serve(done(demo::run(args))),
        Command::Pipeline(command) => pipeline::run(command),
        Command::Plan(args) => plan::run(&args),
        Command::Simulate(args) => serve(simulate::run(args)),
        Command::Sink(args) => serve(done(sink::run(args))),
        Command::Remote(command) => serve(remote::run(command)),
    };
    outcome.unwrap_or_else(|error| output::failed(&error, ExitCode::FAILURE))
}

fn serve(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Runtime::new()?.block_on(command)
}

/// A command that is done once it returns.
async fn done(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    command.await.map(|()| ExitCode::SUCCESS)
}
