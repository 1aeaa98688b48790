//! Store of all state: SQLite in the data directory.
//!
//! There is one writer and there are many readers. A change happens in a [`Tx`], which holds the write lock from its
//! beginning, so that what it reads stays true until it commits; a `Tx` that is dropped leaves no trace. Statements are
//! plain SQL with `$1` parameters, which PostgreSQL understands as well, and every one of them takes a tenant.

pub mod agents;
pub mod api_keys;
pub mod audit;
mod column;
pub mod deployments;
pub mod enrollment_tokens;
pub mod experiments;
pub mod generations;
pub mod logins;
mod migrate;
pub mod nodes;
pub mod refusals;
pub mod sessions;
pub mod slices;
pub mod templates;
pub mod tenants;
pub mod trials;
pub mod users;
mod versioned;
pub mod windows;
mod writing;

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};
use thiserror::Error;

use crate::refusal::Refusal;

pub use migrate::MigrationStatus;
use writing::LastCheck;

/// The database's file in the data directory.
const FILE: &str = "phoenix.db";
const READERS: u32 = 4;
/// Time that a statement waits for a lock of another process, and a caller for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connection that statements run on: a [`Tx`] or a [`Reader`] derefs to it.
pub type Connection = sqlx::SqliteConnection;
/// A connection that only reads.
pub type Reader = PoolConnection<Sqlite>;
/// One row of an answer.
pub type Row = sqlx::sqlite::SqliteRow;

/// Reason for which the store did not do it.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The engine's word.
    #[error("the store failed: {0}")]
    Engine(#[from] sqlx::Error),
    /// The schema cannot be brought to where it should be.
    #[error("the schema cannot be migrated: {0}")]
    Migration(#[from] MigrateError),
    /// A row says what this binary never writes.
    #[error("a row of {table} is not understood: {reason}")]
    Row {
        /// Table of the row.
        table: &'static str,
        /// Mistake in it.
        reason: String,
    },
}

impl StoreError {
    /// A row that is not understood.
    pub fn row(table: &'static str, reason: impl ToString) -> Self {
        Self::Row { table, reason: reason.to_string() }
    }

    /// Tells whether a row was refused because another one has its key.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Engine(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// The engine's word, if the file cannot be written: no room, no permission, an error of the disk.
    pub fn unwritable(&self) -> Option<&str> {
        match self {
            Self::Engine(sqlx::Error::Database(error)) => {
                writing::is_of_the_disk(error.code()?.as_ref()).then(|| error.message())
            }
            _ => None,
        }
    }

    /// Tells whether it may go well in a moment: no connection came free in time, or another process holds the lock.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Engine(sqlx::Error::PoolTimedOut) => true,
            Self::Engine(sqlx::Error::Database(error)) => error.message().contains("locked"),
            _ => false,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if let Some(why) = error.unwritable() {
            tracing::error!(%error, "the store cannot be written");
            return Self::unavailable(format!("the store cannot be written: {why}"));
        }
        if error.is_busy() { Self::unavailable("the store is busy") } else { Self::internal(error) }
    }
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    last_check: LastCheck,
}

/// A change: all of it or nothing. Dropping it takes everything back.
#[derive(Debug)]
pub struct Tx(Transaction<'static, Sqlite>);

impl Store {
    /// Opens the database in `data_dir`, or makes it. The schema is left as it is.
    ///
    /// # Errors
    /// The engine's.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(data_dir.join(FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An audit row that was answered for must survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let pool = |connections| {
            SqlitePoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE).idle_timeout(None)
        };
        let writer = writing::closing_what_is_stuck(pool(1)).connect_with(options.clone()).await?;
        let readers = pool(READERS).connect_lazy_with(options.pragma("query_only", "on"));
        Ok(Self { writer, readers, last_check: LastCheck::default() })
    }

    /// Brings the schema up to this binary.
    ///
    /// # Errors
    /// A text that changed since it was applied, a database newer than this binary, and the engine's errors.
    pub async fn migrate_up(&self) -> Result<(), StoreError> {
        migrate::up(&self.writer).await
    }

    /// Takes back every migration above `target`; 0 takes back all.
    ///
    /// # Errors
    /// As [`Self::migrate_up`], and a target that there is not.
    pub async fn migrate_down(&self, target: i64) -> Result<(), StoreError> {
        migrate::down(&self.writer, target).await
    }

    /// Every migration this binary knows, in order.
    ///
    /// # Errors
    /// The engine's.
    pub async fn migration_status(&self) -> Result<Vec<MigrationStatus>, StoreError> {
        migrate::status(&self.writer).await
    }

    /// Begins a change, once every other one has ended.
    ///
    /// # Errors
    /// The engine's; [`StoreError::is_busy`] when the others took too long.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(Tx(self.writer.begin_with("BEGIN IMMEDIATE").await?))
    }

    /// A connection that sees what is committed and cannot write.
    ///
    /// # Errors
    /// The engine's; [`StoreError::is_busy`] when none came free in time.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        Ok(self.readers.acquire().await?)
    }

    /// Waits for what is running and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Tx {
    /// Makes it last.
    ///
    /// # Errors
    /// The engine's; then nothing of it happened.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}

impl Deref for Tx {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}
