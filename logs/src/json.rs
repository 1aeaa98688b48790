//! A line of JSON for each event.
//!
//! Made here because tracing-subscriber's own leaves the message among the fields and a trace's ids in the spans, where nobody looks.

use std::fmt::Debug;
use std::io::Write as _;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

/// Fields of a span that are the line's own: OpenTelemetry's names for logs that are no OTLP.
const OF_THE_LINE: [&str; 2] = ["trace_id", "span_id"];

/// Writer of the lines.
#[derive(Debug)]
pub struct Lines<W> {
    /// Place where they go.
    pub to: W,
}

/// Line of a process that ends in failure.
pub fn failure(process: &str, why: &str) -> Value {
    json!({ "timestamp": now(), "level": "ERROR", "target": process, "message": why, "fields": {}, "spans": [] })
}

/// Fields of an event or a span.
#[derive(Debug, Clone, Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // What JSON has no number for is a text.
        if value.is_finite() { self.put(field, value) } else { self.put(field, value.to_string()) }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        // Values write themselves before anything is locked: one that panics is logged as well.
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(span) = context.span(id)
            && let Some(Fields(known)) = span.extensions_mut().get_mut()
        {
            known.extend(fields.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Fields(mut fields) = {
            let mut fields = Fields::default();
            event.record(&mut fields);
            fields
        };
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), now().into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("message".to_owned(), fields.remove("message").unwrap_or_default());
        // Libraries that log otherwise say their target so.
        let target = fields.remove("log.target");
        line.insert("target".to_owned(), target.unwrap_or_else(|| event.metadata().target().into()));
        fields.retain(|name, _| !name.starts_with("log."));
        line.insert("fields".to_owned(), fields.into());
        let mut spans = Vec::new();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            let mut fields =
                span.extensions().get::<Fields>().map(|known| known.0.clone()).unwrap_or_default();
            for name in OF_THE_LINE {
                if let Some(value) = fields.remove(name) {
                    line.insert(name.to_owned(), value);
                }
            }
            fields.insert("name".to_owned(), span.name().into());
            spans.push(Value::from(fields));
        }
        line.insert("spans".to_owned(), spans.into());
        let text = format!("{}\n", Value::from(line));
        // Nobody can be told that the log cannot be written.
        let _written = self.to.make_writer().write_all(text.as_bytes());
    }
}

/// The time, in UTC, as RFC 3339 has it.
fn now() -> String {
    let mut text = String::new();
    match SystemTime.format_time(&mut Writer::new(&mut text)) {
        Ok(()) => text,
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let kept = Kept::default();
        let to = kept.clone();
        let subscriber = tracing_subscriber::registry().with(Lines { to: move || to.clone() });
        tracing::subscriber::with_default(subscriber, log);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_an_object_whose_own_keys_no_field_can_take() {
        let all = lines(|| {
            tracing::warn!(
                level = "none",
                timestamp = 7_u64,
                spans = true,
                share = f64::NAN,
                path = %"a\"b\nc",
                "it is {}",
                "so"
            );
        });
        let [line] = &all[..] else { panic!("{all:?}") };
        assert_eq!((&line["level"], &line["message"]), (&json!("WARN"), &json!("it is so")));
        assert_eq!(line["target"], json!("logs::json::tests"));
        let expected =
            json!({ "level": "none", "timestamp": 7, "spans": true, "share": "NaN", "path": "a\"b\nc" });
        assert_eq!(line["fields"], expected);
        assert_eq!(line["spans"], json!([]));
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(line.get("trace_id").is_none(), "{line}");
    }

    #[test]
    fn the_ids_of_the_innermost_trace_are_the_lines_own_also_where_they_come_later() {
        let all = lines(|| {
            let outer =
                tracing::error_span!("request", id = "r1", trace_id = "t1", span_id = tracing::field::Empty);
            let _outer = outer.enter();
            tracing::info!("before");
            outer.record("span_id", "s1");
            tracing::info!("after");
            let _inner =
                tracing::error_span!("run", name = "hidden", trace_id = "t2", span_id = "s2").entered();
            tracing::info!("within");
        });
        let ids: Vec<_> = all.iter().map(|line| (line.get("trace_id"), line.get("span_id"))).collect();
        let [t1, s1, t2, s2] = ["t1", "s1", "t2", "s2"].map(Value::from);
        assert_eq!(ids, [(Some(&t1), None), (Some(&t1), Some(&s1)), (Some(&t2), Some(&s2))]);
        assert_eq!(all[2]["spans"], json!([{ "id": "r1", "name": "request" }, { "name": "run" }]));
    }

    #[test]
    fn a_failure_is_a_line_like_the_others() {
        let line = failure("phoenix-agent", "no \"config\"\nat all");
        assert_eq!(line["message"], "no \"config\"\nat all");
        assert!(!line.to_string().contains('\n'));
    }
}
