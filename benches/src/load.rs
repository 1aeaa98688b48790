//! A load generator that costs little: one prebuilt request, sent again and again over HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, bail};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

const PATH: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Outcome of a run of load.
#[derive(Default)]
pub struct Sent {
    /// Requests that were answered with success.
    pub accepted: AtomicU64,
    /// Requests that were refused.
    pub refused: AtomicU64,
}

/// A connection to an agent.
#[derive(Clone)]
pub struct Client {
    agent: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

/// A request behind gRPC's five bytes.
pub fn framed(payload: &Bytes) -> anyhow::Result<Bytes> {
    let mut framed = BytesMut::with_capacity(payload.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(payload.len())?);
    framed.extend_from_slice(payload);
    Ok(framed.freeze())
}

impl Client {
    /// Connects to `agent`.
    pub async fn connect(agent: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(agent).await.context("connecting to the agent")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(16 << 20)
            .max_frame_size(1 << 20)
            .handshake(TokioIo::new(stream))
            .await?;
        tokio::spawn(connection);
        Ok(Self { agent, sender })
    }

    /// Sends a framed request; true if it was accepted.
    pub async fn export(&mut self, framed: Bytes) -> anyhow::Result<bool> {
        self.sender.ready().await?;
        let request = Request::post(format!("http://{}{PATH}", self.agent))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(framed))?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = body.collect().await?;
        let status = body.trailers().and_then(|t| t.get("grpc-status")).or(head.headers.get("grpc-status"));
        match status.map(hyper::http::HeaderValue::as_bytes) {
            Some(status) => Ok(status == b"0"),
            None => bail!("an answer without a gRPC status"),
        }
    }
}

/// Keeps `in_flight` requests under way to `agent` until `stop`.
pub async fn run(
    agent: SocketAddr,
    payload: &Bytes,
    in_flight: usize,
    stop: Arc<AtomicBool>,
    sent: Arc<Sent>,
) -> anyhow::Result<()> {
    let framed = framed(payload)?;
    let client = Client::connect(agent).await?;
    let senders = (0..in_flight).map(|_| {
        let (mut client, framed, stop, sent) = (client.clone(), framed.clone(), stop.clone(), sent.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let accepted = client.export(framed.clone()).await?;
                let counter = if accepted { &sent.accepted } else { &sent.refused };
                counter.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await??;
    }
    Ok(())
}

/// The time at which `requests` were accepted, or an error if the agent does not get there in a minute.
pub async fn until(sent: &Sent, requests: u64) -> anyhow::Result<Instant> {
    let began = Instant::now();
    while sent.accepted.load(Ordering::Relaxed) < requests {
        if began.elapsed().as_secs() > 60 {
            bail!(
                "only {} of {requests} requests were accepted in a minute",
                sent.accepted.load(Ordering::Relaxed)
            );
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    Ok(Instant::now())
}
