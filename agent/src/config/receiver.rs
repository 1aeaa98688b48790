//! The `otlp` receiver: keys and defaults of the Collector, but for the request size, for which the
//! OTLP specification's 64 MiB stand on both transports.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pipelines::config::Component;
use pipelines::yaml::{Fields, Location, Node, Problem, keep};

use super::{address, tls};
use crate::receive::{Cors, Limits, ListenAddress, Protocol, ReceiverSettings};

/// Keys that tune the Collector's own server and mean nothing to this one.
const GRPC_TUNING: [&str; 2] = ["read_buffer_size", "write_buffer_size"];
const HTTP_TUNING: [&str; 2] = ["keep_alives_enabled", "write_timeout"];
/// Keys of the Collector's that are refused by name.
const HTTP_LACKING: [&str; 5] =
    ["auth", "compression_algorithms", "middlewares", "response_headers", "transport"];
/// Longest time for which a gRPC connection may be without a call: exporters that send once a minute keep theirs.
const GRPC_IDLE: Duration = Duration::from_secs(300);

/// Decodes an `otlp` receiver that pipelines of these signals name: one for each protocol.
pub fn decode(
    component: &Component,
    signals: [bool; 3],
    problems: &mut Vec<Problem>,
) -> Vec<ReceiverSettings> {
    let mut found = Vec::new();
    let before = problems.len();
    let id = component.id.as_str();
    let Some(mut fields) = keep(component.config.map(), problems) else { return found };
    let Some(protocols) = keep(fields.required("protocols"), problems) else { return found };
    fields.finish(problems);
    // `grpc:` with nothing under it switches it on, so the key counts, not its value.
    let entries = keep(protocols.entries(), problems).unwrap_or_default();
    for entry in entries {
        match entry.key.text.as_str() {
            "grpc" => found.extend(grpc(&entry.value, (id, signals), problems)),
            "http" => found.extend(http(&entry.value, (id, signals), problems)),
            other => {
                problems.push(Problem::unknown(entry.key.location, "protocol", other, ["grpc", "http"]));
            }
        }
    }
    if found.is_empty() && problems.len() == before {
        problems.push(Problem::new(protocols.location, "no protocol").expected("grpc, http or both"));
    }
    found
}

fn grpc(
    node: &Node,
    (id, signals): (&str, [bool; 3]),
    problems: &mut Vec<Problem>,
) -> Option<ReceiverSettings> {
    let mut fields = node.optional_map(problems)?;
    let mut limits = Limits { idle: GRPC_IDLE, ..Limits::default() };
    let transport = fields.take("transport").and_then(|node| {
        // Of the network, addresses of either family are listened to.
        let words = [("tcp", false), ("tcp4", false), ("tcp6", false), ("", false), ("unix", true)];
        keep(node.one_of("transport", &words), problems)
    });
    let address = match transport {
        Some(true) => socket(&mut fields, node.location, problems),
        _ => endpoint(&mut fields, 4317, problems),
    };
    let tls = fields.take("tls").and_then(|node| tls::server(node, problems));
    if let Some(mib) = count(&mut fields, "max_recv_msg_size_mib", problems) {
        limits.max_bytes = mib.saturating_mul(1 << 20).min(pipelines::batch::MAX_BYTES as u64) as usize;
    }
    if let Some(streams) = count(&mut fields, "max_concurrent_streams", problems) {
        limits.max_streams = u32::try_from(streams).unwrap_or(u32::MAX);
    }
    keepalive(&mut fields, &mut limits, problems);
    for key in GRPC_TUNING {
        fields.take(key);
    }
    refuse(&mut fields, &["auth", "middlewares"], problems);
    metadata(&mut fields, problems);
    fields.finish(problems);
    let (id, protocol) = (id.to_owned(), Protocol::Grpc);
    Some(ReceiverSettings {
        id,
        protocol,
        address: address?,
        tls,
        limits,
        signals,
        pipeline: None,
        cors: None,
    })
}

fn http(
    node: &Node,
    (id, signals): (&str, [bool; 3]),
    problems: &mut Vec<Problem>,
) -> Option<ReceiverSettings> {
    let mut fields = node.optional_map(problems)?;
    let mut limits = Limits::default();
    let address = endpoint(&mut fields, 4318, problems);
    let tls = fields.take("tls").and_then(|node| tls::server(node, problems));
    if let Some(bytes) = count(&mut fields, "max_request_body_size", problems) {
        limits.max_bytes = bytes.min(pipelines::batch::MAX_BYTES as u64) as usize;
    }
    for (key, limit) in [
        ("read_header_timeout", &mut limits.head),
        ("read_timeout", &mut limits.body),
        ("idle_timeout", &mut limits.idle),
    ] {
        time(&mut fields, key, limit, problems);
    }
    for key in HTTP_TUNING {
        fields.take(key);
    }
    for (key, path) in [
        ("metrics_url_path", "/v1/metrics"),
        ("traces_url_path", "/v1/traces"),
        ("logs_url_path", "/v1/logs"),
    ] {
        if let Some(node) = fields.take(key) {
            keep(node.one_of("path", &[(path, ())]), problems);
        }
    }
    let cors = fields.take("cors").and_then(|node| cors(node, problems)).map(Arc::new);
    refuse(&mut fields, &HTTP_LACKING, problems);
    metadata(&mut fields, problems);
    fields.finish(problems);
    let (id, protocol) = (id.to_owned(), Protocol::Http);
    Some(ReceiverSettings { id, protocol, address: address?, tls, limits, signals, pipeline: None, cors })
}

/// Decodes `cors`; without an origin nobody is allowed, as in the Collector.
fn cors(node: &Node, problems: &mut Vec<Problem>) -> Option<Cors> {
    let mut fields = node.optional_map(problems)?;
    let mut texts =
        |key| -> Vec<String> { fields.take(key).map(|node| node.texts(problems)).unwrap_or_default() };
    let allowed_origins = texts("allowed_origins");
    let (allowed_headers, exposed_headers) = (texts("allowed_headers"), texts("exposed_headers"));
    let max_age = fields.take("max_age").and_then(|node| keep(node.unsigned(), problems));
    fields.finish(problems);
    let max_age = max_age.filter(|seconds| *seconds > 0);
    (!allowed_origins.is_empty()).then_some(Cors {
        allowed_origins,
        allowed_headers,
        exposed_headers,
        max_age,
    })
}

fn endpoint(fields: &mut Fields<'_>, port: u16, problems: &mut Vec<Problem>) -> Option<ListenAddress> {
    let address = match fields.take("endpoint") {
        None => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        Some(node) => keep(address::listen(node), problems),
    };
    address.map(ListenAddress::Tcp)
}

/// The path of a socket in the file system.
fn socket(fields: &mut Fields<'_>, at: Location, problems: &mut Vec<Problem>) -> Option<ListenAddress> {
    let node = fields.take("endpoint");
    let path = node.and_then(|node| keep(node.text(), problems)).filter(|path| !path.is_empty());
    if path.is_none() {
        let at = node.map_or(at, |node| node.location);
        problems.push(Problem::new(at, "there is no path to listen at").expected("endpoint: /run/otlp.sock"));
    }
    path.map(|path| ListenAddress::Unix(PathBuf::from(path)))
}

/// Decodes `keepalive.server_parameters.max_connection_idle`. The rest of it tunes the Collector's own server.
fn keepalive(fields: &mut Fields<'_>, limits: &mut Limits, problems: &mut Vec<Problem>) {
    let Some(node) = fields.take("keepalive") else { return };
    let Some(mut fields) = node.optional_map(problems) else { return };
    let parts = ["server_parameters", "enforcement_policy"].map(|key| fields.take(key));
    fields.finish(problems);
    let [server, enforcement] = parts.map(|node| node?.optional_map(problems));
    if let Some(mut fields) = server {
        time(&mut fields, "max_connection_idle", &mut limits.idle, problems);
        for key in ["max_connection_age", "max_connection_age_grace", "time", "timeout"] {
            fields.take(key);
        }
        fields.finish(problems);
    }
    if let Some(mut fields) = enforcement {
        for key in ["min_time", "permit_without_stream"] {
            fields.take(key);
        }
        fields.finish(problems);
    }
}

/// Reads a time; zero is the default, which no listener is without.
fn time(fields: &mut Fields<'_>, key: &'static str, limit: &mut Duration, problems: &mut Vec<Problem>) {
    let time = fields.take(key).and_then(|node| keep(node.duration(), problems));
    if let Some(time) = time.filter(|time| !time.is_zero()) {
        *limit = time;
    }
}

/// Reads a positive number; the Collector reads zero as "the default".
fn count(fields: &mut Fields<'_>, key: &'static str, problems: &mut Vec<Problem>) -> Option<u64> {
    fields.take(key).and_then(|node| keep(node.unsigned(), problems)).filter(|&count| count > 0)
}

/// Reports keys that the Collector has and this agent does not, but for sections that are off: to ignore them would be worse.
pub fn refuse(fields: &mut Fields<'_>, keys: &[&'static str], problems: &mut Vec<Problem>) {
    for key in keys {
        if let Some(node) = fields.take(key).filter(|node| !node.is_switched_off()) {
            problems.push(Problem::new(node.location, format!("Phoenix does not support {key:?} here")));
        }
    }
}

fn metadata(fields: &mut Fields<'_>, problems: &mut Vec<Problem>) {
    if let Some(node) = fields.take("include_metadata")
        && keep(node.bool(), problems) == Some(true)
    {
        problems.push(Problem::new(node.location, "Phoenix does not pass on a sender's metadata"));
    }
}
