//! The byte budget: how much the agent may hold at once.
//!
//! One limit is that of the process. Half of it is for data: requests on their way and in queues. The rest is for the process
//! itself, indexes, what is observed, and the allocator. What the process really has is looked at as data comes. Past a soft
//! limit, seven eighths, what runs beside the data takes nothing more, and the data itself nothing while there is something to
//! drain. Bytes are taken as they come, never as they are announced: an [`Arrival`] grows with its request, and counts for its
//! sender too. Once the request is whole its [`Permit`] travels with the data until every destination has settled it.
//! Nothing is ever held without one, so a stalled backend makes the agent refuse instead of growing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gate::{Crowd, Load, Peer, Tally};
use pipelines::processors::Pressure;

/// Share of the process's limit that is for data.
const DATA: usize = 2;
/// Part of the process's limit that is left at its soft limit.
const SOFT: usize = 8;
/// Parts of the process's limit that are left where no stage grows any more, because what is on its way needs some, and where what
/// takes as much again once it is sent does not.
const STAGES: [usize; 2] = [4, 2];
/// Share of the limit for data that is taken while the process is past its soft limit, and past the middle between that and its
/// limit.
const DRAINED: [usize; 2] = [4, 8];
/// Smallest limit of a process that is held against what it has: a smaller one is a limit for data alone.
const LEAST_PROCESS: usize = 48 << 20;
/// Share of the limit for data, after which the process's memory is looked at again.
const LOOK_AFTER: usize = 32;

/// Bytes that may be in the agent at once, shared by every receiver.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    used: AtomicUsize,
    limit: AtomicUsize,
    /// Limit of the process, and the way to know what it has; none where only data counts.
    process: AtomicUsize,
    look: fn() -> Option<usize>,
    /// Bytes taken since the process's memory was looked at.
    since_look: AtomicUsize,
    /// Bytes that the process had then.
    resident: AtomicUsize,
    /// Bytes of requests on their way, by who sends them.
    arriving: Tally<Peer>,
    /// The pool of the data, of a pool of what runs beside it.
    data: Option<Arc<Pool>>,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self::looking(limit, usize::MAX, || None)
    }

    /// A budget of what is for data where the process may have `limit` bytes; `look` tells how many it has.
    pub fn of_process(limit: usize, look: fn() -> Option<usize>) -> Self {
        Self::looking(limit / DATA, limit, look)
    }

    fn looking(limit: usize, process: usize, look: fn() -> Option<usize>) -> Self {
        Self(Arc::new(Pool {
            used: 0.into(),
            limit: limit.into(),
            process: process.into(),
            look,
            since_look: 0.into(),
            resident: 0.into(),
            arriving: Tally::default(),
            data: None,
        }))
    }

    /// A budget of what runs beside the data, such as a candidate: it takes nothing from the data's, and nothing at all while the
    /// process is past its soft limit, so that data is never refused on its account as long as the process has room.
    pub fn beside(&self) -> Self {
        let Self(data) = self;
        Self(Arc::new(Pool {
            used: 0.into(),
            limit: usize::MAX.into(),
            process: usize::MAX.into(),
            look: data.look,
            since_look: 0.into(),
            resident: 0.into(),
            arriving: Tally::default(),
            data: Some(Arc::clone(data)),
        }))
    }

    /// A permit for `bytes`, or nothing if that would go over the limit.
    pub fn take(&self, bytes: usize) -> Option<Permit> {
        let mut permit = Permit { pool: Arc::clone(&self.0), bytes: 0 };
        permit.grow_to(bytes).then_some(permit)
    }

    /// Nothing yet of a request that `peer` sends.
    pub fn arrive(&self, peer: Peer) -> Arrival {
        Arrival { permit: Permit { pool: Arc::clone(&self.0), bytes: 0 }, peer, counted: 0 }
    }

    /// A permit for `bytes` even past the limit: for what was accepted earlier and is only told apart now.
    pub fn hold(&self, bytes: usize) -> Permit {
        let mut permit = Permit { pool: Arc::clone(&self.0), bytes: 0 };
        permit.hold(bytes);
        permit
    }

    /// Bytes held now.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be held.
    pub fn limit(&self) -> usize {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// Shortness of memory for what the baseline's stages remember: nothing of that grows past three quarters of the process's
    /// limit. The `beside` bytes of what runs beside it do not count: the baseline does not give way to a candidate.
    pub fn pressure(&self, beside: usize) -> Pressure {
        let (resident, limit) = self.process();
        let resident = resident.saturating_sub(beside);
        let is_past = |part| limit < usize::MAX && is_past(resident, limit, part);
        match STAGES.map(is_past).into() {
            (true, _) => Pressure::Full,
            (_, true) => Pressure::Half,
            _ => Pressure::None,
        }
    }

    /// Bytes that the process may have besides those that it has now.
    pub fn room(&self) -> usize {
        let Self(pool) = self;
        self.process_limit().max(LEAST_PROCESS).saturating_sub((pool.look)().unwrap_or_default())
    }

    /// Bytes that the process had when it was last looked at, and those that it may have.
    pub fn process(&self) -> (usize, usize) {
        let pool = self.0.data.as_ref().unwrap_or(&self.0);
        (pool.resident.load(Ordering::Relaxed), pool.process.load(Ordering::Relaxed))
    }

    /// Bytes that the process may have.
    pub fn process_limit(&self) -> usize {
        self.0.process.load(Ordering::Relaxed)
    }

    /// Changes the limit of the process; what is held already stays held.
    pub fn set_process_limit(&self, limit: usize) {
        self.0.process.store(limit, Ordering::Relaxed);
        self.0.limit.store(limit / DATA, Ordering::Relaxed);
    }
}

impl Pool {
    /// Takes `more` bytes. False, and none taken, if there is no room.
    fn take(&self, more: usize) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        if self.is_tight(more, limit) || self.data.as_ref().is_some_and(|data| data.is_past_soft_limit()) {
            return false;
        }
        let fits = |used: usize| used.checked_add(more).filter(|&sum| sum <= limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// Tells whether the process was past its soft limit when it was last looked at.
    fn is_past_soft_limit(&self) -> bool {
        is_past(self.resident.load(Ordering::Relaxed), self.process.load(Ordering::Relaxed), SOFT)
    }

    /// Tells whether the process has so much that nothing may be added before something has left. What it has is looked at
    /// again after every thirty-second part of the limit, so that an idle process does nothing.
    fn is_tight(&self, more: usize, limit: usize) -> bool {
        let process = self.process.load(Ordering::Relaxed);
        if process == usize::MAX {
            return false;
        }
        if self.since_look.fetch_add(more, Ordering::Relaxed) >= limit / LOOK_AFTER {
            self.since_look.store(0, Ordering::Relaxed);
            // Where it cannot be told the limit for data holds alone.
            self.resident.store((self.look)().unwrap_or_default(), Ordering::Relaxed);
        }
        let resident = self.resident.load(Ordering::Relaxed);
        is_tight(resident, self.used.load(Ordering::Relaxed), [process, limit])
    }
}

/// Tells whether a process with so many resident bytes, of which so many are data, takes nothing more. A part of the limit for
/// data is always taken: what the process has besides may never leave, and what is on disk needs some to pass through. The part
/// is smaller close to the process's limit, so that taking it does not pass that.
fn is_tight(resident: usize, used: usize, [process, limit]: [usize; 2]) -> bool {
    let [far, close] = DRAINED;
    let share = if is_past(resident, process, 2 * SOFT) { close } else { far };
    is_past(resident, process, SOFT) && used > limit / share
}

/// Tells whether of the limit of a process less than this part is left beside so many resident bytes.
fn is_past(resident: usize, process: usize, part: usize) -> bool {
    let process = process.max(LEAST_PROCESS);
    resident > process - process / part
}

/// Bytes held; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    pool: Arc<Pool>,
    bytes: usize,
}

impl Permit {
    /// Holds at least `bytes` in all. False, and unchanged, if the budget does not have them.
    #[must_use]
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes) else { return true };
        let taken = self.pool.take(more);
        if taken {
            self.bytes = bytes;
        }
        taken
    }

    /// Holds exactly `bytes`, even past the limit: for what was made from data already accepted,
    /// which can no longer be refused but must be accounted for.
    pub fn hold(&mut self, bytes: usize) {
        if bytes >= self.bytes {
            self.pool.used.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            self.pool.used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes of a request on its way; given back when dropped.
#[derive(Debug)]
pub struct Arrival {
    permit: Permit,
    peer: Peer,
    counted: usize,
}

impl Arrival {
    /// Holds at least `bytes` in all; unchanged if there is no room. `half_here` says that more than half of the request
    /// has come.
    ///
    /// # Errors
    /// [`Crowd`].
    pub fn grow_to(&mut self, bytes: usize, half_here: bool) -> Result<(), Crowd> {
        let Some(more) = bytes.checked_sub(self.counted).filter(|more| *more > 0) else { return Ok(()) };
        let pool = Arc::clone(&self.permit.pool);
        let limit = pool.limit.load(Ordering::Relaxed);
        pool.arriving.add(&self.peer, more, |_, of_peer| {
            let load = Load { limit, used: pool.used.load(Ordering::Relaxed), of_peer };
            load.admits_bytes(more, half_here)?;
            if self.permit.grow_to(bytes) { Ok(()) } else { Err(Crowd::Full) }
        })?;
        self.counted = bytes;
        Ok(())
    }

    /// The permit of a request that is whole: its bytes are the agent's now, and not its sender's.
    pub fn whole(mut self) -> Permit {
        let nothing = Permit { pool: Arc::clone(&self.permit.pool), bytes: 0 };
        std::mem::replace(&mut self.permit, nothing)
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.permit.pool.arriving.take_off(&self.peer, self.counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_hands_out_more_than_the_limit_and_takes_back_what_is_dropped() {
        let budget = Budget::new(100);
        let first = budget.take(60).expect("fits");
        assert!(budget.take(41).is_none());
        let mut second = budget.take(40).expect("fits exactly");
        assert!(!second.grow_to(41));
        drop(first);
        assert!(second.grow_to(100));
        second.hold(10);
        assert_eq!(budget.used(), 10);
        second.hold(150);
        assert_eq!(budget.used(), 150, "what is already ours is counted even past the limit");
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    fn peer(last: u8) -> Peer {
        std::net::IpAddr::from([127, 0, 0, last]).into()
    }

    #[test]
    fn one_sender_of_withheld_requests_leaves_room_for_another() {
        let budget = Budget::new(1_000);
        let mut withheld: Vec<_> = (0..10).map(|_| budget.arrive(peer(2))).collect();
        let refused = withheld.iter_mut().filter_map(|arrival| arrival.grow_to(100, false).err());
        assert_eq!(refused.collect::<Vec<_>>(), [Crowd::Peer; 3]);
        let mut honest = budget.arrive(peer(1));
        honest.grow_to(100, false).expect("another has its share");
        let permit = honest.whole();
        assert_eq!((budget.used(), budget.0.arriving.all()), (800, 700));
        budget.arrive(peer(1)).grow_to(125, true).expect("what is whole is not its sender's any more");
        drop((permit, withheld));
        assert_eq!((budget.used(), budget.0.arriving.all()), (0, 0));
    }

    #[test]
    fn the_last_room_is_for_requests_that_are_more_than_half_here() {
        let budget = Budget::new(1_000);
        let _queued = budget.take(850).expect("fits");
        let mut request = budget.arrive(peer(1));
        assert_eq!(request.grow_to(60, false), Err(Crowd::Full));
        request.grow_to(40, false).expect("there is some room");
        request.grow_to(60, true).expect("it is more than half here");
        assert_eq!(budget.used(), 910);
    }

    #[test]
    fn a_process_past_its_soft_limit_takes_nothing_while_there_is_something_to_drain() {
        const MIB: usize = 1 << 20;
        let limits = [128 * MIB, 64 * MIB];
        for (resident, used, tight) in
            [(112, 64, false), (113, 17, true), (113, 16, false), (121, 9, true), (1_000, 8, false)]
        {
            assert_eq!(
                is_tight(resident * MIB, used * MIB, limits),
                tight,
                "{resident} MiB with {used} of data"
            );
        }
        assert!(!is_tight(42 * MIB, MIB, [MIB, MIB / 2]) && is_tight(43 * MIB, MIB, [MIB, MIB / 2]));
        let budget = Budget::of_process(128 * MIB, || Some(120 * MIB));
        let first = budget.take(17 * MIB).expect("nothing is there yet");
        assert!(budget.take(1).is_none(), "and nothing more while it is");
        drop(first);
        assert!(budget.take(MIB).is_some());
        budget.set_process_limit(1_000 * MIB);
        let _some =
            [budget.take(100 * MIB).expect("there is room"), budget.take(100 * MIB).expect("and more")];
        assert_eq!((budget.limit(), budget.process_limit()), (500 * MIB, 1_000 * MIB));
    }

    #[test]
    fn what_stages_remember_is_pressed_by_what_the_process_has() {
        const MIB: usize = 1 << 20;
        for (look, pressure) in [
            ((|| Some(64 * MIB)) as fn() -> _, Pressure::None),
            (|| Some(65 * MIB), Pressure::Half),
            (|| Some(96 * MIB), Pressure::Half),
            (|| Some(97 * MIB), Pressure::Full),
            (|| None, Pressure::None),
        ] {
            let budget = Budget::of_process(128 * MIB, look);
            assert_eq!(budget.pressure(0), Pressure::None, "nothing was looked at yet");
            // The second looks, because enough has come since.
            let _looked_at = [budget.take(4 * MIB), budget.take(MIB)];
            assert_eq!(budget.pressure(0), pressure);
        }
        assert_eq!(Budget::new(MIB).pressure(0), Pressure::None);
    }

    #[test]
    fn what_runs_beside_the_baseline_is_no_reason_for_its_stages_to_keep_less() {
        const MIB: usize = 1 << 20;
        let budget = Budget::of_process(128 * MIB, || Some(100 * MIB));
        let _looked_at = [budget.take(4 * MIB), budget.take(MIB)];
        for (beside, pressure) in [
            (0, Pressure::Full),
            (3 * MIB, Pressure::Full),
            (4 * MIB, Pressure::Half),
            (36 * MIB, Pressure::None),
            (200 * MIB, Pressure::None),
        ] {
            assert_eq!(budget.pressure(beside), pressure, "{beside} bytes beside");
        }
        assert_eq!(budget.beside().process(), (100 * MIB, 128 * MIB), "that of the process");
    }

    #[test]
    fn what_runs_beside_the_data_takes_none_of_its_room_and_yields_first() {
        const MIB: usize = 1 << 20;
        let budget = Budget::of_process(128 * MIB, || Some(120 * MIB));
        let beside = budget.beside();
        let mut kept = beside.take(60 * MIB).expect("nothing was looked at yet");
        let first = budget.take(59 * MIB).expect("none of the data's room is taken");
        let _looked_at = budget.take(1).is_none();
        assert!(beside.take(1).is_none(), "the process is past its soft limit");
        kept.hold(64 * MIB);
        assert!(budget.take(MIB).is_none(), "there is data to drain");
        drop(first);
        assert!(budget.take(16 * MIB).is_some(), "and then some is taken, whatever is kept beside");
        assert_eq!((budget.used(), beside.used()), (0, 64 * MIB));
    }

    #[test]
    fn concurrent_takers_never_exceed_the_limit() {
        let budget = Budget::new(1_000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..10_000 {
                        let permit = budget.take(n % 400);
                        assert!(budget.used() <= 1_000);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn an_absurd_size_is_refused_without_overflow() {
        let budget = Budget::new(1_000);
        let _held = budget.take(10);
        assert!(budget.take(usize::MAX).is_none());
    }
}
