//! Traces of this process's own work: requests, and runs of reconcilers, sent by OTLP where the environment names a receiver.
//!
//! What always holds: without a receiver there is no task, no queue and no span. A span has ids, names of routes and numbers alone:
//! no header, no query, no body, no name that a person chose, no text of an error. What a caller says of its own trace is a parent,
//! as the sampler has it. Nobody waits for a span to be sent.

mod export;
mod queue;
mod request;
mod settings;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    FutureExt as _, Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::field::Empty;

pub use settings::{ENDPOINT, Read, SAMPLER, SAMPLER_ARG, Settings};

use crate::metrics::{Metrics, TraceOf};
use export::Receiver;
use queue::{Counts, Queue};

/// Name of the scope of all spans.
const SCOPE: &str = "phoenix-control-plane";
/// Time that what is left may take at the end.
const LAST: Duration = Duration::from_secs(2);
/// The shortest wait that is a span.
const WAIT: Duration = Duration::from_millis(1);

/// Traces, or none.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<Arc<Sent>>);

#[derive(Debug)]
struct Sent {
    /// Kept, because its end is that of the queue.
    _provider: SdkTracerProvider,
    tracer: SdkTracer,
    ending: watch::Sender<bool>,
    sending: Mutex<Option<JoinHandle<()>>>,
}

/// Tracer of a span, by which whatever is done within it makes spans of its own.
#[derive(Debug, Clone)]
struct Within(SdkTracer);

impl Traces {
    /// Traces as the settings say, or none; within a runtime. The counters are there either way.
    pub fn begin(settings: Option<Settings>, metrics: &Metrics) -> Self {
        let counts = Counts::new(metrics);
        let Some(settings) = settings else { return Self(None) };
        let (spans, waiting) = mpsc::channel(queue::WAITING);
        tracing::info!(to = settings.place, "traces of this process's own work go to a receiver");
        let provider = SdkTracerProvider::builder()
            .with_sampler(settings.sampler.clone())
            .with_resource(settings.resource.clone())
            .with_span_processor(Queue { spans, counts: counts.clone() })
            .build();
        let receiver = Receiver::new(settings);
        let (ending, ends) = watch::channel(false);
        let sending = Mutex::new(Some(tokio::spawn(queue::send(waiting, receiver, counts, ends))));
        let tracer = provider.tracer(SCOPE);
        Self(Some(Arc::new(Sent { _provider: provider, tracer, ending, sending })))
    }

    /// Span of a run of a reconciler.
    pub fn run(&self, reconciler: &'static str) -> Span {
        let Some(sent) = &self.0 else { return Span::default() };
        let attributes = [KeyValue::new("phoenix.reconciler.name", reconciler)];
        sent.begin(format!("reconcile {reconciler}"), SpanKind::Internal, attributes, &Context::new())
    }

    /// Sends what has not been sent, for two seconds at most.
    pub async fn end(&self) {
        let Some(sent) = &self.0 else { return };
        sent.ending.send_replace(true);
        let sending = sent.sending.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut sending) = sending else { return };
        if tokio::time::timeout(LAST, &mut sending).await.is_err() {
            sending.abort();
            tracing::warn!(
                "the last spans of this process's own traces are not sent: no receiver took them in {LAST:?}"
            );
        }
    }
}

impl Sent {
    fn begin(
        &self,
        name: String,
        kind: SpanKind,
        attributes: impl IntoIterator<Item = KeyValue>,
        parent: &Context,
    ) -> Span {
        let builder = self.tracer.span_builder(name).with_kind(kind).with_attributes(attributes);
        let span = builder.start_with_context(&self.tracer, parent);
        let context = parent.with_value(Within(self.tracer.clone())).with_span(span);
        Span { context: Some(context), caller: None, method: None }
    }
}

/// A span, or none. It ends when it is told how it ended, or when the last handle is dropped.
#[derive(Debug, Clone, Default)]
pub struct Span {
    context: Option<Context>,
    /// Span of the caller, where no traces are sent.
    caller: Option<SpanContext>,
    /// Method of gRPC that is called, as `package.Service/Method`.
    method: Option<String>,
}

impl Span {
    /// Does something within it.
    pub async fn around<F: Future>(&self, work: F) -> F::Output {
        match &self.context {
            Some(context) => work.with_context(context.clone()).await,
            None => work.await,
        }
    }

    /// Puts its ids into the log's span, whose fields `trace_id` and `span_id` are empty. Where no traces are sent, that is the
    /// trace of the caller.
    pub fn name_in(&self, log: &tracing::Span) {
        if let Some(context) = &self.context {
            let span = context.span();
            log.record("trace_id", tracing::field::display(span.span_context().trace_id()));
            log.record("span_id", tracing::field::display(span.span_context().span_id()));
        } else if let Some(caller) = &self.caller {
            log.record("trace_id", tracing::field::display(caller.trace_id()));
        }
    }

    /// Span of the log for a run with it; none where no traces are sent.
    pub fn log_of_run(&self, reconciler: &'static str) -> tracing::Span {
        if self.context.is_none() {
            return tracing::Span::none();
        }
        let log = tracing::error_span!("run", reconciler, trace_id = Empty, span_id = Empty);
        self.name_in(&log);
        log
    }

    /// Ids of the trace, if it is kept: those of an exemplar.
    pub fn kept(&self) -> Option<TraceOf> {
        let span = self.context.as_ref()?.span();
        let ids = span.span_context();
        ids.is_sampled().then(|| TraceOf::new(ids.trace_id().to_string(), ids.span_id().to_string()))
    }

    /// Ends that of a run.
    pub fn ran(self, is_done: bool) {
        if let Some(context) = self.context.filter(|_| !is_done) {
            context.span().set_attribute(KeyValue::new("error.type", "store"));
            context.span().set_status(Status::error(""));
        }
    }
}

/// Notes at the span in which this is called at how many experiments it looks.
pub fn looks_at(experiments: usize) {
    let context = Context::current();
    if context.span().is_recording() {
        let number = i64::try_from(experiments).unwrap_or(i64::MAX);
        context.span().set_attribute(KeyValue::new("phoenix.experiments", number));
    }
}

/// Makes a span of a wait of the caller's that has just ended, unless it was shorter than a millisecond.
pub fn waited(name: &'static str, took: Duration) {
    if took < WAIT {
        return;
    }
    let context = Context::current();
    let Some(Within(tracer)) = context.get().filter(|_| context.span().is_recording()) else { return };
    let end = SystemTime::now();
    let builder = tracer.span_builder(name).with_kind(SpanKind::Internal);
    let mut span =
        builder.with_start_time(end.checked_sub(took).unwrap_or(end)).start_with_context(tracer, &context);
    span.end_with_timestamp(end);
}

#[cfg(test)]
mod tests;
