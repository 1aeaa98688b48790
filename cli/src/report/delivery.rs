//! Answers of the destinations to the points that left by each variant: applied is not stored.

use std::iter;

use observe::DeliveryReport;

use super::Measured;
use super::numbers::{bytes, exact, nanos};
use crate::table::render;

/// A row for each variant, all agents together; of the time until settled, the slowest agent's. With `uncounted`, more was delivered
/// by the candidate than was counted: where nothing was, that is no zero.
pub fn delivery(hosts: &[Measured<'_>], uncounted: bool) -> String {
    let of = |candidate: bool| {
        let side = move |host: &Measured<'_>| {
            let comparison = host.comparison.clone();
            if candidate { comparison.candidate.delivery } else { comparison.baseline.delivery }
        };
        hosts.iter().map(side).collect::<Vec<_>>()
    };
    let left = |candidate: bool| {
        let side = |host: &Measured<'_>| {
            if candidate { host.comparison.candidate.delivered } else { host.comparison.baseline.delivered }
        };
        hosts.iter().map(|host| side(host).points).sum()
    };
    let of_candidate = match (left(true), uncounted) {
        (0, true) => iter::once("candidate".to_owned()).chain(iter::repeat_n("–".to_owned(), 9)).collect(),
        (points, _) => row("candidate", points, &of(true)),
    };
    let rows = vec![row("baseline", left(false), &of(false)), of_candidate];
    let header =
        ["points", "left", "confirmed", "rejected", "failed", "doubtful", "retries", "sent", "p50", "p99"];
    render(
        "Delivery: what destinations did, by variant; points count once for each destination",
        &header,
        1,
        rows,
    )
}

fn row(variant: &str, left: u64, agents: &[DeliveryReport]) -> Vec<String> {
    let sum = |of: fn(&DeliveryReport) -> u64| agents.iter().map(of).sum::<u64>();
    let slowest = |of: fn(&DeliveryReport) -> u64| match agents.iter().map(of).max() {
        None | Some(0) => "–".to_owned(),
        Some(most) => nanos(most as f64),
    };
    vec![
        variant.to_owned(),
        exact(left),
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
