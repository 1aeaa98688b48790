//! Promotion on a person's word: of a candidate whose criteria are met, or forced, with a reason.
//!
//! The criteria are asked anew, of the evidence as it is now: the last verdict may be that of another step.

use crate::auth::Actor;
use crate::evidence::{Moment, evidence};
use crate::experiment::{Reason, State, Unmet, Verdict, decide};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::StoreError;
use crate::store::experiments::Experiment;

/// The most characters of a reason.
const MAX_REASON: usize = 1_000;

/// A promotion that an admin forces, whatever the criteria say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forced {
    reason: String,
}

impl Forced {
    /// What was asked for: nothing where nothing is to be forced.
    ///
    /// # Errors
    /// Forbidden for anybody below an admin; a reason that is missing, too long, or given without force.
    pub fn asked(actor: &Actor, force: bool, reason: &str) -> Result<Option<Self>, Refusal> {
        let reason = reason.trim();
        let expected = format!("the reason for which it is forced, of 1 to {MAX_REASON} characters");
        match (force, reason.chars().count()) {
            (false, 0) => Ok(None),
            (false, _) => {
                Err(Refusal::invalid_field("reason", "a reason without force", "force: true, or none"))
            }
            (true, _) if actor.role < Role::Admin => Err(Refusal::forbidden(format!(
                "to promote without met criteria takes the role admin; yours is {}",
                actor.role
            ))),
            (true, 0) => Err(Refusal::invalid_field("reason", "force without a reason", expected)),
            (true, length) if length > MAX_REASON => {
                Err(Refusal::invalid_field("reason", format!("a reason of {length} characters"), expected))
            }
            (true, _) => Ok(Some(Self { reason: reason.to_owned() })),
        }
    }
}

/// Reasons of a promotion that `actor` asks for, and the verdict of now, against which or by which it is. Where the experiment is in
/// no phase to be promoted, that is not told here.
///
/// # Errors
/// Conflict with the criteria that are not met, unless it is forced; and the store's.
pub(super) async fn reasons(
    state: &AppState,
    actor: &Actor,
    experiment: &Experiment,
    forced: Option<&Forced>,
) -> Result<(Vec<Reason>, Option<Verdict>), Refusal> {
    let mut reasons = vec![Reason::new("person", "promote", format!("{} asked for it.", actor.email))];
    if !experiment.state.allowed(&experiment.spec).contains(&"promote") {
        return Ok((reasons, None));
    }
    let Some((verdict, unmet)) = now(state, experiment).await? else { return Ok((reasons, None)) };
    match forced {
        None if unmet.0.is_empty() => {}
        None => return Err(Refusal::conflict(not_met(experiment, &unmet))),
        Some(Forced { reason }) => {
            let sentence = format!("{} forced it, though {unmet} The reason: {reason}", actor.email);
            reasons.push(Reason::new("person", "force", sentence).about(Vec::new(), unmet.named()));
            // What is the same of several is said once.
            for finding in unmet.0.into_iter().map(|criterion| criterion.finding.at_the_end()) {
                if reasons.iter().all(|reason| reason.sentence != finding.sentence) {
                    reasons.push(finding);
                }
            }
        }
    }
    Ok((reasons, Some(verdict)))
}

fn not_met(experiment: &Experiment, unmet: &Unmet) -> String {
    format!(
        "cannot promote experiment {}: {unmet} {} Wait until they are met, or let an admin promote it with force and a \
         reason",
        experiment.spec.name,
        unmet.sentences()
    )
}

/// Verdict on the evidence as it is now, and the criteria that are not met.
async fn now(state: &AppState, experiment: &Experiment) -> Result<Option<(Verdict, Unmet)>, StoreError> {
    let Some(run) = experiment.state.run() else { return Ok(None) };
    let (goal, since) = match &experiment.state {
        State::Analyzing { goal, since, .. } => (Some(*goal), Some(*since)),
        _ => (None, None),
    };
    let moment = Moment::now(state);
    let mut reader = state.store.read(experiment.tenant_id).await?;
    let evidence = evidence(&mut reader, &state.walks, experiment, run, since, moment).await?;
    let verdict = decide(&evidence, &experiment.spec, run, goal, moment.now);
    let unmet = Unmet(verdict.unmet(run.step));
    Ok(Some((verdict, unmet)))
}
