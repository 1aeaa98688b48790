//! The run that all tests of this folder share: started by the first, awaited by the others.
#![expect(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use e2e::trial::{self, Outcome};

use super::candidates::TRIALS;
use super::dirty;

/// Outcomes by trial; or why there are none.
type All = Result<BTreeMap<&'static str, Result<Outcome, String>>, String>;

fn all() -> &'static All {
    static ALL: OnceLock<All> = OnceLock::new();
    let text = |error: anyhow::Error| format!("{error:#}");
    ALL.get_or_init(|| {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let outcomes = runtime.block_on(trial::run(TRIALS, dirty::script)).map_err(text)?;
        Ok(outcomes.into_iter().map(|(name, outcome)| (name, outcome.map_err(text))).collect())
    })
}

/// Outcome of a trial, in which the store and the agent agree on all figures, and at least `floor` were compared.
fn agreed(name: &str, floor: u64) -> &'static Outcome {
    let all = all().as_ref().unwrap_or_else(|error| panic!("{error}"));
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

/// Tests of trials by name.
macro_rules! trials {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            agreed(stringify!($name), 300);
        })*
    };
}

trials! {
    the_same no_command_line no_command_line_billed drop_by_name drop_small drop_one_critical drop_all rename_metric copy_metric
    scale_values values_zero round_values change_unit starts_zero flags_zero no_executable no_pid no_host no_owner no_device
    no_state rename_attribute hash_owner add_attribute short_titles gauge_to_sum delta_to_rate by_state odd_values_only other_scope sum_states rollup busiest to_delta interval both_without_pid both_rename more_than_baseline
}
