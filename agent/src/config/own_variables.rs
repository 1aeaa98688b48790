//! OpenTelemetry's variables about own metrics: what a reader of the file does not say, they do, as in every SDK.
//!
//! What is said of metrics goes before what is said of all that is sent; an empty variable is none. One that cannot be used is
//! told by its name and passed over, and no value is repeated that may be a secret.

use std::time::Duration;

use pipelines::yaml::Lookup;

const OF_ALL: &str = "OTEL_EXPORTER_OTLP_";
const OF_METRICS: &str = "OTEL_EXPORTER_OTLP_METRICS_";
const OF_OTHERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_LOGS_"];
/// Ends of the names of variables, each of which there is for all that is sent and for one signal.
const ENDS: [&str; 9] = [
    "ENDPOINT",
    "HEADERS",
    "PROTOCOL",
    "TIMEOUT",
    "COMPRESSION",
    "CERTIFICATE",
    "CLIENT_CERTIFICATE",
    "CLIENT_KEY",
    "INSECURE",
];
/// Preference of the receiver.
pub const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
/// Time between two messages, milliseconds.
pub const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
/// Time that reading and sending may take, milliseconds.
pub const TIMEOUT: &str = "OTEL_METRIC_EXPORT_TIMEOUT";

/// Variables of the environment, and what is to be told of them.
pub struct Variables<'a> {
    lookup: Lookup<'a>,
    notes: Vec<String>,
}

impl<'a> Variables<'a> {
    /// Reads by this lookup; nothing is told yet.
    pub fn new(lookup: Lookup<'a>) -> Self {
        Self { lookup, notes: Vec::new() }
    }

    /// Text of a variable.
    pub fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Name and text of the variable that ends so: the one of metrics, else the one of all that is sent.
    pub fn sent(&self, end: &str) -> Option<(String, String)> {
        [OF_METRICS, OF_ALL].into_iter().find_map(|begin| {
            let name = format!("{begin}{end}");
            self.text(&name).map(|text| (name, text))
        })
    }

    /// One of several words, in any case.
    pub fn word<T: Copy>(&mut self, said: Option<(String, String)>, words: &[(&str, T)]) -> Option<T> {
        let (name, text) = said?;
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text));
        if found.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.note(format!("{name} is {text:?} and passed over; expected: {}", words.join(" or ")));
        }
        found.map(|(_, meant)| *meant)
    }

    /// Milliseconds; 0 is the default, as in the file.
    pub fn millis(&mut self, said: Option<(String, String)>) -> Option<Duration> {
        let (name, text) = said?;
        match text.parse() {
            Ok(millis) => (millis > 0).then(|| Duration::from_millis(millis)),
            Err(_) => {
                self.note(format!("{name} is {text:?} and passed over; expected: milliseconds"));
                None
            }
        }
    }

    /// Adds to what is told.
    pub fn note(&mut self, note: String) {
        self.notes.push(format!("service.telemetry.metrics: {note}"));
    }

    /// What is to be told.
    pub fn into_notes(self) -> Vec<String> {
        self.notes
    }
}

/// The note about variables that are set and change nothing; none about those that the file itself names.
pub fn unread(lookup: Lookup<'_>, sends: bool, file: &str) -> Option<String> {
    let variables = Variables::new(lookup);
    let begins = [OF_ALL, OF_METRICS].into_iter().filter(|_| !sends).chain(OF_OTHERS);
    let names = begins.flat_map(|begin| ENDS.map(|end| format!("{begin}{end}")));
    let own = [TEMPORALITY, INTERVAL, TIMEOUT].into_iter().filter(|_| !sends).map(str::to_owned);
    let set = |name: &String| variables.text(name).is_some() && !file.contains(name.as_str());
    let unread: Vec<_> = names.chain(own).filter(set).collect();
    let why = if sends {
        "the agent sends no traces and no logs of its own"
    } else {
        "the agent sends its own metrics by the periodic readers of service.telemetry.metrics, and there is none"
    };
    (!unread.is_empty()).then(|| format!("set in the environment and not read: {}; {why}", unread.join(", ")))
}
