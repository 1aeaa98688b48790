//! Lenses: what people look at must look the same. A lens without a limit describes.
//!
//! A lens that the experiment names is asked for: if nothing enters it, it is not measured. One of the default lenses that
//! nothing enters holds nothing.

use observe::Lens;

use super::Looked;
use crate::experiment::words::{percent, signed};
use crate::experiment::{Answer, Criterion, Effect, LensFigure, Reason};

/// A criterion for each lens.
pub fn criteria(looked: &Looked<'_>) -> Vec<Criterion> {
    looked.figures.lenses.iter().map(|lens| criterion(looked, lens)).collect()
}

fn criterion(looked: &Looked<'_>, lens: &LensFigure) -> Criterion {
    let limit = looked.policy().max_lens_error;
    let effect = if limit.is_some() { Effect::RollBack } else { Effect::Tell };
    let quantity = "max_lens_error";
    let Some(error) = lens.relative_error else {
        let sentence = format!("{}: nothing entered it.", lens.name);
        let finding = Reason { limit, ..Reason::new("L0", quantity, sentence) };
        let finding = finding.about(Vec::new(), vec![lens.name.clone()]);
        let named = looked.spec.lenses != Lens::defaults();
        return Criterion::of(named && limit.is_some(), Answer::NotApplicable, effect, finding);
    };
    let allowed = limit.map_or_else(String::new, |limit| format!("; at most {} is allowed", percent(limit)));
    let sentence = format!("{} differs by {} over the fleet{allowed}.", lens.name, signed(error));
    let past = limit.is_some_and(|limit| error.abs() > limit);
    let finding = looked.measured(Reason::new("L0", quantity, sentence), error, limit.unwrap_or(0.0));
    let finding = Reason { limit, ..finding }.about(Vec::new(), vec![lens.name.clone()]);
    Criterion::of(limit.is_some(), if past { Answer::Violated } else { Answer::Met }, effect, finding)
}
