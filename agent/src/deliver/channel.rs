//! One HTTP/2 connection to a destination, and unary gRPC calls on it.
//!
//! Straight on `h2`, hyper's own HTTP/2: a call hands its message over as one piece of shared memory
//! and waits for the trailers, with no task and no channel of its own. A broken connection is
//! replaced by the next call. Every failure says whether the peer may have seen the request.

use std::io::Cursor;
use std::sync::{Mutex, PoisonError};

use bytes::buf::Chain;
use bytes::{Buf as _, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version};
use thiserror::Error;

use crate::net::Connector;
use crate::signal::Signal;

/// A gRPC message: its prefix and its bytes.
type Message = Chain<Cursor<[u8; 5]>, Bytes>;

/// Largest Export response that is read; a partial success is a number and a sentence.
const MAX_RESPONSE: usize = 64 * 1024;

/// Answer of a peer.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status; anything but 200 did not come from a gRPC server.
    pub http: StatusCode,
    /// The response message without its prefix; empty for a full success.
    pub message: Bytes,
    /// `grpc-status` and its companions, from the trailers or from a headers-only response.
    pub trailers: HeaderMap,
}

/// Reason for which there is no answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// The peer cannot have processed the request.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The peer may have processed the request.
    #[error("no answer: {0}")]
    Unanswered(String),
}

/// A destination's connection, opened when first needed.
#[derive(Debug)]
pub struct Channel {
    connector: Connector,
    paths: [Uri; 3],
    live: Mutex<Option<SendRequest<Message>>>,
    opening: tokio::sync::Mutex<()>,
}

impl Channel {
    /// A channel that is not connected yet.
    ///
    /// # Errors
    /// When the endpoint is no legal authority.
    pub fn new(connector: Connector) -> Result<Self, http::Error> {
        let uri = |signal: Signal| {
            Uri::builder()
                .scheme(connector.scheme())
                .authority(connector.authority())
                .path_and_query(PathAndQuery::from_static(signal.grpc_path()))
                .build()
        };
        let paths = [uri(Signal::Metrics)?, uri(Signal::Traces)?, uri(Signal::Logs)?];
        Ok(Self { connector, paths, live: Mutex::default(), opening: tokio::sync::Mutex::default() })
    }

    /// A handle that can start a call now, over a new connection if there is none.
    ///
    /// # Errors
    /// [`CallError::NotSent`].
    pub async fn open(&self) -> Result<SendRequest<Message>, CallError> {
        if let Some(ready) = self.reuse().await {
            return Ok(ready);
        }
        let _only_one = self.opening.lock().await;
        if let Some(ready) = self.reuse().await {
            return Ok(ready);
        }
        let failed = |error: &dyn std::fmt::Display| CallError::NotSent(error.to_string());
        let stream = self.connector.connect().await.map_err(|error| failed(&error))?;
        let (sender, connection) = h2::client::Builder::new()
            .enable_push(false)
            .handshake(stream)
            .await
            .map_err(|error| failed(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to a destination ended");
            }
        });
        let ready = sender.ready().await.map_err(|error| failed(&error))?;
        *self.live() = Some(ready.clone());
        Ok(ready)
    }

    /// Forgets the connection: the next call opens another one. Calls in flight go on.
    pub fn abandon(&self) {
        self.live().take();
    }

    /// Makes one call.
    ///
    /// # Errors
    /// [`CallError`]; the connection is abandoned where it may be at fault.
    pub async fn call(
        &self,
        mut sender: SendRequest<Message>,
        signal: Signal,
        headers: HeaderMap,
        compressed: bool,
        message: Bytes,
    ) -> Result<Reply, CallError> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.paths[signal.index()].clone();
        *request.headers_mut() = headers;
        let mut prefix = [u8::from(compressed), 0, 0, 0, 0];
        prefix[1..].copy_from_slice(&(message.len() as u32).to_be_bytes());
        let (response, mut body) = sender.send_request(request, false).map_err(|error| {
            self.abandon();
            CallError::NotSent(error.to_string())
        })?;
        // Without waiting for capacity: h2 keeps the message, which is shared memory, and sends it as
        // the peer's window opens.
        body.send_data(Cursor::new(prefix).chain(message), true).map_err(|error| self.broken(&error))?;
        answer(response).await.map_err(|error| self.broken(&error))
    }

    async fn reuse(&self) -> Option<SendRequest<Message>> {
        let live = self.live().clone()?;
        let ready = live.ready().await.ok();
        if ready.is_none() {
            self.abandon();
        }
        ready
    }

    fn live(&self) -> std::sync::MutexGuard<'_, Option<SendRequest<Message>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn broken(&self, error: &h2::Error) -> CallError {
        let untouched = error.reason() == Some(h2::Reason::REFUSED_STREAM);
        if !error.is_reset() || error.is_io() {
            self.abandon();
        }
        if untouched {
            CallError::NotSent(error.to_string())
        } else {
            CallError::Unanswered(error.to_string())
        }
    }
}

async fn answer(response: ResponseFuture) -> Result<Reply, h2::Error> {
    let (parts, mut body) = response.await?.into_parts();
    let mut framed = Bytes::new();
    let mut buffer = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        if framed.is_empty() && buffer.is_empty() {
            framed = chunk;
        } else if framed.len() + buffer.len() + chunk.len() <= MAX_RESPONSE {
            buffer.extend_from_slice(&std::mem::take(&mut framed));
            buffer.extend_from_slice(&chunk);
        }
    }
    if framed.is_empty() {
        framed = buffer.freeze();
    }
    let trailers = body.trailers().await?.unwrap_or(parts.headers);
    let message = if framed.len() > 5 { framed.slice(5..) } else { Bytes::new() };
    Ok(Reply { http: parts.status, message, trailers })
}
