//! The run that all tests of this folder share: started by the first, awaited by the others.
#![expect(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use e2e::trial::{self, Outcome};
use recount::panel::Panel;
use recount::report;
use serde_json::json;

use super::candidates::{PLAN, TRIALS};
use super::lenses::LENSES;
use super::{dirty, random};

/// Outcomes by trial; or why there are none.
type All = Result<BTreeMap<&'static str, Result<Outcome, String>>, String>;

fn all() -> &'static All {
    static ALL: OnceLock<All> = OnceLock::new();
    let text = |error: anyhow::Error| format!("{error:#}");
    ALL.get_or_init(|| {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let trials = [TRIALS, &random::trials()].concat();
        let outcomes = runtime.block_on(trial::run(&trials, dirty::script)).map_err(text)?;
        Ok(outcomes.into_iter().map(|(name, outcome)| (name, outcome.map_err(text))).collect())
    })
}

/// Outcome of a trial, in which the store and the agent agree on all figures, and at least `floor` were compared.
pub fn agreed(name: &str, floor: u64) -> &'static Outcome {
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

/// Number at a place of what an agent says of the whole stretch; 0 where nothing stands.
fn said(outcome: &Outcome, place: &str) -> f64 {
    outcome.report["generation"].pointer(place).and_then(serde_json::Value::as_f64).unwrap_or(0.0)
}

/// Tests of trials by name, each with figures that are some or none besides.
macro_rules! trials {
    ($($name:ident: $($place:literal $what:ident),+;)*) => {
        $(#[test]
        fn $name() {
            let outcome = agreed(stringify!($name), 1_500);
            $(let figure = said(outcome, $place);
            let holds = if stringify!($what) == "some" { figure != 0.0 } else { figure == 0.0 };
            assert!(holds, "{} is {figure}, not {}", $place, stringify!($what));)+
        })*

        #[test]
        fn a_hundred_thousand_figures_are_compared() {
            let outcomes = [$(agreed(stringify!($name), 1_500)),*];
            let compared: u64 = outcomes.iter().map(|outcome| outcome.agreement.compared).sum();
            println!("{compared} figures of {} candidates compared, all agree", outcomes.len());
            assert!(compared >= 100_000, "{compared}");
        }
    };
}

/// Names, attributes, kinds and quantiles are compared: of a report in which one of each is another, these differ.
#[test]
fn what_would_help_and_what_describes_is_compared() {
    let outcome = agreed("the_same", 1_500);
    let mut wrong = outcome.report.clone();
    let others = [
        ("/generation/lenses/21/measured/near/0", json!("process.threads"), json!("process.cpu.time")),
        ("/generation/lenses/20/measured/attributes/0", json!("host.name"), json!("team")),
        ("/generation/lenses/22/measured/kind", json!("values"), json!("counters")),
    ];
    for (place, right, other) in others {
        let said = wrong.pointer_mut(place).expect(place);
        assert_eq!(*said, right, "{place}");
        *said = other;
    }
    for (place, factor) in [("quantiles/0/1", 1.03), ("quantiles/1/4", 1.001)] {
        let said = wrong.pointer_mut(&format!("/generation/distributions/0/{place}")).expect(place);
        *said = json!(said.as_f64().expect(place) * factor);
    }
    *wrong.pointer_mut("/generation/distributions/0/distances/psi").expect("an index") = json!(0.01);
    let differ = report::compare(&wrong, &outcome.history, &PLAN).differ;
    // A quantile is held against its bin and against the numbers.
    assert_eq!(differ.len(), 3 + 2 * 2 + 1, "{}", differ.join("\n"));
}

#[test]
fn of_random_candidates_nothing_is_met_beside_a_group_past_its_limit() {
    let mut answers = [0_u32; 2];
    for name in random::NAMES {
        let outcome = agreed(name, 1_000);
        let judged: Vec<_> = outcome.history.judged().copied().collect();
        for lens in LENSES {
            let panel = Panel::of(&outcome.history, lens, &PLAN, &judged);
            let met = random::is_met(&outcome.report, lens.name);
            let limit = panel.limit.expect("a limit");
            assert!(!met || !limit.violated(), "{name}: {}: {limit:?}", lens.name);
            answers[usize::from(met)] += 1;
        }
    }
    assert!(answers.iter().all(|many| *many > 20), "too few that are met or not: {answers:?}");
}

trials! {
    the_same: "/distributions/0/count/1" some, "/distributions/0/distances/wasserstein" none, "/fates/as_it_is" some, "/fates/lost" none, "/changed/points" none, "/saving/series" none;
    no_command_line: "/fates/fewer_attributes" some, "/fates/lost" none, "/candidate/collisions/value" none;
    no_command_line_billed: "/saving/series" some, "/saving/billed_series" none;
    drop_by_name: "/fates/lost" some, "/lenses/7/groups_lost" some, "/lenses/0/groups_that_differ" none;
    drop_small: "/saving/points" some, "/lenses/0/groups_that_differ" some, "/changed/points" none;
    drop_one_critical: "/coverage/vanished_count" some;
    drop_all: "/fates/as_it_is" none, "/lenses/0/total/candidate" none, "/lenses/0/groups_lost" some;
    rename_metric: "/fates/parts/name" some, "/lenses/0/groups_lost" some, "/fates/lost" none;
    copy_metric: "/fates/renamed" none, "/fates/split" none, "/saving/series" some;
    scale_values: "/distributions/1/distances/wasserstein" some, "/changed/points" some, "/lenses/3/limit/beyond" some, "/fates/renamed" none;
    values_zero: "/changed/points" some, "/lenses/0/total/candidate" none;
    round_values: "/changed/points" some, "/fates/renamed" none;
    change_unit: "/fates/parts/unit" some, "/changed/points" none, "/changed/not_compared/0/series" some;
    starts_zero: "/changed/points" some, "/fates/renamed" none;
    flags_zero: "/changed/points" some;
    no_executable: "/lenses/0/groups_lost" some, "/lenses/0/groups_new" some, "/lenses/0/total/relative_error" none;
    no_pid: "/candidate_only_collisions/value" some, "/baseline/collisions/value" none;
    no_host: "/candidate_only_collisions/value" some;
    no_owner: "/lenses/2/groups_lost" some;
    no_device: "/candidate_only_collisions/value" some, "/lenses/18/groups_lost" some;
    no_state: "/candidate_only_collisions/value" some, "/lenses/4/groups_lost" some;
    rename_attribute: "/fates/parts/resource" some, "/lenses/0/groups_lost" some;
    hash_owner: "/fates/renamed" some, "/lenses/2/groups_new" some;
    add_attribute: "/fates/renamed" some, "/lenses/0/groups_that_differ" none;
    short_titles: "/fates/renamed" some, "/candidate_only_collisions/value" none;
    gauge_to_sum: "/fates/parts/type" some, "/changed/points" none;
    delta_to_rate: "/fates/parts/type" some, "/changed/not_compared/0/series" some;
    by_state: "/fates/renamed" some, "/fates/lost" none;
    odd_values_only: "/saving/points" some, "/fates/as_it_is" some, "/changed/points" none;
    other_scope: "/fates/parts/scope" some;
    sum_states: "/fates/merged" some, "/fates/merged_into" some, "/candidate_only_collisions/value" none;
    rollup: "/fates/merged" some, "/candidate_only_collisions/value" none;
    busiest: "/fates/lost" some, "/saving/series" some;
    to_delta: "/fates/parts/type" some, "/changed/not_compared/0/series" some;
    interval: "/changed/held/0/series" some, "/fates/lost" none, "/saving/points" some;
    default_lenses: "/unwatched/count" some, "/lenses/11/groups" some, "/lenses/11/groups_that_differ" none;
    default_lenses_drop: "/fates/lost" some, "/unwatched/count" some, "/lenses/11/groups_lost" some;
    default_lenses_no_owner: "/lenses/1/groups_lost" some, "/lenses/11/groups_lost" some;
    default_lenses_busiest: "/fates/lost" some, "/unwatched/count" some;
    default_lenses_interval: "/changed/held/0/series" some, "/unwatched/count" some;
    both_without_pid: "/baseline/collisions/value" some, "/candidate_only_collisions/value" some;
    both_rename: "/fates/fewer_attributes" some, "/fates/renamed" none;
    more_than_baseline: "/fates/lost" none, "/saving/points" some;
}
