use proptest::prelude::*;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::*;

fn alpha() -> Alpha {
    Alpha::new(0.05).unwrap()
}

fn after(direction: HarmDirection, blocks: &[f64]) -> EProcess {
    let mut evidence = EProcess::new(direction, 1.0).unwrap();
    blocks.iter().for_each(|y| evidence.observe(*y).unwrap());
    evidence
}

fn close(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{found} is not {expected} ± {within}");
}

#[test]
fn e_values_of_short_sequences_are_those_computed_by_hand() {
    close(after(HarmDirection::Higher, &[0.5, -0.2, 0.8, 0.1, 0.4]).log_e(), 0.543_625, 5e-7);
    close(after(HarmDirection::Higher, &[0.5; 10]).log_e(), 2.328_838_2, 5e-8);
    close(after(HarmDirection::Higher, &[-0.3; 10]).log_e(), -0.759_906_3, 5e-8);
    for (blocks, e) in [(5, 7.190), (6, 11.981), (7, 20.471)] {
        close(after(HarmDirection::Higher, &vec![1.0; blocks]).log_e().exp(), e, 5e-4);
    }
    assert_eq!(after(HarmDirection::Higher, &[]).log_e(), 0.0);
}

#[test]
fn thousands_of_blocks_stay_finite_on_both_sides() {
    for sign in [1.0, -1.0] {
        let evidence = after(HarmDirection::Higher, &vec![sign; 20_000]);
        assert!(evidence.log_e().is_finite());
        assert_eq!(evidence.rejects(alpha()), sign > 0.0);
    }
}

#[test]
fn what_is_no_number_is_refused_and_changes_nothing() {
    let mut evidence = after(HarmDirection::Lower, &[-0.4]);
    let before = evidence.clone();
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(evidence.observe(wrong), Err(BettingError::NotFinite(_))));
    }
    assert_eq!(evidence, before);
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(EProcess::new(HarmDirection::Higher, wrong), Err(BettingError::Clip(_))));
    }
    let other = EProcess::new(HarmDirection::Higher, 1.0).unwrap();
    assert!(matches!(evidence.merge(&other), Err(BettingError::OtherQuestion { .. })));
}

#[test]
fn stored_evidence_comes_back_and_damaged_evidence_does_not() {
    let evidence = after(HarmDirection::Higher, &[0.5, -0.2, 0.8]);
    let json = serde_json::to_string(&evidence).unwrap();
    let mut back: EProcess = serde_json::from_str(&json).unwrap();
    assert_eq!(back.blocks(), 3);
    close(back.log_e(), evidence.log_e(), 1e-12);
    back.merge(&evidence).unwrap();
    close(back.log_e(), after(HarmDirection::Higher, &[0.5, -0.2, 0.8, 0.5, -0.2, 0.8]).log_e(), 1e-12);
    let too_few_blocks = json.replace("\"blocks\":3", "\"blocks\":0");
    let error = serde_json::from_str::<EProcess>(&too_few_blocks).unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
    assert!(serde_json::from_str::<EProcess>(&json.replace("\"clip\":1.0", "\"clip\":-1.0")).is_err());
}

/// Bounded laws of mean zero, the last one skewed: −1 once in 20, +1/19 else.
fn draw(law: usize, rng: &mut Pcg64Mcg) -> f64 {
    let u: f64 = rng.random();
    match law {
        0 => 2.0 * u - 1.0,
        1 if u < 0.5 => 1.0,
        1 => -1.0,
        _ if u < 0.05 => -1.0,
        _ => 1.0 / 19.0,
    }
}

#[test]
fn wealth_does_not_grow_on_average_and_alarms_stay_rare_under_the_null() {
    const RUNS: usize = 20_000;
    const BLOCKS: usize = 12;
    for law in 0..3 {
        let mut rng = Pcg64Mcg::new(0xD81F7 + law as u128);
        let (mut total, mut squares, mut alarms) = (0.0, 0.0, 0);
        for _ in 0..RUNS {
            let mut evidence = EProcess::new(HarmDirection::Higher, 1.0).unwrap();
            let mut alarmed = false;
            for _ in 0..BLOCKS {
                evidence.observe(draw(law, &mut rng)).unwrap();
                alarmed |= evidence.rejects(alpha());
            }
            let e = evidence.log_e().exp();
            total += e;
            squares += e * e;
            alarms += usize::from(alarmed);
        }
        let (mean, runs) = (total / RUNS as f64, RUNS as f64);
        let error = ((squares / runs - mean * mean) / runs).sqrt();
        assert!(mean <= 1.0 + 4.0 * error, "law {law}: mean of E {mean} ± {error}");
        assert!(alarms as f64 / runs <= 0.05, "law {law}: {alarms} alarms in {RUNS}");
    }
}

proptest! {
    #[test]
    fn more_on_its_side_never_is_less_evidence(mut blocks in proptest::collection::vec(-2.0_f64..2.0, 1..40),
                                               at in any::<proptest::sample::Index>(), more in 0.0_f64..2.0) {
        let before = after(HarmDirection::Higher, &blocks).log_e();
        *at.get_mut(&mut blocks) += more;
        prop_assert!(after(HarmDirection::Higher, &blocks).log_e() >= before - 1e-12);
    }

    #[test]
    fn one_side_is_the_mirror_image_of_the_other(blocks in proptest::collection::vec(-2.0_f64..2.0, 0..40)) {
        let mirrored: Vec<f64> = blocks.iter().map(|y| -y).collect();
        prop_assert_eq!(after(HarmDirection::Higher, &blocks).log_e(), after(HarmDirection::Lower, &mirrored).log_e());
    }

    #[test]
    fn merging_parts_is_the_whole_in_any_order(parts in proptest::collection::vec(
        proptest::collection::vec(-2.0_f64..2.0, 0..40), 3)) {
        let whole = after(HarmDirection::Higher, &parts.concat());
        let [a, b, c] = [0, 1, 2].map(|part| after(HarmDirection::Higher, &parts[part]));
        let merged = |x: &EProcess, y: &EProcess| { let mut x = x.clone(); x.merge(y).unwrap(); x };
        for other in [merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)), merged(&merged(&c, &a), &b)] {
            prop_assert_eq!(other.blocks(), whole.blocks());
            prop_assert!((other.log_e() - whole.log_e()).abs() < 1e-9);
        }
        prop_assert_eq!(merged(&a, &after(HarmDirection::Higher, &[])), a);
    }

    #[test]
    fn any_number_is_evidence_or_an_error(clip in any::<f64>(), blocks in proptest::collection::vec(any::<f64>(), 0..20)) {
        let Ok(mut evidence) = EProcess::new(HarmDirection::Lower, clip) else { return Ok(()) };
        for block in blocks {
            prop_assert_eq!(evidence.observe(block).is_ok(), block.is_finite());
        }
        prop_assert!(evidence.log_e().is_finite());
        prop_assert!(evidence.log_e() <= 0.642 * evidence.blocks() as f64);
        let json = serde_json::to_string(&evidence).unwrap();
        prop_assert!(serde_json::from_str::<EProcess>(&json).is_ok());
    }
}
