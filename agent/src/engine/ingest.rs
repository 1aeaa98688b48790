//! A request's way through the engine: admitted with a slot in every queue, run by its generation's worker or passed
//! on, and sent to its destinations.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use observe::Variant;
use pipelines::batch::Encoded;
use tokio::sync::OwnedSemaphorePermit;

use super::acknowledge::{AcknowledgeMode, PendingOutcomes};
use super::generation::ServingState;
use super::worker::{BatchOutput, CandidateFeed, OpenShare, PendingShare, RunError};
use super::{Engine, now};
use crate::count;
use crate::deliver::{BatchRule, Destination, NoPlace};
use crate::request::{Answer, Payload, ReceivedRequest, Refusal};
use crate::signal::Signal;
use crate::telemetry::ReceiverMetrics;

/// A place in a destination's queue.
#[derive(Debug)]
pub struct QueueSlot {
    /// The destination.
    pub destination: Arc<Destination>,
    /// The place.
    pub slot: OwnedSemaphorePermit,
}

/// Request that may come in, with its slots in the queues, by variant that it can leave by.
#[derive(Debug)]
pub struct AdmittedRequest {
    signal: Signal,
    current: Arc<ServingState>,
    slots: Vec<QueueSlot>,
    /// Places for the candidate's units, by variant; none without a split.
    share: [Vec<QueueSlot>; 2],
}

impl Engine {
    /// Reserves a slot with every destination that a request of `signal` can go to. It has so many bytes, as far as is known.
    ///
    /// # Errors
    /// [`Refusal::NoPipeline`], [`Refusal::Queue`], [`Refusal::Disk`] or [`Refusal::Stopping`].
    pub fn admit(&self, signal: Signal, bytes: usize) -> Result<AdmittedRequest, Refusal> {
        if self.is_stopped() {
            return Err(Refusal::Stopping);
        }
        let current = self.current.load_full();
        let routes = &current.routes;
        let baseline = match signal {
            Signal::Metrics => &routes.metrics,
            Signal::Traces => &routes.traces,
            Signal::Logs => &routes.logs,
        };
        let baseline = baseline.as_ref().ok_or(Refusal::NoPipeline(signal))?;
        let held = current.held.as_ref().filter(|_| signal == Signal::Metrics);
        if let Some(why) = held.and_then(|held| held.log.refusal()) {
            return Err(Refusal::Held(why));
        }
        let slots = reserve(baseline, bytes)?;
        let splits = signal == Signal::Metrics && current.generation.splits;
        // Whichever variant sends the candidate's units has its place.
        let share = if splits {
            [reserve(baseline, bytes)?, reserve(&routes.candidate, bytes)?]
        } else {
            Default::default()
        };
        Ok(AdmittedRequest { signal, current, slots, share })
    }

    /// Takes an admitted request. `deadline` is the sender's own, for an answer that waits.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] and the like before anything happened; [`Refusal::Undelivered`] after.
    pub async fn ingest(
        self: &Arc<Self>,
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
        if admitted.signal == Signal::Metrics {
            self.ring.push(now(), &received.message);
        }
        let mut pending = PendingOutcomes::default();
        if items > 0 {
            let payload = Payload {
                signal: admitted.signal,
                message: received.message,
                wire: received.wire,
                items,
                pipeline: Arc::clone(&self.pipeline),
                variant: Variant::Baseline,
                generation: admitted.current.generation.number,
                // Nobody watches what passes through.
                meter: None,
                permit: Arc::new(received.permit),
            };
            let rule = admitted.current.routes.rules.of(admitted.signal, Variant::Baseline);
            send((payload, rule), admitted.slots, admitted.current.acknowledge, &mut pending);
        }
        Ok(pending)
    }

    /// Runs metrics through their generation's worker, if it has one.
    fn run(
        self: &Arc<Self>,
        mut admitted: AdmittedRequest,
        mut received: ReceivedRequest,
        metrics: &ReceiverMetrics,
    ) -> Result<PendingOutcomes, Refusal> {
        let mut was_repaired = false;
        loop {
            let current = Arc::clone(&admitted.current);
            let Some(mut worker) = current.generation.worker() else {
                return self.pass(admitted, received, metrics);
            };
            let Some(worker) = worker.as_mut() else {
                // Retired before this request ran: nothing has seen it, so it can still be refused.
                admitted = self.admit(admitted.signal, received.message.len())?;
                continue;
            };
            let beside = worker.feed.as_ref().map_or(0, |feed| feed.worker().bytes());
            worker.baseline.press(self.budget.pressure(beside));
            let at = now();
            let output = match worker.run(received.message.clone(), at) {
                Ok(output) => output,
                Err(RunError::Malformed(malformed)) if was_repaired => {
                    return Err(Refusal::Invalid(malformed.to_string()));
                }
                Err(RunError::Malformed(malformed)) => {
                    was_repaired = true;
                    self.repairs.repair(&mut received, &malformed.to_string(), metrics)?;
                    continue;
                }
                Err(error @ RunError::Baseline(_)) => {
                    self.metrics.failed(Variant::Baseline);
                    self.count_lost(&worker.take_lost());
                    tracing::error!(%error, "a batch is lost");
                    return Err(Refusal::Undelivered(error.to_string()));
                }
            };
            metrics.accepted(Signal::Metrics, output.points);
            self.ring.push(at, &received.message);
            self.metrics.batch(output.points, output.leaving.as_ref().map_or(0, |left| left.points));
            if let Some(why) = &output.cut {
                self.cut(why);
            }
            // Before another batch runs, so that the candidate gets them in order.
            let held = self.log_held(&mut worker.baseline);
            if worker.baseline.holds() {
                self.account_baseline(&worker.baseline);
            }
            let mut pending = self.leave(output, admitted, received, worker.feed.as_ref());
            pending.add_kept(held);
            return Ok(pending);
        }
    }

    /// Sends the baseline's share of a batch its way, and leaves the rest to the candidate's worker, with whom units wait.
    /// A share that is empty gives its places back.
    fn leave(
        self: &Arc<Self>,
        output: BatchOutput,
        admitted: AdmittedRequest,
        mut received: ReceivedRequest,
        feed: Option<&CandidateFeed>,
    ) -> PendingOutcomes {
        let BatchOutput { leaving, untouched, fallback, mut job, .. } = output;
        let AdmittedRequest { current, slots, share, .. } = admitted;
        let ServingState { generation, acknowledge, routes, .. } = &*current;
        let size = |encoded: Option<&Encoded>| encoded.map_or(0, |encoded| encoded.bytes.len());
        let whole = received.message.len() + received.wire.as_ref().map_or(0, |wire| wire.1.len());
        let made = if untouched { whole } else { size(leaving.as_ref()) };
        // As much for the candidate's units as the baseline has made of them.
        received.permit.hold(made + size(fallback.as_ref()));
        let permit = Arc::new(received.permit);
        drop::<Bytes>(received.message);
        let mut pending = PendingOutcomes::default();
        if let Some(encoded) = leaving {
            let payload = Payload {
                signal: Signal::Metrics,
                message: encoded.bytes,
                wire: received.wire.filter(|_| untouched),
                items: encoded.points,
                pipeline: Arc::clone(&self.pipeline),
                variant: Variant::Baseline,
                generation: generation.number,
                meter: generation.meter.clone(),
                permit: Arc::clone(&permit),
            };
            let rule = routes.rules.of(Signal::Metrics, Variant::Baseline);
            send((payload, rule), slots, *acknowledge, &mut pending);
        }
        if let (Some(fallback), Some(job)) = (fallback, &mut job) {
            let [first, ..] = &share;
            let owed = fallback.points * first.len() as u64;
            let owed = first.first().map(|slot| slot.destination.owe(owed));
            let open = OpenShare {
                owed,
                engine: Arc::clone(self),
                slots: share,
                generation: Arc::clone(generation),
                rules: routes.rules.metrics,
                acknowledge: *acknowledge,
                outcomes: pending.add_share(*acknowledge),
                permit,
            };
            let share = Arc::new(PendingShare::new(fallback, open));
            job.share = Some(Arc::clone(&share));
            if let Some(feed) = feed {
                self.await_share(share, feed);
            }
        }
        if let Some(feed) = feed {
            if job.is_none() {
                self.metrics.left_out();
            }
            feed.push(job);
        }
        pending
    }

    /// Has the baseline's output leave for the candidate's units if they still wait when their time is over.
    fn await_share(self: &Arc<Self>, share: Arc<PendingShare>, feed: &CandidateFeed) {
        let (engine, worker) = (Arc::clone(self), Arc::clone(feed.worker()));
        let patience = feed.max_added_latency();
        tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            // To go on by turns would send twice what its stages hold.
            if share.fall_back() && worker.keep_apart() {
                engine.cut(&format!("units waited {patience:?} for it; the baseline's output left for them"));
            }
        });
    }

    /// Reports that the candidate is cut out.
    pub(super) fn cut(&self, why: &str) {
        self.metrics.failed(Variant::Candidate);
        tracing::error!(
            generation = self.generation(),
            why,
            "the candidate is cut out; the baseline goes on"
        );
        self.health.update(|condition| condition.candidate_cut = Some(why.to_owned()));
    }
}

fn reserve(destinations: &[Arc<Destination>], bytes: usize) -> Result<Vec<QueueSlot>, Refusal> {
    let place = |destination: &Arc<Destination>| {
        let exporter = || destination.name().to_owned();
        let slot = destination.reserve(bytes).map_err(|none| match none {
            NoPlace::Full => Refusal::Queue(exporter()),
            NoPlace::Disk(why) => Refusal::Disk { exporter: exporter(), why },
        })?;
        Ok(QueueSlot { destination: Arc::clone(destination), slot })
    };
    destinations.iter().map(place).collect()
}

fn send(
    (payload, rule): (Payload, Option<BatchRule>),
    slots: Vec<QueueSlot>,
    acknowledge: AcknowledgeMode,
    pending: &mut PendingOutcomes,
) {
    for QueueSlot { destination, slot } in slots {
        destination.enqueue((payload.clone(), rule), slot, pending.add(acknowledge));
    }
}
