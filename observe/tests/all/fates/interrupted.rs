//! Series of which the candidate makes something, and not for all of the time.

use observe::{InterruptedFates, SeriesFates};

use super::*;

/// Drops memory as soon as it is large.
const LARGE: &str =
    "filter/large: { metrics: { datapoint: ['metric.name == \"memory\" and value_double > 5000000.0'] } }";

/// Nine scrapes, ten seconds apart; memory is large in those of `large`.
fn over_time(hold: u64, candidate: &[&str], large: std::ops::Range<u64>) -> SeriesFates {
    let settings = Settings { hold_nanos: hold * SECOND, ..Settings::default() };
    let mut bench = Bench::with(settings, &[], candidate);
    for number in 0..9 {
        let time = START + (number * 10 + 1) * SECOND;
        let mut request = scrape(time);
        let factor = if large.contains(&number) { 100.0 } else { 1.0 };
        for metric in request.resource_metrics.iter_mut().flat_map(|of| &mut of.scope_metrics[0].metrics) {
            if let (Some(Data::Gauge(gauge)), "memory") = (&mut metric.data, metric.name.as_str()) {
                let Some(Value::AsDouble(value)) = &mut gauge.data_points[0].value else { continue };
                *value *= factor;
            }
        }
        bench.feed(&request, time);
    }
    let (windows, settings) = bench.finish(START + 90 * SECOND);
    let found = read(&windows.iter().collect::<Vec<_>>(), &settings);
    assert_eq!(found, read(&windows.iter().rev().collect::<Vec<_>>(), &settings), "in any order");
    adds_up(&found);
    found.fates
}

fn memory(as_it_is: u64, others: u64) -> InterruptedFates {
    InterruptedFates { as_it_is, others, metrics: vec!["memory".to_owned()] }
}

#[test]
fn series_that_vanish_halfway_or_for_one_window_are_not_said_to_come_all_the_time() {
    for large in [4..9, 4..5] {
        let fates = over_time(0, &[LARGE], large);
        assert_eq!((fates.as_it_is, fates.lost), (SERIES, 0));
        assert_eq!(fates.interrupted, memory(3, 0));
    }
    let fates = over_time(0, &[STRIP, LARGE], 4..9);
    assert_eq!(fates.interrupted, memory(1, 2), "two processes have a title to lose");
    assert_eq!(over_time(0, &[], 4..9).interrupted, InterruptedFates::default());
    // What is lost all the time is lost, and told as that.
    let fates = over_time(0, &[LARGE], 0..9);
    assert_eq!((fates.lost, fates.interrupted), (3, InterruptedFates::default()));
}

#[test]
fn the_window_in_which_a_series_first_comes_does_not_count() {
    let deltas = "cumulativetodelta: { include: { metrics: [cpu], match_type: strict } }";
    let fates = over_time(0, &[deltas], 9..9);
    assert_eq!((fates.renamed, fates.interrupted.others), (6, 0), "{fates:?}");
}

#[test]
fn what_a_stage_holds_back_explains_as_many_windows_as_it_holds() {
    let interval = "interval: { interval: 30s }";
    assert_eq!(over_time(30, &[interval], 9..9).interrupted, InterruptedFates::default());
    assert_eq!(over_time(30, &[LARGE, interval], 3..9).interrupted.metrics, ["memory"]);
}
