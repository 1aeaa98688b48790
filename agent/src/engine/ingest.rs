//! A request's way through the engine: admitted with a slot in every queue, run by its generation's worker or passed
//! on, and sent to its destinations.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use observe::Variant;
use tokio::sync::OwnedSemaphorePermit;

use super::acknowledge::{AcknowledgeMode, PendingOutcomes};
use super::generation::ServingState;
use super::worker::{BatchOutput, RunError};
use super::{Engine, now};
use crate::count;
use crate::deliver::Destination;
use crate::request::{Answer, Payload, ReceivedRequest, Refusal};
use crate::signal::Signal;
use crate::telemetry::ReceiverMetrics;

/// A place in a destination's queue.
#[derive(Debug)]
struct QueueSlot {
    destination: Arc<Destination>,
    slot: OwnedSemaphorePermit,
}

/// Request that may come in, with its slots in the queues, by variant that it can leave by.
#[derive(Debug)]
pub struct AdmittedRequest {
    signal: Signal,
    current: Arc<ServingState>,
    slots: [Vec<QueueSlot>; 2],
}

impl Engine {
    /// Reserves a slot with every destination that a request of `signal` can go to.
    ///
    /// # Errors
    /// [`Refusal::NoPipeline`], [`Refusal::Queue`] or [`Refusal::Stopping`].
    pub fn admit(&self, signal: Signal) -> Result<AdmittedRequest, Refusal> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Refusal::Stopping);
        }
        let current = self.current.load_full();
        let routes = &current.routes;
        let baseline = match signal {
            Signal::Metrics => &routes.metrics,
            Signal::Traces => &routes.traces,
            Signal::Logs => &routes.logs,
        };
        let baseline = reserve(baseline.as_ref().ok_or(Refusal::NoPipeline(signal))?)?;
        let splits = signal == Signal::Metrics && current.generation.splits;
        let candidate = if splits { reserve(&routes.candidate)? } else { Vec::new() };
        Ok(AdmittedRequest { signal, current, slots: [baseline, candidate] })
    }

    /// Takes an admitted request. `deadline` is the sender's own, for an answer that waits.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] and the like before anything happened; [`Refusal::Undelivered`] after.
    pub async fn ingest(
        &self,
        admitted: AdmittedRequest,
        received: ReceivedRequest,
        deadline: Option<Duration>,
        metrics: &ReceiverMetrics,
    ) -> Result<Answer, Refusal> {
        let pending = match admitted.signal {
            Signal::Metrics => self.run(admitted, received, metrics)?,
            Signal::Traces | Signal::Logs => self.pass(admitted, received, metrics)?,
        };
        pending.settled(deadline).await
    }

    /// Hands a request on as it came.
    fn pass(
        &self,
        admitted: AdmittedRequest,
        received: ReceivedRequest,
        metrics: &ReceiverMetrics,
    ) -> Result<PendingOutcomes, Refusal> {
        let items = count::items(admitted.signal, &received.message)?;
        metrics.accepted(admitted.signal, items);
        let mut pending = PendingOutcomes::default();
        if items > 0 {
            let payload = Payload {
                signal: admitted.signal,
                message: received.message,
                wire: received.wire,
                items,
                variant: Variant::Baseline,
                generation: admitted.current.generation.number,
                // Nobody watches what passes through.
                meter: None,
                permit: Arc::new(received.permit),
            };
            let [slots, _] = admitted.slots;
            send(payload, slots, admitted.current.acknowledge, &mut pending);
        }
        Ok(pending)
    }

    /// Runs metrics through their generation's worker, if it has one.
    fn run(
        &self,
        mut admitted: AdmittedRequest,
        received: ReceivedRequest,
        metrics: &ReceiverMetrics,
    ) -> Result<PendingOutcomes, Refusal> {
        let output = loop {
            let current = Arc::clone(&admitted.current);
            let Some(mut worker) = current.generation.worker() else {
                return self.pass(admitted, received, metrics);
            };
            match worker.as_mut() {
                Some(worker) => break worker.run(received.message.clone(), now()),
                // Retired before this request ran: nothing has seen it, so it can still be refused.
                None => admitted = self.admit(admitted.signal)?,
            }
        };
        let mut output = match output {
            Ok(output) => output,
            Err(RunError::Malformed(malformed)) => return Err(Refusal::Invalid(malformed.to_string())),
            Err(error @ RunError::Baseline(_)) => {
                self.metrics.failed(Variant::Baseline);
                tracing::error!(%error, "a batch is lost");
                return Err(Refusal::Undelivered(error.to_string()));
            }
        };
        metrics.accepted(Signal::Metrics, output.points);
        self.note(&output, admitted.current.generation.number);
        self.shadow(&admitted.current, output.shadow.take());
        Ok(leave(output, admitted, received))
    }

    /// Counts what happened to a batch, and reports a candidate that was cut out.
    fn note(&self, output: &BatchOutput, generation: u64) {
        self.metrics.batch(
            output.points,
            [0, 1].map(|i| output.leaving[i].as_ref().map_or(0, |e| e.points)),
            output.unassigned,
        );
        if let Some(why) = &output.cut {
            self.metrics.failed(Variant::Candidate);
            tracing::error!(generation, why, "the candidate failed and is cut out; the baseline goes on");
            self.health.update(|condition| condition.candidate_cut = Some(why.clone()));
        }
    }
}

fn reserve(destinations: &[Arc<Destination>]) -> Result<Vec<QueueSlot>, Refusal> {
    let place = |destination: &Arc<Destination>| {
        let slot = destination.reserve().ok_or_else(|| Refusal::Queue(destination.name().to_owned()))?;
        Ok(QueueSlot { destination: Arc::clone(destination), slot })
    };
    destinations.iter().map(place).collect()
}

/// Sends each variant's share its way. A variant whose share is empty gives its slots back.
fn leave(output: BatchOutput, admitted: AdmittedRequest, mut received: ReceivedRequest) -> PendingOutcomes {
    let BatchOutput { leaving, untouched, .. } = output;
    let whole = untouched.contains(&true);
    let made =
        |i: usize| leaving[i].as_ref().filter(|_| !untouched[i]).map_or(0, |encoded| encoded.bytes.len());
    let kept =
        if whole { received.message.len() + received.wire.as_ref().map_or(0, |w| w.1.len()) } else { 0 };
    received.permit.hold(kept + made(0) + made(1));
    let permit = Arc::new(received.permit);
    drop::<Bytes>(received.message);
    let mut pending = PendingOutcomes::default();
    for ((variant, encoded), slots) in Variant::BOTH.into_iter().zip(leaving).zip(admitted.slots) {
        let Some(encoded) = encoded else { continue };
        let payload = Payload {
            signal: Signal::Metrics,
            message: encoded.bytes,
            wire: received.wire.clone().filter(|_| untouched[variant.index()]),
            items: encoded.points,
            variant,
            generation: admitted.current.generation.number,
            meter: admitted.current.generation.meter.clone(),
            permit: Arc::clone(&permit),
        };
        send(payload, slots, admitted.current.acknowledge, &mut pending);
    }
    pending
}

fn send(
    payload: Payload,
    slots: Vec<QueueSlot>,
    acknowledge: AcknowledgeMode,
    pending: &mut PendingOutcomes,
) {
    for QueueSlot { destination, slot } in slots {
        destination.enqueue(payload.clone(), slot, pending.add(acknowledge));
    }
}
