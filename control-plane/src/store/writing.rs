//! The look whether the store can be written, which is not taken more often than it must be.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Engine, Store};

/// Time for which an answer stands.
const FRESH: Duration = Duration::from_secs(1);

/// Time and outcome of the last look.
pub(super) type LastCheck = Arc<Mutex<Option<(Instant, Result<(), String>)>>>;

impl Store {
    /// Checks that the store can be written, on SQLite by writing a page; at most once a second, whoever asks.
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
        let checked = match &self.engine {
            Engine::Sqlite(pools) => pools.write_a_page().await,
            Engine::Postgres(pools) => pools.check_writing().await,
        };
        let outcome = checked.map_err(|error| match error.unwritable() {
            Some(why) => why.to_owned(),
            None => error.to_string(),
        });
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }
}
