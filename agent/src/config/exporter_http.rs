//! The exporter `otlp_http`, with the Collector's keys and defaults.

use std::time::Duration;

use pipelines::yaml::{Node, Problem, keep};

use super::authenticator;
use super::exporter::{Surroundings, authenticated, headers, no_proxy, retry};
use super::proxy;
use super::receiver::refuse;
use super::sending_queue::queue;
use super::tls::{self, Tls};
use crate::deliver::{ExporterKind, ExporterSettings, HttpTarget, OtlpSettings};
use crate::net::{Endpoint, Proxy, TlsSettings};
use crate::request::{Encoding, Media};
use crate::signal::Signal;

/// Keys that tune the Collector's own client and mean nothing to this one.
const TUNING: [&str; 12] = [
    "compression_params",
    "disable_keep_alives",
    "force_attempt_http2",
    "http2_ping_timeout",
    "http2_read_idle_timeout",
    "idle_conn_timeout",
    "keepalive",
    "max_conns_per_host",
    "max_idle_conns",
    "max_idle_conns_per_host",
    "read_buffer_size",
    "write_buffer_size",
];

/// Decodes it; nothing if that is not possible.
pub fn decode(
    node: &Node,
    id: String,
    around: Surroundings<'_>,
    problems: &mut Vec<Problem>,
) -> Option<ExporterSettings> {
    let mut fields = keep(node.map(), problems)?;
    let tls = fields.take("tls").map(|node| tls::client(node, problems)).unwrap_or_default();
    let own = fields.take("proxy_url").filter(|node| !node.text().is_ok_and(str::is_empty));
    let own = own.and_then(|node| keep(proxy_url(node, &tls), problems));
    let mut url = |key| {
        let node = fields.take(key)?;
        let mut target = keep(target(node, &tls), problems)?;
        let proxy = match &own {
            Some(own) => Ok(Some(own.clone())),
            None => around.proxies.to(&target.endpoint, false),
        };
        target.endpoint.proxy = keep(proxy.map_err(|why| no_proxy(node, why)), problems)?;
        Some(target)
    };
    let base = url("endpoint");
    let own = ["metrics_endpoint", "traces_endpoint", "logs_endpoint"].map(&mut url);
    let mut targets = [None, None, None];
    for ((target, own), signal) in targets.iter_mut().zip(own).zip(Signal::ALL) {
        *target = own.or_else(|| base.as_ref().map(|base| below(base, signal)));
    }
    if targets.iter().all(Option::is_none) && problems.is_empty() {
        let problem = Problem::new(node.location, "there is no endpoint");
        problems.push(problem.expected("endpoint, or one for each signal such as metrics_endpoint"));
    }
    let compression = fields.take("compression").and_then(|node| {
        let words = [
            ("gzip", Some(Encoding::Gzip)),
            ("zstd", Some(Encoding::Zstd)),
            ("deflate", Some(Encoding::Deflate)),
            ("zlib", Some(Encoding::Zlib)),
            ("snappy", Some(Encoding::Snappy)),
            ("x-snappy-framed", Some(Encoding::SnappyFramed)),
            ("lz4", Some(Encoding::Lz4)),
            ("none", None),
            ("", None),
        ];
        keep(node.one_of("compression", &words), problems)
    });
    let encoding = fields.take("encoding").and_then(|node| {
        keep(node.one_of("encoding", &[("proto", Media::Protobuf), ("json", Media::Json)]), problems)
    });
    let timeout = fields.take("timeout").and_then(|node| keep(node.duration(), problems));
    let timeout = timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(Duration::from_secs(30));
    let headers = fields.take("headers").map(|node| headers(node, problems)).unwrap_or_default();
    let auth = fields.take("auth").and_then(|node| authenticator::decode(node, around, problems));
    let retry = fields.take("retry_on_failure").and_then(|node| retry(node, problems)).unwrap_or_default();
    let queue = fields.take("sending_queue").and_then(|node| queue(node, around.file, problems));
    let (queue, storage) = queue.unwrap_or_default();
    for key in TUNING {
        fields.take(key);
    }
    refuse(&mut fields, &["cookies", "middlewares", "profiles_endpoint"], problems);
    fields.finish(problems);
    let compression = compression.unwrap_or(Some(Encoding::Gzip));
    let variant_headers = around.variant_headers;
    let otlp = Box::new(OtlpSettings { compression, timeout, headers, token: None, variant_headers });
    let otlp = authenticated(otlp, auth);
    let media = encoding.unwrap_or(Media::Protobuf);
    let kind = ExporterKind::OtlpHttp { targets: Box::new(targets), media, otlp };
    Some(ExporterSettings { id, kind, queue, storage, retry })
}

/// The URL of a signal below an endpoint, as the Collector makes it.
fn below(base: &HttpTarget, signal: Signal) -> HttpTarget {
    let path = format!("{}{}", base.path.trim_end_matches('/'), signal.http_path());
    HttpTarget { endpoint: base.endpoint.clone(), path }
}

/// The proxy that the section names, whatever the environment says. One that speaks TLS is verified as the server is.
fn proxy_url(node: &Node, tls: &Tls) -> Result<Proxy, Problem> {
    let mut proxy = proxy::proxy(node.text()?).ok_or_else(|| {
        Problem::new(node.location, "this is no proxy that Phoenix can use").expected(proxy::EXPECTED)
    })?;
    if let Some(settings) = &mut proxy.server.tls {
        *settings = TlsSettings { server_name: None, ..tls.settings.clone() };
    }
    Ok(proxy)
}

/// Decodes the URL of a server.
pub fn target(node: &Node, tls: &Tls) -> Result<HttpTarget, Problem> {
    target_of(node.text()?, &tls.settings).ok_or_else(|| {
        Problem::new(node.location, format!("{} is no URL", node.quoted()))
            .expected("a URL such as https://otlp.example.com:4318")
    })
}

/// The target of a URL; nothing where it is none. One of `https` is spoken to in this TLS.
pub fn target_of(text: &str, tls: &TlsSettings) -> Option<HttpTarget> {
    let url: http::Uri = text.parse().ok()?;
    let secure = match url.scheme_str()? {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let authority = url.authority().filter(|authority| !authority.as_str().contains('@'))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let path = url.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let tls = secure.then(|| tls.clone());
    (!host.is_empty()).then_some(HttpTarget { endpoint: Endpoint { host, port, tls, proxy: None }, path })
}
