//! The keeper of a queue on disk: the thread that writes, reads and removes.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use segments::{Damage, Entry, Log, Mark, Stored};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Incoming, Message, QueueCounters, QueueLink};
use crate::deliver::destination::Destination;
use crate::deliver::queued::{Awaited, Kept, Outcome};
use crate::deliver::record::{Head, KIND, MOST_HEAD};
use crate::deliver::saved_stages::KIND as STATE;
use crate::deliver::stored::{Size, StoredPayload};
use crate::meter::Meter;
use crate::request::Payload;

/// Time between two attempts to write on a disk that could not be written.
const PROBE: Duration = Duration::from_secs(1);
/// Orders that are followed before their writes are made safe together.
const TOGETHER: usize = 64;
/// Generations whose meters are known.
const GENERATIONS: usize = 8;

/// The keeper.
#[derive(Debug)]
pub struct Keeper {
    exporter: String,
    log: Log,
    orders: Receiver<Message>,
    link: Weak<QueueLink>,
    counters: Arc<QueueCounters>,
    destination: Weak<Destination>,
    /// Number by which this process knows its own records.
    process: u64,
    /// Those who wait for the outcome of what is on disk and not in memory.
    waiting: HashMap<(u64, u64), oneshot::Sender<Outcome>>,
    meters: VecDeque<(u64, Arc<Meter>)>,
    /// Records that are settled and could not be marked as such.
    unmarked: Vec<Entry>,
    /// Records that were handed out and not settled.
    again: VecDeque<Entry>,
    /// Those who wait until what was written is safe.
    unsafe_yet: Vec<(Awaited, u64)>,
    had_trouble: bool,
    /// Time of the last attempt to write on a disk that could not be written.
    probed: Instant,
}

impl Keeper {
    /// Starts the thread, which ends with the last way to it.
    pub fn start(
        exporter: &str,
        log: Log,
        orders: Receiver<Message>,
        link: &Arc<QueueLink>,
    ) -> io::Result<()> {
        let mut keeper = Self {
            exporter: exporter.to_owned(),
            log,
            orders,
            link: Arc::downgrade(link),
            counters: Arc::clone(&link.counters),
            destination: Weak::new(),
            process: rand::random(),
            waiting: HashMap::new(),
            meters: VecDeque::new(),
            unmarked: Vec::new(),
            again: VecDeque::new(),
            unsafe_yet: Vec::new(),
            had_trouble: false,
            probed: Instant::now(),
        };
        keeper.show();
        let runtime = Handle::current();
        let thread = std::thread::Builder::new().name("phoenix-queue".to_owned());
        thread.spawn(move || {
            let _to_spawn_on = runtime.enter();
            while keeper.turn() {}
        })?;
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
        self.hand_out();
        for (path, damage) in self.log.take_damage() {
            self.report(&path, damage);
        }
        self.settle_lost();
        self.show();
        true
    }

    /// Tries from time to time whether a disk that could not be written can be, whatever is delivered meanwhile. Once it can, by
    /// this or because a request was written, what was delivered is marked.
    fn probe(&mut self) {
        if self.log.trouble().is_some() && self.probed.elapsed() >= PROBE {
            let _told_by_the_trouble = self.log.prepare();
            self.probed = Instant::now();
        }
        if self.log.trouble().is_none() {
            std::mem::take(&mut self.unmarked).into_iter().for_each(|entry| self.settle(entry));
        }
    }

    /// Marks a record, and says whether the disk has taken that.
    fn mark(&mut self, entry: &Entry, mark: Mark) -> bool {
        let marked = self.log.mark(entry, mark);
        marked.inspect_err(|error| self.log.note_trouble(error.to_string())).is_ok()
    }

    /// Marks a record as settled, or does so once the disk can be written again: else the next start would send it once more.
    fn settle(&mut self, entry: Entry) {
        if !self.mark(&entry, Mark::Settled) {
            return self.unmarked.push(entry);
        }
        if let Err(error) = self.log.settled(&entry) {
            tracing::warn!(exporter = self.exporter, %error, "a settled file of the queue cannot be removed");
        }
    }

    fn follow(&mut self, order: Message) {
        match order {
            Message::Append(incoming) => self.append(*incoming),
            Message::Settled(entry, size) => {
                self.settle(entry);
                self.counters.forget(size);
            }
            Message::Mark(entry, mark, done) => {
                let marked = self.mark(&entry, mark);
                let _nobody_waits_any_more = done.map(|done| done.send(marked));
            }
            Message::Attach(destination, fsync) => {
                self.destination = destination;
                self.log.set_syncs(fsync);
            }
            Message::Again(entry) => self.again.push_back(entry),
            Message::Wake => {}
            Message::Caught(up) => {
                let _nobody_waits_any_more = up.send(());
            }
            Message::Gone(entry) => {
                // A file that cannot be removed is found settled by the next start.
                let _left_until_then = self.log.settled(&entry);
            }
            Message::Save(states, done) => {
                let written = self.log.append(STATE, &[&states]).and_then(|_| self.log.sync());
                let _nobody_waits_any_more = done.send(written);
            }
        }
    }

    fn append(&mut self, incoming: Incoming) {
        let Incoming { destination, payload, rule, owed, slot, mut awaited } = incoming;
        let head = Head::of(&payload, rule, self.process).encode();
        // What leaves at once says so from the beginning, which saves another write.
        let leaves = rule.is_none() && self.is_next() && destination.has_turn();
        let mark = if leaves { Mark::Attempted } else { Mark::Waiting };
        let entry = match self.log.append_marked(KIND, mark, &[&head, &payload.message]) {
            Ok(entry) => entry,
            Err(error) => {
                self.counters.unwritten_items.fetch_add(payload.items, Ordering::Relaxed);
                tracing::error!(exporter = self.exporter, items = payload.items, %error, "a payload is in memory only");
                awaited.tell_kept(Kept::Unwritten(error.to_string()));
                let owed = owed.unwrap_or_else(|| destination.owe(payload.items));
                return destination.enqueue_in_memory((payload, rule), owed, slot, awaited.settled);
            }
        };
        let size = Size { items: payload.items, bytes: payload.message.len() as u64 };
        self.counters.stored(size);
        drop(slot);
        match owed {
            Some(owed) => owed.leave_on_disk(),
            None => destination.owe_on_disk(payload.items),
        }
        self.know(&payload);
        let done = awaited.settled.take();
        self.unsafe_yet.push((awaited, payload.items));
        let link = self.link.upgrade().filter(|_| !self.counters.is_paused());
        if let Some(link) = link.filter(|_| self.counters.has_room() && self.log.claim(&entry)) {
            let stored = StoredPayload::new(entry, size, link, [false, leaves]);
            destination.hand_over((payload, rule), stored, Instant::now(), done);
        } else if let Some(done) = done {
            self.waiting.retain(|_, waits| !waits.is_closed());
            self.waiting.insert(entry.place(), done);
        }
    }

    /// Tells whether the next record is handed out as soon as it is written.
    fn is_next(&self) -> bool {
        self.log.waiting() == 0 && self.counters.has_room() && !self.counters.is_paused()
    }

    /// Remembers the meter of a payload's generation, for when it is read again.
    fn know(&mut self, payload: &Payload) {
        let Some(meter) = &payload.meter else { return };
        if self.meters.iter().all(|(generation, _)| *generation != payload.generation) {
            self.meters.truncate(GENERATIONS - 1);
            self.meters.push_front((payload.generation, Arc::clone(meter)));
        }
    }

    /// Tells those who wait that what was written is safe.
    fn make_safe(&mut self) {
        if self.unsafe_yet.is_empty() {
            return;
        }
        let synced = self.log.sync();
        if let Err(error) = &synced {
            tracing::error!(exporter = self.exporter, %error, "the queue cannot be made safe from a power loss");
        }
        for (mut awaited, items) in self.unsafe_yet.drain(..) {
            match &synced {
                Ok(()) => awaited.tell_kept(Kept::OnDisk),
                Err(error) => {
                    self.counters.unwritten_items.fetch_add(items, Ordering::Relaxed);
                    awaited.tell_kept(Kept::Unwritten(error.to_string()));
                }
            }
        }
    }

    /// Hands what waits to its destination, as far as there is room for it in memory.
    fn hand_out(&mut self) {
        let Some((destination, link)) = self.destination.upgrade().zip(self.link.upgrade()) else { return };
        while self.counters.has_room() && !self.counters.is_paused() {
            let stored = match self.again.pop_front() {
                // One that cannot be read again is damage, and told so.
                Some(entry) => self.log.read_again(entry),
                None => match self.log.next_waiting() {
                    Some(stored) => Some(stored),
                    None => break,
                },
            };
            if let Some(stored) = stored {
                self.hand_over(&destination, &link, stored);
            }
        }
    }

    fn hand_over(&mut self, destination: &Arc<Destination>, link: &Arc<QueueLink>, stored: Stored) {
        let Stored { entry, mark, kind, payload } = stored;
        if kind == STATE {
            // It is the next start's.
            return;
        }
        let place = entry.place();
        let Some((head, bytes)) = Head::decode(&payload).filter(|_| kind == KIND) else {
            return self.pass_over(&entry);
        };
        let message = Bytes::from(payload).slice(bytes..);
        let size = Size { items: head.items, bytes: message.len() as u64 };
        let is_own = head.process == self.process && head.is_metered;
        let meter = self.meters.iter().find(|(generation, _)| is_own && *generation == head.generation);
        let payload = Payload {
            signal: head.signal,
            pipeline: Arc::clone(&head.pipeline),
            permit: Arc::new(self.counters.budget.hold(message.len())),
            message,
            wire: None,
            items: head.items,
            variant: head.variant,
            generation: head.generation,
            meter: meter.map(|(_, meter)| Arc::clone(meter)),
        };
        let is_doubtful = mark != Some(Mark::Waiting);
        if is_doubtful {
            destination.may_double(&payload);
        }
        let stored = StoredPayload::new(entry, size, Arc::clone(link), [is_doubtful, false]);
        let done = self.waiting.remove(&place);
        destination.hand_over((payload, head.rule), stored, head.queued_at(), done);
    }

    /// Leaves a record alone that another version of the agent has written.
    fn pass_over(&self, entry: &Entry) {
        tracing::error!(
            exporter = self.exporter,
            place = ?entry.place(),
            "a record is of a version that this agent does not know: it stays on disk"
        );
    }

    fn report(&self, path: &Path, damage: Damage) {
        let Damage { offset, bytes, is_torn_end } = damage;
        let (exporter, file) = (&self.exporter, path.display());
        if is_torn_end {
            tracing::info!(exporter, %file, offset, bytes, "the last write to a file of the queue was cut off");
        } else {
            self.counters.damaged_bytes.fetch_add(bytes, Ordering::Relaxed);
            tracing::error!(exporter, %file, offset, bytes, "a file of the queue is damaged; what can be read goes on");
        }
    }

    /// Settles what the queue counts and no file has any more: records that were damaged after the start.
    fn settle_lost(&mut self) {
        let (requests, Size { items, bytes }) = self.counters.load();
        if requests == 0 || !self.log.is_empty() || self.counters.in_memory() > 0 {
            return;
        }
        let Some(destination) = self.destination.upgrade() else { return };
        tracing::error!(
            exporter = self.exporter,
            requests,
            items,
            "what the queue had on disk cannot be read any more"
        );
        destination.lose_on_disk(items);
        self.counters.requests.fetch_sub(requests, Ordering::Relaxed);
        self.counters.items.fetch_sub(items, Ordering::Relaxed);
        self.counters.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.waiting.clear();
    }

    fn show(&mut self) {
        self.counters.disk_bytes.store(self.log.bytes(), Ordering::Relaxed);
        self.counters.is_full.store(self.log.is_full(), Ordering::Relaxed);
        let room = self.log.room().map_or(u64::MAX, |room| room.saturating_sub(MOST_HEAD as u64));
        self.counters.room.store(room, Ordering::Relaxed);
        let trouble = self.log.trouble();
        self.counters.set_trouble(trouble);
        match (trouble, self.had_trouble) {
            (Some(why), false) => {
                tracing::error!(
                    exporter = self.exporter,
                    why,
                    "the queue cannot be written: requests are refused for now"
                );
            }
            (None, true) => tracing::info!(exporter = self.exporter, "the queue can be written again"),
            _ => {}
        }
        self.had_trouble = trouble.is_some();
    }
}
