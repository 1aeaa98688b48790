//! A log in the hands of its keeper: the thread that alone writes, marks, reads and removes.
//!
//! What always holds: a record that is settled is marked so, at once or when the disk can be written again, because the next start
//! would read it once more; a disk that cannot be written is tried once a second, whatever else there is to do.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use segments::{Damage, Entry, Log, Mark};

/// Time between two attempts to write on a disk that could not be written.
const PROBE: Duration = Duration::from_secs(1);
/// Orders that are followed before their writes are made safe together.
const TOGETHER: usize = 64;

/// The log.
#[derive(Debug)]
pub struct KeptLog {
    /// The log itself.
    pub log: Log,
    /// Name of what it has, where something is told of it.
    pub name: String,
    /// Records that are settled and could not be marked as such.
    unmarked: Vec<Entry>,
    /// Time of the last attempt to write on a disk that could not be written.
    probed: Instant,
}

impl KeptLog {
    /// A log that is called `name` where something is told of it.
    pub fn new(log: Log, name: String) -> Self {
        Self { log, name, unmarked: Vec::new(), probed: Instant::now() }
    }

    /// The next orders, once there is one, or it is time to try the disk; nothing at the end.
    pub fn next_orders<T>(&self, orders: &Receiver<T>) -> Option<Vec<T>> {
        let first = if self.log.trouble().is_some() {
            orders.recv_timeout(PROBE)
        } else {
            orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match first {
            Ok(first) => Some(std::iter::once(first).chain(orders.try_iter().take(TOGETHER - 1)).collect()),
            Err(RecvTimeoutError::Timeout) => Some(Vec::new()),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Tries from time to time whether a disk that could not be written can be, whatever else was done meanwhile. Once it can, by
    /// this or because something was written, what was settled is marked.
    pub fn probe(&mut self) {
        if self.log.trouble().is_some() && self.probed.elapsed() >= PROBE {
            let _told_by_the_trouble = self.log.prepare();
            self.probed = Instant::now();
        }
        if self.log.trouble().is_none() {
            std::mem::take(&mut self.unmarked).into_iter().for_each(|entry| self.settle(entry));
        }
    }

    /// Marks a record, and says whether the disk has taken that.
    pub fn mark(&mut self, entry: &Entry, mark: Mark) -> bool {
        let marked = self.log.mark(entry, mark);
        marked.inspect_err(|error| self.log.note_trouble(error.to_string())).is_ok()
    }

    /// Marks a record as settled, or does so once the disk can be written again.
    pub fn settle(&mut self, entry: Entry) {
        if !self.mark(&entry, Mark::Settled) {
            return self.unmarked.push(entry);
        }
        if let Err(error) = self.log.settled(&entry) {
            tracing::warn!(log = self.name, %error, "a settled file of a log cannot be removed");
        }
    }

    /// Makes what was written safe from a power loss, if that is asked for.
    ///
    /// # Errors
    /// The system's words.
    pub fn sync(&mut self) -> Result<(), String> {
        self.log.sync().map_err(|error| error.to_string()).inspect_err(|error| {
            tracing::error!(log = self.name, error, "what was written cannot be made safe from a power loss");
        })
    }

    /// Tells of the damage that was found since this was last called, and returns what is more than the end of a write that was
    /// cut off: nobody was answered for that.
    pub fn take_damage(&mut self) -> Vec<Damage> {
        let damage = self.log.take_damage();
        damage.iter().for_each(|(path, damage)| self.report(path, damage));
        damage.into_iter().map(|(_, damage)| damage).filter(|damage| !damage.is_torn_end).collect()
    }

    fn report(&self, path: &Path, damage: &Damage) {
        let (log, file, Damage { offset, bytes, is_torn_end }) = (&self.name, path.display(), damage);
        if *is_torn_end {
            tracing::info!(log, %file, offset, bytes, "the last write to a file was cut off");
        } else {
            tracing::error!(log, %file, offset, bytes, "a file is damaged; what can be read goes on");
        }
    }

    /// Tells of trouble that begins or ends; `had` is what there was before.
    pub fn tell_trouble(&self, had: Option<&str>, has: Option<&str>) {
        match has {
            Some(why) if had != has => tracing::error!(log = self.name, why, "requests are refused for now"),
            None if had.is_some() => tracing::info!(log = self.name, "requests are taken again"),
            _ => {}
        }
    }
}
