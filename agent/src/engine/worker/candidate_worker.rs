//! The candidate's worker: the candidate and all observation run on a thread of their own, behind a bounded queue.
//!
//! What always holds: nothing of the baseline waits for it. Jobs run in the order of the data path. A batch that finds no
//! room is left out for both variants, and its window counts for nothing. In mirror the thread gives way to others
//! in the midst of a batch; in a split units wait for it, and before a swap the swap does: then it takes its turns as they do.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use observe::Variant;
use pipelines::Batch;

use super::job::Job;
use super::load::Batches;
use super::pace::{Pace, thread_time};
use super::run::Running;
use super::share::{OpenShare, PendingShare};
use crate::admission::Budget;
use crate::engine::Engine;
use crate::engine::deadline::Deadline;
use crate::engine::experiment::ExperimentState;
use crate::engine::limits::CandidateLimits;
use crate::engine::variant::VariantPipeline;

/// Batches that may wait.
const QUEUE: usize = 64;
/// Batches whose memory is kept for the next ones.
const SPARE: usize = 4;
/// Time for which a swap waits for a worker to which more comes than it does: what comes may be a burst.
const HOPE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct CandidateWorker {
    queue: Mutex<Queue>,
    /// Batches that wait: read without the queue's lock, so that the data path seldom waits for a thread of low priority.
    batches: AtomicUsize,
    changed: Condvar,
    spare: Mutex<Vec<Batch>>,
    /// Budget beside the agent's data and that of the candidate.
    budgets: [Budget; 2],
    /// True if all of the candidate's output is wanted besides.
    shadow: AtomicBool,
    /// True from when its units leave by the baseline, whatever the weight.
    apart: AtomicBool,
    /// Number in the baseline's pipeline of the last batch whose share the candidate has sent; locked while it is claimed, and
    /// while its units are set apart.
    claimed: Mutex<u64>,
    /// True while it rests because it has taken its share of the CPU.
    rests: AtomicBool,
    /// Batches that ran, that found no room, that did so while it rested, and while nothing else waited, since this was last asked.
    load: [AtomicU64; 4],
    /// The candidate gets one in so many entities.
    one_in: AtomicU32,
    levels: Mutex<Vec<(String, String)>>,
    /// Points that waited in the candidate's stages after the last job, if its units leave by it.
    held: AtomicU64,
    /// True from when a swap waits for it.
    awaited: AtomicBool,
    /// True from when nobody waits for it any more: it stops in the midst of a batch.
    abandoned: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    ticks: usize,
    /// Reason for which the candidate is to be cut out, before all other jobs.
    overload: Option<String>,
    /// True if the candidate gets fewer entities than when it began to rest.
    eased: bool,
    /// True while a job runs.
    busy: bool,
    /// True while it waits for a job: one that rests is not to be woken by each.
    waits: bool,
    phase: Phase,
    ended: Option<ExperimentState>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Running,
    /// It ends once the queue is empty.
    Closing,
    /// Nobody waits for it any more: what it makes goes nowhere.
    Abandoned,
}

/// Has the baseline's output leave for the candidate's units of a job that does not run.
fn fall_back(job: Job) {
    if let Job::Batch(job) = job
        && let Some(share) = job.share
    {
        share.fall_back();
    }
}

impl CandidateWorker {
    /// Starts a worker that goes on with `state`, behind the batch of the number `before` in the baseline's pipeline.
    ///
    /// # Errors
    /// The system's, where there can be no further thread; then there is no experiment.
    pub fn start(
        engine: Arc<Engine>,
        state: ExperimentState,
        limits: CandidateLimits,
        before: u64,
    ) -> std::io::Result<Arc<Self>> {
        let worker = Arc::new(Self {
            queue: Mutex::default(),
            batches: AtomicUsize::new(0),
            changed: Condvar::new(),
            spare: Mutex::default(),
            budgets: [engine.budget.beside(), Budget::new(limits.memory)],
            shadow: AtomicBool::new(false),
            apart: AtomicBool::new(state.candidate.pipeline().is_none()),
            claimed: Mutex::new(before),
            rests: AtomicBool::new(false),
            load: Default::default(),
            one_in: AtomicU32::new(1),
            levels: Mutex::default(),
            held: AtomicU64::new(0),
            awaited: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
        });
        worker.show_levels(&state);
        let runtime = tokio::runtime::Handle::try_current().ok();
        let own = Arc::clone(&worker);
        thread::Builder::new().name("candidate".to_owned()).spawn(move || {
            let _entered = runtime.as_ref().map(tokio::runtime::Handle::enter);
            let kept = own.budgets.each_ref().map(|budget| budget.hold(0));
            own.work(Running {
                worker: &own,
                engine: &engine,
                state,
                limits,
                kept,
                state_bytes: 0,
                one_in: 1,
            });
        })?;
        Ok(worker)
    }

    fn work(&self, mut running: Running<'_>) {
        let mut pace = Pace::new(running.limits.cores(), Instant::now(), thread_time());
        while let Some(job) = self.next() {
            running.run(job);
            let owed = running.state.candidate.pipeline().filter(|_| running.state.delivers);
            let held = owed.map_or(0, |pipeline| pipeline.kept().held);
            self.held.store(held, Ordering::Relaxed);
            if !self.is_abandoned() {
                running.engine.account_held(Variant::Candidate, held);
            }
            if self.rest(pace.rest(Instant::now(), thread_time())) {
                pace.forgive();
            }
        }
        let mut queue = self.queue();
        if queue.phase == Phase::Abandoned {
            drop(queue);
            running.abandon();
            return;
        }
        // Before anybody goes on who may look at the budgets.
        running.kept.iter_mut().for_each(|permit| permit.hold(0));
        queue.ended = Some(running.state);
        self.changed.notify_all();
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        queue.busy = false;
        loop {
            if queue.phase == Phase::Abandoned {
                return None;
            }
            let cut_out = queue.overload.take().map(Job::CutOut);
            if let Some(job) = cut_out.or_else(|| queue.jobs.pop_front()) {
                match job {
                    Job::Batch(_) | Job::Flush(_) => _ = self.batches.fetch_sub(1, Ordering::Relaxed),
                    Job::Tick(_) => queue.ticks -= 1,
                    Job::CutOut(_) => {}
                }
                queue.busy = true;
                return Some(job);
            }
            if queue.phase == Phase::Closing {
                return None;
            }
            queue.waits = true;
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.waits = false;
        }
    }

    /// Rests so long, or until it is to end, to cut the candidate out or to give it less; returns true if to give it less.
    fn rest(&self, time: Duration) -> bool {
        if time.is_zero() {
            return false;
        }
        self.rests.store(true, Ordering::Relaxed);
        let end = Instant::now() + time;
        let mut queue = self.queue();
        while queue.phase == Phase::Running && queue.overload.is_none() && !queue.eased {
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                break;
            };
            queue = self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let eased = std::mem::take(&mut queue.eased);
        drop(queue);
        self.rests.store(false, Ordering::Relaxed);
        eased
    }

    /// Tells whether there is room for another batch.
    pub fn has_room(&self) -> bool {
        self.batches.load(Ordering::Relaxed) < QUEUE
    }

    /// Tells whether there is none for a batch that takes so many bytes. Nothing is too large for an empty queue.
    pub fn is_full(&self, bytes: usize) -> bool {
        let [_, own] = &self.budgets;
        let batches = self.batches.load(Ordering::Relaxed);
        batches >= QUEUE || (batches > 0 && own.used().saturating_add(bytes) > own.limit())
    }

    /// Bytes of all that runs beside the baseline: batches that wait for it or are in it, its stages, what is compared.
    pub fn bytes(&self) -> usize {
        let [_, own] = &self.budgets;
        own.used()
    }

    /// Counts a batch that found no room.
    pub fn leave_out(&self) {
        let [_, left_out, at_rest, no_memory] = &self.load;
        left_out.fetch_add(1, Ordering::Relaxed);
        if self.rests.load(Ordering::Relaxed) {
            at_rest.fetch_add(1, Ordering::Relaxed);
        }
        if self.batches.load(Ordering::Relaxed) == 0 && !self.queue().busy {
            no_memory.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a batch that runs.
    pub(super) fn ran(&self) {
        let [ran, ..] = &self.load;
        ran.fetch_add(1, Ordering::Relaxed);
    }

    /// What became of batches since this was last asked.
    pub(super) fn take_load(&self) -> Batches {
        let counts = self.load.each_ref().map(|count| count.swap(0, Ordering::Relaxed));
        let [ran, left_out, at_rest, no_memory] = counts;
        Batches { ran, left_out, at_rest, no_memory }
    }

    /// Has the candidate cut out for this reason, before anything else is done; its units leave by the baseline at once.
    pub(super) fn cut_out(&self, why: String) {
        self.keep_apart();
        self.queue().overload = Some(why);
        self.changed.notify_all();
    }

    /// Has the candidate get one in so many entities from here on, of the batches that wait, too. What it has taken of the CPU
    /// is forgiven: it was of more.
    pub(super) fn sample(&self, one_in: u32) {
        self.one_in.store(one_in, Ordering::Relaxed);
        self.queue().eased = true;
        self.changed.notify_all();
    }

    /// The candidate gets one in so many entities.
    pub(super) fn one_in(&self) -> u32 {
        self.one_in.load(Ordering::Relaxed)
    }

    /// Tells whether a tick waits still: then there is no need of another.
    pub fn has_tick(&self) -> bool {
        self.queue().ticks > 0
    }

    /// Queues a job, for which there is room.
    pub fn push(&self, job: Job) {
        let mut queue = self.queue();
        match job {
            Job::Batch(_) | Job::Flush(_) => _ = self.batches.fetch_add(1, Ordering::Relaxed),
            Job::Tick(_) => queue.ticks += 1,
            Job::CutOut(_) => {}
        }
        queue.jobs.push_back(job);
        let waits = queue.waits;
        drop(queue);
        if waits {
            self.changed.notify_all();
        }
    }

    /// Waits until it has nothing to do, so long at most. Where only evidence is at stake, it is given up after [`HOPE`] as soon as a
    /// batch finds no room: more comes than it does, and there is no such moment to wait for.
    pub fn catch_up(&self, patience: Duration, only_evidence: bool) {
        self.awaited.store(true, Ordering::Relaxed);
        let begin = Instant::now();
        let has_work = |queue: MutexGuard<'_, Queue>| queue.busy || !queue.jobs.is_empty();
        let [_, left_out, ..] = &self.load;
        let mut known = left_out.load(Ordering::Relaxed);
        while has_work(self.queue()) && begin.elapsed() < patience {
            thread::sleep(Duration::from_millis(1));
            // Each tick counts from 0 again.
            let before = std::mem::replace(&mut known, left_out.load(Ordering::Relaxed));
            if only_evidence && known > before && begin.elapsed() >= HOPE {
                break;
            }
        }
    }

    /// Ends it once its queue is empty, and returns its state. Past `patience` it is abandoned: its state is lost, and what
    /// it still makes goes nowhere; what its stages hold for the candidate's units is counted as lost once it ends.
    pub fn close(&self, patience: Duration) -> Option<ExperimentState> {
        self.awaited.store(true, Ordering::Relaxed);
        let mut queue = self.queue();
        queue.phase = Phase::Closing;
        self.changed.notify_all();
        let waits = |queue: &mut Queue| queue.ended.is_none();
        let waited = self.changed.wait_timeout_while(queue, patience, waits);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if queue.ended.is_none() {
            queue.phase = Phase::Abandoned;
            // What it has not sent by now it never sends.
            self.keep_apart();
            self.abandoned.store(true, Ordering::Relaxed);
            queue.jobs.drain(..).for_each(fall_back);
            let held = self.held.load(Ordering::Relaxed);
            tracing::warn!(
                held,
                "the candidate's worker was not done: what it had not observed is lost, and its units' share of what is held"
            );
        }
        queue.ended.take()
    }

    /// Tells whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.queue().phase == Phase::Abandoned
    }

    /// Deadline of a batch for which units wait so long, if any do.
    pub(super) fn deadline(&self, wait: Option<Duration>) -> Deadline<'_> {
        Deadline { abandoned: &self.abandoned, awaited: &self.awaited, wait }
    }

    /// Lets its units leave by the baseline from now on. Returns true for the first time.
    pub fn keep_apart(&self) -> bool {
        let _none_is_claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        !self.apart.swap(true, Ordering::AcqRel)
    }

    /// Takes the share of the batch of this number for the candidate to send, unless it has been taken, or its units leave by
    /// the baseline.
    pub(super) fn claim(&self, share: &PendingShare, number: u64) -> Option<OpenShare> {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let open = if self.is_apart() { None } else { share.claim() };
        if open.is_some() {
            *claimed = number;
        }
        open
    }

    /// Number in the baseline's pipeline of the first batch whose units all leave by the baseline; nothing before they do.
    pub fn first_apart(&self) -> Option<u64> {
        let claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_apart().then_some(*claimed + 1)
    }

    /// Number in the baseline's pipeline of the last batch whose share the candidate has sent.
    pub fn claimed(&self) -> u64 {
        *self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether its units leave by the baseline.
    pub fn is_apart(&self) -> bool {
        self.apart.load(Ordering::Acquire)
    }

    /// Makes all of the candidate's output besides, or not.
    pub fn want_shadow(&self, wanted: bool) {
        self.shadow.store(wanted, Ordering::Relaxed);
    }

    pub(super) fn wants_shadow(&self) -> bool {
        self.shadow.load(Ordering::Relaxed)
    }

    /// The levels in force of the candidate's stages: stage and level.
    pub fn levels(&self) -> Vec<(String, String)> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn show_levels(&self, state: &ExperimentState) {
        let levels = state.candidate.pipeline().into_iter().flat_map(VariantPipeline::levels);
        let levels = levels.map(|(stage, level)| (stage.to_string(), level.to_owned())).collect();
        *self.levels.lock().unwrap_or_else(PoisonError::into_inner) = levels;
    }

    /// Budget beside the agent's data and that of the candidate, for what waits and for what is kept.
    pub fn budgets(&self) -> &[Budget; 2] {
        &self.budgets
    }

    /// Memory for a batch.
    pub fn spare(&self) -> Batch {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes the memory of a batch back.
    pub fn give_back(&self, batch: Batch) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE && batch.held_bytes() < super::KEEP_BELOW {
            spare.push(batch);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
