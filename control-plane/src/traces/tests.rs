//! Spans that this process makes, as they come to the queue.

use opentelemetry_sdk::trace::{Sampler, SpanData};

use super::*;

/// Traces whose queue has so much room, and nobody sends what is in it.
fn traces(room: usize, sampler: Sampler) -> (Traces, mpsc::Receiver<SpanData>, Metrics) {
    let metrics = Metrics::default();
    let (spans, waiting) = mpsc::channel(room);
    let queue = Queue { spans, counts: Counts::new(&metrics) };
    let provider = SdkTracerProvider::builder().with_sampler(sampler).with_span_processor(queue).build();
    let tracer = provider.tracer(SCOPE);
    let (ending, sending) = (watch::Sender::new(false), Mutex::default());
    (Traces(Some(Arc::new(Sent { _provider: provider, tracer, ending, sending }))), waiting, metrics)
}

fn attributes(span: &SpanData) -> Vec<(String, String)> {
    span.attributes.iter().map(|one| (one.key.to_string(), one.value.to_string())).collect()
}

#[tokio::test]
async fn a_wait_that_can_be_felt_is_a_span_of_what_waited() {
    let (traces, mut spans, _) = traces(8, Sampler::AlwaysOn);
    let run = traces.run("push");
    run.around(async {
        waited("wait to read the database", WAIT.saturating_sub(Duration::from_nanos(1)));
        waited("wait to write to the database", WAIT);
        looks_at(3);
    })
    .await;
    waited("wait to read the database", WAIT);
    looks_at(4);
    run.ran(false);
    let (wait, run) = (spans.try_recv().unwrap(), spans.try_recv().unwrap());
    assert!(spans.try_recv().is_err(), "nobody else was traced");
    assert_eq!((wait.name.as_ref(), run.name.as_ref()), ("wait to write to the database", "reconcile push"));
    assert_eq!(wait.parent_span_id, run.span_context.span_id());
    assert_eq!(wait.end_time.duration_since(wait.start_time).unwrap(), WAIT);
    let expected =
        [("phoenix.reconciler.name", "push"), ("phoenix.experiments", "3"), ("error.type", "store")];
    assert_eq!(attributes(&run), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(run.status, Status::error(""), "without a text");
}

#[tokio::test]
async fn what_is_not_kept_is_in_no_queue_and_no_exemplar_and_makes_no_other_spans() {
    let (traces, mut spans, _) = traces(8, Sampler::AlwaysOff);
    let run = traces.run("push");
    run.around(async { waited("wait to read the database", WAIT) }).await;
    assert_eq!(run.kept(), None);
    run.ran(true);
    assert!(spans.try_recv().is_err());
    let off = Traces::default();
    let run = off.run("push");
    assert!(run.context.is_none() && run.kept().is_none() && run.log_of_run("push").is_none());
    off.end().await;
}

#[tokio::test]
async fn a_span_for_which_there_is_no_room_is_lost_and_counted_and_waits_for_nothing() {
    let (traces, mut spans, metrics) = traces(2, Sampler::AlwaysOn);
    for _ in 0..5 {
        traces.run("push").ran(true);
    }
    let text = metrics.text().unwrap();
    assert!(text.contains("phoenix_trace_spans_lost_total{reason=\"full\"} 3\n"), "{text}");
    assert!(spans.try_recv().is_ok() && spans.try_recv().is_ok() && spans.try_recv().is_err());
}
