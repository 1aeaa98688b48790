//! Check of the certificates that a config names, before anything connects.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{config, mute};

#[test]
fn validate_reads_the_certificates_that_a_config_names_and_says_what_is_wrong_with_each() {
    let dir = tempfile::tempdir().expect("dir");
    let (_listener, sink) = mute();
    let base = config(dir.path(), sink, "");
    let text = std::fs::read_to_string(&base).expect("read");
    let (key, other) =
        (rcgen::KeyPair::generate().expect("a key"), rcgen::KeyPair::generate().expect("a key"));
    let put = |name: &str, text: String| {
        std::fs::write(dir.path().join(name), text).expect("write");
        dir.path().join(name).display().to_string()
    };
    let cert = |name: &str, year| {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        put(name, params.self_signed(&key).expect("a certificate").pem())
    };
    let (good, ended) = (cert("good.pem", 2200), cert("ended.pem", 2001));
    let (own, another) = (put("own.key", key.serialize_pem()), put("another.key", other.serialize_pem()));
    let no_pem = put("no.pem", "nothing".to_owned());
    let validated = |file: &str, key: &str| {
        let more = format!(
            "phoenix: {{ control_plane: {{ endpoint: 'wss://localhost:1/v1/opamp', cert_file: '{file}', key_file: '{key}' }} }}"
        );
        let over = put("over.yaml", more);
        let mut agent = Command::new(env!("CARGO_BIN_EXE_phoenix-agent"));
        agent.arg("validate").arg("--config").arg(&base).args(["--config", &over]);
        let output = agent.output().expect("run");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let (code, said) = validated(&good, &own);
    assert!(code == Some(0) && !said.contains("control_plane"), "{said}");
    for (file, key, why) in [
        (
            &ended,
            &own,
            "ended.pem: the certificate (CN=rcgen self signed cert) ended at Jan  1 00:00:00 2001",
        ),
        (&good, &another, "another.key: it is not the key of the certificate in cert_file"),
        (&no_pem, &own, "no.pem: it holds no certificate in PEM"),
        (&good, &no_pem, "no.pem: it holds no private key in PEM"),
        (&"/nowhere.pem".to_owned(), &own, "cert_file /nowhere.pem: No such file"),
    ] {
        let (code, said) = validated(file, key);
        assert!(said.contains("phoenix.control_plane: ") && said.contains(why), "{why}: {said}");
        assert!(code == Some(0) && said.contains("can be used"), "the agent runs all the same: {said}");
    }
    // What the agent does not start with is refused.
    let listener = format!("tls: {{ cert_file: '{no_pem}', key_file: '{own}' }}");
    let secured = text.replacen("grpc: { endpoint: ", &format!("grpc: {{ {listener}, endpoint: "), 1);
    assert_ne!(secured, text);
    let secured = put("secured.yaml", secured);
    let mut agent = Command::new(env!("CARGO_BIN_EXE_phoenix-agent"));
    let output = agent.args(["validate", "--config", &secured]).output().expect("run");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.code() == Some(2) && said.contains("receiver otlp: tls: cert_file"), "{said}");
    let otlp = format!("{{ protocol: grpc, endpoint: 'https://localhost:1', certificate: '{no_pem}' }}");
    let telemetry =
        format!("{{ metrics: {{ readers: [ {{ periodic: {{ exporter: {{ otlp: {otlp} }} }} }} ] }} }}");
    let own = put("own.yaml", format!("service: {{ telemetry: {telemetry} }}"));
    let mut agent = Command::new(env!("CARGO_BIN_EXE_phoenix-agent"));
    let output =
        agent.arg("validate").arg("--config").arg(&base).args(["--config", &own]).output().expect("run");
    let said = String::from_utf8(output.stderr).expect("text");
    let reader = "service.telemetry.metrics: the reader that sends to https://localhost:1: ca_file";
    assert!(output.status.code() == Some(2) && said.contains(reader), "{said}");
}

#[test]
fn validate_tells_of_every_authority_and_chain_that_has_ended_or_soon_does() {
    let dir = tempfile::tempdir().expect("dir");
    let (_listener, sink) = mute();
    let base = config(dir.path(), sink, "");
    let key = rcgen::KeyPair::generate().expect("a key");
    let put = |name: &str, text: String| {
        std::fs::write(dir.path().join(name), text).expect("write");
        dir.path().join(name).display().to_string()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let cert = |name: &str, until: Duration| {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + until;
        params.self_signed(&key).expect("a certificate").pem()
    };
    let day = Duration::from_secs(86_400);
    let (good, soon, ended) =
        (cert("good", now + 365 * day), cert("soon", now + 13 * day), cert("ended", now - day));
    let (good_file, own) = (put("good.pem", good.clone()), put("own.key", key.serialize_pem()));
    let chain = put("chain.pem", good.clone() + &ended);
    let authorities = put("authorities.pem", good + &ended + &soon);
    let named = format!("ca_file: '{authorities}'");
    let over = put(
        "over.yaml",
        format!(
            "receivers: {{ otlp: {{ protocols: {{ grpc: {{ tls: {{ cert_file: '{chain}', key_file: '{own}', client_ca_file: \
             '{authorities}' }} }} }} }} }}
exporters:
  otlp: {{ tls: {{ {named} }}, endpoint: https://localhost:1, auth: {{ authenticator: oauth2client }} }}
extensions:
  oauth2client: {{ client_id: a, client_secret: b, token_url: 'https://localhost:1/t', tls: {{ {named} }} }}
service: {{ extensions: [health_check, oauth2client] }}
phoenix: {{ control_plane: {{ endpoint: 'wss://localhost:1/v1/opamp', {named}, cert_file: '{good_file}', key_file: '{own}' }} }}
"
        ),
    );
    let mut agent = Command::new(env!("CARGO_BIN_EXE_phoenix-agent"));
    let output =
        agent.arg("validate").arg("--config").arg(&base).args(["--config", &over]).output().expect("run");
    let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
    assert_eq!(output.status.code(), Some(0), "{said}");
    let chain = format!("receiver otlp: tls: cert_file {chain}: certificate 2 of 2 (CN=ended) ended at ");
    assert!(said.contains(&chain), "{chain}: {said}");
    for place in [
        "receiver otlp: tls: client_ca_file",
        "exporter otlp: ca_file",
        "exporter otlp: oauth2client: ca_file",
        "phoenix.control_plane: ca_file",
    ] {
        for what in ["certificate 2 of 3 (CN=ended) ended at ", "certificate 3 of 3 (CN=soon) ends at "] {
            let line = format!("{place} {authorities}: {what}");
            assert_eq!(said.matches(&line).count(), 1, "{line}: {said}");
        }
    }
    assert!(!said.contains("CN=good"), "{said}");
}

#[test]
fn validate_reads_the_files_of_tokens_and_says_what_a_start_says() {
    let dir = tempfile::tempdir().expect("dir");
    let (_listener, sink) = mute();
    let base = config(dir.path(), sink, "");
    let at = |name: &str| dir.path().join(name).display().to_string();
    for (name, text) in [("id", "agent\n"), ("secret", "s3cret\n"), ("empty", " \n")] {
        std::fs::write(dir.path().join(name), text).expect("write");
    }
    let run = |command: Option<&str>, extension: &str, keys: &str| {
        let text = format!(
            "exporters: {{ otlp_http: {{ endpoint: 'http://localhost:1', auth: {{ authenticator: {extension} }} }} }}
extensions: {{ {extension}: {{ {keys} }} }}
service: {{ extensions: [health_check, {extension}], pipelines: {{ metrics: {{ exporters: [otlp_http] }} }} }}
"
        );
        let over = at("over.yaml");
        std::fs::write(&over, text).expect("write");
        let mut agent = Command::new(env!("CARGO_BIN_EXE_phoenix-agent"));
        let agent = agent.args(command).arg("--config").arg(&base).args(["--config", &over]);
        let output = agent.output().expect("run");
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).expect("text"))
    };
    let by = |id: &str, secret: &str| {
        let (id, secret) = (at(id), at(secret));
        format!("client_id_file: '{id}', client_secret_file: '{secret}', token_url: 'http://localhost:1/t'")
    };
    let (code, said) = run(Some("validate"), "oauth2client", &by("id", "secret"));
    assert!(code == Some(0) && said.contains("can be used"), "{said}");
    for (extension, keys, file, why) in [
        ("oauth2client", by("nowhere", "secret"), "nowhere", "No such file"),
        ("oauth2client", by("id", "nowhere"), "nowhere", "No such file"),
        ("oauth2client", by("id", "empty"), "empty", "it holds nothing"),
        ("bearertokenauth", format!("filename: '{}'", at("nowhere")), "nowhere", "No such file"),
    ] {
        let expected = format!("exporter otlp_http: auth: the file {}: {why}", at(file));
        for command in [Some("validate"), None] {
            let (code, said) = run(command, extension, &keys);
            assert!(said.contains(&expected) && !said.contains("s3cret"), "{command:?}: {expected}: {said}");
            assert_eq!(code, Some(if command.is_some() { 2 } else { 1 }), "{command:?}: {said}");
        }
    }
}
