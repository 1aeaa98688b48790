//! HTTP to the processes under test: REST by the client that the command has, other requests byte by byte.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use client::Client;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Status and body of `GET path`.
pub async fn get(addr: SocketAddr, path: &str) -> Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: {addr}\r\n\r\n");
    let answer = exchange(addr, request.as_bytes()).await?;
    Ok((answer.status, String::from_utf8(answer.body)?))
}

/// Status and body of `GET path` with these header lines besides, each with its end.
pub async fn get_with(addr: SocketAddr, path: &str, headers: &str) -> Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n{headers}Connection: close\r\n\r\n");
    let answer = exchange(addr, request.as_bytes()).await?;
    Ok((answer.status, String::from_utf8(answer.body)?))
}

/// Status, headers and body of a `POST`.
pub async fn post(addr: SocketAddr, path: &str, content_type: &str, body: &[u8]) -> Result<Answer> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    exchange(addr, &[head.as_bytes(), body].concat()).await
}

/// Status and body of a call with a bearer token and JSON either way.
pub async fn call(
    addr: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    body: Option<&Value>,
) -> Result<(u16, Value)> {
    let client = Client::new(&format!("http://{addr}"))?.with_token(token);
    let answer = client.answer(method.parse()?, path, body).await?;
    let body = if answer.body.is_empty() { Value::Null } else { serde_json::from_slice(&answer.body)? };
    Ok((answer.status, body))
}

/// Documents of the events of an experiment that is over.
pub async fn events(addr: SocketAddr, experiment: &str, token: &str) -> Result<Vec<Value>> {
    let client = Client::new(&format!("http://{addr}"))?.with_token(token);
    let mut events = Vec::new();
    let each = |event: &Value| {
        events.push(event.clone());
        Ok::<_, client::Error>(())
    };
    client.events(&format!("/experiments/{experiment}/events"), each).await?;
    Ok(events)
}

/// Status, headers and body of a `POST` with a bearer token.
pub async fn post_as(
    addr: SocketAddr,
    path: &str,
    content_type: &str,
    token: &str,
    body: &[u8],
) -> Result<Answer> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    exchange(addr, &[head.as_bytes(), body].concat()).await
}

/// Status and body of the answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The header lines, lower case.
    pub headers: String,
    /// The body.
    pub body: Vec<u8>,
}

async fn exchange(addr: SocketAddr, request: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect(addr).await?;
    // A server may refuse on the headers and stop reading: what it answered still counts.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let split =
        answer.windows(4).position(|four| four == b"\r\n\r\n").context("an answer without headers")?;
    let head = String::from_utf8_lossy(&answer[..split]).to_lowercase();
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok(Answer { status, headers: head, body: answer[split + 4..].to_vec() })
}
