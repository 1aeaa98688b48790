//! A request that nobody else reads: what the first stage decides of a resource is remembered.

use super::*;

const SECOND: u64 = 1_000_000_000;

fn by_resource(condition: &str) -> Pipeline {
    pipeline(
        &format!(
            "  filter/first: {{metric_conditions: [{{context: resource, conditions: ['{condition}']}}]}}"
        ),
        "filter/first",
    )
}

/// The executables that are left of a request, and what was dropped of it.
fn left(pipeline: &mut Pipeline, resources: Vec<ResourceMetrics>, now: u64) -> (Vec<String>, u64) {
    let source = batch(resources).source().clone();
    let (mut out, mut spare) = (Batch::default(), Batch::default());
    let (_, outcome) = pipeline.process_alone(source, now, &mut out, &mut spare).unwrap();
    outcome.unwrap();
    let names = told(&out).into_iter().map(|(name, ..)| name).collect();
    (names, pipeline.take_rule_counts().iter().map(|count| count.points).sum())
}

fn of(name: &str) -> ResourceMetrics {
    process(name, 7, vec![gauge("m", &[(1, &[])])])
}

#[test]
fn a_resource_that_came_before_goes_the_way_it_went_then() {
    let mut pipeline = by_resource(r#"resource.attributes["process.executable.name"] == "a""#);
    for now in 1..4 {
        let (names, dropped) = left(&mut pipeline, vec![of("a"), of("b"), of("a"), of("c")], now);
        assert_eq!((names, dropped), (vec!["b".to_owned(), "c".to_owned()], 2), "the batch at {now}");
    }
}

#[test]
fn what_depends_on_the_time_is_decided_each_time() {
    for clock in ["UnixSeconds(Now())", r#"UnixSeconds(Time("06-01", "%m-%d"))"#] {
        let mut pipeline = by_resource(&format!("{clock} < 31536000"));
        let counts = [0, 600].map(|days| left(&mut pipeline, vec![of("a")], days * 86_400 * SECOND).1);
        assert_eq!(counts, [1, 0], "{clock}");
    }
}

#[test]
fn resources_that_differ_in_anything_are_asked_about_each() {
    let mut pipeline = by_resource(r#"resource.schema_url == "u" or resource.dropped_attributes_count > 0"#);
    let mut url = of("url");
    url.schema_url = "u".to_owned();
    let mut count = of("count");
    count.resource.as_mut().unwrap().dropped_attributes_count = 1;
    let plain = || {
        let mut names = ["url", "count"].map(of);
        names[0].schema_url = "v".to_owned();
        names.to_vec()
    };
    for _ in 0..2 {
        assert_eq!(left(&mut pipeline, vec![url.clone(), count.clone()], 1), (Vec::new(), 2));
        assert_eq!(left(&mut pipeline, plain(), 1), (vec!["count".to_owned(), "url".to_owned()], 0));
    }
}

#[test]
fn more_resources_than_are_remembered_are_decided_all_the_same() {
    let mut pipeline = by_resource(r#"IsMatch(resource.attributes["process.executable.name"], "5$")"#);
    let resources = || (0..10_000).map(|number| of(&format!("n{number}"))).collect::<Vec<_>>();
    for now in 1..3 {
        let (names, dropped) = left(&mut pipeline, resources(), now);
        assert_eq!((names.len(), dropped), (9_000, 1_000));
        assert!(pipeline.remembered() <= 4_096, "{} are remembered", pipeline.remembered());
    }
}
