//! Requests whose bodies drip: a byte now and then, never all.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

/// Time between two bytes.
const PAUSE: Duration = Duration::from_millis(500);

/// Dripping requests, until they are dropped.
#[derive(Debug)]
pub struct Drips {
    _tasks: JoinSet<()>,
}

impl Drips {
    /// Begins `count` `POST`s of JSON to each path.
    pub async fn begin(to: SocketAddr, paths: &[&str], count: usize) -> Self {
        let mut tasks = JoinSet::new();
        for path in paths {
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer phx_x\r\n\
                 Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
            );
            for _ in 0..count {
                let Ok(mut stream) = super::connect(to).await else { continue };
                if stream.write_all(head.as_bytes()).await.is_err() {
                    continue;
                }
                tasks.spawn(async move {
                    while stream.write_all(b" ").await.is_ok() {
                        tokio::time::sleep(PAUSE).await;
                    }
                });
            }
        }
        Self { _tasks: tasks }
    }
}
