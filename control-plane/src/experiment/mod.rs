//! An experiment: what is tried on whom, how far it has come, and what the evidence says. Pure: no store, no clock.
//!
//! What always holds: a phase is left only by a transition of [`State`], which consumes it; [`decide`] looks at
//! evidence, policy and step, and at nothing else; advancing rests on exact counts and on instant limits.

mod absence;
pub mod across;
mod allow;
mod basis;
mod change_window;
mod criterion;
mod decide;
mod evidence;
mod figures;
mod guardrail;
mod horizons;
mod invalid;
mod needs;
mod policy;
pub mod preview;
mod reason;
mod sequential;
mod spec;
mod state;
mod traits;
mod unmet;
pub mod wave;
pub(crate) mod words;

pub use absence::{Absence, turned};
pub use allow::{Allow, Allowed};
pub use basis::{Basis, SILENCE};
pub use change_window::{ChangeWindow, Day};
pub use criterion::{Answer, Criterion, Effect};
pub use decide::{Verb, Verdict, decide, decide_start, rebased};
pub use evidence::{AgentEvidence, Evidence, Measured, Rebased, RefusedReports, Stretch};
pub use figures::{Figures, LensFigure};
pub use guardrail::{Direction, Guardrail, Quantity, Scope, Severity};
pub use horizons::{Horizons, HorizonsParts};
pub use invalid::Invalid;
pub use policy::{AtEnd, Policy};
pub use reason::Reason;
pub use sequential::Walked;
pub use spec::{Spec, TemplateUse};
pub use state::{Action, Ended, Goal, Outcome, Phase, Refused, Run, State, Step};
pub use traits::Traits;
pub use unmet::Unmet;

crate::id! {
    /// Names an experiment.
    ExperimentId, "experiment id"
}

#[cfg(test)]
mod tests;
