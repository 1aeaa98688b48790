//! Properties of verdicts: whatever agents found, the order and the names of agents and horizons change no answer.

use std::collections::BTreeMap;

use observe::{LensError, Unnamed};

use super::*;
use crate::experiment::{Direction, Guardrail, Quantity, Scope, Severity};

const WORST_GROUP: &str = "the worst group";
const MARGIN: f64 = 0.2;

/// What one horizon may have found.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    lost: u64,
    renamed: u64,
    collisions: u64,
    hidden: u64,
    off: f64,
    /// Error of a group that the report has no room to name.
    unnamed: f64,
    failures: u64,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    // Mostly none, so that promotions are among the verdicts.
    let rarely = |most: u64| prop_oneof![4 => Just(0), 1 => 1..=most];
    let off = || prop_oneof![4 => Just(0.0), 1 => -0.5..0.5_f64];
    (rarely(400), rarely(40), rarely(3), rarely(5), off(), off(), rarely(2)).prop_map(
        |(lost, renamed, collisions, hidden, off, unnamed, failures)| Trouble {
            lost,
            renamed,
            collisions,
            hidden,
            off,
            unnamed,
            failures,
        },
    )
}

fn found(trouble: Trouble) -> Comparison {
    let Trouble { lost, renamed, collisions, hidden, off, unnamed, failures } = trouble;
    let mut found = good();
    found.lost_by_candidate = count(lost);
    let kept = 1_000 - lost - renamed;
    found.fates = SeriesFates { of: count(1_000), as_it_is: kept, lost, renamed, ..SeriesFates::default() };
    found.fates.parts.name = renamed;
    found.candidate.collisions = count(collisions);
    found.candidate_only_collisions = count(collisions);
    found.coverage.candidate = 5 - hidden;
    found.candidate.failures = failures;
    found.lenses[0].total = LensError::of(String::new(), 100.0, 100.0 * (1.0 + off));
    found.lenses[0].unnamed = Unnamed {
        groups: 2,
        baseline: 2.0,
        most_baseline: 1.0,
        difference: unnamed.abs(),
        most_difference: unnamed.abs(),
        errors: Some([unnamed.min(0.0), unnamed.max(0.0)]),
        ..Unnamed::default()
    };
    found
}

fn asked() -> Spec {
    asking(|policy| {
        policy.max_series_loss = Some(0.2);
        policy.max_lens_error = Some(0.1);
        policy.min_hosts = 2;
        policy.guardrails = vec![Guardrail {
            name: WORST_GROUP.into(),
            quantity: Quantity::LensGroup,
            lens: Some(good().lenses[0].name.clone()),
            scope: Scope::Host,
            direction: Direction::Either,
            margin: MARGIN,
            severity: Severity::Fatal,
        }];
    })
}

/// The verb, and the answers by question.
fn answers(agents: Vec<AgentEvidence>) -> (Verb, BTreeMap<String, Answer>) {
    let verdict = decide(&evidence(agents), &asked(), &run(Step::Mirror), None, NOW);
    let answers = verdict.criteria.iter().map(|one| {
        let names = one.finding.names.join(",");
        let key = if one.finding.quantity.contains("lens") { names } else { String::new() };
        (format!("{} {key}", one.finding.quantity), one.answer)
    });
    (verdict.verb, answers.collect())
}

fn agents(found_by: &[Vec<Trouble>]) -> Vec<AgentEvidence> {
    let one = |(at, horizons): (usize, &Vec<Trouble>)| {
        let horizons: Vec<Comparison> = horizons.iter().map(|trouble| found(*trouble)).collect();
        let worst = horizons.iter().max_by_key(|found| found.lost_by_candidate.value).cloned();
        AgentEvidence { totals: worst.into_iter().map(Arc::new).collect(), ..agent(at as u8 + 1, &horizons) }
    };
    found_by.iter().enumerate().map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_order_of_agents_and_of_their_horizons_changes_no_answer(
        found_by in proptest::collection::vec(proptest::collection::vec(trouble(), 1..4), 2..4),
        turn in 0..4_usize,
    ) {
        let expected = answers(agents(&found_by));
        let mut turned = agents(&found_by);
        let agents = turned.len();
        turned.rotate_left(turn % agents);
        for agent in &mut turned {
            agent.horizons.reverse();
        }
        prop_assert_eq!(answers(turned), expected);
    }

    #[test]
    fn names_of_agents_change_no_answer(
        found_by in proptest::collection::vec(proptest::collection::vec(trouble(), 2..4), 2..4),
    ) {
        let expected = answers(agents(&found_by));
        let mut renamed = agents(&found_by);
        for (at, agent) in renamed.iter_mut().enumerate() {
            agent.host = format!("z{}", 9 - at);
            agent.uid = uid(100 - at as u8);
        }
        prop_assert_eq!(answers(renamed), expected);
    }

    #[test]
    fn an_idle_agent_changes_nothing_but_its_own_line(
        found_by in proptest::collection::vec(proptest::collection::vec(trouble(), 2..4), 2..4),
        horizons in 1..4_usize,
    ) {
        let decided = |agents| decide(&evidence(agents), &asked(), &run(Step::Mirror), None, NOW);
        let mut expected = decided(agents(&found_by));
        let mut more = agents(&found_by);
        more.push(agent(9, &vec![nothing(); horizons]));
        expected.basis.idle.push("host-9".to_owned());
        prop_assert_eq!(decided(more), expected);
    }

    #[test]
    fn the_worst_group_is_within_its_margin_only_where_every_group_is(
        found_by in proptest::collection::vec(proptest::collection::vec(trouble(), 2..4), 2..4),
    ) {
        let verdict = decide(&evidence(agents(&found_by)), &asked(), &run(Step::Mirror), None, NOW);
        let beyond = found_by.iter().flatten().any(|one| one.unnamed.abs() > MARGIN);
        let expected = if beyond { Answer::Violated } else { Answer::Met };
        prop_assert_eq!(criterion(&verdict, WORST_GROUP).answer, expected);
    }

    #[test]
    fn nothing_that_is_not_met_is_advanced_on(
        found_by in proptest::collection::vec(proptest::collection::vec(trouble(), 2..4), 2..4),
    ) {
        let verdict = decide(&evidence(agents(&found_by)), &asked(), &run(Step::Mirror), None, NOW);
        let holds = verdict.criteria.iter().any(Criterion::holds);
        let back = |effect| verdict.criteria.iter().any(|one| one.is_violated_with(effect));
        use crate::experiment::Effect::{RollBack, RollBackAtOnce};
        let expected = if back(RollBackAtOnce) || back(RollBack) {
            Verb::RollBack
        } else if holds {
            Verb::Hold
        } else {
            Verb::Advance
        };
        prop_assert_eq!(verdict.verb, expected);
    }
}
