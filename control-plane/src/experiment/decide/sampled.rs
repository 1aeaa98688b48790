//! Samples: what is said besides where an agent follows a share of its entities, because it has too many series, or because
//! the candidate does not keep up.

use observe::{Comparison, Sample};

use super::Subject;
use crate::experiment::words::{apart, count, listed, percent, unique};
use crate::experiment::{AgentEvidence, Answer, Criterion, Effect, Reason, Scope};

/// Samples of the agents that have one, each with its host.
pub fn samples<'a>(looked: &'a Subject<'_>) -> impl Iterator<Item = (&'a AgentEvidence, Sample)> {
    let agents = looked.evidence.agents.iter();
    agents.flat_map(|agent| agent.stretches().filter_map(move |found| Some((agent, found.sample?))))
}

/// Adds to criteria on series what their figures rest on, where it is a sample.
pub fn say(looked: &Subject<'_>, criteria: &mut [Criterion]) {
    let hosts = unique(samples(looked).map(|(agent, _)| agent.host.clone()));
    let Some(one_in) = samples(looked).map(|(_, sample)| sample.one_in).max() else { return };
    let mut sentence = format!(
        " On {} this rests on 1 in {} entities, and on all that are critical: shares of the series may be off by {} \
         of them all, and up to {} of them may be what none of these is (95 %).",
        listed(&hosts),
        count(one_in.into()),
        percent(margin(looked, false).unwrap_or_default()),
        percent(margin(looked, true).unwrap_or_default()),
    );
    sentence += &gets(looked).unwrap_or_default();
    criteria.iter_mut().for_each(|criterion| criterion.finding.sentence.push_str(&sentence));
}

/// Sample that the figures of a lens rest on, whose interval says how far off they may be.
pub fn rests(looked: &Subject<'_>) -> Option<String> {
    let hosts = unique(samples(looked).map(|(agent, _)| agent.host.clone()));
    let one_in = samples(looked).map(|(_, sample)| sample.one_in).max()?;
    let rests = format!(" On {} the sample is 1 in {} entities.", listed(&hosts), count(one_in.into()));
    Some(rests + &gets(looked).unwrap_or_default())
}

fn gets(looked: &Subject<'_>) -> Option<String> {
    let (hosts, one_in) = overloaded(looked)?;
    Some(format!(
        " On {} the candidate gets no more than 1 in {}: it does not keep up.",
        listed(&hosts),
        count(one_in.into())
    ))
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
    largest(looked, if of_none { Sample::most_of_none } else { Sample::margin })
}

fn largest(looked: &Subject<'_>, of: fn(&Sample) -> f64) -> Option<f64> {
    samples(looked).map(|(_, sample)| of(&sample)).reduce(f64::max)
}

/// Tells whether the sample of an agent has nobody in it.
pub fn shows_nothing(looked: &Subject<'_>) -> bool {
    samples(looked).any(|(_, sample)| sample.entities == 0.0)
}

/// Answer, and its sentence, where none of a sample has something that would hold the step; nothing where all are followed.
/// None of the sample is not none of all, so the policy has to accept what the sample leaves open. `none` says what none of
/// the entities does.
pub fn none_of_sample(looked: &Subject<'_>, none: &str) -> Option<(Answer, String)> {
    let (is_accepted, most, rest) = unseen(looked, Sample::most_of_none)?;
    let sentence =
        format!("Of the entities that are followed {none}. Of all series up to {most} may (95 %): {rest}.");
    Some((if is_accepted { Answer::Met } else { Answer::NotMeasured }, sentence))
}

/// Share of the series that may have what none of a sample has, in words: whether the policy accepts it, the share, and why or
/// what would. Nothing where all are followed.
pub fn unseen(looked: &Subject<'_>, of: fn(&Sample) -> f64) -> Option<(bool, String, String)> {
    let most = largest(looked, of)?;
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
    Some((is_accepted, most_text, rest))
}

/// Number of output identities that collide at most, at 95 %: on the agent with most, or on all of them together; nothing where
/// all are looked at.
pub fn most_collisions(looked: &Subject<'_>, scope: Scope) -> Option<u64> {
    samples(looked).next()?;
    let of = |found: &Comparison| {
        let own = found.candidate_only_collisions.value;
        found.sample.map_or(own, |sample| sample.most_collisions(own))
    };
    let each = looked.evidence.agents.iter().filter_map(|agent| agent.stretches().map(of).max());
    match scope {
        Scope::Host => each.max(),
        Scope::Fleet => Some(each.sum()),
    }
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
