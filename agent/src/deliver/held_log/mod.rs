//! Log of what a stage holds: the inputs of a pipeline's stage that holds points, on disk until the stage has sent them.
//!
//! One thread, the log's keeper, writes and removes, so that no disk holds up a thread that serves. What always holds: a sender is
//! answered once its input is written; what the stage sends is queued once the inputs that it came from say so, and they are settled
//! once all of it is queued. So a process that dies leaves exactly the inputs of what was not queued, and those of a flush that was
//! under way, of which the next start knows that they may be doubled.

mod keeper;
mod record;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use bytes::Bytes;
use pipelines::batch::Encoded;
use pipelines::config::Stage;
use segments::{Entry, Log, LogSettings, Mark};
use tokio::sync::oneshot;

use super::kept_log::KeptLog;
use super::queued::{Awaited, Kept};
use super::{Destination, StorageSettings};
use crate::admission::{Budget, Permit};
use crate::request::Payload;
use keeper::Keeper;
pub use record::{FoundInput, HeldContent, ids_before};
use record::{KIND, MOST_HEAD};

/// Bytes of a file.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Bytes of inputs from which on all that the stage holds is written anew in their place, if that is a quarter of them.
const ANEW: u64 = 64 << 20;
/// Time between two looks whether all is settled.
const LOOK: Duration = Duration::from_millis(5);

/// Log of one pipeline. Inputs are numbered from 1; those that a start finds have the number 0.
#[derive(Debug)]
pub struct HeldLog {
    orders: mpsc::Sender<Order>,
    shared: Arc<Shared>,
    /// What a start has found, until it is played, and the other end of the orders.
    found: Mutex<Option<Found>>,
    pipeline: String,
    budget: Budget,
    most_bytes: u64,
    /// Number of the last input.
    last: AtomicU64,
    /// Bytes of the inputs since all was written anew, and what that took then.
    bytes: [AtomicU64; 2],
}

/// What a start has found: the log, the other end of the orders, and what the log has by the heads of its records.
type Found = (Log, mpsc::Receiver<Order>, HeldContent);

/// What the keeper shows.
#[derive(Debug, Default)]
struct Shared {
    /// Inputs that are not settled.
    inputs: AtomicU64,
    refusal: Mutex<Option<String>>,
    /// True if something that the stage holds is not in the log.
    lacks: AtomicBool,
    /// Flushes that are not queued yet.
    leaving: AtomicUsize,
    /// What could not be read, until that is asked for.
    damage: Mutex<HeldDamage>,
}

/// Order to the keeper.
#[derive(Debug)]
enum Order {
    Append(Box<Incoming>),
    /// Mark the inputs of a flush as attempted.
    Leave(Arc<Marked>),
    /// Settle the inputs up to this number.
    Settle(u64),
    /// Say that all orders before this one have been followed.
    Caught(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Incoming {
    number: u64,
    head: Vec<u8>,
    request: Bytes,
    /// True if the inputs before are of no use once this is written.
    is_all: bool,
    kept: oneshot::Sender<Kept>,
    #[expect(dead_code, reason = "held, not read")]
    permit: Permit,
}

/// Whether the inputs of a flush say that it leaves.
#[derive(Debug)]
struct Marked {
    upto: u64,
    is_done: AtomicBool,
    /// True if the disk did not take all of it.
    failed: AtomicBool,
}

/// What could not be read of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldDamage {
    /// Points of the inputs of which only the head could be read.
    pub points: u64,
    /// Bytes.
    pub bytes: u64,
}

impl HeldLog {
    /// Opens the log of a pipeline. Nothing is written before [`Self::begin`].
    ///
    /// # Errors
    /// Says what is wrong with which file.
    pub fn open(
        pipeline: &str,
        directory: PathBuf,
        settings: &StorageSettings,
        budget: &Budget,
    ) -> Result<Self, String> {
        settings.check_directory()?;
        let shared = Arc::new(Shared::default());
        let most_bytes = settings.most_bytes;
        let log = LogSettings { directory, segment_bytes: SEGMENT_BYTES, most_bytes };
        let mut content = HeldContent::default();
        let mut log =
            Log::open(log, MOST_HEAD, |seen| content.add(&seen)).map_err(|error| error.to_string())?;
        shared.inputs.store(content.inputs, Ordering::Relaxed);
        log.set_syncs(settings.fsync);
        let (orders, receiver) = mpsc::channel();
        Ok(Self {
            orders,
            shared,
            found: Mutex::new(Some((log, receiver, content))),
            pipeline: pipeline.to_owned(),
            budget: budget.clone(),
            most_bytes,
            last: 0.into(),
            bytes: Default::default(),
        })
    }

    /// Shows what a start has found, in its order, and begins to write; does nothing after the first time. Returns whether a flush
    /// of some of it was under way, if there was any.
    pub fn begin(&self, mut play: impl FnMut(FoundInput<'_>)) -> Option<bool> {
        let (mut log, orders, mut content) = self.found().take()?;
        let (mut entries, mut is_doubtful) = (Vec::new(), false);
        while let Some(stored) = log.next_waiting() {
            let request = Bytes::from(stored.payload);
            match record::decode(&request).filter(|_| stored.kind == KIND) {
                Some(input) => {
                    is_doubtful |= stored.mark != Some(Mark::Waiting) || input.is_doubtful;
                    content.points = content.points.saturating_sub(input.points);
                    play(input);
                    entries.push(stored.entry);
                }
                None => tracing::error!(
                    pipeline = self.pipeline,
                    place = ?stored.entry.place(),
                    "a record of what stages hold is of a version that this agent does not know: it stays on disk"
                ),
            }
        }
        // What is damaged is told of, and is no input any more.
        self.shared.inputs.store(entries.len() as u64, Ordering::Relaxed);
        let mut kept = KeptLog::new(log, format!("what stages of {} hold", self.pipeline));
        kept.take_damage().iter().for_each(|damage| content.damaged(damage));
        let damage = HeldDamage { points: content.points, bytes: content.damaged_bytes };
        *self.shared.damage.lock().unwrap_or_else(PoisonError::into_inner) = damage;
        let found = !entries.is_empty();
        let started = Keeper::start(kept, orders, &self.shared, entries);
        if let Err(error) = started {
            let why = format!("there is no thread for what stages hold: {error}");
            *self.shared.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        }
        found.then_some(is_doubtful)
    }

    /// Pipeline whose inputs it has.
    pub fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// What could not be read of it, since this was last asked.
    pub fn take_damage(&self) -> HeldDamage {
        std::mem::take(&mut *self.shared.damage.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes an input of `stage`. Returns what tells where it is.
    pub fn append(&self, stage: (&Stage, &str), input: Encoded) -> oneshot::Receiver<Kept> {
        self.bytes[0].fetch_add(input.bytes.len() as u64, Ordering::Relaxed);
        self.write(stage, input, false)
    }

    /// Writes all that `stage` holds, as one input, in the place of those before.
    pub fn append_all(&self, stage: (&Stage, &str), held: Encoded) -> oneshot::Receiver<Kept> {
        self.bytes[0].store(0, Ordering::Relaxed);
        self.bytes[1].store(held.bytes.len() as u64, Ordering::Relaxed);
        self.set_whole(true);
        self.write(stage, held, true)
    }

    fn write(&self, stage: (&Stage, &str), input: Encoded, is_all: bool) -> oneshot::Receiver<Kept> {
        let (kept, wait) = oneshot::channel();
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let permit = self.budget.hold(input.bytes.len());
        self.shared.inputs.fetch_add(1, Ordering::Relaxed);
        let head = record::encode(stage, input.points);
        self.send(Order::Append(Box::new(Incoming {
            number,
            head,
            request: input.bytes,
            is_all,
            kept,
            permit,
        })));
        wait
    }

    /// Tells whether the next input is to be all that the stage holds: the log does not have that, or much besides.
    pub fn wants_all(&self) -> bool {
        let [inputs, all] = [0, 1].map(|at: usize| self.bytes[at].load(Ordering::Relaxed));
        self.shared.lacks.load(Ordering::Relaxed) || inputs > ANEW.min(self.most_bytes / 4).max(4 * all)
    }

    /// Tells whether all that the stage holds is in the log.
    pub fn has_all(&self) -> bool {
        !self.shared.lacks.load(Ordering::Relaxed)
    }

    /// Notes whether all that the stage holds is in the log.
    pub fn set_whole(&self, whole: bool) {
        self.shared.lacks.store(!whole, Ordering::Relaxed);
    }

    /// Has its inputs say that what the stage holds leaves, all of it; nothing if there are none.
    pub fn leave(self: &Arc<Self>) -> Option<Arc<Leaving>> {
        self.set_whole(true);
        self.bytes[0].store(0, Ordering::Relaxed);
        if self.shared.inputs.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let upto = self.last.load(Ordering::Relaxed);
        let marked = Arc::new(Marked { upto, is_done: false.into(), failed: false.into() });
        self.shared.leaving.fetch_add(1, Ordering::Relaxed);
        self.send(Order::Leave(Arc::clone(&marked)));
        Some(Arc::new(Leaving { log: Arc::clone(self), marked, stays: false.into() }))
    }

    /// Forgets its inputs, once what leaves of them is queued: what else they brought is in another log, or is to be on no disk.
    pub fn forget(self: &Arc<Self>) {
        let settle = Order::Settle(self.last.load(Ordering::Relaxed));
        if self.has_left() {
            return self.send(settle);
        }
        let log = Arc::clone(self);
        tokio::spawn(async move {
            log.all_left().await;
            log.send(settle);
        });
    }

    /// Returns once no flush waits to be queued, and all that did is where its queue keeps it.
    pub async fn all_left(&self) {
        while !self.has_left() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Tells whether no flush waits to be queued, and all that did is where its queue keeps it: the account has it then.
    pub fn has_left(&self) -> bool {
        self.shared.leaving.load(Ordering::Acquire) == 0
    }

    /// Reason for which a request of so many bytes is not taken, if that is so.
    pub fn refusal(&self) -> Option<String> {
        self.shared.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns once every flush is queued and its inputs are settled.
    pub async fn caught_up(&self) {
        self.all_left().await;
        let (done, caught) = oneshot::channel();
        self.send(Order::Caught(done));
        let _an_error_is_the_end_of_it = caught.await;
    }

    fn send(&self, order: Order) {
        let _without_a_thread_requests_are_refused = self.orders.send(order);
    }

    fn found(&self) -> MutexGuard<'_, Option<Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Flush of all that a stage holds, until each of its payloads is queued: then its inputs are settled.
#[derive(Debug)]
pub struct Leaving {
    log: Arc<HeldLog>,
    marked: Arc<Marked>,
    /// True if some of it is on no disk: its inputs stay.
    stays: AtomicBool,
}

impl Leaving {
    /// Tells whether its payloads may be queued: the inputs say that they leave, or the disk did not take that.
    pub fn is_marked(&self) -> bool {
        self.marked.is_done.load(Ordering::Acquire)
    }

    /// Returns once its payloads may be queued.
    pub async fn marked(&self) {
        while !self.is_marked() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Channels for a payload of it that is queued now: the inputs wait for it. Where they do not say that it leaves, a kill
    /// would leave a doubt that nobody knows of: it is counted now.
    pub fn awaits(self: Arc<Self>, destination: &Destination, payload: &Payload) -> Awaited {
        if !self.is_marked() || self.marked.failed.load(Ordering::Relaxed) {
            destination.may_double(payload);
        }
        let (kept, wait) = oneshot::channel();
        tokio::spawn(async move {
            if !matches!(wait.await, Ok(Kept::OnDisk | Kept::InMemory)) {
                self.stays.store(true, Ordering::Relaxed);
            }
        });
        Awaited { kept: Some(kept), settled: None }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if !*self.stays.get_mut() {
            self.log.send(Order::Settle(self.marked.upto));
        }
        self.log.shared.leaving.fetch_sub(1, Ordering::Release);
    }
}

/// Input that is written and not settled.
#[derive(Debug)]
struct Written {
    number: u64,
    entry: Entry,
}
