//! Deadline of a batch in the candidate's pipeline: past it the candidate is stopped in the midst of the batch.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::worker::thread_time;

/// CPU time that one batch may take where nobody waits for it: as long as it takes to judge whether the candidate needs
/// more than its share.
const CAP: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Deadline<'a> {
    /// True from when nobody wants what the worker makes.
    pub abandoned: &'a AtomicBool,
    /// True from when a swap waits for the worker.
    pub awaited: &'a AtomicBool,
    /// Time for which units of the batch wait, where some do.
    pub wait: Option<Duration>,
}

/// Reason for which a batch was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overrun {
    /// Nobody wants what the worker makes any more.
    Abandoned,
    /// Units waited so long.
    Late(Duration),
    /// It took longer than the experiment allows.
    Latency(Duration),
    /// It took more of the CPU than any batch may.
    Cpu(Duration),
}

/// Time that a batch has taken since it began.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    began: Instant,
    cpu: Duration,
}

impl Stopwatch {
    /// Begins now, on this thread.
    pub fn start() -> Self {
        Self { began: Instant::now(), cpu: thread_time() }
    }

    /// Time that has passed.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// CPU time that the thread has taken.
    pub fn cpu(&self) -> Duration {
        thread_time().saturating_sub(self.cpu)
    }
}

#[cfg(test)]
impl Deadline<'static> {
    /// A deadline that never passes, of a batch for which nothing waits.
    pub fn never() -> Self {
        static NO: AtomicBool = AtomicBool::new(false);
        Self { abandoned: &NO, awaited: &NO, wait: None }
    }
}

impl Deadline<'_> {
    /// Tells whether anything waits for the batch: a unit or a swap.
    pub fn is_awaited(&self) -> bool {
        self.wait.is_some() || self.awaited.load(Ordering::Relaxed)
    }

    /// Reason to stop a batch that has taken this time, where the experiment allows `latency`.
    pub fn passed(&self, taken: &Stopwatch, latency: Option<Duration>) -> Option<Overrun> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Some(Overrun::Abandoned);
        }
        let elapsed = taken.elapsed();
        let past = |limit: Option<Duration>| limit.filter(|limit| elapsed > *limit);
        let late = past(self.wait).map(Overrun::Late).or_else(|| past(latency).map(Overrun::Latency));
        // The CPU's clock costs more to ask.
        late.or_else(|| (elapsed > CAP && taken.cpu() > CAP).then_some(Overrun::Cpu(CAP)))
    }
}

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abandoned => f.write_str("nobody waits for it any more"),
            Self::Late(limit) => write!(
                f,
                "units waited {limit:?} for it; the baseline's output left for them, and it was stopped in the batch"
            ),
            Self::Latency(limit) => {
                write!(
                    f,
                    "a batch took more than {limit:?} in it, which is all that is allowed, and was stopped"
                )
            }
            Self::Cpu(cap) => write!(f, "a batch took more than {cap:?} of the CPU in it, and was stopped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use pipelines::Batch;

    use super::*;
    use crate::app::tests::beside::{experiment, slow};
    use crate::app::tests::harness::{export, load};
    use crate::engine::candidate::{Candidate, CandidateOutcome};

    const NOW: u64 = 1_700_000_000_000_000_000;

    /// Runs a batch that takes the candidate seconds: how it went, and the CPU time that it took.
    fn run(wait: Option<Duration>, abandoned: &AtomicBool) -> (CandidateOutcome, Duration) {
        let settings = load(&slow("127.0.0.1:9".parse().expect("an address"), 600, &experiment("50%")));
        let mut candidate =
            Candidate::build(settings.intent.experiment.as_ref().expect("an experiment"), NOW);
        let input = Batch::parse(export(2_000, 1).encode_to_vec().into()).expect("a request");
        let taken = Stopwatch::start();
        let outcome = candidate.process(&input, NOW, Deadline { abandoned, wait, ..Deadline::never() });
        assert!(candidate.pipeline().is_none(), "it is in no state to go on");
        (outcome, taken.cpu())
    }

    #[test]
    fn a_batch_that_units_wait_for_too_long_is_stopped_and_the_candidate_cut_out() {
        let (outcome, cpu) = run(Some(Duration::from_millis(5)), &AtomicBool::new(false));
        let CandidateOutcome::Failed(why) = outcome else { panic!("{outcome:?}") };
        assert!(why.contains("units waited 5ms for it"), "{why}");
        assert!(cpu < Duration::from_millis(200), "{cpu:?}");
    }

    #[test]
    fn a_batch_that_nobody_wants_any_more_is_stopped_in_its_midst() {
        let abandoned = AtomicBool::new(false);
        let (outcome, cpu) = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                abandoned.store(true, Ordering::Relaxed);
            });
            run(None, &abandoned)
        });
        let CandidateOutcome::Failed(why) = outcome else { panic!("{outcome:?}") };
        assert!(why.contains("nobody waits"), "{why}");
        assert!(cpu < Duration::from_millis(220), "20 ms until it is abandoned, and then {cpu:?}");
    }
}
