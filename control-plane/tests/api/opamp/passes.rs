//! What lets agents in over OpAMP, when it ends, and what it does not do.

use serde_json::json;
use uuid::Uuid;

use super::super::server::Server;
use super::client::{Client, Poller, connect, full, post, shown, token, token_of};

async fn key(server: &Server, person: &str, body: serde_json::Value) -> (String, String) {
    let made = server.post("/api/v1/api-keys", person, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

#[tokio::test]
async fn nobody_is_let_in_before_the_upgrade_without_something_that_is_good() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let good = token(&server, &admin).await;
    let short = token_of(&server, &admin, json!({ "expires_in": "1m" })).await;
    let other = if good.ends_with('0') { '1' } else { '0' };
    let mistyped = format!("{}{other}", &good[..good.len() - 1]);
    server.pass(61);
    for bearer in ["", "x", &mistyped, &short, &admin, "phx_a0_0"] {
        assert_eq!(connect(&server, bearer).await.err(), Some(401), "{bearer}");
        let (head, _) = post(&server, bearer, &[], Vec::new()).await;
        assert_eq!(
            (head.status.as_u16(), &head.headers["www-authenticate"]),
            (401, &"Bearer".parse().unwrap())
        );
    }
    assert!(connect(&server, &good).await.is_ok());
}

#[tokio::test]
async fn a_token_that_is_revoked_ends_the_sessions_that_have_nothing_else() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let (mut client, _) = Client::greeted(&server, &token, uid).await;
    let path = format!("/api/v1/enrollment-tokens/{}", token.split('_').nth(1).unwrap());
    assert_eq!(server.delete(&path, &admin).await.status, 204);
    assert_eq!(client.closed().await, (1008, "the token is good no more".to_owned()));
    assert_eq!(connect(&server, &token).await.err(), Some(401));
    assert_eq!(post(&server, &token, &[], Vec::new()).await.0.status, 401);
}

#[tokio::test]
async fn an_agent_that_is_deleted_is_shown_the_door_and_may_join_again() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let (mut client, _) = Client::greeted(&server, &token, uid).await;
    assert_eq!(server.delete(&format!("/api/v1/agents/{uid}"), &admin).await.status, 204);
    assert_eq!(client.closed().await, (1008, "enrolled no more".to_owned()));
    let (_client, answer) = Client::greeted(&server, &token, uid).await;
    assert_eq!(answer.error_response, None);
    assert_eq!(shown(&server, &admin, uid).await["status"], "connected");
}

#[tokio::test]
async fn an_api_key_lets_agents_in_if_that_is_its_kind_and_does_nothing_else() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    for role in ["viewer", "operator"] {
        let person = server.user(&admin, role).await;
        let asked = json!({ "name": "x", "kind": "agents:connect" });
        assert_eq!(server.post("/api/v1/api-keys", &person, asked).await.refusal(), 403, "{role}");
    }
    for body in [json!({ "name": "all" }), json!({ "name": "agents", "kind": "agents" })] {
        let (_, other) = key(&server, &admin, body).await;
        assert_eq!(connect(&server, &other).await.err(), Some(403), "no role has it, and no other kind");
    }
    let (id, text) = key(&server, &admin, json!({ "name": "fleet", "kind": "agents:connect" })).await;
    for path in ["/api/v1/agents", "/api/v1/experiments", "/api/v1/enrollment-tokens"] {
        assert_eq!(server.get(path, &text).await.refusal(), 403, "{path}");
    }
    let uid = Uuid::now_v7();
    let (mut client, answer) = Client::greeted(&server, &text, uid).await;
    assert_eq!(answer.error_response, None);
    let agent = shown(&server, &admin, uid).await;
    assert_eq!((&agent["enrolled_by"], &agent["own_credential"]), (&json!(id), &json!(false)));
    assert_eq!(Poller::new(Uuid::now_v7()).say(&server, &text, full()).await.error_response, None);
    assert_eq!(server.delete(&format!("/api/v1/api-keys/{id}"), &admin).await.status, 204);
    assert_eq!(client.closed().await.0, 1008);
    assert_eq!(connect(&server, &text).await.err(), Some(401));
}

#[tokio::test]
async fn an_agent_is_its_tenants_alone() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let other = server.other_tenant(&admin).await;
    let (ours, theirs) = (token(&server, &admin).await, token(&server, &other).await);
    let uid = Uuid::now_v7();
    let (_one, first) = Client::greeted(&server, &ours, uid).await;
    let (_two, second) = Client::greeted(&server, &theirs, uid).await;
    assert_eq!(
        (first.agent_identification, second.agent_identification),
        (None, None),
        "each has its own names"
    );
    for person in [&admin, &other] {
        assert_eq!(shown(&server, person, uid).await["status"], "connected");
    }
}
