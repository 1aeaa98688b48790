//! SQLite: one writer and many readers of a file.
//!
//! On a full disk SQLite takes the whole transaction back by itself. sqlx does not hear of it: its own count says that one
//! is still open, and it refuses every later one on that connection. So a connection that comes back with a transaction
//! is closed, and the next change opens another.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, SqlitePool};

use super::connection::{Connection, Held};
use super::error::Condition;
use super::{PATIENCE, StoreError};

const READERS: u32 = 4;
/// SQLite's primary result codes READONLY, IOERR, FULL and CANTOPEN.
const OF_THE_DISK: [i32; 4] = [8, 10, 13, 14];

/// Class of a result code, extended or not.
pub(super) fn condition(code: &str, message: &str) -> Condition {
    if code.parse().is_ok_and(|code: i32| OF_THE_DISK.contains(&(code & 0xff))) {
        Condition::Unwritable
    } else if message.contains("locked") {
        Condition::Busy
    } else {
        Condition::Other
    }
}

/// Connections to a file.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Pools {
    /// Opens a file, or makes it.
    pub(super) async fn open(file: &Path) -> Result<Self, StoreError> {
        let writer = writer(file).await?;
        let options = options(file).pragma("query_only", "on");
        let readers = pool(READERS).connect_lazy_with(options);
        Ok(Self { writer, readers })
    }

    pub(super) async fn begin(&self) -> Result<Connection, StoreError> {
        Ok(Held::SqliteTx(self.writer.begin_with("BEGIN IMMEDIATE").await?).into())
    }

    pub(super) async fn read(&self) -> Result<Connection, StoreError> {
        Ok(Held::SqliteReader(self.readers.acquire().await?).into())
    }

    /// The moment is that of the first statement.
    pub(super) async fn snapshot(&self) -> Result<Connection, StoreError> {
        Ok(Held::SqliteTx(self.readers.begin_with("BEGIN DEFERRED").await?).into())
    }

    /// Writes the number that SQLite keeps for its user, and that nobody uses: setting it writes the first page and changes no
    /// row of anybody.
    pub(super) async fn write_a_page(&self) -> Result<(), StoreError> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("PRAGMA user_version = 0").execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Rows of an answer that wait to be read. The engine has a thread of its own, and with few of them each is woken for each other's few.
const ROWS: usize = 1_024;

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An audit row that was answered for must survive a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        .row_buffer_size(ROWS)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    let pool = SqlitePoolOptions::new().max_connections(connections);
    // A file is not away between two statements: a connection is taken without asking whether it is there.
    pool.acquire_timeout(PATIENCE).idle_timeout(None).test_before_acquire(false)
}

async fn writer(file: &Path) -> Result<SqlitePool, StoreError> {
    let own = file.to_owned();
    let private = tokio::task::spawn_blocking(move || keep_private(&own)).await;
    if let Err(error) = private.map_err(io::Error::other).and_then(|private| private) {
        tracing::warn!(file = %file.display(), %error, "it is not known that nobody else can read the database");
    }
    Ok(closing_what_is_stuck(pool(1)).connect_with(options(file)).await?)
}

/// Mode of a file that its owner alone reads and writes.
const OWNERS: u32 = 0o600;

/// Makes the file if it is not there, and lets nobody but its owner read it or those beside it, which SQLite makes with its mode. Who
/// may read the lock of migrations may hold it, and so keep every process from its start.
fn keep_private(file: &Path) -> io::Result<()> {
    File::options().create(true).append(true).mode(OWNERS).open(file)?;
    for suffix in ["", "-wal", "-shm", ".migrating", ".serving"] {
        let mut path = file.as_os_str().to_owned();
        path.push(suffix);
        match std::fs::metadata(PathBuf::from(&path)) {
            Ok(known) if known.permissions().mode() & 0o777 != OWNERS => {
                std::fs::set_permissions(path, Permissions::from_mode(OWNERS))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The connection for migrations, and the lock of a file beside the database: the database's own locks are let go and taken
/// again by each migration.
pub(super) async fn migrating(file: &Path) -> Result<(SqlitePool, File), StoreError> {
    let path = file.with_added_extension("migrating");
    let locked = tokio::task::spawn_blocking(move || {
        let lock = File::options().create(true).truncate(false).write(true).mode(OWNERS).open(path)?;
        lock.lock().map(|()| lock)
    });
    let lock = locked.await.map_err(io::Error::other).and_then(|lock| lock);
    Ok((writer(file).await?, lock.map_err(sqlx::Error::Io)?))
}

/// Closes a connection that is given back in the midst of a transaction.
fn closing_what_is_stuck(pool: SqlitePoolOptions) -> SqlitePoolOptions {
    pool.after_release(|connection: &mut SqliteConnection, _| {
        Box::pin(async move {
            // What was dropped is taken back in the background: after this it is.
            connection.ping().await?;
            let stuck = connection.is_in_transaction();
            if stuck {
                tracing::warn!("a change could not be taken back; its connection is closed");
            }
            Ok(!stuck)
        })
    })
}
