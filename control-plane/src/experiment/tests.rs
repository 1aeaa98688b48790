//! Every transition and refusal of the state machine, and every verdict.

use std::sync::Arc;
use std::time::Duration;

use observe::{
    Collision, Comparison, Count, Coverage, LensError, LensReport, SeriesFates, Vanished, VariantReport,
    Volume,
};
use proptest::prelude::*;
use proto::Findings;

use super::{
    Action, AgentEvidence, Answer, Criterion, Ended, Evidence, Goal, Outcome, Phase, Policy, Reason,
    RefusedReports, Run, Spec, State, Step, Stretch, Verb, Verdict, decide, decide_start,
};
use crate::clock::UnixMillis;
use crate::id::AgentUid;

mod compared;
mod given;
mod properties;
mod specified;

use given::*;

const CANDIDATE: &str = "processors:
  filter/a: { metrics: { datapoint: ['metric.name == \"process.memory.virtual\"'] } }
service: { pipelines: { metrics: { processors: [filter/a] } } }
";

pub fn spec() -> Spec {
    Spec {
        name: "cheaper".into(),
        selector: Default::default(),
        pipeline: None,
        baseline: None,
        candidate: CANDIDATE.into(),
        traits: None,
        template: None,
        unit: vec!["process".into()],
        aa: false,
        weights_bp: vec![2_500, 5_000, 10_000],
        window: Duration::from_secs(10),
        report_every: Duration::from_secs(60),
        lenses: observe::Lens::defaults(),
        critical: vec![observe::Critical::default()],
        price: observe::Price::default(),
        max_batch_latency: None,
        policy: Policy { min_horizons: 2, ..Policy::default() },
    }
}

fn uid(at: u8) -> AgentUid {
    format!("0193a0c0-0000-7000-8000-0000000000{at:02x}").parse().expect("a uid")
}

fn run(step: Step) -> Run {
    let at = UnixMillis(1_000_000);
    Run { step, since: at, began: at, approved_by: None, agents: vec![uid(1), uid(2)] }
}

const NOW: UnixMillis = UnixMillis(1_010_000);

fn end() -> Ended {
    Ended { at: NOW, reasons: Vec::new() }
}

/// One state of each phase, and of each outcome.
fn states() -> Vec<State> {
    let completed = |outcome| State::Completed { outcome, end: end() };
    vec![
        State::Pending,
        State::Initializing(run(Step::Mirror)),
        State::Running(run(Step::Mirror)),
        State::Paused(run(Step::Mirror)),
        State::Analyzing { run: run(Step::Split(10_000)), goal: Goal::Promote, since: NOW },
        completed(Outcome::Promoted),
        completed(Outcome::RolledBack),
        completed(Outcome::Inconclusive),
        State::Failed(end()),
        State::Cancelled(end()),
    ]
}

fn actions() -> Vec<Action> {
    vec![
        Action::Start(vec![uid(1)]),
        Action::Applied,
        Action::Fail(Vec::new()),
        Action::Pause,
        Action::Resume,
        Action::Advance(vec![uid(1)]),
        Action::Stop,
        Action::Conclude(Vec::new()),
        Action::Judge(Outcome::WouldPromote, Vec::new()),
        Action::Promote(Vec::new()),
        Action::RollBack(Vec::new()),
        Action::Cancel,
        Action::Approve("second@example.org".into()),
    ]
}

/// The table phase × verb of the documentation, made from the state machine itself.
fn table(spec: &Spec, states: Vec<State>) -> String {
    let mut text = String::from("| from |");
    for action in actions() {
        text += &format!(" {} |", action.name());
    }
    text += &format!("\n|---|{}\n", "---|".repeat(actions().len()));
    for state in states {
        let named = |state: &State| match state.outcome() {
            Some(outcome) => format!(
                "{} ({})",
                state.phase(),
                serde_json::to_value(outcome).expect("text").as_str().expect("text")
            ),
            None => state.phase().to_string(),
        };
        text += &format!("| {} |", named(&state));
        for action in actions() {
            let after = state.clone().after(action, spec, NOW);
            text += &after.map_or_else(|_| " – |".to_owned(), |after| format!(" {} |", named(&after)));
        }
        text += "\n";
    }
    text
}

#[test]
fn the_documented_table_of_transitions_is_the_state_machines_own() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).expect("the crate's README");
    let rollout = table(&spec(), states());
    let judged = State::Completed { outcome: Outcome::WouldPromote, end: end() };
    let under_way = states().into_iter().filter(|state| state.end().is_none());
    let observes = table(&observing(), under_way.chain([judged]).collect());
    for table in [rollout, observes] {
        assert!(text.contains(&table), "put this into {path}:\n{table}");
    }
}

#[test]
fn a_rollout_goes_step_by_step_to_promoted() {
    let mut state = State::Pending.after(Action::Start(vec![uid(1)]), &spec(), NOW).expect("start");
    assert_eq!(state.run().map(|run| run.step), Some(Step::Mirror));
    state = state.after(Action::Applied, &spec(), NOW).expect("applied");
    for weight in [2_500, 5_000, 10_000] {
        state = state.after(Action::Advance(vec![uid(1), uid(2)]), &spec(), NOW).expect("advance");
        assert_eq!(state.run().map(|run| run.step), Some(Step::Split(weight)));
        assert_eq!(
            state.run().map(|run| run.agents.len()),
            Some(2),
            "late joiners count from the next step on"
        );
    }
    state = state.after(Action::Advance(vec![uid(1)]), &spec(), NOW).expect("advance");
    assert_eq!(state.phase(), Phase::Analyzing);
    state = state.after(Action::Promote(Vec::new()), &spec(), NOW).expect("promote");
    assert_eq!(state.outcome(), Some(Outcome::Promoted));
    assert_eq!(Spec { aa: true, ..spec() }.first_step(), Step::Aa);
    assert_eq!(spec().step_after(Step::Aa), Some(Step::Mirror));
}

#[test]
fn a_refusal_says_from_where_and_what() {
    let refused = State::Pending.after(Action::Pause, &spec(), NOW).expect_err("refused");
    let said = "cannot pause experiment cheaper: it is pending (allowed: start, cancel)";
    assert_eq!(refused.to_string(), said);
    let over = State::Cancelled(Ended { at: NOW, reasons: Vec::new() });
    let refused = over.after(Action::RollBack(Vec::new()), &spec(), NOW).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "cannot roll back experiment cheaper: it is cancelled (allowed: nothing)"
    );
}

#[test]
fn what_is_said_to_be_allowed_is_what_there_is_a_transition_for() {
    let end = || Ended { at: NOW, reasons: Vec::new() };
    let over = |outcome| State::Completed { outcome, end: end() };
    let analyzing = |goal| State::Analyzing { run: run(Step::Mirror), goal, since: NOW };
    let states = [
        State::Pending,
        State::Initializing(run(Step::Mirror)),
        State::Running(run(Step::Mirror)),
        State::Paused(run(Step::Mirror)),
        analyzing(Goal::Promote),
        analyzing(Goal::Stop),
        over(Outcome::Promoted),
        over(Outcome::RolledBack),
        over(Outcome::Inconclusive),
        State::Failed(end()),
        State::Cancelled(end()),
    ];
    for state in states {
        let commands = [
            Action::Start(vec![uid(1)]),
            Action::Cancel,
            Action::Pause,
            Action::Resume,
            Action::Stop,
            Action::Promote(Vec::new()),
            Action::RollBack(Vec::new()),
            Action::Approve("b@example.org".to_owned()),
        ];
        let possible: Vec<_> = commands
            .into_iter()
            .map(|action| (action.name(), state.clone().after(action, &spec(), NOW).is_ok()))
            .filter_map(|(name, possible)| possible.then_some(name))
            .collect();
        assert_eq!(possible, state.allowed(&spec()), "{state:?}");
    }
    let asks = Spec { policy: Policy { require_approval: true, ..Policy::default() }, ..spec() };
    let running = State::Running(run(Step::Mirror));
    assert_eq!(running.allowed(&asks), ["pause", "stop", "rollback", "approve"]);
    let approved = running.after(Action::Approve("b@example.org".to_owned()), &asks, NOW).expect("approved");
    assert!(approved.allowed(&asks).contains(&"promote"));
}

#[test]
fn enough_good_horizons_of_everybody_advance_and_after_the_last_step_promote() {
    let both = evidence(vec![agent(1, &[good(), good()]), agent(2, &[good(), good()])]);
    let (found, reasons) = verb(&both, &spec());
    assert_eq!(found, Verb::Advance);
    assert!(
        reasons.iter().any(|r| r.sentence.contains("has 1,000 where the baseline has 2,000: 50.0 % less")
            && r.observed == Some(0.5)),
        "{reasons:?}"
    );
    let last = decide(&both, &spec(), &run(Step::Split(10_000)), Some(Goal::Promote), NOW);
    assert_eq!(last.verb, Verb::Promote);
}

#[test]
fn too_few_horizons_wait_and_say_for_whom() {
    let (found, reasons) = verb(&evidence(vec![agent(1, &[good(), good()]), agent(2, &[good()])]), &spec());
    assert_eq!(found, Verb::Continue);
    assert_eq!(reasons[0].hosts, ["host-2"]);
    assert_eq!(verb(&evidence(Vec::new()), &spec()).0, Verb::Continue, "silence is not success");
}

#[test]
fn a_silent_agent_holds_the_step_by_name_unless_the_policy_allows_it() {
    let mut silent = agent(2, &[]);
    silent.last_seen = Some(UnixMillis(NOW.0 - 1_000_000));
    let agents = vec![agent(1, &[good(), good()]), silent];
    let (found, reasons) = verb(&evidence(agents.clone()), &spec());
    assert_eq!((found, named(&reasons)), (Verb::Hold, vec!["missing_agents"]));
    assert!(reasons[0].sentence.contains("host-2"));
    let mut lenient = spec();
    lenient.policy.max_missing = 0.5;
    assert_eq!(verb(&evidence(agents.clone()), &lenient).0, Verb::Advance);
    lenient.policy.min_hosts = 2;
    assert_ne!(verb(&evidence(agents), &lenient).0, Verb::Advance);
}

#[test]
fn horizons_in_which_the_split_lost_a_unit_are_void_by_name_and_hold_the_step_if_too_few_are_left() {
    let mut lossy = agent(2, &[good()]);
    lossy.void.insert("process.pid=7".into());
    let (found, reasons) = verb(&evidence(vec![agent(1, &[good(), good()]), lossy.clone()]), &spec());
    assert_eq!((found, named(&reasons)), (Verb::Hold, vec!["assignment"]));
    assert_eq!(
        (&reasons[0].hosts[..], &reasons[0].names[..]),
        (&["host-2".into()][..], &["process.pid=7".into()][..])
    );
    lossy.count = 2;
    assert_eq!(verb(&evidence(vec![agent(1, &[good(), good()]), lossy]), &spec()).0, Verb::Advance);
}

#[test]
fn points_that_destinations_do_not_take_roll_back_past_the_error_rate() {
    let rejecting = |rejected: u64| {
        let mut found = good();
        (found.candidate.delivery.confirmed, found.candidate.delivery.rejected) = (990, rejected);
        // What happens to the baseline is not the candidate's fault.
        found.baseline.delivery.failed = 1_000;
        evidence(vec![agent(1, &[found.clone(), found.clone()]), agent(2, &[found.clone(), found])])
    };
    let mut strict = spec();
    strict.policy.max_error_rate = Some(0.01);
    assert_eq!(verb(&rejecting(10), &strict).0, Verb::Advance);
    let (found, reasons) = verb(&rejecting(11), &strict);
    assert_eq!((found, reasons[0].layer.as_str()), (Verb::RollBack, "L2"));
    assert!(reasons[0].sentence.contains("22 of 2,002 points"), "{}", reasons[0].sentence);
}

#[test]
fn a_step_that_cannot_be_applied_holds_with_the_agents_own_words() {
    let mut failed = agent(2, &[]);
    failed.failed = Some("phoenix.experiments is `refuse`".into());
    let (found, reasons) = verb(&evidence(vec![agent(1, &[good(), good()]), failed]), &spec());
    assert_eq!((found, named(&reasons)), (Verb::Hold, vec!["not_applied"]));
    assert_eq!(reasons[0].names, ["phoenix.experiments is `refuse`"]);
}

#[test]
fn what_no_policy_forgives_rolls_back_on_the_first_horizon_with_names() {
    let check = |quantity: &str, change: fn(&mut Comparison)| {
        let mut bad = good();
        change(&mut bad);
        // The bad horizon is not the last: it still counts.
        let (found, reasons) = verb(&evidence(vec![agent(1, &[bad, good()]), agent(2, &[])]), &spec());
        assert_eq!((found, named(&reasons)), (Verb::RollBack, vec![quantity]));
        reasons[0].clone()
    };
    let hidden = check("critical_process_coverage", |c| {
        c.coverage.candidate = 4;
        c.coverage.vanished = vec![Vanished { process: "postgres (pid 7)".into(), wholly: true }];
    });
    assert_eq!(
        (hidden.names.as_slice(), hidden.hosts.as_slice()),
        (&["postgres (pid 7)".to_owned()][..], &["host-1".to_owned()][..])
    );
    assert_eq!((hidden.observed, hidden.limit), (Some(0.8), Some(1.0)));
    let colliding = check("collisions", |c| {
        c.candidate_only_collisions = count(3);
        c.collisions =
            vec![Collision { metric: "m".into(), series: "s".into(), writers: ["a".into(), "b".into()] }];
    });
    assert!(colliding.names[0].contains("a and b"));
    check("zero_output", |c| c.candidate.output = Volume::default());
}

#[test]
fn a_candidate_that_an_agent_cut_out_rolls_back_at_once() {
    let mut cut = agent(1, &[]);
    cut.cut = Some("panic: index 3".into());
    let (found, reasons) = verb(&evidence(vec![cut]), &spec());
    assert_eq!((found, named(&reasons)), (Verb::RollBack, vec!["candidate_failure"]));
    assert!(reasons[0].sentence.contains("panic: index 3"));
}

#[test]
fn a_candidate_that_killed_an_agent_rolls_back_at_once_with_a_reason_of_its_own() {
    let mut dead = agent(1, &[]);
    dead.applied = false;
    dead.failed = Some("quarantined: generation 2 died 2 times".into());
    let all = evidence(vec![dead, agent(2, &[good(), good()])]);
    let (found, reasons) = verb(&all, &spec());
    assert_eq!((found, named(&reasons)), (Verb::RollBack, vec!["quarantine"]));
    assert!(reasons[0].sentence.contains("generation 2 died 2 times"), "{}", reasons[0].sentence);
    assert_eq!(reasons[0].hosts, ["host-1"]);
    // Before the first step is measured too, however many the policy lets be missing.
    let verdict = decide_start(&all, &asking(|policy| policy.max_missing = 0.9), &run(Step::Mirror), NOW);
    assert_eq!((verdict.verb, named(&verdict.reasons)), (Verb::RollBack, vec!["quarantine"]));
    assert!(verdict.is_harm());
}

#[test]
fn what_both_hide_was_not_taken_away_by_the_candidate() {
    let mut neither = good();
    neither.coverage = Coverage { critical: 5, baseline: 0, candidate: 0, ..Coverage::default() };
    let agents = vec![agent(1, &[neither.clone(), neither]), agent(2, &[good(), good()])];
    assert_eq!(verb(&evidence(agents), &spec()).0, Verb::Advance);
}

#[test]
fn the_policys_limits_roll_back_and_its_wishes_hold() {
    let both = evidence(vec![agent(1, &[good(), good()]), agent(2, &[good(), good()])]);
    let with = |change: fn(&mut Policy)| {
        let mut spec = spec();
        change(&mut spec.policy);
        let (found, reasons) = verb(&both, &spec);
        (found, named(&reasons).into_iter().next().map(str::to_owned).expect("a reason"))
    };
    assert_eq!(with(|p| p.max_series_loss = Some(0.39)), (Verb::RollBack, "max_series_loss".into()));
    assert_eq!(with(|p| p.max_series_loss = Some(0.40)).0, Verb::Advance);
    assert_eq!(with(|p| p.max_lens_error = Some(0.004)), (Verb::RollBack, "max_lens_error".into()));
    assert_eq!(with(|p| p.max_lens_error = Some(0.006)).0, Verb::Advance);
    assert_eq!(
        with(|p| p.min_cardinality_reduction = Some(0.51)),
        (Verb::Hold, "min_cardinality_reduction".into())
    );
    assert_eq!(with(|p| p.min_cost_reduction = Some(0.51)), (Verb::Hold, "min_cost_reduction".into()));
    assert_eq!(with(|p| p.min_cost_reduction = Some(0.5)).0, Verb::Advance);
    let overdue = |p: &mut Policy| {
        p.min_cost_reduction = Some(0.51);
        p.max_step_duration = Some(Duration::from_secs(9));
    };
    assert_eq!(with(overdue), (Verb::RollBack, "max_step_duration".into()));
}

#[test]
fn an_aa_step_must_differ_by_nothing() {
    let aa = |horizon: Comparison| {
        let both = evidence(vec![agent(1, &[horizon.clone(), horizon])]);
        decide(&both, &spec(), &run(Step::Aa), None, NOW)
    };
    let differs = aa(good());
    assert_eq!(differs.verb, Verb::Hold, "nothing is decided automatically");
    assert!(differs.reasons[0].names.iter().any(|name| name == "series: 1000 and 500"), "{differs:?}");
    let mut same = good();
    same.candidate = same.baseline.clone();
    same.lost_by_candidate = count(0);
    same.fates = SeriesFates { of: count(1_000), as_it_is: 1_000, ..SeriesFates::default() };
    same.lenses[0].groups_that_differ = 0;
    assert_eq!(aa(same).verb, Verb::Advance);
}

proptest! {
    #[test]
    fn no_sequence_of_actions_leaves_an_end_but_by_rolling_a_promotion_back(
        (steps, observes) in (prop::collection::vec(0..13usize, 0..40), any::<bool>()),
    ) {
        let mut state = State::Pending;
        let spec = if observes { observing() } else { spec() };
        for step in steps {
            let before = state.clone();
            let action = actions().swap_remove(step);
            let rolls_back = matches!(action, Action::RollBack(_));
            match state.after(action, &spec, NOW) {
                Ok(after) => {
                    prop_assert!(!observes || after.run().is_none_or(|run| run.step.weight_bp() == 0));
                    prop_assert!(after.outcome().is_none_or(|outcome| !outcome.is_judgment() || observes));
                    prop_assert!(after.outcome() != Some(Outcome::Promoted) || !observes);
                    let left_an_end = before.end().is_some();
                    prop_assert!(!left_an_end || (before.outcome() == Some(Outcome::Promoted) && rolls_back));
                    prop_assert!(after.run().is_some() || after.end().is_some());
                    state = after;
                }
                Err(refused) => {
                    prop_assert_eq!(refused.from, before.phase());
                    state = before;
                }
            }
        }
    }
}

mod absences;
mod answers;
mod arrivals;
mod asked;
mod boots;
mod claims;
mod gone;
mod guarded;
mod intervals;
mod last;
mod lenses;
mod limits_of_sample;
mod observation;
mod observed;
mod promoted;
mod rebased;
mod said;
mod sampled;
mod sentences;
mod silences;
mod starting;
mod times;
mod told;
mod unasked;
mod walked;
