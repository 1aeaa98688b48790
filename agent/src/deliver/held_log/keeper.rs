//! The keeper of a log of what a stage holds: the thread that writes, marks and removes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use segments::{Entry, Mark};
use tokio::sync::oneshot;

use super::record::KIND;
use super::{Incoming, Marked, Order, Shared, Written};
use crate::deliver::kept_log::KeptLog;
use crate::deliver::queued::Kept;

/// The keeper.
#[derive(Debug)]
pub(super) struct Keeper {
    kept: KeptLog,
    orders: Receiver<Order>,
    shared: Arc<Shared>,
    /// Inputs that are not settled, in their order.
    written: VecDeque<Written>,
    /// Those who wait until what was written is safe; with a number, the inputs before it are of no use then.
    unsafe_yet: Vec<(oneshot::Sender<Kept>, Option<u64>)>,
}

impl Keeper {
    /// Starts the thread, which ends with the last way to it. `found` are the inputs of a process before.
    pub(super) fn start(
        kept: KeptLog,
        orders: Receiver<Order>,
        shared: &Arc<Shared>,
        found: Vec<Entry>,
    ) -> io::Result<()> {
        let mut keeper = Self {
            kept,
            orders,
            shared: Arc::clone(shared),
            written: found.into_iter().map(|entry| Written { number: 0, entry }).collect(),
            unsafe_yet: Vec::new(),
        };
        keeper.show();
        std::thread::Builder::new().name("phoenix-held".to_owned()).spawn(move || while keeper.turn() {})?;
        Ok(())
    }

    /// Follows the orders there are, once there is one. Returns false at the end.
    fn turn(&mut self) -> bool {
        let Some(orders) = self.kept.next_orders(&self.orders) else { return false };
        orders.into_iter().for_each(|order| self.follow(order));
        self.kept.probe();
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
        match self.kept.log.append(KIND, &[&head, &request]) {
            Ok(entry) => {
                // Nobody reads it but the next start.
                self.kept.log.claim(&entry);
                self.written.push_back(Written { number, entry });
                self.unsafe_yet.push((kept, is_all.then_some(number)));
            }
            Err(error) => {
                self.shared.inputs.fetch_sub(1, Ordering::Relaxed);
                // The next one is all that it holds.
                self.shared.lacks.store(true, Ordering::Relaxed);
                tracing::error!(log = self.kept.name, %error, "what a stage holds of a request is in memory only");
                let _nobody_waits_any_more = kept.send(Kept::Unwritten(error.to_string()));
            }
        }
    }

    fn leave(&mut self, marked: &Marked) {
        for Written { entry, .. } in self.written.iter().take_while(|written| written.number <= marked.upto) {
            if !self.kept.mark(entry, Mark::Attempted) {
                marked.failed.store(true, Ordering::Relaxed);
            }
        }
        marked.is_done.store(true, Ordering::Release);
    }

    fn settle_upto(&mut self, upto: u64) {
        while self.written.front().is_some_and(|written| written.number <= upto) {
            if let Some(Written { entry, .. }) = self.written.pop_front() {
                self.shared.inputs.fetch_sub(1, Ordering::Relaxed);
                self.kept.settle(entry);
            }
        }
    }

    /// Tells those who wait that what was written is safe.
    fn make_safe(&mut self) {
        if self.unsafe_yet.is_empty() {
            return;
        }
        let synced = self.kept.sync();
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
        let log = &self.kept.log;
        let trouble = log.trouble().map(|why| format!("the disk cannot be written: {why}"));
        let full = || format!("files of what stages hold have the {} bytes that they may", log.bytes());
        let refusal = trouble.or_else(|| log.is_full().then(full));
        let mut known = self.shared.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        self.kept.tell_trouble(known.as_deref(), refusal.as_deref());
        *known = refusal;
    }
}
