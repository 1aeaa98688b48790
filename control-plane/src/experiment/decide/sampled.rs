//! Samples: what is said besides where an agent follows a share of its entities, because it has too many series, or because
//! the candidate does not keep up.

use observe::Sample;

use super::Subject;
use crate::experiment::words::{apart, count, listed, percent, unique};
use crate::experiment::{AgentEvidence, Answer, Criterion, Effect, Reason};

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
    let mut sentence = format!(
        " On {} this rests on 1 in {} entities, and on all that are critical: shares of the series may be off by {} \
         of them all, and up to {} of them may be what none of these is (95 %).",
        listed(&hosts),
        count(one_in.into()),
        percent(largest(Sample::margin)),
        percent(largest(Sample::most_of_none)),
    );
    if let Some((hosts, one_in)) = overloaded(looked) {
        sentence += &format!(
            " On {} the candidate gets no more than 1 in {}: it does not keep up.",
            listed(&hosts),
            count(one_in.into())
        );
    }
    criteria.iter_mut().for_each(|criterion| criterion.finding.sentence.push_str(&sentence));
}

/// Hosts on which the candidate got a sample because it did not keep up, and the smallest share: 1 in so many.
pub fn overloaded(looked: &Subject<'_>) -> Option<(Vec<String>, u32)> {
    let of = || samples(looked).filter(|(_, sample)| sample.overloaded);
    let one_in = of().map(|(_, sample)| sample.one_in).max()?;
    Some((unique(of().map(|(agent, _)| agent.host.clone())), one_in))
}

/// The furthest that a share of the series may be from what is shown: nothing where all are followed. `of_none` tells that
/// the sample shows none.
pub fn margin(looked: &Subject<'_>, of_none: bool) -> Option<f64> {
    let of = |(_, sample): (&AgentEvidence, Sample)| {
        if of_none { sample.most_of_none() } else { sample.margin() }
    };
    samples(looked).map(of).reduce(f64::max)
}

/// Tells whether the sample of an agent has nobody in it.
pub fn shows_nothing(looked: &Subject<'_>) -> bool {
    samples(looked).any(|(_, sample)| sample.entities == 0.0)
}

/// Answer, and its sentence, where none of a sample has something that would hold the step; nothing where all are followed.
/// None of the sample is not none of all, so the policy has to accept what the sample leaves open. `none` says what none of
/// the entities does.
pub fn none_of_sample(looked: &Subject<'_>, none: &str) -> Option<(Answer, String)> {
    let most = margin(looked, true)?;
    let limit = looked.policy().max_unseen;
    let is_accepted = limit.is_some_and(|limit| most <= limit);
    let [most_text, limit_text] = apart([most, limit.unwrap_or(0.0)]);
    let rest = match limit {
        Some(_) if is_accepted => format!("`max_unseen` accepts {limit_text}"),
        Some(_) => {
            format!("`max_unseen` accepts no more than {limit_text}, and this sample cannot tell less")
        }
        None => {
            "this sample cannot tell less, and a `max_unseen` of so much in the policy accepts it".to_owned()
        }
    };
    let sentence = format!(
        "Of the entities that are followed {none}. Of all series up to {most_text} may (95 %): {rest}."
    );
    Some((if is_accepted { Answer::Met } else { Answer::NotMeasured }, sentence))
}

/// Number of output identities that collide at most on any agent, at 95 %; nothing where all are looked at.
pub fn most_collisions(looked: &Subject<'_>) -> Option<u64> {
    let stretches = looked.evidence.agents.iter().flat_map(AgentEvidence::stretches);
    let most = stretches
        .filter_map(|found| Some(found.sample?.most_collisions(found.candidate_only_collisions.value)));
    most.max()
}

/// Criteria on the candidate's time: of a part of a batch it tells nothing about that of the whole.
pub fn say_of_time(looked: &Subject<'_>, criteria: &mut [Criterion]) {
    let horizons = looked.evidence.agents.iter().flat_map(|agent| {
        agent
            .horizons
            .iter()
            .map(move |found| (agent, found.horizon.sample.filter(|sample| sample.overloaded)))
    });
    let hosts = unique(horizons.filter_map(|(agent, sample)| sample.map(|_| agent.host.clone())));
    if hosts.is_empty() {
        return;
    }
    let sentence = format!(
        " On {} the candidate got a part of each batch, because it did not keep up: its time there is not told.",
        listed(&hosts)
    );
    for criterion in criteria.iter_mut().filter(|criterion| criterion.answer != Answer::Violated) {
        if criterion.answer == Answer::Met {
            criterion.answer = Answer::NotMeasured;
        }
        criterion.finding.sentence.push_str(&sentence);
    }
}

/// Criterion on collisions where they were not looked for, because the candidate got a sample of what came in; nothing where it
/// got all of it.
pub fn no_collisions(looked: &Subject<'_>, quantity: &str, asked: bool) -> Option<Criterion> {
    let (hosts, one_in) = overloaded(looked)?;
    let sentence = format!(
        "Collisions were not looked for on {}: the candidate got 1 in {} entities there, because it did not keep up \
         with more. One that takes less time gets all, and so may one with a larger `phoenix.budget`, in an experiment of \
         its own.",
        listed(&hosts),
        count(one_in.into())
    );
    let finding = Reason::new("L0", quantity, sentence).about(hosts, Vec::new());
    Some(Criterion::of(asked, Answer::NotMeasured, Effect::RollBackAtOnce, finding))
}
