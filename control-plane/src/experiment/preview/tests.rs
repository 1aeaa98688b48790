use observe::{LensError, SeriesFates};

use super::*;

fn preview_of(agents: Vec<PreviewedAgent>) -> Preview {
    Preview::of(agents, &OfflinePolicy::default())
}

fn agent(number: u128, outcome: PreviewOutcome) -> PreviewedAgent {
    let uid = AgentUid(uuid::Uuid::from_u128(number));
    PreviewedAgent { uid, host: format!("host-{number}"), last_seen: None, outcome }
}

fn answered(comparison: Comparison, batches: u64, seconds: f64) -> PreviewOutcome {
    let stretch = Stretch { batches, seconds, ..Stretch::default() };
    PreviewOutcome::Answered(stretch, Previewed::Measured(Box::new(comparison)))
}

/// Comparison in which the candidate loses so many of ten series, under a lens with a group that differs by as much.
fn losing(lost: u64) -> Comparison {
    let group = |name: &str, lost: f64| LensError {
        sums: [10.0, 10.0 - lost],
        members: [1; 2],
        shown: [1; 2],
        instants: 1,
        ..LensError::of(name.to_owned(), 10.0, 10.0 - lost)
    };
    let lens = LensReport {
        name: "memory".to_owned(),
        total: group("", lost as f64),
        groups: 2,
        worst: vec![group("a", lost as f64)],
        largest: vec![group("b", 0.0)],
        ..LensReport::default()
    };
    let mut comparison = Comparison { exact: true, lenses: vec![lens], ..Comparison::default() };
    comparison.fates = SeriesFates { as_it_is: 10 - lost, lost, ..SeriesFates::default() };
    (comparison.baseline.series.value, comparison.candidate.series.value) = (10, 10 - lost);
    comparison.lost_by_candidate.value = lost;
    comparison
}

#[test]
fn a_time_of_less_than_a_second_is_not_rounded_to_none() {
    let said = |times: &[f64]| {
        let agents = times.iter().zip(1..).map(|(time, at)| agent(at, answered(losing(0), 2, *time)));
        preview_of(agents.collect()).sentence
    };
    assert!(said(&[0.3]).contains("(less than 1 s)"), "{}", said(&[0.3]));
    assert!(said(&[0.3, 12.0]).contains("(less than 1 s to 12 s an agent)"), "{}", said(&[0.3, 12.0]));
}

#[test]
fn figures_of_all_that_measured_are_added_up_and_no_others() {
    let why = || "no".to_owned();
    let preview = preview_of(vec![
        agent(1, answered(losing(2), 5, 40.0)),
        agent(2, answered(losing(4), 3, 60.2)),
        agent(
            3,
            PreviewOutcome::Answered(Stretch { batches: 9, ..Stretch::default() }, Previewed::Refused(why())),
        ),
        agent(4, PreviewOutcome::Unanswered(why())),
        agent(5, PreviewOutcome::Away),
    ]);
    assert_eq!(
        preview.sentence,
        "It rests on 8 of the latest requests (40 s to 60 s an agent) of 2 of 5 agents, and decides nothing."
    );
    assert_eq!((preview.measured, preview.requests, preview.agents.len()), (2, 8, 5));
    let found = preview.figures.expect("figures");
    assert_eq!((found.figures.lost, found.figures.series, found.fates.lost), (6, [20, 14], 6));
    assert!(found.figures.saving_series.is_some_and(|saved| (saved - 0.3).abs() < 1e-9));
    let [lens] = &found.lenses[..] else { panic!("{:?}", found.lenses) };
    assert_eq!((lens.fleet.total.baseline, lens.fleet.total.candidate), (20.0, 14.0));
    let groups: Vec<_> = lens.fleet.groups.iter().map(|group| group.figures.group.as_str()).collect();
    assert_eq!(groups, ["a"], "those that differ, by name over all agents");
    assert!(preview.not_measured[0].contains("not compared with each other"), "{:?}", preview.not_measured);
}

#[test]
fn an_agent_counts_for_what_it_shows_however_many_requests_it_has_kept() {
    let mut long = losing(0);
    for figures in
        long.lenses.iter_mut().flat_map(|lens| [&mut lens.total].into_iter().chain(&mut lens.worst))
    {
        figures.sums = figures.sums.map(|sum| sum * 100.0);
        (figures.members, figures.shown, figures.instants) = ([100; 2], [100; 2], 100);
    }
    let agents = vec![agent(1, answered(long, 100, 40.0)), agent(2, answered(losing(5), 1, 1.0))];
    let found = preview_of(agents).figures.expect("figures");
    let total = &found.lenses[0].fleet.total;
    assert_eq!((total.baseline, total.candidate, total.relative_error), (20.0, 15.0, Some(-0.25)));
}

#[test]
fn where_nothing_was_measured_it_says_so_and_has_no_figures() {
    let preview = preview_of(vec![agent(1, PreviewOutcome::Away)]);
    assert_eq!(preview.sentence, "Nothing was measured: none of 1 agent has compared both pipelines.");
    assert_eq!((preview.figures, preview.not_measured.len()), (None, 0));
}

#[test]
fn one_agent_is_compared_with_no_other_and_one_time_is_told_once() {
    let preview = preview_of(vec![agent(1, answered(losing(0), 2, 12.0))]);
    assert_eq!(
        preview.sentence,
        "It rests on 2 of the latest requests (12 s) of 1 of 1 agent, and decides nothing."
    );
    assert!(!preview.not_measured.iter().any(|said| said.contains("each other")));
    let lens = &preview.figures.expect("figures").lenses[0];
    assert!(lens.fleet.groups.is_empty(), "none differs");
}

#[test]
fn what_a_preview_leaves_unsaid_is_named() {
    let mut comparison = losing(1);
    let row = |series| observe::NamedCount { metric: "m".into(), executable: String::new(), series };
    (comparison.changed.held, comparison.changed.not_compared) = (vec![row(1)], vec![row(2)]);
    (comparison.changed.held_series, comparison.changed.not_compared_series) = (3, 2);
    comparison.sample = Some(observe::Sample { one_in: 2, ..observe::Sample::default() });
    let preview = preview_of(vec![agent(1, answered(comparison, 2, 10.0))]);
    let changed = preview.checks.iter().find(|check| check.rule == "changed").expect("the check");
    assert_eq!(changed.answer, Answer::NotMeasured, "of values that were not compared: {changed:?}");
    let said = preview.not_measured.join("\n");
    for part in
        ["Values of 3 series", "Values of 2 series", "1 of 1 agents had more series", "Nothing was delivered"]
    {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_check_has_the_worst_answer_of_any_agent_and_says_on_which_they_are() {
    let lens = |unnamed: bool| {
        let group = if unnamed { "(none)" } else { "a" };
        let new = LensError { shown: [u64::from(!unnamed), 1], ..LensError::of(group.to_owned(), 0.0, 10.0) };
        LensReport {
            name: "memory by executable".to_owned(),
            group_by: "process.executable.name".to_owned(),
            groups: 1,
            worst: vec![new],
            ..LensReport::default()
        }
    };
    let with = |unnamed| Comparison { lenses: vec![lens(unnamed)], ..losing(0) };
    let of = |agents| preview_of(agents).checks.into_iter().find(|check| check.rule == "attributes_used");
    let alone = of(vec![agent(1, answered(with(true), 2, 10.0))]).expect("the check");
    let sentence = "The candidate takes away what people group by: process.executable.name of memory by executable. Allow it by \
                    `allow: [renamed]`.";
    assert_eq!((alone.answer, alone.sentence.as_str()), (Answer::Violated, sentence));
    let both = vec![agent(1, answered(with(false), 2, 10.0)), agent(2, answered(with(true), 2, 10.0))];
    let both = of(both).expect("the check");
    assert_eq!((both.answer, both.hosts.as_slice()), (Answer::Violated, &["host-2".to_owned()][..]));
    assert_eq!(both.sentence, format!("1 of 2 agents, the first on host-2: {sentence}"));
    let kept = of(vec![agent(1, answered(with(false), 2, 10.0))]).expect("the check");
    assert_eq!(kept.answer, Answer::Met, "{}", kept.sentence);
    assert!(preview_of(vec![agent(1, PreviewOutcome::Away)]).checks.is_empty());
}
