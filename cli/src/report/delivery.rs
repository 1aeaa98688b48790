//! Answers of the destinations to the points that left by each variant: applied is not stored.

use observe::DeliveryReport;

use super::Measured;
use super::numbers::{bytes, exact, nanos};
use crate::table::render;

/// A row for each variant, all agents together; of the time until settled, the slowest agent's.
pub fn delivery(hosts: &[Measured<'_>]) -> String {
    let of = |candidate: bool| {
        let side = move |host: &Measured<'_>| {
            let comparison = host.comparison.clone();
            if candidate { comparison.candidate.delivery } else { comparison.baseline.delivery }
        };
        hosts.iter().map(side).collect::<Vec<_>>()
    };
    let rows = vec![row("baseline", &of(false)), row("candidate", &of(true))];
    let header = ["points", "confirmed", "rejected", "failed", "doubtful", "retries", "sent", "p50", "p99"];
    render("Delivery: what destinations did, by variant", &header, 1, rows)
}

fn row(variant: &str, agents: &[DeliveryReport]) -> Vec<String> {
    let sum = |of: fn(&DeliveryReport) -> u64| agents.iter().map(of).sum::<u64>();
    let slowest = |of: fn(&DeliveryReport) -> u64| match agents.iter().map(of).max() {
        None | Some(0) => "–".to_owned(),
        Some(most) => nanos(most as f64),
    };
    vec![
        variant.to_owned(),
        exact(sum(|agent| agent.confirmed)),
        exact(sum(|agent| agent.rejected)),
        exact(sum(|agent| agent.failed)),
        exact(sum(|agent| agent.doubtful)),
        exact(sum(|agent| agent.retries)),
        bytes(sum(|agent| agent.wire_bytes) as f64),
        slowest(|agent| agent.latency.p50),
        slowest(|agent| agent.latency.p99),
    ]
}
