//! State that every handler and reconciler shares.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::anchor::Anchors;
use crate::auth::Auth;
use crate::checks::Checks;
use crate::clock::{Clock, Entropy};
use crate::gather::Gather;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::node::NodeTimes;
use crate::outgoing::Outgoing;
use crate::plans::PlanDigests;
use crate::replica::Replica;
use crate::seal::Seal;
use crate::sso::Sso;
use crate::store::reports::{Come, Outcome};
use crate::store::statuses::{Heard, Known};
use crate::store::{Store, StoreError, Tx, replicas};
use crate::traces::Traces;
use crate::walks::Walks;

/// One per process.
#[derive(Debug)]
pub struct Shared {
    /// Store of all state.
    pub store: Store,
    /// Clock.
    pub clock: Clock,
    /// Source of secrets and ids.
    pub entropy: Entropy,
    /// Anchors of the audit chains.
    pub anchors: Anchors,
    /// Authentication.
    pub auth: Auth,
    /// Key that seals what must be read again.
    pub seal: Seal,
    /// Maker of calls to servers that people name.
    pub outgoing: Outgoing,
    /// The identity provider, if there is one.
    pub sso: Option<Sso>,
    /// Checks of what people bring, a few at once.
    pub checks: Checks,
    /// Digests of the plans that agents are to run.
    pub plans: PlanDigests,
    /// Time for which the agents of a wave run a new content before the next wave is offered it.
    pub trial: Duration,
    /// The most experiments of a tenant that are under way.
    pub max_running: usize,
    /// Time after which the horizons of five minutes, which are put together, are put into those of an hour.
    pub merge_by_hour_after: Duration,
    /// Times of nodes and their agents.
    pub nodes: NodeTimes,
    /// What agents tell of themselves, to be stored.
    pub statuses: Gather<Heard, Result<Known, StoreError>>,
    /// Horizons of what varies by chance that were walked before.
    pub walks: Walks,
    /// Reports of agents, to be filed.
    pub reports: Gather<Come, Outcome>,
    /// This process among those that serve from the store.
    pub replica: Replica,
    /// Connected agents, and those who wait to be woken.
    pub hub: Hub,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Traces of this process's own work.
    pub traces: Traces,
    /// Turns true when the end has begun.
    pub(crate) stopping: watch::Receiver<bool>,
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

    /// Returns when the process is about to end.
    pub async fn stopped(&self) {
        // An error is the sender's end, and that is the process's.
        let _ended = self.stopping().wait_for(|stop| *stop).await.is_ok();
    }
}

impl AppState {
    /// Tells whether this process decides, as the transaction sees it. Whoever decides asks before it commits: then nothing is
    /// decided by one that was late and has been replaced.
    ///
    /// # Errors
    /// The store's.
    pub async fn decides(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        match self.replica.epoch() {
            Some(_) if self.replica.alone => Ok(true),
            Some(epoch) => replicas::decides(tx, &self.replica.id, epoch).await,
            None => Ok(false),
        }
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
