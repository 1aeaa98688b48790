//! Where traces go and which: OpenTelemetry's own variables, as every SDK reads them.
//!
//! What cannot be used is told and passed over: no setting of this process's own traces keeps it from serving.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::Sampler;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Uri};

use crate::outgoing::{Rules, Target};

/// Address of a receiver of traces.
pub const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// Sampler.
pub const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
/// Argument of the sampler.
pub const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";

const SERVICE: &str = "phoenix-control-plane";
const CONNECT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(60);
const SAMPLERS: &str = "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off and \
                        parentbased_traceidratio";
/// Port of receivers that speak HTTP, as a rule.
const HTTP_PORT: u16 = 4318;

/// Protocol and address of a receiver.
#[derive(Debug)]
pub(super) enum Way {
    /// OTLP over gRPC.
    Grpc(Box<Endpoint>),
    /// OTLP over HTTP, protobuf.
    Http(Target),
}

/// Settings of traces that are sent.
#[derive(Debug)]
pub struct Settings {
    pub(super) way: Way,
    /// The receiver, as the log names it: its origin alone.
    pub(super) place: String,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) is_compressed: bool,
    pub(super) sampler: Sampler,
    pub(super) resource: Resource,
}

/// What the variables say: settings, if traces are to be sent, and what could not be used.
#[derive(Debug, Default)]
pub struct Read {
    /// Settings.
    pub settings: Option<Settings>,
    /// Sentences about what is passed over.
    pub problems: Vec<String>,
}

impl Read {
    /// Reads the variables; an empty one counts as none.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut problems = Vec::new();
        let settings = Variables(variable).settings(&mut problems).unwrap_or_else(|problem| {
            problems.push(format!("{problem}; no trace is sent"));
            None
        });
        Self { settings, problems }
    }
}

struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn text(&self, name: &str) -> Option<String> {
        let value = self.0(name).map(|value| value.trim().to_owned());
        value.filter(|value| !value.is_empty())
    }

    /// What is said of traces, else of all that is sent.
    fn of_traces(&self, what: &str) -> Option<String> {
        let of = |prefix: &str| self.text(&format!("{prefix}{what}"));
        of("OTEL_EXPORTER_OTLP_TRACES_").or_else(|| of("OTEL_EXPORTER_OTLP_"))
    }

    /// Settings, or none; or the reason for which none can be made.
    fn settings(&self, problems: &mut Vec<String>) -> Result<Option<Settings>, String> {
        let is_true = |value: Option<String>| value.is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let exporter = self.text("OTEL_TRACES_EXPORTER");
        if is_true(self.text("OTEL_SDK_DISABLED")) || exporter.as_deref() == Some("none") {
            return Ok(None);
        }
        let Some(address) = self.of_traces("ENDPOINT") else { return Ok(None) };
        if let Some(other) = exporter.filter(|exporter| exporter != "otlp") {
            problems
                .push(format!("OTEL_TRACES_EXPORTER is {other}; there are otlp and none, and otlp is taken"));
        }
        let scheme = if is_true(self.of_traces("INSECURE")) { "http" } else { "https" };
        let whole = if address.contains("://") { address } else { format!("{scheme}://{address}") };
        let (place, port) = origin(&whole)?;
        let is_http = match self.of_traces("PROTOCOL").as_deref() {
            Some("grpc") => false,
            Some("http/protobuf") => true,
            None => port == Some(HTTP_PORT),
            Some(other) => {
                return Err(format!(
                    "OTEL_EXPORTER_OTLP_PROTOCOL is {other}; there are grpc and http/protobuf"
                ));
            }
        };
        let authorities = self.of_traces("CERTIFICATE");
        let way = if is_http {
            if authorities.is_some() {
                problems.push("OTEL_EXPORTER_OTLP_CERTIFICATE counts for grpc; by http/protobuf it is the system's authorities that do".to_owned());
            }
            // Of all that is sent, each kind has a path of its own.
            let path = if self.text(ENDPOINT).is_some() { "" } else { "/v1/traces" };
            Way::Http(target(&format!(
                "{}{path}",
                if path.is_empty() { &whole } else { whole.trim_end_matches('/') }
            ))?)
        } else {
            Way::Grpc(Box::new(endpoint(&place, authorities)?))
        };
        let is_compressed = match self.of_traces("COMPRESSION").as_deref() {
            None | Some("none") => false,
            Some("gzip") => true,
            Some(other) => {
                let there_are = "there are gzip and none, and none is taken";
                problems.push(format!("OTEL_EXPORTER_OTLP_COMPRESSION is {other}; {there_are}"));
                false
            }
        };
        let attributes = self.text("OTEL_RESOURCE_ATTRIBUTES");
        Ok(Some(Settings {
            way,
            place,
            headers: headers(self.of_traces("HEADERS").as_deref(), problems),
            timeout: timeout(self.of_traces("TIMEOUT"), problems),
            is_compressed,
            sampler: sampler(self.text(SAMPLER), self.text(SAMPLER_ARG), problems),
            resource: resource(self.text("OTEL_SERVICE_NAME"), attributes, problems),
        }))
    }
}

/// Nothing of an address is in a problem: it may have a password in it.
const NO_ADDRESS: &str = "the address of the receiver of traces (--traces-endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or \
                          OTEL_EXPORTER_OTLP_ENDPOINT) is none: expected one such as http://collector:4317";

/// Origin of an address, without a name and a password, and its port.
fn origin(address: &str) -> Result<(String, Option<u16>), String> {
    let uri: Uri = address.parse().map_err(|_| NO_ADDRESS)?;
    let (Some(scheme @ ("http" | "https")), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(NO_ADDRESS.to_owned());
    };
    let port = uri.port_u16();
    let shown = port.map(|port| format!(":{port}")).unwrap_or_default();
    Ok((format!("{scheme}://{host}{shown}"), port))
}

/// A receiver over HTTP. Whoever runs the control plane names it, and vouches for it by that.
fn target(address: &str) -> Result<Target, String> {
    let rules = Rules { plain: true, trusted: vec![Target::host_of(address).map_err(|_| NO_ADDRESS)?] };
    Target::parse(address, &rules)
        .map_err(|why| format!("the address of the receiver of traces cannot be used: {why}"))
}

/// A receiver over gRPC, which has no paths but its own.
fn endpoint(origin: &str, authorities: Option<String>) -> Result<Endpoint, String> {
    let endpoint = Endpoint::from_shared(origin.to_owned()).map_err(|_| NO_ADDRESS)?.connect_timeout(CONNECT);
    if endpoint.uri().scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new().with_enabled_roots();
    if let Some(file) = authorities {
        let pem =
            std::fs::read(&file).map_err(|why| format!("OTEL_EXPORTER_OTLP_CERTIFICATE: {file}: {why}"))?;
        tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
    }
    endpoint.tls_config(tls).map_err(|why| format!("TLS cannot be spoken to the receiver of traces: {why}"))
}

/// Headers, as `key=value,key=value` with values that may be percent-encoded. No value is in a problem.
fn headers(text: Option<&str>, problems: &mut Vec<String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (at, pair) in pairs(text) {
        let Some((key, value)) = pair else {
            problems.push(format!("OTEL_EXPORTER_OTLP_HEADERS: entry {at} is no key=value and is left out"));
            continue;
        };
        match (HeaderName::from_bytes(key.as_bytes()), HeaderValue::from_str(&value)) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            _ => problems
                .push(format!("OTEL_EXPORTER_OTLP_HEADERS: entry {at} can be no header and is left out")),
        }
    }
    headers
}

/// Pairs of a list, each with its place; nothing for what is no pair.
fn pairs(text: Option<&str>) -> impl Iterator<Item = (usize, Option<(String, String)>)> {
    let parts = text.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.enumerate().map(|(at, part)| {
        let pair = part.split_once('=').map(|(key, value)| (key.trim().to_owned(), decoded(value.trim())));
        (at + 1, pair.and_then(|(key, value)| Some((key, value?))).filter(|(key, _)| !key.is_empty()))
    })
}

/// A text with its percent-encoding taken away; nothing if it is no UTF-8 then.
fn decoded(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

fn timeout(text: Option<String>, problems: &mut Vec<String>) -> Duration {
    let Some(text) = text else { return TIMEOUT };
    let time =
        text.parse().ok().map(Duration::from_millis).filter(|time| !time.is_zero() && *time <= LONGEST);
    time.unwrap_or_else(|| {
        problems.push(format!(
            "OTEL_EXPORTER_OTLP_TIMEOUT is {text}; expected milliseconds, {} at most, and {} are taken",
            LONGEST.as_millis(),
            TIMEOUT.as_millis()
        ));
        TIMEOUT
    })
}

fn sampler(name: Option<String>, argument: Option<String>, problems: &mut Vec<String>) -> Sampler {
    let mut share = || {
        let Some(text) = &argument else { return 1.0 };
        let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
        share.unwrap_or_else(|| {
            problems.push(format!(
                "OTEL_TRACES_SAMPLER_ARG is {text}; expected a share from 0 to 1, and 1 is taken"
            ));
            1.0
        })
    };
    let by_parent = |root: Sampler| Sampler::ParentBased(Box::new(root));
    match name.as_deref() {
        Some("always_on") => Sampler::AlwaysOn,
        Some("always_off") => Sampler::AlwaysOff,
        Some("traceidratio") => Sampler::TraceIdRatioBased(share()),
        None | Some("parentbased_always_on") => by_parent(Sampler::AlwaysOn),
        Some("parentbased_always_off") => by_parent(Sampler::AlwaysOff),
        Some("parentbased_traceidratio") => by_parent(Sampler::TraceIdRatioBased(share())),
        Some(other) => {
            problems.push(format!(
                "OTEL_TRACES_SAMPLER is {other}; there are {SAMPLERS}, and parentbased_always_on is taken"
            ));
            by_parent(Sampler::AlwaysOn)
        }
    }
}

/// Resource of all spans. A name of the service goes before one in the attributes.
fn resource(name: Option<String>, attributes: Option<String>, problems: &mut Vec<String>) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let mut resource = Resource::builder_empty().with_service_name(SERVICE).with_attribute(version);
    for (at, pair) in pairs(attributes.as_deref()) {
        match pair {
            Some((key, value)) => {
                resource = resource.with_attribute(KeyValue::new(key, value));
            }
            None => {
                problems
                    .push(format!("OTEL_RESOURCE_ATTRIBUTES: entry {at} is no key=value and is left out"));
            }
        }
    }
    match name {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Read {
        Read::of(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const AT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");

    #[test]
    fn nothing_is_sent_without_an_address_or_where_it_is_switched_off() {
        for off in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "  ")],
            &[AT, ("OTEL_SDK_DISABLED", "TRUE")],
            &[AT, ("OTEL_TRACES_EXPORTER", "none")],
            &[("OTEL_TRACES_SAMPLER", "always_on")],
        ] {
            let read = read(off);
            assert!(read.settings.is_none() && read.problems.is_empty(), "{off:?}: {read:?}");
        }
    }

    #[test]
    fn what_is_said_of_traces_goes_before_what_is_said_of_all() {
        let read = read(&[
            AT,
            (ENDPOINT, "https://user:hush@traces.example.org:4317/any"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20all"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "Authorization = Bearer%20traces, x-scope=one"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=a%2Cb"),
            ("OTEL_SERVICE_NAME", "phoenix-east"),
        ]);
        assert_eq!(read.problems, [""; 0]);
        let settings = read.settings.unwrap();
        assert_eq!(settings.place, "https://traces.example.org:4317");
        assert_eq!(settings.headers.get("authorization").unwrap(), "Bearer traces");
        assert_eq!(settings.headers.len(), 2);
        assert!(!format!("{:?}", settings.headers).contains("Bearer"), "it is not shown");
        assert_eq!(settings.timeout, Duration::from_millis(2500));
        assert!(settings.is_compressed);
        let of = |key: &'static str| settings.resource.get(&Key::new(key)).map(|value| value.to_string());
        assert_eq!(of("service.name").as_deref(), Some("phoenix-east"));
        assert_eq!(of("deployment.environment.name").as_deref(), Some("a,b"));
    }

    #[test]
    fn the_protocol_is_the_one_that_is_said_and_else_that_of_the_port() {
        let way = |variables: &[(&str, &str)]| match read(variables).settings.unwrap().way {
            Way::Grpc(endpoint) => format!("grpc {}", endpoint.uri()),
            Way::Http(target) => format!("http {}", target.as_str()),
        };
        let (all, protocol) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL");
        assert_eq!(way(&[AT]), "grpc http://collector:4317/");
        assert_eq!(way(&[AT, (protocol, "http/protobuf")]), "http http://collector:4317/v1/traces");
        assert_eq!(way(&[(all, "http://10.0.0.7:4318/")]), "http http://10.0.0.7:4318/v1/traces");
        assert_eq!(way(&[(all, "http://10.0.0.7:4318/otlp")]), "http http://10.0.0.7:4318/otlp/v1/traces");
        assert_eq!(way(&[(ENDPOINT, "http://10.0.0.7:4318/in")]), "http http://10.0.0.7:4318/in");
        let of_traces = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc");
        assert_eq!(
            way(&[(all, "http://a:4318"), (protocol, "http/protobuf"), of_traces]),
            "grpc http://a:4318/"
        );
    }

    #[test]
    fn without_a_scheme_it_is_tls_unless_it_is_said_to_be_insecure() {
        let place = |more: &[(&str, &str)]| {
            let all = [&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")], more].concat();
            read(&all).settings.unwrap().place
        };
        assert_eq!(place(&[]), "https://collector:4317");
        assert_eq!(place(&[("OTEL_EXPORTER_OTLP_INSECURE", "true")]), "http://collector:4317");
    }

    #[test]
    fn what_cannot_be_used_is_told_without_what_may_be_a_secret() {
        for (name, value, says) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://a:hush@b", "expected one such as http://collector:4317"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a b hush", "expected one such as"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "there are grpc and http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hush", "entry 1 is no key=value"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b,na me=hush", "entry 2 can be no header"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=hush%0ahush", "entry 1 can be no header"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "lz4", "none is taken"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "10000 are taken"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "10000 are taken"),
            ("OTEL_RESOURCE_ATTRIBUTES", "=a", "entry 1 is no key=value"),
            ("OTEL_TRACES_SAMPLER", "xray", "parentbased_always_on is taken"),
            ("OTEL_TRACES_EXPORTER", "zipkin", "otlp is taken"),
        ] {
            let all = if name == AT.0 { vec![(name, value)] } else { vec![AT, (name, value)] };
            let read = read(&all);
            let [problem] = &read.problems[..] else { panic!("{name} {value}: {read:?}") };
            assert!(problem.contains(says) && !problem.contains("hush"), "{problem}");
            assert_eq!(read.settings.is_some(), !problem.ends_with("; no trace is sent"), "{problem}");
        }
    }

    #[test]
    fn samplers_are_those_of_the_standard() {
        let of = |name, argument| {
            let read = read(&[AT, (SAMPLER, name), (SAMPLER_ARG, argument)]);
            (format!("{:?}", read.settings.unwrap().sampler), read.problems.len())
        };
        assert_eq!(of("always_off", ""), ("AlwaysOff".to_owned(), 0));
        assert_eq!(of("traceidratio", "0.25"), ("TraceIdRatioBased(0.25)".to_owned(), 0));
        assert_eq!(of("", ""), ("ParentBased(AlwaysOn)".to_owned(), 0));
        assert_eq!(
            of("parentbased_traceidratio", "0.5"),
            ("ParentBased(TraceIdRatioBased(0.5))".to_owned(), 0)
        );
        for wrong in ["2", "-0.1", "NaN", "all"] {
            assert_eq!(of("traceidratio", wrong), ("TraceIdRatioBased(1.0)".to_owned(), 1), "{wrong}");
        }
    }
}
