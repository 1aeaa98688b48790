//! `phoenix-control-plane`: serves, or moves its schema.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use control_plane::config::{Cli, Command};
use control_plane::{copying, process};
use tokio::runtime::Runtime;

/// Allocator of a static binary: that of musl takes one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    process::log_to_stderr(cli.log.log_format.unwrap_or_default());
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            logs::failure(cli.log.log_format, "phoenix-control-plane", &process::told(&failure));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        match &cli.command {
            Command::Serve(config) => process::serve(config).await,
            Command::Migrate(command) => process::migrate(command).await,
            Command::Backup { data_dir, database, to } => {
                copying::backup(&database.or_in(data_dir), to).await
            }
            Command::Restore { from, data_dir } => copying::restore(from, data_dir).await,
            Command::AuditKey { data_dir, begin } => process::audit_key(data_dir, *begin),
            Command::Move { from, to } => copying::move_to_server(from, to).await,
        }
    })
}
