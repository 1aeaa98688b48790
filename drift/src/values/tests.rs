use std::collections::BTreeMap;

use proptest::prelude::*;
use sketches_ddsketch::{Config, DDSketch};

use super::*;

fn of(values: &[f64]) -> Values {
    let mut sketch = Values::default();
    values.iter().for_each(|value| sketch.add(*value).unwrap());
    sketch
}

fn merged(a: &Values, b: &Values) -> Values {
    let mut merged = a.clone();
    merged.merge(b).unwrap();
    merged
}

/// Of every scale, and so far apart that bins run out.
fn any_values() -> impl Strategy<Value = Vec<f64>> {
    let value =
        (-40.0_f64..300.0, -1_i8..=1).prop_map(|(exponent, sign)| f64::from(sign) * 10.0_f64.powf(exponent));
    let near =
        (-6.0_f64..6.0, -1_i8..=1).prop_map(|(exponent, sign)| f64::from(sign) * 10.0_f64.powf(exponent));
    // Many in one bin, zeros too.
    let same = (-6_i8..6).prop_map(|whole| f64::from(whole) / 200.0 + f64::from(whole.signum()));
    let many = |value| proptest::collection::vec(value, 0..60);
    prop_oneof![many(value.boxed()), many(near.boxed()), many(same.boxed())]
}

#[test]
fn the_width_of_bins_and_the_range_are_as_stated() {
    assert!((config().gamma - 1.040_816).abs() < 1e-6);
    assert!((Config::new(0.01, 2048, SMALLEST).gamma - 1.020_202).abs() < 1e-6);
    let bins = |alpha| (31_557_600.0_f64 / 80e-6).ln() / Config::new(alpha, 1, SMALLEST).gamma.ln();
    assert_eq!(bins(0.01).ceil(), 1335.0, "80 µs to a year");
    let decades = (f64::from(MAX_BINS) * config().gamma.ln()) / 10.0_f64.ln();
    assert!((8.8..9.0).contains(&decades), "{decades}");
}

#[test]
fn quantiles_are_within_two_percent_and_extremes_exact() {
    let values: Vec<f64> = (1..=100_000).map(|i| f64::from(i) * f64::from(i)).collect();
    let sketch = of(&values);
    for q in [0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0] {
        let expected = values[(q * 99_999.0) as usize];
        let found = sketch.quantile(q).unwrap();
        assert!(
            (found / expected - 1.0).abs() <= if q == 0.0 || q == 1.0 { 0.0 } else { 0.0201 },
            "{q}: {found}"
        );
    }
    assert_eq!(sketch.quantile(1.5), None);
    assert_eq!(sketch.quantile(f64::NAN), None);
    assert_eq!(Values::default().quantile(0.5), None);
    assert_eq!(of(&[7.0]).quantile(0.5), Some(7.0), "no bin's middle, which nobody saw");
}

#[test]
fn what_is_no_number_is_refused_and_not_counted() {
    let mut sketch = of(&[1.0]);
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(sketch.add(wrong), Err(ValuesError::NotFinite(_))));
    }
    assert_eq!(sketch, of(&[1.0]));
}

#[test]
fn a_full_sketch_takes_nothing_more_and_stays_as_it_was() {
    let mut full = DDSketch::new(config());
    full.add_with_count(1.0, MAX_COUNT);
    let mut full = Values::from_bytes(&full.to_java_bytes()).unwrap();
    assert_eq!(full.count(), MAX_COUNT);
    assert_eq!(full.add(1.0), Err(ValuesError::TooMany));
    assert_eq!(full.merge(&of(&[1.0])), Err(ValuesError::TooMany));
    assert_eq!(full.count(), MAX_COUNT);
    let mut overfull = DDSketch::new(config());
    overfull.add_with_count(1.0, MAX_COUNT);
    overfull.add_with_count(5.0, MAX_COUNT);
    assert!(matches!(Values::from_bytes(&overfull.to_java_bytes()), Err(ValuesError::Invalid { .. })));
}

#[test]
fn sketches_of_other_parameters_are_refused() {
    let mut other = DDSketch::new(Config::new(0.01, MAX_BINS, SMALLEST));
    other.add(5.0);
    let error = Values::from_bytes(&other.to_java_bytes()).unwrap_err();
    assert!(
        matches!(error, ValuesError::Parameters { found, .. } if (found - 1.0202).abs() < 1e-4),
        "{error}"
    );
    let mut more = DDSketch::new(Config::new(ALPHA, 2048, SMALLEST));
    (0..300).for_each(|exponent| more.add(1.5_f64.powi(exponent)));
    assert!(matches!(Values::from_bytes(&more.to_java_bytes()), Err(ValuesError::Invalid { .. })));
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = of(&[-3.0, 0.0, 1.0, 1e6, 1e6]).to_bytes();
    for length in 0..bytes.len() {
        assert!(Values::from_bytes(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
    }
    assert!(Values::from_bytes(&[bytes.as_slice(), &bytes].concat()).is_err(), "nothing twice");
}

#[test]
fn a_sketch_whose_extremes_are_not_in_its_bins_is_refused() {
    let bytes = of(&[1.0, 2.0, 3.0]).to_bytes();
    let three = 3.0_f64.to_le_bytes();
    let at = bytes.windows(8).position(|eight| eight == three).unwrap();
    for wrong in [2.0, 1e300, -1e300, 0.0, f64::NAN, f64::INFINITY] {
        let mut changed = bytes.clone();
        changed[at..at + 8].copy_from_slice(&f64::to_le_bytes(wrong));
        assert!(matches!(Values::from_bytes(&changed), Err(ValuesError::Invalid { .. })), "{wrong}");
    }
}

proptest! {
    #[test]
    fn merging_parts_in_any_order_is_the_whole(a in any_values(), b in any_values(), c in any_values()) {
        let whole = of(&[a.clone(), b.clone(), c.clone()].concat());
        let (a, b, c) = (of(&a), of(&b), of(&c));
        prop_assert_eq!(&merged(&merged(&a, &b), &c), &whole);
        prop_assert_eq!(&merged(&a, &merged(&b, &c)), &whole);
        prop_assert_eq!(&merged(&merged(&c, &a), &b), &whole);
        prop_assert_eq!(&merged(&a, &Values::default()), &a);
        prop_assert_eq!(&merged(&Values::default(), &a), &a);
    }

    #[test]
    fn bins_are_the_logarithms_rounded_down_with_the_lowest_ones_put_together(values in any_values()) {
        let mut expected: [BTreeMap<i32, u64>; 2] = Default::default();
        for sign in [-1.0, 1.0] {
            let keys = || values.iter().filter(|v| *v * sign > SMALLEST).map(|v| config().key(v * sign));
            let lowest = keys().max().unwrap_or(0) - MAX_BINS as i32 + 1;
            let bins = &mut expected[usize::from(sign > 0.0)];
            keys().for_each(|key| *bins.entry(key.max(lowest)).or_default() += 1);
        }
        let zeros = values.iter().filter(|v| v.abs() <= SMALLEST).count() as u64;
        let mut counts: Vec<u64> = expected[0].values().rev().copied().collect();
        counts.extend((zeros > 0).then_some(zeros));
        counts.extend(expected[1].values());
        let found = of(&values).bins();
        prop_assert_eq!(found.iter().map(|bin| bin.1).collect::<Vec<_>>(), counts);
        prop_assert!(found.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn what_was_written_is_read_and_goes_on_merging(values in any_values(), more in any_values()) {
        let sketch = of(&values);
        let back = Values::from_bytes(&sketch.to_bytes()).unwrap();
        prop_assert_eq!(&back, &sketch);
        for q in [0.0, 0.3, 0.5, 0.9, 1.0] {
            prop_assert_eq!(back.quantile(q), sketch.quantile(q));
        }
        prop_assert_eq!(merged(&back, &of(&more)), merged(&sketch, &of(&more)));
    }

    #[test]
    fn any_bytes_are_a_sketch_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = Values::from_bytes(&bytes);
    }

    #[test]
    fn a_damaged_sketch_is_refused_or_a_sound_one(values in any_values(), damage in proptest::collection::vec(
        (any::<proptest::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = of(&values).to_bytes();
        for (at, byte) in damage {
            *at.get_mut(&mut bytes) = byte;
        }
        if let Ok(sketch) = Values::from_bytes(&bytes) {
            prop_assert_eq!(sketch.bins().iter().map(|bin| bin.1).sum::<u64>(), sketch.count());
            prop_assert_eq!(&Values::from_bytes(&sketch.to_bytes()).unwrap(), &sketch);
            let _ = merged(&sketch, &of(&values));
        }
    }

    #[test]
    fn any_values_are_counted_or_refused(values in proptest::collection::vec(any::<f64>(), 0..40)) {
        let mut sketch = Values::default();
        let added = values.iter().filter(|value| sketch.add(**value).is_ok()).count();
        prop_assert_eq!(added, values.iter().filter(|value| value.is_finite()).count());
        prop_assert_eq!(sketch.count(), added as u64);
        for q in [0.0, 0.5, 1.0] {
            prop_assert_eq!(sketch.quantile(q).is_some_and(f64::is_finite), added > 0);
        }
    }
}
