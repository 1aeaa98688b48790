//! Previews that a control plane asks for: checked as a pushed generation is, run beside everything, answered once.
//!
//! What always holds: one runs at a time; nothing of it is put into force or kept; it ends when its time is over, when who asked has
//! gone, and with the agent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pipelines::config::Plan;
use proto::preview::{PreviewAnswer, Previewed, Stretch};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::apply::Controller;
use super::remote;
use crate::config::Settings;
use crate::engine::{Engine, PreviewJob};
use crate::fleet::PreviewAsked;
use crate::generation::Digests;
use crate::ledger::Content;

/// The longest that a preview may take, however long somebody waits for it.
const LONGEST: Duration = Duration::from_secs(30);

/// Parts of the agent that a preview needs.
struct Preview {
    settings: Arc<Settings>,
    /// Pipeline in charge.
    baseline: Option<Plan>,
    quarantined: Vec<Content>,
    agent_uid: String,
    engine: Arc<Engine>,
    /// Its place, which it has until its thread has ended.
    place: OwnedSemaphorePermit,
}

/// Word for a thread that nobody waits for it any more, as soon as this is gone.
struct Abandons(Arc<AtomicBool>);

impl Drop for Abandons {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Controller {
    /// Runs a preview, unless one runs already.
    pub(super) fn preview(&self, asked: PreviewAsked) {
        let PreviewAsked { request, answer } = asked;
        let Some(settings) = self.settings.clone() else { return };
        let Ok(place) = Arc::clone(&self.previews).try_acquire_owned() else {
            let why = "another preview runs on this agent; ask again in a few seconds".to_owned();
            tell(answer, request.id, (Stretch::default(), Previewed::Busy(why)));
            return;
        };
        let preview = Preview {
            settings,
            baseline: self.baseline.clone(),
            quarantined: self.ledger.quarantined().iter().map(|one| one.content.clone()).collect(),
            agent_uid: self.ledger.entry().agent_uid.clone(),
            engine: self.shared.engines.leading(),
            place,
        };
        tracing::info!(preview = request.id, "a preview runs beside the baseline");
        tokio::spawn(async move {
            let mut answer = answer;
            let patience = request.patience.min(LONGEST);
            let previewed = tokio::select! {
                previewed = preview.run(request.body) => previewed,
                () = tokio::time::sleep(patience) => (Stretch::default(), Previewed::Failed(too_long(patience))),
                () = answer.closed() => return,
            };
            tell(answer, request.id, previewed);
        });
    }
}

fn tell(answer: oneshot::Sender<PreviewAnswer>, id: String, (stretch, previewed): (Stretch, Previewed)) {
    // Who asked may have gone.
    let _nobody_waits = answer.send(PreviewAnswer { id, stretch, previewed });
}

fn too_long(patience: Duration) -> String {
    format!(
        "it was stopped after {patience:?}: in its share of the CPU (phoenix.budget.cpu) the pipelines were not done with the requests \
         that this agent has kept"
    )
}

impl Preview {
    async fn run(self, body: String) -> (Stretch, Previewed) {
        let Self { settings, baseline, quarantined, agent_uid, engine, place } = self;
        let limits = settings.limits;
        let checked = tokio::task::spawn_blocking(move || remote::preview(&body, &settings, baseline)).await;
        let refused = |why: String| (Stretch::default(), Previewed::Refused(why));
        let (baseline, experiment, digests): (_, _, Digests) = match checked {
            Ok(Ok(checked)) => checked,
            Ok(Err(refusal)) => return refused(refusal.to_string()),
            Err(error) => return refused(format!("its check did not come to an end: {error}")),
        };
        if quarantined.contains(&Content::of(&digests)) {
            let why = "this agent has these two pipelines in quarantine: it died with them; lift that first (`phoenix agent lift`)";
            return refused(why.to_owned());
        }
        let job = PreviewJob { baseline, experiment, limits, agent_uid };
        let abandoned = Arc::new(AtomicBool::new(false));
        let _once_this_ends = Abandons(Arc::clone(&abandoned));
        let (sender, done) = oneshot::channel();
        let thread = std::thread::Builder::new().name("preview".to_owned());
        let spawned = thread.spawn(move || {
            let _nobody_waits = sender.send(engine.preview(&job, &abandoned));
            drop(place);
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
