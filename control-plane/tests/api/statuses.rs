//! Statuses of agents: those that come at once are written together, each for its own agent, and a sign of life is written down
//! a moment later.

use std::time::Duration;

use control_plane::actions::{enroll, statuses};
use control_plane::clock::UnixMillis;
use control_plane::store::generations::Status;
use control_plane::store::statuses::{self as store, ConfigStatus, Health, StatusUpdate};
use hyper::StatusCode;
use serde_json::json;

use super::opamp::client::{Client, TAKING, full, listed, shown, token};
use super::opamp::offers::enrolled;
use super::server::Server;

#[tokio::test]
async fn statuses_that_come_at_once_are_stored_each_for_its_own_agent_and_one_of_nobody_for_none() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let mut agents = Vec::new();
    for number in 0..40 {
        let body = json!({ "uid": uuid::Uuid::now_v7(), "version": "1", "host": format!("h{number}") });
        let answer = server.fleet("/v1/enroll", &token, body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let credential = answer.body["token"].as_str().unwrap().to_owned();
        agents.push(enroll::authenticate(&server.state, &credential).await.unwrap());
    }
    let other = server.other_tenant(&admin).await;
    let mut all = tokio::task::JoinSet::new();
    for agent in &agents {
        let (state, of) = (server.state.clone(), (agent.tenant_id, agent.uid));
        let shown = json!({ "healthy": true, "status": agent.host });
        let health = Some(Health { shown, candidate_cut: None });
        let config = Some(ConfigStatus { hash: agent.host.clone(), status: Status::Applied, error: None });
        all.spawn(async move {
            let update = StatusUpdate { health, config, ..StatusUpdate::default() };
            statuses::store(&state, of, update).await
        });
    }
    let nobody = (agents[0].tenant_id, control_plane::id::AgentUid(uuid::Uuid::now_v7()));
    let update = StatusUpdate { version: Some("2".to_owned()), ..StatusUpdate::default() };
    statuses::store(&server.state, nobody, update).await.unwrap();
    while let Some(stored) = all.join_next().await {
        assert!(!stored.unwrap().unwrap().lifting);
    }
    let shown =
        server.get("/api/v1/agents?limit=200", &admin).await.body["items"].as_array().unwrap().clone();
    assert_eq!(shown.len(), 40);
    for agent in &shown {
        assert_eq!(
            (&agent["health"]["status"], &agent["effective_hash"], &agent["status"], &agent["version"]),
            (&agent["host"], &agent["host"], &json!("connected"), &json!("1"))
        );
    }
    assert!(listed(&server, &other).await.is_empty());
}

#[tokio::test]
async fn a_sign_of_life_is_written_down_a_moment_later() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (uid, credential) = enrolled(&server, &admin).await;
    let mut client = Client::connect_as(&server, &credential, uid, TAKING).await;
    client.say(full()).await;
    server.pass(100);
    let before = shown(&server, &admin, uid).await["last_seen"].clone();
    client.beat().await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while shown(&server, &admin, uid).await["last_seen"] == before {
        assert!(tokio::time::Instant::now() < deadline, "nothing is written down");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_time_at_which_an_agent_was_seen_goes_back_by_no_word_that_was_late_and_with_the_clock_alone() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (uid, credential) = enrolled(&server, &admin).await;
    let agent = enroll::authenticate(&server.state, &credential).await.unwrap();
    let replica = server.state.replica.id.clone();
    let seen = async || shown(&server, &admin, uid).await["last_seen"].clone();
    let heard = async |at: UnixMillis| {
        let mut tx = server.state.store.begin(agent.tenant_id).await.unwrap();
        store::heard(&mut tx, (agent.tenant_id, &replica), &[(agent.uid, at)]).await.unwrap();
        tx.commit().await.unwrap();
    };
    let says = async || {
        let update = StatusUpdate { version: Some("2".to_owned()), ..StatusUpdate::default() };
        statuses::store(&server.state, (agent.tenant_id, agent.uid), update).await.unwrap();
    };
    says().await;
    let (known, now) = (seen().await, server.state.clock.now());
    // What waited to be written down is earlier than what was stored meanwhile.
    heard(now.before(Duration::from_secs(1))).await;
    assert_eq!(seen().await, known);
    // Another replica's clock is ahead by a little.
    let ahead = now.plus(Duration::from_secs(20));
    heard(ahead).await;
    says().await;
    assert_eq!(seen().await, json!(ahead));
    // It was set back: what was noted before is no time at which anything can have been heard.
    heard(now.plus(Duration::from_secs(3_600))).await;
    says().await;
    let (last, ahead) = (seen().await, json!(ahead));
    assert!(known.as_str() < last.as_str() && last.as_str() < ahead.as_str(), "{known} {last} {ahead}");
}
