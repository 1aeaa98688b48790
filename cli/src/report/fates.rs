//! Fates of the series: lost, renamed, with fewer attributes, merged, split, by the metric's name.

use std::collections::{BTreeMap, BTreeSet};

use observe::{MetricFates, NamedCount};

use super::Measured;
use super::numbers::exact;
use crate::table::{clip, render};

/// Executables named for each metric.
const NAMED: usize = 2;

#[derive(Default)]
struct Fates {
    /// Lost, renamed, with fewer attributes, merged, split.
    counts: [u64; 5],
    lost_of: BTreeMap<String, u64>,
}

/// A row for each metric of which a series did not stay what it was.
pub fn series(hosts: &[Measured<'_>]) -> String {
    let mut metrics: BTreeMap<String, Fates> = BTreeMap::new();
    let comparisons = || hosts.iter().map(|host| host.comparison);
    for comparison in comparisons() {
        for MetricFates { metric, lost, renamed, fewer_attributes, merged, split, .. } in
            &comparison.fates.by_metric
        {
            let row = metrics.entry(metric.clone()).or_default();
            let more = [lost, renamed, fewer_attributes, merged, split];
            row.counts.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
        for NamedCount { metric, executable, series } in &comparison.lost {
            *metrics.entry(metric.clone()).or_default().lost_of.entry(executable.clone()).or_default() +=
                series;
        }
    }
    let all: u64 = comparisons().map(|comparison| comparison.lost_by_candidate.value).sum();
    let named: u64 = metrics.values().map(|fates| fates.counts[0]).sum();
    let mut rows: Vec<_> = metrics.iter().map(|(metric, fates)| row(metric, fates)).collect();
    if all > named {
        let rest = exact(all - named);
        rows.push(["(beyond the rows kept)", &rest, "", "", "", "", ""].map(str::to_owned).to_vec());
    }
    let interrupted = interrupted(hosts);
    if rows.is_empty() {
        let said = if interrupted.is_empty() {
            "Every series stayed what it was."
        } else {
            "Every series is there under its own name."
        };
        return format!("\n  {said}{interrupted}");
    }
    let header = ["metric", "lost", "renamed", "fewer attributes", "merged", "split", "lost most of all"];
    format!("{}{interrupted}", render("Series that the candidate changes", &header, 1, rows))
}

/// Series that the candidate has for a part of the time alone, in a line of their own; nothing without any.
fn interrupted(hosts: &[Measured<'_>]) -> String {
    let all = || hosts.iter().map(|host| &host.comparison.fates.interrupted);
    let metrics: BTreeSet<&String> = all().flat_map(|of| &of.metrics).collect();
    match all().map(|of| of.as_it_is + of.others).sum() {
        0 => String::new(),
        1 => format!("\n  1 series has nothing for a part of the time: of {}.", joined(&metrics)),
        many => {
            format!(
                "\n  {} series have nothing for a part of the time: of {}.",
                exact(many),
                joined(&metrics)
            )
        }
    }
}

fn joined(names: &BTreeSet<&String>) -> String {
    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

fn row(metric: &str, fates: &Fates) -> Vec<String> {
    let mut executables: Vec<_> = fates.lost_of.iter().collect();
    executables.sort_by_key(|(_, series)| std::cmp::Reverse(**series));
    let more = executables.len().saturating_sub(NAMED);
    executables.truncate(NAMED);
    let mut names: Vec<String> =
        executables.iter().map(|(name, series)| format!("{} {}", clip(name), exact(**series))).collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    let counts = fates.counts.map(exact);
    [metric.to_owned()].into_iter().chain(counts).chain([names.join(", ")]).collect()
}
