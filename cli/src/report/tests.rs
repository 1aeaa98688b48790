//! Tables of hand-made comparisons: what was measured of each agent is added up, and what is unknown is said.

use observe::{Comparison, Count, DistributionReport, RuleReport};

use super::*;

/// The cells of the row that begins with these words, put together.
fn row(text: &str, begin: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let found = text.lines().map(words).find(|line| line.starts_with(begin));
    found.unwrap_or_else(|| panic!("no row {begin:?} in {text}"))
}

fn rule(rule: &str, dropped: u64, series: u64, exact: bool) -> RuleReport {
    RuleReport {
        stage: "filter/small".to_owned(),
        rule: rule.to_owned(),
        dropped,
        changed: 0,
        series: Count { value: series, exact },
        samples: vec!["process.threads{nginx pid=7}".to_owned()],
    }
}

#[test]
fn what_destinations_did_is_told_by_variant_and_added_up() {
    let mut comparison = Comparison::default();
    (comparison.baseline.delivery.confirmed, comparison.baseline.delivery.wire_bytes) = (1_000, 5_000);
    comparison.baseline.delivered.points = 1_100;
    comparison.candidate.delivery.rejected = 7;
    comparison.candidate.delivery.latency.p99 = 2_000_000;
    let hosts = ["web-1", "web-2"].map(|host| Measured::of(host, &comparison));
    let text = delivery(&hosts, false);
    assert_eq!(row(&text, "baseline"), "baseline 2,200 2,000 0 0 0 0 10.0 kB – –");
    assert_eq!(row(&text, "candidate"), "candidate 0 0 14 0 0 0 0 B – 2.0 ms");
}

#[test]
fn what_was_not_counted_of_a_candidate_is_not_said_to_be_nothing() {
    let mut comparison = Comparison::default();
    comparison.baseline.delivered.points = 1_100;
    let told = |comparison: &Comparison| delivery(&[Measured::of("web-1", comparison)], true);
    assert_eq!(row(&told(&comparison), "candidate"), "candidate – – – – – – – – –");
    assert!(row(&told(&comparison), "baseline").starts_with("baseline 1,100 0"));
    comparison.candidate.delivered.points = 30;
    assert!(row(&told(&comparison), "candidate").starts_with("candidate 30 0"));
}

#[test]
fn a_rule_of_several_agents_is_one_row_and_an_estimate_says_so() {
    let [mut one, mut other] = [Comparison::default(), Comparison::default()];
    one.candidate.rules = vec![rule("a", 10, 5, true), rule("b", 3, 2, true), rule("never", 0, 0, true)];
    other.candidate.rules = vec![rule("a", 20, 6, true), rule("b", 4, 90_000, false)];
    let text = rules(&[Measured::of("web-1", &one), Measured::of("web-2", &other)]);
    let sample = "process.threads{nginx pid=7}";
    assert_eq!(
        row(&text, "candidate filter/small: a"),
        format!("candidate filter/small: a 30 0 11 {sample}")
    );
    assert!(row(&text, "candidate filter/small: b").contains("7 0 about 90,002"), "{text}");
    assert!(!text.contains("never"), "{text}");
    let nothing = Comparison::default();
    assert!(rules(&[Measured::of("web-1", &nothing)]).contains("No rule dropped"));
}

#[test]
fn distributions_that_lie_apart_come_first_and_what_is_not_there_is_a_dash() {
    let report = |metric: &str, apart: f64| DistributionReport {
        metric: metric.to_owned(),
        count: [10, 10],
        quantiles: [[1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 3.0, 9.0, 9.0]],
        distances: Some(observe::Distances {
            wasserstein: 1.0,
            kolmogorov_smirnov: apart,
            psi: 0.25,
            psi_of_equals: 0.3,
            ..Default::default()
        }),
    };
    let gone = DistributionReport {
        metric: "gone".to_owned(),
        count: [10, 0],
        distances: None,
        ..report("gone", 0.0)
    };
    let comparison = Comparison {
        distributions: vec![gone, report("near", 0.1), report("far", 0.9)],
        ..Comparison::default()
    };
    let text = distributions(&[Measured::of("web-1", &comparison)]);
    let place = |metric: &str| text.find(&format!("{metric} ")).expect(metric);
    assert!(place("gone") < place("far") && place("far") < place("near"), "{text}");
    assert_eq!(row(&text, "far"), "far web-1 2 3 4 9 1 0.250 0.300");
    assert_eq!(row(&text, "gone"), "gone web-1 2 – 4 – – – –");
    assert!(
        text.find("far web").is_none() && text.find("far").unwrap() < text.find("near").unwrap(),
        "{text}"
    );
    assert_eq!(distributions(&[]), "");
}

#[test]
fn of_many_hosts_a_total_shows_the_one_that_is_off_most() {
    let host = |error: f64| {
        let total = observe::LensError { relative_error: Some(error), ..Default::default() };
        let lens = observe::LensReport {
            name: "memory by executable".to_owned(),
            metric: "process.memory.usage".to_owned(),
            group_by: "process.executable.name".to_owned(),
            function: observe::LensFunction::Sum,
            members: [1, 1],
            total,
            groups: 1,
            groups_that_differ: 1,
            worst: Vec::new(),
            truncated: false,
            ..observe::LensReport::default()
        };
        Comparison { lenses: vec![lens], ..Comparison::default() }
    };
    let [a, b, c, d] = [0.0, -0.5, 0.1, 0.2].map(host);
    let hosts = [("a", &a), ("b", &b), ("c", &c), ("d", &d)].map(|(name, found)| Measured::of(name, found));
    let many = sides::lenses(&hosts);
    assert_eq!(many.matches("memory by executable").count(), 1, "{many}");
    assert!(row(&many, "memory by executable b").contains("-50.0 %"), "{many}");
    assert_eq!(sides::lenses(&hosts[..3]).matches("memory by executable").count(), 3);
    assert!(
        !sides::side_by_side(&hosts).contains("on a") && sides::side_by_side(&hosts[..3]).contains("on a")
    );
}

#[test]
fn a_lens_that_nothing_entered_is_not_said_to_have_no_error() {
    let lens =
        |name: &str, measured| observe::LensReport { name: name.to_owned(), measured, ..Default::default() };
    let absent = observe::Measured::MetricAbsent { near: Vec::new() };
    let lenses_of = vec![lens("disk by host", absent), lens("memory by host", observe::Measured::Measured)];
    let comparison = Comparison { lenses: lenses_of, ..Comparison::default() };
    let text = sides::lenses(&[Measured::of("web-1", &comparison)]);
    assert_eq!(row(&text, "disk"), "disk by host web-1 – – not measured – –");
    assert!(row(&text, "memory").starts_with("memory by host web-1 0 0"), "{text}");
}
