//! `service.telemetry`: where the Collector would serve its own metrics, and how their names end.

use std::net::SocketAddr;

use pipelines::yaml::{Fields, Node, Problem, keep};

use super::address;
use crate::telemetry::NameStyle;

/// Place and names of `/metrics`, as far as the file says them.
#[derive(Debug, Default)]
pub struct OwnMetrics {
    /// Address at which the Collector would serve them.
    pub address: Option<SocketAddr>,
    /// Ends of names.
    pub names: NameStyle,
    /// True if the file has them sent somewhere, too.
    pub is_pushed: bool,
}

/// Reads the section. Logs, traces and resource attributes concern the Collector's own process.
pub fn decode(node: &Node, problems: &mut Vec<Problem>) -> OwnMetrics {
    let mut own = OwnMetrics::default();
    let Some(mut fields) = keep(node.map(), problems) else { return own };
    levels(&mut fields, problems);
    let Some(mut metrics) = fields.take("metrics").and_then(|node| keep(node.map(), problems)) else {
        return own;
    };
    if let Some(node) = metrics.take("address") {
        own.address = keep(address::listen(node), problems);
    }
    let readers = metrics.take("readers").and_then(|node| keep(node.list(), problems)).unwrap_or_default();
    let mut is_first = true;
    for node in readers {
        let Some(mut reader) = keep(node.map(), problems) else { continue };
        let (pull, periodic) = (reader.take("pull"), reader.take("periodic"));
        reader.finish(problems);
        own.is_pushed |= periodic.is_some();
        match (pull, periodic) {
            (Some(pull), None) => {
                let read = pulled(pull, problems);
                // Of several the first says where and how.
                if let Some((address, names)) = read.filter(|_| std::mem::take(&mut is_first)) {
                    own.address = own.address.or(address);
                    own.names = names;
                }
            }
            (None, Some(_)) => {}
            _ => problems
                .push(Problem::new(node.location, "a reader is of one kind").expected("pull or periodic")),
        }
    }
    own
}

/// Reads a Prometheus reader: its address, if it says one, and the ends of names.
fn pulled(node: &Node, problems: &mut Vec<Problem>) -> Option<(Option<SocketAddr>, NameStyle)> {
    let mut pull = keep(node.map(), problems)?;
    let exporter = pull.take("exporter");
    pull.take("producers");
    pull.take("cardinality_limits");
    pull.finish(problems);
    let mut exporter = exporter.and_then(|node| keep(node.map(), problems))?;
    let prometheus = exporter.take("prometheus");
    exporter.finish(problems);
    let Some(mut fields) = prometheus.and_then(|node| keep(node.map(), problems)) else {
        problems.push(
            Problem::new(node.location, "a reader that is asked is Prometheus'")
                .expected("exporter: prometheus"),
        );
        return None;
    };
    let host = fields.take("host").and_then(|node| keep(node.text(), problems)).unwrap_or("localhost");
    let port = fields.take("port").map(|node| (node, keep(node.unsigned(), problems)));
    let mut without = |key| fields.take(key).is_none_or(|node| keep(node.bool(), problems).unwrap_or(true));
    let names = NameStyle { has_type: !without("without_type_suffix"), has_units: !without("without_units") };
    // There are no scopes, so none are told either way.
    without("without_scope_info");
    fields.take("with_resource_constant_labels");
    fields.finish(problems);
    let Some((node, Some(port))) = port else { return Some((None, names)) };
    let host = if host == "localhost" { "127.0.0.1" } else { host };
    let Ok(port) = u16::try_from(port) else {
        problems.push(Problem::new(node.location, format!("port {port}")).expected("at most 65535"));
        return None;
    };
    // A name of this host is nothing to listen at here; the default is.
    Some((host.parse().ok().map(|host| SocketAddr::new(host, port)), names))
}

/// Reports levels that there are not: of the Collector's own logs and metrics, which are not this process's.
fn levels(telemetry: &mut Fields<'_>, problems: &mut Vec<Problem>) {
    let of_logs = ["debug", "info", "warn", "error", "dpanic", "panic", "fatal", ""].map(|word| (word, ()));
    let of_metrics = ["none", "basic", "normal", "detailed"].map(|word| (word, ()));
    for (key, words) in [("logs", &of_logs[..]), ("metrics", &of_metrics[..])] {
        let section = telemetry.take(key).and_then(|node| node.map().ok());
        if let Some(node) = section.and_then(|mut section| section.take("level")) {
            keep(node.one_of_any_case("level", words), problems);
        }
    }
}
