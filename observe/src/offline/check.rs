//! Checks of a report against a policy: each question with its answer, what was seen, what was asked, and a sentence. The
//! answers and the defaults are those of an experiment, as far as captures tell.

use serde::Serialize;

use super::{Guardrail, LensGroups, OfflinePolicy, OfflineReport};
use crate::{
    Amount, AttributeFates, Comparison, Coverage, FleetLens, Lens, LensAnswer, LensReport, MORE, MetricFates,
    More, Settings, ValueChanges, VariantReport,
};

/// Answer to a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It holds.
    Met,
    /// It does not hold.
    Violated,
    /// Nothing in the captures tells it.
    NotMeasured,
    /// Nobody asked for it, and nothing in the captures is what it speaks of.
    NotApplicable,
}

impl Answer {
    fn of(met: bool) -> Self {
        if met { Self::Met } else { Self::Violated }
    }
}

/// One question of a policy, and its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The key of the policy; for a guardrail with its lens.
    pub rule: String,
    /// Answer.
    pub answer: Answer,
    /// True if the answer lets the candidate pass: met or not applicable.
    pub passed: bool,
    /// Figure that was seen; none where there was nothing to see.
    pub observed: Option<f64>,
    /// Limit that was asked for.
    pub limit: f64,
    /// In a sentence.
    pub sentence: String,
}

/// Findings that a policy is held against.
struct Found<'a> {
    comparison: &'a Comparison,
    /// Values that are other ones.
    changed: u64,
    /// What no value was compared of, in words; nothing where all were.
    not_compared: Vec<String>,
    /// Reason for which nobody can tell what is renamed beyond what was found, in a sentence.
    untold: Option<String>,
    /// Errors of each lens's groups.
    groups: &'a [LensGroups],
    /// What tells of it, for a person.
    told_by: &'static str,
}

impl OfflinePolicy {
    /// Holds a comparison of an agent against the policy, as [`Self::check`] does one of captures. Guardrails are of captures
    /// alone.
    #[must_use]
    pub fn check_comparison(&self, comparison: &Comparison) -> Vec<Check> {
        let ValueChanges { points: changed, held_series, not_compared_series, .. } = &comparison.changed;
        let not_compared = [
            (*held_series, "series of which a stage holds points back"),
            (*not_compared_series, "series with another unit, type or temporality"),
        ];
        self.checks(&Found {
            comparison,
            changed: *changed,
            not_compared: some_of(not_compared),
            untold: None,
            groups: &[],
            told_by: "the requests",
        })
    }

    /// Holds a report against the policy; it passes if every check does. What was asked for and cannot be told does not pass;
    /// critical processes that never came, of a criterion that nobody asked for, hold nothing up.
    #[must_use]
    pub fn check(&self, report: &OfflineReport) -> Vec<Check> {
        let OfflineReport { comparison, values, groups, .. } = report;
        let not_compared = [
            (values.at_other_times, "points at times at which the baseline's series have none"),
            (values.not_compared, "points with another unit or type, or too many to be kept"),
        ];
        self.checks(&Found {
            comparison,
            changed: values.changed,
            not_compared: some_of(not_compared),
            untold: untold(report),
            groups,
            told_by: "captures",
        })
    }

    fn checks(&self, found: &Found<'_>) -> Vec<Check> {
        let comparison = found.comparison;
        let series = comparison.baseline.series.value;
        let lost = comparison.lost_by_candidate.value;
        let mut checks = Checks::default();
        let [all, points] = [&comparison.baseline, &comparison.candidate].map(|side| side.output.points);
        let sentence =
            format!("The candidate has {points} points where the baseline has {all}; none at all is harm.");
        checks.push("zero_output", Answer::of(points > 0 || all == 0), (Some(points as f64), 1.0), sentence);
        checks.least(
            "min_cardinality_reduction",
            "billed series saved",
            comparison.saving.billed_series,
            self.min_cardinality_reduction,
        );
        checks.least("min_bytes_reduction", "bytes saved", comparison.saving.bytes, self.min_bytes_reduction);
        checks.count("max_series_lost", "series of the baseline lost", lost, self.max_series_lost);
        let loss = (series > 0).then(|| lost as f64 / series as f64);
        checks.most("max_series_loss", "series of the baseline lost", loss, self.max_series_loss);
        checks.coverage(&comparison.coverage, self);
        let collisions = comparison.candidate_only_collisions.value;
        checks.count(
            "max_collisions",
            "identities of the candidate written by several points of one time or by writers in turns",
            collisions,
            Some(self.max_collisions),
        );
        self.values(found, &mut checks);
        self.renamed(found, &mut checks);
        self.attributes_used(comparison, &mut checks);
        self.more(comparison, &mut checks);
        let lenses = self.limited_lenses();
        let asked = lenses.iter().filter(|lens| !lens.is_every());
        for (lens, of) in asked.zip(&comparison.lenses) {
            self.lens(lens, of, &mut checks);
        }
        for guardrail in &self.guardrails {
            self.hold(guardrail, found, &mut checks);
        }
        checks.0
    }

    /// Changed values: none, unless the policy says how many may be or allows them. What was not compared may be another.
    fn values(&self, found: &Found<'_>, checks: &mut Checks) {
        let limit = self.max_values_changed.or((!self.allow.changed).then_some(0));
        let Some(limit) = limit else { return };
        let Found { changed, not_compared, .. } = found;
        let answer = match not_compared.as_slice() {
            _ if *changed > limit => Answer::Violated,
            [] => Answer::Met,
            _ if self.allow.changed => Answer::Met,
            _ => Answer::NotMeasured,
        };
        let mut sentence = format!("{changed} values changed; at most {limit} allowed.");
        if !not_compared.is_empty() {
            sentence += &format!(" Not compared are {}.", not_compared.join(" and "));
        }
        if answer != Answer::Met && (answer == Answer::NotMeasured || self.max_values_changed.is_none()) {
            sentence += " Allow them by `allow: [changed]`.";
        }
        let rule = if self.max_values_changed.is_some() { "max_values_changed" } else { "changed" };
        checks.push(rule, answer, (Some(*changed as f64), limit as f64), sentence);
    }

    /// Metrics that have another name, unit or type.
    fn renamed(&self, found: &Found<'_>, checks: &mut Checks) {
        if self.allow.renamed {
            return;
        }
        let fates = &found.comparison.fates;
        let of = |row: &&MetricFates| row.parts.name + row.parts.unit + row.parts.kind > 0;
        let names: Vec<&str> = fates.by_metric.iter().filter(of).map(|row| row.metric.as_str()).collect();
        let series = fates.parts.name + fates.parts.unit + fates.parts.kind;
        let answer = match (series, &found.untold) {
            (0, None) => Answer::Met,
            (0, Some(_)) => Answer::NotMeasured,
            _ => Answer::Violated,
        };
        let sentence = match series {
            0 if let Some(untold) = &found.untold => format!("{untold} Allow it by `allow: [renamed]`."),
            0 => format!("No metric gets another name, unit or type, as far as {} tell.", found.told_by),
            _ => format!(
                "Another name, unit or type: {}. Allow it by `allow: [renamed]`.",
                if names.is_empty() {
                    "of metrics beyond the rows kept".to_owned()
                } else {
                    names.join(", ")
                }
            ),
        };
        checks.push("renamed", answer, (Some(series as f64), 0.0), sentence);
    }

    /// Attributes by which a lens groups, and which the candidate's series have no more.
    fn attributes_used(&self, comparison: &Comparison, checks: &mut Checks) {
        let Comparison { lenses, fates, .. } = comparison;
        let lacks = |lens: &LensReport| {
            let gone = |one: &AttributeFates| {
                lens.groups_by(&one.attribute) && one.fewer_attributes + one.others > 0
            };
            let nameless = lens.named().any(|group| group.is_new() && group.is_unnamed());
            nameless || (lens.groups_lost > 0 && fates.by_attribute.iter().any(gone))
        };
        let (taken, kept): (Vec<&LensReport>, Vec<_>) = lenses.iter().partition(|lens| lacks(lens));
        let rewritten: Vec<&LensReport> =
            kept.into_iter().filter(|lens| lens.is_rewritten(std::iter::once(fates))).collect();
        if self.allow.renamed || lenses.iter().all(|lens| lens.groups == 0) {
            return;
        }
        let names = |those: &[&LensReport]| {
            let names = those.iter().map(|lens| format!("{} of {}", lens.group_by, lens.name));
            names.collect::<Vec<String>>().join(", ")
        };
        let mut said = Vec::new();
        if !taken.is_empty() {
            said.push(format!("The candidate takes away what people group by: {}.", names(&taken)));
        }
        if !rewritten.is_empty() {
            said.push(format!(
                "The candidate gives other values to what people group by: {}, in which groups are lost, are new, or hold what \
                 was another's.",
                names(&rewritten)
            ));
        }
        if said.is_empty() {
            said.push("No attribute went that a lens groups by, and none has other values.".to_owned());
        } else {
            said.push("Allow it by `allow: [renamed]`.".to_owned());
        }
        let violated = taken.len() + rewritten.len();
        let observed = (Some(violated as f64), 0.0);
        checks.push("attributes_used", Answer::of(violated == 0), observed, said.join(" "));
    }

    /// What the candidate has more of than the baseline.
    fn more(&self, comparison: &Comparison, checks: &mut Checks) {
        let [b, c] = [&comparison.baseline, &comparison.candidate];
        let pair = |of: fn(&VariantReport) -> u64| [of(b), of(c)];
        let more = More::than_may_be([
            pair(|side| side.active_series),
            pair(|side| side.output.points),
            pair(|side| side.output.bytes),
        ]);
        if self.allow.more {
            return;
        }
        let told = more.iter().map(|one| {
            let [baseline, candidate] = one.amounts;
            let what = match one.of {
                Amount::ActiveSeries => "billed series",
                Amount::Points => "points",
                Amount::Bytes => "bytes",
            };
            format!("{what} ({candidate} where the baseline has {baseline})")
        });
        let sentence = match told.collect::<Vec<_>>() {
            none if none.is_empty() => {
                "The candidate has no more billed series, points and bytes, but for 1 % of the first two and 10 % of bytes."
                    .to_owned()
            }
            some => format!("The candidate has more {}. Allow it by `allow: [more]`.", some.join(", ")),
        };
        let most = more.iter().map(More::share).fold(0.0, f64::max);
        checks.push("more", Answer::of(more.is_empty()), (Some(most), MORE), sentence);
    }

    /// A lens with a limit, judged as a fleet of one host is.
    fn lens(&self, lens: &Lens, found: &LensReport, checks: &mut Checks) {
        let Some(limit) = lens.limit() else { return };
        let fleet = FleetLens::of([("", found)]);
        let counts = fleet.judge(&limit);
        let total = found.total.relative_error;
        let off = match total {
            Some(error) => format!("is off in total by {}", percent(error)),
            None => "has a total where the baseline's is 0".to_owned(),
        };
        let most = limit.max_error.unwrap_or_default();
        let (answer, sentence) = match counts.answer {
            _ if fleet.hosts == 0 => {
                let why = found.measured.reason(found).unwrap_or_default();
                let asked = self.lenses != Settings::default().lenses;
                (if asked { Answer::NotMeasured } else { Answer::NotApplicable }, why)
            }
            LensAnswer::Met => {
                (Answer::Met, format!("{} {off}, and no group is off by more than allowed.", lens.name))
            }
            LensAnswer::Violated => {
                let groups = |what: &str, names: &[String]| match names {
                    [] => String::new(),
                    names => format!(" {what}: {}.", names.join(", ")),
                };
                let (past, lost) = (groups("Past it", &counts.beyond), groups("Lost", &counts.lost));
                let sentence = format!(
                    "{} {off}; at most {} is allowed, of each group, too.{past}{lost}",
                    lens.name,
                    percent(most)
                );
                (Answer::Violated, sentence)
            }
            LensAnswer::NotMeasured => {
                let why = if fleet.truncated {
                    "is not of all series: more came than are kept one by one"
                } else {
                    "has more groups than can be told apart"
                };
                (Answer::NotMeasured, format!("{} {why}.", lens.name))
            }
        };
        checks.push(&format!("max_lens_error: {}", lens.name), answer, (total, most), sentence);
    }

    fn hold(&self, guardrail: &Guardrail, found: &Found<'_>, checks: &mut Checks) {
        let name = &guardrail.lens;
        let lens = found.comparison.lenses.iter().find(|lens| lens.name == *name);
        let total = lens.and_then(|lens| lens.total.relative_error);
        checks.error("guardrails.max_error", name, "in total", total, guardrail.max_error);
        let Some(found) = found.groups.iter().find(|found| found.lens == *name) else { return };
        let worst = found.worst_group_error.filter(|_| found.groups_without_error == 0);
        checks.error(
            "guardrails.max_group_error",
            name,
            "in its worst group",
            worst,
            guardrail.max_group_error,
        );
    }
}

#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn push(&mut self, rule: &str, answer: Answer, (observed, limit): (Option<f64>, f64), sentence: String) {
        let passed = matches!(answer, Answer::Met | Answer::NotApplicable);
        self.0.push(Check { rule: rule.to_owned(), answer, passed, observed, limit, sentence });
    }

    fn least(&mut self, rule: &str, what: &str, seen: Option<f64>, limit: Option<f64>) {
        let Some(limit) = limit else { return };
        let sentence = format!(
            "{} of {what}; at least {} asked for.",
            seen.map_or_else(|| "nothing".to_owned(), percent),
            percent(limit)
        );
        self.push(rule, told(seen, |seen| seen >= limit), (seen, limit), sentence);
    }

    fn most(&mut self, rule: &str, what: &str, seen: Option<f64>, limit: Option<f64>) {
        let Some(limit) = limit else { return };
        let sentence = format!(
            "{} of {what}; at most {} allowed.",
            seen.map_or_else(|| "nothing".to_owned(), percent),
            percent(limit)
        );
        self.push(rule, told(seen, |seen| seen <= limit), (seen, limit), sentence);
    }

    fn count(&mut self, rule: &str, what: &str, seen: u64, limit: Option<u64>) {
        let Some(limit) = limit else { return };
        let sentence = format!("{seen} {what}; at most {limit} allowed.");
        self.push(rule, Answer::of(seen <= limit), (Some(seen as f64), limit as f64), sentence);
    }

    /// A lens that shows something where the baseline had nothing has no error to state, and does not hold.
    fn error(&mut self, rule: &str, lens: &str, where_: &str, seen: Option<f64>, limit: Option<f64>) {
        let Some(limit) = limit else { return };
        let seen_as =
            seen.map_or_else(|| "by no number, for the baseline has nothing there".to_owned(), percent);
        let sentence = format!("{lens} is off {where_} by {seen_as}; at most {} allowed.", percent(limit));
        let answer = told(seen, |seen| seen.abs() <= limit);
        self.push(&format!("{rule}: {lens}"), answer, (seen, limit), sentence);
    }

    fn coverage(&mut self, coverage: &Coverage, policy: &OfflinePolicy) {
        let limit = policy.critical_process_coverage.unwrap_or(1.0);
        let shown = coverage.candidate.min(coverage.baseline);
        let share = (coverage.baseline > 0).then(|| shown as f64 / coverage.baseline as f64);
        let nothing = match policy.critical_process_coverage {
            Some(_) => Answer::NotMeasured,
            None => Answer::NotApplicable,
        };
        let sentence = match share {
            None => "No critical process is in the baseline, so nothing can be said of them.".to_owned(),
            Some(_) => format!(
                "{shown} of the {} critical processes that the baseline shows are visible; at least {} asked for.",
                coverage.baseline,
                percent(limit)
            ),
        };
        let answer = share.map_or(nothing, |share| Answer::of(share >= limit));
        self.push("critical_process_coverage", answer, (share, limit), sentence);
    }
}

/// Those of which there are some, in words.
fn some_of(counts: [(u64, &str); 2]) -> Vec<String> {
    counts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{what} ({number})"))
        .collect()
}

/// Reason for which captures do not tell all that is renamed: a series that is lost may be one that the baseline has not.
fn untold(report: &OfflineReport) -> Option<String> {
    if !report.comparison.exact {
        return Some(
            "More series came than are kept one by one: what becomes of the others is not known.".to_owned(),
        );
    }
    let lost = report.comparison.lost_by_candidate.value;
    let names: Vec<&str> = report.new_metrics.iter().map(|row| row.metric.as_str()).collect();
    (lost > 0 && !names.is_empty()).then(|| {
        format!(
            "{lost} series are lost, and the candidate has metrics that the baseline has not, by name, unit and type ({}): \
             captures do not tell whether those are the lost ones.",
            names.join(", ")
        )
    })
}

/// Answer to a figure that was asked for; where there is none, it is not measured.
fn told(seen: Option<f64>, holds: impl Fn(f64) -> bool) -> Answer {
    seen.map_or(Answer::NotMeasured, |seen| Answer::of(holds(seen)))
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1e5).round() / 1e3)
}
