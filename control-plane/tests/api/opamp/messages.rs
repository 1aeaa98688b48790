//! Messages: each is answered, what is missing is asked for once, what is none is refused, and what we do not know is passed over.

use prost::Message as _;
use proto::opamp::{
    AgentToServer, CertificateRequest, ConnectionSettingsRequest, CustomCapabilities, CustomMessage,
    OpAmpConnectionSettingsRequest, ServerErrorResponseType, ServerToAgent, server_error_response::Details,
};
use serde_json::json;
use uuid::Uuid;

use control_plane::store::Across;

use super::super::server::Server;
use super::client::{Client, Poller, TAKING, config_of, framed, full, metric, post, shown, token};
use super::offers::enrolled;

const FULL: u64 = 1;

#[tokio::test]
async fn the_first_answer_says_what_the_server_can_do_and_nothing_that_it_cannot() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let (mut client, first) = Client::greeted(&server, &token, Uuid::now_v7()).await;
    // Status, remote config, effective config, connection settings.
    assert_eq!(first.capabilities, 0x1 | 0x2 | 0x4 | 0x20);
    assert_eq!(client.beat().await.capabilities, 0, "once is enough");
    let polled = Poller::new(Uuid::now_v7()).say(&server, &token, full()).await;
    assert_eq!(polled.capabilities, 0x27);
}

#[tokio::test]
async fn every_message_is_answered_under_its_uid_and_one_that_comes_twice_twice() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let (mut client, _) = Client::greeted(&server, &token, uid).await;
    let message = client.numbered(AgentToServer { health: full().health, ..Default::default() });
    for _ in 0..3 {
        client.send(&message).await;
        let answer = client.hear().await;
        assert_eq!((answer.instance_uid.as_slice(), answer.flags), (&uid.as_bytes()[..], 0));
        assert_eq!(answer.error_response, None);
    }
    assert_eq!(client.beat().await.flags, 0, "nothing is missing after it");
    // Sent at once, answered one by one.
    for _ in 0..20 {
        let message = client.numbered(AgentToServer::default());
        client.send(&message).await;
    }
    for _ in 0..20 {
        assert_eq!(client.hear().await.instance_uid, uid.as_bytes());
    }
}

#[tokio::test]
async fn a_gap_is_answered_by_asking_for_everything_once() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let (mut client, first) = Client::greeted(&server, &token, Uuid::now_v7()).await;
    assert_eq!((first.flags, client.beat().await.flags), (0, 0));
    for _ in 0..2 {
        client.next += 5;
        assert_eq!(client.beat().await.flags, FULL, "a gap");
        assert_eq!(client.say(full()).await.flags, 0, "it is closed");
        assert_eq!(client.beat().await.flags, 0);
    }
    client.next = 0;
    assert_eq!(client.beat().await.flags, FULL, "backward is a gap, too");
    // One that never counts right is not asked for ever.
    let mut asked = 0;
    for _ in 0..20 {
        client.next += 1;
        asked += client.say(full()).await.flags;
    }
    assert!(asked < 4, "{asked}");
    let mut poller = Poller::new(Uuid::now_v7());
    assert_eq!(poller.say(&server, &token, full()).await.flags, 0);
    assert_eq!(poller.say(&server, &token, AgentToServer::default()).await.flags, 0);
    poller.next += 5;
    assert_eq!(poller.say(&server, &token, AgentToServer::default()).await.flags, FULL);
    assert_eq!(poller.say(&server, &token, full()).await.flags, 0);
}

#[tokio::test]
async fn who_says_too_little_at_first_is_asked_once_and_one_without_a_config_status_is_not_asked_for_it() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let mut client = Client::connect(&server, &token, Uuid::now_v7()).await;
    assert_eq!(client.beat().await.flags, FULL, "a change alone, as after a restart of ours");
    for _ in 0..3 {
        assert_eq!(client.beat().await.flags, 0, "asked once");
    }
    // The extension reports no config status, and says so by its capabilities.
    let mut extension = Client::connect(&server, &token, Uuid::now_v7()).await;
    let message = AgentToServer { remote_config_status: None, ..full() };
    assert_eq!(extension.say(message.clone()).await.flags, 0);
    assert_eq!(extension.beat().await.flags, 0);
    let (uid, credential) = enrolled(&server, &admin).await;
    let mut reporting = Client::connect_as(&server, &credential, uid, TAKING).await;
    assert_eq!(reporting.say(message).await.flags, FULL, "it reports one, and has not");
    assert_eq!(reporting.beat().await.flags, 0, "once");
}

#[tokio::test]
async fn who_polls_with_nothing_but_its_name_is_there() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let mut poller = Poller::new(uid);
    for _ in 0..3 {
        poller.say(&server, &token, full()).await;
    }
    let bare = AgentToServer { instance_uid: uid.as_bytes().to_vec(), ..Default::default() };
    for _ in 0..3 {
        let (_, body) = post(&server, &token, &[], bare.encode_to_vec()).await;
        let answer = ServerToAgent::decode(body).unwrap();
        assert_eq!((answer.flags, answer.error_response), (0, None));
    }
    assert_eq!(poller.say(&server, &token, AgentToServer::default()).await.flags, 0, "it counts on");
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_counted() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let mut client = Client::connect(&server, &token, uid).await;
    let refused = async |client: &mut Client, bytes: Vec<u8>| {
        client.send_bytes(bytes).await;
        let answer = client.hear().await;
        let error = answer.error_response.clone().expect("an error");
        assert_eq!(error.r#type(), ServerErrorResponseType::BadRequest);
        assert!(!error.error_message.is_empty());
        let nothing_else = ServerToAgent {
            instance_uid: answer.instance_uid.clone(),
            error_response: Some(error),
            ..ServerToAgent::default()
        };
        assert_eq!(answer, nothing_else);
    };
    let wrong = [b"\x00\xff\xff\xff".to_vec(), b"\x01\x0a".to_vec(), Vec::new(), vec![0x80; 12]];
    for bytes in wrong.clone() {
        refused(&mut client, bytes).await;
    }
    assert_eq!(client.say(full()).await.error_response, None, "it may still come in");
    for bytes in wrong {
        refused(&mut client, bytes).await;
    }
    // A header of more bytes that is 0 all the same.
    let message = client.numbered(AgentToServer::default());
    client.send_bytes([&[0x80, 0][..], &framed(&message)[1..]].concat()).await;
    assert_eq!(client.hear().await.error_response, None);
    assert_eq!(metric(&server, "phoenix_opamp_malformed_total{mistake=\"header\"}").await, 6);
    assert_eq!(metric(&server, "phoenix_opamp_malformed_total{mistake=\"encoding\"}").await, 2);
    let (head, body) = post(&server, &token, &[], b"\xff\xff".to_vec()).await;
    let answer = ServerToAgent::decode(body).unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(answer.error_response.unwrap().r#type(), ServerErrorResponseType::BadRequest);
}

#[tokio::test]
async fn what_we_do_not_know_is_passed_over() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let (mut client, _) = Client::greeted(&server, &token, Uuid::now_v7()).await;
    let capability = "com.example.pause/v2".to_owned();
    let custom = AgentToServer {
        custom_capabilities: Some(CustomCapabilities { capabilities: vec![capability.clone()] }),
        custom_message: Some(CustomMessage { capability, r#type: "status".to_owned(), data: vec![0xff; 99] }),
        connection_settings_request: Some(ConnectionSettingsRequest::default()),
        ..AgentToServer::default()
    };
    let answer = client.say(custom).await;
    assert_eq!(
        (answer.error_response, answer.custom_message, answer.connection_settings),
        (None, None, None)
    );
    // Package statuses, available components, a field that is not defined yet, capabilities that are not defined yet.
    client.capabilities |= 1 << 40;
    let mut bytes = framed(&client.numbered(AgentToServer::default()));
    for field in [8_u8, 14] {
        bytes.extend([field << 3 | 2, 0]);
    }
    bytes.extend([0xa2, 0x06, 1, 7]);
    client.send_bytes(bytes).await;
    let answer = client.hear().await;
    assert_eq!((answer.error_response, answer.flags), (None, 0));
}

#[tokio::test]
async fn a_wish_for_a_certificate_is_refused() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let (mut client, _) = Client::greeted(&server, &token, uid).await;
    let wish = OpAmpConnectionSettingsRequest {
        certificate_request: Some(CertificateRequest { csr: b"-----BEGIN".to_vec() }),
    };
    let request = ConnectionSettingsRequest { opamp: Some(wish) };
    let answer = client.say(AgentToServer { connection_settings_request: Some(request), ..full() }).await;
    let error = answer.error_response.unwrap();
    assert_eq!(
        (error.r#type(), answer.instance_uid),
        (ServerErrorResponseType::BadRequest, uid.as_bytes().to_vec())
    );
    assert!(error.error_message.contains("certificate"), "{error:?}");
}

#[tokio::test]
async fn a_store_that_is_busy_is_told_with_a_time_and_nothing_is_lost() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let (mut client, _) = Client::greeted(&server, &token, uid).await;
    let held = server.state.store.begin(Across::Reconcile).await.unwrap();
    let health = full().health.map(|health| proto::opamp::ComponentHealth { healthy: false, ..health });
    let answer = client.say(AgentToServer { health, ..Default::default() }).await;
    let error = answer.error_response.expect("it cannot be written");
    assert_eq!(
        (error.r#type(), answer.instance_uid),
        (ServerErrorResponseType::Unavailable, uid.as_bytes().to_vec())
    );
    let Some(Details::RetryInfo(retry)) = error.details else { panic!("no time") };
    assert!((5_000_000_000..60_000_000_000).contains(&retry.retry_after_nanoseconds), "{retry:?}");
    let another = Uuid::now_v7().as_bytes().to_vec();
    let polled = AgentToServer { instance_uid: another, ..full() };
    let (head, _) = post(&server, &token, &[], polled.encode_to_vec()).await;
    assert_eq!(head.status, 503);
    assert!(head.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    drop(held);
    assert_eq!(client.beat().await.flags, FULL, "what was lost is asked for");
    assert_eq!(client.say(full()).await.flags, 0);
}

#[tokio::test]
async fn what_an_agent_runs_and_how_it_is_follows_what_it_says() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let (mut client, _) = Client::greeted(&server, &token, uid).await;
    let health =
        proto::opamp::ComponentHealth { healthy: false, last_error: "a\0b".to_owned(), ..Default::default() };
    let (health, effective_config) = (Some(health), Some(config_of("service: {}\n")));
    client.say(AgentToServer { health, effective_config, ..Default::default() }).await;
    let agent = shown(&server, &admin, uid).await;
    assert_eq!(agent["health"]["last_error"], "ab", "what the store does not keep is left out");
    assert_eq!(agent["effective_config"], json!({ "": "service: {}\n" }));
    assert_eq!(
        (&agent["host"], &agent["version"]),
        (&json!("h7"), &json!("0.158.0")),
        "what is not said stays"
    );
    let listed = server.get("/api/v1/agents", &admin).await.body;
    assert!(listed["items"][0].get("effective_config").is_none(), "of one alone");
}
