//! Each quantity over hosts made by hand: what adds up, and what is the worst.

use observe::{Count, Coverage, LatencySummary, LensReport, Unnamed, VariantReport, Volume};

use super::*;

/// A host with so many series of the baseline's, of which the candidate keeps this share.
fn host(series: u64, kept: f64) -> Comparison {
    let side = |series: u64, nanos: f64, p99: u64| VariantReport {
        output: Volume { requests: 1, points: series * 2, bytes: series * 200 },
        series: Count { value: series, exact: true },
        nanos_per_point: Some(nanos),
        latency: LatencySummary { p99, ..LatencySummary::default() },
        ..VariantReport::default()
    };
    let kept = (series as f64 * kept) as u64;
    let error =
        |group: &str, baseline: f64, candidate: f64| LensError::of(group.to_owned(), baseline, candidate);
    Comparison {
        exact: true,
        input: Volume { requests: 1, points: series * 2, bytes: series * 200 },
        baseline: side(series, 100.0, 1_000_000),
        candidate: side(kept, 150.0, 3_000_000),
        lost_by_candidate: Count { value: series - kept, exact: true },
        lenses: vec![LensReport {
            name: "memory".to_owned(),
            metric: "process.memory.usage".to_owned(),
            group_by: "process.executable.name".to_owned(),
            function: observe::LensFunction::Sum,
            members: [0, 0],
            total: error("", series as f64, series as f64 * 0.99),
            groups: 3,
            groups_that_differ: 2,
            worst: vec![error("java", 100.0, 80.0), error("bash", 100.0, 101.0)],
            truncated: false,
            ..LensReport::default()
        }],
        coverage: Coverage { critical: 10, baseline: 10, candidate: 9, ..Coverage::default() },
        ..Comparison::default()
    }
}

fn guardrail(quantity: Quantity, margin: f64) -> Guardrail {
    Guardrail {
        name: "g".to_owned(),
        quantity,
        lens: quantity.is_of_a_lens().then(|| "memory".to_owned()),
        scope: Scope::Fleet,
        direction: Direction::Either,
        margin,
        severity: Severity::Blocking,
    }
}

fn look(guardrail: &Guardrail) -> GuardrailFinding {
    let (small, large) = (host(100, 0.5), host(900, 0.9));
    guardrail.look(&[("small", &small), ("large", &large)]).expect("a figure")
}

#[test]
fn what_is_counted_adds_up_over_the_fleet_and_is_the_worst_of_the_hosts_where_that_is_asked_for() {
    // 1,000 series, of which 50 + 810 are kept.
    let series = look(&guardrail(Quantity::Series, 0.1));
    assert!((series.observed + 0.14).abs() < 1e-12 && series.past);
    assert_eq!(series.hosts, ["small"], "−50 % there, −10 % on the other");
    let on_hosts = look(&Guardrail { scope: Scope::Host, ..guardrail(Quantity::Series, 0.4) });
    assert_eq!((on_hosts.observed, on_hosts.hosts.len()), (-0.5, 1));
    assert!((look(&guardrail(Quantity::SeriesLost, 0.1)).observed - 0.14).abs() < 1e-12);
    assert_eq!(look(&guardrail(Quantity::CriticalHidden, 0.2)).observed, 0.1);
    assert_eq!(look(&guardrail(Quantity::Collisions, 0.0)).observed, 0.0);
    assert_eq!(look(&guardrail(Quantity::NanosPerPoint, 0.0)).observed, 0.5);
    assert_eq!(look(&guardrail(Quantity::LatencyP99, 0.0)).observed, 2.0);
}

#[test]
fn a_side_without_harm_is_no_harm() {
    let with = |direction| look(&Guardrail { direction, ..guardrail(Quantity::Bytes, 0.1) }).past;
    assert!(with(Direction::Lower) && with(Direction::Either) && !with(Direction::Higher));
}

#[test]
fn a_lens_names_the_groups_past_the_margin() {
    let total = look(&guardrail(Quantity::LensTotal, 0.05));
    assert!(!total.past && (total.observed + 0.01).abs() < 1e-12);
    let group = look(&guardrail(Quantity::LensGroup, 0.05));
    assert!((group.past, group.observed, group.groups) == (true, -0.2, vec!["java".to_owned()]));
}

/// Finding of a guardrail on the worst group of a lens that names these groups, and leaves these out.
fn of_groups(direction: Direction, named: &[(f64, f64)], unnamed: Unnamed) -> GuardrailFinding {
    let mut found = host(100, 1.0);
    let errors = named.iter().zip('a'..);
    found.lenses[0].worst = errors
        .map(|((baseline, candidate), name)| LensError::of(name.into(), *baseline, *candidate))
        .collect();
    found.lenses[0].unnamed = unnamed;
    let guardrail = Guardrail { direction, ..guardrail(Quantity::LensGroup, 0.05) };
    guardrail.look(&[("host", &found)]).expect("a figure")
}

#[test]
fn a_small_group_that_reports_do_not_name_is_never_within_the_margin_unseen() {
    let look = |unnamed| of_groups(Direction::Either, &[(1e9, 1.005e9)], unnamed);
    let older = |found: &GuardrailFinding| found.left_out.errors == ["host"];
    let lost = look(Unnamed { groups: 3, lost: 3, baseline: 15.0, difference: 15.0, ..Unnamed::default() });
    assert_eq!((lost.past, lost.observed), (true, -1.0));
    let differs = look(Unnamed { groups: 3, most_difference: 4.0, ..Unnamed::default() });
    assert_eq!((differs.past, older(&differs)), (false, true));
    let alike = look(Unnamed { groups: 3, baseline: 15.0, ..Unnamed::default() });
    assert_eq!((alike.past, alike.left_out.is_nothing()), (false, true));
    let all_alike = of_groups(Direction::Either, &[], Unnamed { groups: 3, ..Unnamed::default() });
    assert_eq!((all_alike.past, all_alike.observed, all_alike.left_out.is_nothing()), (false, 0.0, true));
}

#[test]
fn groups_that_no_report_names_are_judged_by_the_errors_that_are_furthest_on_each_side() {
    let unnamed =
        |errors| Unnamed { groups: 3, most_difference: 4.0, errors: Some(errors), ..Unnamed::default() };
    let look = |direction, errors| of_groups(direction, &[(1e9, 1.005e9)], unnamed(errors));
    let within = look(Direction::Either, [-0.04, 0.03]);
    assert_eq!((within.past, within.observed, within.left_out.is_nothing()), (false, -0.04, true));
    let beyond = look(Direction::Either, [-0.04, 0.06]);
    assert_eq!((beyond.past, beyond.observed), (true, 0.06));
    assert!(beyond.groups.is_empty(), "nobody knows its name");
    assert!(!look(Direction::Lower, [-0.04, 0.06]).past);
    assert_eq!(look(Direction::Lower, [-0.06, 0.0]).observed, -0.06);
    assert_eq!(look(Direction::Higher, [-0.06, f64::MAX]).observed, f64::INFINITY);
}

#[test]
fn what_a_stage_that_holds_points_explains_is_no_error() {
    let held = LensError { tolerance: 9.0, ..LensError::of("a".into(), 100.0, 90.0) };
    let mut found = host(100, 1.0);
    found.lenses[0].worst = vec![held.clone()];
    found.lenses[0].total = LensError { group: String::new(), ..held };
    for quantity in [Quantity::LensGroup, Quantity::LensTotal] {
        let told = guardrail(quantity, 0.05).look(&[("host", &found)]).expect("a figure");
        assert_eq!((told.past, told.observed), (false, -0.01), "{quantity:?}");
    }
}

#[test]
fn a_lens_of_a_part_of_the_series_or_whose_groups_share_rows_is_not_that_of_all() {
    let with = |change: fn(&mut Comparison), quantity| {
        let mut found = host(100, 1.0);
        change(&mut found);
        guardrail(quantity, 0.9).look(&[("host", &found)]).expect("a figure").left_out
    };
    let sampled = |found: &mut Comparison| {
        found.sample = Some(observe::Sample { one_in: 2, entities: 9.0, ..observe::Sample::default() });
    };
    for quantity in [Quantity::LensGroup, Quantity::LensTotal] {
        assert_eq!(with(sampled, quantity).series, ["host"]);
        assert_eq!(with(|found| found.lenses[0].truncated = true, quantity).series, ["host"]);
    }
    let bucketed = |found: &mut Comparison| found.lenses[0].bucketed = true;
    assert_eq!(with(bucketed, Quantity::LensGroup).groups, ["host"]);
    assert!(with(bucketed, Quantity::LensTotal).is_nothing(), "the total is whole");
}

#[test]
fn the_worst_group_is_the_one_furthest_on_the_side_of_harm() {
    let look = |direction| of_groups(direction, &[(100.0, 200.0), (100.0, 90.0)], Unnamed::default());
    assert_eq!((look(Direction::Lower).past, look(Direction::Lower).observed), (true, -0.1));
    assert_eq!(look(Direction::Higher).observed, 1.0);
}

#[test]
fn a_group_that_comes_to_nothing_in_the_baseline_alone_is_past_every_margin() {
    let grown = of_groups(Direction::Either, &[(0.0, 50.0), (100.0, 101.0)], Unnamed::default());
    assert_eq!((grown.past, grown.observed, grown.groups), (true, f64::INFINITY, vec!["a".to_owned()]));
    assert!(!of_groups(Direction::Lower, &[(0.0, 50.0), (100.0, 101.0)], Unnamed::default()).past);
    let mut found = host(100, 1.0);
    found.lenses[0].total = LensError::of(String::new(), 0.0, 3.0);
    let total = guardrail(Quantity::LensTotal, 0.05).look(&[("host", &found)]).expect("a figure");
    assert!(total.past, "{total:?}");
}

#[test]
fn a_latency_counts_only_where_it_rises_by_more_than_a_millisecond() {
    let error = |baseline: u64, candidate: u64| {
        let mut found = host(1, 1.0);
        found.baseline.latency.p99 = baseline;
        found.candidate.latency.p99 = candidate;
        Quantity::LatencyP99.of(&found)
    };
    assert_eq!(error(1_000, 3_000), Some(0.0), "1 to 3 µs");
    assert_eq!(error(1_000, 2_000_000), Some(1999.0), "1 µs to 2 ms");
}

#[test]
fn without_anything_to_compare_with_it_says_nothing() {
    assert_eq!(guardrail(Quantity::Series, 0.1).look(&[]), None);
    let empty = Comparison::default();
    assert_eq!(guardrail(Quantity::Series, 0.1).look(&[("idle", &empty)]), None);
    assert_eq!(guardrail(Quantity::LensTotal, 0.1).look(&[("idle", &empty)]), None);
    for quantity in [Quantity::Collisions, Quantity::Failures] {
        assert_eq!(guardrail(quantity, 1.0).look(&[("idle", &empty)]), None, "{quantity:?}");
    }
}

#[test]
fn what_is_wrong_with_one_is_told_by_field() {
    let wrong = |change: fn(&mut Guardrail)| {
        let mut guardrail = guardrail(Quantity::LensTotal, 0.1);
        change(&mut guardrail);
        guardrail.check(&["memory"]).expect_err("wrong").to_string()
    };
    assert!(wrong(|g| g.name.clear()).contains("guardrails.name"));
    assert!(wrong(|g| g.margin = f64::NAN).contains("guardrails.margin"));
    assert!(wrong(|g| g.lens = None).contains("guardrails.lens"));
    assert!(wrong(|g| g.lens = Some("cpu".to_owned())).contains("\"cpu\""));
    assert!(wrong(|g| g.quantity = Quantity::Bytes).contains("not a lens's"));
    guardrail(Quantity::LensTotal, 0.1).check(&["memory"]).expect("right");
}

#[test]
fn what_stages_hold_of_groups_that_no_report_names_is_not_said_to_hide_nothing() {
    let of = |held_of_total: f64, groups: u64| {
        let mut found = Comparison::default();
        let named = LensError { tolerance: 1.0, ..LensError::of("a".into(), 100.0, 100.0) };
        found.lenses = vec![LensReport {
            name: "cpu".into(),
            total: LensError { tolerance: held_of_total, ..LensError::of(String::new(), 200.0, 200.0) },
            worst: vec![named],
            unnamed: Unnamed { groups, baseline: 100.0, errors: Some([-0.02, 0.02]), ..Unnamed::default() },
            ..LensReport::default()
        }];
        let guardrail = Guardrail {
            name: "g".into(),
            quantity: Quantity::LensGroup,
            lens: Some("cpu".into()),
            scope: Scope::Fleet,
            direction: Direction::Lower,
            margin: 0.05,
            severity: Severity::Blocking,
        };
        guardrail.look(&[("host", &found)]).expect("a finding").left_out.held
    };
    assert_eq!(of(1.0, 3), Vec::<String>::new(), "all that is held is of the named one");
    assert_eq!(of(3.0, 3), Vec::<String>::new(), "2 % more is within the margin");
    assert_eq!(of(6.0, 3), ["host"]);
    assert_eq!(of(6.0, 0), Vec::<String>::new(), "no group is unnamed");
}
