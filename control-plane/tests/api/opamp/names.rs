//! Names of agents: each is one agent's, and who comes under another's gets one of its own, once.

use futures_util::StreamExt as _;
use proto::opamp::{AgentToServer, AgentToServerFlags, ServerErrorResponseType, ServerToAgent};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use super::super::server::Server;
use super::client::{
    Client, Poller, full, listed, metric, named, post, shown, shown_with, token, token_of, uses,
};

async fn enrolled(server: &Server, token: &str, uid: Uuid) -> String {
    let body = json!({ "uid": uid, "labels": {}, "host": "h1", "version": "0.1.0" });
    let answer = server.fleet("/v1/enroll", token, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_uid_is_one_use_of_a_token_however_often_it_comes() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let single = token_of(&server, &admin, json!({ "labels": { "env": "prod" } })).await;
    let uid = Uuid::now_v7();
    for _ in 0..3 {
        let (client, answer) = Client::greeted(&server, &single, uid).await;
        assert!(answer.error_response.is_none(), "{answer:?}");
        client.leave().await;
    }
    let answer = Poller::new(uid).say(&server, &single, full()).await;
    assert!(answer.error_response.is_none() && named(&answer).is_none(), "{answer:?}");
    assert_eq!(uses(&server, &admin).await, [1]);
    let (mut second, refused) = Client::greeted(&server, &single, Uuid::now_v7()).await;
    let error = refused.error_response.unwrap();
    assert_eq!(error.r#type(), ServerErrorResponseType::BadRequest);
    assert!(
        error.error_message.contains("no uses left") && error.error_message.contains("--max-uses unlimited"),
        "{error:?}"
    );
    assert_eq!(second.closed().await.0, 1008);
    assert_eq!(listed(&server, &admin).await.len(), 1, "nothing of it is kept");
    assert_eq!(shown(&server, &admin, uid).await["labels"], json!({ "env": "prod" }));
    let another = token_of(&server, &admin, json!({ "labels": { "env": "dev" } })).await;
    let (client, answer) = Client::greeted(&server, &another, uid).await;
    assert!(answer.error_response.is_none(), "each token has its own uses: {answer:?}");
    client.leave().await;
    let mut all = uses(&server, &admin).await;
    all.sort_unstable();
    assert_eq!(all, [1, 1]);
    assert_eq!(shown(&server, &admin, uid).await["labels"], json!({ "env": "dev" }));
}

#[tokio::test]
async fn a_uid_with_a_credential_of_its_own_is_claimed_by_no_token() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    enrolled(&server, &token, uid).await;
    let (mut client, answer) = Client::greeted(&server, &token, uid).await;
    let new = named(&answer).expect("another name");
    assert_eq!(answer.instance_uid, uid.as_bytes(), "the answer is to the name that it came with");
    assert_eq!(new.get_version_num(), 7);
    let holder = shown(&server, &admin, uid).await;
    assert_eq!(
        (&holder["status"], &holder["host"]),
        (&json!("enrolled"), &json!("h1")),
        "nothing of it is touched"
    );
    assert_eq!(shown(&server, &admin, new).await["host"], "h7");
    // What is on its way under the old name is answered, and the new name is told once.
    let late = client.beat().await;
    assert_eq!((late.instance_uid.as_slice(), named(&late)), (&uid.as_bytes()[..], None));
    client.uid = new;
    let taken = client.beat().await;
    assert_eq!((taken.instance_uid.as_slice(), taken.flags, named(&taken)), (&new.as_bytes()[..], 0, None));
    client.leave().await;
    // One that did not keep its new name comes back to the same record.
    let (client, answer) = Client::greeted(&server, &token, uid).await;
    assert_eq!(named(&answer), Some(new));
    let (other, answer) = Client::greeted(&server, &token, uid).await;
    let third = named(&answer).expect("another name");
    assert!(third != new && third != uid, "that one is there");
    assert_eq!(listed(&server, &admin).await.len(), 3);
    drop((client, other));
    let mut poller = Poller::new(uid);
    let answer = poller.say(&server, &token, full()).await;
    let polled = named(&answer).expect("another name");
    assert_eq!(
        named(&poller.say(&server, &token, AgentToServer::default()).await),
        Some(polled),
        "it may be lost"
    );
    poller.uid = polled;
    let answer = poller.say(&server, &token, AgentToServer::default()).await;
    assert_eq!((named(&answer), answer.flags), (None, 0));
}

#[tokio::test]
async fn the_duplicate_of_an_agent_that_is_there_is_renamed_once_and_the_first_stays() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let (mut first, _) = Client::greeted(&server, &token, uid).await;
    // The first reads on, as one that is alive does.
    let newcomer = Client::greeted(&server, &token, uid);
    let mut newcomer = std::pin::pin!(newcomer);
    let (mut second, answer) = loop {
        tokio::select! {
            greeted = &mut newcomer => break greeted,
            message = first.socket.next() => assert!(matches!(message, Some(Ok(Message::Ping(_)))), "{message:?}"),
        }
    };
    let new = named(&answer).expect("another name");
    assert!(named(&first.beat().await).is_none(), "the first is still connected, under its name");
    for _ in 0..5 {
        assert_eq!(named(&second.beat().await), None, "told once");
    }
    second.uid = new;
    assert!(second.beat().await.error_response.is_none());
    second.uid = Uuid::now_v7();
    let refused = second.beat().await.error_response.expect("a third name is another agent's");
    assert_eq!(refused.r#type(), ServerErrorResponseType::BadRequest);
    assert_eq!(listed(&server, &admin).await.len(), 2);
    assert_eq!(metric(&server, "phoenix_opamp_malformed_total{mistake=\"another_agent\"}").await, 1);
}

#[tokio::test]
async fn one_that_was_heard_of_just_now_is_there_although_it_answers_no_ping() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let (mut first, _) = Client::greeted(&server, &token, uid).await;
    // Nobody reads at the first one's end meanwhile.
    let (_second, answer) = Client::greeted(&server, &token, uid).await;
    assert!(named(&answer).is_some());
    assert_eq!(named(&first.beat().await), None);
    assert_eq!(listed(&server, &admin).await.len(), 2);
}

#[tokio::test]
async fn an_agent_that_is_back_at_once_is_not_renamed() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    for _ in 0..5 {
        let (client, answer) = Client::greeted(&server, &token, uid).await;
        assert_eq!((named(&answer), answer.error_response), (None, None), "after a reset");
        client.socket.get_ref().set_zero_linger().unwrap();
        drop(client);
    }
    // Its end was lost on the way: nothing is heard from the other end any more.
    let (mut dead, answer) = Client::greeted(&server, &token, uid).await;
    assert_eq!(named(&answer), None);
    server.pass(11);
    let (_back, answer) = Client::greeted(&server, &token, uid).await;
    assert_eq!((named(&answer), answer.error_response), (None, None));
    assert_eq!(dead.closed().await, (1008, "connected elsewhere".to_owned()));
    assert_eq!(listed(&server, &admin).await.len(), 1);
    shown_with(&server, &admin, uid, "status", "connected").await;
}

#[tokio::test]
async fn any_sixteen_bytes_are_a_uid_and_nothing_else_is() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    for bytes in [[0xff; 16], *b"sixteen letters!"] {
        let uid = Uuid::from_bytes(bytes);
        let (client, answer) = Client::greeted(&server, &token, uid).await;
        assert_eq!((answer.instance_uid.as_slice(), named(&answer)), (&bytes[..], None), "{answer:?}");
        client.leave().await;
        assert_eq!(shown(&server, &admin, uid).await["instance_uid"], json!(uid));
        assert_eq!(Poller::new(uid).say(&server, &token, full()).await.error_response, None);
    }
    let (mut client, _) = Client::greeted(&server, &token, Uuid::now_v7()).await;
    for wrong in [&b""[..], &[7; 15], &[7; 17], &[0; 16]] {
        let message = AgentToServer { instance_uid: wrong.to_vec(), ..full() };
        client.send(&message).await;
        let answer = client.hear().await;
        assert_eq!(answer.instance_uid, wrong, "it is brought back");
        assert_eq!(answer.error_response.unwrap().r#type(), ServerErrorResponseType::BadRequest);
        let (head, body) = post(&server, &token, &[], prost::Message::encode_to_vec(&message)).await;
        let answer: ServerToAgent = prost::Message::decode(body).unwrap();
        let error = answer.error_response.unwrap();
        assert_eq!((head.status.as_u16(), error.r#type()), (200, ServerErrorResponseType::BadRequest));
        assert!(error.error_message.contains("expected "), "{error:?}");
    }
    assert_eq!(metric(&server, "phoenix_opamp_malformed_total{mistake=\"uid\"}").await, 8);
}

#[tokio::test]
async fn an_agent_that_asks_for_a_name_gets_one() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let asks = || AgentToServer { flags: AgentToServerFlags::RequestInstanceUid as u64, ..full() };
    // What it comes with is no name: several may come with the same.
    let temporary = Uuid::nil();
    let (mut names, mut clients) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let mut client = Client::connect(&server, &token, temporary).await;
        let answer = client.say(asks()).await;
        assert_eq!(answer.instance_uid, temporary.as_bytes());
        let name = named(&answer).expect("a name");
        assert_eq!(named(&client.say(asks()).await), None, "once");
        client.uid = name;
        assert_eq!(named(&client.say(asks()).await), None, "it has it");
        names.push(name);
        clients.push(client);
    }
    for _ in 0..2 {
        let mut poller = Poller::new(temporary);
        let name = named(&poller.say(&server, &token, asks()).await).expect("a name");
        poller.uid = name;
        let answer = poller.say(&server, &token, AgentToServer::default()).await;
        assert_eq!((named(&answer), answer.flags, answer.error_response), (None, 0, None));
        names.push(name);
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), listed(&server, &admin).await.len()), (4, 4));
    assert_eq!(uses(&server, &admin).await, [4]);
    // One that has a credential of its own keeps its record and everything in it.
    let uid = Uuid::now_v7();
    let credential = enrolled(&server, &token, uid).await;
    let mut client = Client::connect(&server, &credential, Uuid::now_v7()).await;
    let name = named(&client.say(asks()).await).expect("a name");
    client.uid = name;
    assert_eq!(client.beat().await.error_response, None);
    assert_eq!(shown(&server, &admin, uid).await["instance_uid"], json!(name));
    client.leave().await;
    let mut back = Client::connect(&server, &credential, name).await;
    assert_eq!(back.say(full()).await.error_response, None);
}

#[tokio::test]
async fn two_that_poll_under_one_name_are_told_apart_by_their_numbers() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let (mut first, mut second) = (Poller::new(uid), Poller::new(uid));
    for _ in 0..4 {
        first.say(&server, &token, full()).await;
    }
    let mut new = None;
    for _ in 0..6 {
        let answer = second.say(&server, &token, full()).await;
        if let Some(name) = named(&answer) {
            assert!(new.is_none_or(|new| new == name), "the same name, until it takes it");
            new = Some(name);
        }
        assert_eq!(named(&first.say(&server, &token, full()).await), None, "who came first keeps its name");
    }
    second.uid = new.expect("the second is renamed");
    for _ in 0..3 {
        assert_eq!(named(&second.say(&server, &token, full()).await), None);
        assert_eq!(named(&first.say(&server, &token, full()).await), None);
    }
    assert_eq!(listed(&server, &admin).await.len(), 2);
    // One that starts anew is the same one.
    first.next = 0;
    for _ in 0..4 {
        assert_eq!(named(&first.say(&server, &token, full()).await), None);
    }
    assert_eq!(listed(&server, &admin).await.len(), 2);
}
