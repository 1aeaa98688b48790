//! A report says the same on the other side, fits, and is refused where it cannot be true.

use observe::{
    Collision, Comparison, Count, Coverage, DeliveryReport, Distances, DistributionReport, LensError,
    LensReport, Missing, NamedCount, Price, RuleReport, SeriesSample, Vanished, VariantReport, Volume,
};

use super::{Findings, Invalid};

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
    let error = |at: u64| LensError::of(name("group", at), 1.1 * at as f64, 1.05 * at as f64);
    let rows = |n: u64| (0..n).map(named).collect::<Vec<_>>();
    Comparison {
        windows: 6,
        seconds: 60.0,
        exact: true,
        input: Volume { requests: 6, points: 12_600, bytes: 1_700_000 },
        input_series: Count { value: 6_300, exact: true },
        unassigned_points: 4,
        baseline: variant(2),
        candidate: variant(1),
        lost_by_candidate: Count { value: 17, exact: true },
        lost_by_metric: rows(21),
        lost: rows(50),
        lost_samples: (0..10)
            .map(|at| SeriesSample {
                metric: name("m", at),
                process: name("p", at),
                attributes: name("a", at),
            })
            .collect(),
        renamed: rows(21),
        merged: rows(21),
        split: rows(21),
        collisions: (0..20)
            .map(|at| Collision {
                metric: name("m", at),
                series: name("s", at),
                writers: [name("w", at), name("v", at)],
            })
            .collect(),
        lenses: (0..9)
            .map(|at| LensReport {
                name: name("lens", at),
                metric: name("metric", at),
                group_by: "process.executable.name".into(),
                function: observe::LensFunction::WORDS[at as usize % 5].1,
                members: [300 * at, 299],
                total: error(at),
                groups: 300,
                groups_that_differ: 299,
                worst: (0..10).map(error).collect(),
                truncated: at == 3,
            })
            .collect(),
        coverage: Coverage {
            critical: 150,
            baseline: 150,
            candidate: 50,
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
    }
}

#[test]
fn what_was_found_reads_back() {
    let sent = Findings { total: Comparison::default().with_savings(), ..findings() };
    let (body, digest) = sent.encode();
    let read = Findings::decode(&body, &digest).expect("reads");
    assert_eq!(read.candidate_cut, sent.candidate_cut);
    assert_eq!((read.window_end, read.made_at, read.weight_bp), (sent.window_end, sent.made_at, 2_500));
    assert_eq!(read.horizon.lost.len(), super::MAX_ROWS);
    assert_eq!(read.horizon.saving, sent.horizon.saving);
    assert_eq!(read.horizon.baseline, sent.horizon.baseline);
    assert_eq!(read.horizon.lenses[3].total, sent.horizon.lenses[3].total);
    assert_eq!(read.horizon.lenses[3].function, sent.horizon.lenses[3].function);
    assert_eq!(read.horizon.lenses[3].members, sent.horizon.lenses[3].members);
    assert_eq!(read.horizon.coverage.critical, 150);
    assert_eq!(read.horizon.distributions[..], sent.horizon.distributions[..8]);
    assert_eq!((&read.horizon.missing, &read.horizon.price), (&sent.horizon.missing, &sent.horizon.price));
}

#[test]
fn the_fullest_report_is_at_most_8_kilobytes_compressed() {
    let (body, _) = findings().encode();
    let compressed = zstd::encode_all(body.as_slice(), 3).expect("compresses").len();
    assert!(compressed <= 8_000, "{compressed} bytes of {}", body.len());
}

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
    assert!(matches!(with(|f| f.horizon.lenses[0].total.candidate = f64::INFINITY), Invalid::Value(_)));
    assert!(matches!(with(|f| f.horizon.candidate.nanos_per_point = Some(-1.0)), Invalid::Value(_)));
    let of_values = |change: fn(&mut DistributionReport)| {
        let mut findings = findings();
        change(&mut findings.horizon.distributions[0]);
        refused(findings)
    };
    assert!(matches!(of_values(|d| d.quantiles[1][4] = f64::NAN), Invalid::Value(_)));
    assert!(matches!(
        of_values(|d| d.distances = Some(Distances { psi: -1.0, ..Distances::default() })),
        Invalid::Value(_)
    ));
    assert!(matches!(Findings::decode(&vec![0; super::MAX_BODY + 1], &digest), Err(Invalid::Size(_))));
}
