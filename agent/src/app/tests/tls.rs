//! A destination behind TLS, and what happens when it cannot prove who it is.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::harness::{Agent, config, eventually, export, load};
use crate::net::Stream;

/// Acceptor of TLS connections that speak this protocol, of all clients or of those that an authority vouches for.
pub fn acceptor(
    certificate: &CertifiedKey<rcgen::KeyPair>,
    clients: Option<&CertifiedKey<rcgen::KeyPair>>,
    protocol: &str,
) -> TlsAcceptor {
    let key = PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der());
    let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let tls = match clients {
        None => tls.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.cert.der().clone()).expect("an authority");
            let provider = Arc::new(ring::default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            tls.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let mut tls =
        tls.with_single_cert(vec![certificate.cert.der().clone()], key.into()).expect("certificate");
    tls.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    TlsAcceptor::from(Arc::new(tls))
}

/// Requests that a server took, each with its header `authorization`.
#[derive(Clone, Default)]
pub struct Taken(Arc<Mutex<Vec<Option<String>>>>);

impl Taken {
    pub fn requests(&self) -> usize {
        self.0.lock().expect("lock").len()
    }

    pub fn authorizations(&self) -> Vec<String> {
        self.0.lock().expect("lock").iter().flatten().cloned().collect()
    }
}

/// A gRPC server behind TLS that takes everything; how many requests it took, and where it is.
pub async fn server(certificate: CertifiedKey<rcgen::KeyPair>) -> (Taken, SocketAddr) {
    serve(acceptor(&certificate, None, "h2")).await
}

async fn serve(acceptor: TlsAcceptor) -> (Taken, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let taken = Taken::default();
    let counter = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(acceptor.clone(), stream, counter.clone()));
        }
    });
    (taken, address)
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, taken: Taken) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    take(stream, "https", taken).await;
}

/// Takes every request of a connection.
pub async fn take(stream: impl Stream, scheme: &str, taken: Taken) {
    let mut connection = h2::server::handshake(stream).await.expect("handshake");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert_eq!(request.uri().scheme_str(), Some(scheme));
        let said =
            request.headers().get("authorization").map(|value| value.to_str().expect("text").to_owned());
        taken.0.lock().expect("lock").push(said);
        let mut body = respond.send_response(Response::new(()), false).expect("response");
        body.send_data(Bytes::from_static(&[0; 5]), false).expect("message");
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        body.send_trailers(trailers).expect("trailers");
    }
}

pub fn certificate() -> CertifiedKey<rcgen::KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).expect("certificate")
}

fn secure(address: SocketAddr, ca_file: &Path) -> String {
    let tls =
        format!("https://localhost:{}\n    tls: {{ ca_file: '{}' }}", address.port(), ca_file.display());
    config(address, "").replace(&format!("http://{address}"), &tls)
}

#[tokio::test(flavor = "multi_thread")]
async fn delivers_over_tls_to_a_server_its_authority_vouches_for() {
    let certificate = certificate();
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), certificate.cert.pem()).expect("write");
    let (taken, address) = server(certificate).await;
    let agent = Agent::start(&load(&secure(address, file.path()))).await;
    agent.client().await.export(export(3, 3)).await.expect("accepted");
    eventually("it is taken", async || taken.requests() == 1).await;
    eventually("and confirmed", async || agent.health().await["points"]["delivered"] == 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_nothing_to_a_server_that_another_authority_vouches_for() {
    let other = certificate();
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), other.cert.pem()).expect("write");
    let (taken, address) = server(certificate()).await;
    let agent = Agent::start(&load(&secure(address, file.path()))).await;
    agent.client().await.export(export(3, 3)).await.expect("accepted");
    let retried =
        r#"phoenix_exporter_retried_requests_total{exporter="otlp",signal="metrics",variant="baseline"}"#;
    eventually("it tries", async || agent.metric(retried).await >= Some(2.0)).await;
    assert_eq!(taken.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_authority_is_an_error_at_boot_that_names_the_exporter() {
    let settings = load(&secure("127.0.0.1:1".parse().expect("address"), Path::new("nowhere.pem")));
    let error = crate::app::App::build(settings).await.expect_err("no such file").to_string();
    assert!(error.starts_with("exporter otlp: ca_file nowhere.pem"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_shows_its_certificate_to_a_server_of_another_name_and_a_renewed_one_is_read_again() {
    let named = || generate_simple_self_signed(["backend.internal".to_owned()]).expect("certificate");
    let (server_side, client, renewed) = (named(), certificate(), certificate());
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: String| {
        std::fs::write(folder.path().join(name), text).expect("write");
        folder.path().join(name).display().to_string()
    };
    let ca = put("ca.pem", server_side.cert.pem());
    // A certificate that the server does not know, at first.
    let cert = put("cert.pem", client.cert.pem());
    let key = put("key.pem", client.signing_key.serialize_pem());
    let (taken, address) = serve(acceptor(&server_side, Some(&renewed), "h2")).await;
    let tls = format!(
        "https://localhost:{}\n    tls: {{ ca_file: '{ca}', cert_file: '{cert}', key_file: '{key}', \
         server_name_override: backend.internal, min_version: '1.3' }}",
        address.port()
    );
    let text = config(address, "").replace(&format!("http://{address}"), &tls);
    let agent = Agent::start(&load(&text)).await;
    agent.client().await.export(export(3, 3)).await.expect("accepted");
    let retried =
        r#"phoenix_exporter_retried_requests_total{exporter="otlp",signal="metrics",variant="baseline"}"#;
    eventually("it is not let in", async || agent.metric(retried).await >= Some(2.0)).await;
    assert_eq!(taken.requests(), 0);
    put("key.pem", renewed.signing_key.serialize_pem());
    put("cert.pem", renewed.cert.pem());
    eventually("it is taken", async || taken.requests() == 1).await;
    eventually("and confirmed", async || agent.health().await["points"]["delivered"] == 9).await;
}
