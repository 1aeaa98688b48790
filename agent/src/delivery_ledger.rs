//! Ledger of the points that the agent owes: acknowledged, and not yet settled by a destination.
//!
//! A few counters in one small file, written with plain `write(2)` at a fixed offset: before the
//! answer goes out the points count as queued, after a destination settled them as delivered,
//! rejected, dropped or lost. The page cache survives `kill -9`, so the next boot knows exactly how
//! many points were owed when the process died and says so; they are lost, but for those that a queue on disk still has, and
//! never silently.
//! Without a data directory there is no ledger on disk and a crash cannot be measured; boot says that too.

mod held;

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use held::HeldAccount;
pub use held::HeldAtCrash;

const MAGIC: u64 = u64::from_le_bytes(*b"phxacct1");
const WORDS: usize = 8;
const BYTES: usize = WORDS * 8;
/// Price of a ledger that is not on disk.
const UNMEASURED: &str = "a crash now would go unmeasured";

/// Failure to keep the delivery ledger.
#[derive(Debug, Error)]
pub enum DeliveryLedgerError {
    /// Another agent runs on the same data directory.
    #[error("account file {0} is locked: another agent runs on this data directory")]
    Locked(PathBuf),
}

/// Points by what became of them, over the life of the data directory and all signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Acknowledged and put into a destination's queue.
    pub queued: u64,
    /// Confirmed by the destination.
    pub delivered: u64,
    /// Refused for good by the destination.
    pub rejected: u64,
    /// Given up after the retries ran out.
    pub dropped: u64,
    /// Still queued when a shutdown's deadline passed.
    pub lost_shutdown: u64,
    /// Owed by a process that died.
    pub lost_crash: u64,
}

impl Totals {
    /// Points a destination has still to settle.
    pub fn owed(&self) -> u64 {
        let settled = self.delivered + self.rejected + self.dropped + self.lost_shutdown + self.lost_crash;
        self.queued.saturating_sub(settled)
    }

    fn settle(&mut self, settled: Settlement) {
        self.delivered += settled.delivered;
        self.rejected += settled.rejected;
        self.dropped += settled.dropped;
        self.lost_shutdown += settled.lost_shutdown;
    }

    fn words(&self) -> [u64; WORDS - 2] {
        [self.queued, self.delivered, self.rejected, self.dropped, self.lost_shutdown, self.lost_crash]
    }

    fn encode(&self) -> [u8; BYTES] {
        let mut record = [0; BYTES];
        record[..8].copy_from_slice(&MAGIC.to_le_bytes());
        for (slot, word) in record[8..BYTES - 8].chunks_exact_mut(8).zip(self.words()) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        let sum = xxh3_64(&record[..BYTES - 8]);
        record[BYTES - 8..].copy_from_slice(&sum.to_le_bytes());
        record
    }

    fn decode(record: &[u8; BYTES]) -> Option<Self> {
        let word = |i: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&record[i * 8..i * 8 + 8]);
            u64::from_le_bytes(bytes)
        };
        let intact = word(0) == MAGIC && word(WORDS - 1) == xxh3_64(&record[..BYTES - 8]);
        intact.then(|| Self {
            queued: word(1),
            delivered: word(2),
            rejected: word(3),
            dropped: word(4),
            lost_shutdown: word(5),
            lost_crash: word(6),
        })
    }
}

impl Settlement {
    /// Points that are settled by it.
    pub fn items(&self) -> u64 {
        self.delivered + self.rejected + self.dropped + self.lost_shutdown
    }
}

/// Settlement of points by a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Confirmed.
    pub delivered: u64,
    /// Refused for good.
    pub rejected: u64,
    /// Given up after the retries ran out.
    pub dropped: u64,
    /// Abandoned at a shutdown's deadline.
    pub lost_shutdown: u64,
}

/// Kind of storage of the ledger, which decides whether a crash can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// The ledger is on disk.
    Disk,
    /// It should be on disk, but cannot be written.
    Failing,
    /// There is no data directory.
    None,
}

impl AsRef<str> for Storage {
    fn as_ref(&self) -> &str {
        match self {
            Self::Disk => "kept",
            Self::Failing => "failing: the account cannot be written",
            Self::None => "none: without phoenix.data_dir what a crash loses cannot be measured",
        }
    }
}

/// Delivery ledger, in memory and, with a data directory, on disk.
#[derive(Debug)]
pub struct DeliveryLedger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    totals: Totals,
    file: Option<File>,
    failing: bool,
    /// Points that a process which died owed, and of which nothing is known yet.
    found: u64,
    /// Those of them that are lost.
    found_lost: u64,
    /// Points that are owed and on disk.
    on_disk: u64,
    /// Points that the processes before had ever queued; nothing if that is not known.
    queued_before: Option<u64>,
    /// What stages hold in memory alone, which is not owed yet.
    held: HeldAccount,
}

impl DeliveryLedger {
    /// A ledger that dies with the process.
    pub fn in_memory() -> Self {
        Self { state: Mutex::default() }
    }

    /// Opens `dir/account`. What a process that died still owed is lost unless a queue on disk has it: see
    /// [`Self::write_off`]. Where the disk cannot be used the ledger is in memory, and says so: telemetry goes on.
    ///
    /// # Errors
    /// [`DeliveryLedgerError`] if the file belongs to a running agent. A file whose checksum does not hold starts a new
    /// ledger.
    pub fn open(dir: &Path) -> Result<Self, DeliveryLedgerError> {
        let path = dir.join("account");
        let file = match open(dir, &path) {
            Ok(file) => file,
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "the account cannot be opened: {UNMEASURED}");
                let state = State { failing: true, ..State::default() };
                return Ok(Self { state: Mutex::new(state) });
            }
        };
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(DeliveryLedgerError::Locked(path));
        }
        let mut record = [0; BYTES];
        let totals = file.read_exact_at(&mut record, 0).ok().and_then(|()| Totals::decode(&record));
        if totals.is_none() && file.metadata().is_ok_and(|file| file.len() > 0) {
            tracing::error!(path = %path.display(), "the account is torn: what the last process owed is not known");
        }
        let mut record = [0; held::BYTES];
        let held =
            file.read_exact_at(&mut record, BYTES as u64).ok().and_then(|()| HeldAccount::after(&record));
        if held.is_none() && file.metadata().is_ok_and(|file| file.len() > BYTES as u64) {
            tracing::error!(path = %path.display(), "the account is torn: what stages held in memory is not known");
        }
        let held = held.unwrap_or_default();
        let queued_before = totals.map(|totals| totals.queued);
        let totals = totals.unwrap_or_default();
        let state =
            State { totals, file: Some(file), found: totals.owed(), queued_before, held, ..State::default() };
        let ledger = Self { state: Mutex::new(state) };
        ledger.change(|_| {});
        ledger.state.lock().unwrap_or_else(PoisonError::into_inner).write_held();
        Ok(ledger)
    }

    /// Records that a queue on disk has `points` of those that were owed. What it has beyond them was settled, and its record
    /// was not marked any more: it is owed again.
    pub fn recovered(&self, points: u64) {
        self.change(|state| {
            let known = points.min(state.found);
            state.found -= known;
            state.totals.queued += points - known;
            state.on_disk += points;
        });
    }

    /// Writes off as lost what a process that died owed and no queue on disk has. To be called once all queues are open.
    pub fn write_off(&self) {
        self.change(|state| {
            state.found_lost += state.found;
            state.totals.lost_crash += std::mem::take(&mut state.found);
        });
    }

    /// Records that `points` that are owed are on disk.
    pub fn kept(&self, points: u64) {
        self.change(|state| state.on_disk += points);
    }

    /// Records that `points`, which are on disk, are about to be acknowledged.
    pub fn queued_on_disk(&self, points: u64) {
        self.change(|state| {
            state.totals.queued += points;
            state.on_disk += points;
        });
    }

    /// Records what became of points on disk.
    pub fn settled_on_disk(&self, settled: Settlement) {
        self.change(|state| {
            state.on_disk = state.on_disk.saturating_sub(settled.items());
            state.totals.settle(settled);
        });
    }

    /// Records that points which were on disk cannot be read any more.
    pub fn damaged(&self, points: u64) {
        self.change(|state| {
            state.on_disk = state.on_disk.saturating_sub(points);
            state.totals.lost_crash += points;
        });
    }

    /// Records that `points` which stages held on disk, and which were in no queue yet, cannot be read any more.
    pub fn held_damaged(&self, points: u64) {
        self.change(|State { totals, .. }| {
            totals.queued += points;
            totals.lost_crash += points;
        });
    }

    /// Records that `points` which stages held on disk, and which were in no queue yet, are dropped because somebody asked.
    pub fn held_dropped(&self, points: u64) {
        self.change(|State { totals, .. }| {
            totals.queued += points;
            totals.dropped += points;
        });
    }

    /// Points that are owed and on disk.
    pub fn on_disk(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).on_disk
    }

    /// Records that these stages of a pipeline hold so many points in memory alone, to be called before their senders are answered.
    pub fn held(&self, pipeline: &Arc<str>, points: u64, stages: &Arc<str>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.held.set(pipeline, points, stages) {
            state.write_held();
        }
    }

    /// Points that stages hold in memory alone now, and the most that crashes have ever lost of such.
    pub fn held_in_memory(&self) -> [u64; 2] {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        [state.held.points(), state.held.lost]
    }

    /// Points that stages held in memory when the last process died; nothing after a clean stop.
    pub fn held_at_crash(&self) -> Option<HeldAtCrash> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).held.found.clone()
    }

    /// Records that `points` are about to be acknowledged.
    pub fn queued(&self, points: u64) {
        self.change(|state| state.totals.queued += points);
    }

    /// Records that of points that are queued for a variant so many leave: more or fewer than by the other, for which they
    /// were counted.
    pub fn requeued(&self, before: u64, points: u64) {
        self.change(|State { totals, .. }| {
            totals.queued = totals.queued.saturating_sub(before).saturating_add(points);
        });
    }

    /// Records what became of points queued before.
    pub fn settled(&self, settled: Settlement) {
        self.change(|state| state.totals.settle(settled));
    }

    /// The counters now.
    pub fn totals(&self) -> Totals {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).totals
    }

    /// Points that the processes before had ever queued; nothing if the account does not say.
    pub fn queued_before(&self) -> Option<u64> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).queued_before
    }

    /// Points the previous process owed when it died and that are lost; zero after a clean stop.
    pub fn found_lost(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).found_lost
    }

    /// Kind of storage: whether the ledger survives this process.
    pub fn storage(&self) -> Storage {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State { failing: true, .. } => Storage::Failing,
            State { file: None, .. } => Storage::None,
            State { .. } => Storage::Disk,
        }
    }

    /// Changes the totals and writes them. A full disk must not stop telemetry: the ledger goes on in memory, and says
    /// so once.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let record = state.totals.encode();
        state.write(&record, 0);
    }
}

impl State {
    fn write_held(&mut self) {
        let record = self.held.encode();
        self.write(&record, BYTES as u64);
    }

    fn write(&mut self, record: &[u8], at: u64) {
        let Some(file) = &self.file else { return };
        let written = file.write_all_at(record, at);
        if let Err(error) = &written
            && !self.failing
        {
            tracing::error!(%error, "the account cannot be written: {UNMEASURED}");
        }
        self.failing = written.is_err();
    }
}

fn open(dir: &Path, path: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(dir)?;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_died_leaves_exactly_what_it_owed() {
        let dir = tempfile::tempdir().expect("dir");
        let ledger = DeliveryLedger::open(dir.path()).expect("open");
        ledger.queued(100);
        ledger.settled(Settlement { delivered: 60, rejected: 5, ..Settlement::default() });
        drop(ledger); // As a kill would: nothing is written on the way out.
        let next = DeliveryLedger::open(dir.path()).expect("open");
        next.write_off();
        assert_eq!(next.found_lost(), 35);
        assert_eq!(next.totals().owed(), 0);
        drop(next);
        let third = DeliveryLedger::open(dir.path()).expect("open");
        third.write_off();
        assert_eq!(third.found_lost(), 0, "written off once");
        assert_eq!(third.totals().lost_crash, 35);
    }

    #[test]
    fn what_a_queue_on_disk_has_is_not_lost_and_the_account_balances_whatever_was_marked() {
        // Points that the disk has: fewer than were owed, as many, and more because their settlement was not marked any more.
        for (on_disk, lost, queued) in [(20, 15, 100), (35, 0, 100), (40, 0, 105)] {
            let dir = tempfile::tempdir().expect("dir");
            let ledger = DeliveryLedger::open(dir.path()).expect("open");
            ledger.queued_on_disk(100);
            ledger.settled_on_disk(Settlement { delivered: 60, rejected: 5, ..Settlement::default() });
            assert_eq!(ledger.on_disk(), 35);
            drop(ledger);
            let next = DeliveryLedger::open(dir.path()).expect("open");
            next.recovered(on_disk);
            next.write_off();
            assert_eq!((next.found_lost(), next.totals().queued), (lost, queued), "{on_disk}");
            assert_eq!((next.totals().owed(), next.on_disk()), (on_disk, on_disk));
            next.settled_on_disk(Settlement { delivered: on_disk - 3, ..Settlement::default() });
            next.damaged(3);
            let totals = next.totals();
            assert_eq!((totals.owed(), next.on_disk(), totals.lost_crash), (0, 0, lost + 3));
        }
    }

    #[test]
    fn two_agents_cannot_share_a_data_directory() {
        let dir = tempfile::tempdir().expect("dir");
        let _first = DeliveryLedger::open(dir.path()).expect("open");
        assert!(matches!(DeliveryLedger::open(dir.path()), Err(DeliveryLedgerError::Locked(_))));
    }

    #[test]
    fn a_torn_record_starts_a_new_ledger() {
        let dir = tempfile::tempdir().expect("dir");
        for torn in [&[][..], &[7; 3], &[7; BYTES], &[7; 4 * BYTES]] {
            std::fs::write(dir.path().join("account"), torn).expect("write");
            let ledger = DeliveryLedger::open(dir.path()).expect("open");
            assert_eq!((ledger.totals(), ledger.storage()), (Totals::default(), Storage::Disk));
        }
    }

    #[test]
    fn a_directory_that_cannot_be_used_makes_a_ledger_in_memory_that_says_so() {
        let dir = tempfile::tempdir().expect("dir");
        let file = dir.path().join("a file");
        std::fs::write(&file, "").expect("write");
        let ledger = DeliveryLedger::open(&file).expect("open");
        ledger.queued(7);
        assert_eq!((ledger.totals().owed(), ledger.storage()), (7, Storage::Failing));
    }
}
