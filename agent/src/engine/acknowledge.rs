//! Answers to senders: given once a request is queued, once it is on disk, or once it is delivered.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::deliver::{Awaited, Kept, Outcome};
use crate::request::{Answer, Refusal};

/// Time that an answer waits for delivery when the sender sets no deadline of its own: less than the
/// five seconds a Collector gives an attempt, so that it hears the answer.
const DELIVERY_DEADLINE: Duration = Duration::from_secs(4);

/// Moment at which a sender is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "they are the names that a config has")]
pub enum AcknowledgeMode {
    /// Once the request is queued.
    OnAccept,
    /// Once it is in the queues on disk, of the destinations that have one.
    OnPersist,
    /// Once the destinations settled it.
    OnDelivery,
}

impl AcknowledgeMode {
    /// Its name in the config and in `/health`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnAccept => "on_accept",
            Self::OnPersist => "on_persist",
            Self::OnDelivery => "on_delivery",
        }
    }
}

/// What an answer waits for; nothing when it does not wait.
#[derive(Debug, Default)]
pub struct PendingOutcomes {
    kept: Vec<oneshot::Receiver<Kept>>,
    outcomes: Vec<oneshot::Receiver<Outcome>>,
    /// Those of a share that has not been sent yet.
    of_share: Option<oneshot::Receiver<PendingOutcomes>>,
}

impl PendingOutcomes {
    /// Adds a payload to wait for, as far as the mode waits, and returns its channels.
    pub fn add(&mut self, mode: AcknowledgeMode) -> Awaited {
        let (waits, waits_for_outcome) =
            (mode != AcknowledgeMode::OnAccept, mode == AcknowledgeMode::OnDelivery);
        Awaited {
            kept: waits.then(|| channel(&mut self.kept)),
            settled: waits_for_outcome.then(|| channel(&mut self.outcomes)),
        }
    }

    /// Adds something else to wait for that is written.
    pub fn add_kept(&mut self, kept: Option<oneshot::Receiver<Kept>>) {
        self.kept.extend(kept);
    }

    /// Adds the outcomes of a share that is sent later, if the mode waits, and returns their channel.
    pub fn add_share(&mut self, mode: AcknowledgeMode) -> Option<oneshot::Sender<Self>> {
        (mode != AcknowledgeMode::OnAccept).then(|| {
            let (sent, wait) = oneshot::channel();
            self.of_share = Some(wait);
            sent
        })
    }

    /// Waits for all of them, a little less long than the sender does.
    ///
    /// # Errors
    /// [`Refusal::Unwritten`] if a disk did not take its part, and [`Refusal::Undelivered`] if a destination did not, or is
    /// late and has its part in memory: it stays queued then.
    pub async fn settled(self, deadline: Option<Duration>) -> Result<Answer, Refusal> {
        let Self { mut kept, mut outcomes, of_share } = self;
        if kept.is_empty() && outcomes.is_empty() && of_share.is_none() {
            return Ok(Answer::default());
        }
        let patience = deadline.map_or(DELIVERY_DEADLINE, |deadline| deadline.mul_f64(0.8));
        let end = Instant::now() + patience;
        if let Some(share) = of_share {
            let share = timeout_at(end, share).await.map_err(|_| late(patience))?;
            let share = share.map_err(|_| stopping())?;
            kept.extend(share.kept);
            outcomes.extend(share.outcomes);
        }
        let safety = timeout_at(end, all_kept(kept)).await.map_err(|_| late(patience))??;
        if outcomes.is_empty() {
            return safety
                .unwritten
                .map_or_else(|| Ok(Answer::default()), |why| Err(Refusal::Unwritten(why)));
        }
        match timeout_at(end, all_settled(outcomes)).await {
            Ok(Some(answer)) => answer,
            // What the disk has is delivered whatever becomes of this process: there is nothing else to tell.
            Ok(None) | Err(_) if safety.is_on_disk => Ok(Answer::default()),
            Ok(None) => Err(stopping()),
            Err(_) => Err(late(patience)),
        }
    }
}

/// Where the parts of a request are.
#[derive(Debug)]
struct Safety {
    /// True if all of them are on disk.
    is_on_disk: bool,
    /// Reason for which one is not that should be.
    unwritten: Option<String>,
}

async fn all_kept(kept: Vec<oneshot::Receiver<Kept>>) -> Result<Safety, Refusal> {
    let mut safety = Safety { is_on_disk: true, unwritten: None };
    for wait in kept {
        let kept = wait.await.map_err(|_| stopping())?;
        safety.is_on_disk &= kept == Kept::OnDisk;
        if let Kept::Unwritten(why) = kept {
            safety.unwritten = Some(why);
        }
    }
    Ok(safety)
}

/// Answer once all are settled; nothing if one never will be.
async fn all_settled(outcomes: Vec<oneshot::Receiver<Outcome>>) -> Option<Result<Answer, Refusal>> {
    let mut answer = Answer::default();
    for wait in outcomes {
        match wait.await.ok()? {
            Outcome::Delivered { rejected, message } => {
                // Of several destinations' rejections the largest is told: the same points may be
                // in each of them.
                answer.rejected = answer.rejected.max(rejected);
                if answer.message.is_empty() {
                    answer.message = message;
                }
            }
            Outcome::Failed(reason) => return Some(Err(Refusal::Undelivered(reason))),
        }
    }
    Some(Ok(answer))
}

fn channel<T>(waits: &mut Vec<oneshot::Receiver<T>>) -> oneshot::Sender<T> {
    let (sender, wait) = oneshot::channel();
    waits.push(wait);
    sender
}

fn late(patience: Duration) -> Refusal {
    Refusal::Undelivered(format!("not within {patience:?}; still queued, do not retry"))
}

fn stopping() -> Refusal {
    Refusal::Undelivered("the agent is shutting down".into())
}
