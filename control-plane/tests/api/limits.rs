//! Limits of a listener: who says nothing, or says it too slowly, is ended, refused retryably, and counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use control_plane::http::{Limits, Listener, whole};
use control_plane::metrics::Metrics;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

const MOMENT: Duration = Duration::from_millis(100);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A listener with small limits, that echoes what is posted.
struct Small {
    at: SocketAddr,
    metrics: Arc<Metrics>,
    _stop: watch::Sender<bool>,
}

impl Small {
    async fn start(limits: Limits) -> Self {
        let metrics = Arc::new(Metrics::default());
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind("small", any, None, limits, Arc::clone(&metrics)).unwrap();
        let at = listener.local_addr().unwrap();
        let echo = post(async |body: String| body).layer(from_fn(whole));
        let health = get(async || "ok").layer(from_fn(whole));
        let endless = post(async |_: String| std::future::pending::<String>().await).layer(from_fn(whole));
        let router = Router::new().route("/echo", echo).route("/endless", endless).route("/health", health);
        let (_stop, stopping) = watch::channel(false);
        tokio::spawn(listener.serve(router, stopping));
        Self { at, metrics, _stop }
    }

    /// All that is answered to `said`, until the connection is ended.
    async fn hear(&self, said: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut heard = Vec::new();
        let _reset_or_closed = stream.read_to_end(&mut heard).await;
        String::from_utf8_lossy(&heard).into_owned()
    }

    fn counted(&self, name: &str, reason: &str) -> bool {
        let line = format!("phoenix_refused_{name}_total{{listener=\"small\",reason=\"{reason}\"}}");
        self.metrics.text().unwrap().contains(&line)
    }
}

fn post_of(length: usize, body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn a_connection_without_a_request_ends_whatever_part_of_one_it_has_said() {
    let small = Small::start(Limits { head: MOMENT, ..Limits::default() }).await;
    for said in [&b""[..], b"PRI * HTTP", PREFACE, b"GET /health HTTP/1.1\r\nhost:"] {
        small.hear(said).await;
    }
    assert!(small.counted("connections", "head"));
}

#[tokio::test]
async fn a_connection_that_has_asked_once_and_never_again_ends() {
    let small = Small::start(Limits { idle: MOMENT, ..Limits::default() }).await;
    let began = Instant::now();
    let heard = small.hear(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(heard.ends_with("ok") && began.elapsed() >= MOMENT, "{heard}");
    assert!(small.counted("connections", "idle"));
}

#[tokio::test]
async fn a_body_that_is_withheld_is_refused_retryably() {
    let small = Small::start(Limits { answer: 5 * MOMENT, idle: MOMENT, ..Limits::default() }).await;
    let heard = small.hear(post_of(10, "half").as_bytes()).await;
    assert!(heard.starts_with("HTTP/1.1 503") && heard.contains("retry-after: 1"), "{heard}");
    let heard = small.hear(post_of(4, "half").as_bytes()).await;
    assert!(heard.ends_with("half"), "{heard}");
}

#[tokio::test]
async fn bytes_are_taken_as_they_come_and_past_the_bound_refused_retryably() {
    let small = Small::start(Limits { bodies: 1_000, idle: MOMENT, ..Limits::default() }).await;
    let mut withheld = TcpStream::connect(small.at).await.unwrap();
    withheld.write_all(post_of(100_000, "x").as_bytes()).await.unwrap();
    let heard = small.hear(post_of(400, &"x".repeat(400)).as_bytes()).await;
    assert!(heard.starts_with("HTTP/1.1 200"), "what is announced takes no room: {heard}");
    let heard = small.hear(post_of(1_100, &"x".repeat(1_100)).as_bytes()).await;
    assert!(heard.starts_with("HTTP/1.1 503") && heard.contains("retry-after: 1"), "{heard}");
    assert!(small.counted("requests", "full"));
    let heard = small.hear(post_of(800, &"x".repeat(800)).as_bytes()).await;
    assert!(heard.starts_with("HTTP/1.1 429") && heard.contains("retry-after: 1"), "{heard}");
    assert!(small.counted("requests", "peer"));
}

#[tokio::test]
async fn withheld_bodies_hold_no_place_for_work() {
    let small = Small::start(Limits { work: 1, idle: MOMENT, ..Limits::default() }).await;
    let mut withheld = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(small.at).await.unwrap();
        stream.write_all(post_of(10, "half").as_bytes()).await.unwrap();
        withheld.push(stream);
    }
    let heard = small.hear(post_of(4, "half").as_bytes()).await;
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
}

#[tokio::test]
async fn a_probe_has_places_of_its_own_where_all_others_are_taken() {
    let small = Small::start(Limits { requests: 2, work: 1, idle: MOMENT, ..Limits::default() }).await;
    let mut working = TcpStream::connect(small.at).await.unwrap();
    let endless = post_of(4, "half").replace("/echo", "/endless");
    working.write_all(endless.as_bytes()).await.unwrap();
    // Until it is at work, there is a place.
    while small.hear(post_of(4, "half").as_bytes()).await.starts_with("HTTP/1.1 200") {}
    assert!(small.counted("requests", "peer") || small.counted("requests", "full"));
    let health = small.hear(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
}
