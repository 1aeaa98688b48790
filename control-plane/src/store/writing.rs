//! The disk under the store: what happens where it cannot be written, and whether it can.
//!
//! On a full disk SQLite takes the whole transaction back by itself. sqlx does not hear of it: its own count says that one
//! is still open, and it refuses every later one on that connection. So a connection that comes back with a transaction
//! is closed, and the next change opens another.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Store, StoreError};

/// Time for which an answer about the disk stands.
const FRESH: Duration = Duration::from_secs(1);
/// SQLite's primary result codes READONLY, IOERR, FULL and CANTOPEN.
const OF_THE_DISK: [i32; 4] = [8, 10, 13, 14];

/// Time and outcome of the last look whether the disk can be written.
pub(super) type LastCheck = Arc<Mutex<Option<(Instant, Result<(), String>)>>>;

/// Tells whether a result code, extended or not, speaks of the disk.
pub(super) fn is_of_the_disk(code: &str) -> bool {
    code.parse().is_ok_and(|code: i32| OF_THE_DISK.contains(&(code & 0xff)))
}

/// Closes a connection that is given back in the midst of a transaction.
pub(super) fn closing_what_is_stuck(pool: SqlitePoolOptions) -> SqlitePoolOptions {
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

impl Store {
    /// Checks that the disk can be written, by writing a page to it; at most once a second, whoever asks.
    ///
    /// # Errors
    /// Why not.
    pub async fn check_writing(&self) -> Result<(), String> {
        let mut last = self.last_check.lock().await;
        if let Some((at, outcome)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return outcome.clone();
        }
        let outcome = self.write_a_page().await.map_err(|error| match error.unwritable() {
            Some(why) => why.to_owned(),
            None => error.to_string(),
        });
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }

    /// The number that SQLite keeps for its user, and that nobody uses: setting it writes the first page and changes no
    /// row of anybody.
    async fn write_a_page(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("PRAGMA user_version = 0").execute(&mut *tx).await?;
        tx.commit().await
    }
}
