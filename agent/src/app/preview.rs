//! Previews that a control plane asks for: checked as a pushed generation is, run beside everything, answered once.
//!
//! What always holds: one runs at a time; nothing of it is put into force or kept; it ends when its time is over, when who asked has
//! gone, and with the agent; and it is recorded while it runs, so that a candidate that the agent dies of is not run again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pipelines::config::Plan;
use proto::preview::{PreviewAnswer, Previewed, Stretch};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, timeout};

use super::apply::Controller;
use super::remote;
use crate::config::Settings;
use crate::engine::{Engine, PreviewCpu, PreviewJob, PreviewProgress};
use crate::fleet::PreviewAsked;
use crate::generation::Digests;
use crate::ledger::{Content, Previewing};

/// Time for which the thread of one that was stopped may take to end.
const ENDING: Duration = Duration::from_secs(1);
/// Part of the CPU time that a preview may take from which on it has used it.
const USED: f64 = 0.8;
/// The longest that a preview may take, however long somebody waits for it.
const LONGEST: Duration = Duration::from_secs(30);

/// Parts of the agent that a preview needs.
struct Preview {
    settings: Arc<Settings>,
    /// Pipeline in charge.
    baseline: Option<Plan>,
    quarantined: Vec<Content>,
    /// Contents that the agent runs or has run for a whole trial: no death is blamed on them here.
    attempted: Option<Content>,
    proven: Vec<Content>,
    previewing: Arc<Previewing>,
    agent_uid: String,
    engine: Arc<Engine>,
    progress: Arc<PreviewProgress>,
}

/// Word for a thread that nobody waits for it any more, as soon as this is gone.
struct Abandons(Arc<PreviewProgress>);

impl Drop for Abandons {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Controller {
    /// Runs a preview, unless one runs already.
    pub(super) fn preview(&self, asked: PreviewAsked) {
        let PreviewAsked { request, answer } = asked;
        let Some(settings) = self.settings.clone() else { return };
        let progress = Arc::new(PreviewProgress::default());
        let preview = Preview {
            settings,
            baseline: self.baseline.clone(),
            quarantined: self.ledger.quarantined().iter().map(|one| one.content.clone()).collect(),
            attempted: self.ledger.attempt().cloned(),
            proven: self.ledger.proven().to_vec(),
            previewing: self.ledger.previewing(),
            agent_uid: self.ledger.entry().agent_uid.clone(),
            engine: self.shared.engines.leading(),
            progress: Arc::clone(&progress),
        };
        let places = Arc::clone(&self.previews);
        tokio::spawn(async move {
            let mut answer = answer;
            let (began, patience) = (Instant::now(), request.patience.min(LONGEST));
            // One that nobody waits for any more ends within a moment.
            let Ok(Ok(place)) = timeout(ENDING.min(patience), places.acquire_owned()).await else {
                let why = "another preview runs on this agent; ask again in a few seconds".to_owned();
                return tell(answer, request.id, (Stretch::default(), Previewed::Busy(why)));
            };
            tracing::info!(preview = request.id, "a preview runs beside the baseline");
            let previewed = tokio::select! {
                previewed = preview.run(request.body, place) => previewed,
                () = tokio::time::sleep_until(began + patience) => {
                    let after = began.elapsed().as_secs_f64();
                    (Stretch::default(), Previewed::Failed(too_long(after, progress.cpu(after))))
                }
                () = answer.closed() => {
                    tracing::info!(preview = request.id, "nobody waits for the preview any more: it is stopped");
                    return;
                }
            };
            tell(answer, request.id, previewed);
        });
    }
}

fn tell(answer: oneshot::Sender<PreviewAnswer>, id: String, (stretch, previewed): (Stretch, Previewed)) {
    // Who asked may have gone.
    let _nobody_waits = answer.send(PreviewAnswer { id, stretch, previewed });
}

/// Reason of one that was stopped after this time, seconds, with the CPU time of its thread; nothing if its pipelines did not run yet.
fn too_long(after: f64, cpu: Option<PreviewCpu>) -> String {
    let Some(PreviewCpu { taken, cores, most }) = cpu else {
        return format!(
            "it was stopped after {after:.1} s, before its pipelines ran: the check of the candidate was not done, because it takes long \
             or the machine had no time for it"
        );
    };
    // A thread has one core at a time, however many the budget has.
    let is_bound = most < after;
    let why = if taken < USED * most.min(after) {
        "which is less than they may have: the machine was busy, or the agent's process was suspended meanwhile; ask again, or with a \
         longer wait"
    } else if is_bound {
        "so that the budget is what held them up: ask with a longer wait, up to 15s, or give this agent a larger phoenix.budget.cpu"
    } else {
        "so that the budget did not hold them up, they need longer: ask with a longer wait, up to 15s, or try the candidate in an \
         experiment that observes only"
    };
    format!(
        "it was stopped after {after:.1} s: the pipelines were not done with the requests that this agent has kept. phoenix.budget.cpu \
         gives them {cores:.2} s of the CPU a second, of which one second's part is given in advance: {most:.2} s by then. They had \
         {taken:.2} s, {why}"
    )
}

fn not_recorded(error: &io::Error) -> Previewed {
    Previewed::Busy(format!(
        "that it runs cannot be recorded in the agent's data directory, so that its death could not be told: {error}; make room on \
         this disk or make it writable, and ask again"
    ))
}

impl Preview {
    async fn run(self, body: String, place: OwnedSemaphorePermit) -> (Stretch, Previewed) {
        let Self { settings, baseline, quarantined, previewing, agent_uid, engine, progress, .. } = self;
        let (attempted, proven) = (self.attempted, self.proven);
        let limits = settings.limits;
        let checked = tokio::task::spawn_blocking(move || remote::preview(&body, &settings, baseline)).await;
        let refused = |why: String| (Stretch::default(), Previewed::Refused(why));
        let (baseline, experiment, digests): (_, _, Digests) = match checked {
            Ok(Ok(checked)) => checked,
            Ok(Err(refusal)) => return refused(refusal.to_string()),
            Err(error) => return refused(format!("its check did not come to an end: {error}")),
        };
        let content = Content::of(&digests);
        if quarantined.contains(&content) {
            let why = "this agent has these two pipelines in quarantine: it died with them; lift that first (`phoenix agent lift`)";
            return refused(why.to_owned());
        }
        let is_known = attempted.as_ref() == Some(&content) || proven.contains(&content);
        let recorded = match (!is_known).then(|| previewing.begin(content)).transpose() {
            Ok(recorded) => recorded,
            Err(error) => return (Stretch::default(), not_recorded(&error)),
        };
        let job = PreviewJob { baseline, experiment, limits, agent_uid };
        let _once_this_ends = Abandons(Arc::clone(&progress));
        let (sender, done) = oneshot::channel();
        let thread = std::thread::Builder::new().name("preview".to_owned());
        let spawned = thread.spawn(move || {
            let previewed = engine.preview(&job, &progress);
            // Whoever has the answer finds the place free, and nothing recorded.
            drop((recorded, place));
            let _nobody_waits = sender.send(previewed);
        });
        if let Err(error) = spawned {
            let why = format!("this agent can have no further thread now: {error}; ask again later");
            return (Stretch::default(), Previewed::Busy(why));
        }
        done.await.unwrap_or_else(|_| {
            let why = "the preview panicked outside of both pipelines; the agent's log has the place";
            (Stretch::default(), Previewed::Failed(why.to_owned()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_blamed_where_it_was_used_and_nowhere_else() {
        let cpu = |taken, cores: f64| Some(PreviewCpu { taken, cores, most: cores * 5.0 });
        let said = too_long(4.0, cpu(1.2, 0.25));
        assert!(
            said.contains("stopped after 4.0 s") && said.contains("They had 1.20 s, so that the budget is"),
            "{said}"
        );
        // A burst is more than the share of the time alone, and the budget has it.
        assert!(
            said.contains("gives them 0.25 s of the CPU a second")
                && said.contains("advance: 1.25 s by then"),
            "{said}"
        );
        let said = too_long(4.0, cpu(0.1, 0.25));
        assert!(said.contains("They had 0.10 s, which is less than they may have"), "{said}");
        assert!(said.contains("process was suspended meanwhile"), "{said}");
        let said = too_long(4.0, cpu(3.9, 1.0));
        assert!(said.contains("They had 3.90 s, so that the budget did not hold them up"), "{said}");
        assert!(too_long(4.0, None).contains("before its pipelines ran"));
    }
}
