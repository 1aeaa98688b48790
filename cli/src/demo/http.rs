//! `GET` from the processes that the demo started, over loopback.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// There is nothing at the path.
#[derive(Debug, thiserror::Error)]
#[error("404 Not Found: {0}")]
struct Missing(String);

/// More than a report of the largest host.
const MAX_BYTES: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// The body of `http://{addr}{path}`; an answer that is not 200 is an error that quotes it.
pub async fn text(addr: SocketAddr, path: &str) -> anyhow::Result<String> {
    let answer = tokio::time::timeout(PATIENCE, fetch(addr, path)).await;
    let answer = answer.with_context(|| format!("no answer within {PATIENCE:?}"));
    answer.and_then(|answer| answer).with_context(|| format!("GET http://{addr}{path}"))
}

/// The same, as JSON; nothing where nothing is there.
pub async fn found<T: DeserializeOwned>(addr: SocketAddr, path: &str) -> anyhow::Result<Option<T>> {
    match text(addr, path).await {
        Err(error) if error.downcast_ref::<Missing>().is_some() => Ok(None),
        body => document(addr, path, &body?).map(Some),
    }
}

/// The same, as JSON.
pub async fn json<T: DeserializeOwned>(addr: SocketAddr, path: &str) -> anyhow::Result<T> {
    document(addr, path, &text(addr, path).await?)
}

fn document<T: DeserializeOwned>(addr: SocketAddr, path: &str, body: &str) -> anyhow::Result<T> {
    serde_json::from_str(body).with_context(|| format!("GET http://{addr}{path}: an unexpected document"))
}

async fn fetch(addr: SocketAddr, path: &str) -> anyhow::Result<String> {
    let stream = TcpStream::connect(addr).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header("host", addr.to_string()).body(Empty::<Bytes>::new())?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, MAX_BYTES).collect().await;
    connection.abort();
    // Limited's error is a boxed one, which anyhow does not take as it is.
    let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
    let body = String::from_utf8(body.to_vec()).context("not UTF-8")?;
    if head.status == StatusCode::NOT_FOUND {
        return Err(Missing(body).into());
    }
    if !head.status.is_success() {
        bail!("{}: {body}", head.status);
    }
    Ok(body)
}
