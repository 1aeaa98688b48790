//! The keeper of a log of what a stage holds: the thread that writes, marks and removes.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use segments::{Damage, Entry, Log, Mark};
use tokio::sync::oneshot;

use super::record::KIND;
use super::{Incoming, Marked, Order, Shared, Written};
use crate::deliver::queued::Kept;

/// Time between two attempts to write on a disk that could not be written.
const PROBE: Duration = Duration::from_secs(1);
/// Orders that are followed before their writes are made safe together.
const TOGETHER: usize = 64;

/// Tells of damage.
pub(super) fn report(pipeline: &str, path: &Path, damage: Damage) {
    let (file, Damage { offset, bytes, is_torn_end }) = (path.display(), damage);
    if is_torn_end {
        tracing::info!(pipeline, %file, offset, bytes, "the last write of what stages hold was cut off");
    } else {
        tracing::error!(pipeline, %file, offset, bytes, "a file of what stages hold is damaged; what can be read goes on");
    }
}

/// The keeper.
#[derive(Debug)]
pub(super) struct Keeper {
    pipeline: String,
    log: Log,
    orders: Receiver<Order>,
    shared: Arc<Shared>,
    /// Inputs that are not settled, in their order.
    written: VecDeque<Written>,
    /// Inputs that are settled and could not be marked as such.
    unmarked: Vec<Entry>,
    /// Those who wait until what was written is safe; with a number, the inputs before it are of no use then.
    unsafe_yet: Vec<(oneshot::Sender<Kept>, Option<u64>)>,
    probed: Instant,
}

impl Keeper {
    /// Starts the thread, which ends with the last way to it. `found` are the inputs of a process before.
    pub(super) fn start(
        pipeline: &str,
        log: Log,
        orders: Receiver<Order>,
        shared: &Arc<Shared>,
        found: Vec<Entry>,
    ) -> io::Result<()> {
        let mut keeper = Self {
            pipeline: pipeline.to_owned(),
            log,
            orders,
            shared: Arc::clone(shared),
            written: found.into_iter().map(|entry| Written { number: 0, entry }).collect(),
            unmarked: Vec::new(),
            unsafe_yet: Vec::new(),
            probed: Instant::now(),
        };
        keeper.show();
        std::thread::Builder::new().name("phoenix-held".to_owned()).spawn(move || while keeper.turn() {})?;
        Ok(())
    }

    /// Follows the orders there are, once there is one. Returns false at the end.
    fn turn(&mut self) -> bool {
        let first = if self.log.trouble().is_some() {
            self.orders.recv_timeout(PROBE)
        } else {
            self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match first {
            Ok(order) => self.follow(order),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        for _ in 1..TOGETHER {
            let Ok(order) = self.orders.try_recv() else { break };
            self.follow(order);
        }
        self.probe();
        self.make_safe();
        self.show();
        true
    }

    fn follow(&mut self, order: Order) {
        match order {
            Order::Append(incoming) => self.append(*incoming),
            Order::Leave(marked) => self.leave(&marked),
            Order::Settle(upto) => self.settle_upto(upto),
            Order::Caught(up) => {
                let _nobody_waits_any_more = up.send(());
            }
        }
    }

    fn append(&mut self, incoming: Incoming) {
        let Incoming { number, head, request, is_all, kept, .. } = incoming;
        match self.log.append(KIND, &[&head, &request]) {
            Ok(entry) => {
                // Nobody reads it but the next start.
                self.log.claim(&entry);
                self.written.push_back(Written { number, entry });
                self.unsafe_yet.push((kept, is_all.then_some(number)));
            }
            Err(error) => {
                self.shared.inputs.fetch_sub(1, Ordering::Relaxed);
                // The next one is all that it holds.
                self.shared.lacks.store(true, Ordering::Relaxed);
                tracing::error!(pipeline = self.pipeline, %error, "what a stage holds of a request is in memory only");
                let _nobody_waits_any_more = kept.send(Kept::Unwritten(error.to_string()));
            }
        }
    }

    fn leave(&mut self, marked: &Marked) {
        for Written { entry, .. } in self.written.iter().take_while(|written| written.number <= marked.upto) {
            if let Err(error) = self.log.mark(entry, Mark::Attempted) {
                self.log.note_trouble(error.to_string());
                marked.failed.store(true, Ordering::Relaxed);
            }
        }
        marked.is_done.store(true, Ordering::Release);
    }

    fn settle_upto(&mut self, upto: u64) {
        while self.written.front().is_some_and(|written| written.number <= upto) {
            if let Some(Written { entry, .. }) = self.written.pop_front() {
                self.shared.inputs.fetch_sub(1, Ordering::Relaxed);
                self.settle(entry);
            }
        }
    }

    /// Marks an input as settled, or does so once the disk can be written again: else the next start would play it once more.
    fn settle(&mut self, entry: Entry) {
        if let Err(error) = self.log.mark(&entry, Mark::Settled) {
            self.log.note_trouble(error.to_string());
            return self.unmarked.push(entry);
        }
        if let Err(error) = self.log.settled(&entry) {
            tracing::warn!(pipeline = self.pipeline, %error, "a settled file of what stages hold cannot be removed");
        }
    }

    fn probe(&mut self) {
        if self.log.trouble().is_some() && self.probed.elapsed() >= PROBE {
            let _told_by_the_trouble = self.log.prepare();
            self.probed = Instant::now();
        }
        if self.log.trouble().is_none() {
            std::mem::take(&mut self.unmarked).into_iter().for_each(|entry| self.settle(entry));
        }
    }

    /// Tells those who wait that what was written is safe.
    fn make_safe(&mut self) {
        if self.unsafe_yet.is_empty() {
            return;
        }
        let synced = self.log.sync().map_err(|error| error.to_string());
        if let Err(error) = &synced {
            tracing::error!(
                pipeline = self.pipeline,
                error,
                "what stages hold cannot be made safe from a power loss"
            );
        }
        let mut all = None;
        for (kept, is_all) in self.unsafe_yet.drain(..) {
            let told = synced.clone().map_or_else(Kept::Unwritten, |()| Kept::OnDisk);
            all = is_all.filter(|_| synced.is_ok()).or(all);
            let _nobody_waits_any_more = kept.send(told);
        }
        if let Some(number) = all {
            self.settle_upto(number - 1);
        }
    }

    fn show(&self) {
        let trouble = self.log.trouble().map(|why| format!("the disk cannot be written: {why}"));
        let full = || format!("files of what stages hold have the {} bytes that they may", self.log.bytes());
        let refusal = trouble.or_else(|| self.log.is_full().then(full));
        let mut known = self.shared.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != refusal {
            match &refusal {
                Some(why) => tracing::error!(pipeline = self.pipeline, why, "requests are refused for now"),
                None => tracing::info!(pipeline = self.pipeline, "what stages hold can be written again"),
            }
            *known = refusal;
        }
    }
}
