use proptest::prelude::*;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::*;

fn alpha() -> Alpha {
    Alpha::new(0.05).unwrap()
}

fn after(means: &[f64]) -> StretchProcess {
    let mut evidence = StretchProcess::new(HarmDirection::Higher, 1.0).unwrap();
    (0..).zip(means).for_each(|(block, mean)| evidence.observe(block, *mean).unwrap());
    evidence
}

fn has_rejected(evidence: &StretchProcess) -> bool {
    evidence.peak_log_e() >= alpha().log_threshold()
}

/// The definition: Σ w · mean over λ of Π(1 + λy) from each start on, and what has not started.
fn by_definition(means: &[f64]) -> f64 {
    let mut e = 0.0;
    let mut kept = 1.0;
    for (k, start) in (1..).zip((0..means.len()).step_by(4)) {
        let weight = 1.0 / f64::from(k * (k + 1));
        kept -= weight;
        let product =
            |bet: f64| means[start..].iter().map(|y| 1.0 + bet * y.clamp(-1.0, 1.0)).product::<f64>();
        e += weight * BETS.map(product).iter().sum::<f64>() / BETS.len() as f64;
    }
    e + kept
}

#[test]
fn harm_that_begins_late_is_found_and_its_stretch_is_told() {
    // Ten days far inside the margin, then past it.
    let mut means = vec![-1.0; 480];
    means.extend([0.8; 40]);
    let evidence = after(&means);
    assert!(has_rejected(&evidence));
    let first = (480..520).find(|end| has_rejected(&after(&means[..*end]))).unwrap();
    assert!(first - 480 <= 32, "found after {} blocks", first - 480);
    assert_eq!(evidence.stretch(), Some((480, 519)));
    // The same by a gambler who started with the first block.
    let mut plain = super::super::EProcess::new(HarmDirection::Higher, 1.0).unwrap();
    means.iter().for_each(|mean| plain.observe(*mean).unwrap());
    assert!(!plain.rejects(alpha()));
}

#[test]
fn a_stretch_that_has_passed_stays_found_and_ends_where_it_ended() {
    let mut means = vec![-0.5; 20];
    means.extend([0.9; 20]);
    means.extend([-0.9; 60]);
    let evidence = after(&means);
    assert!(evidence.log_e() < 0.0 && has_rejected(&evidence));
    assert_eq!(evidence.stretch(), Some((20, 39)));
}

#[test]
fn the_rule_fires_no_earlier_than_it_says() {
    assert_eq!(minimum_blocks(alpha(), 1.0), Some(9));
    for share in [1.0, 0.5, 0.5 / 20.0, 0.5 / 10_000.0] {
        let least = minimum_blocks(alpha(), share).unwrap() as usize;
        let reaches = |n: usize| after(&vec![f64::MAX; n]).log_e() + share.ln() >= alpha().log_threshold();
        assert!(reaches(least) && !reaches(least - 1), "share {share}: {least}");
    }
    for never in [0.0, -1.0, 1.1, f64::NAN] {
        assert_eq!(minimum_blocks(alpha(), never), None);
    }
    assert!(minimum_blocks(Alpha::new(f64::MIN_POSITIVE).unwrap(), f64::MIN_POSITIVE).is_some());
}

#[test]
fn what_is_no_number_is_refused_and_changes_nothing() {
    let mut evidence = after(&[0.4]);
    let before = evidence.clone();
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(evidence.observe(1, wrong), Err(BettingError::NotFinite(_))));
    }
    assert_eq!(evidence, before);
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(StretchProcess::new(HarmDirection::Lower, wrong), Err(BettingError::Clip(_))));
    }
    assert_eq!(after(&[]).stretch(), None);
}

#[test]
fn alarms_stay_rare_where_every_block_is_at_the_margin_or_inside() {
    const RUNS: usize = 1_000;
    // Fair coins; rare large gains paid by small losses; a cycle whose peak touches the margin.
    for law in 0..3 {
        let mut rng = Pcg64Mcg::new(0x5EED + law as u128);
        let mut alarms = 0;
        for _ in 0..RUNS {
            let mut evidence = StretchProcess::new(HarmDirection::Higher, 1.0).unwrap();
            for block in 0..100_u64 {
                let u: f64 = rng.random();
                let mean = match law {
                    0 => 2.0 * (2.0 * u).floor() - 1.0,
                    1 if u < 0.05 => 1.0,
                    1 => -1.0 / 19.0,
                    _ => u - 1.0 + 0.5 * (block as f64 / 8.0).sin(),
                };
                evidence.observe(block, mean).unwrap();
            }
            alarms += usize::from(has_rejected(&evidence));
        }
        assert!(alarms * 20 <= RUNS, "law {law}: {alarms} alarms in {RUNS}");
    }
}

proptest! {
    #[test]
    fn evidence_is_that_of_the_definition(means in proptest::collection::vec(-2.0_f64..2.0, 0..60)) {
        let (found, expected) = (after(&means).log_e(), by_definition(&means).ln());
        prop_assert!((found - expected).abs() < 1e-9, "{} for {}", found, expected);
    }

    #[test]
    fn any_number_is_evidence_or_an_error(clip in any::<f64>(), means in proptest::collection::vec(any::<f64>(), 0..20)) {
        let Ok(mut evidence) = StretchProcess::new(HarmDirection::Lower, clip) else { return Ok(()) };
        for (block, mean) in (0..).zip(means) {
            prop_assert_eq!(evidence.observe(block, mean).is_ok(), mean.is_finite());
        }
        prop_assert!(evidence.log_e().is_finite());
        prop_assert!(evidence.stretch().is_none_or(|(from, to)| from <= to));
    }
}
