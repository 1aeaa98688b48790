//! Configs on offer: to whom, and what becomes of those that failed.

use control_plane::actions::generations as actions;
use control_plane::store::Across;
use control_plane::store::generations::{Offered, Status};
use proto::generation::{Baseline, Generation, config_hash};
use proto::opamp::{AgentToServer, RemoteConfigStatus, RemoteConfigStatuses};
use serde_json::json;
use uuid::Uuid;

use super::super::server::Server;
use super::client::{Client, Poller, SUPERVISOR, TAKING, full, shown, token};

/// Writes down that an agent is to run its own file, under the next number; the hash of that.
pub async fn told(server: &Server, uid: Uuid) -> String {
    let uid = control_plane::id::AgentUid(uid);
    let row = control_plane::store::query("SELECT tenant_id FROM agents WHERE uid = $1").bind(uid);
    let mut reader = server.state.store.read(Across::Reconcile).await.unwrap();
    let row = row.fetch_one(&mut reader).await.unwrap();
    let tenant: control_plane::id::TenantId = row.try_get("tenant_id").unwrap();
    let last = control_plane::store::generations::latest(&mut reader, tenant, uid).await.unwrap();
    drop(reader);
    let number = last.map_or(0, |last| last.generation) + 1;
    let own = Generation {
        number: number.unsigned_abs(),
        pipeline: None,
        baseline: Baseline::Current,
        experiment: None,
    };
    let body = own.write();
    let hash = hex::encode(config_hash(body.as_bytes()));
    let offered = Offered {
        generation: number,
        content: own.content(),
        config_hash: hash.clone(),
        body,
        experiment_id: None,
        step: None,
        status: Status::Pending,
        compared_with: Vec::new(),
        error: None,
    };
    let look = async |_: &_, _: &mut _, (): &()| {
        Ok(actions::Changes { offers: vec![(tenant, uid, offered.clone())], ..Default::default() })
    };
    actions::offer(&server.state, async |_: &mut _| Ok(()), look).await.unwrap();
    hash
}

/// An agent that has enrolled, with its credential.
pub async fn enrolled(server: &Server, admin: &str) -> (Uuid, String) {
    let (token, uid) = (token(server, admin).await, Uuid::now_v7());
    let answer = server.fleet("/v1/enroll", &token, json!({ "uid": uid, "version": "1" })).await;
    (uid, answer.body["token"].as_str().unwrap().to_owned())
}

pub fn status(hash: &str, status: RemoteConfigStatuses) -> AgentToServer {
    let status = RemoteConfigStatus {
        last_remote_config_hash: hex::decode(hash).unwrap(),
        status: status.into(),
        error_message: "it says why".to_owned(),
    };
    AgentToServer { remote_config_status: Some(status), ..AgentToServer::default() }
}

#[tokio::test]
async fn a_config_is_offered_to_who_takes_one_and_runs_another() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (uid, credential) = enrolled(&server, &admin).await;
    let hash = told(&server, uid).await;
    let mut client = Client::connect_as(&server, &credential, uid, TAKING & !0x2).await;
    assert_eq!(client.say(full()).await.remote_config, None, "it takes none");
    client.capabilities = TAKING;
    let offered = client.beat().await.remote_config.expect("it takes one now");
    assert_eq!(hex::encode(&offered.config_hash), hash);
    assert_eq!(client.say(status(&hash, RemoteConfigStatuses::Applied)).await.remote_config, None);
    let second = told(&server, uid).await;
    assert_eq!(hex::encode(client.hear().await.remote_config.expect("unasked").config_hash), second);
    client.capabilities = TAKING & !0x2;
    assert_eq!(client.say(status(&hash, RemoteConfigStatuses::Applied)).await.remote_config, None);
}

#[tokio::test]
async fn a_config_that_failed_is_not_offered_again() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (uid, credential) = enrolled(&server, &admin).await;
    let good = told(&server, uid).await;
    let mut client = Client::connect_as(&server, &credential, uid, TAKING).await;
    assert!(client.say(full()).await.remote_config.is_some());
    client.say(status(&good, RemoteConfigStatuses::Applied)).await;
    let bad = told(&server, uid).await;
    assert!(client.hear().await.remote_config.is_some());
    for (hash, state) in [
        (&bad, RemoteConfigStatuses::Applying),
        (&bad, RemoteConfigStatuses::Failed),
        (&good, RemoteConfigStatuses::Applied),
        (&good, RemoteConfigStatuses::Applied),
    ] {
        assert_eq!(client.say(status(hash, state)).await.remote_config, None, "{state:?}");
    }
    client.leave().await;
    let mut back = Client::connect_as(&server, &credential, uid, TAKING).await;
    let mut first = full();
    first.remote_config_status = status(&good, RemoteConfigStatuses::Applied).remote_config_status;
    assert_eq!(back.say(first).await.remote_config, None, "not even in another session");
}

#[tokio::test]
async fn an_agent_that_runs_a_collectors_file_is_offered_no_generation() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (uid, credential) = enrolled(&server, &admin).await;
    told(&server, uid).await;
    let mut client = Client::connect_as(&server, &credential, uid, SUPERVISOR).await;
    assert_eq!(client.say(full()).await.remote_config, None);
    assert_eq!(shown(&server, &admin, uid).await["refuses_configs"], true);
}

#[tokio::test]
async fn who_polls_is_offered_a_config_until_it_says_that_it_has_it() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (uid, credential) = enrolled(&server, &admin).await;
    let hash = told(&server, uid).await;
    let mut poller = Poller { capabilities: TAKING, ..Poller::new(uid) };
    for message in [full(), AgentToServer::default(), AgentToServer::default()] {
        let answer = poller.say(&server, &credential, message).await;
        assert_eq!(hex::encode(answer.remote_config.expect("an answer may be lost").config_hash), hash);
    }
    let applied = poller.say(&server, &credential, status(&hash, RemoteConfigStatuses::Applying)).await;
    assert_eq!(applied.remote_config, None);
    assert_eq!(poller.say(&server, &credential, AgentToServer::default()).await.remote_config, None);
}
