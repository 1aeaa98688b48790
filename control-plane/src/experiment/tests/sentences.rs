//! Sentences in the situations in which they would be false: each is then not said, or says what is so instead.

use observe::{NamedCount, Sample, Unnamed};

use super::answers::{decided, two};
use super::*;
use crate::experiment::across::{AcrossAgents, Turn};
use crate::experiment::{
    Allow, Allowed, ChangeWindow, Day, Direction, Effect, Guardrail, Quantity, Scope, Severity,
};

fn sentence(verdict: &Verdict, quantity: &str) -> String {
    criterion(verdict, quantity).finding.sentence
}

fn mirrored(agents: Vec<AgentEvidence>) -> Verdict {
    decided(agents, &spec(), Step::Mirror)
}

fn with(change: impl Fn(&mut Comparison)) -> impl Fn() -> Comparison {
    move || {
        let mut found = good();
        change(&mut found);
        found
    }
}

#[test]
fn of_nothing_that_came_in_nothing_is_said_to_be_so() {
    for step in [Step::Mirror, Step::Split(2_500)] {
        let verdict = decided(two(nothing), &spec(), step);
        let said = |quantity| sentence(&verdict, quantity);
        assert_eq!(said("collisions"), "Nothing came in that could collide.");
        assert_eq!(
            said("zero_output"),
            "The baseline put out nothing in any horizon, so that nothing can be missing."
        );
        assert_eq!(
            said("critical_process_coverage"),
            "Nothing critical came in, so that nothing can be said of it."
        );
        assert_eq!(said("fates"), "The baseline put out no series.");
        assert_eq!(said("renamed"), "Nothing came in that could be renamed.");
        assert_eq!(said("attributes_used"), "Nothing came in that a lens groups by.");
        assert_eq!(
            said("min_cardinality_reduction"),
            "The baseline has nothing of active series as the backend bills them, so that no share of it can be saved."
        );
        assert!(verdict.criteria.iter().all(|one| one.answer != Answer::Met), "{verdict:#?}");
    }
}

#[test]
fn a_weight_is_not_said_to_assign_nobody_where_nothing_came_in() {
    for weight in [2_500, 10_000] {
        let step = Step::Split(weight);
        let verdict = decided(two(nothing), &spec(), step);
        let delivery = criterion(&verdict, "delivery");
        assert_eq!(delivery.answer, Answer::NotMeasured);
        let said =
            format!("Nothing came in during the step {step}, so that nothing of it could be delivered.");
        assert_eq!(delivery.finding.sentence, said);
    }
}

#[test]
fn a_candidate_of_which_nothing_left_is_not_said_to_drop_it_and_a_doubtful_end_not_to_be_a_refusal() {
    let none_left = with(|found| {
        found.candidate.delivered = Volume::default();
        found.candidate.delivery.confirmed = 0;
    });
    let said = sentence(&decided(two(none_left), &spec(), Step::Split(2_500)), "delivery");
    assert!(said.contains("assigns to the candidate none left by it"), "{said}");
    let failed = with(|found| {
        (found.candidate.delivery.confirmed, found.candidate.delivery.failed) = (0, 750);
    });
    let said = sentence(&decided(two(failed), &spec(), Step::Split(2_500)), "delivery");
    assert!(said.starts_with("No destination confirmed any of 3,000 points"), "{said}");
}

#[test]
fn agents_are_not_said_to_be_well_who_cannot_tell() {
    let verdict = mirrored(two(good));
    assert_eq!(sentence(&verdict, "candidate_failure"), "No agent says that it cut the candidate out.");
    let said = sentence(&verdict, "quarantine");
    assert!(said.starts_with("No agent says that it died again and again"), "{said}");
}

#[test]
fn one_agent_is_not_called_all_of_them() {
    let verdict = mirrored(vec![agent(1, &[good(), good()])]);
    assert_eq!(
        sentence(&verdict, "horizons"),
        "host-1 has 2 horizons or more with traffic in the step mirror."
    );
    let said = sentence(&verdict, "collisions_across_agents");
    assert!(said.starts_with("In the step mirror horizons of not more than one agent count"), "{said}");
}

#[test]
fn an_agent_that_is_gone_or_may_be_missing_is_not_among_those_that_have_enough() {
    let mut gone = agent(3, &[good()]);
    gone.known = false;
    let verdict = mirrored(vec![agent(1, &[good(), good()]), agent(2, &[good(), good()]), gone.clone()]);
    assert_eq!(verdict.verb, Verb::Advance);
    assert_eq!(
        sentence(&verdict, "horizons"),
        "2 of 3 agents have 2 horizons or more with traffic in the step mirror; of host-3, enrolled no more, nothing more \
         is expected."
    );
    let lenient = asking(|policy| policy.max_missing = 0.5);
    let verdict = decided(vec![agent(1, &[good(), good()]), agent(2, &[])], &lenient, Step::Mirror);
    assert_eq!(
        sentence(&verdict, "horizons"),
        "host-1 has 2 horizons or more with traffic in the step mirror; the policy lets host-2 be missing."
    );
}

#[test]
fn agents_of_which_one_is_further_are_not_said_to_have_equally_few() {
    let needed = asking(|policy| policy.min_horizons = 3);
    let agents = vec![agent(1, &[good(), good()]), agent(2, &[good()])];
    let verdict = decided(agents, &needed, Step::Mirror);
    assert_eq!(
        verdict.reasons[0].sentence,
        "1 to 2 of 3 horizons with traffic are in; waiting for host-1, host-2."
    );
}

#[test]
fn a_void_horizon_of_an_agent_that_has_enough_is_not_what_others_are_waited_for_for() {
    let mut void = agent(1, &[good(), good()]);
    (void.voided, void.void) = (1, ["process.pid=7".into()].into());
    let verdict = mirrored(vec![void, agent(2, &[good()])]);
    assert_eq!(verdict.verb, Verb::Continue);
    assert_eq!(verdict.reasons[0].sentence, "1 of 2 horizons with traffic are in; waiting for host-2.");
}

#[test]
fn an_agent_whose_horizons_are_void_is_not_called_idle() {
    let mut void = agent(2, &[nothing()]);
    (void.voided, void.void) = (3, ["process.pid=7".into()].into());
    let verdict = mirrored(vec![agent(1, &[good(), good()]), void]);
    assert_eq!((verdict.verb, named(&verdict.reasons)), (Verb::Hold, vec!["assignment"]));
    assert!(verdict.basis.idle.is_empty(), "{:?}", verdict.basis);
}

#[test]
fn a_step_of_which_no_horizon_counts_yet_does_not_rest_on_no_agents() {
    let mut begun = agent(1, &[]);
    begun.totals = vec![good().into()];
    let verdict = mirrored(vec![begun]);
    let said = &verdict.basis.sentences()[0];
    assert!(
        said.starts_with("No agent counts in this step yet. Before it something came in, from"),
        "{said}"
    );
}

#[test]
fn a_wave_of_two_is_told_as_two() {
    let [mut one, mut two, mut waiting] =
        [1, 2, 3].map(|at| AgentEvidence { applied: false, ..agent(at, &[]) });
    (one.wave, two.wave, waiting.wave) = (Some(1), Some(1), Some(0));
    let verdict = decide_start(&evidence(vec![one, two, waiting]), &spec(), &run(Step::Mirror), NOW);
    let said = &verdict.reasons[0].sentence;
    assert!(said.contains("host-1, host-2 are to try it first, and host-3 waits for that"), "{said}");
}

#[test]
fn a_sample_on_one_agent_without_collisions_does_not_speak_for_another_with_some() {
    let sample = |one_in, own| {
        let mut found = good();
        found.sample = Some(Sample { one_in, entities: 1_000.0, ..Sample::default() });
        found.exact = false;
        found.candidate.collisions = Count { value: own, exact: false };
        found.candidate_only_collisions = Count { value: own, exact: false };
        found
    };
    let lenient = asking(|policy| policy.max_collisions = Some(1_000_000));
    let agents = vec![agent(1, &[sample(64, 0), sample(64, 0)]), agent(2, &[sample(2, 5), sample(2, 5)])];
    let said = sentence(&decided(agents, &lenient, Step::Mirror), "collisions");
    assert!(said.contains("up to 5 on one agent have several writers"), "{said}");
    assert!(!said.contains("none has"), "{said}");
    // All else that rests on the sample says so.
    let verdict = mirrored(two(|| sample(4, 0)));
    for quantity in ["fates", "renamed", "changed", "attributes_used", "min_cardinality_reduction"] {
        let said = sentence(&verdict, quantity);
        assert!(said.contains("this rests on 1 in 4 entities"), "{quantity}: {said}");
    }
    let said = sentence(&verdict, "fates");
    assert!(!said.contains("exactly"), "{said}");
}

#[test]
fn critical_processes_that_the_baseline_shows_in_part_are_not_said_to_be_hidden_by_it() {
    let partly = with(|found| found.coverage = Coverage { critical: 5, ..Coverage::default() });
    let said = sentence(&mirrored(two(partly)), "critical_process_coverage");
    assert_eq!(said, "Critical processes came in, and the baseline shows none of them whole either.");
    let said = sentence(&mirrored(two(good)), "critical_process_coverage");
    assert_eq!(
        said,
        "10 of 10 critical processes that the baseline shows stay visible, counted on each agent."
    );
    let said = sentence(&mirrored(vec![agent(1, &[good(), good()])]), "critical_process_coverage");
    assert_eq!(said, "5 of 5 critical processes that the baseline shows stay visible.");
}

#[test]
fn series_of_an_agent_that_may_be_missing_are_not_said_to_be_compared_with_others() {
    let turns = |agents| AcrossAgents {
        turns: vec![Turn { turn: 7, slices: 1, agents, overlaps: false }],
        ..AcrossAgents::default()
    };
    let lenient = asking(|policy| policy.max_missing = 0.4);
    let said = |told| {
        let agents = (1..=3).map(|at| agent(at, &[good(), good()])).collect();
        let evidence = Evidence { agents, across: turns(told), ..Evidence::default() };
        let verdict = decide(&evidence, &lenient, &run(Step::Mirror), None, NOW);
        sentence(&verdict, "collisions_across_agents")
    };
    assert!(said(2).starts_with("Of all series of at least 2 of 3 agents none is"), "{}", said(2));
}

#[test]
fn values_that_were_not_compared_are_not_said_to_stay() {
    let rows =
        |series| vec![NamedCount { metric: "process.cpu.time".into(), executable: String::new(), series }];
    let some = with(move |found| found.changed.held = rows(100));
    let changed = |agents: Vec<AgentEvidence>, allow: Allow| {
        let asked = Spec { policy: Policy { allow, ..spec().policy }, ..spec() };
        let verdict = decided(agents, &asked, Step::Mirror);
        criterion(&verdict, "changed")
    };
    let not_compared =
        "Not compared are those of 200 series, of which a stage holds points back (process.cpu.time).";
    let open = changed(two(&some), Allow::default());
    assert!(open.answer == Answer::NotMeasured && open.holds(), "{open:?}");
    let said = "Whether their values change is not known. To accept it: `allow: [held]`.";
    assert_eq!(open.finding.sentence, format!("{not_compared} {said}"));
    let held = Allow { held: true, ..Allow::default() };
    let accepted = changed(two(&some), held.clone());
    assert_eq!(accepted.answer, Answer::Met);
    assert!(accepted.finding.sentence.ends_with(not_compared), "{accepted:?}");
    let all = with(move |found| {
        found.changed.held = rows(400);
        found.changed.not_compared = rows(200);
    });
    let open = changed(two(&all), held);
    assert_eq!(open.answer, Answer::NotMeasured, "of another type it accepts nothing");
    let any = Allow { changed: Allowed::All, ..Allow::default() };
    let accepted = changed(two(&all), any);
    assert_eq!(accepted.answer, Answer::NotApplicable);
    assert!(accepted.finding.sentence.starts_with("No values are compared."), "{accepted:?}");
}

#[test]
fn a_loss_past_its_limit_is_not_said_to_be_as_much_as_is_allowed() {
    let lossy = with(|found| {
        found.baseline.series = count(100_000);
        found.lost_by_candidate = count(20_001);
    });
    let strict = asking(|policy| policy.max_series_loss = Some(0.2));
    let verdict = decided(two(lossy), &strict, Step::Mirror);
    assert_eq!(verdict.verb, Verb::RollBack);
    let said = &verdict.reasons[0].sentence;
    assert!(said.ends_with("20.001 %; at most 20.000 % are allowed."), "{said}");
}

#[test]
fn counts_over_a_restart_are_upper_bounds_and_said_to_be() {
    let mut restarted = agent(1, &[good(), good()]);
    restarted.totals = vec![good().into(), good().into()];
    let strict = asking(|policy| policy.max_series_loss = Some(0.9));
    let verdict = decided(vec![restarted, agent(2, &[good(), good()])], &strict, Step::Mirror);
    let said = sentence(&verdict, "max_series_loss");
    assert!(said.starts_with("The candidate loses at most 1,200 of"), "{said}");
    let fates = sentence(&verdict, "fates");
    assert!(
        fates.starts_with("Of 3,000 series of the baseline, counted for each agent and process, "),
        "{fates}"
    );
    let restarted = "Restarted, so that counts of distinct series are upper bounds: host-1.";
    assert!(verdict.basis.sentences().contains(&restarted.to_owned()), "{:?}", verdict.basis.sentences());
}

#[test]
fn more_is_not_a_negative_saving_and_nothing_is_not_a_share() {
    let asked = asking(|policy| policy.min_cardinality_reduction = Some(0.1));
    let grows = with(|found| found.candidate.active_series = 1_200);
    let said = sentence(&decided(two(grows), &asked, Step::Mirror), "min_cardinality_reduction");
    assert!(said.ends_with("20.0 % more; at least 10.0 % less is asked for."), "{said}");
    let same = with(|found| found.candidate.active_series = 1_000);
    let said = sentence(&decided(two(same), &asked, Step::Mirror), "min_cardinality_reduction");
    assert!(said.ends_with("unchanged; at least 10.0 % less is asked for."), "{said}");
}

#[test]
fn a_total_that_some_agents_did_not_measure_is_not_the_fleets() {
    let unmeasured = with(|found| found.lenses[0].measured = observe::Measured::NoInstant);
    let agents = vec![agent(1, &[good(), good()]), agent(2, &[unmeasured(), unmeasured()])];
    let said = sentence(&mirrored(agents), "lens");
    assert!(said.contains("differs by −0.50 % over the 1 of 2 agents that measured it."), "{said}");
    let zero = with(|found| found.lenses[0].total = LensError::of(String::new(), 0.0, 0.0));
    let said = sentence(&mirrored(two(zero)), "lens");
    assert!(said.contains("is 0 for both over the fleet"), "{said}");
    let risen = with(|found| found.lenses[0].total = LensError::of(String::new(), 0.0, 3.0));
    let said = sentence(&mirrored(two(risen)), "lens");
    assert!(said.contains("is 0 for the baseline and not for the candidate"), "{said}");
}

#[test]
fn groups_without_room_are_not_said_to_be_unnamed_nor_those_that_may_be_lost_to_be_kept() {
    let limited = |change: fn(&mut LensReport)| {
        let found = with(move |found| change(&mut found.lenses[0]));
        let asked = asking(|policy| {
            policy.max_lens_error = Some(0.1);
            policy.max_groups_lost = Some(9);
        });
        criterion(&decided(two(found), &asked, Step::Mirror), "max_lens_error")
    };
    let cut = limited(|lens| lens.truncated = true);
    assert_eq!(cut.answer, Answer::NotMeasured);
    assert!(cut.finding.sentence.contains("found no room of their own"), "{cut:?}");
    let unnamed = limited(|lens| {
        let even = LensError { instants: 6, shown: [6, 6], ..LensError::of("java".into(), 100.0, 100.0) };
        (lens.groups, lens.groups_that_differ) = (3, 0);
        lens.total = LensError { group: String::new(), ..even.clone() };
        lens.worst = vec![even];
        lens.unnamed = Unnamed { groups: 2, lost: 2, ..Unnamed::default() };
    });
    assert_eq!(unnamed.answer, Answer::Met, "{unnamed:?}");
    assert!(unnamed.finding.sentence.contains("0 to 8 are lost"), "{unnamed:?}");
}

#[test]
fn a_difference_that_stages_may_hide_is_not_said_to_be_within_a_limit() {
    let limited_of = |candidate: f64, [of_total, of_group]: [f64; 2]| {
        let found = with(move |found| {
            let lens = &mut found.lenses[0];
            let group =
                LensError { instants: 6, shown: [6, 6], ..LensError::of("java".into(), 100.0, candidate) };
            let held = |held: f64| {
                LensError { edges: [0.0, held], ..group.clone() }.with_figures(lens.function, true, 60.0)
            };
            (lens.increases, lens.groups, lens.groups_that_differ, lens.seconds) = (true, 1, 1, 60.0);
            lens.total = LensError { group: String::new(), ..held(of_total) };
            lens.worst = vec![held(of_group)];
            (lens.largest, lens.unnamed) = (Vec::new(), Unnamed::default());
        });
        let asked = asking(|policy| policy.max_lens_error = Some(0.1));
        criterion(&decided(two(found), &asked, Step::Mirror), "max_lens_error")
    };
    let limited = |candidate, held| limited_of(candidate, [held; 2]);
    // Of what is held 30 % may be all that differs, or hide that 45 % do.
    let open = limited(85.0, 60.0);
    assert_eq!(open.answer, Answer::NotMeasured, "{open:?}");
    let said = "Points that stages hold back may explain or hide up to 30.0 %: whether each group is within 10.0 % cannot be \
                said. That takes 30m in all, or more.";
    assert!(open.finding.sentence.contains(said), "{open:?}");
    assert_eq!(limited(85.0, 0.0).answer, Answer::Violated);
    assert_eq!(limited(55.0, 60.0).answer, Answer::Violated, "whatever is held");
    assert_eq!(limited(100.0, 10.0).answer, Answer::Met);
    assert_eq!(limited(94.0, 10.0).answer, Answer::NotMeasured);
    let group = limited_of(100.0, [0.0, 60.0]);
    assert!(group.finding.sentence.contains(said), "it is the group's share: {group:?}");
}

#[test]
fn an_attribute_that_some_series_lose_is_not_said_to_be_kept() {
    let partly = with(|found| {
        found.fates.by_attribute = vec![observe::AttributeFates {
            attribute: "process.executable.name".into(),
            fewer_attributes: 3,
            others: 0,
            rewritten: 0,
        }];
    });
    let used = criterion(&mirrored(two(partly)), "attributes_used");
    assert_eq!((used.answer, used.effect), (Answer::Met, Effect::Hold));
    assert_eq!(
        used.finding.sentence,
        "Some series lose process.executable.name, by which lenses group; no lens lost a group by it."
    );
}

fn on_series(direction: Direction, margin: f64) -> Spec {
    let guardrail = Guardrail {
        name: "the guardrail".into(),
        quantity: Quantity::Series,
        lens: None,
        scope: Scope::Fleet,
        direction,
        margin,
        severity: Severity::Advisory,
    };
    asking(|policy| policy.guardrails = vec![guardrail])
}

#[test]
fn what_stages_hold_back_is_not_said_to_keep_a_guardrail() {
    let looked_at = |quantity: Quantity, candidate: f64, held: f64| {
        let found = with(move |found| {
            let lens = &mut found.lenses[0];
            let group =
                LensError { instants: 6, shown: [6, 6], ..LensError::of("java".into(), 100.0, candidate) };
            let group = LensError { edges: [0.0, held], ..group }.with_figures(lens.function, true, 60.0);
            (lens.increases, lens.seconds) = (true, 60.0);
            (lens.total, lens.worst) = (LensError { group: String::new(), ..group.clone() }, vec![group]);
            (lens.largest, lens.unnamed) =
                (Vec::new(), Unnamed { errors: Some([0.0; 2]), ..Unnamed::default() });
        });
        let lens = Some(found().lenses[0].name.clone());
        let asked = on_series(Direction::Either, 0.1).policy.guardrails.remove(0);
        let guardrail = Guardrail { quantity, lens, severity: Severity::Blocking, ..asked };
        let asked = asking(|policy| policy.guardrails = vec![guardrail.clone()]);
        criterion(&decided(two(found), &asked, Step::Mirror), "the guardrail")
    };
    for quantity in [Quantity::LensTotal, Quantity::LensGroup] {
        let open = looked_at(quantity, 88.0, 12.0);
        assert_eq!(open.answer, Answer::NotMeasured, "{open:?}");
        let said = &open.finding.sentence;
        assert!(said.contains(", beyond what stages hold back, is +0.00 %"), "{said}");
        assert!(said.contains("stages hold points back, which may explain"), "{said}");
        assert_eq!(looked_at(quantity, 70.0, 12.0).answer, Answer::Violated, "whatever is held");
        assert_eq!(looked_at(quantity, 96.0, 4.0).answer, Answer::Met);
    }
}

#[test]
fn a_limit_on_less_is_not_told_as_one_on_more() {
    let said = |direction, margin| {
        sentence(&decided(two(good), &on_series(direction, margin), Step::Mirror), "the guardrail")
    };
    assert!(
        said(Direction::Lower, 0.4).contains("is -50.00 %, past −40.00 %, on"),
        "{}",
        said(Direction::Lower, 0.4)
    );
    assert!(
        said(Direction::Either, 0.6).contains("±60.00 % is the limit"),
        "{}",
        said(Direction::Either, 0.6)
    );
    assert!(
        said(Direction::Higher, 0.4).contains("+40.00 % is the limit"),
        "{}",
        said(Direction::Higher, 0.4)
    );
    let empty = with(|found| found.baseline.series = count(0));
    let said =
        sentence(&decided(two(empty), &on_series(Direction::Either, 0.4), Step::Mirror), "the guardrail");
    assert!(said.ends_with("could not be told, because there was nothing to compare."), "{said}");
}

#[test]
fn hours_of_which_the_day_is_not_open_are_told_with_their_days() {
    // NOW is a quarter past midnight, UTC, on a Thursday.
    let window = ChangeWindow {
        days: vec![Day::Mon, Day::Tue],
        from: "00:00".into(),
        to: "09:00".into(),
        time_zone: "UTC".into(),
    };
    let closed = asking(|policy| policy.change_windows = vec![window]);
    let verdict = decided(two(good), &closed, Step::Mirror);
    assert_eq!(verdict.verb, Verb::Hold);
    let said = &verdict.reasons[0].sentence;
    assert!(said.ends_with("outside Mon, Tue 00:00–09:00 UTC."), "{said}");
}

#[test]
fn a_baseline_that_was_not_compared_with_itself_is_not_said_to_be_equal() {
    let verdict = decided(two(nothing), &spec(), Step::Aa);
    assert_eq!(sentence(&verdict, "aa"), "Nothing came in to compare the baseline with itself.");
}

#[test]
fn an_agent_of_the_release_before_is_named_wherever_its_figures_would_be_missing() {
    let earlier = with(|found| found.fates = SeriesFates::default());
    let mut agents = two(earlier);
    agents[1].horizons.iter_mut().for_each(|found| Arc::make_mut(found).slices = observe::Slices::default());
    let verdict = mirrored(agents);
    for quantity in ["fates", "renamed", "changed", "collisions_across_agents"] {
        let told = criterion(&verdict, quantity);
        assert_eq!(told.answer, Answer::NotMeasured, "{quantity}");
        assert!(told.finding.sentence.ends_with("upgrade them."), "{told:?}");
    }
}
