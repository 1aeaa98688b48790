//! Both semantic conventions of process metrics, and both at once: what migrates is renamed, and every template works.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use observe::{Comparison, Critical, Measured, Observer, Settings, Variant};
use pipelines::Batch;
use pipelines::catalog;
use pipelines::config::{CollectorFile, Plan};
use pipelines::processors::Pipeline;
use prost::Message as _;
use simulator::profile::{Host, Profile, Role};
use simulator::{Convention, MetricSet};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_767_225_600 * SECOND;
const PROCESSES: usize = 60;
const SCRAPES: u64 = 20;

fn plan(template: &str, sample: &str) -> Plan {
    let template = catalog::template(template).expect("built in").unwrap_or_else(|why| panic!("{why}"));
    let sample = template.samples().iter().find(|one| one.name == sample).expect("a sample");
    let rendered = template.render(&sample.values).unwrap_or_else(|invalid| panic!("{invalid}"));
    let file = CollectorFile::parse("t.yaml", &rendered.text, &|_| None);
    file.and_then(|file| file.check("metrics")).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Criticals of which metrics of two names are required.
fn of_two_names() -> Critical {
    let metrics = vec!["process.threads".to_owned(), "process.open_file_descriptors".to_owned()];
    Critical { metrics, ..Critical::default() }
}

fn compare(plan: &Plan, convention: Convention) -> (Comparison, BTreeSet<String>) {
    compare_with(of_two_names(), plan, convention)
}

/// Scrapes of a host that speaks a convention, as they are and through the plan; and the outputs' metric names.
fn compare_with(critical: Critical, plan: &Plan, convention: Convention) -> (Comparison, BTreeSet<String>) {
    let settings = Arc::new(Settings {
        hold_nanos: plan.hold().as_nanos() as u64,
        warm_up_scrapes: plan.warm_up(),
        critical: vec![critical],
        ..Settings::default()
    });
    let mut observer = Observer::new(Arc::clone(&settings), START);
    let mut pipeline = Pipeline::build(plan, START);
    let host = Host::new(Profile::Realistic, Role::Web, "web-1", PROCESSES, 5);
    let mut host = host.with_metrics(MetricSet::All).with_convention(convention);
    let (mut closed, mut names) = (Vec::new(), BTreeSet::new());
    for scrape in 0..SCRAPES {
        let now = START + (scrape * 10 + 1) * SECOND;
        host.step(Duration::from_secs(10));
        for mut flush in pipeline.advance(now) {
            closed.extend(observer.roll(flush.at));
            flush.output.identify();
            observer.flushed(Variant::Candidate, &flush.input, &flush.output, 0);
        }
        closed.extend(observer.roll(now));
        let mut input = Batch::parse(host.scrape(now).encode_to_vec().into()).expect("a request");
        input.identify();
        observer.input(&input, now);
        observer.output(Variant::Baseline, &input, &input, 0);
        let mut output = Batch::default();
        pipeline.process(&input, now, &mut output).expect("a pipeline that works");
        output.identify();
        observer.output(Variant::Candidate, &input, &output, 0);
        for scope in output.resources().iter().flat_map(|resource| output.scopes(resource)) {
            names.extend(output.metrics(scope).iter().map(|metric| output.text(metric.name).to_owned()));
        }
    }
    closed.push(observer.cut(START + SCRAPES * 10 * SECOND));
    let mut windows = closed.into_iter().skip(3.max(plan.warm_up() as usize));
    let mut total = windows.next().expect("a window");
    windows.for_each(|window| total.merge(&window));
    (Comparison::of(&total, &settings), names)
}

/// Series of a process that have another name in version 1: of attributes 3 + 3 + 2 + 2 + 2 + 2, of metrics 2.
const OF_TWO_NAMES: f64 = 16.0 / 21.0;

#[test]
fn what_migrates_to_version_1_is_renamed_and_nothing_is_lost_or_changed() {
    let (found, names) = compare(&plan("conventions", "default"), Convention::V0);
    let fates = &found.fates;
    assert_eq!((found.lost_by_candidate.value, found.candidate.collisions.value), (0, 0));
    let share = fates.renamed as f64 / found.input_series.value as f64;
    assert!((share - OF_TWO_NAMES).abs() < 0.02, "{share}: {fates:#?}");
    assert_eq!(fates.renamed + fates.as_it_is, found.input_series.value, "{fates:#?}");
    assert!(names.contains("process.thread.count") && !names.contains("process.threads"), "{names:?}");
    assert_eq!(found.coverage.candidate, found.coverage.critical, "{:#?}", found.coverage);
    assert!(found.coverage.critical > 0);
}

#[test]
fn a_fleet_of_version_1_is_left_as_it_is_by_the_migration() {
    let (found, _) = compare(&plan("conventions", "default"), Convention::V1);
    assert_eq!(found.fates.as_it_is, found.input_series.value, "{:#?}", found.fates);
}

#[test]
fn where_both_come_at_once_no_two_series_become_one() {
    let (found, names) = compare(&plan("conventions", "both at once"), Convention::Both);
    assert_eq!(found.candidate.collisions.value, 0, "{:#?}", found.candidate.collisions);
    assert!(!names.contains("process.threads") && names.contains("process.thread.count"), "{names:?}");
    // The metric that came under two names is lost under one of them, and the process keeps it under the other.
    let (fates, lost) = (&found.fates, found.lost_by_candidate.value);
    assert_eq!(fates.as_it_is + fates.fewer_attributes + lost, found.input_series.value, "{fates:#?}");
    assert!(lost >= 2 * PROCESSES as u64 && lost.is_multiple_of(2), "{fates:#?}");
    assert_eq!(found.coverage.candidate, found.coverage.critical, "{:#?}", found.coverage);
}

#[test]
fn a_migration_that_makes_one_series_of_two_conventions_is_a_collision() {
    let (found, _) = compare(&plan("conventions", "default"), Convention::Both);
    let (without_twins, _) = compare(&plan("conventions", "both at once"), Convention::Both);
    assert_eq!(found.candidate.collisions.value, without_twins.lost_by_candidate.value);
}

#[test]
fn default_lenses_and_criticals_are_measured_under_every_convention() {
    for (convention, threads) in [
        (Convention::V0, vec!["threads by executable", "descriptors by executable"]),
        (Convention::V1, vec!["thread count by executable", "descriptor count by executable"]),
        (
            Convention::Both,
            vec![
                "threads by executable",
                "thread count by executable",
                "descriptors by executable",
                "descriptor count by executable",
            ],
        ),
    ] {
        let (found, _) = compare(&plan("baseline", "default"), convention);
        let measured = found.lenses.iter().filter(|lens| lens.measured.is_measured());
        let measured: Vec<&str> = measured.map(|lens| lens.name.as_str()).collect();
        let of_two_names: Vec<&str> = measured
            .iter()
            .copied()
            .filter(|name| name.contains("thread") || name.contains("desc"))
            .collect();
        assert_eq!(of_two_names, threads, "{convention:?}");
        assert!(measured.contains(&"cpu by executable") && measured.contains(&"disk I/O by host"));
        assert!(found.coverage.critical > 0, "{convention:?}");
        let absent = found.lenses.iter().find(|lens| lens.name == "threads by executable").expect("there");
        if convention == Convention::V1 {
            let Measured::MetricAbsent { near } = &absent.measured else { panic!("{absent:#?}") };
            assert_eq!(near[0], "process.thread.count");
        }
    }
}

#[test]
fn every_built_in_template_keeps_its_criticals_under_every_convention() {
    for convention in [Convention::V0, Convention::V1, Convention::Both] {
        for template in catalog::templates().unwrap_or_else(|problems| panic!("{problems}")) {
            // One of them says which metrics it keeps: those that are required by default.
            let required = if template.name() == "minimal" { Critical::default() } else { of_two_names() };
            let (found, _) = compare_with(required, &plan(template.name(), "default"), convention);
            let coverage = &found.coverage;
            assert!(coverage.critical > 0 && found.candidate.failures == 0);
            assert_eq!(coverage.candidate, coverage.critical, "{}, {convention:?}", template.name());
        }
    }
}
