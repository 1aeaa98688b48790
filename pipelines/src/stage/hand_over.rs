//! State at a swap of generations.
//!
//! It is kept by component id and config digest, looked up in the same variant and then in the other. A variant
//! that runs the very plan that the other one ran looks there first: that is a promotion. What several stages ask
//! for is copied for all but the last.

use super::pipeline::Pipeline;

/// The pipelines of a generation, by variant; none where a variant does not run or has no stages.
pub type Variants<'a> = [Option<&'a mut Pipeline>; 2];

/// Place at which a stage finds its state: variant and place among its stages.
type Place = (usize, usize);

/// Hands the state of `old` to `new`. To be called after [`Pipeline::retire`] of each old pipeline.
pub fn hand_over(mut old: Variants<'_>, mut new: Variants<'_>) {
    let batches = old.iter().flatten().map(|pipeline| pipeline.batches()).max().unwrap_or_default();
    new.iter_mut().flatten().for_each(|pipeline| pipeline.number_from(batches));
    let mut wanted: Vec<(Place, Place)> = Vec::new();
    for (variant, pipeline) in new.iter().enumerate() {
        let Some(pipeline) = pipeline else { continue };
        let runs = |variant: usize| old[variant].as_ref().is_some_and(|old| old.same_stages(pipeline));
        let promoted = runs(1 - variant) && !runs(variant);
        let order = if promoted { [1 - variant, variant] } else { [variant, 1 - variant] };
        for (place, key) in pipeline.keys().enumerate() {
            let found = order.into_iter().find_map(|variant| {
                let place = old[variant].as_ref()?.keys().position(|other| other == key)?;
                Some((variant, place))
            });
            wanted.extend(found.map(|from| (from, (variant, place))));
        }
    }
    for (index, (from, to)) in wanted.iter().enumerate() {
        let again = wanted[index + 1..].iter().any(|(later, _)| later == from);
        let Some(source) = &mut old[from.0] else { continue };
        let stage = if again { source.copy_stage(from.1) } else { source.take_stage(from.1) };
        if let Some(target) = &mut new[to.0] {
            target.put_stage(to.1, stage);
        }
    }
}
