//! Requests that are repaired: counted each, told now and then by the names of the entities whose texts were wrong.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pipelines::batch::{Repaired, repair};

use crate::request::{ReceivedRequest, Refusal};
use crate::telemetry::ReceiverMetrics;

/// Time between two lines about repairs: a sender with a bad text sends it again and again.
const BETWEEN: Duration = Duration::from_secs(10);

/// Log of repairs, a line in [`BETWEEN`].
#[derive(Debug, Default)]
pub struct RepairLog {
    last: Mutex<Option<Instant>>,
}

impl RepairLog {
    /// Repairs a request that cannot be read, for `why`.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] with the reason if there is nothing to repair; [`Refusal::Memory`] if the request as it is then does
    /// not fit.
    pub fn repair(
        &self,
        received: &mut ReceivedRequest,
        why: &str,
        metrics: &ReceiverMetrics,
    ) -> Result<(), Refusal> {
        let Some(repaired) = repair(&received.message, "") else {
            return Err(Refusal::Invalid(why.to_owned()));
        };
        if !received.permit.grow_to(received.message.len() + repaired.message.len()) {
            return Err(Refusal::Memory);
        }
        metrics.repaired(repaired.repairs.count());
        if self.is_due() {
            Self::tell(&repaired, why);
        }
        received.wire = None;
        received.message = repaired.message;
        received.permit.hold(received.message.len());
        Ok(())
    }

    fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= BETWEEN);
        if due {
            *last = Some(Instant::now());
        }
        due
    }

    fn tell(repaired: &Repaired, why: &str) {
        let names = repaired.names.join(", ");
        let (texts, messages) = (repaired.repairs.texts, repaired.repairs.messages);
        tracing::warn!(
            texts,
            messages,
            of = names,
            first = why,
            "a request was repaired: what is not UTF-8 became U+FFFD, what stood twice was merged; nothing else of it changed. \
             Look at the sender"
        );
    }
}
