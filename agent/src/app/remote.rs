//! Generations that a control plane pushes: put into force, or refused.
//!
//! The refusals, in order: anything where the owner wants nothing pushed, what cannot be read or is about another pipeline,
//! a pipeline that does not
//! build or brings a processor that the owner lets nobody push, a split that cuts through what a stage has to see whole, a
//! number that is outdated or taken, a content in quarantine, a promotion that was compared with another pipeline than the
//! file's, an attempt that cannot be recorded. Whatever is refused leaves what was in force as it was, but for the experiment
//! that such a promotion has ended: the file's pipeline runs alone then. The ledger is written before the new generation serves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipelines::config::{Digest, Plan};
use pipelines::split::CutsThrough;
use pipelines::yaml::Problems;
use proto::generation::{Baseline, Candidate, Generation};
use proto::promotion::OTHER_BASELINE;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::sync::watch;

use super::BootError;
use super::apply::Controller;
use super::host::{MACHINE_IDS, Surroundings};
use crate::config::{Forbidden, Settings};
use crate::engine;
use crate::fleet::{ActiveGeneration, Identity, Offer, Request};
use crate::generation::{Digests, Experiment, Intent};
use crate::ledger::Content;

/// Reason for which a pushed generation cannot run.
#[derive(Debug, Error)]
pub enum RemoteGenerationError {
    /// The generation, or a pipeline in it, is wrong.
    #[error("{0}")]
    Config(#[from] Problems),
    /// The node's owner wants nothing that is pushed.
    #[error(
        "phoenix.experiments is `refuse` on this node, so that it runs its own file and nothing that is pushed; its \
         owner can set it to `allow`"
    )]
    Refused,
    /// A processor that the node's owner does not let be pushed.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Its check did not come to an end.
    #[error("the check of the generation did not come to an end: {0}")]
    Broken(String),
    /// A pipeline panics before it is in charge.
    #[error("it panics on a request of one point, before it is in charge: {0}")]
    Panic(String),
    /// It is about a pipeline of metrics that experiments are not about here.
    #[error(
        "it is about the pipeline {wanted}, and experiments on this agent are about {}; name that one in the experiment or \
         leave the name out, select agents by phoenix.pipeline={wanted}, or have the owner of this one set \
         phoenix.pipeline",
        .own.as_deref().unwrap_or("none")
    )]
    OtherPipeline {
        /// The pipeline that it names.
        wanted: String,
        /// The one of this agent, if there is one.
        own: Option<String>,
    },
    /// There is nothing to preview.
    #[error("a preview has a candidate, and there is none in it")]
    NoCandidate,
    /// There is nothing to compare with.
    #[error("this agent has no pipeline of metrics to be the baseline")]
    NoBaseline,
    /// It was compared with another pipeline than the file's, which is in charge.
    #[error(
        "{OTHER_BASELINE}what is promoted was compared with {compared}, and the pipeline of this node's file is {own} now: \
         it would undo what was changed there. The file's pipeline runs. Put the earlier one back in the file, and it is \
         offered again; or begin an experiment with a candidate that is made for the one of now"
    )]
    OtherBaseline {
        /// Digest of the pipeline of the file.
        own: String,
        /// Digests that it was compared with.
        compared: String,
    },
    /// The split does not suit the pipelines.
    #[error(transparent)]
    CutsThrough(#[from] CutsThrough),
}

impl Controller {
    /// Does what the control plane asks for.
    pub async fn asked(&mut self, request: Request) {
        match request {
            Request::Offer(offer) => {
                let Offer { body, compared_with, answer } = offer;
                let outcome = self.push(body, &compared_with).await.map_err(|error| error.to_string());
                // Who asked may have gone; it finds out what is in force when it comes back.
                let _nobody_waits = answer.send(outcome);
            }
            Request::Lift(ids) => self.lift(Some(&ids)),
            Request::Preview(asked) => self.preview(asked),
        }
    }

    /// Puts a pushed generation into force.
    ///
    /// # Errors
    /// Why not; what was in force still is.
    async fn push(&mut self, body: String, compared_with: &[String]) -> Result<(), BootError> {
        if !compared_with.is_empty() {
            self.read_now().await;
        }
        let Some(settings) = self.settings.clone() else { return Ok(()) };
        let (number, intent) = compiled(body.clone(), Arc::clone(&settings)).await?;
        let content = Content::of(&intent.digests);
        let admitted = self.ledger.admit(number, &body, &content);
        if admitted.is_ok() && self.ledger.entry().pushed.as_deref() == Some(&body) {
            return Ok(());
        }
        // Told first: a file that was only just read may have taken the number.
        if let Some(refused) = self.for_another(&intent, compared_with, &settings) {
            if admitted.is_ok() {
                self.end_experiment(number, &settings).await?;
            }
            return Err(refused.into());
        }
        admitted?;
        // What the node's owner wrote is theirs to try; it is where every rollback ends.
        let own = intent.experiment.is_none() && intent.digests.baseline == settings.intent.digests.baseline;
        if own || self.ledger.is_proven(&content) {
            self.ledger.commit_pushed(number, &intent.digests, &self.replaced(&settings), &body)?;
        } else {
            self.attempt((number, &intent), &body, &settings).await?;
        }
        let engines = self.shared.engines.running();
        self.baseline.clone_from(&intent.baseline);
        self.install((number, intent), &settings, engines).await;
        self.begin_trial(&settings);
        tracing::info!(generation = number, "a pushed generation is in force");
        Ok(())
    }

    /// Refusal of what was promoted, alone or below another experiment, where it would take the place of a pipeline of the file
    /// that it was not compared with. Where something pushed is in charge already, nothing of the file is undone.
    fn for_another(
        &self,
        intent: &Intent,
        compared_with: &[String],
        settings: &Settings,
    ) -> Option<RemoteGenerationError> {
        let own = settings.intent.digests.baseline?;
        let same = intent.digests.baseline == Some(own);
        let own = own.to_string();
        let in_charge = self.in_force.borrow().baseline == own;
        let known = compared_with.is_empty() || compared_with.contains(&own);
        (in_charge && !known && !same)
            .then(|| RemoteGenerationError::OtherBaseline { own, compared: compared_with.join(", ") })
    }

    /// Puts the file's own generation in force, if an experiment that was pushed is: what ended it, under the number `refused`, is
    /// not taken.
    ///
    /// # Errors
    /// The ledger's; what was in force still is.
    async fn end_experiment(&mut self, refused: u64, settings: &Arc<Settings>) -> Result<(), BootError> {
        let entry = self.ledger.entry();
        if entry.pushed.is_none() || entry.candidate.is_empty() {
            return Ok(());
        }
        let digests = &settings.intent.digests;
        // The number of what was refused means that, at the control plane.
        let number = self.ledger.number(digests).max(refused.saturating_add(1));
        self.ledger.commit(number, digests, &settings.digest)?;
        let engines = self.shared.engines.running();
        self.install((number, settings.intent.clone()), settings, engines).await;
        self.begin_trial(settings);
        Ok(())
    }

    /// Identity of this agent, in its process `boot_id`.
    pub fn identity(&self, boot_id: String, labels: BTreeMap<String, String>) -> Identity {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let Surroundings { host, node, attributes } = Surroundings::of(
            |name| std::env::var(name).ok(),
            &read("/proc/sys/kernel/hostname").unwrap_or_default(),
            || MACHINE_IDS.into_iter().find_map(|path| read(path).filter(|id| !id.trim().is_empty())),
        );
        let uid = self.ledger.entry().agent_uid.clone();
        Identity { uid, boot_id, started: engine::now(), labels, host, node, attributes }
    }

    /// Generation in force, as it changes.
    pub fn in_force(&self) -> watch::Receiver<ActiveGeneration> {
        self.in_force.subscribe()
    }
}

/// [`intent`], off the threads that serve: compiling somebody's pipelines may take a second.
///
/// # Errors
/// [`RemoteGenerationError`].
pub async fn compiled(body: String, settings: Arc<Settings>) -> Result<(u64, Intent), RemoteGenerationError> {
    let compiled = tokio::task::spawn_blocking(move || intent(&body, &settings)).await;
    compiled.map_err(|error| RemoteGenerationError::Broken(error.to_string()))?
}

/// The number and the content of a pushed generation, on this node.
///
/// # Errors
/// [`RemoteGenerationError`].
pub fn intent(body: &str, settings: &Settings) -> Result<(u64, Intent), RemoteGenerationError> {
    let Generation { number, baseline, experiment, .. } = read(body, settings)?;
    let baseline = baseline_of(baseline, settings.intent.baseline.clone(), settings)?;
    let experiment = match experiment {
        Some(experiment) => Some(experiment_of(experiment, baseline.as_ref(), settings)?),
        None => None,
    };
    let digests = digests(baseline.as_ref(), experiment.as_ref());
    Ok((number, Intent { baseline, experiment, digests }))
}

/// Pipelines of a preview, and their digests: its body is that of a generation with an experiment, whose current baseline is the
/// one in charge.
///
/// # Errors
/// [`RemoteGenerationError`].
pub fn preview(
    body: &str,
    settings: &Settings,
    in_charge: Option<Plan>,
) -> Result<(Plan, Experiment, Digests), RemoteGenerationError> {
    let Generation { baseline, experiment, .. } = read(body, settings)?;
    let baseline = baseline_of(baseline, in_charge, settings)?.ok_or(RemoteGenerationError::NoBaseline)?;
    let experiment = experiment.ok_or(RemoteGenerationError::NoCandidate)?;
    let experiment = experiment_of(experiment, Some(&baseline), settings)?;
    let digests = digests(Some(&baseline), Some(&experiment));
    Ok((baseline, experiment, digests))
}

/// A body, if the node's owner lets anything be pushed and it is about the pipeline that experiments are about here.
fn read(body: &str, settings: &Settings) -> Result<Generation, RemoteGenerationError> {
    if refuses(settings) {
        return Err(RemoteGenerationError::Refused);
    }
    let generation = Generation::read(body)?;
    let own = settings.experiments_on();
    match generation.pipeline.as_ref().filter(|wanted| Some(wanted.as_str()) != own) {
        Some(wanted) => {
            Err(RemoteGenerationError::OtherPipeline { wanted: wanted.clone(), own: own.map(str::to_owned) })
        }
        None => Ok(generation),
    }
}

fn baseline_of(
    pushed: Baseline,
    current: Option<Plan>,
    settings: &Settings,
) -> Result<Option<Plan>, RemoteGenerationError> {
    Ok(match pushed {
        Baseline::Current => current,
        Baseline::Given(fragment) => Some(bounded("baseline", fragment.plan("baseline")?, settings)?),
    })
}

/// Tells whether the node's owner wants nothing that is pushed.
pub fn refuses(settings: &Settings) -> bool {
    settings.control_plane.as_ref().is_some_and(|control_plane| !control_plane.experiments)
}

/// A pushed plan, if it brings no processor that the node's owner does not let be pushed.
fn bounded(variant: &'static str, plan: Plan, settings: &Settings) -> Result<Plan, Forbidden> {
    let own = &settings.intent;
    let own = own.baseline.iter().chain(own.experiment.as_ref().map(|experiment| &experiment.candidate));
    settings.remote_config.check(variant, &plan, own)?;
    Ok(plan)
}

fn experiment_of(
    pushed: proto::generation::Experiment,
    baseline: Option<&Plan>,
    settings: &Settings,
) -> Result<Experiment, RemoteGenerationError> {
    let baseline = baseline.ok_or(RemoteGenerationError::NoBaseline)?;
    let candidate = match pushed.candidate {
        Candidate::Baseline => baseline.clone(),
        Candidate::Given(fragment) => bounded("candidate", fragment.plan("candidate")?, settings)?,
    };
    pushed.split.check_scope([baseline, &candidate])?;
    let observation = observe::Settings {
        window_nanos: nanos(pushed.window),
        report_nanos: nanos(pushed.report_every),
        hold_nanos: nanos(baseline.hold().max(candidate.hold())),
        warm_up_scrapes: baseline.warm_up().max(candidate.warm_up()),
        lenses: pushed.lenses,
        critical: pushed.critical,
        price: pushed.price,
        ..observe::Settings::default()
    };
    Ok(Experiment {
        id: pushed.id,
        max_batch_latency: pushed.guardrails.max_batch_latency,
        candidate,
        split: pushed.split,
        observation: Arc::new(observation),
    })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn digests(baseline: Option<&Plan>, experiment: Option<&Experiment>) -> Digests {
    let split = experiment.map(|e| format!("{}\n{:?}\n{:?}", e.id, e.split, e.observation));
    let candidate: Option<Digest> = experiment.map(|experiment| experiment.candidate.digest());
    Digests {
        baseline: baseline.map(Plan::digest),
        candidate,
        split: split.map(|text| hex::encode(Sha256::digest(text))).unwrap_or_default(),
    }
}
