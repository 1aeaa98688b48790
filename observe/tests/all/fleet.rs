//! A lens over several hosts: added up by group, and answered only where nothing that was left out could change it.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use observe::{FleetLens, Lens, LensAnswer, LensError, LensFunction, LensLimit, LensReport, Measured};
use proptest::prelude::*;

/// A host's groups: name, and figures of baseline and candidate.
type Groups = Vec<(u8, f64, f64)>;

/// A report that names so many of the groups that differ, and of the others.
fn report(groups: &Groups, named: [usize; 2]) -> LensReport {
    let mut rows: Vec<LensError> = groups
        .iter()
        .map(|(name, baseline, candidate)| row(&format!("g{name}"), *baseline, *candidate))
        .collect();
    rows.sort_by(|a, b| b.difference().total_cmp(&a.difference()));
    let (worst, mut largest): (Vec<_>, Vec<_>) = rows.into_iter().partition(LensError::differs);
    largest.sort_by(|a, b| b.baseline.total_cmp(&a.baseline));
    let sum = |of: fn(&(u8, f64, f64)) -> f64| groups.iter().map(of).sum::<f64>();
    let report = LensReport {
        name: "memory".to_owned(),
        total: row("", sum(|group| group.1), sum(|group| group.2)),
        worst,
        largest,
        ..LensReport::default()
    };
    report.naming(named)
}

/// Figures at one instant; a variant without a figure does not show the group.
fn row(name: &str, baseline: f64, candidate: f64) -> LensError {
    let shown = [baseline, candidate].map(|figure| u64::from(figure != 0.0));
    LensError { shown, ..LensError::of(name.to_owned(), baseline, candidate) }
}

fn limit() -> LensLimit {
    let lens = Lens { max_error: Some(0.1), ..Lens::new("", "", "", LensFunction::Sum) };
    lens.limit().expect("a limit")
}

const ALL: [usize; 2] = [usize::MAX; 2];

#[test]
fn sums_of_hosts_add_up_by_name_and_what_one_host_loses_another_may_keep() {
    let hosts = [report(&vec![(1, 10.0, 0.0), (2, 5.0, 5.0)], ALL), report(&vec![(1, 10.0, 10.0)], ALL)];
    let fleet = FleetLens::of([("a", &hosts[0]), ("b", &hosts[1])]);
    assert_eq!((fleet.hosts, fleet.total.baseline, fleet.total.candidate), (2, 25.0, 15.0));
    let g1 = &fleet.groups.iter().find(|group| group.figures.group == "g1").expect("named").figures;
    assert_eq!((g1.relative_error, g1.is_lost()), (Some(-0.5), false));
    let counts = fleet.judge(&limit());
    assert_eq!((counts.answer, counts.lost.len()), (LensAnswer::Violated, 0));
    assert_eq!(counts.beyond, ["g1"]);
}

#[test]
fn a_metric_that_came_in_for_a_while_is_not_said_to_be_absent() {
    let absent = Measured::MetricAbsent { near: vec!["other".to_owned()] };
    let reports = [(0, absent), (1, Measured::NoInstant)].map(|(at, measured)| LensReport {
        start: at,
        end: at + 1,
        measured,
        ..report(&Vec::new(), ALL)
    });
    let fleet = FleetLens::of([("a", &reports[0]), ("a", &reports[1])]);
    assert_eq!(fleet.not_measured, Some(Measured::NoInstant));
}

#[test]
fn means_go_by_sum_and_count_and_largest_and_least_are_a_hosts() {
    let of = |function, figures: [(f64, u64); 2]| {
        let reports = figures.map(|(sum, series)| {
            let total = LensError { members: [series; 2], ..LensError::of(String::new(), sum, sum) };
            LensReport { function, total, ..LensReport::default() }
        });
        FleetLens::of([("a", &reports[0]), ("b", &reports[1])]).total.baseline
    };
    assert_eq!(of(LensFunction::Avg, [(30.0, 3), (90.0, 1)]), 30.0);
    assert_eq!(of(LensFunction::Max, [(-3.0, 1), (-5.0, 1)]), -3.0);
    assert_eq!(of(LensFunction::Min, [(-3.0, 1), (-5.0, 1)]), -5.0);
    assert_eq!(of(LensFunction::Sum, [(-3.0, 1), (-5.0, 1)]), -8.0);
}

#[test]
fn stretches_of_a_host_are_means_over_all_their_instants_or_sums_of_increases() {
    let stretch = |start: u64, sum: f64, instants: u64, increases| {
        let total = LensError { instants, shown: [instants; 2], ..LensError::of(String::new(), sum, sum) };
        let (end, seconds) = (start + 60, 60.0);
        LensReport { total, increases, start, end, seconds, ..LensReport::default() }
    };
    let gauges = [stretch(0, 60.0, 6, false), stretch(60, 30.0, 2, false)];
    assert_eq!(FleetLens::of(gauges.iter().map(|one| ("a", one))).total.baseline, 90.0 / 8.0);
    let counters = [stretch(60, 5.0, 6, true), stretch(0, 7.0, 6, true)];
    assert_eq!(FleetLens::of(counters.iter().map(|one| ("a", one))).total.baseline, 12.0);
}

#[test]
fn what_stages_held_back_between_two_stretches_is_no_tolerance_of_both_together() {
    let stretch = |start: u64, edges| {
        let total = LensError { edges, ..LensError::of(String::new(), 10.0, 10.0) };
        LensReport { total, increases: true, start, end: start + 60, ..LensReport::default() }
    };
    let joined = [stretch(0, [1.0, 2.0]), stretch(60, [2.0, 4.0])];
    assert_eq!(FleetLens::of(joined.iter().map(|one| ("a", one))).total.tolerance, 5.0);
    let apart = [stretch(0, [1.0, 2.0]), stretch(120, [8.0, 4.0])];
    assert_eq!(FleetLens::of(apart.iter().map(|one| ("a", one))).total.tolerance, 15.0);
}

#[test]
fn where_no_host_measured_it_there_is_no_answer_but_a_reason() {
    let absent = Measured::MetricAbsent { near: Vec::new() };
    let report = LensReport { measured: absent.clone(), ..LensReport::default() };
    let counts = FleetLens::of([("a", &report), ("b", &report)]).judge(&limit());
    assert_eq!((counts.answer, counts.not_measured), (LensAnswer::NotMeasured, Some(absent)));
    let none = FleetLens::of(std::iter::empty::<(&str, &LensReport)>()).judge(&limit());
    assert_eq!(none.answer, LensAnswer::NotMeasured);
}

#[test]
fn a_group_that_some_host_has_no_room_for_is_incomplete_and_bounded() {
    let full = report(&vec![(1, 100.0, 100.0), (2, 90.0, 90.0), (3, 1.0, 1.0)], [9, 1]);
    let other = report(&vec![(2, 50.0, 50.0)], ALL);
    let fleet = FleetLens::of([("a", &full), ("b", &other)]);
    let group = |name: &str| fleet.groups.iter().find(|group| group.figures.group == name).expect("named");
    assert!(!group("g1").incomplete && group("g2").incomplete);
    assert_eq!((group("g2").baseline_left_out, group("g2").difference_left_out), (90.0, 0.0));
    assert_eq!(fleet.unnamed.groups, 2);
    assert_eq!(fleet.judge(&limit()).answer, LensAnswer::Met, "what was left out differs by nothing");
}

/// A small group that is far off does not hide behind what a host leaves out of a large one that another host names.
#[test]
fn what_is_left_out_of_a_large_group_is_no_part_of_the_small_ones() {
    let hosts = [
        vec![(3, 562.0, 562.0)],
        vec![(0, 1.0, 0.8), (1, 1.0, 1.0), (2, 491.0, 491.0)],
        vec![(1, 219.0, 219.0)],
    ];
    let answer = |named| {
        let reports: Vec<LensReport> = hosts.iter().map(|groups| report(groups, named)).collect();
        FleetLens::of(["a", "b", "c"].into_iter().zip(&reports)).judge(&limit()).answer
    };
    assert_eq!(answer(ALL), LensAnswer::Violated);
    assert_eq!(answer([0, 1]), LensAnswer::NotMeasured);
}

fn fleets() -> impl Strategy<Value = Vec<Groups>> {
    let figure = prop_oneof![Just(0.0), Just(1.0), 0.0_f64..1000.0];
    let change = prop_oneof![4 => Just(1.0), 1 => Just(0.0), 2 => 0.8_f64..1.2];
    let group = (0_u8..12, figure, change).prop_map(|(name, figure, by)| (name, figure, figure * by));
    let groups = proptest::collection::vec(group, 0..10).prop_map(|mut groups| {
        groups.sort_by_key(|(name, ..)| *name);
        groups.dedup_by_key(|(name, ..)| *name);
        groups.retain(|(_, baseline, candidate)| *baseline != 0.0 || *candidate != 0.0);
        groups
    });
    proptest::collection::vec(groups, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn an_answer_from_reports_that_leave_groups_out_is_the_answer_of_all_groups(
        hosts in fleets(),
        named in (0_usize..6, 0_usize..6),
        allowed in 0_u64..3,
    ) {
        let limit = LensLimit { max_groups_lost: allowed, ..limit() };
        let names = ["a", "b", "c", "d", "e"];
        let judge = |named| {
            let reports: Vec<LensReport> = hosts.iter().map(|groups| report(groups, named)).collect();
            FleetLens::of(names.into_iter().zip(&reports)).judge(&limit).answer
        };
        let (all, some) = (judge(ALL), judge([named.0, named.1]));
        prop_assert!(all != LensAnswer::NotMeasured);
        prop_assert!(some == all || some == LensAnswer::NotMeasured, "{some:?} of {all:?}");
    }

    #[test]
    fn the_order_of_reports_and_the_names_of_hosts_change_nothing(
        hosts in fleets(),
        names in Just(vec!["a", "b", "c", "d", "e"]).prop_shuffle(),
    ) {
        let reports: Vec<LensReport> = hosts.iter().map(|groups| report(groups, [2, 2])).collect();
        let of = |names: &[&str]| {
            let mut fleet = FleetLens::of(names.iter().copied().zip(&reports));
            // Bounds are sums of few doubles, and may round differently.
            for group in &mut fleet.groups {
                group.baseline_left_out = (group.baseline_left_out * 1e6).round();
                group.difference_left_out = (group.difference_left_out * 1e6).round();
            }
            let answer = fleet.judge(&limit()).answer;
            (fleet.total, fleet.groups, answer)
        };
        prop_assert_eq!(of(&names), of(&["a", "b", "c", "d", "e"]));
        let backward: Vec<(&str, &LensReport)> = names.iter().copied().zip(&reports).rev().collect();
        let forward: Vec<(&str, &LensReport)> = names.iter().copied().zip(&reports).collect();
        prop_assert_eq!(FleetLens::of(backward), FleetLens::of(forward));
    }
}
