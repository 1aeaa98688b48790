//! The phases of an experiment, each with its data; a transition consumes the one it leaves.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Reason, Spec};
use crate::clock::UnixMillis;
use crate::id::AgentUid;

/// A step of the rollout. In every one both variants process every point; the weight chooses whose output leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Candidate = baseline: they must differ by exactly nothing.
    Aa,
    /// Weight 0.
    Mirror,
    /// This weight, basis points.
    Split(u16),
}

impl Step {
    /// The candidate's weight, basis points.
    #[must_use]
    pub fn weight_bp(self) -> u16 {
        match self {
            Self::Aa | Self::Mirror => 0,
            Self::Split(weight) => weight,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aa => f.write_str("aa"),
            Self::Mirror => f.write_str("mirror"),
            Self::Split(weight) => write!(f, "{} %", f64::from(*weight) / 100.0),
        }
    }
}

/// A step under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Step that runs.
    pub step: Step,
    /// Since when.
    pub since: UnixMillis,
    /// Begin of the first step.
    #[serde(default = "long_ago")]
    pub began: UnixMillis,
    /// Address of the person who approved of the promotion.
    #[serde(default)]
    pub approved_by: Option<String>,
    /// Agents whose evidence counts: frozen when the step began.
    pub agents: Vec<AgentUid>,
}

/// For a run that was kept before its beginning was.
fn long_ago() -> UnixMillis {
    UnixMillis(0)
}

/// Question that is settled once the last horizon is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Promotion: by the verdict of that horizon.
    Promote,
    /// Nothing: it was stopped.
    Stop,
    /// Outcome of one that only observes and was stopped: by what is measured.
    Judge,
}

/// Outcome of a completed experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The candidate is in charge.
    Promoted,
    /// The baseline is.
    RolledBack,
    /// The baseline is, and nothing was found out.
    Inconclusive,
    /// The baseline is. The candidate was only observed, and met every criterion.
    WouldPromote,
    /// The baseline is. The candidate was only observed, and a criterion is violated.
    WouldNot,
    /// The baseline is. The candidate was only observed, and not everything that was asked for was measured.
    NotMeasured,
}

impl Outcome {
    /// Tells whether an experiment that only observes ends with it.
    #[must_use]
    pub fn is_judgment(self) -> bool {
        matches!(self, Self::WouldPromote | Self::WouldNot | Self::NotMeasured)
    }
}

/// The end, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Time.
    pub at: UnixMillis,
    /// Reasons of the end.
    pub reasons: Vec<Reason>,
}

impl Ended {
    /// Reason that stays told of a promotion that is rolled back: when it was, and who forced it, and why.
    fn was_promoted(&self) -> Reason {
        let at = self.at;
        let forced =
            self.reasons.iter().find(|reason| reason.layer == "person" && reason.quantity == "force");
        match forced {
            Some(forced) => {
                let sentence = format!("It had been promoted at {at}: {}", forced.sentence);
                Reason { sentence, ..forced.clone() }
            }
            None => Reason::new("audit", "promoted", format!("It had been promoted at {at}.")),
        }
    }
}

/// Place of an experiment in its life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Written down.
    Pending,
    /// The first step is being pushed.
    Initializing(Run),
    /// A step is under way.
    Running(Run),
    /// No step changes; data flows, and instant limits live.
    Paused(Run),
    /// The last horizon is being collected.
    Analyzing {
        /// The last step.
        run: Run,
        /// Question that the last horizon settles.
        goal: Goal,
        /// Since when.
        since: UnixMillis,
    },
    /// It is over.
    Completed {
        /// Outcome.
        outcome: Outcome,
        /// Reasons and time of the end.
        end: Ended,
    },
    /// It could not be applied.
    Failed(Ended),
    /// It never began.
    Cancelled(Ended),
}

/// The name of a phase, everywhere the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is a phase of State")]
pub enum Phase {
    Pending,
    Initializing,
    Running,
    Paused,
    Analyzing,
    Completed,
    Failed,
    Cancelled,
}

impl Phase {
    /// All, in the order in which an experiment may pass them.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Initializing,
        Self::Running,
        Self::Paused,
        Self::Analyzing,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Initializing => "initializing",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Analyzing => "analyzing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Action that a person or a reconciler can ask of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Begin, on these agents.
    Start(Vec<AgentUid>),
    /// The first step is applied.
    Applied,
    /// The first step cannot be applied.
    Fail(Vec<Reason>),
    /// Hold the step.
    Pause,
    /// Go on with it.
    Resume,
    /// The next step, on these agents; after the last one, the last horizon.
    Advance(Vec<AgentUid>),
    /// Collect the last horizon and end.
    Stop,
    /// The last horizon is in, and there was nothing to find out.
    Conclude(Vec<Reason>),
    /// End what only observes, with what would have been decided.
    Judge(Outcome, Vec<Reason>),
    /// Put the candidate in charge.
    Promote(Vec<Reason>),
    /// Put the baseline back in charge.
    RollBack(Vec<Reason>),
    /// Never begin.
    Cancel,
    /// Agree to the promotion: whose address.
    Approve(String),
}

impl Action {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Applied => "applied",
            Self::Fail(_) => "fail",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Advance(_) => "advance",
            Self::Stop => "stop",
            Self::Conclude(_) => "conclude",
            Self::Judge(..) => "judge",
            Self::Promote(_) => "promote",
            Self::RollBack(_) => "rollback",
            Self::Cancel => "cancel",
            Self::Approve(_) => "approve",
        }
    }

    /// Tells whether it takes a step or ends the experiment.
    #[must_use]
    pub fn is_decision(&self) -> bool {
        match self {
            Self::Applied | Self::Fail(_) | Self::Advance(_) | Self::Conclude(_) | Self::Judge(..) => true,
            Self::Promote(_) | Self::RollBack(_) => true,
            Self::Start(_) | Self::Pause | Self::Resume | Self::Stop | Self::Cancel | Self::Approve(_) => {
                false
            }
        }
    }
}

/// A transition that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot {} experiment {name}: it is {from}{} (allowed: {})", words(action), kind(*.observe_only), commands(allowed))]
pub struct Refused {
    /// Name of the experiment.
    pub name: String,
    /// The phase it is in.
    pub from: Phase,
    /// True if it only observes, so that nothing is promoted.
    pub observe_only: bool,
    /// Action that was asked for.
    pub action: &'static str,
    /// Actions that a person may ask for instead.
    pub allowed: Vec<&'static str>,
}

fn stopped_early() -> Reason {
    Reason::new(
        "person",
        "stop",
        "It was stopped before its first step had begun, so that nothing was judged.",
    )
}

fn words(action: &str) -> &str {
    if action == "rollback" { "roll back" } else { action }
}

fn kind(observe_only: bool) -> &'static str {
    if observe_only { " and only observes" } else { "" }
}

fn commands(allowed: &[&str]) -> String {
    if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") }
}

impl State {
    /// Its phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Pending => Phase::Pending,
            Self::Initializing(_) => Phase::Initializing,
            Self::Running(_) => Phase::Running,
            Self::Paused(_) => Phase::Paused,
            Self::Analyzing { .. } => Phase::Analyzing,
            Self::Completed { .. } => Phase::Completed,
            Self::Failed(_) => Phase::Failed,
            Self::Cancelled(_) => Phase::Cancelled,
        }
    }

    /// Tells whether a second person has to approve before it is promoted, and nobody has.
    #[must_use]
    pub fn awaits_approval(&self, spec: &Spec) -> bool {
        let asks = spec.policy.require_approval && !spec.is_observe_only();
        asks && self.run().is_none_or(|run| run.approved_by.is_none())
    }

    /// Names of the actions that a person may ask for in this state.
    #[must_use]
    pub fn allowed(&self, spec: &Spec) -> Vec<&'static str> {
        let all: &[&str] = match self {
            Self::Pending => &["start", "cancel"],
            Self::Initializing(_) => &["stop", "rollback"],
            Self::Running(_) => &["pause", "stop", "promote", "rollback", "approve"],
            Self::Paused(_) => &["resume", "stop", "promote", "rollback", "approve"],
            Self::Analyzing { goal: Goal::Promote, .. } => &["promote", "rollback", "approve"],
            Self::Analyzing { goal: Goal::Stop | Goal::Judge, .. } => &["promote", "rollback"],
            Self::Completed { outcome: Outcome::Promoted, .. } => &["rollback"],
            Self::Completed { .. } | Self::Failed(_) | Self::Cancelled(_) => &[],
        };
        let taken = |name: &&&str| match **name {
            "promote" => !spec.is_observe_only() && !self.awaits_approval(spec),
            "approve" => !spec.is_observe_only(),
            _ => true,
        };
        all.iter().filter(taken).copied().collect()
    }

    /// The step that agents are to run; nothing when none are.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        match self {
            Self::Initializing(run)
            | Self::Running(run)
            | Self::Paused(run)
            | Self::Analyzing { run, .. } => Some(run),
            Self::Pending | Self::Completed { .. } | Self::Failed(_) | Self::Cancelled(_) => None,
        }
    }

    /// The outcome of a completed one.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Completed { outcome, .. } => Some(*outcome),
            _ => None,
        }
    }

    /// Reason for which it ended.
    #[must_use]
    pub fn end(&self) -> Option<&Ended> {
        match self {
            Self::Completed { end, .. } | Self::Failed(end) | Self::Cancelled(end) => Some(end),
            _ => None,
        }
    }

    /// The next state.
    ///
    /// # Errors
    /// [`Refused`]: there is no such transition from here.
    pub fn after(self, action: Action, spec: &Spec, now: UnixMillis) -> Result<Self, Refused> {
        let refused = Refused {
            name: spec.name.clone(),
            from: self.phase(),
            observe_only: spec.is_observe_only(),
            action: action.name(),
            allowed: self.allowed(spec),
        };
        let end = |reasons| Ended { at: now, reasons };
        let next = |before: Run, step, agents| Run { step, since: now, agents, ..before };
        let completed = |outcome, reasons| Self::Completed { outcome, end: end(reasons) };
        let observes = spec.is_observe_only();
        Ok(match (self, action) {
            (Self::Pending, Action::Start(agents)) => Self::Initializing(Run {
                step: spec.first_step(),
                since: now,
                began: now,
                approved_by: None,
                agents,
            }),
            (Self::Pending, Action::Cancel) => Self::Cancelled(end(Vec::new())),
            (Self::Initializing(run), Action::Applied) => Self::Running(Run { since: now, ..run }),
            (Self::Initializing(_), Action::Fail(reasons)) => Self::Failed(end(reasons)),
            (Self::Running(run), Action::Pause) => Self::Paused(run),
            (Self::Paused(run), Action::Resume) => Self::Running(run),
            (_, Action::Promote(_) | Action::Approve(_) | Action::Conclude(_)) if observes => {
                return Err(refused);
            }
            (Self::Running(at), Action::Advance(agents)) => match spec.step_after(at.step) {
                Some(step) => Self::Running(next(at, step, agents)),
                None if observes => return Err(refused),
                None => {
                    let step = at.step;
                    Self::Analyzing { run: next(at, step, agents), goal: Goal::Promote, since: now }
                }
            },
            (Self::Running(run), Action::Approve(by)) => Self::Running(Run { approved_by: Some(by), ..run }),
            (Self::Paused(run), Action::Approve(by)) => Self::Paused(Run { approved_by: Some(by), ..run }),
            (Self::Analyzing { run, goal: Goal::Promote, since }, Action::Approve(by)) => {
                Self::Analyzing { run: Run { approved_by: Some(by), ..run }, goal: Goal::Promote, since }
            }
            (Self::Running(run) | Self::Paused(run), Action::Stop) => {
                let goal = if observes { Goal::Judge } else { Goal::Stop };
                Self::Analyzing { run, goal, since: now }
            }
            (Self::Initializing(_), Action::Stop) if observes => {
                completed(Outcome::NotMeasured, vec![stopped_early()])
            }
            (Self::Initializing(_), Action::Stop) => completed(Outcome::Inconclusive, Vec::new()),
            (
                Self::Initializing(_) | Self::Running(_) | Self::Paused(_) | Self::Analyzing { .. },
                Action::Judge(outcome, reasons),
            ) if observes && outcome.is_judgment() => completed(outcome, reasons),
            (Self::Analyzing { .. }, Action::Conclude(reasons)) => completed(Outcome::Inconclusive, reasons),
            (Self::Running(_) | Self::Paused(_) | Self::Analyzing { .. }, Action::Promote(reasons)) => {
                completed(Outcome::Promoted, reasons)
            }
            (
                Self::Initializing(_) | Self::Running(_) | Self::Paused(_) | Self::Analyzing { .. },
                Action::RollBack(reasons),
            ) => completed(Outcome::RolledBack, reasons),
            (Self::Completed { outcome: Outcome::Promoted, end }, Action::RollBack(mut reasons)) => {
                reasons.push(end.was_promoted());
                completed(Outcome::RolledBack, reasons)
            }
            _ => return Err(refused),
        })
    }
}
