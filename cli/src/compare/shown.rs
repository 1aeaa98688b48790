//! A comparison of captures as a person reads it.

use observe::offline::{Answer, Check, OfflineReport};

use crate::report::{Measured, fates};
use crate::table::{clip, render};

/// Rows of a list that are shown.
const ROWS: usize = 12;

pub fn text(report: &OfflineReport, checks: &[Check]) -> String {
    let mut text = format!("Series are matched by {}.", report.matched_by);
    text += &sides(report);
    text += &fates::series(&[Measured::of("", &report.comparison)]);
    text += &lost(report);
    text += &lenses(report);
    text += &values(report);
    text += "\n";
    for check in checks {
        let mark = match check.answer {
            Answer::Met => "pass",
            Answer::Violated => "FAIL",
            Answer::NotMeasured => "FAIL (not measured)",
            Answer::NotApplicable => "does not apply",
        };
        text += &format!("\n  {mark}  {}: {}", check.rule, check.sentence);
    }
    let failed = checks.iter().filter(|check| !check.passed).count();
    text += &match failed {
        0 => format!("\n\n  The candidate passes: none of {} checks fails.", checks.len()),
        failed => {
            format!("\n\n  The candidate does not pass: {failed} of {} checks do not hold.", checks.len())
        }
    };
    text
}

fn sides(report: &OfflineReport) -> String {
    let comparison = &report.comparison;
    let (b, c) = (&comparison.baseline, &comparison.candidate);
    let row = |what: &str, baseline: u64, candidate: u64, saved: Option<f64>| {
        vec![what.to_owned(), baseline.to_string(), candidate.to_string(), percent(saved)]
    };
    let saving = &comparison.saving;
    let rows = vec![
        row("points", b.output.points, c.output.points, saving.points),
        row("bytes", b.output.bytes, c.output.bytes, saving.bytes),
        row("billed series", b.active_series, c.active_series, saving.billed_series),
        row("distinct identities", b.series.value, c.series.value, saving.series),
        row("colliding identities", b.collisions.value, c.collisions.value, None),
        row("critical processes shown", comparison.coverage.baseline, comparison.coverage.candidate, None),
    ];
    let counted = if comparison.exact { "every count is exact" } else { "some counts are estimates" };
    render(&format!("Both captures; {counted}"), &["", "baseline", "candidate", "saved"], 1, rows)
}

fn lost(report: &OfflineReport) -> String {
    let comparison = &report.comparison;
    let mut rows: Vec<Vec<String>> = comparison
        .lost
        .iter()
        .take(ROWS)
        .map(|lost| vec![lost.metric.clone(), clip(&lost.executable), lost.series.to_string()])
        .collect();
    let named: u64 = comparison.lost.iter().take(ROWS).map(|lost| lost.series).sum();
    let all = comparison.lost_by_candidate.value;
    if all > named {
        rows.push(vec!["(others)".to_owned(), String::new(), (all - named).to_string()]);
    }
    let mut text = match all {
        0 => "\n\n  No series of the baseline is lost.".to_owned(),
        _ => render("Series of the baseline that are lost", &["metric", "executable", "series"], 2, rows),
    };
    for vanished in comparison.coverage.vanished.iter().take(ROWS) {
        let how = if vanished.wholly { "nothing required is left" } else { "a required metric is lost" };
        text += &format!("\n  critical: {}: {how}", vanished.process);
    }
    for collision in comparison.collisions.iter().take(ROWS) {
        let [one, other] = &collision.writers;
        text += &format!("\n  collides: {} {{{}}}: {one} and {other}", collision.metric, collision.series);
    }
    if report.only_in_candidate.value > 0 {
        text += &format!("\n  {} series are the candidate's alone.", report.only_in_candidate.value);
    }
    text
}

fn lenses(report: &OfflineReport) -> String {
    let shown = report.comparison.lenses.iter().filter(|lens| lens.groups > 0);
    let rows = shown.map(|lens| {
        let found = report.groups.iter().find(|found| found.lens == lens.name);
        let more = if lens.truncated || lens.bucketed { ", and more that are not kept apart" } else { "" };
        vec![
            lens.name.clone(),
            percent(lens.total.relative_error),
            format!("{} of {}{more}", lens.groups_that_differ, lens.groups),
            percent(found.and_then(|found| found.worst_group_error)),
        ]
    });
    let header = ["lens", "total off by", "groups differ", "worst group off by"];
    render("What people look at", &header, 1, rows.collect())
}

fn values(report: &OfflineReport) -> String {
    let values = &report.values;
    let mut text = format!(
        "\n\n  {} values of equal series and times were compared, and {} counters by their increase; {} of them are other ones. \
         {} points have no partner, {} were not compared.",
        values.compared,
        values.compared_as_increases,
        values.changed,
        values.without_partner,
        values.not_compared
    );
    for changed in values.samples.iter().take(ROWS) {
        let series = &changed.series;
        text += &format!(
            "\n  changed: {} of {} {{{}}}: {} became {}",
            series.metric, series.process, series.attributes, changed.baseline, changed.candidate
        );
    }
    text
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.2} %", 100.0 * share))
}
