//! Answers to senders: given once a request is queued, or once it is delivered.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::deliver::Outcome;
use crate::request::{Answer, Refusal};

/// Time that an answer waits for delivery when the sender sets no deadline of its own: less than the
/// five seconds a Collector gives an attempt, so that it hears the answer.
const DELIVERY_DEADLINE: Duration = Duration::from_secs(4);

/// Moment at which a sender is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcknowledgeMode {
    /// Once the request is queued.
    OnAccept,
    /// Once the destinations settled it.
    OnDelivery,
}

impl AcknowledgeMode {
    /// Its name in the config and in `/health`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnAccept => "on_accept",
            Self::OnDelivery => "on_delivery",
        }
    }
}

/// Outcomes that an answer waits for; none when it does not wait.
#[derive(Debug, Default)]
pub struct PendingOutcomes {
    outcomes: Vec<oneshot::Receiver<Outcome>>,
    /// Those of a share that has not been sent yet.
    of_share: Option<oneshot::Receiver<PendingOutcomes>>,
}

impl PendingOutcomes {
    /// Adds an outcome to wait for, if the mode waits, and returns its channel.
    pub fn add(&mut self, mode: AcknowledgeMode) -> Option<oneshot::Sender<Outcome>> {
        (mode == AcknowledgeMode::OnDelivery).then(|| {
            let (done, wait) = oneshot::channel();
            self.outcomes.push(wait);
            done
        })
    }

    /// Adds the outcomes of a share that is sent later, if the mode waits, and returns their channel.
    pub fn add_share(&mut self, mode: AcknowledgeMode) -> Option<oneshot::Sender<Self>> {
        (mode == AcknowledgeMode::OnDelivery).then(|| {
            let (sent, wait) = oneshot::channel();
            self.of_share = Some(wait);
            sent
        })
    }

    /// Waits for all of them, a little less long than the sender does.
    ///
    /// # Errors
    /// [`Refusal::Undelivered`] if one failed, or is late: it stays queued then.
    pub async fn settled(self, deadline: Option<Duration>) -> Result<Answer, Refusal> {
        if self.outcomes.is_empty() && self.of_share.is_none() {
            return Ok(Answer::default());
        }
        let patience = deadline.map_or(DELIVERY_DEADLINE, |deadline| deadline.mul_f64(0.8));
        let late = || Refusal::Undelivered(format!("not within {patience:?}; still queued, do not retry"));
        tokio::time::timeout(patience, self.all()).await.unwrap_or_else(|_| Err(late()))
    }

    async fn all(self) -> Result<Answer, Refusal> {
        let mut answer = Answer::default();
        let Self { mut outcomes, of_share } = self;
        if let Some(share) = of_share {
            let stops = |_| Refusal::Undelivered("the agent is shutting down".into());
            outcomes.extend(share.await.map_err(stops)?.outcomes);
        }
        for wait in outcomes {
            match wait.await {
                Ok(Outcome::Delivered { rejected, message }) => {
                    // Of several destinations' rejections the largest is told: the same points may be
                    // in each of them.
                    answer.rejected = answer.rejected.max(rejected);
                    if answer.message.is_empty() {
                        answer.message = message;
                    }
                }
                Ok(Outcome::Failed(reason)) => return Err(Refusal::Undelivered(reason)),
                Err(_) => return Err(Refusal::Undelivered("the agent is shutting down".into())),
            }
        }
        Ok(answer)
    }
}
