//! Patterns that the data brings: each row by its own, compiled once while they are the same few.

use super::*;

const PROCESSORS: &str = "  filter: { metrics: { datapoint: ['IsMatch(metric.name, resource.attributes[\"pattern\"])'] } }
  transform: { metric_statements: ['replace_pattern(resource.attributes[\"a\"], resource.attributes[\"pattern\"], \"y\")'] }";

fn left(list: &str, patterns: impl Iterator<Item = String>) -> Vec<String> {
    let of = |(at, pattern): (usize, String)| {
        let attributes = vec![text("pattern", &pattern), text("a", "abc")];
        resource(attributes, vec![gauge(&format!("metric.{}", at % 2), &[(1, &[])])])
    };
    let input = batch(patterns.enumerate().map(of).collect());
    let mut out = Batch::default();
    pipeline(PROCESSORS, list).process(&input, 0, &mut out).unwrap();
    let value = |row: &crate::batch::ResourceRow| {
        out.attribute(row.attrs, b"a").and_then(crate::batch::Value::as_text).unwrap_or("-").to_owned()
    };
    out.resources().iter().map(value).collect()
}

#[test]
fn each_row_is_matched_by_its_own_pattern_and_one_that_is_none_drops_and_changes_nothing() {
    let patterns = || ["0$", "0$", "b+", "(", "c"].into_iter().map(str::to_owned);
    assert_eq!(
        left("filter", patterns()).len(),
        3,
        "the first goes by its last character, the last by its c"
    );
    assert_eq!(left("transform", patterns()), ["abc", "abc", "ayc", "abc", "aby"]);
}

#[test]
fn a_pattern_that_every_row_brings_costs_what_one_costs() {
    // Compiled anew for each of the rows, these would take minutes.
    let costly = |at: usize| format!("(x[a-z]{{1,40}}y{{1,40}}){{1,3}}{at}|b");
    let rows = left("transform", (0..20_000).map(|row| costly(row % 4)));
    assert!(rows.len() == 20_000 && rows.iter().all(|value| value == "ayc"));
}

#[test]
fn a_pattern_that_costs_too_much_is_none_of_the_datas() {
    let large = format!("b|{}", "[a-y]{1,200}[b-z]".repeat(8));
    assert_eq!(left("transform", [large, "b".to_owned()].into_iter()), ["abc", "ayc"]);
}
