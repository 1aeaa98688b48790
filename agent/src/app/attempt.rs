//! Attempts at what a control plane pushes: recorded, built and warmed aside, put in charge, committed after the trial.

use tokio::time::{Instant, sleep_until};

use super::BootError;
use super::apply::Controller;
use super::remote::RemoteGenerationError;
use crate::config::Settings;
use crate::engine;
use crate::generation::Intent;
use crate::ledger::{Content, Quarantined};

/// Time between two tries to commit on a disk that fails.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(60);

/// Attempt in charge, and when it is to be committed.
#[derive(Debug)]
pub struct Trial {
    content: Content,
    due: Instant,
}

impl Controller {
    /// Records an attempt and builds it aside: it may be put in charge then.
    ///
    /// # Errors
    /// Why not; what was in force still is.
    pub(super) async fn attempt(
        &mut self,
        (number, intent): (u64, &Intent),
        body: &str,
        settings: &Settings,
    ) -> Result<(), BootError> {
        let before = self.ledger.standing();
        self.ledger.begin_attempt(number, &intent.digests, &self.replaced(settings), body)?;
        // Not on a thread that serves: what is warmed is somebody's program.
        let aside = intent.clone();
        let warmed = tokio::task::spawn_blocking(move || engine::warm(&aside, engine::now())).await;
        let failed = match warmed {
            Ok(warmed) => warmed.err().map(RemoteGenerationError::Panic),
            Err(error) => Some(RemoteGenerationError::Broken(error.to_string())),
        };
        match failed {
            None => Ok(()),
            Some(failed) => {
                self.ledger.withdraw(before);
                Err(failed.into())
            }
        }
    }

    /// Begins the trial of the attempt in charge; one of the same content goes on.
    pub(super) fn begin_trial(&mut self, settings: &Settings) {
        let attempt = self.ledger.attempt().cloned();
        if self.trial.as_ref().map(|trial| &trial.content) != attempt.as_ref() {
            self.trial = attempt.map(|content| Trial { content, due: Instant::now() + settings.trial });
        }
        self.tell_quarantine();
    }

    /// Returns when the attempt in charge is to be committed; never without one.
    pub fn trial_over(&self) -> impl Future<Output = ()> + use<> {
        let due = self.trial.as_ref().map(|trial| trial.due);
        async move {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Commits the attempt in charge: it has lived through its trial.
    pub fn commit_attempt(&mut self) {
        match self.ledger.commit_attempt() {
            Ok(number) => {
                self.trial = None;
                tracing::info!(generation = number, "a pushed generation is committed");
            }
            Err(error) => {
                tracing::error!(%error, "a pushed generation cannot be committed yet");
                self.trial.iter_mut().for_each(|trial| trial.due = Instant::now() + AGAIN);
            }
        }
        self.tell_quarantine();
    }

    /// Lifts quarantines: those with these ids, or all.
    pub fn lift(&mut self, ids: Option<&[String]>) {
        match self.ledger.lift(ids) {
            Ok(0) => {}
            Ok(lifted) => {
                tracing::warn!(lifted, "quarantines are lifted: what was in them may be tried again");
            }
            Err(error) => tracing::error!(%error, "a quarantine cannot be lifted"),
        }
        self.tell_quarantine();
    }

    /// Lifts every quarantine if somebody at the host asks for it.
    pub(super) fn lift_if_asked(&mut self) {
        match self.ledger.lift_if_asked() {
            Ok(0) => {}
            Ok(lifted) => {
                tracing::warn!(lifted, "quarantines are lifted: somebody made the file lift-quarantine");
            }
            Err(error) => tracing::error!(%error, "what the file lift-quarantine asks for cannot be done"),
        }
    }

    /// Records that the process stops because it was asked to.
    pub fn stop(&self) {
        self.ledger.stop();
    }

    fn tell_quarantine(&self) {
        let quarantined = self.ledger.quarantined().iter();
        let quarantined = quarantined.map(|one: &Quarantined| (one.content.id(), one.words())).collect();
        let attempt = self.ledger.attempt().map(|_| self.ledger.entry().generation);
        self.shared.health.update(|condition| {
            condition.quarantined = quarantined;
            condition.attempt = attempt;
        });
    }
}
