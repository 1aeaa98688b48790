//! A preview: what a candidate would make of the last requests, beside the baseline, off the data path.
//!
//! Both pipelines begin without state and get the requests at the times at which they came. They are compared by the code that
//! compares an experiment. What always holds: nothing of what serves is touched, no point of it leaves; it has the candidate's
//! budget of CPU and memory, gives way to others in the midst of a batch, and is stopped there once nobody waits for it. What an
//! empty begin leaves unsaid is not measured: stages that hold points need twice that time, and those that gather state need
//! their scrapes.

mod run;
mod seen;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pipelines::Batch;
use pipelines::config::Plan;
use proto::preview::{Previewed, Stretch};

use super::Engine;
use super::limits::CandidateLimits;
use super::ring::{KeptRequest, KeptRequests};
use super::worker::Pace;
use crate::generation::Experiment;
use run::Run;
use seen::{Scrapes, SeenSeries};

/// Pipelines that are compared, and how.
#[derive(Debug)]
pub struct PreviewJob {
    /// The pipeline in charge.
    pub baseline: Plan,
    /// The candidate, and what is measured.
    pub experiment: Experiment,
    /// Limits of both.
    pub limits: CandidateLimits,
    /// Name of the host where no attribute gives one.
    pub agent_uid: String,
}

/// Progress of a preview's thread, for those outside of it.
#[derive(Debug, Default)]
pub struct PreviewProgress {
    abandoned: AtomicBool,
    /// CPU time that the thread has taken, nanoseconds.
    cpu: AtomicU64,
    /// Thousandths of a core that it may take; 0 until it runs.
    cores: AtomicU64,
}

impl PreviewProgress {
    /// Says that nobody waits for it any more.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// CPU time of it in the `after` seconds since it was asked for; nothing if it did not run yet.
    pub fn cpu(&self, after: f64) -> Option<PreviewCpu> {
        let cores = self.cores.load(Ordering::Relaxed) as f64 / 1e3;
        let taken = self.cpu.load(Ordering::Relaxed) as f64 / 1e9;
        (cores > 0.0).then(|| PreviewCpu { taken, cores, most: Pace::most(cores, after) })
    }

    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    fn begin(&self, cores: f64) {
        self.cores.store(((cores * 1e3) as u64).max(1), Ordering::Relaxed);
    }

    fn took(&self, cpu: Duration) {
        self.cpu.store(u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// CPU time of a preview, seconds.
#[derive(Clone, Copy, Debug)]
pub struct PreviewCpu {
    /// Time that it has taken.
    pub taken: f64,
    /// Cores that it may take.
    pub cores: f64,
    /// The most that it may have taken by now.
    pub most: f64,
}

/// Reason for which a preview ended early.
#[derive(Debug)]
enum Early {
    /// Nobody waits for it any more.
    Abandoned,
    /// Said for a person.
    Ended(Previewed),
}

/// Time of the requests that are compared, Unix nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    /// Requests from here on are left out, but for those of this time where no stage holds points.
    end: u64,
}

impl Engine {
    /// Runs a preview on the requests that are kept, until nobody waits for it. To be called on a thread of its own.
    pub fn preview(&self, job: &PreviewJob, progress: &PreviewProgress) -> (Stretch, Previewed) {
        let limits = job.limits.within(self.budget.process_limit());
        let beside = self.budget.beside();
        if beside.take(0).is_none() {
            let why =
                "the agent is short of memory, and runs nothing beside its data; ask again when it has some";
            return (Stretch::default(), Previewed::Busy(why.to_owned()));
        }
        let mut stretch = Stretch::default();
        let run = Run::new(job, limits, (&self.budget, &beside), progress);
        let previewed = previewed(run, self.ring.requests(), &mut stretch);
        let previewed = previewed.unwrap_or_else(|early| match early {
            Early::Ended(previewed) => previewed,
            // Whoever abandoned it has answered.
            Early::Abandoned => Previewed::Failed("it was stopped before it was done".to_owned()),
        });
        (stretch, previewed)
    }
}

fn previewed(mut run: Run<'_>, kept: KeptRequests, stretch: &mut Stretch) -> Result<Previewed, Early> {
    let (Some(first), Some(last)) = (kept.requests.first(), kept.requests.last()) else {
        return Err(not_measured(nothing(&kept)));
    };
    let whole = Span { start: first.at, end: last.at };
    let settings = &run.job.experiment.observation;
    let (hold, warm_up) = (settings.hold_nanos, settings.warm_up_scrapes);
    let mut seen = SeenSeries::new(run.limits.series().min(settings.bound));
    for request in &kept.requests {
        if let Some(batch) = run.read(request)? {
            seen.add(&batch, request.at);
        }
        run.pause()?;
    }
    let scrapes = seen.scrapes();
    drop(seen);
    *stretch = told(&kept.requests, whole, scrapes.count);
    if scrapes.count < 2 {
        return Err(not_measured(too_few(stretch, &kept)));
    }
    if scrapes.count < warm_up + 2 {
        return Err(not_measured(still_gathering(stretch, warm_up)));
    }
    let span = match hold {
        0 => whole,
        hold => whole.of_whole(hold).ok_or_else(|| not_measured(holds(stretch, run.job, hold)))?,
    };
    let requests = kept.requests.into_iter().filter(|request| request.at < span.end || hold == 0);
    let requests: Vec<KeptRequest> = requests.collect();
    *stretch = told(&requests, span, scrapes.count);
    let comparison = run.compare(&requests, span, scrapes)?;
    if comparison.input.points == 0 {
        return Err(not_measured(still_gathering(stretch, warm_up)));
    }
    Ok(Previewed::Measured(Box::new(comparison)))
}

impl Span {
    /// The longest one from the same start that has whole times of `hold`, at least two: what comes at an edge between two leaves
    /// there, so that points are compared with all that was made of them.
    fn of_whole(self, hold: u64) -> Option<Self> {
        let times = (self.end - self.start) / hold;
        (times >= 2).then(|| Self { end: self.start + times * hold, ..self })
    }

    fn seconds(self) -> f64 {
        (self.end - self.start) as f64 / 1e9
    }
}

fn told(requests: &[KeptRequest], span: Span, scrapes: u32) -> Stretch {
    let bytes = requests.iter().map(|request| request.message.len() as u64).sum();
    Stretch { batches: requests.len() as u64, bytes, seconds: span.seconds(), scrapes }
}

fn not_measured(why: String) -> Early {
    Early::Ended(Previewed::NotMeasured(why))
}

fn nothing(kept: &KeptRequests) -> String {
    let limit = kept.limit;
    match kept.too_large {
        Some(bytes) => format!(
            "the last request has {bytes} bytes, and this agent keeps {limit} at most (5 % of phoenix.memory_limit, up to 4 MiB), so \
             that it has none to try a candidate on"
        ),
        None => "this agent has kept no request of metrics: none came since it began to keep them, or it gave them up \
                 because it was short of memory"
            .to_owned(),
    }
}

fn too_few(stretch: &Stretch, kept: &KeptRequests) -> String {
    let (Stretch { batches, seconds, .. }, limit) = (stretch, kept.limit);
    let came = match batches {
        1 if stretch.scrapes == 0 => {
            return "the one request that this agent has kept has no point".to_owned();
        }
        _ if stretch.scrapes == 0 => {
            return format!("no point of any series is in the {batches} requests that this agent has kept");
        }
        1 => "this agent has kept one request, so that nothing can be said of how its series go on yet"
            .to_owned(),
        _ if *seconds < 1.0 => {
            format!(
                "this agent has kept {batches} requests, which came within a second, and at least half of their series came once"
            )
        }
        _ => format!(
            "this agent has kept {batches} requests, which came within {seconds:.0} s, and at least half of their series came once"
        ),
    };
    format!(
        "there are fewer than two scrapes: {came}. It keeps {limit} bytes at most (5 % of phoenix.memory_limit, up to 4 MiB); ask again \
         after the next scrape, or try the candidate in an experiment that observes only"
    )
}

fn still_gathering(stretch: &Stretch, warm_up: u32) -> String {
    let Stretch { scrapes, .. } = stretch;
    let needed = warm_up + 2;
    format!(
        "the stages begin without state and tell nothing before they have seen {}; {needed} scrapes are needed, and this agent has \
         kept {scrapes}",
        if warm_up == 1 { "a scrape".to_owned() } else { format!("{warm_up} scrapes") }
    )
}

fn holds(stretch: &Stretch, job: &PreviewJob, hold: u64) -> String {
    let stages: Vec<&str> =
        job.baseline.holding().into_iter().chain(job.experiment.candidate.holding()).collect();
    let (stages, held) = (stages.join(", "), hold as f64 / 1e9);
    // What is short of the time by less than a second is not rounded up to it.
    let (needed, seconds) = (2.0 * held, stretch.seconds.floor());
    format!(
        "{stages} holds points for up to {held:.0} s, so that requests of {needed:.0} s are needed, and those that this agent has kept \
         are of {seconds:.0} s"
    )
}

/// Request that is read, if it is OTLP as far as the data path wants it.
fn read(request: &KeptRequest) -> Option<Batch> {
    let (mut batch, _) = Batch::parse_repaired(request.message.clone()).ok()?;
    batch.identify();
    Some(batch)
}

#[cfg(test)]
mod tests;
