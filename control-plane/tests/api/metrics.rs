//! Metrics of the process as a monitoring scrapes them.

use std::time::Duration;

use control_plane::experiment::{Action, Verb, Verdict};
use control_plane::store::Across;
use control_plane::store::experiments::{self, Experiment};
use hyper::StatusCode;
use serde_json::json;

use super::experiments::asked;
use super::freeze;
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

/// Starts an experiment on an agent of its own.
async fn started(server: &Server, admin: &str, number: u8) -> Experiment {
    let mut agent = Agent::enroll_as(server, admin, number).await;
    let name = format!("e{number}");
    let asked = asked(json!({ "name": name, "selector": format!("number={number}") }));
    let made = server.post("/api/v1/experiments", admin, asked).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let begun = server.post(&format!("/api/v1/experiments/{name}/start"), admin, json!({})).await;
    assert_eq!(begun.status, StatusCode::OK, "{begun:?}");
    agent.apply().await;
    freeze::until(server, admin, &name, "running", |shown| shown["phase"] == "running").await;
    let mut reader = server.state.store.read(Across::Reconcile).await.unwrap();
    let all = experiments::under_way(&mut reader).await.unwrap();
    all.into_iter().find(|one| one.spec.name == name).unwrap()
}

/// Rolls one back, after a verdict of this verb.
async fn rolled_back(server: &Server, experiment: Experiment, verb: Verb) -> String {
    let Experiment { tenant_id, id, version, spec, state, .. } = experiment;
    let now = server.state.clock.now();
    let mut tx = server.state.store.begin(tenant_id).await.unwrap();
    let of = (tenant_id, id, version);
    assert!(experiments::decided(&mut tx, of, &Verdict::of(verb, Vec::new())).await.unwrap());
    let ended = state.after(Action::RollBack(Vec::new()), &spec, now).unwrap();
    assert!(experiments::transition(&mut tx, of, &ended, now).await.unwrap());
    tx.commit().await.unwrap();
    id.to_string()
}

#[tokio::test]
async fn what_harm_has_ended_is_shown_for_its_hour_over_a_restart_and_what_a_person_has_ended_is_not() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (harmed, unwanted) = (started(&server, &admin, 1).await, started(&server, &admin, 2).await);
    let harmed = rolled_back(&server, harmed, Verb::RollBack).await;
    let unwanted = rolled_back(&server, unwanted, Verb::Hold).await;
    let again = async |server: Server, seconds: u64| {
        let at = server.state.clock.now().plus(Duration::from_secs(seconds));
        let server = Server::start_again(server.stop().await, at).await;
        let looked = "phoenix_reconciler_last_success_timestamp_seconds{reconciler=\"analyze\"}";
        (until(&server, looked).await, server)
    };
    let (text, server) = again(server, 1_800).await;
    let labels = format!("{{experiment=\"{harmed}\",step=\"mirror\",verb=\"roll_back\"}}");
    assert_eq!(value(&text, &format!("phoenix_experiment_verdict{labels}")), Some(1.0), "{text}");
    assert!(!text.contains(&unwanted), "{text}");
    let (text, _server) = again(server, 1_800).await;
    assert!(!text.contains(&harmed), "an hour is over: {text}");
}
