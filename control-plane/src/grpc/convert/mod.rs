//! Messages of phoenix/v1 and the domain's own types, there and back: nowhere else is one made of the other.

mod experiment;
mod found;
mod policy;
mod preview;
mod spec;
mod template;

use proto::v1;

use crate::actions::{Command, Forced};
use crate::auth::Actor;
use crate::refusal::Refusal;

pub(super) use experiment::{event, verdict};
pub(super) use found::{agent, attested, figures, not_promoted, promotion};
pub(super) use preview::{candidate_preview, preview_asked};
pub(super) use spec::asked;
pub(super) use template::{parameters, problem, template};

/// Command of a person to an experiment.
///
/// # Errors
/// 422 for none, for one that is not known, and for force with another than a promotion; and as [`Forced::asked`].
pub(super) fn command(actor: &Actor, asked: &v1::ApplyControlSignalRequest) -> Result<Command, Refusal> {
    let number = asked.signal;
    let signal = v1::ControlSignal::try_from(number);
    let forces = asked.force || !asked.reason.is_empty();
    match signal {
        Ok(v1::ControlSignal::Promote) => {
            Ok(Command::Promote(Forced::asked(actor, asked.force, &asked.reason)?))
        }
        _ if forces => {
            let message = "only a promotion can be forced";
            Err(Refusal::invalid_field("force", message, "neither force nor reason with this signal"))
        }
        Ok(v1::ControlSignal::Start) => Ok(Command::Start),
        Ok(v1::ControlSignal::Pause) => Ok(Command::Pause),
        Ok(v1::ControlSignal::Resume) => Ok(Command::Resume),
        Ok(v1::ControlSignal::Stop) => Ok(Command::Stop),
        Ok(v1::ControlSignal::Rollback) => Ok(Command::RollBack),
        Ok(v1::ControlSignal::Cancel) => Ok(Command::Cancel),
        Ok(v1::ControlSignal::Approve) => Ok(Command::Approve),
        Ok(v1::ControlSignal::Unspecified) | Err(_) => {
            let expected = "start, pause, resume, stop, promote, rollback, cancel or approve";
            Err(Refusal::invalid_field("signal", format!("there is no signal {number}"), expected))
        }
    }
}
