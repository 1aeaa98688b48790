//! Between in and out: admits requests, runs what stands between, and hands on what leaves.
//!
//! Admission is decided before the first stage, on the queues' places and the budget. From then on
//! the agent owns the request and never answers retryably: a retry would pass state already advanced.
//! A request takes one [`Current`] and finishes with it; only one that finds its generation retired
//! before it ran is admitted again, to the next.

mod acknowledge;
mod findings;
mod flush;
mod generation;
mod install;
mod lane;
mod side;
mod trial;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use bytes::Bytes;
use observe::{Evidence, Variant};
use tokio::sync::OwnedSemaphorePermit;

pub use acknowledge::Acknowledge;
use acknowledge::Waits;
use flush::Waiting;
pub use generation::Routes;
use generation::{Current, Generation};
pub use install::Next;
use lane::{Ran, RunError};

use crate::admin::{EngineMetrics, Health, ReceiverMetrics};
use crate::admission::Budget;
use crate::count;
use crate::deliver::{Destination, Payload};
use crate::fleet::Outbox;
use crate::receive::{Answer, Received, Refusal};
use crate::signal::Signal;

/// Engine that receivers hand batches to.
#[derive(Debug)]
pub struct Engine {
    current: ArcSwap<Current>,
    stopping: AtomicBool,
    evidence: Mutex<Option<Evidence>>,
    telling: Telling,
    /// Payloads without a request that wait for room in a queue.
    waiting: Mutex<Vec<Waiting>>,
    budget: Budget,
    health: Arc<Health>,
    metrics: EngineMetrics,
}

/// To whom findings are told, and as whose.
#[derive(Debug)]
pub struct Telling {
    /// Queue in which they wait to be sent.
    pub outbox: Arc<Outbox>,
    /// This process, a UUIDv7 in text.
    pub boot_id: String,
}

/// A place in a destination's queue.
#[derive(Debug)]
struct Place {
    destination: Arc<Destination>,
    slot: OwnedSemaphorePermit,
}

/// A request that may come in: its places in the queues, for each variant it can leave by.
#[derive(Debug)]
pub struct Ticket {
    signal: Signal,
    current: Arc<Current>,
    places: [Vec<Place>; 2],
}

impl Engine {
    /// An engine that takes nothing until something is installed.
    pub fn new(health: Arc<Health>, metrics: EngineMetrics, budget: Budget, telling: Telling) -> Self {
        let generation = Arc::new(Generation::new(0, false, None));
        let nothing = Current { generation, routes: Routes::default(), acknowledge: Acknowledge::OnAccept };
        Self {
            current: ArcSwap::from_pointee(nothing),
            stopping: AtomicBool::new(false),
            evidence: Mutex::new(None),
            telling,
            waiting: Mutex::new(Vec::new()),
            budget,
            health,
            metrics,
        }
    }

    /// Reserves a place with every destination a request of `signal` can go to.
    ///
    /// # Errors
    /// [`Refusal::NoPipeline`], [`Refusal::Queue`] or [`Refusal::Stopping`].
    pub fn admit(&self, signal: Signal) -> Result<Ticket, Refusal> {
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
        Ok(Ticket { signal, current, places: [baseline, candidate] })
    }

    /// Takes an admitted request. `deadline` is the sender's own, for an answer that waits.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] and the like before anything happened; [`Refusal::Undelivered`] after.
    pub async fn ingest(
        &self,
        ticket: Ticket,
        received: Received,
        deadline: Option<Duration>,
        metrics: &ReceiverMetrics,
    ) -> Result<Answer, Refusal> {
        let waits = match ticket.signal {
            Signal::Metrics => self.run(ticket, received, metrics)?,
            Signal::Traces | Signal::Logs => self.pass(ticket, received, metrics)?,
        };
        waits.settled(deadline).await
    }

    /// Hands a request on as it came.
    fn pass(&self, ticket: Ticket, received: Received, metrics: &ReceiverMetrics) -> Result<Waits, Refusal> {
        let items = count::items(ticket.signal, &received.message)?;
        metrics.accepted(ticket.signal, items);
        let mut waits = Waits::default();
        if items > 0 {
            let payload = Payload {
                signal: ticket.signal,
                message: received.message,
                wire: received.wire,
                items,
                variant: Variant::Baseline,
                generation: ticket.current.generation.number,
                // Nobody watches what passes through.
                meter: None,
                permit: Arc::new(received.permit),
            };
            let [places, _] = ticket.places;
            send(payload, places, ticket.current.acknowledge, &mut waits);
        }
        Ok(waits)
    }

    /// Runs metrics through their generation's lane, if it has one.
    fn run(
        &self,
        mut ticket: Ticket,
        received: Received,
        metrics: &ReceiverMetrics,
    ) -> Result<Waits, Refusal> {
        let ran = loop {
            let current = Arc::clone(&ticket.current);
            let Some(mut lane) = current.generation.lane() else {
                return self.pass(ticket, received, metrics);
            };
            match lane.as_mut() {
                Some(lane) => break lane.run(received.message.clone(), now()),
                // Retired before this request ran: nothing has seen it, so it can still be refused.
                None => ticket = self.admit(ticket.signal)?,
            }
        };
        let ran = match ran {
            Ok(ran) => ran,
            Err(RunError::Malformed(malformed)) => return Err(Refusal::Invalid(malformed.to_string())),
            Err(error @ RunError::Baseline(_)) => {
                self.metrics.failed(Variant::Baseline);
                tracing::error!(%error, "a batch is lost");
                return Err(Refusal::Undelivered(error.to_string()));
            }
        };
        metrics.accepted(Signal::Metrics, ran.points);
        self.note(&ran, ticket.current.generation.number);
        Ok(leave(ran, ticket, received))
    }

    /// Counts what happened to a batch, and reports a candidate that was cut out.
    fn note(&self, ran: &Ran, generation: u64) {
        self.metrics.ran(
            ran.points,
            [0, 1].map(|i| ran.leaving[i].as_ref().map_or(0, |e| e.points)),
            ran.unassigned,
        );
        if let Some(why) = &ran.cut {
            self.metrics.failed(Variant::Candidate);
            tracing::error!(generation, why, "the candidate failed and is cut out; the baseline goes on");
            self.health.update(|condition| condition.candidate_cut = Some(why.clone()));
        }
    }

    /// Refuses everything from now on.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The number of the generation in charge.
    pub fn generation(&self) -> u64 {
        self.current.load().generation.number
    }

    /// Measurements so far, also of an experiment that has ended; nothing where there was none.
    pub fn report(&self) -> Option<observe::Report> {
        self.evidence().as_ref().map(Evidence::report)
    }

    fn evidence(&self) -> MutexGuard<'_, Option<Evidence>> {
        self.evidence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unix nanoseconds, by this machine's clock.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn reserve(destinations: &[Arc<Destination>]) -> Result<Vec<Place>, Refusal> {
    let place = |destination: &Arc<Destination>| {
        let slot = destination.reserve().ok_or_else(|| Refusal::Queue(destination.name().to_owned()))?;
        Ok(Place { destination: Arc::clone(destination), slot })
    };
    destinations.iter().map(place).collect()
}

/// Sends each variant's share its way. A variant whose share is empty gives its places back.
fn leave(ran: Ran, ticket: Ticket, mut received: Received) -> Waits {
    let Ran { leaving, untouched, .. } = ran;
    let whole = untouched.contains(&true);
    let made =
        |i: usize| leaving[i].as_ref().filter(|_| !untouched[i]).map_or(0, |encoded| encoded.bytes.len());
    let kept =
        if whole { received.message.len() + received.wire.as_ref().map_or(0, |w| w.1.len()) } else { 0 };
    received.permit.hold(kept + made(0) + made(1));
    let permit = Arc::new(received.permit);
    drop::<Bytes>(received.message);
    let mut waits = Waits::default();
    for ((variant, encoded), places) in Variant::BOTH.into_iter().zip(leaving).zip(ticket.places) {
        let Some(encoded) = encoded else { continue };
        let payload = Payload {
            signal: Signal::Metrics,
            message: encoded.bytes,
            wire: received.wire.clone().filter(|_| untouched[variant.index()]),
            items: encoded.points,
            variant,
            generation: ticket.current.generation.number,
            meter: ticket.current.generation.meter.clone(),
            permit: Arc::clone(&permit),
        };
        send(payload, places, ticket.current.acknowledge, &mut waits);
    }
    waits
}

fn send(payload: Payload, places: Vec<Place>, acknowledge: Acknowledge, waits: &mut Waits) {
    for Place { destination, slot } in places {
        destination.enqueue(payload.clone(), slot, waits.add(acknowledge));
    }
}
