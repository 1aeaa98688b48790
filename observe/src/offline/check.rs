//! Checks of a report against a policy: each thing with what was seen, what was asked, and a sentence.

use serde::Serialize;

use super::{Guardrail, OfflinePolicy, OfflineReport};
use crate::Coverage;

/// One thing that was asked for, and whether it holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The key of the policy; for a guardrail with its lens.
    pub rule: String,
    /// True if it holds.
    pub passed: bool,
    /// Figure that was seen; none where there was nothing to see.
    pub observed: Option<f64>,
    /// Limit that was asked for.
    pub limit: f64,
    /// In a sentence.
    pub sentence: String,
}

impl OfflinePolicy {
    /// Holds a report against the policy; it passes if every check does. A least share is not reached where there is
    /// nothing to see; critical processes that never came are nobody's fault.
    #[must_use]
    pub fn check(&self, report: &OfflineReport) -> Vec<Check> {
        let comparison = &report.comparison;
        let series = comparison.baseline.series.value;
        let lost = comparison.lost_by_candidate.value;
        let mut checks = Checks::default();
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
        checks.coverage(&comparison.coverage, self.critical_process_coverage);
        let collisions = comparison.candidate_only_collisions.value;
        checks.count(
            "max_collisions",
            "identities of the candidate written by several points of one time",
            collisions,
            Some(self.max_collisions),
        );
        checks.count("max_values_changed", "values changed", report.values.changed, self.max_values_changed);
        for lens in &comparison.lenses {
            checks.error(
                "max_lens_error",
                &lens.name,
                "in total",
                lens.total.relative_error,
                self.max_lens_error,
            );
        }
        for guardrail in &self.guardrails {
            self.hold(guardrail, report, &mut checks);
        }
        checks.0
    }

    fn hold(&self, guardrail: &Guardrail, report: &OfflineReport, checks: &mut Checks) {
        let name = &guardrail.lens;
        let lens = report.comparison.lenses.iter().find(|lens| lens.name == *name);
        let total = lens.and_then(|lens| lens.total.relative_error);
        checks.error("guardrails.max_error", name, "in total", total, guardrail.max_error);
        let Some(found) = report.groups.iter().find(|found| found.lens == *name) else { return };
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
    fn push(&mut self, rule: &str, passed: bool, observed: Option<f64>, limit: f64, sentence: String) {
        self.0.push(Check { rule: rule.to_owned(), passed, observed, limit, sentence });
    }

    fn least(&mut self, rule: &str, what: &str, seen: Option<f64>, limit: Option<f64>) {
        let Some(limit) = limit else { return };
        let sentence = format!(
            "{} of {what}; at least {} asked for.",
            seen.map_or_else(|| "nothing".to_owned(), percent),
            percent(limit)
        );
        self.push(rule, seen.is_some_and(|seen| seen >= limit), seen, limit, sentence);
    }

    fn most(&mut self, rule: &str, what: &str, seen: Option<f64>, limit: Option<f64>) {
        let Some(limit) = limit else { return };
        let sentence = format!(
            "{} of {what}; at most {} allowed.",
            seen.map_or_else(|| "nothing".to_owned(), percent),
            percent(limit)
        );
        self.push(rule, seen.is_some_and(|seen| seen <= limit), seen, limit, sentence);
    }

    fn count(&mut self, rule: &str, what: &str, seen: u64, limit: Option<u64>) {
        let Some(limit) = limit else { return };
        self.push(
            rule,
            seen <= limit,
            Some(seen as f64),
            limit as f64,
            format!("{seen} {what}; at most {limit} allowed."),
        );
    }

    /// A lens that shows something where the baseline had nothing has no error to state, and does not hold.
    fn error(&mut self, rule: &str, lens: &str, where_: &str, seen: Option<f64>, limit: Option<f64>) {
        let Some(limit) = limit else { return };
        let seen_as =
            seen.map_or_else(|| "by no number, for the baseline has nothing there".to_owned(), percent);
        let sentence = format!("{lens} is off {where_} by {seen_as}; at most {} allowed.", percent(limit));
        let passed = seen.is_some_and(|seen| seen.abs() <= limit);
        self.push(&format!("{rule}: {lens}"), passed, seen, limit, sentence);
    }

    fn coverage(&mut self, coverage: &Coverage, limit: f64) {
        let shown = coverage.candidate.min(coverage.baseline);
        let share = (coverage.baseline > 0).then(|| shown as f64 / coverage.baseline as f64);
        let sentence = match share {
            None => "No critical process is in the baseline, so nothing can be said of them.".to_owned(),
            Some(_) => format!(
                "{shown} of the {} critical processes that the baseline shows are visible; at least {} asked for.",
                coverage.baseline,
                percent(limit)
            ),
        };
        self.push(
            "critical_process_coverage",
            share.is_none_or(|share| share >= limit),
            share,
            limit,
            sentence,
        );
    }
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1e5).round() / 1e3)
}
