//! Starts at a time, copies, signals, and the most that may be under way.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::experiments::asked;
use super::grpc::agent::Agent;
use super::grpc::soon;
use super::server::Server;

const PATH: &str = "/api/v1/experiments";

async fn made(server: &Server, token: &str, name: &str, selector: &str) {
    let made = server.post(PATH, token, asked(json!({ "name": name, "selector": selector }))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
}

async fn shown(server: &Server, token: &str, name: &str) -> Value {
    server.get(&format!("{PATH}/{name}"), token).await.body
}

/// A time so many seconds from now.
fn later(server: &Server, seconds: u64) -> String {
    server.state.clock.now().plus(std::time::Duration::from_secs(seconds)).to_string()
}

async fn until(server: &Server, token: &str, name: &str, is: impl Fn(&Value) -> bool) -> Value {
    soon(name, async {
        loop {
            let shown = shown(server, token, name).await;
            if is(&shown) {
                return shown;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn an_experiment_starts_by_itself_once_its_time_has_come() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let _agent = Agent::enroll(&server, &admin).await;
    made(&server, &admin, "e", "").await;
    for (at, expected) in [
        (later(&server, 0), "a time within a year"),
        (later(&server, 400 * 86_400), "a time within a year"),
        ("tonight".to_owned(), "RFC 3339"),
    ] {
        let refused = server.post(&format!("{PATH}/e/start"), &admin, json!({ "at": at })).await;
        assert_eq!(refused.refusal(), 422);
        assert!(refused.body.to_string().contains(expected), "{refused:?}");
    }
    let at = later(&server, 60);
    let scheduled = server.post(&format!("{PATH}/e/start"), &admin, json!({ "at": at })).await;
    assert_eq!((&scheduled.body["phase"], &scheduled.body["starts_at"]), (&json!("pending"), &json!(at)));
    // Another specification, and another time.
    let replaced =
        server.put(&format!("{PATH}/e"), &admin, asked(json!({ "name": "e", "window": "5s" }))).await;
    assert_eq!(replaced.body["starts_at"], json!(at), "{replaced:?}");
    let at = later(&server, 90);
    let scheduled = server.post(&format!("{PATH}/e/start"), &admin, json!({ "at": at })).await;
    assert_eq!(scheduled.body["starts_at"], json!(at));
    assert_eq!(shown(&server, &admin, "e").await["starts_at"], json!(at));
    server.pass(91);
    let begun = until(&server, &admin, "e", |shown| shown["phase"] != "pending").await;
    assert_eq!((&begun["phase"], &begun["starts_at"]), (&json!("initializing"), &Value::Null));
    let late = server.post(&format!("{PATH}/e/start"), &admin, json!({ "at": later(&server, 60) })).await;
    assert_eq!(late.refusal(), 409);
    assert!(late.body["detail"].as_str().unwrap().contains("it is initializing"), "{late:?}");
}

#[tokio::test]
async fn what_hinders_a_start_at_its_time_is_told_and_a_time_can_be_taken_back() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    for name in ["nobody", "never"] {
        made(&server, &admin, name, "").await;
        server.post(&format!("{PATH}/{name}/start"), &admin, json!({ "at": later(&server, 60) })).await;
    }
    let never = server.delete(&format!("{PATH}/never/start"), &admin).await;
    assert_eq!((never.status, &never.body["starts_at"]), (StatusCode::OK, &Value::Null), "{never:?}");
    assert_eq!(server.delete(&format!("{PATH}/never/start"), &admin).await.refusal(), 409);
    server.pass(61);
    until(&server, &admin, "nobody", |shown| shown["starts_at"].is_null()).await;
    for name in ["nobody", "never"] {
        assert_eq!(shown(&server, &admin, name).await["phase"], "pending");
        server.post(&format!("{PATH}/{name}/cancel"), &admin, json!({})).await;
    }
    let events =
        async |name: &str| server.get(&format!("{PATH}/{name}/events"), &admin).await.body.to_string();
    let told = events("nobody").await;
    assert!(told.contains("event: start_refused"), "{told}");
    assert!(told.contains("It was to start by itself, and did not: no agent is enrolled yet"), "{told}");
    let told = events("never").await;
    assert!(told.contains("event: unschedule") && !told.contains("start_refused"), "{told}");
}

#[tokio::test]
async fn a_tenant_has_so_many_under_way_at_most_and_another_one_as_many_besides() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let stranger = server.other_tenant(&admin).await;
    let start =
        async |token: &str, name: &str| server.post(&format!("{PATH}/{name}/start"), token, json!({})).await;
    for number in 1..=3_u8 {
        Agent::enroll_as(&server, &admin, number).await;
        made(&server, &admin, &format!("e{number}"), &format!("number={number}")).await;
    }
    assert_eq!(start(&admin, "e1").await.status, StatusCode::OK);
    assert_eq!(start(&admin, "e2").await.status, StatusCode::OK);
    let refused = start(&admin, "e3").await;
    assert_eq!(refused.refusal(), 409);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.starts_with("2 experiments of this tenant are under way"), "{detail}");
    Agent::enroll_as(&server, &stranger, 4).await;
    made(&server, &stranger, "theirs", "").await;
    assert_eq!(start(&stranger, "theirs").await.status, StatusCode::OK);
    server.post(&format!("{PATH}/e1/stop"), &admin, json!({})).await;
    assert_eq!(start(&admin, "e3").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_copy_has_the_specification_of_the_other_and_a_name_and_an_author_of_its_own() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let operator = server.user(&admin, "operator").await;
    let more = json!({ "name": "e", "window": "5s", "selector": "env=prod", "aa": true });
    let first = server.post(PATH, &admin, asked(more)).await.body;
    server.post(&format!("{PATH}/e/cancel"), &admin, json!({})).await;
    let copy = server.post(&format!("{PATH}/e/clone"), &operator, json!({ "name": "f" })).await;
    assert_eq!(copy.status, StatusCode::CREATED, "{copy:?}");
    for field in ["selector", "candidate", "baseline", "spec", "needs"] {
        assert_eq!(copy.body[field], first[field], "{field}");
    }
    assert_eq!((&copy.body["phase"], &copy.body["name"]), (&json!("pending"), &json!("f")));
    assert_eq!(copy.body["created_by"], "operator@one.io");
    assert_ne!(copy.body["id"], first["id"]);
    let again = server.post(&format!("{PATH}/e/clone"), &operator, json!({ "name": "f" })).await;
    assert_eq!(again.refusal(), 409);
    let odd = server.post(&format!("{PATH}/e/clone"), &operator, json!({ "name": " " })).await;
    assert_eq!((odd.refusal(), &odd.body["errors"][0]["field"]), (422, &json!("name")));
}

#[tokio::test]
async fn signals_are_given_in_one_place_and_listed_with_who_gave_them_page_by_page() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let viewer = server.user(&admin, "viewer").await;
    let mut agent = Agent::enroll(&server, &admin).await;
    made(&server, &admin, "e", "").await;
    let signal = async |body: Value| server.post(&format!("{PATH}/e/signals"), &admin, body).await;
    assert_eq!(signal(json!({ "signal": "start" })).await.status, StatusCode::OK);
    agent.apply().await;
    until(&server, &admin, "e", |shown| shown["phase"] == "running").await;
    assert_eq!(signal(json!({ "signal": "pause" })).await.body["phase"], "paused");
    assert_eq!(signal(json!({ "signal": "resume" })).await.body["phase"], "running");
    assert_eq!(signal(json!({ "signal": "resume" })).await.refusal(), 409);
    assert_eq!(signal(json!({ "signal": "pause", "force": true })).await.refusal(), 422);
    assert_eq!(signal(json!({ "signal": "promote", "force": true })).await.refusal(), 422);
    assert_eq!(signal(json!({ "signal": "jump" })).await.refusal(), 422);
    assert_eq!(signal(json!({ "signal": "rollback" })).await.body["outcome"], "rolled_back");

    let me = server.get("/api/v1/auth/me", &admin).await.body;
    let by = json!(format!("user/{}", me["user_id"].as_str().unwrap()));
    let (mut given, mut after) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("{PATH}/e/signals?limit=2{after}"), &viewer).await.body;
        given.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let words: Vec<_> = given.iter().map(|one| one["signal"].as_str().unwrap()).collect();
    assert_eq!(words, ["start", "pause", "resume", "rollback"]);
    assert!(given.iter().all(|one| one["by"] == by), "{given:?}");
    assert_eq!((&given[1]["from"], &given[1]["to"]), (&json!("running"), &json!("paused")));
}

#[tokio::test]
async fn criteria_and_findings_are_shown_apart() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut agent = Agent::enroll(&server, &admin).await;
    made(&server, &admin, "e", "").await;
    let of = async |what: &str| server.get(&format!("{PATH}/e/{what}"), &admin).await.body;
    let none = of("criteria").await;
    assert_eq!((&none["verb"], &none["criteria"]), (&Value::Null, &json!([])));
    let begun = server.post(&format!("{PATH}/e/start"), &admin, json!({})).await.body;
    agent.apply().await;
    until(&server, &admin, "e", |shown| shown["phase"] == "running").await;
    agent.report(begun["id"].as_str().unwrap()).await;
    let found = of("findings").await;
    assert_eq!((&found["items"][0]["uid"], &found["next"]), (&json!(agent.uid), &Value::Null), "{found}");
    let behind = of(&format!("findings?after={}", agent.uid)).await;
    assert_eq!(behind["items"], json!([]));
    assert_eq!(found["items"], of("results").await["agents"]);
    let looked = soon("criteria", async {
        loop {
            let looked = of("criteria").await;
            if looked["basis"]["counted"] == json!(["h1"]) {
                return looked;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((&looked["phase"], &looked["step"]), (&json!("running"), &json!("mirror")));
    assert!(looked["criteria"][0]["answer"].is_string(), "{looked}");
}

#[tokio::test]
async fn a_command_is_not_refused_because_the_experiment_moves_on_meanwhile() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut agent = Agent::enroll(&server, &admin).await;
    made(&server, &admin, "e", "").await;
    server.post(&format!("{PATH}/e/start"), &admin, json!({})).await;
    agent.apply().await;
    let moves = async |commands: [&str; 2]| {
        for command in commands.into_iter().cycle().take(20) {
            let moved = server.post(&format!("{PATH}/e/{command}"), &admin, json!({})).await;
            assert!(!moved.body.to_string().contains("meanwhile"), "{command}: {moved:?}");
        }
    };
    let (first, second) = (["pause", "resume"], ["resume", "pause"]);
    tokio::join!(moves(first), moves(second), moves(first), moves(second));
    let rolled_back = server.post(&format!("{PATH}/e/rollback"), &admin, json!({})).await;
    assert_eq!(rolled_back.status, StatusCode::OK, "{rolled_back:?}");
}
