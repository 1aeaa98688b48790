//! Metrics of the process as a monitoring scrapes them.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;

use super::experiments::asked;
use super::grpc::agent::Agent;
use super::server::Server;

async fn metrics(server: &Server) -> String {
    let answer = server.get("/metrics", "").await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.body.as_str().unwrap().to_owned()
}

/// Value of the first sample whose name and labels begin so.
fn value(text: &str, begin: &str) -> Option<f64> {
    text.lines().find(|line| line.starts_with(begin))?.rsplit(' ').next()?.parse().ok()
}

async fn until(server: &Server, begin: &str) -> String {
    tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let text = metrics(server).await;
            if value(&text, begin).is_some_and(|value| value > 0.0) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("no {begin}"))
}

#[tokio::test]
async fn times_of_answers_reconcilers_and_the_database_are_histograms_with_bounded_labels() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let nobody = "/api/v1/experiments/00000000-0000-7000-8000-000000000000";
    assert_eq!(server.get(nobody, &admin).await.status, StatusCode::NOT_FOUND);
    let text =
        until(&server, "phoenix_reconciler_last_success_timestamp_seconds{reconciler=\"analyze\"}").await;
    let asked = r#"{listener="rest",method="GET",route="/api/v1/experiments/{id}"}"#;
    assert_eq!(
        value(&text, &format!("phoenix_http_request_duration_seconds_count{asked}")),
        Some(1.0),
        "{text}"
    );
    assert!(!text.contains("00000000-0000"), "a path is no label: {text}");
    for family in [
        "phoenix_database_read_wait_seconds_count",
        "phoenix_database_write_wait_seconds_count",
        "phoenix_reconciler_duration_seconds_count{reconciler=\"push\"}",
    ] {
        assert!(value(&text, family).is_some_and(|count| count > 0.0), "{family}: {text}");
    }
    assert_eq!(
        value(&text, "phoenix_reconciler_failures_total{reconciler=\"analyze\"}"),
        Some(0.0),
        "{text}"
    );
}

#[tokio::test]
async fn an_experiment_under_way_is_shown_by_its_id_alone_and_no_more_once_somebody_stopped_it() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let _agent = Agent::enroll_as(&server, &admin, 1).await;
    let made = server.post("/api/v1/experiments", &admin, asked(json!({ "name": "secret-plan" }))).await;
    let id = made.body["id"].as_str().unwrap();
    assert!(!metrics(&server).await.contains("phoenix_experiment_"));
    let begun = server.post(&format!("/api/v1/experiments/{id}/start"), &admin, json!({})).await;
    assert_eq!(begun.status, StatusCode::OK, "{begun:?}");
    let text = until(&server, &format!("phoenix_experiment_verdict{{experiment=\"{id}\"")).await;
    assert!(!text.contains("secret-plan"), "{text}");
    let ended = server.post(&format!("/api/v1/experiments/{id}/rollback"), &admin, json!({})).await;
    assert_eq!(ended.status, StatusCode::OK, "{ended:?}");
    tokio::time::timeout(Duration::from_secs(60), async {
        while metrics(&server).await.contains(id) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it is shown no more");
}
