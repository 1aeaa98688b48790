//! A store that goes away and comes back.

use std::time::Duration;

use control_plane::clock::UnixMillis;
use hyper::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use super::postgres::{OWNER, Postgres, SERVICE};
use super::server::{Answer, PASSWORD, Server, config, on_server};

fn is_unavailable(answer: &Answer) {
    assert_eq!(answer.refusal(), 503, "{answer:?}");
    assert_eq!(answer.retry_after.as_deref(), Some("1"), "{answer:?}");
}

#[tokio::test]
async fn a_server_of_postgresql_that_is_killed_is_waited_for() {
    let mut postgres = Postgres::start();
    let dir = tempfile::tempdir().unwrap();
    let [owner, service] = [OWNER, SERVICE].map(|login| postgres.address(login, "postgres"));
    let config = on_server(config(dir.path()), &owner, &service);
    let server = Server::start_by(dir, &config, UnixMillis(1_800_000_000_000)).await;
    let admin = server.set_up().await;
    assert_eq!(server.get("/ready", "").await.status, StatusCode::OK);
    postgres.kill();
    is_unavailable(&server.get("/ready", "").await);
    is_unavailable(&server.get("/api/v1/users", &admin).await);
    let new = json!({ "email": "late@one.io", "role": "viewer", "password": PASSWORD });
    is_unavailable(&server.post("/api/v1/users", &admin, new.clone()).await);
    assert_eq!(server.get("/health", "").await.status, StatusCode::OK, "the process lives");
    postgres.start_again();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let ready = server.get("/ready", "").await;
        if ready.status == StatusCode::OK {
            break;
        }
        assert!(Instant::now() < deadline, "it does not come back: {ready:?}");
    }
    assert_eq!(server.post("/api/v1/users", &admin, new).await.status, StatusCode::CREATED);
    assert_eq!(server.get("/api/v1/audit/chain", &admin).await.body["intact"], true);
    server.stop().await;
}
