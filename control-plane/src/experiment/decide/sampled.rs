//! Samples: what is said besides where an agent follows a share of its entities, because it has too many series.

use observe::Sample;

use super::Subject;
use crate::experiment::words::{count, listed, percent, unique};
use crate::experiment::{AgentEvidence, Criterion};

/// Samples of the agents that have one, each with its host.
pub fn samples<'a>(looked: &'a Subject<'_>) -> impl Iterator<Item = (&'a AgentEvidence, Sample)> {
    let agents = looked.evidence.agents.iter();
    agents.flat_map(|agent| agent.stretches().filter_map(move |found| Some((agent, found.sample?))))
}

/// Adds to criteria on series what their figures rest on, where it is a sample.
pub fn say(looked: &Subject<'_>, criteria: &mut [Criterion]) {
    let hosts = unique(samples(looked).map(|(agent, _)| agent.host.clone()));
    let Some(one_in) = samples(looked).map(|(_, sample)| sample.one_in).max() else { return };
    let largest = |of: fn(&Sample) -> f64| samples(looked).map(|(_, sample)| of(&sample)).fold(0.0, f64::max);
    let sentence = format!(
        " On {} this rests on 1 in {} entities, and on all that are critical: shares of the series may be off by {} \
         of them all, and up to {} of them may be what none of these is (95 %).",
        listed(&hosts),
        count(one_in.into()),
        percent(largest(Sample::margin)),
        percent(largest(Sample::most_of_none)),
    );
    criteria.iter_mut().for_each(|criterion| criterion.finding.sentence.push_str(&sentence));
}
