//! Processes of one agent, and agents with one name: what they count is neither added up nor thinned out.

use observe::Sample;

use super::answers::decided;
use super::*;
use crate::experiment::{Direction, Guardrail, Quantity, Scope, Severity};

fn guarded(quantity: Quantity, scope: Scope, margin: f64) -> Spec {
    asking(|policy| {
        let (name, direction, severity) = ("the guardrail".into(), Direction::Either, Severity::Blocking);
        let guardrail = Guardrail { name, quantity, lens: None, scope, direction, margin, severity };
        policy.guardrails = vec![guardrail];
        policy.critical_process_coverage = Some(0.5);
        policy.max_collisions = Some(1_000);
    })
}

fn answer(agents: Vec<AgentEvidence>, spec: &Spec) -> Criterion {
    criterion(&decided(agents, spec, Step::Mirror), "the guardrail")
}

/// An agent that was restarted, of which the processes have found this.
fn restarted(processes: [Comparison; 2]) -> AgentEvidence {
    let last = processes[1].clone();
    AgentEvidence { totals: processes.map(Arc::new).into(), ..agent(1, &[last.clone(), last]) }
}

#[test]
fn what_one_process_hides_is_not_thinned_out_by_the_next_one() {
    let hiding = |hidden: u64| {
        let coverage = Coverage { critical: 10, baseline: 10, candidate: 10 - hidden, ..Coverage::default() };
        Comparison { coverage, ..good() }
    };
    let spec = guarded(Quantity::CriticalHidden, Scope::Fleet, 0.07);
    for processes in [[hiding(1), hiding(0)], [hiding(0), hiding(1)]] {
        let told = answer(vec![restarted(processes)], &spec);
        assert_eq!((told.answer, told.finding.observed), (Answer::Violated, Some(0.1)), "{told:?}");
    }
    let losing = |lost: u64| Comparison { lost_by_candidate: count(lost), ..good() };
    let spec = guarded(Quantity::SeriesLost, Scope::Fleet, 0.3);
    assert_eq!(answer(vec![restarted([losing(400), losing(0)])], &spec).answer, Answer::Violated);
}

#[test]
fn a_loss_that_horizons_no_longer_show_is_not_thinned_out_by_a_restart() {
    let losing = |lost: u64| Comparison { lost_by_candidate: count(lost), ..good() };
    let told = |limit: f64| {
        let asked = asking(|policy| policy.max_series_loss = Some(limit));
        let agents = vec![restarted([losing(200), losing(0)])];
        criterion(&decided(agents, &asked, Step::Mirror), "max_series_loss")
    };
    let past = told(0.15);
    assert_eq!((past.answer, past.finding.observed), (Answer::Violated, Some(0.2)));
    assert_eq!(
        past.finding.sentence,
        "The candidate loses at most 200 of the baseline's 1,000 series as long as one process ran on each agent, 20.0 %; at \
         most 15.0 % are allowed."
    );
    assert_eq!(told(0.2).answer, Answer::Met);
}

#[test]
fn a_collision_that_two_processes_found_is_one() {
    let colliding = |own: u64| Comparison { candidate_only_collisions: count(own), ..good() };
    let spec = guarded(Quantity::Collisions, Scope::Fleet, 3.0);
    let told = answer(vec![restarted([colliding(2), colliding(2)])], &spec);
    assert_eq!((told.answer, told.finding.observed), (Answer::Met, Some(2.0)), "{told:?}");
    let both = vec![agent(1, &[colliding(2), colliding(2)]), agent(2, &[colliding(2), colliding(2)])];
    assert_eq!(answer(both, &spec).answer, Answer::Violated, "of two agents they are different ones");
}

#[test]
fn what_samples_leave_open_of_collisions_adds_up_over_a_fleet() {
    let sampled = || {
        let sample = Some(Sample { one_in: 8, entities: 300.0, ..Sample::default() });
        Comparison { sample, exact: false, ..good() }
    };
    let both = || vec![agent(1, &[sampled(), sampled()]), agent(2, &[sampled(), sampled()])];
    // None of one in eight: up to 24 of all on each.
    assert_eq!(answer(both(), &guarded(Quantity::Collisions, Scope::Host, 30.0)).answer, Answer::Met);
    let fleet = answer(both(), &guarded(Quantity::Collisions, Scope::Fleet, 30.0));
    assert_eq!(fleet.answer, Answer::NotMeasured);
    assert!(fleet.finding.sentence.contains("Of all, 48 may collide (95 %)."), "{fleet:?}");
    assert_eq!(answer(both(), &guarded(Quantity::Collisions, Scope::Fleet, 48.0)).answer, Answer::Met);
}

/// Stretches of one host follow each other; those of two hosts with one name do not.
#[test]
fn two_agents_of_one_name_are_two_and_what_stages_hold_is_no_more_for_it() {
    let held = |at: u64| {
        let mut found = good();
        let lens = &mut found.lenses[0];
        (lens.increases, lens.start, lens.end) = (true, 60 * at, 60 * (at + 1));
        let total = LensError { edges: [2.0, 2.0], ..LensError::of(String::new(), 100.0, 92.0) };
        lens.total = total.with_figures(observe::LensFunction::Sum, true, 60.0);
        found
    };
    let limit = asking(|policy| policy.max_lens_error = Some(0.05));
    let told = |names: [&str; 2]| {
        let mut agents = vec![agent(1, &[held(0), held(1)]), agent(2, &[held(0), held(1)])];
        for (agent, name) in agents.iter_mut().zip(names) {
            agent.host = name.to_owned();
        }
        let told = criterion(&decided(agents, &limit, Step::Mirror), "max_lens_error");
        (told.answer, told.finding.n, told.finding.sentence)
    };
    let (apart, alike) = (told(["a", "b"]), told(["localhost", "localhost"]));
    assert_eq!(apart, alike);
    assert_eq!((apart.0, apart.1), (Answer::Violated, 2), "{apart:?}");
}
