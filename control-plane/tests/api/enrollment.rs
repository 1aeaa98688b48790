//! Tests of how agents come in, stay in, and are kept out.

use control_plane::actions::{enroll, statuses};
use control_plane::store::generations::Status;
use control_plane::store::statuses::{ConfigStatus, Health, StatusUpdate};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::server::{Answer, Server};

const UID: &str = "018f4f9e-0000-7000-8000-000000000001";
const OTHER: &str = "018f4f9e-0000-7000-8000-000000000002";

async fn token(server: &Server, operator: &str, body: Value) -> String {
    let made = server.post("/api/v1/enrollment-tokens", operator, body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.body["token"].as_str().unwrap().to_owned()
}

async fn enroll(server: &Server, token: &str, uid: &str) -> Answer {
    let body =
        json!({ "uid": uid, "labels": { "env": "dev", "rack": "7" }, "host": "h1", "version": "0.1.0" });
    server.fleet("/v1/enroll", token, body).await
}

async fn credential(server: &Server, token: &str, uid: &str) -> String {
    let answer = enroll(server, token, uid).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.body["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_becomes_a_credential_whose_labels_the_token_rules() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin, json!({ "labels": { "env": "prod" } })).await;
    let credential = credential(&server, &token, UID).await;
    let identity = enroll::authenticate(&server.state, &credential).await.unwrap();
    assert_eq!((identity.uid.to_string().as_str(), identity.host.as_str()), (UID, "h1"));
    assert_eq!((identity.labels.get("env"), identity.labels.get("rack")), (Some("prod"), Some("7")));
    let agent = server.get(&format!("/api/v1/agents/{UID}"), &admin).await.body;
    assert_eq!(agent["labels"], json!({ "env": "prod", "rack": "7" }));
    assert_eq!((&agent["status"], &agent["version"]), (&json!("enrolled"), &json!("0.1.0")));
}

#[tokio::test]
async fn an_agent_is_found_by_its_host_where_that_has_one_and_listed_where_it_has_several() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let stranger = server.other_tenant(&admin).await;
    let token = token(&server, &admin, json!({ "max_uses": 20 })).await;
    credential(&server, &token, UID).await;
    let found = server.get("/api/v1/agents/h1", &admin).await;
    assert_eq!((found.status, &found.body["uid"]), (StatusCode::OK, &json!(UID)), "{found:?}");
    assert_eq!(server.get("/api/v1/agents/h1/generations", &admin).await.status, StatusCode::OK);
    let lifted = server.post("/api/v1/agents/h1/lift", &admin, json!({})).await;
    assert!(lifted.body["detail"].as_str().unwrap().contains("nothing in quarantine"), "{lifted:?}");
    let unknown = server.get("/api/v1/agents/h2", &admin).await;
    assert_eq!(
        (unknown.refusal(), &unknown.body["detail"]),
        (404, &json!("there is no agent on a host \"h2\", and that is no uid"))
    );
    assert_eq!(server.get("/api/v1/agents/h1", &stranger).await.refusal(), 404);
    credential(&server, &token, OTHER).await;
    for (method, path) in
        [(Method::GET, ""), (Method::GET, "/generations"), (Method::POST, "/lift"), (Method::DELETE, "")]
    {
        let several = server.call(method, &format!("/api/v1/agents/h1{path}"), &admin, None).await;
        assert_eq!(several.refusal(), 409, "{path}");
        let said = several.body["detail"].as_str().unwrap();
        assert!(said.starts_with(&format!("several agents are on the host h1: {UID} (enrolled, ")), "{said}");
        assert!(said.contains(OTHER) && said.ends_with("; name one by its uid"), "{said}");
    }
    assert_eq!(server.delete(&format!("/api/v1/agents/{UID}"), &admin).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.delete("/api/v1/agents/h1", &admin).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(&format!("/api/v1/agents/{OTHER}"), &admin).await.refusal(), 404);
}

#[tokio::test]
async fn a_lost_reply_locks_nobody_out_and_a_second_agent_needs_a_second_use() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin, json!({})).await;
    let lost = credential(&server, &token, UID).await;
    let kept = credential(&server, &token, UID).await;
    assert!(enroll::authenticate(&server.state, &lost).await.is_err(), "the lost one is replaced");
    enroll::authenticate(&server.state, &kept).await.unwrap();
    assert_eq!(enroll(&server, &token, OTHER).await.refusal(), 403);
    let listed = server.get("/api/v1/enrollment-tokens", &admin).await.body;
    assert_eq!((&listed["items"][0]["uses"], &listed["items"][0]["max_uses"]), (&json!(1), &json!(1)));
    assert!(!listed.to_string().contains(&token), "the secret is shown once");
}

#[tokio::test]
async fn an_agent_at_work_is_not_taken_over_by_whoever_holds_a_token() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let shared = token(&server, &admin, json!({ "max_uses": "unlimited" })).await;
    let another = token(&server, &admin, json!({ "max_uses": 5 })).await;
    let unused = credential(&server, &shared, UID).await;
    assert_eq!(enroll(&server, &another, UID).await.refusal(), 409, "before its first use: another token");
    enroll::authenticate(&server.state, &unused).await.unwrap();
    for token in [&shared, &another] {
        assert_eq!(enroll(&server, token, UID).await.refusal(), 409, "after its first use: any token");
    }
    enroll::authenticate(&server.state, &unused).await.unwrap();
    credential(&server, &shared, OTHER).await;
    let gone = server.delete(&format!("/api/v1/agents/{UID}"), &admin).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert!(enroll::authenticate(&server.state, &unused).await.is_err(), "its credential went with it");
    credential(&server, &another, UID).await;
}

#[tokio::test]
async fn what_is_no_good_token_is_refused_and_tells_nothing() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let expiring = token(&server, &admin, json!({ "expires_in": "1m", "max_uses": 9 })).await;
    let revoked = token(&server, &admin, json!({ "max_uses": 9 })).await;
    let agent = credential(&server, &expiring, UID).await;
    let id = revoked.split('_').nth(1).unwrap();
    let path = format!("/api/v1/enrollment-tokens/{id}");
    assert_eq!(server.delete(&path, &admin).await.status, StatusCode::NO_CONTENT);
    server.pass(61);
    let mistyped = format!("{}0", &revoked[..revoked.len() - 1]);
    let mut said = Vec::new();
    for token in ["", "x", &expiring, &revoked, &mistyped, &agent, &admin] {
        let answer = enroll(&server, token, OTHER).await;
        assert_eq!(answer.refusal(), 401, "{token}");
        said.push(answer.body);
    }
    assert!(said.iter().all(|body| *body == said[0]), "{said:?}");
    enroll::authenticate(&server.state, &agent).await.expect("a token's end is not its agents'");
    assert!(enroll::authenticate(&server.state, &revoked).await.is_err());
}

#[tokio::test]
async fn a_bad_request_is_refused_by_name_and_every_use_is_on_the_chain() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let good = token(&server, &admin, json!({ "max_uses": "unlimited" })).await;
    for (body, said) in [
        (json!({ "uid": "018f4f9e-0000-4000-8000-000000000001", "version": "1" }), "version 7"),
        (json!({ "uid": UID, "version": "x".repeat(256) }), "version"),
        (json!({ "uid": UID, "version": "1", "labels": { "a b": "c" } }), "key"),
        (json!({ "uid": UID }), "missing field `version`"),
    ] {
        let answer = server.fleet("/v1/enroll", &good, body).await;
        assert_eq!(answer.refusal(), 422, "{answer:?}");
        assert!(answer.body["detail"].as_str().unwrap().contains(said), "{answer:?}");
    }
    let newer = json!({ "uid": UID, "version": "9.9.9", "something": "of a later release" });
    assert_eq!(server.fleet("/v1/enroll", &good, newer).await.status, StatusCode::CREATED);
    for body in [json!({ "max_uses": 0 }), json!({ "max_uses": "all" }), json!({ "expires_in": "soon" })] {
        let answer = server.post("/api/v1/enrollment-tokens", &admin, body).await;
        assert_eq!(answer.refusal(), 422, "{answer:?}");
    }
    let audit = server.get("/api/v1/audit", &admin).await.body;
    let last = audit["items"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["action"], &last["actor"]), (&json!("agent.enroll"), &json!(format!("agent/{UID}"))));
    assert!(!audit.to_string().contains(&good));
}

#[tokio::test]
async fn agents_are_chosen_by_label_and_listed_in_pages() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    for (env, count) in [("prod", 3), ("dev", 2)] {
        let labels = json!({ "labels": { "env": env }, "max_uses": count });
        let token = token(&server, &admin, labels).await;
        for n in 0..count {
            let uid = format!("018f4f9e-0000-7000-8000-{:012}", n * 2 + usize::from(env == "dev"));
            credential(&server, &token, &uid).await;
        }
    }
    let listed = async |query: &str| server.get(&format!("/api/v1/agents{query}"), &admin).await;
    let count = async |query: &str| listed(query).await.body["items"].as_array().unwrap().len();
    assert_eq!(count("").await, 5);
    assert_eq!(count("?labels=env=prod,rack=7").await, 3);
    assert_eq!(count("?labels=env=prod,rack=8").await, 0);
    assert_eq!(count("?labels=env%20in%20(prod,test),!zone").await, 3);
    assert_eq!(count("?labels=env,env!=prod").await, 2);
    let first = listed("?labels=env=prod&limit=2").await.body;
    let next = first["next"].as_str().unwrap();
    let second = listed(&format!("?labels=env=prod&limit=2&after={next}")).await.body;
    assert_eq!((second["items"].as_array().unwrap().len(), second["next"].is_null()), (1, true));
    for query in ["?labels=env%20with%20a", "?limit=0", "?limit=201", "?after=x"] {
        assert_eq!(listed(query).await.refusal(), 422, "{query}");
    }
}

#[tokio::test]
async fn what_was_heard_of_an_agent_is_shown_and_what_was_not_stays() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin, json!({})).await;
    let credential = credential(&server, &token, UID).await;
    let agent = enroll::authenticate(&server.state, &credential).await.unwrap();
    let health = json!({ "healthy": true });
    let shown = Health { shown: health.clone(), candidate_cut: None };
    let applied = ConfigStatus { hash: "abc".to_owned(), status: Status::Applied, error: None };
    for update in [
        StatusUpdate { health: Some(shown), ..StatusUpdate::default() },
        StatusUpdate { config: Some(applied), ..StatusUpdate::default() },
    ] {
        statuses::store(&server.state, (agent.tenant_id, agent.uid), update).await.unwrap();
    }
    let shown = server.get(&format!("/api/v1/agents/{UID}"), &admin).await.body;
    assert_eq!((&shown["status"], &shown["health"]), (&json!("connected"), &health));
    assert_eq!((&shown["effective_hash"], &shown["version"]), (&json!("abc"), &json!("0.1.0")));
    assert!(shown["last_seen"].is_string());
}
