//! `service.telemetry`: what a Collector tells of its own process, as far as this one tells it.
//!
//! What a file asks for and does not get is a note, by name.

use std::net::SocketAddr;

use pipelines::yaml::{Lookup, Node, Problem, keep};

use super::proxy::Proxies;
use super::{address, own_log, own_reader, own_resource};
use crate::own_metrics::OwnMetricsSettings;
use crate::telemetry::{LogSettings, NameStyle};

/// What the section says.
#[derive(Debug, Default)]
pub struct OwnTelemetry {
    /// Address at which the Collector would serve its metrics.
    pub address: Option<SocketAddr>,
    /// Ends of their names there.
    pub names: NameStyle,
    /// Metrics that are sent.
    pub pushed: OwnMetricsSettings,
    /// The log.
    pub log: LogSettings,
    /// What the section asks for and does not get.
    pub notes: Vec<String>,
}

/// What readers depend on that their own section does not say.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Proxies of the environment.
    pub proxies: &'a Proxies,
    /// Variables of the environment.
    pub lookup: Lookup<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    None,
    Some,
    Detailed,
}

/// Reads the section.
pub fn decode(node: &Node, around: Surroundings<'_>, problems: &mut Vec<Problem>) -> OwnTelemetry {
    let mut own = OwnTelemetry::default();
    let Some(mut fields) = keep(node.map(), problems) else { return own };
    if let Some(node) = fields.take("logs") {
        own.log = own_log::decode(node, &mut own.notes, problems);
    }
    if let Some(node) = fields.take("traces") {
        traces(node, &mut own.notes, problems);
    }
    if let Some(node) = fields.take("resource") {
        own.pushed.resource = own_resource::decode(node, &mut own.notes, problems);
    }
    if let Some(node) = fields.take("metrics") {
        metrics(node, around, &mut own, problems);
    }
    fields.finish(problems);
    own
}

fn metrics(node: &Node, around: Surroundings<'_>, own: &mut OwnTelemetry, problems: &mut Vec<Problem>) {
    let Some(mut fields) = keep(node.map(), problems) else { return };
    let level = fields.take("level").and_then(|node| {
        let words = [
            ("none", Level::None),
            ("basic", Level::Some),
            ("normal", Level::Some),
            ("detailed", Level::Detailed),
        ];
        keep(node.one_of_any_case("level", &words), problems)
    });
    if let Some(node) = fields.take("address") {
        own.address = keep(address::listen(node), problems);
    }
    if let Some(node) = fields.take("views") {
        keep(node.list(), problems);
        if level != Some(Level::Detailed) {
            let problem = Problem::new(node.location, "views are for the level detailed");
            problems.push(problem.expected("level: detailed, or no views"));
        }
        own.notes.push("service.telemetry.metrics: views are not built: metrics are told as they are".into());
    }
    let readers = fields.take("readers").and_then(|node| keep(node.list(), problems)).unwrap_or_default();
    fields.finish(problems);
    let mut is_first = true;
    for node in readers {
        let Some(mut reader) = keep(node.map(), problems) else { continue };
        let (pull, periodic) = (reader.take("pull"), reader.take("periodic"));
        if reader.take("producers").is_some() {
            own.notes
                .push("service.telemetry.metrics: producers are not built: metrics are this agent's".into());
        }
        reader.finish(problems);
        match (pull, periodic) {
            (Some(pull), None) => {
                let read = own_reader::pulled(pull, problems);
                // Of several the first says where and how.
                if let Some((address, names)) = read.filter(|_| std::mem::take(&mut is_first)) {
                    own.address = own.address.or(address);
                    own.names = names;
                }
            }
            (None, Some(periodic)) => {
                let read = own_reader::periodic(periodic, around, &mut own.notes, problems);
                own.pushed.readers.extend(read);
            }
            _ => problems
                .push(Problem::new(node.location, "a reader is of one kind").expected("pull or periodic")),
        }
    }
    if level == Some(Level::None) && !own.pushed.readers.is_empty() {
        own.pushed.readers.clear();
        let note = "service.telemetry.metrics: level is none, so its periodic readers send nothing";
        own.notes.push(note.to_owned());
    }
}

/// Checks `traces`: this process makes no spans of its own.
fn traces(node: &Node, notes: &mut Vec<String>, problems: &mut Vec<Problem>) {
    let Some(mut fields) = keep(node.map(), problems) else { return };
    let level = fields.take("level").and_then(|node| {
        let words = [("none", false), ("basic", true), ("normal", true), ("detailed", true)];
        keep(node.one_of_any_case("level", &words), problems)
    });
    for key in ["propagators", "processors"] {
        if let Some(node) = fields.take(key) {
            keep(node.list(), problems);
        }
    }
    for key in ["limits", "sampler"] {
        fields.take(key);
    }
    fields.finish(problems);
    if level != Some(false) {
        notes
            .push("service.telemetry.traces is not built: this agent makes no traces of its own work".into());
    }
}
