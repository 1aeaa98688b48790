//! The run that all tests of this folder share: started by the first, awaited by the others.
#![expect(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use e2e::trial::{self, Outcome};

use super::candidates::TRIALS;
use super::clean;

/// Scrapes of clean traffic.
const SCRAPES: u64 = 6;

/// Outcome of a trial, in which the store and the agent agree on all figures, and at least `floor` were compared.
fn agreed(name: &str, floor: u64) -> &'static Outcome {
    static ALL: OnceLock<BTreeMap<&'static str, Result<Outcome, String>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let run = trial::run(TRIALS, |begin| clean::script(begin, SCRAPES));
        let outcomes = runtime.block_on(run).expect("all agents start");
        outcomes
            .into_iter()
            .map(|(name, outcome)| (name, outcome.map_err(|error| format!("{error:#}"))))
            .collect()
    });
    let outcome = match all.get(name).expect("a trial of this name") {
        Ok(outcome) => outcome,
        Err(error) => panic!("{name}: {error}"),
    };
    let agreement = &outcome.agreement;
    let differ = agreement.differ.len() as u64;
    println!("{name}: {} figures compared, {} agree", agreement.compared, agreement.compared - differ);
    assert!(differ == 0, "{name}:\n{}", agreement.differ.join("\n"));
    assert!(agreement.compared >= floor, "{name}: only {} figures were compared", agreement.compared);
    outcome
}

#[test]
fn a_candidate_that_does_nothing_changes_no_figure() {
    agreed("the_same", 300);
}

#[test]
fn a_candidate_without_command_lines_has_fewer_attributes_and_nothing_else() {
    let report = &agreed("no_command_line", 300).report["generation"];
    assert_eq!(report["fates"]["fewer_attributes"], report["fates"]["of"]["value"]);
}
