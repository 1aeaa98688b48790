//! Exporters: `otlp`, `otlp_http`, `file`, `debug` and `nop`, with the Collector's keys and defaults.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use pipelines::config::{CollectorFile, Component, Section, unknown_component};
use pipelines::yaml::{Location, Node, Problem, keep};

use super::authenticator::{self, Authenticator};
use super::components::EXPORTERS;
use super::proxy::{self, Proxies};
use super::receiver::refuse;
use super::sending_queue::queue;
use super::tls::{self, Tls};
use super::{exporter_file, exporter_http};
use crate::deliver::{ExporterKind, ExporterSettings, OtlpSettings, QueueSettings};
use crate::net::{Endpoint, RetrySettings};
use crate::request::Encoding;

/// Keys that tune the Collector's own client and mean nothing to this one.
const TUNING: [&str; 4] = ["keepalive", "read_buffer_size", "wait_for_ready", "write_buffer_size"];

/// What an exporter depends on that its own section does not say.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The file, with its extensions.
    pub file: &'a CollectorFile,
    /// Proxies of the environment.
    pub proxies: &'a Proxies,
    /// True if requests say which variant and generation they are.
    pub variant_headers: bool,
}

/// Decodes an exporter; nothing if that is not possible.
pub fn decode(
    component: &Component,
    around: Surroundings<'_>,
    problems: &mut Vec<Problem>,
) -> Option<ExporterSettings> {
    let id = component.id.as_str().to_owned();
    let simple = |kind| ExporterSettings {
        id: id.clone(),
        kind,
        queue: QueueSettings::default(),
        storage: None,
        retry: RetrySettings::default(),
    };
    match component.id.kind() {
        "otlp" | "otlp_grpc" => otlp(&component.config, id, around, problems),
        "otlp_http" | "otlphttp" => exporter_http::decode(&component.config, id, around, problems),
        "file" => exporter_file::decode(&component.config, id, problems),
        "nop" => {
            keep(component.config.map(), problems)?.finish(problems);
            Some(simple(ExporterKind::Nop))
        }
        "debug" => {
            let mut fields = keep(component.config.map(), problems)?;
            // How much it says in the Collector; here it is a line a request.
            if let Some(node) = fields.take("verbosity") {
                let words = [("basic", ()), ("normal", ()), ("detailed", ())];
                keep(node.one_of_any_case("verbosity", &words), problems);
            }
            for key in ["sampling_initial", "sampling_thereafter", "use_internal_logger"] {
                fields.take(key);
            }
            fields.finish(problems);
            Some(simple(ExporterKind::Debug))
        }
        kind => {
            problems.push(unknown_component(component.location, Section::Exporters, kind, EXPORTERS));
            None
        }
    }
}

fn otlp(
    node: &Node,
    id: String,
    around: Surroundings<'_>,
    problems: &mut Vec<Problem>,
) -> Option<ExporterSettings> {
    let mut fields = keep(node.map(), problems)?;
    let tls = fields.take("tls").map(|node| tls::client(node, problems)).unwrap_or_default();
    let endpoint = keep(fields.required("endpoint"), problems);
    let endpoint = endpoint.and_then(|node| {
        let mut endpoint = keep(endpoint_of(node, tls), problems)?;
        let proxy = around.proxies.to(&endpoint, true);
        endpoint.proxy = keep(proxy.map_err(|why| no_proxy(node, why)), problems)?;
        Some(endpoint)
    });
    let compression = fields.take("compression").and_then(|node| {
        let words = [
            ("gzip", Some(Encoding::Gzip)),
            ("zstd", Some(Encoding::Zstd)),
            // Over gRPC it is the framing format, as in the Collector.
            ("snappy", Some(Encoding::SnappyFramed)),
            ("none", None),
            ("", None),
        ];
        keep(node.one_of("compression", &words), problems)
    });
    let timeout = fields.take("timeout").and_then(|node| keep(node.duration(), problems));
    let timeout = timeout.unwrap_or(Duration::from_secs(5));
    let headers = fields.take("headers").map(|node| headers(node, problems)).unwrap_or_default();
    let auth = fields.take("auth").and_then(|node| {
        if !node.is_switched_off() && endpoint.as_ref().is_some_and(|endpoint| endpoint.tls.is_none()) {
            let problem =
                Problem::new(node.location, "a secret would go unencrypted, which gRPC does not do");
            problems.push(problem.expected("TLS to the endpoint: neither http:// nor tls.insecure"));
        }
        authenticator::decode(node, around, problems)
    });
    let retry = fields.take("retry_on_failure").and_then(|node| retry(node, problems)).unwrap_or_default();
    let queue = fields.take("sending_queue").and_then(|node| queue(node, around.file, problems));
    let (queue, storage) = queue.unwrap_or_default();
    for key in TUNING {
        fields.take(key);
    }
    // One connection goes to one of the addresses, whatever it is.
    if let Some(node) = fields.take("balancer_name") {
        let words = [("round_robin", ()), ("pick_first", ()), ("", ())];
        keep(node.one_of("balancer_name", &words), problems);
    }
    refuse(&mut fields, &["authority", "batcher", "middlewares"], problems);
    fields.finish(problems);
    let compression = compression.unwrap_or(Some(Encoding::Gzip));
    // Zero is no limit in the Collector; a request that waits for ever would hold its place for ever.
    let timeout = if timeout.is_zero() { Duration::from_secs(60) } else { timeout };
    let variant_headers = around.variant_headers;
    let otlp = Box::new(OtlpSettings { compression, timeout, headers, token: None, variant_headers });
    let otlp = authenticated(otlp, auth);
    let kind = ExporterKind::Otlp { endpoint: endpoint?, otlp };
    Some(ExporterSettings { id, kind, queue, storage, retry })
}

/// A variable of the environment that names no proxy, where an exporter needs it.
pub fn no_proxy(at: &Node, why: String) -> Problem {
    Problem::new(at.location, why).expected(proxy::EXPECTED)
}

/// The same with the header of an authenticator.
pub fn authenticated(mut otlp: Box<OtlpSettings>, auth: Option<Authenticator>) -> Box<OtlpSettings> {
    match auth {
        Some(Authenticator::Fixed(name, value)) => {
            otlp.headers.insert(name, value);
        }
        Some(Authenticator::Token(source)) => otlp.token = Some(source),
        None => {}
    }
    otlp
}

fn endpoint_of(node: &Node, tls: Tls) -> Result<Endpoint, Problem> {
    let text = node.text()?;
    let problem = || {
        Problem::new(node.location, format!("{} is no endpoint", node.quoted()))
            .expected("host:port, http://host:port, https://host:port or unix:///path")
    };
    if let Some(path) = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:")) {
        let host = Some(path).filter(|path| path.starts_with('/')).ok_or_else(problem)?.to_owned();
        return Ok(Endpoint { host, port: 0, tls: (!tls.insecure).then_some(tls.settings), proxy: None });
    }
    // The resolver's name in gRPC: names are resolved by the system here, whatever it is.
    let text = text.strip_prefix("dns:///").or_else(|| text.strip_prefix("passthrough:///")).unwrap_or(text);
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let secure = match scheme {
        "" => !tls.insecure,
        "http" => false,
        "https" => true,
        _ => return Err(problem()),
    };
    let (host, port) = rest.trim_end_matches('/').rsplit_once(':').ok_or_else(problem)?;
    let port = port.parse().ok().filter(|&port: &u16| port > 0).ok_or_else(problem)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() || host.contains(['/', '@', ' ']) {
        return Err(problem());
    }
    Ok(Endpoint { host, port, tls: secure.then_some(tls.settings), proxy: None })
}

/// Adds a header, whose value no log shows. False if it is no legal one.
pub fn header(name: &str, value: &str, all: &mut HeaderMap) -> bool {
    match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        (Ok(name), Ok(mut value)) => {
            value.set_sensitive(true);
            all.insert(name, value);
            true
        }
        _ => false,
    }
}

/// Headers as a map, or as the list of names and values that newer Collectors also take.
pub fn headers(node: &Node, problems: &mut Vec<Problem>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |at: Location, name: &str, value: &Node, problems: &mut Vec<Problem>| {
        if keep(value.text(), problems).is_some_and(|text| !header(name, text, &mut headers)) {
            // The value may be a secret: it is not repeated.
            problems.push(Problem::new(at, "not a legal header name and value"));
        }
    };
    if let Ok(entries) = node.entries() {
        for entry in entries {
            add(entry.key.location, &entry.key.text, &entry.value, problems);
        }
        return headers;
    }
    for item in keep(node.list(), problems).unwrap_or_default() {
        let Some(mut fields) = keep(item.map(), problems) else { continue };
        let name = keep(fields.required("name").and_then(Node::text), problems);
        let value = keep(fields.required("value"), problems);
        fields.finish(problems);
        if let (Some(name), Some(value)) = (name, value) {
            add(item.location, name, value, problems);
        }
    }
    headers
}

/// Decodes `retry_on_failure`.
pub fn retry(node: &Node, problems: &mut Vec<Problem>) -> Option<RetrySettings> {
    let mut retry = RetrySettings::default();
    let mut fields = keep(node.map(), problems)?;
    if let Some(node) = fields.take("enabled") {
        retry.enabled = keep(node.bool(), problems).unwrap_or(true);
    }
    for (key, slot) in [
        ("initial_interval", &mut retry.initial_interval),
        ("max_interval", &mut retry.max_interval),
        ("max_elapsed_time", &mut retry.max_elapsed_time),
    ] {
        if let Some(duration) = fields.take(key).and_then(|node| keep(node.duration(), problems)) {
            *slot = duration;
        }
    }
    let mut ratio = |key, from: f64, to: f64, slot: &mut f64| {
        let Some(node) = fields.take(key) else { return };
        let Some(value) = keep(node.float(), problems) else { return };
        if (from..=to).contains(&value) {
            *slot = value;
        } else {
            problems.push(
                Problem::new(node.location, format!("{key} is {value}")).expected(format!("{from} to {to}")),
            );
        }
    };
    ratio("multiplier", 1.0, 100.0, &mut retry.multiplier);
    ratio("randomization_factor", 0.0, 1.0, &mut retry.randomization_factor);
    fields.finish(problems);
    for (key, interval) in
        [("initial_interval", retry.initial_interval), ("max_interval", retry.max_interval)]
    {
        let most = retry.max_elapsed_time;
        if !most.is_zero() && most < interval {
            let problem =
                Problem::new(node.location, format!("max_elapsed_time is {most:?} and {key} {interval:?}"));
            problems.push(problem.expected("max_elapsed_time not below it, or 0 for no end"));
        }
    }
    Some(retry)
}
