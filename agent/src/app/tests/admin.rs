//! The agent's own endpoints while what takes work is asked for by too many.

use std::net::{IpAddr, Ipv4Addr};

use gate::{Gate, Peer};

use super::harness::{Response, request, settings};
use super::sink::Sink;
use crate::app::{App, Event};

#[tokio::test]
async fn metrics_and_experiment_have_few_places_and_what_they_take_is_none_of_a_probes() {
    let (_sink, address) = Sink::start().await;
    let app = App::build(settings(address)).await.expect("build");
    let admin = app.listening().expect("addresses").admin;
    let reports: Gate<Peer> = app.admins[1].reports.clone();
    let task = tokio::spawn(app.run(async || std::future::pending::<Event>().await));
    let get = async |path: &str| -> Response { request(admin, "GET", path, &[], Vec::new()).await };

    let others = (1..=u8::MAX).map(|last| Peer::from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))));
    let held: Vec<_> = others.map_while(|other| reports.enter(other).ok()).collect();
    assert!(!held.is_empty() && held.len() < 255, "{} places", held.len());
    for path in ["/metrics", "/experiment"] {
        let refused = get(path).await;
        assert_eq!(refused.status, 503, "{path}");
        assert_eq!(refused.headers.get("retry-after").map(http::HeaderValue::as_bytes), Some(&b"1"[..]));
        let text = String::from_utf8(refused.body).expect("text");
        assert!(text.contains("try again"), "{text}");
    }
    for path in ["/", "/health", "/ready"] {
        assert_eq!(get(path).await.status, 200, "{path}");
    }
    drop(held);
    assert_eq!(get("/metrics").await.status, 200);
    task.abort();
}
