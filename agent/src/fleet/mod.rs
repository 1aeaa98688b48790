//! The session with the fleet's control plane: enrolls, receives what to run, reports what was measured.
//!
//! What always holds: the data path never waits for anything here, and nothing here changes what a node's file
//! decides alone (receivers, destinations, secrets). Losing the control plane changes nothing in flight; both
//! channels come back by themselves, with waits that grow and are jittered. No answer ever deletes a credential: only the
//! control plane's own proof that it knows none of those kept ([`unknown`]) makes the agent enroll anew.

mod credential;
mod enroll;
mod keyring;
mod message;
mod post;
mod reports;
mod session;
mod settings;
mod unknown;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use proto::preview::{PreviewAnswer, PreviewRequest};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

pub use settings::{ControlPlane, Token};

use crate::net::{Backoff, RetrySettings};
use crate::outbox::Outbox;
use crate::telemetry::Health;

/// A generation that the control plane wants to see in force.
#[derive(Debug)]
pub struct Offer {
    /// The body, as it was pushed.
    pub body: String,
    /// Digests of the pipelines that it was compared with, where it was promoted; none where it is for whatever runs.
    pub compared_with: Vec<String>,
    /// Channel for its outcome.
    pub answer: oneshot::Sender<Outcome>,
}

/// A preview that the control plane asks for.
#[derive(Debug)]
pub struct PreviewAsked {
    /// What it asks for.
    pub request: PreviewRequest,
    /// Channel for the answer.
    pub answer: oneshot::Sender<PreviewAnswer>,
}

/// Request of the control plane.
#[derive(Debug)]
pub enum Request {
    /// A generation to run.
    Offer(Offer),
    /// Quarantines to lift, by their ids.
    Lift(Vec<String>),
    /// A candidate to run beside the baseline, without putting it into force.
    Preview(PreviewAsked),
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
    /// Identity of its node, `key=value`, if there is any.
    pub node: Option<String>,
    /// Attributes of its surroundings, by name.
    pub attributes: BTreeMap<String, String>,
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
    /// Id of the pipeline of metrics that experiments are about, if there is one.
    pub pipeline: Option<String>,
    /// True if the node's owner wants nothing that is pushed: `phoenix.experiments` is `refuse`.
    pub refuses: bool,
    /// True if the file's pipeline was changed while the pushed one is in its place.
    pub local_override_pending: bool,
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
    /// The generation that was offered last, if this process does not run it from its start on: OpAMP's hash of it in
    /// hexadecimal, and the reason.
    pub refused: Option<(String, String)>,
    /// Channel of what the control plane asks for.
    pub requests: mpsc::Sender<Request>,
    /// Counter of the answers by which something turned the agent away without the control plane's proof.
    pub turned_away: Counter,
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
    /// Keeps both channels open until it is dropped, and enrolls where it has to.
    pub async fn run(self) {
        let fleet = Arc::new(self);
        let (let_in, credential) = watch::channel(None);
        let mut channels = JoinSet::new();
        channels.spawn(reports::keep(Arc::clone(&fleet), credential));
        channels.spawn(session::keep(fleet, let_in));
        let _ended_by_a_panic = channels.join_next().await;
    }
}

/// Waits before the next attempt; `asked` is what the control plane asked for.
async fn pause(backoff: &mut Backoff, asked: Option<Duration>) {
    let wait = backoff.next(Duration::ZERO, asked, rand::random());
    tokio::time::sleep(wait.unwrap_or(RETRY.max_interval)).await;
}

#[cfg(test)]
mod tests;
