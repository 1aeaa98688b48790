//! The audit finds a unit that went missing, by name.

use prost::Message as _;

use super::*;
use crate::app::tests::experiment::halves;
use crate::app::tests::harness::{export, load};

const NOW: u64 = 1_700_000_000_000_000_000;
const UNITS: usize = 10_000;

/// One batch of 10,000 processes through both pipelines, at 25 %.
struct Batched {
    trial: Trial,
    baseline: Side,
    input: Batch,
}

impl Batched {
    fn run() -> Self {
        let settings = load(&halves("127.0.0.1:9".parse().expect("an address"), "25%"));
        let mut baseline = Side::build(settings.intent.baseline.as_ref().expect("a baseline"), NOW);
        let experiment = settings.intent.experiment.as_ref().expect("an experiment");
        let mut trial = Trial::build(experiment, "an-agent", NOW);
        let mut input = Batch::parse(export(UNITS, 2).encode_to_vec().into()).expect("a request");
        input.identify();
        trial.admit(&input, &mut baseline, NOW);
        baseline.process(&input, NOW).expect("the baseline works");
        assert_eq!(trial.run(&input, NOW, 2 * UNITS as u64), None);
        trial.observe(&input, &mut baseline);
        trial.settle(&input, &baseline);
        Self { trial, baseline, input }
    }

    /// Rows that leave, but for the units that `without` takes out of each variant's share.
    fn leaving(&self, without: impl Fn(Variant, usize) -> bool) -> [Option<Encoded>; 2] {
        Variant::BOTH.map(|variant| {
            let homes = self.trial.assignment.homes(variant).iter().enumerate();
            let homes: Vec<bool> = homes.map(|(at, home)| *home && !without(variant, at)).collect();
            let side = match variant {
                Variant::Baseline => Some(&self.baseline),
                Variant::Candidate => self.trial.side.as_ref(),
            };
            side.map(|side| side.output(&self.input).encode(Keep::Homes(&homes)))
        })
    }

    fn missing(mut self, leaving: &[Option<Encoded>; 2]) -> observe::Missing {
        self.trial.audit(&self.input, leaving);
        self.trial.observer.cut(NOW + 1).missing
    }
}

#[test]
fn what_leaves_as_it_was_assigned_is_sound() {
    let batched = Batched::run();
    let leaving = batched.leaving(|_, _| false);
    assert_eq!(batched.missing(&leaving), observe::Missing::default());
}

#[test]
fn one_unit_of_ten_thousand_that_is_missing_is_found_in_one_window_by_name() {
    for variant in Variant::BOTH {
        let batched = Batched::run();
        let share = batched.trial.assignment.homes(variant);
        let lost = share.iter().rposition(|home| *home).expect("a share");
        let leaving = batched.leaving(|of, at| of == variant && at == lost);
        let missing = batched.missing(&leaving);
        let name = format!("process.pid={lost},process.executable.name=app-{},host.name=web-1", lost % 5);
        assert_eq!((missing.count, missing.names.into_iter().collect::<Vec<_>>()), (1, vec![name]));
    }
}
