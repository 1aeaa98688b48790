//! Command that a person can give to an experiment.

use super::promotion::{self, Forced};
use super::{Named, find};
use crate::actions::lifecycle::{self, Failed};
use crate::audit::By;
use crate::auth::Actor;
use crate::experiment::{Action, Reason};
use crate::id::UserId;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::experiments::Experiment;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Begin, on the agents that match now.
    Start,
    /// Hold the step.
    Pause,
    /// Go on with it.
    Resume,
    /// Collect the last horizon and end.
    Stop,
    /// Put the candidate in charge, on a person's word: if its criteria are met, or by force.
    Promote(Option<Forced>),
    /// Put the baseline back in charge; also after a promotion.
    RollBack,
    /// Never begin.
    Cancel,
    /// Agree to its promotion, as somebody other than its author.
    Approve,
}

/// Checks an experiment that is to begin as it was written down, which may have been by an earlier release.
/// `place` says whose it is.
pub(super) async fn check_stored(
    state: &AppState,
    place: UserId,
    experiment: &Experiment,
) -> Result<(), Refusal> {
    let spec = experiment.spec.clone();
    let checked = state.checks.run(place, move || spec.check_stored()).await?;
    checked.map_err(|mistake| {
        let name = &experiment.spec.name;
        Refusal::conflict(format!(
            "cannot start experiment {name}: {mistake}; an earlier release wrote it down, so create it anew"
        ))
    })
}

/// Times that a command is tried of which the experiment moves on while it is given.
const ATTEMPTS: u32 = 16;

/// Moves an experiment of the actor's tenant. One that moves on by itself meanwhile is read again: whoever rolls back has not
/// to care which step it is at. With a version in `named` it is left alone then.
///
/// # Errors
/// 404, 409 for a transition that there is not, for a start of what is not created any more and for a promotion without met
/// criteria, 412 for another version than the named one, 429 where too much is being checked, and the store's.
pub async fn command(
    state: &AppState,
    actor: &Actor,
    named: &Named,
    command: Command,
) -> Result<Experiment, Refusal> {
    let mut attempts = 1..=ATTEMPTS;
    loop {
        let experiment = find(state, actor, named).await?;
        let last = attempts.next() == Some(ATTEMPTS);
        match attempt(state, actor, experiment, &command).await? {
            Err(Failed::Stale) if !last => {}
            done => return Ok(done?),
        }
    }
}

async fn attempt(
    state: &AppState,
    actor: &Actor,
    experiment: Experiment,
    command: &Command,
) -> Result<Result<Experiment, Failed>, Refusal> {
    let action = match command {
        Command::Start => {
            check_stored(state, actor.user_id, &experiment).await?;
            return Ok(lifecycle::start(state, experiment, By::from(actor)).await);
        }
        Command::Pause => Action::Pause,
        Command::Resume => Action::Resume,
        Command::Stop => Action::Stop,
        Command::Promote(forced) => {
            let (reasons, verdict) = promotion::reasons(state, actor, &experiment, forced.as_ref()).await?;
            let promote = lifecycle::promote(state, experiment, reasons, verdict, By::from(actor));
            return Ok(promote.await);
        }
        Command::RollBack => Action::RollBack(vec![Reason::new(
            "person",
            "rollback",
            format!("{} asked for it.", actor.email),
        )]),
        Command::Cancel => Action::Cancel,
        Command::Approve => Action::Approve(actor.email.clone()),
    };
    Ok(lifecycle::act(state, experiment, action, By::from(actor)).await)
}
