//! Steps of a rollout as somebody asks for them: all in order, or the weights after mirror.

use api::{AskedStep, NamedStep};

use crate::refusal::Refusal;

/// Weights after mirror where nobody says them, basis points.
const WEIGHTS: [u16; 4] = [500, 2_500, 5_000, 10_000];

/// True if the baseline is run against itself first, and the weights after mirror.
///
/// # Errors
/// Steps in another order, and steps beside what says the same.
pub(super) fn of(
    steps: Option<Vec<AskedStep>>,
    aa: bool,
    weights_bp: Option<Vec<u16>>,
) -> Result<(bool, Vec<u16>), Refusal> {
    let Some(steps) = steps else {
        return Ok((aa, weights_bp.unwrap_or_else(|| WEIGHTS.to_vec())));
    };
    if aa || weights_bp.is_some() {
        let message = "it stands beside aa or weights_bp, which say the same";
        return Err(Refusal::invalid_field("steps", message, "steps alone, or aa and weights_bp"));
    }
    let (aa, rest) = match steps.as_slice() {
        [AskedStep::Named(NamedStep::Aa), AskedStep::Named(NamedStep::Mirror), rest @ ..] => (true, rest),
        [AskedStep::Named(NamedStep::Mirror), rest @ ..] => (false, rest),
        _ => return Err(out_of_order()),
    };
    let weight = |step: &AskedStep| match step {
        AskedStep::Weight(weight) => Ok(*weight),
        AskedStep::Named(_) => Err(out_of_order()),
    };
    Ok((aa, rest.iter().map(weight).collect::<Result<_, _>>()?))
}

fn out_of_order() -> Refusal {
    let expected = "mirror, or aa and mirror, and then weights in basis points, such as [mirror] or [mirror, 500, 10000]";
    Refusal::invalid_field("steps", "they are not in the order in which they are taken", expected)
}
