//! What every handler and reconciler shares.

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::watch;

use crate::auth::Actor;
use crate::clock::{Clock, Entropy};
use crate::metrics::Metrics;
use crate::rest::Problem;
use crate::store::Store;

/// One per process.
#[derive(Debug)]
pub struct Shared {
    /// Where state lives.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Where secrets and ids come from.
    pub entropy: Entropy,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether the end has begun.
    pub(super) stopping: watch::Receiver<bool>,
}

/// A handle of it.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Shared>);

impl AppState {
    /// The handle.
    pub fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Turns true when the process is about to end: whoever holds a connection or runs a loop ends it then.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.clone()
    }

    /// Who holds this access token.
    ///
    /// # Errors
    /// 401.
    pub async fn actor(&self, _token: &str) -> Result<Actor, Problem> {
        Err(Problem::unauthenticated())
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
