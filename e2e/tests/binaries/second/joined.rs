//! Outputs that waited and arrive in one request are told apart, also where one is of a request that was sent twice.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use recount::{Batch, History, Window};

use super::candidates::PLAN;
use super::dirty;

#[test]
fn outputs_of_a_request_and_of_the_same_one_again_are_told_apart_in_one_request() {
    let sent: ExportMetricsServiceRequest = dirty::script(1_700_000_000_000_000_000)[0][0].clone();
    let batches = vec![Batch::of([10, 20], &sent), Batch::of([30, 40], &sent)];
    let windows = vec![Window { start: 0, end: 1_000, warming_up: false }];
    let mut both = sent.clone();
    both.resource_metrics.extend(sent.resource_metrics.clone());
    let arrivals = [vec![(50, both)], vec![(25, sent.clone()), (45, sent)]];
    let history = History::of(windows, batches, arrivals, &PLAN).expect("a history");
    let [baseline, candidate] = history
        .made
        .each_ref()
        .map(|made| made.iter().map(|one| (one.admitted, one.batch, one.of.clone())).collect::<Vec<_>>());
    assert_eq!(history.outputs[0], history.outputs[1]);
    assert_eq!(baseline, candidate);
    assert!(baseline.len() > 50, "{}", baseline.len());
}
