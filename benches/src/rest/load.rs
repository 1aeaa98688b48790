//! Load over HTTP/1.1: connections that stay open, with one request on each at a time, as bytes that were made before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Bytes of a request.
pub struct Request(Vec<u8>);

impl Request {
    /// A `GET`, by the holder of an access token unless it is empty.
    pub fn get(path: &str, token: &str) -> Self {
        Self(format!("GET {path} HTTP/1.1\r\nHost: bench\r\n{}\r\n", authorization(token)).into_bytes())
    }

    /// A `POST` of a document.
    pub fn post(path: &str, token: &str, body: &str) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: bench\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            authorization(token),
            body.len()
        );
        Self(head.into_bytes())
    }
}

fn authorization(token: &str) -> String {
    if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") }
}

/// Number of connections, and the time for which they ask.
#[derive(Clone, Copy)]
pub struct Load {
    /// Connections.
    pub connections: u64,
    /// Time.
    pub time: Duration,
}

impl Load {
    /// Requests a second that are answered, as many as can be.
    pub async fn requests(self, to: SocketAddr, request: impl Fn(u64) -> Request) -> Result<f64> {
        let began = Instant::now();
        let answered = self.up_to(u64::MAX, to, request).await?;
        Ok(answered as f64 / began.elapsed().as_secs_f64())
    }

    /// Makes requests until so many are answered, or the time is over. Returns how many were.
    pub async fn up_to(self, most: u64, to: SocketAddr, request: impl Fn(u64) -> Request) -> Result<u64> {
        let (next, answered) = (AtomicU64::new(0), AtomicU64::new(0));
        let began = Instant::now();
        let one = async || {
            let mut connection = Connection::open(to).await?;
            while began.elapsed() < self.time {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= most {
                    break;
                }
                connection.ask(&request(number)).await?;
                answered.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        };
        futures_util::future::try_join_all((0..self.connections).map(|_| one())).await?;
        Ok(answered.load(Ordering::Relaxed))
    }

    /// Times within which half and 99 of 100 are answered of requests that come at a rate, whether those before were answered or
    /// not: a request waits from when it should have been made.
    pub async fn waits(
        self,
        to: SocketAddr,
        rate: u32,
        request: impl Fn(u64) -> Request,
    ) -> Result<[Duration; 2]> {
        let next = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        let one = async || {
            let mut connection = Connection::open(to).await?;
            let mut waits = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let due = Duration::from_secs_f64(number as f64 / f64::from(rate));
                if due >= self.time {
                    return anyhow::Ok(waits);
                }
                tokio::time::sleep_until((began + due).into()).await;
                connection.ask(&request(number)).await?;
                waits.push(began.elapsed().saturating_sub(due));
            }
        };
        // Four times as many, so that a slow answer keeps none of those that come meanwhile from being asked.
        let all = futures_util::future::try_join_all((0..4 * self.connections).map(|_| one())).await?;
        let mut waits = all.concat();
        waits.sort_unstable();
        let at = |share: f64| waits.get((waits.len() as f64 * share) as usize).copied().context("no request");
        Ok([at(0.5)?, at(0.99)?])
    }
}

struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    async fn open(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// Asks, and reads the answer, which has to be a good one.
    async fn ask(&mut self, Request(request): &Request) -> Result<()> {
        self.stream.write_all(request).await?;
        self.read.clear();
        let head = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let text = std::str::from_utf8(&self.read[..head])?.to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.with_context(|| format!("no length: {text}"))?.trim().parse()?;
        while self.read.len() < head + length {
            self.more().await?;
        }
        let is_good = text.starts_with("http/1.1 20");
        ensure!(is_good, "{}", String::from_utf8_lossy(&self.read));
        Ok(())
    }

    async fn more(&mut self) -> Result<()> {
        ensure!(self.stream.read_buf(&mut self.read).await? > 0, "the connection has ended");
        Ok(())
    }
}
