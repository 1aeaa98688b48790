//! Agents that come by a token: who is let in, as what, and how often that counts.

use serde_json::json;
use uuid::Uuid;

use super::super::server::Server;
use super::client::{Client, listed, shown, token};

#[tokio::test]
async fn a_stock_client_joins_by_a_token_and_is_listed_with_what_it_says() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let (mut client, answer) = Client::greeted(&server, &token, uid).await;
    assert_eq!((answer.instance_uid.as_slice(), answer.error_response.as_ref()), (&uid.as_bytes()[..], None));
    assert_eq!((answer.flags, answer.agent_identification, answer.remote_config), (0, None, None));
    let agent = shown(&server, &admin, uid).await;
    assert_eq!((&agent["host"], &agent["version"]), (&json!("h7"), &json!("0.158.0")));
    assert_eq!((&agent["status"], &agent["health"]["healthy"]), (&json!("connected"), &json!(true)));
    assert_eq!((&agent["own_credential"], &agent["refuses_configs"]), (&json!(false), &json!(true)));
    let config = agent["effective_config"][""].as_str().unwrap();
    assert!(config.contains("receivers:\n  otlp:") && !config.contains("hush"), "{config}");
    assert_eq!(listed(&server, &admin).await.len(), 1);
    assert!(client.beat().await.error_response.is_none());
    client.leave().await;
}
