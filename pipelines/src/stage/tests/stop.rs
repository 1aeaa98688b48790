//! A pipeline that is stopped in the midst of a batch does a few hundred rows and statements more, and says so.

use std::cell::Cell;

use super::*;

/// Resources of a batch.
const RESOURCES: usize = 2_000;

fn input() -> Batch {
    let of = |at: usize| {
        resource(vec![text("a", "x"), text("at", &at.to_string())], vec![gauge("m", &[(1, &[])])])
    };
    batch((0..RESOURCES).map(of).collect())
}

/// Runs it until it was asked so often; tells the asks, the resources on which it has done something, and how it went.
fn stopped(processor: &str, after: usize) -> (usize, usize, Result<(), Refusal>) {
    let mut pipeline = pipeline(&format!("  {processor}"), processor.split(':').next().unwrap());
    let (mut out, asked) = (Batch::default(), Cell::new(0));
    let outcome = pipeline.process_until(&input(), 0, &mut out, &|| {
        asked.set(asked.get() + 1);
        asked.get() >= after
    });
    let untouched = out
        .resources()
        .iter()
        .filter(|row| out.attribute(row.attrs, b"a").and_then(crate::batch::Value::as_text) == Some("x"));
    (asked.get(), RESOURCES - untouched.count(), outcome)
}

const REPLACE: &str =
    "transform: { metric_statements: ['replace_pattern(resource.attributes[\"a\"], \"^x$$\", \"y\")'] }";
const FILTER: &str = "filter: { metrics: { datapoint: ['value_int == 1'] } }";

#[test]
fn a_transform_ends_within_a_few_statements_and_is_not_asked_again() {
    let (asked, touched, outcome) = stopped(REPLACE, 5);
    assert_eq!(asked, 5);
    assert!((1..RESOURCES / 10).contains(&touched), "{touched}");
    assert!(outcome.unwrap_err().to_string().contains("it was stopped"));
    let (_, touched, outcome) = stopped(REPLACE, usize::MAX);
    assert_eq!((touched, outcome), (RESOURCES, Ok(())));
}

#[test]
fn a_filter_ends_within_a_few_rows() {
    let (asked, dropped, outcome) = stopped(FILTER, 3);
    assert_eq!(asked, 3);
    assert!(dropped < RESOURCES / 2 && outcome.is_err(), "{dropped}");
    let (_, dropped, outcome) = stopped(FILTER, usize::MAX);
    assert_eq!((dropped, outcome), (RESOURCES, Ok(())));
}

#[test]
fn a_batch_that_is_not_wanted_reaches_no_stage() {
    let (asked, touched, outcome) = stopped(REPLACE, 1);
    assert_eq!((asked, touched), (1, 0));
    assert!(!outcome.unwrap_err().passed_on);
}
