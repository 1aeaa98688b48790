//! A proxy between this process and a server (RFC 9110, section 9.3.6).

use std::io;

use bytes::Bytes;
use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::{Method, Request};
use http_body_util::Empty;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;

use super::connect::{Endpoint, Stream};

/// Proxy that is asked for a way to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// The proxy itself.
    pub server: Box<Endpoint>,
    /// Value of `proxy-authorization`.
    pub authorization: Option<HeaderValue>,
}

/// Has the proxy at the other end of `stream` connect to `authority`; what is read and written then is the server's.
///
/// # Errors
/// When it refuses, with its status.
pub async fn tunnel(
    stream: impl Stream,
    authority: &str,
    authorization: Option<&HeaderValue>,
) -> io::Result<impl Stream> {
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = authority.parse().map_err(io::Error::other)?;
    let host = HeaderValue::from_str(authority).map_err(io::Error::other)?;
    request.headers_mut().insert(HOST, host);
    if let Some(value) = authorization {
        request.headers_mut().insert(PROXY_AUTHORIZATION, value.clone());
    }
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = response.status();
    if !status.is_success() {
        return Err(io::Error::other(format!(
            "the proxy refuses a way to {authority}: HTTP status {status}"
        )));
    }
    Ok(TokioIo::new(hyper::upgrade::on(response).await.map_err(io::Error::other)?))
}
