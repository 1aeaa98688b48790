//! Lenses over the wire: as many groups as a report has room for, and those of an earlier release.

use super::*;

fn panels() -> Vec<LensReport> {
    let words = ["kube", "node", "java", "nginx", "postgres", "agent", "worker", "proxy", "sidecar", "cache"];
    let lens = |of: u64| {
        let group = |at: u64| {
            let memory = 4096 * (1 + of) * (at * at * 7_919 + 12_345);
            let sums =
                [memory as f64, if at.is_multiple_of(3) { memory } else { memory - 4096 * at * 13 } as f64];
            LensError {
                group: format!("{}-{}", words[at as usize % 10], words[at as usize / 10 % 10]),
                sums,
                members: [at % 7 * 6; 2],
                shown: [6, 6 - u64::from(at == 9)],
                instants: 6,
                gaps: u64::from(at == 9),
                worst: (!at.is_multiple_of(3)).then_some(LensInstant {
                    time: 1_767_225_600_000_000_000 + at % 6 * 10_000_000_000,
                    figures: sums.map(|sum| sum / 6.1),
                }),
                ..LensError::default()
            }
            .with_figures(LensFunction::Sum, false, 60.0)
        };
        let (worst, largest) = (0..60).map(group).partition(LensError::differs);
        LensReport {
            name: format!("lens {of}"),
            metric: "process.memory.usage".to_owned(),
            group_by: "process.executable.name".to_owned(),
            total: LensError { group: String::new(), ..group(60) },
            groups: 60,
            groups_that_differ: 40,
            members: [300, 290],
            seconds: 60.0,
            start: 1_767_225_600_000_000_000,
            end: 1_767_225_660_000_000_000,
            worst,
            largest,
            limit: Some(LensCounts {
                judged: 60,
                beyond: 3,
                lost: 2,
                violated: true,
                ..LensCounts::default()
            }),
            ..LensReport::default()
        }
    };
    (0..5).map(lens).collect()
}

#[test]
fn five_lenses_of_sixty_groups_are_named_in_full_within_8_kilobytes() {
    let mut sent = findings();
    for comparison in [&mut sent.horizon, &mut sent.total] {
        comparison.lenses = panels();
        comparison.lost.truncate(12);
    }
    let (body, digest) = sent.encode();
    let compressed = zstd::encode_all(body.as_slice(), 3).expect("compresses").len();
    let read = Findings::decode(&body, &digest).expect("reads");
    for (read, sent) in read.horizon.lenses.iter().zip(&sent.horizon.lenses) {
        assert_eq!((read.named().count(), read.unnamed.groups), (60, 0));
        assert_eq!((&read.total, &read.limit), (&sent.total, &sent.limit));
        let figures = |lens: &LensReport| {
            let row = |row: &LensError| (row.group.clone(), row.baseline, row.candidate, row.gaps, row.shown);
            lens.named().map(row).collect::<Vec<_>>()
        };
        assert_eq!(figures(read), figures(sent));
        assert_eq!(read.worst[0].worst, sent.worst[0].worst);
    }
    let total = &read.total.lenses[0];
    assert_eq!((total.named().count() as u64, total.unnamed.groups), (3, 57), "what is not named is counted");
    let whole = &sent.total.lenses[0];
    let [least, most] = total.unnamed.errors.expect("what is not named is furthest off by so much");
    assert!(whole.named().all(|group| total.named().any(|named| named.group == group.group)
        || (least..=most).contains(&group.error())));
    assert!(compressed <= 8_000, "{compressed} bytes of {}", body.len());
}

#[test]
fn what_an_earlier_release_says_of_a_lens_is_still_read() {
    let read = read(|found| {
        for lens in &mut found.horizon.get_or_insert_default().lenses {
            (lens.total_row, lens.worst_rows, lens.largest_rows) = (None, None, None);
        }
    });
    let lens = &read.expect("reads").horizon.lenses[2];
    assert_eq!((lens.total.baseline, lens.worst.len()), (2.2, 3));
}

#[test]
fn why_a_lens_was_not_measured_reads_back() {
    let names = || vec!["process.thread.count".to_owned()];
    let all = [
        Measured::NoInstant,
        Measured::MetricAbsent { near: names() },
        Measured::NotPutOut,
        Measured::AttributeAbsent { attributes: names() },
        Measured::FunctionUnfit { kind: "values".to_owned() },
    ];
    for measured in all {
        let mut sent = findings();
        sent.horizon.lenses[0].measured = measured.clone();
        let (body, digest) = sent.encode();
        assert_eq!(Findings::decode(&body, &digest).expect("reads").horizon.lenses[0].measured, measured);
    }
}

/// Lenses of fifty metrics that arrived, of which many groups differ.
fn arrivals() -> Vec<LensReport> {
    let of = |(at, lens): (usize, LensReport)| LensReport {
        name: format!("service.{at}.requests.of.some.length by owner"),
        metric: format!("service.{at}.requests.of.some.length"),
        group_by: observe::OWNER.to_owned(),
        limit: None,
        largest: Vec::new(),
        worst: lens.worst.into_iter().take(8).collect(),
        ..lens
    };
    panels().into_iter().cycle().take(50).enumerate().map(of).collect()
}

#[test]
fn fifty_lenses_of_what_arrives_fit_beside_the_default_ones_and_beside_five_with_a_limit() {
    for limited in [0, 5] {
        let mut sent = findings();
        for comparison in [&mut sent.horizon, &mut sent.total] {
            if limited > 0 {
                comparison.lenses = panels();
            }
            comparison.lenses.extend(arrivals());
            comparison.lost.truncate(12);
        }
        let (body, digest) = sent.encode();
        let compressed = zstd::encode_all(body.as_slice(), 3).expect("compresses").len();
        assert!(compressed <= 8_000, "{limited} with a limit: {compressed} bytes of {}", body.len());
        let read = Findings::decode(&body, &digest).expect("reads");
        let told = read.horizon.lenses.iter().filter(|lens| lens.group_by == observe::OWNER);
        assert_eq!(told.filter(|lens| !lens.worst.is_empty()).count(), 50);
    }
}

#[test]
fn metrics_that_no_lens_looks_at_travel_with_some_names_and_never_more_names_than_metrics() {
    let mut sent = findings();
    let names: Vec<String> = (0..20).map(|at| format!("app.metric.{at:02}")).collect();
    sent.horizon.unwatched = observe::UnwatchedMetrics { count: 70, at_least: true, names };
    let (body, digest) = sent.encode();
    let read = Findings::decode(&body, &digest).expect("reads");
    assert_eq!(read.horizon.unwatched, sent.horizon.unwatched);
    sent.horizon.unwatched.count = 19;
    let (body, digest) = sent.encode();
    assert!(Findings::decode(&body, &digest).is_err(), "20 names of 19 metrics");
}

#[test]
fn figures_of_all_travel_with_a_total_and_with_the_groups_of_the_whole_and_are_refused_where_they_cannot_be()
{
    let reach = |norm: f64| Reach { norm, most: norm / 3.0 };
    let sampled = |scale: f64| Sampled {
        sums: [100.0 * scale, 90.0 * scale],
        difference: reach(scale),
        baseline: reach(9.0 * scale),
        candidate: reach(8.0 * scale),
    };
    let mut sent = findings();
    for comparison in [&mut sent.horizon, &mut sent.total] {
        comparison.lenses = panels();
        for lens in &mut comparison.lenses {
            lens.total.sampled = Some(sampled(60.0));
            for (scale, row) in (1..).zip(lens.worst.iter_mut().chain(&mut lens.largest)) {
                row.sampled = (scale % 5 > 0).then(|| sampled(f64::from(scale)));
            }
        }
        let [mean, most] = [2, 3].map(|at| comparison.lenses[at].clone());
        comparison.lenses[2] = LensReport { function: LensFunction::Avg, ..mean };
        comparison.lenses[2].total.divisor = Some(sampled(6.0));
        comparison.lenses[3] = LensReport { function: LensFunction::Max, ..most };
        comparison.lenses[3].total.sampled = None;
        comparison.lenses[3].total.ratios = Some([0.5, 1.25]);
    }
    let (body, digest) = sent.encode();
    let read = Findings::decode(&body, &digest).expect("reads");
    let (lens, whole) = (&read.total.lenses[1], &sent.total.lenses[1]);
    assert_eq!(lens.total.sampled, whole.total.sampled);
    for row in lens.named() {
        let of = whole.named().find(|one| one.group == row.group).expect("the group");
        assert_eq!(row.sampled, of.sampled);
    }
    assert_eq!(lens.unnamed.within, None, "of one in five it is not known");
    assert_eq!(read.horizon.lenses[1].total.sampled, sent.horizon.lenses[1].total.sampled);
    assert!(
        read.horizon.lenses[1].named().all(|row| row.sampled.is_none()),
        "a horizon has no room for them"
    );
    let told = |of: &LensReport| (of.total.sampled, of.total.divisor, of.total.ratios);
    for at in [2, 3] {
        assert_eq!(told(&read.total.lenses[at]), told(&sent.total.lenses[at]));
        assert_eq!(told(&read.horizon.lenses[at]), told(&sent.horizon.lenses[at]));
    }
    for ratios in [[1.0, 0.5], [-1.0, 0.5], [0.0, f64::INFINITY]] {
        let mut wrong = sent.clone();
        wrong.total.lenses[3].total.ratios = Some(ratios);
        let (body, digest) = wrong.encode();
        assert!(Findings::decode(&body, &digest).is_err(), "{ratios:?}");
    }
    sent.total.lenses[1].total.sampled = Some(Sampled { difference: reach(-1.0), ..sampled(1.0) });
    let (body, digest) = sent.encode();
    assert!(Findings::decode(&body, &digest).is_err(), "a root is no less than 0");
}

#[test]
fn a_total_of_which_no_instant_counts_has_none_after_the_way_either() {
    let mut sent = findings();
    sent.horizon.lenses = panels();
    for lens in &mut sent.horizon.lenses {
        (lens.total, lens.measured) = (LensError::default(), Measured::NoInstant);
    }
    let (body, digest) = sent.encode();
    let read = Findings::decode(&body, &digest).expect("reads");
    for lens in &read.horizon.lenses {
        assert_eq!((lens.total.instants, lens.total.shown), (0, [0; 2]), "{}", lens.name);
    }
}
