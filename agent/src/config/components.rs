//! Components that the agent has, by their type in a Collector's file.

use std::fmt::Write as _;

use pipelines::config::{DIAGNOSTIC_EXTENSIONS, MACHINERY};
use pipelines::processors::SUPPORTED;

use super::{authenticator, storage};

/// Types of receivers.
pub const RECEIVERS: [&str; 1] = ["otlp"];
/// Types of exporters; those of one kind stand beside each other.
pub const EXPORTERS: [&str; 7] = ["otlp", "otlp_grpc", "otlp_http", "otlphttp", "file", "nop", "debug"];
/// Places that a config is read from.
const PROVIDERS: [&str; 3] = ["env", "file", "yaml"];

/// Types of extensions, those that are taken and not run included.
pub fn extensions() -> impl Iterator<Item = &'static str> {
    ["health_check", storage::KIND].into_iter().chain(authenticator::KINDS).chain(DIAGNOSTIC_EXTENSIONS)
}

/// The list, as YAML of the form that the Collector's `components` prints.
pub fn list() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("buildinfo:\n  command: phoenix-agent\n  version: {version}\n");
    let mut section = |name: &str, types: &mut dyn Iterator<Item = &'static str>| {
        let _to_a_string = writeln!(text, "{name}:");
        types.for_each(|kind| {
            let _to_a_string = writeln!(text, "  - name: {kind}");
        });
    };
    section("receivers", &mut RECEIVERS.into_iter());
    section("processors", &mut SUPPORTED.into_iter().chain(MACHINERY));
    section("exporters", &mut EXPORTERS.into_iter());
    section("extensions", &mut extensions());
    text.push_str("providers:\n");
    for scheme in PROVIDERS {
        let _to_a_string = writeln!(text, "  - scheme: {scheme}");
    }
    text
}
