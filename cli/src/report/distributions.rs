//! Distributions of values, by variant. They describe and decide nothing.

use observe::{DistributionReport, QUANTILES};

use super::Measured;
use super::numbers::short;
use crate::table::{clip, clip_to, render};

/// Rows shown, those first whose values lie farthest apart.
const SHOWN: usize = 12;
/// Characters of a metric's name.
const LONGEST: usize = 36;

/// Medians and 99th percentiles of each metric and host, and how far both variants lie apart.
pub fn distributions(hosts: &[Measured<'_>]) -> String {
    let of = |host: &Measured<'_>| {
        let name = host.name.to_owned();
        host.comparison
            .distributions
            .iter()
            .map(move |report| (name.clone(), report.clone()))
            .collect::<Vec<_>>()
    };
    let mut all: Vec<(String, DistributionReport)> = hosts.iter().flat_map(of).collect();
    if all.is_empty() {
        return String::new();
    }
    // A metric that only one of them has is as far apart as can be.
    let apart = |report: &DistributionReport| {
        report.distances.map_or(f64::INFINITY, |distances| distances.kolmogorov_smirnov)
    };
    all.sort_by(|(_, a), (_, b)| apart(b).total_cmp(&apart(a)));
    let more = all.len().saturating_sub(SHOWN);
    all.truncate(SHOWN);
    let rows = all.iter().map(|(host, report)| row(host, report)).collect();
    let header = ["metric", "host", "p50", "candidate", "p99", "candidate", "moved by", "PSI", "of equals"];
    let caption = "Distributions of values, baseline and candidate: they describe, and decide nothing";
    let more = if more > 0 { format!("\n  and {more} that lie closer together") } else { String::new() };
    render(caption, &header, 2, rows) + &more
}

fn row(host: &str, report: &DistributionReport) -> Vec<String> {
    let at = |share: f64| QUANTILES.iter().position(|quantile| *quantile == share);
    let value = |variant: usize, share: f64| match at(share) {
        Some(at) if report.count[variant] > 0 => short(report.quantiles[variant][at]),
        _ => "–".to_owned(),
    };
    let distance = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    vec![
        clip_to(&report.metric, LONGEST),
        clip(host),
        value(0, 0.5),
        value(1, 0.5),
        value(0, 0.99),
        value(1, 0.99),
        distance(report.distances.map(|distances| short(distances.wasserstein))),
        distance(report.distances.map(|distances| format!("{:.3}", distances.psi))),
        distance(report.distances.map(|distances| format!("{:.3}", distances.psi_of_equals))),
    ]
}
