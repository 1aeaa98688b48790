//! `phoenix pipeline`: what the language says about a config, without an agent.

mod check;
mod config;
mod explain;
mod export;
mod run;
mod step;
mod template;

use std::process::ExitCode;

/// Check, run and export pipelines, offline.
#[derive(clap::Subcommand)]
pub enum Command {
    Check(check::Args),
    Run(run::Args),
    Export(export::Args),
    #[command(subcommand)]
    Template(template::Command),
}

/// Runs a subcommand; what is wrong with what it was given is said and makes it exit with 1.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(args) => check::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Template(command) => template::run(&command),
    }
}
