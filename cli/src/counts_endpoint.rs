//! `GET /counts`: one JSON document over HTTP, made anew for every request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Most connections served at once; the next ones wait.
const MAX_CONNECTIONS: usize = 32;
/// Time that a client may take over its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Binds and serves in the background; tells the address that was bound.
pub async fn serve<T: Serialize>(
    addr: SocketAddr,
    counts: impl Fn() -> T + Send + Sync + 'static,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(addr).await.with_context(|| format!("cannot listen on {addr}"))?;
    let bound = listener.local_addr()?;
    let document = move || serde_json::to_vec(&counts());
    tokio::spawn(accept(listener, Arc::new(document)));
    Ok(bound)
}

async fn accept(
    listener: TcpListener,
    document: Arc<impl Fn() -> serde_json::Result<Vec<u8>> + Send + Sync + 'static>,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: connections that end make room.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let document = Arc::clone(&document);
        tokio::spawn(async move {
            let service = service_fn(|request| std::future::ready(answer(&request, &*document)));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            // A client that goes away early is its own affair.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(permit);
        });
    }
}

fn answer(
    request: &Request<Incoming>,
    document: &impl Fn() -> serde_json::Result<Vec<u8>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/counts") => match document() {
            Ok(body) => (StatusCode::OK, body),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, problem(&error.to_string())),
        },
        (_, "/counts") => (StatusCode::METHOD_NOT_ALLOWED, problem("expected GET")),
        (_, path) => (StatusCode::NOT_FOUND, problem(&format!("no {path} here, only /counts"))),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

fn problem(detail: &str) -> Vec<u8> {
    serde_json::json!({ "detail": detail }).to_string().into_bytes()
}
