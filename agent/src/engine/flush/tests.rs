//! Tests that what stages held when a pipeline panicked is counted, for the units of its variant, and told as evidence.

use prost::Message as _;

use pipelines::Batch;

use super::*;
use crate::app::tests::harness::{export, load};
use crate::app::tests::held::candidate_holds;
use crate::engine::candidate::CandidateOutcome;
use crate::engine::deadline::Deadline;
use crate::engine::variant::VariantPipeline;

pub const NOW: u64 = 1_700_000_000_000_000_000;

/// A generation at 50 % whose candidate holds a point of each of 200 processes, and how many of them are its units.
pub fn holding(delivers: bool) -> (GenerationState, u64) {
    let settings = load(&candidate_holds("127.0.0.1:9".parse().expect("an address"), "50%", "1h"));
    let baseline = VariantPipeline::build(settings.intent.baseline.as_ref().expect("a baseline"), NOW);
    let experiment = settings.intent.experiment.as_ref().expect("an experiment");
    let mut experiment = ExperimentState::build(experiment, "an-agent", 1_000, NOW);
    experiment.delivers = delivers;
    let mut input = Batch::parse(export(200, 1).encode_to_vec().into()).expect("a request");
    input.identify();
    let outcome = experiment.candidate.process(&input, NOW, Deadline::never());
    assert!(matches!(outcome, CandidateOutcome::Done(_)), "{outcome:?}");
    let of_it =
        experiment.split.divide(&input).homes(Variant::Candidate).iter().filter(|home| **home).count();
    assert!((60..140).contains(&of_it), "about half of 200, got {of_it}");
    (GenerationState { baseline, experiment: Some(experiment), cut: None }, of_it as u64)
}

/// Lets the candidate panic after its stages have sent what they held. Returns the points that were counted as lost.
fn panic_in_flush(state: &mut GenerationState) -> Vec<(Variant, String, u64)> {
    let output = state.flush(NOW, |pipeline, variant| {
        let flushes = pipeline.shutdown(NOW);
        assert!(variant == Variant::Baseline, "a panic behind {} flushes", flushes.len());
        flushes
    });
    assert!(output.leaving.is_empty(), "{:?}", output.leaving);
    assert!(
        matches!(output.failures.as_slice(), [(Variant::Candidate, why)] if why.contains("behind 1 flushes"))
    );
    output.lost.into_iter().map(|lost| (lost.variant, lost.stage, lost.points)).collect()
}

#[test]
fn what_a_flush_that_panics_had_in_hand_is_lost_for_its_units_and_told() {
    let (mut state, of_it) = holding(true);
    let lost = panic_in_flush(&mut state);
    assert_eq!(lost, [(Variant::Candidate, "interval".to_owned(), of_it)]);
    let mut experiment = state.experiment.expect("an experiment");
    experiment.end(NOW + 1);
    let (summary, _) = experiment.observer.take_closed().pop().expect("a window");
    assert_eq!(summary.delivery[Variant::Candidate.index()].failed, of_it, "undelivered");
    assert_eq!(summary.missing.count, 1);
    let name = summary.missing.names.into_iter().next().expect("a name");
    assert_eq!(name, format!("({of_it} points that interval of the candidate held)"));
}

#[test]
fn a_candidate_that_delivers_nothing_loses_nothing() {
    let (mut state, _) = holding(false);
    assert_eq!(panic_in_flush(&mut state), []);
    let mut experiment = state.experiment.expect("an experiment");
    experiment.end(NOW + 1);
    let (summary, _) = experiment.observer.take_closed().pop().expect("a window");
    assert_eq!((summary.delivery[1].failed, summary.missing.count), (0, 0));
}
