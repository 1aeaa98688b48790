//! A destination behind TLS, and what happens when it cannot prove who it is.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::harness::{Agent, config, eventually, export, load};

/// Acceptor of TLS connections that speak this protocol.
pub fn acceptor(certificate: &CertifiedKey<rcgen::KeyPair>, protocol: &str) -> TlsAcceptor {
    let key = PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der());
    let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key.into())
        .expect("certificate");
    tls.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    TlsAcceptor::from(Arc::new(tls))
}

/// A gRPC server behind TLS that takes everything; how many requests it took, and where it is.
async fn server(certificate: CertifiedKey<rcgen::KeyPair>) -> (Arc<AtomicUsize>, SocketAddr) {
    let acceptor = acceptor(&certificate, "h2");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(acceptor.clone(), stream, Arc::clone(&counter)));
        }
    });
    (taken, address)
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, taken: Arc<AtomicUsize>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let mut connection = h2::server::handshake(stream).await.expect("handshake");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert_eq!(request.uri().scheme_str(), Some("https"));
        taken.fetch_add(1, Ordering::Relaxed);
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
    eventually("it is taken", async || taken.load(Ordering::Relaxed) == 1).await;
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
    assert_eq!(taken.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_authority_is_an_error_at_boot_that_names_the_exporter() {
    let settings = load(&secure("127.0.0.1:1".parse().expect("address"), Path::new("nowhere.pem")));
    let error = crate::app::App::build(settings).await.expect_err("no such file").to_string();
    assert!(error.starts_with("exporter otlp: ca_file nowhere.pem"), "{error}");
}
