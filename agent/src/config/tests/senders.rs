//! Exporters and what they authenticate by.

use super::{bad, good};
use crate::deliver::ExporterKind;
use crate::net::Endpoint;
use crate::request::Media;

#[test]
fn an_exporter_over_http_has_the_urls_that_its_keys_say() {
    let text = |keys: &str| {
        format!(
            "receivers: {{ otlp: {{ protocols: {{ grpc: }} }} }}
exporters: {{ otlphttp/eu: {{ {keys} }} }}
service: {{ pipelines: {{ metrics: {{ receivers: [otlp], exporters: [otlphttp/eu] }} }} }}
"
        )
    };
    let target = |keys: &str| {
        let settings = good(&text(keys));
        let ExporterKind::OtlpHttp { targets, .. } = &settings.exporters[0].kind else {
            panic!("{settings:?}")
        };
        let target = targets[0].clone().expect("a target of metrics");
        let Endpoint { host, port, tls, .. } = target.endpoint;
        format!("{host} {port} {} {}", tls.is_some(), target.path)
    };
    for (keys, expected) in [
        ("endpoint: http://backend:4318", "backend 4318 false /v1/metrics"),
        ("endpoint: 'https://otlp.example.com/'", "otlp.example.com 443 true /v1/metrics"),
        ("endpoint: 'https://otlp.example.com:8443/otlp'", "otlp.example.com 8443 true /otlp/v1/metrics"),
        ("metrics_endpoint: 'https://v.example/api?k=1'", "v.example 443 true /api?k=1"),
        ("endpoint: 'http://a:1', metrics_endpoint: 'http://[::1]:2/m'", "::1 2 false /m"),
    ] {
        assert_eq!(target(keys), expected, "{keys}");
    }
    good(&text("endpoint: 'http://a:1', encoding: json, proxy_url: 'https://u:p@proxy'"));
    for (keys, said) in [
        ("", "there is no endpoint"),
        ("endpoint: 'backend:4318'", "is no URL"),
        ("endpoint: 'ftp://backend'", "is no URL"),
        ("traces_endpoint: 'http://a:1/v1/traces'", "otlphttp/eu has no endpoint for metrics"),
        ("endpoint: 'http://a:1', encoding: xml", "expected: one of proto, json"),
        ("endpoint: 'http://a:1', compresion: gzip", "did you mean \"compression\""),
        ("endpoint: 'http://a:1', proxy_url: 'socks5://u:hush@p:1'", "this is no proxy that Phoenix can use"),
    ] {
        let found = bad(&text(keys));
        assert!(found.contains(said) && !found.contains("hush"), "{keys}: {found}");
    }
}

#[test]
fn a_section_that_is_off_is_not_there_and_a_key_that_is_lacking_is_told_from_an_unknown_one() {
    let text = |grpc: &str, http: &str, exporter: &str, health: &str| {
        format!(
            "receivers: {{ otlp: {{ protocols: {{ grpc: {{ {grpc} }}, http: {{ {http} }} }} }} }}
exporters: {{ otlp: {{ endpoint: 'a:1', tls: {{ insecure: true }}, {exporter} }} }}
extensions: {{ health_check: {{ {health} }} }}
service: {{ extensions: [health_check], pipelines: {{ metrics: {{ receivers: [otlp], exporters: [otlp] }} }} }}
"
        )
    };
    let settings = good(&text(
        "enabled: true, auth: { enabled: false }, middlewares: [], keepalive: { enabled: false }",
        "enabled: false",
        "auth: { enabled: false }, sending_queue: { batch: { enabled: false } }",
        "check_collector_pipeline: { enabled: false }, read_timeout: 1s",
    ));
    assert_eq!(settings.receivers.len(), 1, "{:?}", settings.receivers);
    assert!(settings.exporters[0].queue.batch.is_none());
    let cors = "cors: { enabled: false, allowed_origins: ['*'] }, tls: { enabled: false, cert_file: a }";
    let without = good(&text("enabled: false", cors, "", ""));
    let http = without.receivers.first().expect("a receiver");
    assert!(http.cors.is_none() && http.tls.is_none(), "{http:?}");
    for (config, said) in [
        (text("enabled: false", "enabled: false", "", ""), "no protocol"),
        (text("enabled: maybe", "", "", ""), "true or false"),
        (text("", "compression_algorithms: [gzip]", "", ""), "does not support \"compression_algorithms\""),
        (text("", "transport: unix", "", ""), "does not support \"transport\""),
        (text("", "", "", "response_body: { healthy: ok }"), "does not support \"response_body\""),
        (text("", "", "", "check_collector_pipeline: { enabled: true }"), "\"check_collector_pipeline\""),
        (text("", "", "", "pth: /a"), "did you mean \"path\""),
        (
            text("", "", "sending_queue: { sizer: items, queue_size: 10, batch: { min_size: 11 } }", ""),
            "min_size is 11 and queue_size 10",
        ),
        (text("", "", "balancer_name: best", ""), "expected: one of round_robin, pick_first"),
        (
            text("", "", "", "")
                .replace(
                    "otlp: { endpoint: 'a:1', tls: { insecure: true },  }",
                    "debug: { verbosity: loud }, otlp: { endpoint: 'a:1' }",
                )
                .replace("exporters: [otlp]", "exporters: [debug]"),
            "unknown verbosity",
        ),
        (text("", "", "retry_on_failure: { max_elapsed_time: 10s }", ""), "max_interval 30s"),
        (
            text("", "", "retry_on_failure: { max_interval: 1s, max_elapsed_time: 4s }", ""),
            "max_elapsed_time is 4s and initial_interval 5s",
        ),
    ] {
        let found = bad(&config);
        assert!(found.contains(said), "{said}: {found}");
    }
    good(&text("", "", "retry_on_failure: { max_elapsed_time: 0 }", ""));
    // A queue counts requests and a batch items, so that their sizes are not compared.
    for batch in ["{}", "{ flush_timeout: 1s }", "{ min_size: 5000 }"] {
        let settings = good(&text("", "", &format!("sending_queue: {{ batch: {batch} }}"), ""));
        assert!(settings.exporters[0].queue.batch.is_some(), "{batch}");
    }
}

#[test]
fn an_authenticator_is_an_extension_of_the_service_that_says_how() {
    let text = |extensions: &str, service: &str| {
        format!(
            "receivers: {{ otlp: {{ protocols: {{ grpc: }} }} }}
exporters: {{ otlp: {{ endpoint: 'a:1', tls: {{ }}, auth: {{ authenticator: basicauth/x }} }} }}
extensions: {{ {extensions} }}
service: {{ extensions: [{service}], pipelines: {{ metrics: {{ receivers: [otlp], exporters: [otlp] }} }} }}
"
        )
    };
    let basic = "basicauth/x: { client_auth: { username: u, password: p } }";
    good(&text(basic, "basicauth/x"));
    for (extensions, service, said) in [
        (basic, "", "there is no extension \"basicauth/x\" in service.extensions"),
        ("basicauth/x: { client_auth: { username: u } }", "basicauth/x", "password"),
        ("basicauth/x: {}", "basicauth/x", "client_auth"),
    ] {
        let found = bad(&text(extensions, service));
        assert!(found.contains(said), "{found}");
    }
    let bearer = |keys: &str| {
        let text = text(&format!("bearertokenauth: {{ {keys} }}"), "bearertokenauth");
        text.replace("authenticator: basicauth/x", "authenticator: bearertokenauth")
    };
    good(&bearer("token: t, scheme: Api-Key, header: x-key"));
    good(&bearer("filename: /run/token"));
    assert!(bad(&bearer("")).contains("there is no token"));
    let oauth2 = |keys: &str| {
        let text = text(&format!("oauth2client: {{ {keys} }}"), "oauth2client");
        text.replace("authenticator: basicauth/x", "authenticator: oauth2client")
    };
    let client = "client_id: hush, client_secret: hush, token_url: 'https://a/t'";
    good(&oauth2(&format!(
        "{client}, scopes: [s], endpoint_params: {{ a: b }}, timeout: 2s, tls: {{ ca_file: a }}"
    )));
    good(&oauth2(&format!("{client}, grant_type: client_credentials, expiry_buffer: 1m")));
    for (keys, said) in [
        ("client_id: hush, token_url: 'https://a/t'".to_owned(), "there is no client_secret"),
        ("client_id: hush, client_secret: hush".to_owned(), "token_url"),
        (client.replace("https://a/t", "hush"), "is no URL"),
        (format!("{client}, grant_type: hush"), "grant_type"),
        (format!("{client}, iss: hush"), "does not support \"iss\""),
        (format!("{client}, timeout: hush"), "a duration such as"),
    ] {
        let found = bad(&oauth2(&keys));
        assert!(found.contains(said) && !found.contains("hush"), "{found}");
    }
    let plain = bad(&text(basic, "basicauth/x").replace("tls: { }", "tls: { insecure: true }"));
    assert!(plain.contains("agent.yaml:2:") && plain.contains("a secret would go unencrypted"), "{plain}");
    let tls = |keys: &str| text(basic, "basicauth/x").replace("tls: { }", &format!("tls: {{ {keys} }}"));
    let half = tls("cert_file: a.pem");
    assert!(bad(&half).contains("a certificate is half there"), "{}", bad(&half));
    let old = tls("max_version: '1.1'");
    assert!(bad(&old).contains("these versions leave none that Phoenix speaks"), "{}", bad(&old));
}

#[test]
fn tls_says_what_is_wrong_with_its_place_and_never_what_may_be_a_secret() {
    let exporter = |tls: &str| {
        format!(
            "receivers: {{ otlp: {{ protocols: {{ grpc: }} }} }}
exporters: {{ otlp: {{ endpoint: 'a:1', tls: {{ {tls} }} }} }}
service: {{ pipelines: {{ metrics: {{ receivers: [otlp], exporters: [otlp] }} }} }}
"
        )
    };
    let receiver = |tls: &str| {
        let text = exporter("insecure: true");
        text.replace("grpc: }", &format!("grpc: {{ tls: {{ {tls} }} }} }}"))
    };
    let encrypts = |tls: &str| match good(&exporter(tls)).exporters.remove(0).kind {
        ExporterKind::Otlp { endpoint, .. } => endpoint.tls.is_some(),
        other => panic!("{other:?}"),
    };
    assert!(!encrypts("insecure: true"));
    // As in the Collector.
    assert!(encrypts(
        "insecure: true, ca_file: ca.pem, include_system_ca_certs_pool: true, reload_interval: 1h"
    ));
    let pair = "cert_pem: hush, key_pem: hush";
    let with = |more: &str| format!("{pair}, {more}");
    for (text, said) in [
        (exporter("ca_file: a, ca_pem: hush"), ":2:66: ca_file says the same as ca_pem"),
        (exporter("key_pem: hush"), "a certificate is half there"),
        (exporter("reload_interval: hush"), ":2:"),
        (exporter("cipher_suites: [X]"), "does not support \"cipher_suites\""),
        (receiver("client_ca_file: a"), "a listener in TLS needs a certificate"),
        (receiver(&with("ca_file: a")), "ca_file has no effect on a listener"),
        (receiver(&with("reload_interval: hush")), ":1:"),
        (receiver(&with("min_version: hush")), ":1:"),
    ] {
        let found = bad(&text);
        assert!(found.contains(said) && !found.contains("hush"), "{said}: {found}");
    }
    let socket =
        |grpc: &str| exporter("insecure: true").replace("grpc: }", &format!("grpc: {{ {grpc} }} }}"));
    good(&socket("transport: unix, endpoint: /run/otlp.sock"));
    assert!(bad(&socket("transport: unix")).contains("there is no path to listen at"));
    assert!(bad(&socket("transport: udp")).contains("unknown transport"));
}

#[test]
fn a_file_has_the_collectors_keys_and_what_it_lacks_is_refused_by_name() {
    let text = |keys: &str| {
        format!(
            "receivers: {{ otlp: {{ protocols: {{ grpc: }} }} }}
exporters: {{ file: {{ {keys} }}, file/2: {{ path: /b }} }}
service: {{ pipelines: {{ metrics: {{ receivers: [otlp], exporters: [file, file/2] }} }} }}
"
        )
    };
    let file = |keys: &str| match good(&text(keys)).exporters.remove(0).kind {
        ExporterKind::File(file) => *file,
        other => panic!("{other:?}"),
    };
    let plain = file("path: /a");
    assert_eq!((plain.media, plain.zstd, plain.append, plain.rotation), (Media::Json, false, false, None));
    let rotation = file("path: /a, rotation: { max_days: 2, localtime: true }").rotation.expect("a rotation");
    assert_eq!((rotation.most_bytes, rotation.backups, rotation.local), (100 << 20, Some(100), true));
    assert_eq!(rotation.keep, Some(std::time::Duration::from_secs(172_800)));
    let made = file(
        "path: /a/b, format: proto, compression: zstd, flush_interval: 5s, create_directory: true, \
         directory_permissions: '0700', rotation: { max_megabytes: 1, max_backups: 0 }",
    );
    assert_eq!((made.media, made.zstd, made.directory), (Media::Protobuf, true, Some(0o700)));
    assert_eq!(made.rotation.map(|rotation| (rotation.most_bytes, rotation.backups)), Some((1 << 20, None)));
    for (keys, said) in [
        ("", "path"),
        ("path: ''", "path is empty"),
        ("path: /b", "file/2 writes the same file as file"),
        ("path: /a, group_by: { enabled: true }", "does not support \"group_by\""),
        ("path: /a, encoding: otlp_encoding", "does not support \"encoding\""),
        ("path: /a, append: true, rotation: {}", "append goes with no rotation"),
        ("path: /a, append: true, compression: zstd", "append goes with no compression"),
        ("path: /a, compression: gzip", "unknown compression"),
        ("path: /a, flush_interval: soon", "flush_interval"),
        ("path: /a, create_directory: true, directory_permissions: '0999'", "are no permissions"),
        ("path: /a, directory_permissions: '0700'", "of a directory that is not made"),
        ("path: /a, sending_queue: {}", "sending_queue"),
    ] {
        let found = bad(&text(keys));
        assert!(found.contains(said), "{keys}: {found}");
    }
}
