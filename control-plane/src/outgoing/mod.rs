//! Calls to servers that somebody else has named.
//!
//! What always holds: a host's addresses are looked up once, all of them are checked, and the connection goes to one that was
//! checked, so that no second answer of a name server leads elsewhere; a redirect is an answer like any other; a call ends after
//! [`DEADLINE`]; and an answer is bounded. No proxy is asked, because it would look the host up by itself.

mod address;
mod target;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::{HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

pub use target::{NotAHost, NotATarget, Rules, Target, TrustedHost};

/// Time within which a call ends.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// The most bytes of an answer's head.
const HEAD: usize = 64 << 10;
/// The most addresses of a host that are looked at.
const ADDRESSES: usize = 16;

/// Reason for which a call had no answer. None tells the path of its target.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// A host without addresses, or with one that is not public.
    #[error("{host} has no address")]
    Nowhere {
        /// The host.
        host: String,
    },
    /// A host of which an address is not public.
    #[error("{host} is not of the public internet: it has the address {address}")]
    Private {
        /// The host.
        host: String,
        /// The first such address.
        address: std::net::IpAddr,
    },
    /// Nobody to talk to.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// No TLS.
    #[error("TLS cannot be spoken: {0}")]
    Tls(io::Error),
    /// No answer, or none that is understood.
    #[error("no answer: {0}")]
    Answer(#[from] hyper::Error),
    /// An answer that is too large, or breaks off.
    #[error("the answer cannot be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// An address that is no target.
    #[error(transparent)]
    Target(#[from] NotATarget),
    /// A request that cannot be written.
    #[error("the request cannot be written: {0}")]
    Request(#[from] axum::http::Error),
    /// Too late.
    #[error("no answer in {DEADLINE:?}")]
    Late,
}

/// Maker of calls.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Rules for targets.
    pub rules: Rules,
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Outgoing {
    /// A maker of calls under these rules.
    pub fn new(rules: Rules) -> Self {
        Self { rules, tls: OnceCell::new() }
    }

    /// Sends a document to a target. Returns the status of the answer, of which nothing else is read.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn post(
        &self,
        target: &Target,
        headers: &[(&'static str, HeaderValue)],
        body: Vec<u8>,
    ) -> Result<StatusCode, CallError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(target.path())
            .header(HOST, target.authority())
            .header(USER_AGENT, concat!("phoenix-control-plane/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_LENGTH, body.len());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = self.send(target, request.body(body)?, 0).await?;
        Ok(answer.status())
    }

    /// Makes a call to a target, of which the request's own address is taken. Returns the answer, of `most` bytes at most.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(
        &self,
        target: &Target,
        mut request: Request<Vec<u8>>,
        most: usize,
    ) -> Result<Response<Vec<u8>>, CallError> {
        *request.uri_mut() = target.path().parse().map_err(axum::http::Error::from)?;
        let length = HeaderValue::from(request.body().len());
        let authority = HeaderValue::try_from(target.authority()).map_err(axum::http::Error::from)?;
        request.headers_mut().insert(HOST, authority);
        request.headers_mut().insert(CONTENT_LENGTH, length);
        self.send(target, request, most).await
    }

    async fn send(
        &self,
        target: &Target,
        request: Request<Vec<u8>>,
        most: usize,
    ) -> Result<Response<Vec<u8>>, CallError> {
        let request = request.map(|body| Full::new(Bytes::from(body)));
        let call = async {
            let stream = connected(target, look_up).await?;
            if !target.is_secure() {
                return exchange(stream, request, most).await;
            }
            let (host, _) = target.host_and_port();
            let name = ServerName::try_from(host).map_err(|error| CallError::Tls(io::Error::other(error)))?;
            let tls = TlsConnector::from(Arc::clone(self.tls().await?));
            let stream = tls.connect(name, stream).await.map_err(CallError::Tls)?;
            exchange(stream, request, most).await
        };
        tokio::time::timeout(DEADLINE, call).await.map_err(|_| CallError::Late)?
    }

    /// TLS against the system's authorities, read at the first use.
    async fn tls(&self) -> Result<&Arc<ClientConfig>, CallError> {
        self.tls
            .get_or_try_init(async || {
                let read = tokio::task::spawn_blocking(|| {
                    let mut roots = RootCertStore::empty();
                    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                        .with_safe_default_protocol_versions()
                        .map_err(io::Error::other)?;
                    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
                });
                read.await.map_err(io::Error::other).flatten().map_err(CallError::Tls)
            })
            .await
    }
}

/// Addresses of a host, as the system finds them.
async fn look_up(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// A connection to an address of the target's host, once all of them are checked. They are looked up once.
async fn connected<F: Future<Output = io::Result<Vec<SocketAddr>>>>(
    target: &Target,
    look_up: impl FnOnce(String, u16) -> F,
) -> Result<TcpStream, CallError> {
    let (host, port) = target.host_and_port();
    let mut found = look_up(host.clone(), port).await.map_err(CallError::Connect)?;
    found.truncate(ADDRESSES);
    if found.is_empty() {
        return Err(CallError::Nowhere { host });
    }
    let special = found.iter().map(SocketAddr::ip).find(|address| !address::is_public(*address));
    if let Some(address) = special.filter(|_| !target.is_trusted()) {
        return Err(CallError::Private { host, address });
    }
    TcpStream::connect(&found[..]).await.map_err(CallError::Connect)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Response<Vec<u8>>, CallError> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    // Its end is told by the request.
    let driven = async {
        let _ended = connection.await;
        pending::<Infallible>().await
    };
    let answered = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        if most == 0 {
            return Ok(Response::from_parts(parts, Vec::new()));
        }
        let body = Limited::new(body, most).collect().await.map_err(CallError::Body)?;
        Ok(Response::from_parts(parts, body.to_bytes().to_vec()))
    };
    tokio::select! {
        answer = answered => answer,
        never = driven => match never {},
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn target(trusted: &[&str]) -> Target {
        let trusted = trusted.iter().map(|host| host.parse().unwrap()).collect();
        Target::parse("https://hooks.example.org/hush", &Rules { plain: false, trusted }).unwrap()
    }

    #[tokio::test]
    async fn a_name_of_which_any_address_is_private_is_not_called_whoever_else_it_names() {
        // A listener that would take it.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let public: SocketAddr = "8.8.8.8:443".parse().unwrap();
        let mapped = SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), here.port());
        for found in
            [vec![here], vec![mapped], vec![public, here], vec!["169.254.169.254:80".parse().unwrap()]]
        {
            let refused = connected(&target(&[]), async |_, _| Ok(found.clone())).await.unwrap_err();
            assert!(matches!(refused, CallError::Private { .. }), "{found:?}: {refused}");
            assert!(!refused.to_string().contains("hush"));
        }
        let nowhere = connected(&target(&[]), async |_, _| Ok(Vec::new())).await.unwrap_err();
        assert_eq!(nowhere.to_string(), "hooks.example.org has no address");
        let stream = connected(&target(&["hooks.example.org"]), async |_, _| Ok(vec![here])).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), here, "to the address that was checked");
    }
}
