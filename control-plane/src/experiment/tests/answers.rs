//! Three answers: what was not measured never passes, and what rests on nothing is not said.

use observe::{AttributeFates, ChangedMetric, MetricFates, PartCounts, ValueChanges};

use super::*;
use crate::experiment::Effect;

pub fn decided(agents: Vec<AgentEvidence>, spec: &Spec, step: Step) -> Verdict {
    let stretch = Stretch { from: NOW, to: NOW, hours: [62].into() };
    let came_in = agents.iter().any(|agent| agent.totals.iter().any(|total| total.input.points > 0));
    let evidence = Evidence { agents, stretch: came_in.then_some(stretch), ..Evidence::default() };
    let goal = (step == Step::Split(10_000)).then_some(Goal::Promote);
    decide(&evidence, spec, &run(step), goal, NOW)
}

pub fn two(horizon: impl Fn() -> Comparison) -> Vec<AgentEvidence> {
    vec![agent(1, &[horizon(), horizon()]), agent(2, &[horizon(), horizon()])]
}

/// Nothing left by the candidate yet.
fn undelivered() -> Comparison {
    let mut found = good();
    found.candidate.delivered = Volume::default();
    found.candidate.delivery.confirmed = 0;
    found
}

#[test]
fn zero_points_on_every_agent_are_never_promoted_whatever_the_step() {
    for step in [Step::Aa, Step::Mirror, Step::Split(2_500), Step::Split(10_000)] {
        let verdict = decided(two(nothing), &spec(), step);
        assert_eq!(verdict.verb, Verb::Hold, "{step}");
        assert_eq!(named(&verdict.reasons), ["traffic"], "{step}");
        assert_eq!(verdict.basis.idle, ["host-1", "host-2"]);
        assert_eq!(verdict.basis.sentences()[0], "Nothing came in on any agent that has reported.");
        let sentence = &verdict.reasons[0].sentence;
        assert!(sentence.contains("on host-1, host-2 in the step"), "{sentence}");
        assert!(verdict.criteria.iter().all(|one| one.answer != Answer::Met), "{:#?}", verdict.criteria);
    }
}

#[test]
fn an_idle_agent_changes_no_answer_and_is_named() {
    let with = |idle: bool| {
        let mut agents = two(good);
        if idle {
            agents.push(agent(3, &[nothing(), nothing(), nothing()]));
        }
        decided(agents, &spec(), Step::Mirror)
    };
    let (without, with) = (with(false), with(true));
    assert_eq!((with.verb, &with.criteria), (without.verb, &without.criteria));
    assert_eq!((with.verb, with.basis.idle.as_slice()), (Verb::Advance, &["host-3".to_owned()][..]));
    assert!(with.basis.sentences().contains(&"Idle, because nothing came in: host-3.".to_owned()));
    assert!(!without.basis.sentences().iter().any(|sentence| sentence.contains("Idle")));
}

#[test]
fn horizons_without_traffic_count_for_nothing() {
    let quiet = |horizons: &[Comparison]| {
        let mut quiet = agent(2, horizons);
        quiet.totals = vec![good().into()];
        decided(vec![agent(1, &[good(), good()]), quiet], &spec(), Step::Mirror)
    };
    let waits = "1 of 2 horizons with traffic are in; waiting for host-2.";
    let verdict = quiet(&[good(), nothing()]);
    assert_eq!((verdict.verb, verdict.reasons[0].sentence.as_str()), (Verb::Continue, waits));
    let verdict = quiet(&[nothing(), nothing(), good()]);
    assert_eq!((verdict.verb, verdict.reasons[0].sentence.as_str()), (Verb::Continue, waits), "it came back");
}

#[test]
fn an_agent_whose_traffic_has_stopped_is_not_waited_for_without_a_word() {
    let mut quiet = agent(2, &[good(), nothing(), nothing()]);
    quiet.totals = vec![good().into()];
    let verdict = decided(vec![agent(1, &[good(), good()]), quiet], &spec(), Step::Mirror);
    assert_eq!(verdict.verb, Verb::Continue);
    assert_eq!(
        verdict.reasons[0].sentence,
        "1 of 2 horizons with traffic are in; waiting for host-2. Nothing came in on host-2 in its last two horizons: see to it \
         that metrics reach it, or select other agents."
    );
}

#[test]
fn a_default_of_which_nothing_came_in_holds_nothing_and_the_same_asked_for_holds() {
    let uncritical = || Comparison { coverage: Coverage::default(), ..good() };
    let verdict = decided(two(uncritical), &spec(), Step::Mirror);
    assert_eq!(verdict.verb, Verb::Advance);
    let default = criterion(&verdict, "critical_process_coverage");
    assert_eq!((default.answer, default.asked), (Answer::NotApplicable, false));
    assert!(default.finding.observed.is_none(), "no figure of nothing: {default:?}");
    assert!(!verdict.reasons.iter().any(|reason| reason.sentence.contains("ritical")), "{verdict:?}");
    let asked = asking(|policy| policy.critical_process_coverage = Some(1.0));
    let verdict = decided(two(uncritical), &asked, Step::Mirror);
    assert_eq!((verdict.verb, named(&verdict.reasons)[0]), (Verb::Hold, "critical_process_coverage"));
    assert_eq!(criterion(&verdict, "critical_process_coverage").answer, Answer::NotMeasured);
}

#[test]
fn savings_of_nothing_are_not_measured_where_they_are_asked_for() {
    let nothing_billed = || {
        let mut found = good();
        (found.baseline.active_series, found.candidate.active_series) = (0, 0);
        found
    };
    assert_eq!(decided(two(nothing_billed), &spec(), Step::Mirror).verb, Verb::Advance);
    let asked = asking(|policy| policy.min_cardinality_reduction = Some(0.1));
    let verdict = decided(two(nothing_billed), &asked, Step::Mirror);
    assert_eq!(verdict.verb, Verb::Hold);
    assert_eq!(criterion(&verdict, "min_cardinality_reduction").answer, Answer::NotMeasured);
}

#[test]
fn a_lens_that_nothing_enters_holds_if_the_experiment_names_it_and_not_if_it_is_a_default() {
    let empty = || {
        let mut found = good();
        found.lenses[0].measured =
            observe::Measured::MetricAbsent { near: vec!["process.memory.rss".into()] };
        found
    };
    let mut asked = asking(|policy| policy.max_lens_error = Some(0.01));
    let verdict = decided(two(empty), &asked, Step::Mirror);
    assert_eq!(
        (verdict.verb, criterion(&verdict, "max_lens_error").answer),
        (Verb::Advance, Answer::NotApplicable)
    );
    asked.lenses.truncate(1);
    let verdict = decided(two(empty), &asked, Step::Mirror);
    assert_eq!(
        (verdict.verb, criterion(&verdict, "max_lens_error").answer),
        (Verb::Hold, Answer::NotMeasured)
    );
    assert!(
        verdict.reasons[0].sentence.contains("process.memory.usage did not come in, process.memory.rss did"),
        "{:?}",
        verdict.reasons
    );
}

#[test]
fn a_default_lens_that_something_entered_at_no_instant_that_counts_is_not_measured_and_holds() {
    let void = || {
        let mut found = good();
        found.lenses[0].measured = observe::Measured::NoInstant;
        found
    };
    let asked = asking(|policy| policy.max_lens_error = Some(0.01));
    let verdict = decided(two(void), &asked, Step::Mirror);
    let answer = criterion(&verdict, "max_lens_error").answer;
    assert_eq!((verdict.verb, answer), (Verb::Hold, Answer::NotMeasured));
}

#[test]
fn a_lens_with_a_limit_is_judged_only_after_its_look_back_and_a_violation_at_once() {
    let early = || Comparison { seconds: 60.0, ..good() };
    let asked = asking(|policy| policy.max_lens_error = Some(0.01));
    let verdict = decided(two(early), &asked, Step::Mirror);
    let answer = criterion(&verdict, "max_lens_error");
    assert_eq!((verdict.verb, answer.answer), (Verb::Hold, Answer::NotMeasured));
    assert!(
        answer.finding.sentence.contains("after its look-back and a horizon, 6m; 1m were measured"),
        "{answer:?}"
    );
    assert_eq!(decided(two(good), &asked, Step::Mirror).verb, Verb::Advance);
    let strict = asking(|policy| policy.max_lens_error = Some(0.001));
    assert_eq!(decided(two(early), &strict, Step::Mirror).verb, Verb::RollBack);
}

/// Series of a metric that get another name, and points of another that get other values.
fn altered() -> Comparison {
    let mut found = good();
    found.fates = SeriesFates {
        of: count(1_000),
        as_it_is: 540,
        renamed: 40,
        fewer_attributes: 20,
        lost: 400,
        by_metric: vec![MetricFates {
            metric: "process.threads".into(),
            renamed: 40,
            parts: PartCounts { name: 40, ..PartCounts::default() },
            ..MetricFates::default()
        }],
        by_attribute: vec![AttributeFates {
            attribute: "process.command_line".into(),
            fewer_attributes: 20,
            others: 0,
            rewritten: 0,
        }],
        ..SeriesFates::default()
    };
    let metric = "process.memory.usage".into();
    let row =
        ChangedMetric { metric, points: 7, series: 2, largest_absolute: 512.0, ..ChangedMetric::default() };
    found.changed = ValueChanges { points: 7, series: 2, by_metric: vec![row], ..ValueChanges::default() };
    found
}

#[test]
fn other_names_and_values_hold_by_name_and_the_verdict_prints_the_line_that_accepts_them() {
    let verdict = decided(two(altered), &spec(), Step::Mirror);
    assert_eq!((verdict.verb, &named(&verdict.reasons)[..2]), (Verb::Hold, &["renamed", "changed"][..]));
    let [renamed, changed] = [&verdict.reasons[0].sentence, &verdict.reasons[1].sentence];
    assert!(renamed.contains("of 80 series: process.threads."), "{renamed}");
    assert!(renamed.contains(r#""allow": [{ "renamed": { "metric": ["process.threads"] } }]"#), "{renamed}");
    assert!(
        changed.contains("of 14 points: process.memory.usage. The largest difference is 512"),
        "{changed}"
    );
    let fates = criterion(&verdict, "fates").finding.sentence;
    assert_eq!(
        fates,
        "Of 2,000 series of the baseline 1,080 stay as they are, 40 have fewer attributes, 80 become others, 800 are \
         lost. Gone is process.command_line (on 40 series)."
    );
    let accepting = |metric: &str| {
        asking(|policy| {
            policy.allow.renamed.add(vec![metric.to_owned()]);
            policy.allow.changed.add(Vec::new());
        })
    };
    assert_eq!(decided(two(altered), &accepting("process.threads"), Step::Mirror).verb, Verb::Advance);
    let another = decided(two(altered), &accepting("process.uptime"), Step::Mirror);
    assert_eq!((another.verb, named(&another.reasons)[0]), (Verb::Hold, "renamed"));
}

#[test]
fn changes_of_metrics_that_a_report_has_no_room_to_name_hold_too() {
    let more = || {
        let mut found = altered();
        found.fates.parts = PartCounts { name: 41, ..PartCounts::default() };
        found.changed.points = 8;
        found
    };
    let of = |policy: fn(&mut Policy)| {
        let verdict = decided(two(more), &asking(policy), Step::Mirror);
        (verdict.verb, criterion(&verdict, "renamed").answer, criterion(&verdict, "changed").answer)
    };
    let named = of(|policy| {
        policy.allow.renamed.add(vec!["process.threads".into()]);
        policy.allow.changed.add(vec!["process.memory.usage".into()]);
    });
    assert_eq!(named, (Verb::Hold, Answer::NotMeasured, Answer::NotMeasured));
    let all = of(|policy| {
        policy.allow.renamed.add(Vec::new());
        policy.allow.changed.add(Vec::new());
    });
    assert_eq!(all.0, Verb::Advance);
}

#[test]
fn values_of_which_none_were_compared_are_not_called_unchanged() {
    let aggregated = || {
        let mut found = good();
        found.fates =
            SeriesFates { of: count(1_000), merged: 1_000, merged_into: 9, ..SeriesFates::default() };
        found
    };
    let verdict = decided(two(aggregated), &spec(), Step::Mirror);
    assert_eq!(criterion(&verdict, "changed").answer, Answer::NotApplicable);
}

#[test]
fn an_attribute_that_goes_is_missed_where_the_baseline_has_nameless_groups_already() {
    let taken = || {
        let mut found = good();
        found.lenses[0].groups_lost = 2;
        found.fates.by_attribute = vec![AttributeFates {
            attribute: "process.executable.name".into(),
            fewer_attributes: 40,
            others: 0,
            rewritten: 0,
        }];
        found
    };
    let verdict = decided(two(taken), &spec(), Step::Mirror);
    assert_eq!((verdict.verb, named(&verdict.reasons)[0]), (Verb::Hold, "attributes_used"));
}

#[test]
fn a_candidate_that_only_takes_attributes_away_that_nobody_asked_for_goes_on_and_is_told() {
    let stripped = || {
        let mut found = altered();
        found.changed = ValueChanges::default();
        found.fates.by_metric.clear();
        found
    };
    let verdict = decided(two(stripped), &spec(), Step::Mirror);
    assert_eq!(verdict.verb, Verb::Advance);
    assert!(
        verdict.reasons.iter().any(|reason| reason.sentence.contains("process.command_line (on 40 series)"))
    );
}

#[test]
fn an_agent_of_an_earlier_release_that_tells_no_fates_is_named_and_holds() {
    let earlier = || Comparison { fates: SeriesFates::default(), ..good() };
    let verdict =
        decided(vec![agent(1, &[good(), good()]), agent(2, &[earlier(), earlier()])], &spec(), Step::Mirror);
    assert_eq!((verdict.verb, criterion(&verdict, "renamed").answer), (Verb::Hold, Answer::NotMeasured));
    assert_eq!(verdict.reasons[0].hosts, ["host-2"]);
}

#[test]
fn what_the_baseline_does_to_the_same_series_is_not_the_candidates_fault_and_an_estimated_zero_is_not_none() {
    let both_collide = || {
        let mut found = good();
        (found.baseline.collisions, found.candidate.collisions) = (count(3), count(3));
        found
    };
    assert_eq!(decided(two(both_collide), &spec(), Step::Mirror).verb, Verb::Advance);
    let estimated = || {
        let mut found = both_collide();
        found.candidate_only_collisions = Count { value: 0, exact: false };
        found
    };
    let verdict = decided(two(estimated), &spec(), Step::Mirror);
    assert_eq!((verdict.verb, criterion(&verdict, "collisions").answer), (Verb::Hold, Answer::NotMeasured));
}

#[test]
fn more_is_never_called_less() {
    let grows = || {
        let mut found = good();
        found.candidate.active_series = 1_200;
        found
    };
    let sentence =
        criterion(&decided(two(grows), &spec(), Step::Mirror), "min_cardinality_reduction").finding.sentence;
    assert!(sentence.contains("has 2,400 where the baseline has 2,000: 20.0 % more"), "{sentence}");
}

#[test]
fn a_step_with_a_weight_needs_points_of_the_candidate_at_the_destination() {
    let with = |change: fn(&mut Comparison)| {
        move || {
            let mut found = good();
            change(&mut found);
            found
        }
    };
    let judged = |change: fn(&mut Comparison), step: Step| {
        let verdict = decided(two(with(change)), &spec(), step);
        (verdict.verb, criterion(&verdict, "delivery").answer)
    };
    let (part, all) = (Step::Split(2_500), Step::Split(10_000));
    let unsettled: fn(&mut Comparison) = |found| found.candidate.delivery.confirmed = 0;
    let refused: fn(&mut Comparison) = |found| {
        (found.candidate.delivery.confirmed, found.candidate.delivery.failed) = (0, 750);
        found.baseline.delivery.confirmed = 750;
    };
    let unassigned: fn(&mut Comparison) = |found| {
        found.candidate.assigned_points = 0;
        found.candidate.delivered = Volume::default();
        found.candidate.delivery.confirmed = 0;
    };
    let dropped: fn(&mut Comparison) = |found| {
        found.candidate.delivered = Volume::default();
        found.candidate.delivery.confirmed = 0;
    };
    assert_eq!(judged(|_| (), part), (Verb::Advance, Answer::Met));
    assert_eq!(judged(|_| (), all), (Verb::Promote, Answer::Met));
    for step in [part, all] {
        assert_eq!(judged(unsettled, step), (Verb::Hold, Answer::NotMeasured), "{step}");
        // What is refused is lost, and goes back; that nothing arrived alone would hold.
        assert_eq!(judged(refused, step), (Verb::RollBack, Answer::Violated), "{step}");
    }
    // A small weight may assign nobody, and is skipped; with all of the weight nobody is left to be assigned.
    assert_eq!(judged(unassigned, part), (Verb::Advance, Answer::NotApplicable));
    assert_eq!(judged(unassigned, all), (Verb::Hold, Answer::NotMeasured));
    assert_eq!(judged(dropped, part), (Verb::Advance, Answer::NotApplicable));
    assert_eq!(judged(dropped, all), (Verb::Hold, Answer::NotMeasured));
    let mirror = decided(two(with(unassigned)), &spec(), Step::Mirror);
    assert!(mirror.criteria.iter().all(|one| one.finding.quantity != "delivery"), "mirror delivers nothing");
}

#[test]
fn an_error_rate_of_no_settled_point_is_not_measured_once_something_should_have_left() {
    let asked = asking(|policy| policy.max_error_rate = Some(0.01));
    let mirror = decided(two(undelivered), &asked, Step::Mirror);
    assert_eq!(
        (mirror.verb, criterion(&mirror, "max_error_rate").answer),
        (Verb::Advance, Answer::NotApplicable)
    );
    let split = decided(two(undelivered), &asked, Step::Split(2_500));
    assert_eq!((split.verb, criterion(&split, "max_error_rate").answer), (Verb::Hold, Answer::NotMeasured));
    let arrives = decided(two(good), &asked, Step::Split(2_500));
    assert_eq!((arrives.verb, criterion(&arrives, "max_error_rate").answer), (Verb::Advance, Answer::Met));
}

#[test]
fn a_restart_erases_no_loss_and_its_counts_are_upper_bounds() {
    let lossless = || Comparison { lost_by_candidate: count(0), ..good() };
    let mut restarted = agent(1, &[lossless(), lossless()]);
    // Its first process lost 400 series of 1,000, long before these two horizons.
    restarted.totals.insert(0, good().into());
    let asked = asking(|policy| policy.max_series_loss = Some(0.05));
    let verdict = decided(vec![restarted.clone(), agent(2, &[lossless(), lossless()])], &asked, Step::Mirror);
    assert_eq!((verdict.verb, named(&verdict.reasons)), (Verb::RollBack, vec!["max_series_loss"]));
    assert!(verdict.reasons[0].sentence.contains("loses at most 400 of"), "{}", verdict.reasons[0].sentence);
    assert_eq!(verdict.basis.restarted, ["host-1"]);
    restarted.totals.remove(0);
    let whole = decided(vec![restarted, agent(2, &[lossless(), lossless()])], &asked, Step::Mirror);
    assert_eq!(whole.verb, Verb::Advance);
    assert!(!criterion(&whole, "max_series_loss").finding.sentence.contains("at most 0"), "it is exact");
    assert!(whole.basis.restarted.is_empty());
}

#[test]
fn harm_between_horizons_and_under_a_process_that_is_gone_rolls_back_at_once() {
    for harm in [(|found| found.candidate_only_collisions = count(2)) as fn(&mut Comparison), |found| {
        found.coverage.candidate = 4;
    }] {
        let mut harmed = agent(1, &[good()]);
        let mut before = good();
        harm(&mut before);
        harmed.totals.insert(0, before.into());
        let verdict = decided(vec![harmed, agent(2, &[])], &spec(), Step::Mirror);
        assert_eq!(verdict.verb, Verb::RollBack, "{:#?}", verdict.criteria);
        assert_eq!(verdict.reasons[0].hosts, ["host-1"]);
    }
}

#[test]
fn every_criterion_is_listed_with_its_effect_and_a_verdict_says_what_it_rests_on() {
    let asked = asking(|policy| {
        policy.max_series_loss = Some(0.5);
        policy.min_cost_reduction = Some(0.1);
    });
    let mut skewed = agent(2, &[good(), good()]);
    skewed.clock_ahead = Some(60_000);
    Arc::make_mut(&mut skewed.totals[0]).unassigned_points = 60;
    let mut gone = agent(3, &[]);
    gone.known = false;
    let verdict = decided(vec![agent(1, &[good(), good()]), skewed, gone], &asked, Step::Mirror);
    let listed: Vec<(&str, Effect, bool)> =
        verdict.criteria.iter().map(|one| (one.finding.quantity.as_str(), one.effect, one.asked)).collect();
    for expected in [
        ("quarantine", Effect::RollBackAtOnce, false),
        ("candidate_failure", Effect::RollBackAtOnce, false),
        ("zero_output", Effect::RollBackAtOnce, false),
        ("collisions", Effect::RollBackAtOnce, false),
        ("critical_process_coverage", Effect::RollBackAtOnce, false),
        ("max_series_loss", Effect::RollBack, true),
        ("lens", Effect::Tell, false),
        ("min_cardinality_reduction", Effect::Tell, false),
        ("min_cost_reduction", Effect::Hold, true),
    ] {
        assert!(listed.contains(&expected), "{expected:?} in {listed:?}");
    }
    let said = verdict.basis.sentences().join(" ");
    assert!(said.contains("Clock more than a window off; its windows are placed by ours: host-2."), "{said}");
    assert!(said.contains("Enrolled no more, or taking no pushed config: host-3."), "{said}");
    assert!(said.contains("0.50 % of the points belong to no unit"), "{said}");
    assert!(said.contains("It rests on 2 agents"), "{said}");
    assert_eq!(verdict.basis.counted, ["host-1", "host-2"]);
}

proptest! {
    #[test]
    fn agents_in_any_order_and_horizons_in_any_order_give_the_same_answers(
        lost in prop::collection::vec(0_u64..600, 3),
        active in prop::collection::vec(0_u64..1_500, 3),
        order in Just(vec![0_usize, 1, 2]).prop_shuffle(),
        limit in 0.0..0.6_f64,
    ) {
        let spec = asking(|policy| {
            policy.max_series_loss = Some(limit);
            policy.min_cardinality_reduction = Some(limit);
        });
        let found = |at: usize| {
            let mut found = good();
            found.lost_by_candidate = count(lost[at]);
            found.candidate.active_series = active[at];
            found
        };
        let agents: Vec<AgentEvidence> =
            (0..3).map(|at| agent(at as u8, &[good(), found(at)])).collect();
        let mut shuffled: Vec<AgentEvidence> = order.iter().map(|at| agents[*at].clone()).collect();
        shuffled.iter_mut().for_each(|agent| agent.horizons.reverse());
        let answers = |agents: Vec<AgentEvidence>| {
            let verdict = decided(agents, &spec, Step::Mirror);
            let answers: Vec<_> =
                verdict.criteria.iter().map(|one| (one.answer, one.finding.observed, one.finding.sentence.clone())).collect();
            (verdict.verb, answers)
        };
        let (verb, answers_before) = answers(agents);
        let (verb_after, answers_after) = answers(shuffled);
        prop_assert_eq!(verb, verb_after);
        prop_assert_eq!(answers_before, answers_after);
    }
}
