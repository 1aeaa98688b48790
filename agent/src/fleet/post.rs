//! One request to the control plane over a connection of its own.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderName, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::Fleet;
use super::credential::Proof;
use crate::net::Connector;

const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ANSWER: usize = 64 << 10;

/// Request to send.
pub struct Post<'a> {
    /// Path.
    pub path: &'a str,
    /// Proof of who asks.
    pub proof: &'a Proof,
    /// Media type of the body.
    pub media_type: &'a str,
    /// A further header.
    pub header: Option<(HeaderName, &'a str)>,
    /// The body.
    pub body: Bytes,
}

/// The answer, whatever its status. Redirects are not followed: a credential goes to the address in the file only.
///
/// # Errors
/// When there is none, or none in time.
pub async fn post(fleet: &Fleet, post: Post<'_>) -> io::Result<Response<Bytes>> {
    let asked = tokio::time::timeout(TIMEOUT, ask(fleet, post)).await;
    asked.map_err(|_| io::Error::other("no answer in time"))?
}

/// An error with all its causes.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    words
}

async fn ask(fleet: &Fleet, post: Post<'_>) -> io::Result<Response<Bytes>> {
    let connector = Connector::new(fleet.control_plane.endpoint.clone(), "http/1.1")?;
    let stream = TokioIo::new(connector.connect().await?);
    let (mut sender, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let (name, proof) = post.proof.header().map_err(io::Error::other)?;
    let mut request = Request::post(post.path)
        .header(HOST, connector.authority())
        .header(name, proof)
        .header(CONTENT_TYPE, post.media_type);
    if let Some((name, value)) = post.header {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(post.body)).map_err(io::Error::other)?;
    let answer = match sender.send_request(request).await {
        Ok(answer) => answer,
        // The connection knows better: a certificate that is refused is told by its end.
        Err(error) => match connection.await {
            Ok(Err(why)) => return Err(io::Error::other(in_full(&why))),
            _ => return Err(io::Error::other(in_full(&error))),
        },
    };
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(io::Error::other)?;
    Ok(Response::from_parts(head, body.to_bytes()))
}
