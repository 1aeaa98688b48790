//! Tests that the audit finds a unit that went missing, by name.

use std::time::Duration;

use prost::Message as _;

use super::*;
use crate::app::tests::experiment::halves;
use crate::app::tests::harness::{export, load};
use crate::engine::candidate::CandidateOutcome;
use crate::engine::deadline::Deadline;
use crate::engine::experiment::ExperimentState;

const NOW: u64 = 1_700_000_000_000_000_000;
const UNITS: usize = 10_000;

/// Runs one batch of 10,000 processes through both pipelines, at 25 %. The last unit of the share of `losing` does not
/// leave. Returns what the audit misses, and the index of the unit.
fn audit(losing: Option<Variant>) -> (observe::Missing, Option<usize>) {
    let settings = load(&halves("127.0.0.1:9".parse().expect("an address"), "25%"));
    let mut baseline = VariantPipeline::build(settings.intent.baseline.as_ref().expect("a baseline"), NOW);
    let experiment = settings.intent.experiment.as_ref().expect("an experiment");
    let ExperimentState { mut candidate, mut split, mut observer, .. } =
        ExperimentState::build(experiment, "an-agent", 1_000, NOW);
    let mut input = Batch::parse(export(UNITS, 2).encode_to_vec().into()).expect("a request");
    input.identify();

    let observation = observer.batch(&input, NOW, input.point_count() as u64);
    baseline.process(&input, NOW).expect("the baseline works");
    let outcome = candidate.process(&input, NOW, Deadline::never());
    assert!(matches!(outcome, CandidateOutcome::Done(_)), "{outcome:?}");
    baseline.identify();
    let made = baseline.output(&input);
    let observation = observation.baseline(made, Duration::ZERO).candidate(&mut candidate, &outcome);
    let assigned = split.assign(&input, made, candidate.pipeline(), true);
    let outputs = [Some(made), candidate.pipeline().map(|pipeline| pipeline.output(&input))];
    let mut lost = None;
    let leaving = Variant::BOTH.map(|variant| {
        let mut homes = assigned.split.assignment.homes(variant).to_vec();
        if losing == Some(variant) {
            lost = homes.iter().rposition(|home| *home);
            homes[lost.expect("a share")] = false;
        }
        outputs[variant.index()].map(|output| output.encode(Keep::Homes(&homes))).into_iter().collect()
    });
    observation.finish(assigned, &leaving);
    observer.end(candidate.pipeline_mut(), NOW + 1);
    let (summary, _) = observer.take_closed().pop().expect("a window");
    (summary.missing, lost)
}

#[test]
fn what_leaves_as_it_was_assigned_is_sound() {
    assert_eq!(audit(None).0, observe::Missing::default());
}

#[test]
fn one_unit_of_ten_thousand_that_is_missing_is_found_in_one_window_by_name() {
    for variant in Variant::BOTH {
        let (missing, lost) = audit(Some(variant));
        let lost = lost.expect("a unit");
        let name = format!("process.pid={lost},process.executable.name=app-{},host.name=web-1", lost % 5);
        assert_eq!((missing.count, missing.names.into_iter().collect::<Vec<_>>()), (1, vec![name]));
    }
}
