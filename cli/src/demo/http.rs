//! `GET` from the processes that the demo started, over loopback.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use client::{Client, Method};
use serde::de::DeserializeOwned;

const OK: u16 = 200;
const NOT_FOUND: u16 = 404;

/// Text of `http://{addr}{path}`.
///
/// # Errors
/// An answer that is not 200, quoted; and the client's.
pub async fn text(addr: SocketAddr, path: &str) -> anyhow::Result<String> {
    let (status, body) = fetch(addr, path).await?;
    ensure!(status == OK, "GET http://{addr}{path}: {status}: {body}");
    Ok(body)
}

/// Document of `http://{addr}{path}`; nothing where nothing is there.
///
/// # Errors
/// As [`json`].
pub async fn found<T: DeserializeOwned>(addr: SocketAddr, path: &str) -> anyhow::Result<Option<T>> {
    let (status, body) = fetch(addr, path).await?;
    if status == NOT_FOUND { Ok(None) } else { document(addr, path, status, &body).map(Some) }
}

/// Document of `http://{addr}{path}`.
///
/// # Errors
/// As [`text`], and a document of another shape.
pub async fn json<T: DeserializeOwned>(addr: SocketAddr, path: &str) -> anyhow::Result<T> {
    let (status, body) = fetch(addr, path).await?;
    document(addr, path, status, &body)
}

fn document<T: DeserializeOwned>(addr: SocketAddr, path: &str, status: u16, body: &str) -> anyhow::Result<T> {
    ensure!(status == OK, "GET http://{addr}{path}: {status}: {body}");
    serde_json::from_str(body).with_context(|| format!("GET http://{addr}{path}: an unexpected document"))
}

async fn fetch(addr: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let answer = Client::new(&format!("http://{addr}"))?.answer(Method::GET, path, None).await?;
    let body =
        String::from_utf8(answer.body).with_context(|| format!("GET http://{addr}{path}: not UTF-8"))?;
    Ok((answer.status, body))
}
