//! Connection settings: a credential of its own for an agent that came by a token, and what it is offered before and after.

use proto::opamp::{
    AgentToServer, ConnectionSettingsOffers, ConnectionSettingsStatus, ConnectionSettingsStatuses,
};
use serde_json::json;
use uuid::Uuid;

use super::super::server::Server;
use super::client::{Client, Poller, SUPERVISOR, TAKING, full, post, shown, token, token_of};
use super::offers::told;

const ACCEPTS: u64 = 0x100;

/// The credential in an offer that is whole.
fn credential(server: &Server, scheme: &str, offers: &ConnectionSettingsOffers) -> String {
    let settings = offers.opamp.as_ref().unwrap();
    assert_eq!(settings.destination_endpoint, format!("{scheme}://{}/v1/opamp", server.at.fleet));
    assert_eq!((offers.hash.len(), settings.heartbeat_interval_seconds), (32, 30));
    let headers = &settings.headers.as_ref().unwrap().headers;
    assert_eq!((headers.len(), headers[0].key.as_str()), (1, "Authorization"));
    headers[0].value.strip_prefix("Bearer ").unwrap().to_owned()
}

fn became(hash: &[u8], status: ConnectionSettingsStatuses, error: &str) -> AgentToServer {
    let status = ConnectionSettingsStatus {
        last_connection_settings_hash: hash.to_vec(),
        status: status.into(),
        error_message: error.to_owned(),
    };
    AgentToServer { connection_settings_status: Some(status), ..AgentToServer::default() }
}

#[tokio::test]
async fn an_agent_that_takes_them_gets_a_credential_of_its_own_and_is_then_no_visitor() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token_of(&server, &admin, json!({})).await;
    let uid = Uuid::now_v7();
    let mut client = Client::connect_as(&server, &token, uid, TAKING).await;
    assert_eq!(client.say(full()).await.connection_settings, None, "it does not take them");
    let hash = told(&server, uid).await;
    assert_eq!(client.beat().await.remote_config, None, "it is read only");
    client.capabilities = TAKING | ACCEPTS;
    let offers = client.beat().await.connection_settings.expect("it takes them now");
    let own = credential(&server, "ws", &offers);
    assert_eq!(client.beat().await.connection_settings, None, "offered once");
    let applying = client.say(became(&offers.hash, ConnectionSettingsStatuses::Applying, "")).await;
    assert_eq!(applying.connection_settings, None, "it has it");
    assert_eq!(shown(&server, &admin, uid).await["connection_settings"], json!({ "status": "applying" }));

    let mut back = Client::connect_as(&server, &own, uid, TAKING | ACCEPTS).await;
    let answer = back.say(AgentToServer {
        connection_settings_status: became(&offers.hash, ConnectionSettingsStatuses::Applied, "")
            .connection_settings_status,
        ..full()
    });
    let answer = answer.await;
    assert_eq!((answer.connection_settings, answer.agent_identification), (None, None));
    assert_eq!(hex::encode(answer.remote_config.expect("it is offered what is for it").config_hash), hash);
    assert_eq!(client.closed().await, (1008, "connected elsewhere".to_owned()), "the session by the token");
    let agent = shown(&server, &admin, uid).await;
    assert_eq!((&agent["own_credential"], &agent["refuses_configs"]), (&json!(true), &json!(false)));
    assert_eq!(agent["connection_settings"], json!({ "status": "applied" }));
    let audit = server.get("/api/v1/audit?limit=200", &admin).await.body.to_string();
    assert!(audit.contains("agent.own_credential") && !audit.contains(&own[20..]), "{audit}");
    // The token is good for this uid no more, and has no use left for another.
    let (_, refused) = Client::greeted(&server, &token, uid).await;
    assert!(refused.error_response.unwrap().error_message.contains("no uses left"));
}

#[tokio::test]
async fn over_http_they_are_offered_until_the_agent_says_that_it_has_them() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let mut poller = Poller { capabilities: SUPERVISOR, ..Poller::new(uid) };
    let offers = poller.say(&server, &token, full()).await.connection_settings.expect("offered");
    let again = poller.say(&server, &token, AgentToServer::default()).await.connection_settings;
    assert_eq!(again.as_ref(), Some(&offers), "an answer may be lost");
    let has = became(&offers.hash, ConnectionSettingsStatuses::Applying, "");
    assert_eq!(poller.say(&server, &token, has).await.connection_settings, None);
    assert_eq!(poller.say(&server, &token, AgentToServer::default()).await.connection_settings, None);
    let own = credential(&server, "http", &offers);
    let answer = poller.say(&server, &own, full()).await;
    assert_eq!((answer.error_response, answer.connection_settings), (None, None));
    assert_eq!(shown(&server, &admin, uid).await["own_credential"], true);
}

#[tokio::test]
async fn settings_that_could_not_be_used_are_not_offered_again() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let mut client = Client::connect_as(&server, &token, uid, SUPERVISOR).await;
    let offers = client.say(full()).await.connection_settings.expect("offered");
    client.leave().await;
    for _ in 0..3 {
        let mut back = Client::connect_as(&server, &token, uid, SUPERVISOR).await;
        let mut message = full();
        message.connection_settings_status =
            became(&offers.hash, ConnectionSettingsStatuses::Failed, "no route").connection_settings_status;
        assert_eq!(back.say(message).await.connection_settings, None);
        assert_eq!(back.beat().await.connection_settings, None);
        back.leave().await;
    }
    let agent = shown(&server, &admin, uid).await;
    assert_eq!(agent["connection_settings"], json!({ "status": "failed", "error": "no route" }));
    assert_eq!(agent["own_credential"], false);
}

#[tokio::test]
async fn another_hash_than_the_offered_one_is_answered_with_the_offer() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let mut client = Client::connect_as(&server, &token, Uuid::now_v7(), SUPERVISOR).await;
    let offers = client.say(full()).await.connection_settings.expect("offered");
    let other = client.say(became(&[7; 32], ConnectionSettingsStatuses::Applied, "")).await;
    assert_eq!(other.connection_settings, Some(offers));
}

#[tokio::test]
async fn nothing_is_offered_to_who_is_renamed_before_it_has_taken_its_name() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let body = json!({ "uid": uid, "version": "1" });
    assert_eq!(server.fleet("/v1/enroll", &token, body).await.status, 201);
    let mut client = Client::connect_as(&server, &token, uid, SUPERVISOR).await;
    let answer = client.say(full()).await;
    assert_eq!(answer.connection_settings, None);
    client.uid = Uuid::from_slice(&answer.agent_identification.unwrap().new_instance_uid).unwrap();
    assert!(client.beat().await.connection_settings.is_some());
}

#[tokio::test]
async fn behind_a_proxy_that_ends_tls_none_are_offered() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let message = AgentToServer {
        instance_uid: Uuid::now_v7().as_bytes().to_vec(),
        capabilities: SUPERVISOR,
        ..full()
    };
    let bytes = prost::Message::encode_to_vec(&message);
    let (_, body) = post(&server, &token, &[("x-forwarded-proto", "https")], bytes).await;
    let answer: proto::opamp::ServerToAgent = prost::Message::decode(body).unwrap();
    assert_eq!((answer.connection_settings, answer.error_response), (None, None));
}
