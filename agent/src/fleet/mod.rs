//! The session with the fleet's control plane: enrolls, receives what to run, reports what was measured.
//!
//! What always holds: the data path never waits for anything here, and nothing here changes what a node's file
//! decides alone (receivers, destinations, secrets). Losing the control plane changes nothing in flight; both
//! channels come back by themselves, with waits that grow and are jittered.

mod credential;
mod enroll;
mod message;
mod reports;
mod session;
mod settings;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

pub use settings::{ControlPlane, Token};

use crate::net::{Backoff, RetrySettings};
use crate::outbox::Outbox;
use crate::telemetry::Health;
use credential::Credential;

/// A generation that the control plane wants to see in force.
#[derive(Debug)]
pub struct Offer {
    /// The body, as it was pushed.
    pub body: String,
    /// Channel for its outcome.
    pub answer: oneshot::Sender<Outcome>,
}

/// Outcome of an offer; the reason of a refusal is for a person.
pub type Outcome = Result<(), String>;

/// Identity of this agent.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its uid, a UUIDv7 in text: as long as the data directory lives.
    pub uid: String,
    /// Identity of this process, a UUIDv7 in text.
    pub boot_id: String,
    /// Start time of the process, Unix nanoseconds.
    pub started: u64,
    /// Labels that its owner gave it.
    pub labels: BTreeMap<String, String>,
    /// Name of its host.
    pub host: String,
}

/// Generation that the agent runs, for the control plane to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActiveGeneration {
    /// Number of the generation.
    pub generation: u64,
    /// The pushed body in force, if it came from a control plane.
    pub body: Option<String>,
    /// Digest of the plan in charge, in hexadecimal.
    pub baseline: String,
}

/// Shared state of both channels.
#[derive(Debug)]
pub struct Fleet {
    /// Address of the control plane.
    pub control_plane: ControlPlane,
    /// Identity of this agent.
    pub identity: Identity,
    /// Place of the credential.
    pub data_dir: PathBuf,
    /// Reports to send.
    pub outbox: Arc<Outbox>,
    /// Health of this agent.
    pub health: Arc<Health>,
    /// Generation in force.
    pub in_force: watch::Receiver<ActiveGeneration>,
    /// Channel of offers.
    pub offers: mpsc::Sender<Offer>,
}

/// Waits between attempts to reach the control plane.
const RETRY: RetrySettings = RetrySettings {
    enabled: true,
    initial_interval: Duration::from_millis(250),
    multiplier: 1.6,
    randomization_factor: 0.5,
    max_interval: Duration::from_secs(15),
    max_elapsed_time: Duration::ZERO,
};

impl Fleet {
    /// Enrolls if need be, then keeps both channels open until it is dropped or the control plane turns the
    /// credential away; then it enrolls anew.
    pub async fn run(self) {
        let fleet = Arc::new(self);
        let mut backoff = Backoff::new(RETRY);
        loop {
            match enroll::credential(&fleet).await {
                Ok(credential) => {
                    fleet.serve(credential).await;
                    tracing::warn!("the control plane does not know this agent's credential; enrolling anew");
                }
                Err(error) => {
                    tracing::warn!(%error, "not enrolled with the control plane");
                    fleet.health.update(|condition| condition.control_plane = Some(error.to_string()));
                }
            }
            pause(&mut backoff, None).await;
        }
    }

    /// Serves both channels, until one of them is told that the credential is none.
    async fn serve(self: &Arc<Self>, credential: Credential) {
        let credential = Arc::new(credential);
        let mut channels = JoinSet::new();
        channels.spawn(session::keep(Arc::clone(self), Arc::clone(&credential)));
        channels.spawn(reports::keep(Arc::clone(self), Arc::clone(&credential)));
        let _unauthorized_or_a_panic = channels.join_next().await;
        if let Err(error) = credential.forget(&self.data_dir) {
            tracing::error!(%error, "the credential cannot be removed");
        }
    }
}

/// Waits before the next attempt; `asked` is what the control plane asked for.
async fn pause(backoff: &mut Backoff, asked: Option<Duration>) {
    let wait = backoff.next(Duration::ZERO, asked, rand::random());
    tokio::time::sleep(wait.unwrap_or(RETRY.max_interval)).await;
}

#[cfg(test)]
mod tests;
