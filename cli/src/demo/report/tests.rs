//! Reports of hand-made comparisons: what a person reads is what was measured, and it fits a screen.

use observe::{
    Collision, Comparison, Coverage, LensError, LensReport, MetricFates, NamedCount, Price, SeriesFates,
    Vanished, VariantReport, Volume,
};

use super::*;
use crate::demo::proof::Case;

const SCREEN: usize = 110;

fn side(points: u64, series: u64) -> VariantReport {
    let output = Volume { requests: 1, points, bytes: points * 150 };
    let mut side = VariantReport { output, active_series: series, ..VariantReport::default() };
    (side.series.value, side.series.exact, side.monthly_usd) = (series, true, series as f64 * 0.008);
    side.nanos_per_point = Some(412.0);
    side
}

fn lens(name: &str, metric: &str, candidate: f64) -> LensReport {
    let error = |group: &str| LensError {
        group: group.to_owned(),
        baseline: 1_000_000_000.0,
        candidate,
        relative_error: Some(candidate / 1e9 - 1.0),
        ..LensError::default()
    };
    let differ = u64::from(candidate != 1e9);
    LensReport {
        name: name.to_owned(),
        metric: metric.to_owned(),
        group_by: "process.executable.name".to_owned(),
        function: observe::LensFunction::Sum,
        members: [0, 0],
        total: error(""),
        groups: 12,
        groups_that_differ: differ,
        worst: (0..differ).map(|_| error("java")).collect(),
        truncated: false,
        ..LensReport::default()
    }
}

fn comparison() -> Comparison {
    let lost = |metric: &str, executable: &str, series| NamedCount {
        metric: metric.to_owned(),
        executable: executable.to_owned(),
        series,
    };
    let fates = |metric: &str, lost, renamed| MetricFates {
        metric: metric.to_owned(),
        lost,
        renamed,
        ..MetricFates::default()
    };
    let mut comparison = Comparison {
        windows: 15,
        seconds: 30.0,
        exact: true,
        baseline: side(1_000_000, 7_000),
        candidate: side(600_000, 4_200),
        lost: vec![lost("process.memory.virtual", "java", 1_500), lost("process.disk.io", "bash", 500)],
        fates: SeriesFates {
            by_metric: vec![
                fates("process.memory.virtual", 1_500, 0),
                fates("process.disk.io", 500, 0),
                fates("process.cpu.time", 0, 3_000),
            ],
            ..SeriesFates::default()
        },
        lenses: vec![
            lens("memory by executable", "process.memory.usage", 1e9),
            lens("cpu by executable", "process.cpu.time", 0.99e9),
        ],
        coverage: Coverage { critical: 20, baseline: 20, candidate: 20, ..Coverage::default() },
        price: Price::default(),
        ..Comparison::default()
    };
    comparison.lost_by_candidate.value = 2_800;
    comparison
}

fn act(comparison: &Comparison) -> Act {
    let agent = |name: &str| AgentFacts {
        name: name.to_owned(),
        fed_from: "a test",
        comparison: comparison.clone(),
        dropped_by_rule: BTreeMap::new(),
        own: OwnCost { cores: 0.012, resident_bytes: 18_000_000 },
        source: SenderCounts::default(),
    };
    Act {
        candidate: "cheaper",
        about: "drops things",
        outcome: "promoted".to_owned(),
        reasons: vec![Reason {
            layer: "L0".to_owned(),
            sentence: "It keeps 12600 of 21000 series, exactly: 40.0 % fewer.".to_owned(),
            ..Reason::default()
        }],
        criteria: vec![criterion(api::Answer::Met, "min_cardinality_reduction")],
        seconds_to_outcome: 41.25,
        rollback_ms: 38.4,
        agents: ["this machine", "web-1", "batch-1"].map(agent).into(),
    }
}

fn criterion(answer: api::Answer, quantity: &str) -> Criterion {
    let sentence =
        "Of active series as the backend bills them the candidate has 12,600 where the baseline has 21,000.";
    let (quantity, sentence) = (quantity.to_owned(), sentence.to_owned());
    let finding = Reason { quantity, sentence, ..Reason::default() };
    Criterion { answer, effect: api::Effect::RollBack, asked: true, finding }
}

fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= SCREEN, "{} columns: {line}", line.chars().count());
    }
}

/// The cells of the row that begins with these words.
fn row<'a>(text: &'a str, begin: &str) -> &'a str {
    let found = text.lines().find(|line| line.trim_start().starts_with(begin));
    found.unwrap_or_else(|| panic!("no row {begin:?} in {text}"))
}

#[test]
fn a_walk_reads_as_facts_then_tables() {
    let text = act(&comparison()).text();
    fits(&text);
    let paragraph = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        paragraph.contains("measured for 30 s, in at least 15 windows on each of 3 agents. It makes 40.0 % fewer bytes than the baseline. Every count is exact."),
        "{text}"
    );
    assert!(text.contains("decision after 41.2 s: promoted"), "{text}");
    let met = row(&text, "met").split_whitespace().collect::<Vec<_>>();
    assert_eq!(met[..3], ["met", "min_cardinality_reduction", "Of"]);
    assert!(text.contains("38 ms after it was asked for"), "{text}");
    let points: Vec<&str> = row(&text, "points").split_whitespace().collect();
    assert_eq!(points[..7], ["points", "3.00", "M", "1.80", "M", "40.0", "%"]);
    assert!(row(&text, "USD a month").contains("168.00"), "{text}");
    assert!(row(&text, "process.memory.virtual").contains("java 4,500"), "{text}");
    assert!(row(&text, "(beyond the rows kept)").contains("2,400"), "{text}");
    assert!(row(&text, "cpu by executable").ends_with("java -1.0 %"), "{text}");
    assert!(text.contains("8 USD a month for 1,000 active series"), "{text}");
}

#[test]
fn what_is_unknown_or_bad_is_said_and_not_glossed_over() {
    let mut bad = comparison();
    bad.exact = false;
    bad.baseline.output.points = 0;
    let text = act(&bad).text();
    assert!(text.contains("Some counts are estimates."), "{text}");
    assert!(row(&text, "points").contains('–'), "nothing is saved of nothing: {text}");
    bad.coverage = Coverage::default();
    let text = act(&bad).text();
    assert!(row(&text, "web-1").contains("none seen"), "{text}");
}

#[test]
fn a_second_act_names_who_would_vanish_and_what_would_collide() {
    let mut comparison = comparison();
    let vanished = |process: &str, wholly| Vanished { process: process.to_owned(), wholly };
    comparison.coverage.vanished = vec![
        vanished("nginx (pid 300) on web-1", true),
        vanished("nginx (pid 310) on web-1", true),
        vanished("redis-server (pid 320) on web-1", false),
    ];
    comparison.coverage.candidate = 17;
    comparison.collisions = vec![Collision {
        metric: "process.cpu.time".to_owned(),
        series: "process.executable.name=nginx".to_owned(),
        writers: ["nginx (pid 300) on web-1".to_owned(), "nginx (pid 310) on web-1".to_owned()],
    }];
    let agents = vec![TrialFacts { name: "web-1".to_owned(), comparison }];
    let trial = Trial {
        candidate: "careless",
        about: "drops what looks small",
        outcome: "rolled_back".to_owned(),
        reasons: Vec::new(),
        criteria: vec![criterion(api::Answer::Violated, "critical_process_coverage")],
        seconds_to_outcome: 4.0,
        agents,
    };
    let text = second_act(&[trial]);
    fits(&text);
    assert!(row(&text, "web-1").contains("3 of 20"), "{text}");
    assert!(
        text.contains("2 × nginx           nothing of its own is left, e.g. nginx (pid 300) on web-1"),
        "{text}"
    );
    assert!(text.contains("1 × redis-server    a required metric is lost"), "{text}");
    assert!(text.contains("nginx (pid 300) on web-1 and (pid 310) on web-1"), "{text}");
}

#[test]
fn an_equation_that_does_not_hold_cannot_be_overlooked() {
    let case = |left, right| Case {
        of: "web-1".to_owned(),
        left: vec![left],
        right: vec![right],
        holds: left == right,
    };
    let equation = |cases| vec![Equation { claim: "accepted = arrived".to_owned(), cases }];
    let good = proof("Proof", &equation(vec![case(1_000, 1_000)]));
    assert!(good.contains("1,000 = 1,000") && good.ends_with("not one point was lost or doubled."), "{good}");
    let bad = proof("Proof", &equation(vec![case(1_000, 1_000), case(1_000, 999)]));
    assert!(bad.contains("1,000 ≠ 999") && bad.contains("1 of 2 equations DO NOT HOLD"), "{bad}");
}
