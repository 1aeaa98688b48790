//! The keeper of a queue on disk: the thread that writes, reads and removes.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use segments::{Entry, Log, Mark, Stored};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Incoming, Message, QueueCounters, QueueLink};
use crate::deliver::destination::Destination;
use crate::deliver::kept_log::KeptLog;
use crate::deliver::queued::{Awaited, Kept, Outcome};
use crate::deliver::record::{Head, KIND, MOST_HEAD};
use crate::deliver::saved_stages::KIND as STATE;
use crate::deliver::stored::{Size, StoredPayload};
use crate::meter::Meter;
use crate::request::Payload;

/// Generations whose meters are known.
const GENERATIONS: usize = 8;

/// The keeper.
#[derive(Debug)]
pub struct Keeper {
    exporter: String,
    kept: KeptLog,
    orders: Receiver<Message>,
    link: Weak<QueueLink>,
    counters: Arc<QueueCounters>,
    destination: Weak<Destination>,
    /// Number by which this process knows its own records.
    process: u64,
    /// Those who wait for the outcome of what is on disk and not in memory.
    waiting: HashMap<(u64, u64), oneshot::Sender<Outcome>>,
    meters: VecDeque<(u64, Arc<Meter>)>,
    /// Records that were handed out and not settled.
    again: VecDeque<Entry>,
    /// Those who wait until what was written is safe.
    unsafe_yet: Vec<(Awaited, u64)>,
    /// Reason for which the disk could not be written when that was last told.
    trouble: Option<String>,
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
            kept: KeptLog::new(log, format!("queue of {exporter}")),
            orders,
            link: Arc::downgrade(link),
            counters: Arc::clone(&link.counters),
            destination: Weak::new(),
            process: rand::random(),
            waiting: HashMap::new(),
            meters: VecDeque::new(),
            again: VecDeque::new(),
            unsafe_yet: Vec::new(),
            trouble: None,
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
        let Some(orders) = self.kept.next_orders(&self.orders) else { return false };
        orders.into_iter().for_each(|order| self.follow(order));
        self.kept.probe();
        self.make_safe();
        self.hand_out();
        let damaged = self.kept.take_damage().iter().map(|damage| damage.bytes).sum();
        self.counters.damaged_bytes.fetch_add(damaged, Ordering::Relaxed);
        self.settle_lost();
        self.show();
        true
    }

    fn follow(&mut self, order: Message) {
        match order {
            Message::Append(incoming) => self.append(*incoming),
            Message::Settled(entry, size) => {
                self.kept.settle(entry);
                self.counters.forget(size);
            }
            Message::Mark(entry, mark, done) => {
                let marked = self.kept.mark(&entry, mark);
                let _nobody_waits_any_more = done.map(|done| done.send(marked));
            }
            Message::Attach(destination, fsync) => {
                self.destination = destination;
                self.kept.log.set_syncs(fsync);
            }
            Message::Again(entry) => self.again.push_back(entry),
            Message::Wake => {}
            Message::Caught(up) => {
                let _nobody_waits_any_more = up.send(());
            }
            Message::Gone(entry) => {
                // A file that cannot be removed is found settled by the next start.
                let _left_until_then = self.kept.log.settled(&entry);
            }
            Message::Save(states, done) => {
                let written = self.kept.log.append(STATE, &[&states]).and_then(|_| self.kept.log.sync());
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
        let entry = match self.kept.log.append_marked(KIND, mark, &[&head, &payload.message]) {
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
        if let Some(link) = link.filter(|_| self.counters.has_room() && self.kept.log.claim(&entry)) {
            let stored = StoredPayload::new(entry, size, link, [false, leaves]);
            destination.hand_over((payload, rule), stored, Instant::now(), done);
        } else if let Some(done) = done {
            self.waiting.retain(|_, waits| !waits.is_closed());
            self.waiting.insert(entry.place(), done);
        }
    }

    /// Tells whether the next record is handed out as soon as it is written.
    fn is_next(&self) -> bool {
        self.kept.log.waiting() == 0 && self.counters.has_room() && !self.counters.is_paused()
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
        let synced = self.kept.sync();
        for (mut awaited, items) in self.unsafe_yet.drain(..) {
            match &synced {
                Ok(()) => awaited.tell_kept(Kept::OnDisk),
                Err(error) => {
                    self.counters.unwritten_items.fetch_add(items, Ordering::Relaxed);
                    awaited.tell_kept(Kept::Unwritten(error.clone()));
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
                Some(entry) => self.kept.log.read_again(entry),
                None => match self.kept.log.next_waiting() {
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

    /// Settles what the queue counts and no file has any more: records that were damaged after the start.
    fn settle_lost(&mut self) {
        let (requests, Size { items, bytes }) = self.counters.load();
        if requests == 0 || !self.kept.log.is_empty() || self.counters.in_memory() > 0 {
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
        self.counters.disk_bytes.store(self.kept.log.bytes(), Ordering::Relaxed);
        self.counters.is_full.store(self.kept.log.is_full(), Ordering::Relaxed);
        let room = self.kept.log.room().map_or(u64::MAX, |room| room.saturating_sub(MOST_HEAD as u64));
        self.counters.room.store(room, Ordering::Relaxed);
        let trouble = self.kept.log.trouble().map(str::to_owned);
        self.counters.set_trouble(trouble.as_deref());
        self.kept.tell_trouble(self.trouble.as_deref(), trouble.as_deref());
        self.trouble = trouble;
    }
}
