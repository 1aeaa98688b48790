//! `service.telemetry.logs`: the level and the form of this process's log. The rest is the Collector's own logger's.

use pipelines::yaml::{Fields, Node, Problem, keep};
use tracing_subscriber::filter::LevelFilter;

use crate::telemetry::LogSettings;

/// Keys of what is not built, with what is so here: who says that asks for nothing else.
const FLAGS: [(&str, bool); 4] = [
    ("development", false),
    ("disable_caller", true),
    ("disable_stacktrace", true),
    ("disable_zap_resource", true),
];

/// Reads the section.
pub fn decode(node: &Node, notes: &mut Vec<String>, problems: &mut Vec<Problem>) -> LogSettings {
    let Some(mut fields) = keep(node.map(), problems) else { return LogSettings::default() };
    let level = fields.take("level").and_then(|node| {
        let words = [
            ("debug", LevelFilter::DEBUG),
            ("info", LevelFilter::INFO),
            ("warn", LevelFilter::WARN),
            ("error", LevelFilter::ERROR),
            ("dpanic", LevelFilter::ERROR),
            ("panic", LevelFilter::ERROR),
            ("fatal", LevelFilter::ERROR),
            ("", LevelFilter::INFO),
        ];
        keep(node.one_of_any_case("level", &words), problems)
    });
    let format = fields.take("encoding").and_then(|node| {
        let words = [("console", logs::Format::Text), ("json", logs::Format::Json)];
        keep(node.one_of("encoding", &words), problems)
    });
    let lacking = lacking(&mut fields, problems);
    fields.finish(problems);
    if !lacking.is_empty() {
        let lacking = lacking.join(", ");
        let so = "each line goes to standard error, whole and at once";
        notes.push(format!("service.telemetry.logs: not built: {lacking}; {so}"));
    }
    LogSettings { level, format }
}

/// Names of what is asked for and not built.
fn lacking(fields: &mut Fields<'_>, problems: &mut Vec<Problem>) -> Vec<&'static str> {
    let mut lacking = Vec::new();
    for (key, here) in FLAGS {
        let said = fields.take(key).and_then(|node| keep(node.bool(), problems));
        lacking.extend(said.filter(|said| *said != here).map(|_| key));
    }
    if let Some(node) = fields.take("sampling")
        && let Some(mut sampling) = keep(node.map(), problems)
    {
        let enabled = sampling.take("enabled").and_then(|node| keep(node.bool(), problems));
        let tick = sampling.take("tick").map(|node| keep(node.duration(), problems));
        let counts = ["initial", "thereafter"]
            .map(|key| sampling.take(key).map(|node| keep(node.int(), problems)).is_some());
        sampling.finish(problems);
        let is_asked = tick.is_some() || counts.contains(&true);
        lacking.extend((enabled.unwrap_or(is_asked)).then_some("sampling"));
    }
    for key in ["output_paths", "error_output_paths"] {
        let Some(node) = fields.take(key) else { continue };
        lacking.extend((node.texts(problems) != ["stderr"]).then_some(key));
    }
    if let Some(node) = fields.take("initial_fields") {
        let entries = keep(node.entries(), problems).unwrap_or_default();
        lacking.extend((!entries.is_empty()).then_some("initial_fields"));
    }
    if let Some(node) = fields.take("processors") {
        let items = keep(node.list(), problems).unwrap_or_default();
        lacking.extend((!items.is_empty()).then_some("processors"));
    }
    lacking
}
