//! The command line: what the process is told at its start.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The control plane: plans, pushes, collects, decides.
#[derive(Debug, Parser)]
#[command(name = "phoenix-control-plane", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the process can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until a signal ends it. Pending migrations are applied first.
    Serve(Serve),
    /// Move the schema of the database, or show where it is.
    #[command(subcommand)]
    Migrate(Migrate),
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Where the database and the signing keys lie; made if missing.
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// REST and gRPC, for people.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Enrolment, OpAMP and reports, for agents.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4320")]
    pub fleet_listen: SocketAddr,
    /// A file with the token for the first user's setup; without it, one is made and printed.
    #[arg(long, value_name = "FILE")]
    pub setup_token_file: Option<PathBuf>,
}

/// Where to move the schema.
#[derive(Debug, Subcommand)]
pub enum Migrate {
    /// Apply everything that is pending.
    Up(DataDir),
    /// Take back the last migration, or all above a number.
    Down {
        /// Where.
        #[command(flatten)]
        at: DataDir,
        /// The last migration to keep; 0 keeps none.
        #[arg(long, value_name = "VERSION")]
        to: Option<i64>,
    },
    /// Show each migration and whether it is applied.
    Status(DataDir),
}

/// Which database.
#[derive(Debug, Clone, Args)]
pub struct DataDir {
    /// Where the database lies.
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
}
