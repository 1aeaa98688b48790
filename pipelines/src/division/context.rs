//! What of a file cannot go through Phoenix and back, and what the agent cannot run alone.

use crate::config::{Component, DIAGNOSTIC_EXTENSIONS, Reference, Role, Section, Signal};
use crate::yaml::{Kind, Node};

use super::{DivisionError, Whole};

impl Whole<'_> {
    /// Checks that nothing behind the cut asks for the client's context.
    pub(super) fn keeps_context(&self) -> Result<(), DivisionError> {
        let behind = self.cut.roles[self.cut.at..].iter().map(|(id, _)| (Section::Processors, id));
        let exporters = self.pipeline.exporters.iter().map(|Reference { id, .. }| (Section::Exporters, id));
        for (section, id) in behind.chain(exporters) {
            let Some(component) = self.file.component(section, id.as_str()) else { continue };
            if let Some(key) = asks_for_context(component) {
                return Err(DivisionError::NeedsContext { component: id.as_str().to_owned(), key });
            }
        }
        Ok(())
    }

    /// Components in use that the agent does not run, each as `exporter awsemf`.
    pub(super) fn not_ours(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut note = |section: Section, id: &str| {
            let text = format!("{} {id}", section.singular());
            if !found.contains(&text) {
                found.push(text);
            }
        };
        for entry in self.file.pipelines() {
            for Reference { id, .. } in
                entry.receivers.iter().filter(|reference| reference.id.kind() != "otlp")
            {
                note(Section::Receivers, id.as_str());
            }
            for (id, role) in &self.file.cut(entry).roles {
                if matches!(role, Role::Upstream(_))
                    || (*role == Role::Ours && entry.signal != Signal::Metrics)
                {
                    note(Section::Processors, id.as_str());
                }
            }
            for Reference { id, .. } in &entry.exporters {
                if !EXPORTERS.contains(&id.kind()) {
                    note(Section::Exporters, id.as_str());
                }
            }
        }
        for Reference { id, .. } in self.file.extensions() {
            if !EXTENSIONS.contains(&id.kind()) && !DIAGNOSTIC_EXTENSIONS.contains(&id.kind()) {
                note(Section::Extensions, id.as_str());
            }
        }
        found
    }
}

/// Kinds of exporters that the agent runs.
const EXPORTERS: [&str; 7] = ["otlp", "otlp_grpc", "otlp_http", "otlphttp", "file", "debug", "nop"];

/// Kinds of extensions that the agent runs.
const EXTENSIONS: [&str; 5] =
    ["health_check", "basicauth", "bearertokenauth", "oauth2client", "file_storage"];

/// The key by which a component asks for the context of the client's request, if it does.
fn asks_for_context(component: &Component) -> Option<&'static str> {
    let config = &component.config;
    if has(config, &|key, value| key == "metadata_keys" && !is_empty(value)) {
        return Some("metadata_keys");
    }
    let forwards = |key: &str, value: &Node| {
        key == "authenticator" && value.text().is_ok_and(|id| id.split('/').next() == Some("headers_setter"))
    };
    has(config, &forwards).then_some("headers_setter")
}

fn is_empty(node: &Node) -> bool {
    node.is_null() || node.list().is_ok_and(<[Node]>::is_empty)
}

/// Tells whether a map anywhere in the tree has an entry like that.
fn has(node: &Node, such: &dyn Fn(&str, &Node) -> bool) -> bool {
    match &node.kind {
        Kind::List(items) => items.iter().any(|item| has(item, such)),
        Kind::Map(entries) => {
            entries.iter().any(|entry| such(&entry.key.text, &entry.value) || has(&entry.value, such))
        }
        _ => false,
    }
}
