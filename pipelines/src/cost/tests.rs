//! Limits of what a config costs: what passes them is named with its figure, its limit, its component and its place.

use crate::config::{CollectorFile, Plan};
use crate::template::Template;
use crate::yaml::{Location, Problem, Problems};

use super::*;

fn check(config: &str) -> Result<Plan, Problems> {
    CollectorFile::parse("nasty.yaml", config, &|_| None)?.check("metrics")
}

fn refused(config: &str) -> Vec<Problem> {
    check(config).expect_err("refused").problems
}

fn pipeline(processors: &str, names: &str) -> String {
    format!("processors:\n{processors}service:\n  pipelines:\n    metrics:\n      processors: [{names}]\n")
}

fn names_by(patterns: &[String]) -> String {
    format!("{{ metrics: {{ exclude: {{ match_type: regexp, metric_names: [{}] }} }} }}", patterns.join(", "))
}

/// 200 patterns of nearly 4 MiB each, in 9.6 kB: with them every agent they reached was killed, again and again.
fn two_hundred() -> Vec<String> {
    (0..200).map(|i| format!("'((a{{1000}}){{20}}){{5}}|{i:06}'")).collect()
}

#[test]
fn two_hundred_patterns_of_megabytes_are_refused_by_their_sum() {
    let processors = format!("  filter/big: {}\n", names_by(&two_hundred()));
    let problems = refused(&pipeline(&processors, "filter/big"));
    let first = &problems[0].message;
    assert!(first.contains("of filter/big,") && first.contains("16777216 together"), "{first}");
    assert!(first.contains("use fewer or simpler ones"), "{first}");
    assert_eq!(problems[0].location.line, 2, "{problems:?}");
    // Those behind it are not compiled, and not complained of.
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn patterns_of_all_components_of_a_pipeline_count_together() {
    let half = |from: usize| {
        names_by(&(from..from + 6).map(|i| format!("'(a{{1000}}){{20}}{i}'")).collect::<Vec<_>>())
    };
    let processors = format!("  filter/a: {}\n  filter/b: {}\n", half(0), half(6));
    check(&pipeline(&processors, "filter/a")).expect("half of them");
    check(&pipeline(&processors, "filter/b")).expect("the other half");
    let problems = refused(&pipeline(&processors, "filter/a, filter/b"));
    assert!(problems[0].message.contains("as of filter/b,"), "{problems:?}");
    assert_eq!(problems[0].location.line, 3, "{problems:?}");
}

#[test]
fn equal_patterns_are_compiled_once_and_count_once() {
    let same: Vec<String> = (0..200).map(|_| "'(a{1000}){20}'".to_owned()).collect();
    check(&pipeline(&format!("  filter: {}\n", names_by(&same)), "filter")).expect("one pattern");
}

#[test]
fn a_thousand_groups_are_refused_for_the_caches_that_they_would_fill() {
    let problems = refused(&pipeline(
        &format!("  filter: {}\n", names_by(&[format!("'{}'", "()".repeat(5_000))])),
        "filter",
    ));
    assert!(problems[0].message.contains("whose caches may grow to"), "{problems:?}");
}

#[test]
fn classes_without_case_are_refused_by_the_steps_that_they_take() {
    let patterns: Vec<String> = (0..50).map(|i| format!("'(?i)[!-\u{10ffff}]{i}'")).collect();
    let problems = refused(&pipeline(&format!("  filter: {}\n", names_by(&patterns)), "filter"));
    assert!(problems[0].message.contains("20000000 steps to read"), "{problems:?}");
}

#[test]
fn statements_and_what_counts_as_one_are_counted_over_all_components() {
    let statements: Vec<String> = (0..MAX_STATEMENTS).map(|i| format!("'set(name, \"{i}\")'")).collect();
    let transform = format!(
        "  transform: {{ metric_statements: [{{ context: metric, statements: [{}] }}] }}\n",
        statements.join(", ")
    );
    check(&pipeline(&transform, "transform")).expect("as many as there may be");
    let more = format!("{transform}  filter: {{ metrics: {{ metric: ['name == \"a\"'] }} }}\n");
    let problems = refused(&pipeline(&more, "transform, filter"));
    assert!(problems[0].message.contains("as of filter, has more than 2000 statements"), "{problems:?}");
}

#[test]
fn more_processors_than_a_pipeline_may_have_are_refused_with_their_number() {
    let processors: String = (0..101).map(|i| format!("  filter/{i}: {{}}\n")).collect();
    let names: Vec<String> = (0..101).map(|i| format!("filter/{i}")).collect();
    let problems = refused(&pipeline(&processors, &names.join(", ")));
    assert!(problems[0].message.contains("names 101 components"), "{problems:?}");
    assert_eq!(problems[0].expected.as_deref(), Some("at most 100"));
}

#[test]
fn a_file_says_a_hundred_problems_and_how_many_more_there_are() {
    let config = (0..1_000).map(|i| format!("key{i}: 1\n")).collect::<String>();
    let problems = CollectorFile::parse("f", &config, &|_| None).expect_err("refused").problems;
    assert_eq!(problems.len(), 100, "of one map, the first hundred: {problems:?}");
    let lists = (0..500).map(|i| format!("receiver{i}/: 1\n")).collect::<String>();
    let wrong: String = lists.lines().map(|line| format!("  {line}\n")).collect();
    let problems =
        CollectorFile::parse("f", &format!("receivers:\n{wrong}"), &|_| None).expect_err("refused").problems;
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[100].message, "and 400 more problems from here on");
}

#[test]
fn a_chain_of_operators_does_not_overflow_the_stack() {
    let condition = format!("1 == {}", ["1"; 5_000].join("+"));
    let problems =
        refused(&pipeline(&format!("  filter: {{ metrics: {{ metric: ['{condition}'] }} }}\n"), "filter"));
    assert!(problems[0].message.contains("more than 64 operators in a row"), "{problems:?}");
}

#[test]
fn a_definition_that_holds_itself_ends() {
    let statement =
        r#"merge_maps(attributes, ExtractGrokPatterns(name, "%{A}", true, ["A=%{A}"]), "upsert")"#;
    let transform = format!(
        "  transform: {{ metric_statements: [{{ context: datapoint, statements: ['{}'] }}] }}\n",
        statement.replace("name", "metric.name")
    );
    let problems = refused(&pipeline(&transform, "transform"));
    assert!(problems[0].message.contains("holds itself"), "{problems:?}");
}

#[test]
fn variables_of_a_file_grow_it_by_a_mebibyte_in_all() {
    let lookup = |_: &str| Some("x".repeat(100_000));
    let list = ["'${BIG}'"; 11].join(", ");
    let problems =
        CollectorFile::parse("f", &format!("phoenix: [{list}]"), &lookup).expect_err("refused").problems;
    assert!(problems[0].message.contains("longer than 1048576 bytes"), "{problems:?}");
    CollectorFile::parse("f", &format!("phoenix: [{}]", ["'${BIG}'"; 10].join(", ")), &lookup)
        .expect("ten fit");
}

#[test]
fn anchors_in_anchors_count_for_each_copy_that_is_kept() {
    let items = ["a"; 2_000].join(",");
    let text = format!("phoenix: {}[{items}]{}", "[&x ".repeat(40), "]".repeat(40));
    let problems = CollectorFile::parse("f", &text, &|_| None).expect_err("refused").problems;
    assert!(problems[0].message.contains("more than 50000 values"), "{problems:?}");
}

fn template(parameters: &str, config: &str) -> Result<Template, Problems> {
    Template::parse(
        "t",
        &format!("name: t\ndescription: d\nfor: f\nparameters: {{ {parameters} }}\nconfig: {config}\n"),
    )
}

#[test]
fn nested_lists_of_a_template_end_though_the_innermost_are_empty() {
    let list = |name: &str, items: usize| {
        let items: Vec<String> = (0..items).map(|i| i.to_string()).map(|i| format!("\"{i}\"")).collect();
        format!("{name}: {{ type: strings, description: d, default: [{}] }}", items.join(", "))
    };
    let parameters = format!("{}, {}", list("many", 1_000), list("empty", 0));
    let nested = (0..8).fold("!each { of: empty, as: x, give: 1 }".to_owned(), |inner, level| {
        format!("!each {{ of: many, as: i{level}, give: [{inner}] }}")
    });
    let problems = template(&parameters, &format!("[{nested}]")).expect_err("refused").problems;
    assert!(problems[0].message.contains("more than 25000"), "{problems:?}");
}

#[test]
fn a_template_multiplies_numbers_alone_and_keeps_its_texts_short() {
    let parameters = "n: { type: integer, description: d, default: 3 }";
    for (config, said) in [
        ("'{{ (\"a\" * 100000000) * n }}'", "multiplication"),
        ("'{{ ([1] * n) | ottl }}'", "multiplication"),
        (&format!("'{}'", "{{ n }}".repeat(400)) as &str, "at most 2048"),
    ] {
        let problems = template(parameters, config).expect_err("refused").problems;
        assert!(problems[0].message.contains(said), "{problems:?}");
    }
    template(parameters, "'{{ n * 2 }} of * in {{ \"a*\" | ottl }}'").expect("texts with asterisks");
}

#[test]
fn patterns_of_parameters_share_one_budget() {
    let parameters: Vec<String> = (0..90)
        .map(|i| format!("p{i}: {{ type: string, description: d, default: a, pattern: '((a{{1000}}){{20}}){{5}}|{i:06}|a' }}"))
        .collect();
    let problems = template(&parameters.join(", "), "1").expect_err("refused").problems;
    assert!(problems[0].message.contains("compile to too much"), "{problems:?}");
}

#[test]
fn a_problem_is_placed_where_the_pattern_stands() {
    let problems = refused(
        "processors:\n  filter:\n    metrics:\n      exclude:\n        match_type: regexp\n        metric_names:\n          - a\n          - ((a{1000}){1000}){1000}\nservice: { pipelines: { metrics: { processors: [filter] } } }\n",
    );
    assert_eq!(problems[0].location, Location { line: 8, column: 13 });
    assert!(problems[0].message.contains("more than 4194304 bytes"), "{problems:?}");
}
