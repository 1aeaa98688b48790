//! Harm that no policy forgives, on every stretch of every agent: it acts at once, whatever else is missing.

use observe::Comparison;

use super::{Subject, sampled};
use crate::experiment::words::{are, count, counted, have, listed, unique};
use crate::experiment::{AgentEvidence, Answer, Criterion, Effect, Evidence, Reason};

/// The criteria on harm.
pub fn criteria(looked: &Subject<'_>) -> Vec<Criterion> {
    let measured = [zero_output(looked), collisions(looked), critical(looked)];
    to_agents(looked).into_iter().chain(measured).collect()
}

/// Those of them that are about the agents themselves, whether anything was measured or not.
pub fn to_agents(looked: &Subject<'_>) -> [Criterion; 2] {
    [quarantine(looked), failure(looked)]
}

/// Agents of which something is true, by host.
fn hosts(evidence: &Evidence, which: impl Fn(&AgentEvidence) -> bool) -> Vec<String> {
    evidence.agents.iter().filter(|agent| which(agent)).map(|agent| agent.host.clone()).collect()
}

/// A default criterion of this kind: it needs no more than that something came in.
fn at_once(looked: &Subject<'_>, violated: bool, finding: Reason) -> Criterion {
    let answer = match (violated, looked.came_in()) {
        (true, _) => Answer::Violated,
        (false, true) => Answer::Met,
        (false, false) => Answer::NotApplicable,
    };
    Criterion::default_of(answer, Effect::RollBackAtOnce, finding)
}

/// Agents that have died of the content, by their own account.
fn quarantine(looked: &Subject<'_>) -> Criterion {
    let evidence = looked.evidence;
    let hosts = hosts(evidence, |agent| agent.quarantined().is_some());
    let why: Vec<String> =
        evidence.agents.iter().filter_map(|agent| Some(agent.quarantined()?.to_owned())).collect();
    let sentence = if hosts.is_empty() {
        "No agent says that it died again and again while the candidate was beside the baseline.".to_owned()
    } else {
        format!(
            "{} died again and again with the candidate and put it in quarantine: {}.",
            listed(&hosts),
            why.join("; ")
        )
    };
    let finding = Reason::new("instant", "quarantine", sentence);
    let finding = looked.measured(finding, hosts.len() as f64, 0.0);
    at_once(looked, !hosts.is_empty(), finding.about(hosts, why))
}

fn failure(looked: &Subject<'_>) -> Criterion {
    let cut = hosts(looked.evidence, |agent| reason_of_cut(agent).is_some());
    let why: Vec<String> = looked.evidence.agents.iter().filter_map(reason_of_cut).collect();
    let sentence = if cut.is_empty() {
        "No agent says that it cut the candidate out.".to_owned()
    } else {
        format!("The candidate was cut out on {}: {}.", listed(&cut), why.join("; "))
    };
    let finding = Reason::new("instant", "candidate_failure", sentence);
    at_once(looked, !cut.is_empty(), looked.measured(finding, cut.len() as f64, 0.0).about(cut, why))
}

fn reason_of_cut(agent: &AgentEvidence) -> Option<String> {
    agent.cut.clone().or_else(|| agent.horizons.iter().find_map(|findings| findings.candidate_cut.clone()))
}

fn zero_output(looked: &Subject<'_>) -> Criterion {
    let nothing =
        |horizon: &Comparison| horizon.baseline.output.points > 0 && horizon.candidate.output.points == 0;
    let silent =
        hosts(looked.evidence, |agent| agent.horizons.iter().any(|findings| nothing(&findings.horizon)));
    let horizons = looked.evidence.agents.iter().flat_map(|agent| &agent.horizons);
    let asked = horizons.filter(|findings| findings.horizon.baseline.output.points > 0).count();
    if asked == 0 {
        let sentence = format!(
            "The baseline put out nothing in any horizon{}, so that nothing can be missing.",
            looked.that_counts()
        );
        let finding = Reason::new("instant", "zero_output", sentence);
        return Criterion::default_of(Answer::NotApplicable, Effect::RollBackAtOnce, finding);
    }
    let sentence = if silent.is_empty() {
        // Of a long step the last horizons are kept.
        format!(
            "In {} of the step {} in which the baseline put out points, the candidate did, too.",
            counted(asked as u64, "horizon"),
            looked.step()
        )
    } else {
        format!(
            "The candidate put out nothing for a whole horizon in which the baseline did, on {}.",
            listed(&silent)
        )
    };
    let finding = Reason::new("instant", "zero_output", sentence);
    at_once(looked, !silent.is_empty(), finding.about(silent, Vec::new()))
}

/// Colliding identities that only the candidate has; nothing where they were not told apart from the baseline's, or not
/// all could be counted and none was found.
fn own_collisions(found: &Comparison) -> Option<u64> {
    let (own, all) = (found.candidate_only_collisions, found.candidate.collisions);
    let none = found.candidate.output.points == 0 || (all.exact && all.value == 0);
    if own.exact || own.value > 0 { Some(own.value) } else { none.then_some(0) }
}

/// Finding and answer where an agent has looked at a sample of the identities: none of a sample is not none of all.
fn sampled_collisions(looked: &Subject<'_>, quantity: &str, limit: u64) -> Option<(Answer, Reason)> {
    let of = |agent: &AgentEvidence| {
        let found = agent.stretches().filter_map(|found| {
            let (sample, own) = (found.sample?, found.candidate_only_collisions.value);
            Some((sample.most_collisions(own), own, sample.one_in))
        });
        found.max()
    };
    // Each figure is the largest of any agent: none has more writers, and none looked at a smaller share.
    let all = || looked.evidence.agents.iter().filter_map(of);
    let most = all().map(|(most, ..)| most).max()?;
    let own = looked.evidence.agents.iter().flat_map(AgentEvidence::stretches);
    let own = own.filter(|found| found.sample.is_some());
    let own = own.map(|found| found.candidate_only_collisions.value).max().unwrap_or(0);
    let one_in = all().map(|(.., one_in)| one_in).max().unwrap_or(1);
    let hosts = hosts(looked.evidence, |agent| of(agent).is_some());
    let sentence = format!(
        "Of 1 in {} output identities that were looked at on {} {} several writers; up to {} of them all may (95 %). {}",
        count(one_in.into()),
        listed(&hosts),
        match own {
            0 => "none has".to_owned(),
            some => format!("up to {} on one agent {}", count(some), have(some)),
        },
        count(most),
        if most > limit {
            "A `max_collisions` of so many accepts that; up to 131,072 series, an agent with a larger \
             `phoenix.budget.memory` looks at more."
                .to_owned()
        } else {
            format!("{} {} allowed.", count(limit), are(limit))
        }
    );
    let answer = if most > limit { Answer::NotMeasured } else { Answer::Met };
    let finding = looked.measured(Reason::new("L0", quantity, sentence), most as f64, limit as f64);
    Some((answer, finding.about(hosts, Vec::new())))
}

fn collisions(looked: &Subject<'_>) -> Criterion {
    const QUANTITY: &str = "collisions";
    let asked = looked.policy().max_collisions;
    let limit = asked.unwrap_or(0);
    let of = |agent: &AgentEvidence| agent.stretches().filter_map(own_collisions).max().unwrap_or(0);
    let colliding = hosts(looked.evidence, |agent| of(agent) > limit);
    let most = looked.evidence.agents.iter().map(of).max().unwrap_or(0);
    let named = looked.evidence.agents.iter().filter(|agent| of(agent) > limit);
    let named = named.flat_map(AgentEvidence::stretches).flat_map(|found| &found.collisions);
    let names = unique(named.map(|c| {
        let [one, other] = &c.writers;
        let writers =
            if one == other { format!("several series of {one}") } else { format!("{one} and {other}") };
        format!("{} {{{}}}: {writers}", c.metric, c.series)
    }));
    let is_untold = |found: &Comparison| found.sample.is_none() && own_collisions(found).is_none();
    let untold = hosts(looked.evidence, |agent| agent.stretches().any(is_untold));
    if colliding.is_empty() && !untold.is_empty() {
        let sentence = format!(
            "Collisions could not be counted one by one, or not be told apart from the baseline's, on {}.",
            listed(&untold)
        );
        let finding = Reason::new("L0", QUANTITY, sentence).about(untold, Vec::new());
        return Criterion::of(asked.is_some(), Answer::NotMeasured, Effect::RollBackAtOnce, finding);
    }
    if colliding.is_empty()
        && let Some(criterion) = sampled::no_collisions(looked, QUANTITY, asked.is_some())
    {
        return criterion;
    }
    if colliding.is_empty()
        && looked.came_in()
        && let Some((answer, finding)) = sampled_collisions(looked, QUANTITY, limit)
    {
        return Criterion::of(asked.is_some(), answer, Effect::RollBackAtOnce, finding);
    }
    let sentence = if !colliding.is_empty() {
        format!(
            "{} series of the candidate on one agent {} several writers, of which a backend keeps one: {}.",
            count(most),
            have(most),
            listed(&colliding)
        )
    } else if most > 0 {
        format!(
            "{} series of the candidate {} several writers on one agent; {} {} allowed.",
            count(most),
            have(most),
            count(limit),
            are(limit)
        )
    } else if looked.came_in() {
        "On no agent do several writers write one series of the candidate that the baseline keeps apart."
            .to_owned()
    } else {
        format!("Nothing{} came in that could collide.", looked.that_counts())
    };
    let finding = looked.measured(Reason::new("L0", QUANTITY, sentence), most as f64, limit as f64);
    let Criterion { answer, effect, finding, .. } =
        at_once(looked, !colliding.is_empty(), finding.about(colliding, names));
    Criterion::of(asked.is_some(), answer, effect, finding)
}

/// Coverage of what the baseline shows: what it hides too, the candidate did not take away.
fn critical(looked: &Subject<'_>) -> Criterion {
    let limit = looked.policy().critical_process_coverage;
    let asked = limit.is_some();
    let limit = limit.unwrap_or(1.0);
    let share = |found: &Comparison| {
        let coverage = &found.coverage;
        (coverage.baseline > 0).then(|| coverage.candidate as f64 / coverage.baseline as f64)
    };
    let worst = |agent: &AgentEvidence| {
        let found = agent.stretches().filter_map(|found| Some((share(found)?, found.coverage.clone())));
        // Of stretches with the same share the one that shows most.
        found.min_by(|one, other| {
            one.0.total_cmp(&other.0).then_with(|| other.1.baseline.cmp(&one.1.baseline))
        })
    };
    let all: Vec<(&AgentEvidence, f64, observe::Coverage)> = looked
        .evidence
        .agents
        .iter()
        .filter_map(|agent| worst(agent).map(|(share, coverage)| (agent, share, coverage)))
        .collect();
    let quantity = "critical_process_coverage";
    let is_cut = |found: &Comparison| found.sample.is_some_and(|sample| sample.critical_cut);
    let cut = hosts(looked.evidence, |agent| agent.stretches().any(is_cut));
    if !cut.is_empty() && all.iter().all(|(_, share, _)| *share >= limit) {
        let sentence =
            format!("More critical processes came in than an agent can follow, on {}.", listed(&cut));
        let finding = Reason { limit: Some(limit), ..Reason::new("L0", quantity, sentence) };
        let finding = finding.about(cut, Vec::new());
        return Criterion::of(asked, Answer::NotMeasured, Effect::RollBackAtOnce, finding);
    }
    let Some((_, least, of_worst)) = all.iter().min_by(|one, other| one.1.total_cmp(&other.1)) else {
        let came = looked
            .evidence
            .agents
            .iter()
            .flat_map(AgentEvidence::stretches)
            .any(|found| found.coverage.critical > 0);
        let sentence = if came {
            "Critical processes came in, and the baseline shows none of them whole either.".to_owned()
        } else {
            format!("Nothing critical{} came in, so that nothing can be said of it.", looked.that_counts())
        };
        let finding = Reason { limit: Some(limit), ..Reason::new("L0", quantity, sentence) };
        return Criterion::of(asked, Answer::NotApplicable, Effect::RollBackAtOnce, finding);
    };
    let hiding: Vec<&(&AgentEvidence, f64, observe::Coverage)> =
        all.iter().filter(|(_, share, _)| *share < limit).collect();
    let hosts: Vec<String> = hiding.iter().map(|(agent, ..)| agent.host.clone()).collect();
    let vanished =
        hiding.iter().flat_map(|(agent, ..)| agent.stretches()).flat_map(|found| &found.coverage.vanished);
    let names = unique(vanished.map(|one| one.process.clone()));
    let sentence = if hiding.is_empty() {
        let [shown, kept] =
            all.iter().fold([0, 0], |[shown, kept], (_, _, of)| [shown + of.baseline, kept + of.candidate]);
        match (kept, shown) {
            (1, 1) => "The only critical process that the baseline shows stays visible.".to_owned(),
            _ => format!(
                "{} of {} critical processes that the baseline shows stay visible{}.",
                count(kept),
                count(shown),
                if all.len() > 1 { ", counted on each agent" } else { "" }
            ),
        }
    } else {
        format!(
            "The candidate hides critical processes on {}: on the worst agent it shows {} of {}; {} named.",
            listed(&hosts),
            count(of_worst.candidate),
            count(of_worst.baseline),
            if names.len() == 1 { "1 is".to_owned() } else { format!("{} are", count(names.len() as u64)) }
        )
    };
    let finding = looked.measured(Reason::new("L0", quantity, sentence), *least, limit);
    let answer = if hiding.is_empty() { Answer::Met } else { Answer::Violated };
    Criterion::of(asked, answer, Effect::RollBackAtOnce, finding.about(hosts, names))
}
