//! A report says the same on the other side, fits, and is refused where it cannot be true.

use observe::{
    AttributeFates, ChangedFields, ChangedMetric, Collision, Comparison, Count, Coverage, DeliveryReport,
    Distances, DistributionReport, InterruptedFates, LensCounts, LensError, LensFunction, LensInstant,
    LensReport, Measured, MetricFates, Missing, NamedCount, PartCounts, Price, Reach, Repeats, RuleReport,
    Sample, Sampled, SeriesFates, SeriesSample, Slice, SliceEntry, Slices, ValueChanges, Vanished,
    VariantReport, Volume,
};

use prost::Message as _;
use sha2::{Digest as _, Sha256};

use super::{Findings, Invalid, slice_keys};
use crate::v1;

fn name(kind: &str, at: u64) -> String {
    // Names of a real cluster are long and have a hash in them.
    let hash = at.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{kind}-{hash:016x}-{at}")
}

fn variant(scale: u64) -> VariantReport {
    let count = |value| Count { value, exact: true };
    VariantReport {
        output: Volume { requests: 6, points: 6_300 * scale, bytes: 850_000 * scale },
        delivered: Volume { requests: 6, points: 3_150 * scale, bytes: 425_000 * scale },
        series: count(6_300 * scale),
        active_series: 6_301 * scale,
        monthly_usd: 50.4 * scale as f64,
        lost: count(17),
        collisions: count(3),
        repeats: Repeats { duplicates: 40, conflicts: scale },
        assigned_points: 1_234,
        units: count(300),
        units_delivered: count(299),
        nanos_per_point: Some(512.25),
        latency: observe::LatencySummary { count: 6, p50: 1_000, p99: 2_000, max: 3_000 },
        failures: 1,
        delivery: DeliveryReport {
            confirmed: 6_123_456 * scale,
            rejected: 12,
            failed: 345,
            doubtful: 7,
            retries: 8,
            wire_bytes: 91_234_567 * scale,
            latency: observe::LatencySummary { count: 6, p50: 1_000_000, p99: 20_000_000, max: 30_000_000 },
        },
        rules: vec![RuleReport {
            stage: "filter/small".to_owned(),
            rule: "metric.name == \"process.disk.io\"".to_owned(),
            dropped: 4_212,
            changed: 0,
            series: count(602),
            samples: vec!["process.disk.io{bash pid=7, direction=read}".to_owned()],
        }],
    }
}

/// As full as the lists of a comparison can be.
fn full() -> Comparison {
    let named = |at: u64| NamedCount {
        metric: name("process.metric", at % 21),
        executable: name("executable", at),
        series: at * 37,
    };
    let error_of = |group, at: u64| LensError::of(group, 1.1 * at as f64, 1.05 * at as f64);
    let error = |at: u64| error_of(name("group", at), at);
    let rows = |n: u64| (0..n).map(named).collect::<Vec<_>>();
    Comparison {
        windows: 6,
        seconds: 60.0,
        exact: true,
        sample: Some(Sample { one_in: 8, entities: 312.5, critical_cut: true, overloaded: true }),
        input: Volume { requests: 6, points: 12_600, bytes: 1_700_000 },
        input_series: Count { value: 6_300, exact: true },
        unassigned_points: 4,
        baseline: variant(2),
        candidate: variant(1),
        lost_by_candidate: Count { value: 17, exact: true },
        lost: rows(50),
        lost_samples: (0..10)
            .map(|at| SeriesSample {
                metric: name("m", at),
                process: name("p", at),
                attributes: name("a", at),
            })
            .collect(),
        fates: fates(),
        changed: changed(),
        collisions: (0..20)
            .map(|at| Collision {
                metric: name("m", at),
                series: name("s", at),
                writers: [name("w", at), name("v", at)],
            })
            .collect(),
        candidate_only_collisions: Count { value: 2, exact: true },
        baseline_collisions: (0..20)
            .map(|at| Collision {
                metric: name("m", at),
                series: name("t", at),
                writers: [name("w", at), name("v", at)],
            })
            .collect(),
        lenses: (0..9)
            .map(|at| LensReport {
                name: name("lens", at),
                metric: name("metric", at),
                group_by: "process.executable.name".into(),
                function: LensFunction::WORDS[at as usize % 6].1,
                members: [300 * at, 299],
                total: error_of(String::new(), at),
                groups: 300,
                groups_that_differ: 299,
                worst: (0..10).map(error).collect(),
                truncated: at == 3,
                ..LensReport::default()
            })
            .collect(),
        coverage: Coverage {
            critical: 150,
            baseline: 150,
            candidate: 50,
            vanished_count: 100,
            vanished: (0..100)
                .map(|at| Vanished { process: name("postgres (pid) on host", at), wholly: at % 2 == 0 })
                .collect(),
        },
        price: Price { promoted_attributes: Some(vec![name("attribute", 1)]), ..Price::default() },
        distributions: (0..9).map(distribution).collect(),
        missing: Missing { count: 70, names: (0..12).map(|at| name("unit", at)).collect() },
        ..Comparison::default()
    }
    .with_savings()
}

fn fates() -> SeriesFates {
    let parts =
        PartCounts { name: 812, unit: 3, kind: 77, resource: 1_410, scope: 1, attributes: 99, unknown: 2 };
    SeriesFates {
        of: Count { value: 12_600, exact: true },
        as_it_is: 4_000,
        renamed: 1_500,
        fewer_attributes: 3_000,
        merged: 4_000,
        merged_into: 321,
        split: 80,
        lost: 17,
        not_followed: 3,
        parts,
        by_metric: (0..21)
            .map(|at| MetricFates {
                metric: name("process.metric", at),
                as_it_is: 41 * at,
                renamed: 7 * at,
                fewer_attributes: 300 - at,
                merged: 13 * at,
                split: at,
                lost: 1,
                not_followed: 1,
                parts,
            })
            .collect(),
        by_attribute: (0..32)
            .map(|at| AttributeFates {
                attribute: name("k8s.", at),
                fewer_attributes: 3_000 - at,
                others: at,
                rewritten: at % 7,
            })
            .collect(),
        interrupted: InterruptedFates {
            as_it_is: 12,
            others: 3,
            metrics: (0..10).map(|at| name("process.metric", at)).collect(),
        },
    }
}

fn changed() -> ValueChanges {
    let rows = |kind: &str| -> Vec<NamedCount> {
        let row = |at| NamedCount { metric: name(kind, at), executable: String::new(), series: 300 - at };
        (0..50).map(row).collect()
    };
    let metric = |at: u64| ChangedMetric {
        metric: name("process.metric", at % 21),
        points: 1_800 - at,
        series: 300,
        fields: ChangedFields { value: true, time: at == 1, ..ChangedFields::default() },
        largest_absolute: 1.7 * at as f64,
        largest_relative: (at != 2).then_some(0.37 * at as f64),
        sample: Some(SeriesSample {
            metric: name("m", at),
            process: name("p", at),
            attributes: name("a", at),
        }),
    };
    ValueChanges {
        points: 60_000,
        series: 6_000,
        by_metric: (0..50).map(metric).collect(),
        not_compared: rows("n"),
        held: rows("h"),
        not_compared_series: 20_000,
        held_series: 20_001,
    }
}

fn distribution(at: u64) -> DistributionReport {
    let scale = 1.37 * (at + 1) as f64;
    DistributionReport {
        metric: name("metric", at),
        count: [6_300 * at, 3_100 * at],
        quantiles: [1.0, 0.97]
            .map(|of| [0.5, 1.5, 2.5, 3.5, 4.5].map(|q| f64::from((of * q * scale) as f32))),
        distances: (at != 3).then_some(Distances {
            wasserstein: 12.5 * scale,
            kolmogorov_smirnov: 0.03,
            jensen_shannon: 0.035,
            psi: 0.01 * scale,
            psi_of_equals: 0.0034,
        }),
    }
}

fn findings() -> Findings {
    Findings {
        window_end: 60_000_000_000,
        made_at: 61_000_000_000,
        weight_bp: 2_500,
        warm_up_windows: 2,
        horizon: full(),
        total: full(),
        candidate_cut: Some("panic: index 3".into()),
        baseline_digest: "ab".repeat(32),
        candidate_digest: "cd".repeat(32),
        slices: two_turns(),
        ended: true,
    }
}

/// Slices of two turns, of forty-eight entries each, with writers that have other keys in the baseline's output.
fn two_turns() -> Slices {
    let mut slices = Slices::default();
    for turn in [29_453_760_u64, 29_453_761] {
        let mut slice = Slice::of(256);
        for at in 0..48_u64 {
            let mixed = (at * 2 + turn % 2 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let (key, last) = ((mixed & !255) | (turn % 256), turn * 60 + at % 6 * 10);
            let (writer, baseline) = ((mixed >> 13) as u32, (mixed >> 29) as u32);
            slice.insert(SliceEntry { key, writer, baseline, began: last - at * 50, last });
        }
        slices.0.insert(turn, slice);
    }
    slices
}

#[test]
fn keys_of_a_slice_are_read_without_the_rest_of_it() {
    for slice in super::slices::slices(&two_turns()) {
        let body = slice.encode_to_vec();
        assert_eq!(slice_keys(&body), Ok(slice.keys));
        slice_keys(&body[..body.len() - 1]).expect_err("it is cut off");
    }
}

#[test]
fn what_was_found_reads_back() {
    let sent = Findings { total: Comparison::default().with_savings(), ..findings() };
    let (body, digest) = sent.encode();
    let read = Findings::decode(&body, &digest).expect("reads");
    assert_eq!(read.candidate_cut, sent.candidate_cut);
    assert_eq!((&read.slices, read.ended), (&sent.slices, true));
    assert_eq!(read.horizon.sample, sent.horizon.sample);
    assert_eq!((read.window_end, read.made_at, read.weight_bp), (sent.window_end, sent.made_at, 2_500));
    assert_eq!(read.horizon.lost.len(), super::MAX_ROWS);
    assert_eq!(read.horizon.saving, sent.horizon.saving);
    let (found, told) = (&read.horizon.fates, &sent.horizon.fates);
    assert_eq!((found.of, found.as_it_is, found.merged_into), (told.of, told.as_it_is, told.merged_into));
    assert_eq!((found.parts, found.not_followed), (told.parts, told.not_followed));
    assert_eq!(found.interrupted, told.interrupted);
    assert_eq!(found.by_metric[..], told.by_metric[..super::MAX_ROWS]);
    assert_eq!(found.by_attribute[..], told.by_attribute[..super::MAX_ROWS]);
    let (found, told) = (&read.horizon.changed, &sent.horizon.changed);
    assert_eq!((found.points, found.series), (told.points, told.series));
    let most = super::values::MAX_METRICS;
    assert_eq!((found.not_compared_series, found.held_series), (20_000, 20_001));
    assert_eq!((&found.not_compared[..], &found.held[..]), (&told.not_compared[..most], &told.held[..most]));
    for (at, (found, told)) in found.by_metric.iter().zip(&told.by_metric[..most]).enumerate() {
        let sample = told.sample.clone().filter(|_| at < super::values::MAX_SAMPLES);
        assert_eq!(*found, ChangedMetric { sample, ..told.clone() });
    }
    assert_eq!(read.horizon.baseline, sent.horizon.baseline);
    assert_eq!(read.horizon.candidate_only_collisions, sent.horizon.candidate_only_collisions);
    assert_eq!(read.horizon.baseline_collisions, sent.horizon.baseline_collisions[..3]);
    assert_eq!(read.horizon.lenses[3].total, sent.horizon.lenses[3].total);
    assert_eq!(read.horizon.lenses[3].function, sent.horizon.lenses[3].function);
    assert_eq!(read.horizon.lenses[3].members, sent.horizon.lenses[3].members);
    assert_eq!((read.horizon.coverage.critical, read.horizon.coverage.vanished_count), (150, 100));
    assert_eq!(read.horizon.distributions[..], sent.horizon.distributions[..8]);
    assert_eq!((&read.horizon.missing, &read.horizon.price), (&sent.horizon.missing, &sent.horizon.price));
}

#[test]
fn the_fullest_report_is_at_most_8_kilobytes_compressed() {
    let (body, _) = findings().encode();
    let compressed = zstd::encode_all(body.as_slice(), 3).expect("compresses").len();
    assert!(compressed <= 8_000, "{compressed} bytes of {}", body.len());
}

/// Five lenses with a limit, of sixty groups each, of which the candidate changes most.
#[test]
fn what_cannot_be_true_is_refused() {
    let (body, digest) = findings().encode();
    assert_eq!(Findings::decode(&body[1..], &digest), Err(Invalid::Digest));
    let refused = |findings: Findings| {
        let (body, digest) = findings.encode();
        Findings::decode(&body, &digest).expect_err("refused")
    };
    let with = |change: fn(&mut Findings)| {
        let mut findings = findings();
        change(&mut findings);
        refused(findings)
    };
    assert!(matches!(with(|f| f.weight_bp = 10_001), Invalid::Value(_)));
    assert!(matches!(with(|f| f.horizon.seconds = f64::NAN), Invalid::Value(_)));
    assert!(matches!(with(|f| f.horizon.seconds = -1.0), Invalid::Value(_)));
    assert!(matches!(with(|f| f.total.coverage.candidate = 151), Invalid::Value(_)));
    assert!(matches!(with(|f| f.total.coverage.vanished_count = 151), Invalid::Value(_)));
    assert!(matches!(with(|f| f.horizon.lenses[0].total.sums[1] = f64::INFINITY), Invalid::Value(_)));
    assert!(matches!(with(|f| f.horizon.candidate.nanos_per_point = Some(-1.0)), Invalid::Value(_)));
    let of_values = |change: fn(&mut DistributionReport)| {
        let mut findings = findings();
        change(&mut findings.horizon.distributions[0]);
        refused(findings)
    };
    assert!(matches!(of_values(|d| d.quantiles[1][4] = f64::NAN), Invalid::Value(_)));
    assert!(matches!(of_values(|d| d.quantiles[0][4] = -1.0), Invalid::Value(_)), "out of order");
    assert_eq!(of_values(|d| d.count[1] = NEGATIVE), Invalid::Count(NEGATIVE));
    assert!(matches!(
        of_values(|d| d.distances = Some(Distances { psi: -1.0, ..Distances::default() })),
        Invalid::Value(_)
    ));
    assert!(matches!(Findings::decode(&vec![0; super::MAX_BODY + 1], &digest), Err(Invalid::Size(_))));
}

/// -1, as it comes out of a varint that is read as a count.
const NEGATIVE: u64 = (-1_i64).cast_unsigned();

/// Tests of reports that somebody else made, with a digest that is right.
fn read(change: impl FnOnce(&mut v1::Findings)) -> Result<Findings, Invalid> {
    let mut findings = v1::Findings::decode(findings().encode().0.as_slice()).expect("ours");
    change(&mut findings);
    let body = findings.encode_to_vec();
    Findings::decode(&body, &Sha256::digest(&body))
}

#[test]
fn a_negative_count_is_refused_wherever_it_stands() {
    type Change = fn(&mut v1::Comparison);
    let changes: [Change; 18] = [
        |c| c.input.get_or_insert_default().points = NEGATIVE,
        |c| c.input_series.get_or_insert_default().value = NEGATIVE,
        |c| c.unassigned_points = NEGATIVE,
        |c| c.missing = NEGATIVE,
        |c| c.unwatched.get_or_insert_default().count = NEGATIVE,
        |c| c.lost[3].series = NEGATIVE,
        |c| c.lost_by_candidate.get_or_insert_default().value = NEGATIVE,
        |c| c.lenses[2].groups = NEGATIVE,
        |c| c.fates.get_or_insert_default().split = NEGATIVE,
        |c| c.fates.get_or_insert_default().by_metric[1].parts.get_or_insert_default().unit = NEGATIVE,
        |c| c.changed.get_or_insert_default().by_metric[1].points = NEGATIVE,
        |c| c.lenses[2].baseline_members = NEGATIVE,
        |c| c.coverage.get_or_insert_default().critical = NEGATIVE,
        |c| c.distributions[1].candidate_count = NEGATIVE,
        |c| c.candidate.get_or_insert_default().active_series = NEGATIVE,
        |c| c.candidate.get_or_insert_default().units.get_or_insert_default().value = NEGATIVE,
        |c| c.candidate.get_or_insert_default().delivery.get_or_insert_default().confirmed = NEGATIVE,
        |c| c.candidate.get_or_insert_default().rules[0].dropped = NEGATIVE,
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let refused = read(|found| change(found.total.get_or_insert_default()));
        assert_eq!(refused.expect_err("refused"), Invalid::Count(NEGATIVE), "change {place}");
    }
    let most = read(|found| found.total.get_or_insert_default().missing = super::MAX_COUNT).expect("taken");
    assert_eq!(most.total.missing.count, super::MAX_COUNT);
}

#[test]
fn more_rows_than_any_release_sends_are_refused_wherever_they_stand() {
    type Grow = fn(&mut v1::Comparison, usize);
    let lists: [Grow; 11] = [
        |c, n| c.lost = vec![v1::NamedCount::default(); n],
        |c, n| c.lenses = vec![v1::LensReport::default(); n],
        |c, n| c.lenses[0].worst = vec![v1::LensError::default(); n],
        |c, n| c.collisions = vec![v1::Collision::default(); n],
        |c, n| c.fates.get_or_insert_default().by_metric = vec![v1::MetricFates::default(); n],
        |c, n| c.fates.get_or_insert_default().by_attribute = vec![v1::AttributeFates::default(); n],
        |c, n| c.changed.get_or_insert_default().by_metric = vec![v1::ChangedMetric::default(); n],
        |c, n| c.missing_names = vec![String::new(); n],
        |c, n| c.coverage.get_or_insert_default().vanished = vec![v1::Vanished::default(); n],
        |c, n| c.candidate.get_or_insert_default().rules = vec![v1::RuleReport::default(); n],
        |c, n| c.price.get_or_insert_default().promoted_attributes = vec![String::new(); n],
    ];
    for (place, grow) in lists.into_iter().enumerate() {
        let with = |rows| read(|found| grow(found.horizon.get_or_insert_default(), rows));
        assert!(with(super::MAX_READ_ROWS).is_ok(), "list {place}");
        assert_eq!(
            with(super::MAX_READ_ROWS + 1),
            Err(Invalid::Rows(super::MAX_READ_ROWS + 1)),
            "list {place}"
        );
    }
}

#[test]
fn every_truncation_of_a_report_is_an_error() {
    let (body, digest) = findings().encode();
    for length in 0..body.len() {
        assert_eq!(Findings::decode(&body[..length], &digest), Err(Invalid::Digest), "{length} bytes");
    }
    // Cut before its digest was made: the last field is longer than what is left of it.
    let cut = &body[..body.len() - 1];
    assert!(matches!(Findings::decode(cut, &Sha256::digest(cut)), Err(Invalid::Encoding(_))));
}

#[test]
fn figures_that_contradict_each_other_are_refused() {
    let refused = |change: fn(&mut v1::Comparison)| {
        let found = read(|found| change(found.horizon.get_or_insert_default()));
        assert!(matches!(found, Err(Invalid::Value(_))), "{found:?}");
    };
    refused(|c| c.lenses[0].groups_that_differ = c.lenses[0].groups + 1);
    refused(|c| c.lost_by_candidate = Some(v1::Count { value: 6_301, exact: true }));
    refused(|c| c.fates.get_or_insert_default().lost = 12_601);
    refused(|c| c.changed.get_or_insert_default().by_metric[0].largest_absolute = f64::INFINITY);
    refused(|c| c.changed.get_or_insert_default().by_metric[0].largest_relative = Some(-1.0));
    refused(|c| c.candidate_only_collisions = Some(v1::Count { value: 4, exact: true }));
    refused(|c| c.sample = Some(v1::Sample { one_in: 1, ..v1::Sample::default() }));
    refused(|c| c.sample = Some(v1::Sample { one_in: 8, entities: f64::NAN, ..v1::Sample::default() }));
    refused(|c| c.distributions[0].baseline_quantiles = vec![1.0; 4]);
    refused(|c| c.lenses[0].worst[0].baseline = f64::NAN);
    refused(|c| c.lenses[1].worst_rows.get_or_insert_default().baseline[0] = f64::NAN);
    refused(|c| c.lenses[1].worst_rows.get_or_insert_default().baseline = vec![1.0; 3]);
    refused(|c| c.lenses[1].worst_rows.get_or_insert_default().gaps = vec![2; 8]);
    refused(|c| c.lenses[1].total_row.get_or_insert_default().groups.clear());
    refused(|c| c.lenses[1].limit = Some(v1::LensCounts { beyond: 1, ..v1::LensCounts::default() }));
    refused(|c| c.lenses[1].measured = Some(v1::LensMeasured { state: "so".into(), names: Vec::new() }));
    // Estimates may be off.
    let estimate = Some(v1::Count { value: 6_301, exact: false });
    assert!(read(|found| found.horizon.get_or_insert_default().lost_by_candidate = estimate).is_ok());
}

mod panels;
