//! Sentences about what is not there: each only where it is so, and beside it the sentence of the case next to it.

use super::answers::{decided, two};
use super::*;

fn said(agents: Vec<AgentEvidence>, spec: &Spec, step: Step, quantity: &str) -> String {
    criterion(&decided(agents, spec, step), quantity).finding.sentence
}

fn with(change: impl Fn(&mut Comparison)) -> impl Fn() -> Comparison {
    move || {
        let mut found = good();
        change(&mut found);
        found
    }
}

#[test]
fn nothing_to_compare_is_told_apart_from_nothing_that_changes() {
    let changed = |horizon: fn() -> Comparison| said(two(horizon), &spec(), Step::Mirror, "changed");
    assert_eq!(changed(nothing), "Nothing came in whose value could change.");
    let merged = || {
        let mut found = good();
        found.fates =
            SeriesFates { of: count(1_000), merged: 1_000, merged_into: 9, ..SeriesFates::default() };
        found
    };
    assert_eq!(changed(merged), "No series comes through alone, so that no values are compared.");
    assert_eq!(
        changed(good),
        "No value changes that the policy does not allow, of points that come through alone."
    );
    let strict = asking(|policy| policy.max_series_loss = Some(0.5));
    let loss = said(two(nothing), &strict, Step::Mirror, "max_series_loss");
    assert_eq!(loss, "The baseline has no series, so that none can be lost.");
}

#[test]
fn an_agent_whose_reports_are_refused_is_not_called_silent_nor_one_that_cannot_apply_it() {
    let first = |change: fn(&mut AgentEvidence)| {
        let mut other = agent(2, &[]);
        change(&mut other);
        decided(vec![agent(1, &[good(), good()]), other], &spec(), Step::Mirror).reasons[0].sentence.clone()
    };
    let refused = first(|agent| {
        agent.last_seen = Some(UnixMillis(0));
        agent.refused =
            RefusedReports { reports: 2, reasons: vec!["another digest".into()], last_at: Some(NOW) };
    });
    assert_eq!(refused, "Evidence is incomplete: reports of host-2 are refused.");
    let before = first(|agent| {
        agent.last_seen = Some(UnixMillis(0));
        agent.refused =
            RefusedReports { reports: 2, last_at: Some(UnixMillis(1)), ..RefusedReports::default() };
    });
    assert!(!before.contains("refused"), "it was refused before this step: {before}");
    assert_eq!(
        first(|agent| agent.failed = Some("no room".into())),
        "The step could not be applied on host-2."
    );
    let many = asking(|policy| policy.min_hosts = 3);
    let few = decided(two(good), &many, Step::Mirror).reasons[0].sentence.clone();
    assert_eq!(few, "3 agents with traffic must report; so many are not in the step.");
}

#[test]
fn a_step_that_delivers_nothing_says_why() {
    let of = |change: fn(&mut Comparison), step| said(two(with(change)), &spec(), step, "delivery");
    let unassigned: fn(&mut Comparison) = |found| {
        found.candidate.assigned_points = 0;
        found.candidate.delivered = Volume::default();
        found.candidate.delivery.confirmed = 0;
    };
    assert!(
        of(unassigned, Step::Split(2_500)).starts_with("The weight 25 % assigns no unit to the candidate")
    );
    assert!(of(unassigned, Step::Split(10_000)).contains("no unit is assigned to it. Choose a unit"));
    let open = of(|found| found.candidate.delivery.confirmed = 0, Step::Split(2_500));
    assert!(open.ends_with("3,000 points left, and no destination has answered."), "{open}");
    let strict = asking(|policy| policy.max_error_rate = Some(0.1));
    let mirror = said(two(good), &strict, Step::Mirror, "max_error_rate");
    assert!(
        mirror.starts_with("Destinations did not take 0 of"),
        "what left in an earlier step counts: {mirror}"
    );
    let nothing_left = with(|found| found.candidate.delivery.confirmed = 0);
    let mirror = said(two(&nothing_left), &strict, Step::Mirror, "max_error_rate");
    assert_eq!(mirror, "Nothing of the candidate leaves in this step, so that nothing can be refused.");
    let split = said(two(&nothing_left), &strict, Step::Split(2_500), "max_error_rate");
    assert!(split.starts_with("No point of the candidate was settled by a destination"), "{split}");
}

#[test]
fn a_lens_of_which_nobody_tells_is_not_said_to_be_within_its_limit() {
    let unheard = with(|found| found.lenses.clear());
    let said_of_lens = said(two(unheard), &spec(), Step::Mirror, "lens");
    assert_eq!(said_of_lens, "Nothing was heard of the lens memory by executable.");
    let asked = asking(|policy| policy.max_lens_error = Some(0.5));
    let within = |groups: &[f64]| {
        let groups: Vec<LensError> =
            groups.iter().enumerate().map(|(at, of)| LensError::of(format!("g{at}"), *of, *of)).collect();
        let all = with(move |found| {
            let lens = &mut found.lenses[0];
            (lens.groups, lens.groups_that_differ) = (groups.len() as u64, 0);
            lens.largest.clone_from(&groups);
        });
        said(two(all), &asked, Step::Mirror, "max_lens_error")
    };
    assert!(
        within(&[100.0]).ends_with("The only larger group is within 50.0 %, and none is lost."),
        "{}",
        within(&[100.0])
    );
    assert!(within(&[50.0, 50.0]).ends_with("Each of 2 larger groups is within 50.0 %, and none is lost."));
    assert!(within(&[]).contains("No group is large enough to be judged alone"), "{}", within(&[]));
}

#[test]
fn a_baseline_that_differs_from_itself_is_not_said_to_be_equal() {
    let equal = with(|found| {
        found.candidate = found.baseline.clone();
        found.lost_by_candidate = count(0);
        found.fates = SeriesFates { of: count(1_000), as_it_is: 1_000, ..SeriesFates::default() };
        found.lenses[0].groups_that_differ = 0;
    });
    assert_eq!(said(two(&equal), &spec(), Step::Aa, "aa"), "Baseline and baseline differ by nothing at all.");
    // One horizon of one agent is enough, whatever the total says.
    let mut agents = two(&equal);
    Arc::make_mut(&mut agents[1].horizons[0]).horizon.candidate.output.points += 1;
    assert_eq!(
        said(agents, &spec(), Step::Aa, "aa"),
        "Baseline and baseline differ on host-2: nothing else can be believed."
    );
}

#[test]
fn of_an_agent_that_is_connected_and_does_not_report_it_is_not_said_that_nothing_is_heard() {
    let first = |heard: [UnixMillis; 2]| {
        let missing = |at: u8| AgentEvidence {
            last_seen: Some(UnixMillis(0)),
            heard: heard[usize::from(at) - 2],
            ..agent(at, &[])
        };
        let agents = vec![agent(1, &[good(), good()]), missing(2), missing(3)];
        let verdict = decided(agents, &spec(), Step::Mirror);
        (verdict.reasons[0].sentence.clone(), verdict.basis.sentences().join(" "))
    };
    let lately = UnixMillis(NOW.0 - 600_000);
    let (both, basis) = first([NOW, NOW]);
    assert_eq!(
        both,
        "Evidence is incomplete: no report comes, though they are connected, from host-2, host-3."
    );
    assert!(basis.contains("Without a report for longer than two horizons: host-2, host-3."), "{basis}");
    let (one, _) = first([lately, NOW]);
    assert_eq!(
        one,
        "Evidence is incomplete: nothing is heard of host-2; no report comes, though they are connected, from host-3."
    );
    // Horizons may be shorter than the time between two heartbeats.
    let short = Spec { report_every: Duration::from_secs(2), window: Duration::from_secs(1), ..spec() };
    let between =
        AgentEvidence { last_seen: Some(UnixMillis(0)), heard: UnixMillis(NOW.0 - 29_000), ..agent(2, &[]) };
    let verdict = decided(vec![agent(1, &[good(), good()]), between], &short, Step::Mirror);
    let sentence = &verdict.reasons[0].sentence;
    assert_eq!(sentence, "Evidence is incomplete: no report comes, though they are connected, from host-2.");
    let (none, _) = first([lately, lately]);
    assert!(none.starts_with("Evidence is incomplete: nothing is heard of host-2, host-3. After"), "{none}");
}

#[test]
fn of_an_agent_that_has_not_come_back_after_a_start_it_is_not_said_that_it_is_connected() {
    // What this process could not hear before its start is not silence.
    let missing =
        |at: u8, connected| AgentEvidence { last_seen: Some(UnixMillis(0)), connected, ..agent(at, &[]) };
    let first = |others: [bool; 2]| {
        let agents = vec![agent(1, &[good(), good()]), missing(2, others[0]), missing(3, others[1])];
        decided(agents, &spec(), Step::Mirror).reasons[0].sentence.clone()
    };
    let one = first([true, false]);
    assert_eq!(
        one,
        "Evidence is incomplete: no report comes, though they are connected, from host-2; no report comes from host-3, which \
         is not connected."
    );
    let none = first([false, false]);
    assert!(
        none.starts_with(
            "Evidence is incomplete: no report comes from host-2, host-3, which are not connected. After"
        ),
        "{none}"
    );
}

#[test]
fn units_of_an_agent_that_began_anew_are_not_said_to_be_twice_as_many() {
    let assigned = with(|found| {
        found.baseline.units = count(30);
        found.candidate.units = count(10);
    });
    let basis = |agents| decided(agents, &spec(), Step::Split(2_500)).basis.sentences().join(" ");
    let once = basis(two(&assigned));
    assert!(
        once.contains("Units assigned since it began: 60 to the baseline, 20 to the candidate"),
        "{once}"
    );
    let mut agents = two(&assigned);
    agents[0].totals.push(assigned().into());
    let restarted = basis(agents);
    assert!(
        restarted.contains("began: at most 90 to the baseline, at most 30 to the candidate"),
        "{restarted}"
    );
}

#[test]
fn of_horizons_that_are_not_kept_any_more_it_is_not_said_that_the_candidate_put_out_points() {
    let told = |horizons: &[Comparison]| said(vec![agent(1, horizons)], &spec(), Step::Mirror, "zero_output");
    let of = |many: &str| {
        format!("In {many} of the step mirror in which the baseline put out points, the candidate did, too.")
    };
    assert_eq!(told(&[good(), nothing(), good()]), of("2 horizons"));
    assert_eq!(told(&[good()]), of("1 horizon"));
    let silent = with(|found| found.candidate.output = Volume::default());
    assert!(told(&[good(), silent()]).contains("put out nothing for a whole horizon"));
}

#[test]
fn a_series_that_no_total_keeps_by_name_is_not_said_to_keep_its_own() {
    let renamed = with(|found| {
        let parts = observe::PartCounts { name: 3, ..Default::default() };
        found.fates.by_metric =
            vec![observe::MetricFates { metric: "load".into(), renamed: 3, parts, ..Default::default() }];
    });
    let mut agents = two(good);
    Arc::make_mut(&mut agents[1].horizons[0]).horizon = renamed();
    let verdict = decided(agents.clone(), &spec(), Step::Mirror);
    let told = criterion(&verdict, "renamed");
    assert_eq!((told.answer, told.finding.observed), (Answer::Violated, Some(3.0)));
    let mut allows = spec();
    allows.policy.allow = serde_json::from_str(r#"[{ "renamed": { "metric": ["load"] } }]"#).expect("right");
    assert_eq!(criterion(&decided(agents, &allows, Step::Mirror), "renamed").answer, Answer::Met);
}

#[test]
fn of_a_stretch_that_nobody_has_reported_yet_it_is_not_said_that_nothing_came_in() {
    let waits = |at| AgentEvidence { totals: vec![good().into()], ..agent(at, &[]) };
    let sentences = |agents: Vec<AgentEvidence>, step, goal| {
        let verdict = decide(&evidence(agents), &spec(), &run(step), goal, NOW);
        verdict.criteria.into_iter().map(|one| one.finding.sentence).collect::<Vec<String>>()
    };
    let step = Step::Split(2_500);
    let said = sentences(vec![waits(1), waits(2)], step, None);
    let not_yet = "Not known yet: no agent has reported a horizon of the step 25 %.";
    assert!(said.iter().any(|one| one == not_yet), "{said:#?}");
    for false_yet in ["Nothing came in", "put out nothing", "Nothing was heard", "has nothing"] {
        assert!(!said.iter().any(|one| one.contains(false_yet)), "{false_yet}: {said:#?}");
    }
    // All that have reported had nothing: that is known.
    let idle = |at| AgentEvidence { idle: 1, ..waits(at) };
    let said = sentences(vec![idle(1), idle(2)], step, None);
    let nothing = "Nothing came in during the step 25 %, so that nothing of it could be delivered.";
    assert!(said.iter().any(|one| one == nothing) && !said.iter().any(|one| one == not_yet), "{said:#?}");
}

#[test]
fn of_a_stretch_that_some_have_not_reported_yet_it_is_not_said_that_nothing_came_in() {
    let waits = |at| AgentEvidence { totals: vec![good().into()], ..agent(at, &[]) };
    let idle = |at| AgentEvidence { idle: 1, ..waits(at) };
    let sentences = |agents: Vec<AgentEvidence>| {
        let verdict = decide(&evidence(agents), &spec(), &run(Step::Split(2_500)), None, NOW);
        verdict.criteria.into_iter().map(|one| one.finding.sentence).collect::<Vec<String>>()
    };
    let nothing = "Nothing came in during the step 25 %, so that nothing of it could be delivered.";
    let some = "Not known yet: in the step 25 % nothing came in on host-2, and host-1 has not reported a horizon of it.";
    let said = sentences(vec![waits(1), idle(2)]);
    assert!(said.iter().any(|one| one == some) && !said.iter().any(|one| one == nothing), "{said:#?}");
    let more = sentences(vec![waits(1), idle(2), waits(3)]);
    assert!(more.iter().any(|one| one.contains("host-1, host-3 have not reported")), "{more:#?}");
    // One that will not report any more keeps nothing open, and one in which something came in has told what it was.
    let gone = AgentEvidence { known: false, ..waits(1) };
    let said = sentences(vec![gone, idle(2)]);
    assert!(said.iter().any(|one| one == nothing), "{said:#?}");
    let said = sentences(vec![waits(1), agent(2, &[good()])]);
    assert!(!said.iter().any(|one| one.starts_with("Not known yet")), "{said:#?}");
}
