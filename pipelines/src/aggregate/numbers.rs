//! Aggregations of numbers. The kind of the first point decides.

use crate::batch::{Number, PointRow};
use crate::ottl::cut;

use super::Aggregation;

/// The value that a group's values become.
pub(super) fn merged(group: &[PointRow], by: Aggregation) -> Number {
    match group[0].value {
        Number::None => Number::None,
        Number::Double(first) => Number::Double(doubles(first, &group[1..], by)),
        Number::Int(first) => Number::Int(integers(first, &group[1..], by)),
    }
}

fn doubles(first: f64, rest: &[PointRow], by: Aggregation) -> f64 {
    let count = (rest.len() + 1) as f64;
    let values = rest.iter().map(|point| point.value.as_f64().unwrap_or(0.0));
    match by {
        Aggregation::Sum => values.fold(first, |sum, value| sum + value),
        Aggregation::Mean => values.fold(first, |sum, value| sum + value) / count,
        Aggregation::Max => values.fold(first, greater),
        Aggregation::Min => values.fold(first, |a, b| -greater(-a, -b)),
        Aggregation::First => first,
        Aggregation::Count if rest.is_empty() => first,
        Aggregation::Count => count,
        Aggregation::Median => {
            let mut all: Vec<f64> = std::iter::once(first).chain(values).collect();
            all.sort_by(|a, b| a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan())));
            let middle = all.len() / 2;
            if all.len() % 2 == 1 { all[middle] } else { (all[middle - 1] + all[middle]) / 2.0 }
        }
    }
}

/// Infinity is greater than what is no number, which is greater than every number; 0 is greater than -0.
fn greater(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

/// Doubles add as 0 and are cut off otherwise; means and medians are cut off too.
fn integers(first: i64, rest: &[PointRow], by: Aggregation) -> i64 {
    let count = (rest.len() + 1) as i64;
    let own = |point: &PointRow| if let Number::Int(value) = point.value { value } else { 0 };
    let converted = |point: &PointRow| match point.value {
        Number::Int(value) => value,
        Number::Double(value) => cut(value),
        Number::None => 0,
    };
    let sum = || rest.iter().fold(first, |sum, point| sum.wrapping_add(own(point)));
    match by {
        Aggregation::Sum => sum(),
        Aggregation::Mean => sum().wrapping_div(count),
        Aggregation::Max => rest.iter().map(converted).fold(first, i64::max),
        Aggregation::Min => rest.iter().map(converted).fold(first, i64::min),
        Aggregation::First => first,
        Aggregation::Count if rest.is_empty() => first,
        Aggregation::Count => count,
        Aggregation::Median => {
            let mut all: Vec<i64> = std::iter::once(first).chain(rest.iter().map(converted)).collect();
            all.sort_unstable();
            let middle = all.len() / 2;
            if all.len() % 2 == 1 {
                all[middle]
            } else {
                all[middle - 1].wrapping_add(all[middle]).wrapping_div(2)
            }
        }
    }
}
