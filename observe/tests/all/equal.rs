//! A candidate that is the baseline differs by exactly nothing, on traffic that is dirty on purpose and through restarts.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::sync::Arc;

use observe::{Comparison, Critical, Lens, LensFunction, Observer, Settings, Summary, Variant};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
    number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use pipelines::Batch;
use proptest::prelude::*;
use prost::Message as _;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_767_225_600 * SECOND;

/// A point of a request: process, host, kind of metric, state, time before now in seconds, value, start, flags.
#[derive(Clone, Debug)]
struct Drawn {
    process: u8,
    host: Option<u8>,
    kind: u8,
    state: Option<u8>,
    before: u64,
    value: f64,
    start: u64,
    flags: u32,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let value = prop_oneof![
        8 => -10.0..1e6_f64,
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
    ];
    let optional = |most: u8| prop_oneof![3 => (0..most).prop_map(Some), 1 => Just(None)];
    let flags = prop_oneof![9 => Just(0_u32), 1 => Just(1_u32)];
    (0..4_u8, optional(2), 0..4_u8, optional(2), 0..30_u64, value, 0..3_u64, flags).prop_map(
        |(process, host, kind, state, before, value, start, flags)| Drawn {
            process,
            host,
            kind,
            state,
            before,
            value,
            start,
            flags,
        },
    )
}

fn attribute(key: &str, text: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(text)) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn resource(now: u64, drawn: &Drawn) -> ResourceMetrics {
    let mut attributes = vec![attribute("process.pid", drawn.process.to_string())];
    attributes.push(attribute("process.executable.name", format!("app-{}", drawn.process % 2)));
    attributes.extend(drawn.host.map(|host| attribute("host.name", format!("web-{host}"))));
    let point = NumberDataPoint {
        attributes: drawn.state.map(|state| attribute("state", state.to_string())).into_iter().collect(),
        start_time_unix_nano: START * u64::from(drawn.start > 0) + drawn.start,
        time_unix_nano: now - drawn.before * SECOND,
        value: Some(Value::AsDouble(drawn.value)),
        flags: drawn.flags,
        ..NumberDataPoint::default()
    };
    let sum = |aggregation_temporality| {
        Data::Sum(Sum { data_points: vec![point.clone()], aggregation_temporality, is_monotonic: true })
    };
    let (name, data) = match drawn.kind {
        0 => ("process.memory.usage", Data::Gauge(Gauge { data_points: vec![point.clone()] })),
        1 => ("process.cpu.time", sum(2)),
        2 => ("requests", sum(1)),
        _ => ("up", Data::Gauge(Gauge { data_points: vec![point.clone()] })),
    };
    let metric = Metric { name: name.to_owned(), data: Some(data), ..Metric::default() };
    ResourceMetrics {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }
}

fn request(now: u64, points: &[Drawn]) -> Batch {
    let resource_metrics = points.iter().map(|drawn| resource(now, drawn)).collect();
    let request = ExportMetricsServiceRequest { resource_metrics };
    let mut batch = Batch::parse(request.encode_to_vec().into()).expect("a request");
    batch.identify();
    batch
}

/// `up` and whatever else comes is looked at as it arrives.
fn settings((hold, warm_up_scrapes): (u64, u32)) -> Arc<Settings> {
    let of = |function: LensFunction, metric: &str| {
        let lens =
            Lens::new(format!("{metric} {}", function.name()), metric, "process.executable.name", function);
        Lens { max_error: Some(0.0), ..lens }
    };
    let functions = [LensFunction::Sum, LensFunction::Avg, LensFunction::Max, LensFunction::Count];
    let metrics = ["process.memory.usage", "process.cpu.time", "requests"];
    let lenses = metrics.into_iter().flat_map(|metric| functions.map(|function| of(function, metric)));
    let critical = Critical { executables: vec!["app-0".to_owned()], ..Critical::default() };
    let every = Lens::new("other metrics", observe::EVERY, observe::OWNER, LensFunction::Sum);
    Arc::new(Settings {
        lenses: lenses.chain([every]).collect(),
        critical: vec![critical],
        hold_nanos: hold * SECOND,
        warm_up_scrapes,
        ..Settings::default()
    })
}

/// Both variants are the input; a new observer takes over before each of the scrapes in `restarts`.
fn compared(scrapes: &[Vec<Drawn>], restarts: &[usize], gathers: (u64, u32)) -> Vec<Comparison> {
    let settings = settings(gathers);
    let (mut observer, mut totals) = (Observer::new(Arc::clone(&settings), START), Vec::new());
    let mut total = Summary::default();
    for (at, points) in scrapes.iter().enumerate() {
        let now = START + (100 + 10 * at as u64) * SECOND;
        if restarts.contains(&at) {
            total.merge(&observer.cut(now - SECOND));
            totals.push(std::mem::take(&mut total));
            observer = Observer::new(Arc::clone(&settings), now - SECOND);
        }
        let batch = request(now, points);
        observer.input(&batch, now);
        for variant in Variant::BOTH {
            observer.output(variant, &batch, &batch, batch.encoded_len() as u64);
        }
        total.merge(&observer.cut(now + SECOND));
    }
    totals.push(total);
    totals.iter().map(|total| Comparison::of(total, &settings)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_baseline_as_its_own_candidate_differs_by_nothing(
        scrapes in proptest::collection::vec(proptest::collection::vec(drawn(), 0..25), 1..8),
        restarts in proptest::collection::vec(1..8_usize, 0..3),
        gathers in (prop_oneof![Just(0_u64), 1..40_u64], 0..3_u32),
    ) {
        for found in compared(&scrapes, &restarts, gathers) {
            prop_assert!(found.differs_by_nothing(), "{:?}", found);
            let fates = &found.fates;
            prop_assert_eq!(fates.as_it_is, fates.of.value, "{:?}", fates);
            prop_assert_eq!((found.lost_by_candidate.value, found.changed.points), (0, 0));
            prop_assert_eq!(found.candidate_only_collisions.value, 0);
            prop_assert_eq!(found.baseline.collisions, found.candidate.collisions);
            prop_assert_eq!(found.coverage.candidate, found.coverage.baseline);
            prop_assert_eq!(found.baseline.active_series, found.candidate.active_series);
            for lens in &found.lenses {
                prop_assert_eq!((lens.groups_that_differ, lens.groups_lost, lens.groups_new), (0, 0, 0), "{:?}", lens);
                prop_assert_eq!(lens.total.baseline.to_bits(), lens.total.candidate.to_bits(), "{:?}", lens);
                prop_assert!(lens.limit.as_ref().is_none_or(|counts| !counts.violated), "{:?}", lens);
            }
        }
    }
}
