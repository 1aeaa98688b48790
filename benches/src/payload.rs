//! The payload every figure is about: one scrape of 300 processes.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use simulator::MetricSet;
use simulator::profile::{Host, Profile, Role};

/// Processes in a scrape.
pub const PROCESSES: usize = 300;
/// A fixed time, so that payloads are the same in every run.
pub const NOW: u64 = 1_767_225_600_000_000_000;

/// A scrape and how many points it holds.
pub struct Payload {
    /// The encoded request.
    pub bytes: Bytes,
    /// Data points in it.
    pub points: usize,
}

/// Between two scrapes of a row of them.
pub const SCRAPE_NANOS: u64 = 10_000_000_000;

/// A minute of a host with 21 points a process: six scrapes, ten seconds apart.
pub fn minute() -> Vec<Payload> {
    scrapes(6)
}

/// So many scrapes of it.
pub fn scrapes(count: u64) -> Vec<Payload> {
    let mut host =
        Host::new(Profile::Realistic, Role::Web, "bench-1", PROCESSES, 7).with_metrics(MetricSet::All);
    host.scrape(NOW - SCRAPE_NANOS);
    let scrape = |place: u64| {
        host.step(std::time::Duration::from_nanos(SCRAPE_NANOS));
        let request = host.scrape(NOW + place * SCRAPE_NANOS);
        Payload { points: simulator::point_count(&request) as usize, bytes: request.encode_to_vec().into() }
    };
    (0..count).map(scrape).collect()
}

/// A scrape of each of so many hosts of 300 processes with 7 points each, at the same time.
pub fn fleet(hosts: u64) -> Vec<Payload> {
    let scrape = |seed: u64| {
        let name = format!("bench-{seed}");
        let mut host = Host::new(Profile::Realistic, Role::Web, &name, PROCESSES, seed);
        host.scrape(NOW - SCRAPE_NANOS);
        host.step(std::time::Duration::from_nanos(SCRAPE_NANOS));
        let request = host.scrape(NOW);
        Payload { points: simulator::point_count(&request) as usize, bytes: request.encode_to_vec().into() }
    };
    (0..hosts).map(scrape).collect()
}

/// One scrape of 300 processes with 7 or 21 points each.
pub fn scrape(points_a_process: usize) -> Payload {
    let set = if points_a_process == 7 { MetricSet::Default } else { MetricSet::All };
    let mut host = Host::new(Profile::Realistic, Role::Web, "bench-1", PROCESSES, 7).with_metrics(set);
    // Utilization needs an earlier scrape.
    host.scrape(NOW - 10_000_000_000);
    host.step(std::time::Duration::from_secs(10));
    let request: ExportMetricsServiceRequest = host.scrape(NOW);
    Payload { points: simulator::point_count(&request) as usize, bytes: request.encode_to_vec().into() }
}
