//! Judgment of an experiment that only observes: it ends with what would have been decided, and decides nothing else.
//!
//! A violation ends it as a rollback would: harm at once, the rest once the evidence is complete. It would be promoted only if
//! every criterion with a consequence is met. What is still to come is waited for, as long as the policy lets it; what no step
//! without a weight can measure is not waited for once the rest is measured.

use super::{Subject, Verb, Verdict, aa, approval, baseline, findings, lost_groups, no_further, overdue};
use crate::clock::UnixMillis;
use crate::experiment::unmet::untried;
use crate::experiment::{Answer, Criterion, Effect, Evidence, Goal, Reason, Run, Spec, Step};

/// Verdict on the criteria that mirror can measure, and on those beyond it.
pub(super) fn judge(
    looked: &Subject<'_>,
    [criteria, beyond]: [&[Criterion]; 2],
    wait: Option<Verb>,
    goal: Option<Goal>,
) -> Verdict {
    let Subject { spec, run, evidence, now, .. } = *looked;
    let fatal = findings(criteria, |one| one.is_violated_with(Effect::RollBackAtOnce));
    if !fatal.is_empty() {
        return harmed(run.step, fatal);
    }
    let over = out_of_time(spec, run, evidence, now);
    let unmet = || findings(criteria, is_unmet).into_iter().chain(findings(beyond, Criterion::holds));
    let waits = |verb, reasons| match over.clone() {
        Some(over) => Verdict::of(Verb::NotMeasured, std::iter::once(over).chain(unmet()).collect()),
        None => Verdict::of(verb, reasons),
    };
    let differs = findings(criteria, aa::differs);
    if !differs.is_empty() {
        return waits(Verb::Hold, differs);
    }
    let rebased = findings(criteria, baseline::changed);
    if !rebased.is_empty() {
        return waits(Verb::Hold, rebased);
    }
    if let (Some(verb), Some(pending)) = (wait, criteria.first()) {
        return waits(verb, vec![pending.finding.clone()]);
    }
    let violated = findings(criteria, |one| one.answer == Answer::Violated && one.effect != Effect::Tell);
    if !violated.is_empty() {
        return Verdict::of(Verb::WouldNot, violated);
    }
    let told = |one: &Criterion| one.effect == Effect::Tell && one.answer != Answer::NotApplicable;
    let missing = findings(criteria, Criterion::holds);
    if !missing.is_empty() {
        return waits(Verb::Hold, missing.into_iter().chain(findings(criteria, told)).collect());
    }
    if run.step == Step::Aa {
        return of_aa(looked, criteria, goal, over);
    }
    let never = findings(beyond, Criterion::holds);
    if !never.is_empty() {
        return Verdict::of(Verb::NotMeasured, never.into_iter().chain(findings(criteria, told)).collect());
    }
    let kept = |one: &Criterion| one.answer == Answer::Met || told(one);
    let lost = lost_groups::reason(looked).into_iter();
    Verdict::of(Verb::WouldPromote, lost.chain(findings(criteria, kept)).collect())
}

/// Verdict on harm: of the candidate, but in an A/A step, which does not run it.
pub(super) fn harmed(step: Step, mut harm: Vec<Reason>) -> Verdict {
    if step != Step::Aa {
        return Verdict::of(Verb::WouldNot, harm);
    }
    harm.push(untried().finding);
    Verdict::of(Verb::NotMeasured, harm)
}

/// Reason to end it now, whatever is measured: the time of the whole or of the step is up.
pub(super) fn out_of_time(spec: &Spec, run: &Run, evidence: &Evidence, now: UnixMillis) -> Option<Reason> {
    let whole = spec.policy.max_duration.filter(|limit| run.began.plus(*limit) < now);
    let ended = |limit| {
        let limit = humantime::format_duration(limit);
        let sentence = format!("The experiment was given {limit}, and that is over.");
        Reason::new("audit", "max_duration", sentence)
    };
    whole.map(ended).or_else(|| overdue(spec, run, evidence, now).map(no_further))
}

/// Verdict on an A/A step that differs by nothing: mirror is next, unless it was stopped or time is up.
fn of_aa(looked: &Subject<'_>, criteria: &[Criterion], goal: Option<Goal>, over: Option<Reason>) -> Verdict {
    if goal.is_some() || over.is_some() {
        return Verdict::of(Verb::NotMeasured, over.into_iter().chain([untried().finding]).collect());
    }
    let kept = findings(criteria, |one| one.answer == Answer::Met || one.effect == Effect::Tell);
    let asked = approval::permission(looked.policy(), looked.run, goal, looked.now);
    if asked.is_empty() {
        return Verdict::of(Verb::Advance, kept);
    }
    Verdict::of(Verb::Hold, asked.into_iter().chain(kept).collect())
}

fn is_unmet(criterion: &Criterion) -> bool {
    criterion.holds() || (criterion.answer == Answer::Violated && criterion.effect != Effect::Tell)
}
