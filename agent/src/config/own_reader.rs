//! Readers of `service.telemetry.metrics`, with the Collector's keys and defaults: times are in milliseconds.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use gate::{Pem, TlsIdentity};
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use pipelines::yaml::{Fields, Node, Problem, keep};

use super::exporter::{header, no_proxy};
use super::exporter_http::target_of;
use super::own_telemetry::Surroundings;
use super::own_variables::{self, Variables};
use crate::deliver::{ExporterKind, HttpTarget, OtlpSettings};
use crate::net::TlsSettings;
use crate::own_metrics::{ReaderSettings, Temporality};
use crate::request::{Encoding, Media};
use crate::signal::Signal;
use crate::telemetry::NameStyle;

const INTERVAL: Duration = Duration::from_secs(60);
/// The shortest interval that is kept.
const LEAST: Duration = Duration::from_secs(1);
/// Time limits of a reader and of its exporter; the shorter one holds.
const TIMEOUTS: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(10)];

const COMPRESSIONS: [(&str, Option<Encoding>); 2] = [("gzip", Some(Encoding::Gzip)), ("none", None)];
const TEMPORALITIES: [(&str, Temporality); 3] = [
    ("cumulative", Temporality::Cumulative),
    ("delta", Temporality::Delta),
    ("lowmemory", Temporality::LowMemory),
];

/// Reads a Prometheus reader: its address, if it says one, and the ends of names.
pub fn pulled(node: &Node, problems: &mut Vec<Problem>) -> Option<(Option<SocketAddr>, NameStyle)> {
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

/// Reads a periodic reader; nothing where it cannot be used, or sends to where nothing is built.
pub fn periodic(
    node: &Node,
    around: Surroundings<'_>,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<ReaderSettings> {
    let mut fields = keep(node.map(), problems)?;
    let mut variables = Variables::new(around.lookup);
    let mut time = |fields: &mut Fields<'_>, key, name: &str| {
        let said = variables.text(name).map(|text| (name.to_owned(), text));
        millis(fields, key, problems).or_else(|| variables.millis(said))
    };
    let interval = time(&mut fields, "interval", own_variables::INTERVAL).unwrap_or(INTERVAL);
    let timeout = time(&mut fields, "timeout", own_variables::TIMEOUT).unwrap_or(TIMEOUTS[0]);
    notes.extend(variables.into_notes());
    let exporter = keep(fields.required("exporter"), problems);
    fields.finish(problems);
    if interval < LEAST {
        notes.push(format!("service.telemetry.metrics: an interval of {interval:?} is taken as {LEAST:?}"));
    }
    let exporter = exporter?;
    let mut kinds = keep(exporter.map(), problems)?;
    let has = |key| exporter.entries().is_ok_and(|entries| entries.iter().any(|entry| entry.key.text == key));
    let (otlp, console) = (kinds.take("otlp"), has("console"));
    kinds.take("console");
    kinds.finish(problems);
    match (otlp, console) {
        (Some(node), false) => {
            let (kind, place, temporality) = otlp_of(node, around, timeout, notes, problems)?;
            Some(ReaderSettings { kind, place, interval: interval.max(LEAST), temporality })
        }
        (None, true) => {
            let note = "service.telemetry.metrics: the exporter console is not built: read /metrics";
            notes.push(note.to_owned());
            None
        }
        (Some(_), true) => {
            problems.push(Problem::new(exporter.location, "a reader has two exporters").expected("one"));
            None
        }
        (None, false) => {
            problems.push(Problem::new(exporter.location, "a reader has no exporter").expected("otlp"));
            None
        }
    }
}

/// A time in milliseconds; zero is the default.
fn millis(fields: &mut Fields<'_>, key: &'static str, problems: &mut Vec<Problem>) -> Option<Duration> {
    let millis = keep(fields.take(key)?.unsigned(), problems)?;
    (millis > 0).then(|| Duration::from_millis(millis))
}

/// Receiver, its place for the log, and its preference.
fn otlp_of(
    node: &Node,
    around: Surroundings<'_>,
    timeout: Duration,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<(ExporterKind, String, Temporality)> {
    let mut fields = keep(node.map(), problems)?;
    let missing = |problem: Problem| problem.expected("grpc or http/protobuf");
    let protocol = keep(fields.required("protocol").map_err(missing), problems);
    let is_http = protocol.and_then(|node| {
        keep(node.one_of("protocol", &[("grpc", false), ("http/protobuf", true)]), problems)
    });
    let insecure = fields.take("insecure").and_then(|node| keep(node.bool(), problems));
    let endpoint = fields.take("endpoint");
    let tls = tls(&mut fields, node, notes, problems);
    let compression =
        fields.take("compression").and_then(|node| keep(node.one_of("compression", &COMPRESSIONS), problems));
    let own = millis(&mut fields, "timeout", problems);
    let temporality = fields
        .take("temporality_preference")
        .and_then(|node| keep(node.one_of("temporality_preference", &TEMPORALITIES), problems));
    if let Some(node) = fields.take("default_histogram_aggregation") {
        let words = [("explicit_bucket_histogram", true), ("base2_exponential_bucket_histogram", false)];
        if keep(node.one_of("default_histogram_aggregation", &words), problems) == Some(false) {
            let note = "service.telemetry.metrics: base2_exponential_bucket_histogram is not built: buckets are those of /metrics";
            notes.push(note.to_owned());
        }
    }
    let headers = headers(&mut fields, around, problems);
    fields.finish(problems);
    let (at, is_http) = (endpoint.unwrap_or(node), is_http?);
    let said = InFile { insecure, tls, compression, timeout: own, temporality };
    let Way { insecure, tls, tls_by, is_forced, compression, timeout: own, temporality } =
        said.beside_variables(around, is_http, notes);
    let text = match endpoint {
        Some(node) => keep(node.text(), problems)?.to_owned(),
        None => default_endpoint(around, is_http),
    };
    let target = target(&text, is_forced, insecure, tls).ok_or_else(|| {
        // One of a variable may have a password in it.
        let what = endpoint.map_or_else(|| "what the environment says".to_owned(), Node::quoted);
        Problem::new(at.location, format!("{what} is no endpoint"))
            .expected("host:port, http://host:port or https://host:port")
    });
    let mut target = keep(target, problems)?;
    let proxy = around.proxies.to(&target.endpoint, !is_http).map_err(|why| no_proxy(at, why));
    target.endpoint.proxy = keep(proxy, problems)?;
    let otlp = Box::new(OtlpSettings {
        compression,
        timeout: own.min(timeout),
        headers,
        token: None,
        variant_headers: false,
    });
    let place = place(&target, &tls_by);
    let kind = if is_http {
        let targets = Box::new([Some(target), None, None]);
        ExporterKind::OtlpHttp { targets, media: Media::Protobuf, otlp }
    } else {
        ExporterKind::Otlp { endpoint: target.endpoint, otlp }
    };
    Some((kind, place, temporality))
}

/// What an exporter of the file says of the way to its receiver.
struct InFile {
    insecure: Option<bool>,
    tls: Option<TlsSettings>,
    /// The outer one is whether it is said.
    compression: Option<Option<Encoding>>,
    timeout: Option<Duration>,
    temporality: Option<Temporality>,
}

/// The way to a receiver, by the file, the variables and the defaults.
struct Way {
    insecure: bool,
    tls: Option<TlsSettings>,
    /// Variables that name files of it.
    tls_by: Vec<String>,
    /// True if there is TLS whatever the endpoint's scheme says.
    is_forced: bool,
    compression: Option<Encoding>,
    timeout: Duration,
    temporality: Temporality,
}

impl InFile {
    /// Adds what the variables say where the file says nothing.
    fn beside_variables(self, around: Surroundings<'_>, is_http: bool, notes: &mut Vec<String>) -> Way {
        let mut variables = Variables::new(around.lookup);
        let protocol = if is_http { "http/protobuf" } else { "grpc" };
        if let Some((name, other)) = variables.sent("PROTOCOL").filter(|(_, text)| text != protocol) {
            variables.note(format!("{name} is {other:?} and not read: the reader's protocol is {protocol}"));
        }
        let insecure = self.insecure.or_else(|| {
            let said = variables.sent("INSECURE");
            variables.word(said, &[("true", true), ("false", false)])
        });
        let compression = self.compression.or_else(|| {
            let said = variables.sent("COMPRESSION");
            variables.word(said, &COMPRESSIONS)
        });
        let timeout = self.timeout.or_else(|| {
            let said = variables.sent("TIMEOUT");
            variables.millis(said)
        });
        let temporality = self.temporality.or_else(|| {
            let name = own_variables::TEMPORALITY;
            let said = variables.text(name).map(|text| (name.to_owned(), text));
            variables.word(said, &TEMPORALITIES)
        });
        // As in the Collector, over gRPC a certificate of the file asks for TLS.
        let is_forced = !is_http && self.tls.is_some();
        let (tls, tls_by) = tls_beside(self.tls, &mut variables);
        notes.extend(variables.into_notes());
        Way {
            insecure: insecure.unwrap_or(false),
            tls,
            tls_by,
            is_forced,
            compression: compression.flatten(),
            timeout: timeout.unwrap_or(TIMEOUTS[1]),
            temporality: temporality.unwrap_or_default(),
        }
    }
}

/// The endpoint where a reader names none: OpenTelemetry's variables, else this host.
fn default_endpoint(around: Surroundings<'_>, is_http: bool) -> String {
    let variables = Variables::new(around.lookup);
    let of_all = || {
        let all = variables.text("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        let path = if is_http { Signal::Metrics.http_path() } else { "" };
        Some(format!("{}{path}", all.trim_end_matches('/')))
    };
    let here = if is_http { "https://localhost:4318" } else { "https://localhost:4317" };
    variables.text("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT").or_else(of_all).unwrap_or_else(|| here.to_owned())
}

/// The target of an endpoint, whose scheme says whether it is secured; one without a scheme is, unless it is said not to be.
fn target(text: &str, is_forced: bool, insecure: bool, tls: Option<TlsSettings>) -> Option<HttpTarget> {
    let has_scheme = text.starts_with("http://") || text.starts_with("https://");
    if !has_scheme && text.contains("://") {
        return None;
    }
    let scheme = if insecure { "http" } else { "https" };
    let url = if has_scheme { text.to_owned() } else { format!("{scheme}://{text}") };
    let mut target = target_of(&url, &tls.clone().unwrap_or_default())?;
    if is_forced {
        target.endpoint.tls = tls;
    }
    let has_path = url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if !has_path {
        target.path = Signal::Metrics.http_path().to_owned();
    }
    Some(target)
}

/// Scheme, host and port, and the variables that name files of TLS: nobody finds them in the file.
fn place(target: &HttpTarget, tls_by: &[String]) -> String {
    let has_tls = target.endpoint.tls.is_some();
    let scheme = if has_tls { "https" } else { "http" };
    let (host, port) = (&target.endpoint.host, target.endpoint.port);
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let by = if has_tls && !tls_by.is_empty() {
        format!(" (TLS by {})", tls_by.join(", "))
    } else {
        String::new()
    };
    format!("{scheme}://{host}:{port}{by}")
}

/// TLS, where files are named for it.
fn tls(
    fields: &mut Fields<'_>,
    at: &Node,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<TlsSettings> {
    let mut file = |key| {
        let path = fields.take(key).and_then(|node| keep(node.text(), problems));
        path.filter(|path| !path.is_empty()).map(|path| Pem::File(PathBuf::from(path)))
    };
    let (authorities, cert, key) = (file("certificate"), file("client_certificate"), file("client_key"));
    if cert.is_some() && key.is_none() {
        let problem = Problem::new(at.location, "client_certificate, and no client_key");
        problems.push(problem.expected("both, or none"));
    }
    if cert.is_none() && key.is_some() {
        notes.push("service.telemetry.metrics: client_key has no effect without client_certificate".into());
    }
    let identity = cert.zip(key).map(|(cert, key)| TlsIdentity { cert, key });
    let is_said = authorities.is_some() || identity.is_some();
    is_said.then(|| TlsSettings { authorities, identity, ..TlsSettings::default() })
}

/// TLS of the file, and the files that the variables name where it names none; with the names of those variables.
fn tls_beside(
    in_file: Option<TlsSettings>,
    variables: &mut Variables<'_>,
) -> (Option<TlsSettings>, Vec<String>) {
    let mut tls = in_file.unwrap_or_default();
    let mut names = Vec::new();
    let mut file = |(name, path): (String, String)| {
        names.push(name);
        Pem::File(PathBuf::from(path))
    };
    if tls.authorities.is_none() {
        tls.authorities = variables.sent("CERTIFICATE").map(&mut file);
    }
    if tls.identity.is_none() {
        match (variables.sent("CLIENT_CERTIFICATE"), variables.sent("CLIENT_KEY")) {
            (Some(cert), Some(key)) => {
                tls.identity = Some(TlsIdentity { cert: file(cert), key: file(key) });
            }
            (Some((name, _)), None) => {
                variables.note(format!("{name} is not read without one that ends in CLIENT_KEY"));
            }
            (None, Some((name, _))) => {
                variables.note(format!("{name} is not read without one that ends in CLIENT_CERTIFICATE"));
            }
            (None, None) => {}
        }
    }
    let is_said = tls.authorities.is_some() || tls.identity.is_some();
    (is_said.then_some(tls), names)
}

/// Headers: those of `headers_list`, over them those of `headers`; where there are none, those of OpenTelemetry's variables.
fn headers(fields: &mut Fields<'_>, around: Surroundings<'_>, problems: &mut Vec<Problem>) -> HeaderMap {
    let mut all = HeaderMap::new();
    if let Some(node) = fields.take("headers_list")
        && let Some(text) = keep(node.text(), problems)
        && !listed(text, &mut all)
    {
        problems
            .push(Problem::new(node.location, "this is no list of headers").expected("key=value,key=value"));
    }
    if let Some(node) = fields.take("headers") {
        named(node, &mut all, problems);
    }
    if all.is_empty()
        && let Some((name, text)) = Variables::new(around.lookup).sent("HEADERS")
        && !listed(&text, &mut all)
    {
        let message = format!("the environment's {name} is no list of headers");
        problems.push(Problem::new(fields.location(), message).expected("key=value,key=value"));
    }
    all
}

/// Adds the headers of a list such as `key=value,key=value`. False where it is none; no value is repeated then.
fn listed(text: &str, all: &mut HeaderMap) -> bool {
    text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).all(|pair| {
        let Some((name, value)) = pair.split_once('=') else { return false };
        let value = percent_decode_str(value.trim()).decode_utf8().ok();
        value.is_some_and(|value| header(name.trim(), &value, all))
    })
}

/// Adds the headers of a list of names and values, or of a map of them. One whose value is null is none.
fn named(node: &Node, all: &mut HeaderMap, problems: &mut Vec<Problem>) {
    let mut pairs = Vec::new();
    if let Ok(entries) = node.entries() {
        pairs.extend(entries.iter().map(|entry| (entry.key.location, entry.key.text.clone(), &entry.value)));
    } else {
        for item in keep(node.list(), problems).unwrap_or_default() {
            let Some(mut fields) = keep(item.map(), problems) else { continue };
            let name = keep(fields.required("name").and_then(Node::text), problems);
            let value = fields.take("value");
            fields.finish(problems);
            pairs.extend(name.zip(value).map(|(name, value)| (item.location, name.to_owned(), value)));
        }
    }
    for (at, name, value) in pairs.into_iter().filter(|(.., value)| !value.is_null()) {
        let Some(text) = keep(value.text(), problems) else { continue };
        if !header(&name, text, all) {
            // The value may be a secret: it is not repeated.
            problems.push(Problem::new(at, "not a legal header name and value"));
        }
    }
}
