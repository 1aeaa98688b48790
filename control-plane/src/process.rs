//! The process around the app: its log, its signals, what it prints.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::app::{self, App, Listening};
use crate::chain_keys::{self, ChainKeys};
use crate::clock::{Clock, Entropy};
use crate::config::{Migrate, Serve};
use crate::store::{MigrationStatus, Schema, StoreError};

/// Logs to stderr in this form, from `info` unless `RUST_LOG` says otherwise.
pub fn log_to_stderr(format: logs::Format) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    logs::to_stderr(format, filter);
}

/// A failure and its causes, each once: many say what caused them by themselves.
pub fn told(failure: &anyhow::Error) -> String {
    let mut told = failure.to_string();
    for cause in failure.chain().skip(1).map(ToString::to_string) {
        if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

/// Serves until a signal.
///
/// # Errors
/// What keeps it from starting.
pub async fn serve(config: &Serve) -> Result<()> {
    let terminate = signal(SignalKind::terminate())?;
    let app = App::build(config, Clock::system(), Entropy::system()).await?;
    announce(&app.listening()?)?;
    app.run(ended(terminate)).await;
    Ok(())
}

/// Moves the schema and shows where it is.
///
/// # Errors
/// The store's.
pub async fn migrate(command: &Migrate) -> Result<()> {
    let (Migrate::Up { at, .. } | Migrate::Down { at, .. } | Migrate::Status(at)) = command;
    let data_dir = at.data_dir.clone().unwrap_or_default();
    let address = at.database.or_in(&data_dir).context("--database or DATABASE_URL")?;
    if at.data_dir.is_some() {
        app::data_dir(&data_dir)?;
    }
    let schema = Schema::open(&address).await.with_context(|| address.to_string())?;
    let moved = move_schema(&schema, command).await.with_context(|| address.to_string());
    schema.close().await;
    let mut stdout = io::stdout().lock();
    for one in moved? {
        let state = if one.applied { "applied" } else { "pending" };
        writeln!(stdout, "{:04}  {state}  {}", one.version, one.name)?;
    }
    Ok(())
}

/// Makes a key of the audit chains.
///
/// # Errors
/// The system's, and a file that holds no keys.
pub fn audit_key(data_dir: &Path, begin: bool) -> Result<()> {
    app::data_dir(data_dir)?;
    let (entropy, now) = (Entropy::system(), Clock::system().now());
    let keys =
        ChainKeys::make(data_dir, now, &entropy, begin).with_context(|| data_dir.display().to_string())?;
    let (id, path) = (keys.newest(), data_dir.join(chain_keys::FILE));
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{} has the key {id}, which signs from the next start on", path.display())?;
    Ok(())
}

async fn move_schema(schema: &Schema, command: &Migrate) -> Result<Vec<MigrationStatus>, StoreError> {
    match command {
        Migrate::Up { admit, .. } => {
            schema.up().await?;
            if let Some(login) = admit {
                schema.admit(login).await?;
            }
        }
        Migrate::Status(_) => {}
        Migrate::Down { to, .. } => {
            let status = schema.status().await?;
            let applied: Vec<i64> = status.iter().filter(|one| one.applied).map(|one| one.version).collect();
            let before_last = applied.iter().rev().nth(1).copied().unwrap_or(0);
            schema.down(to.unwrap_or(before_last)).await?;
        }
    }
    schema.status().await
}

async fn ended(mut terminate: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// One line of JSON on stdout: whoever started it with port 0 learns the ports.
fn announce(listening: &Listening) -> io::Result<()> {
    let line = serde_json::json!({ "listening": listening });
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
