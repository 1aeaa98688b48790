//! Both transports: frames, fragments, bounds, compression, and how a connection ends.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::Method;
use prost::Message as _;
use proto::opamp::{AgentDisconnect, AgentToServer, ServerErrorResponseType, ServerToAgent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use uuid::Uuid;

use super::super::server::{Server, send};
use super::client::{Client, PROTOBUF, Poller, config_of, full, post, shown, shown_with, token};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn large(bytes: usize) -> AgentToServer {
    AgentToServer { effective_config: Some(config_of(&"a: b\n".repeat(bytes / 5))), ..full() }
}

#[tokio::test]
async fn a_message_in_fragments_is_one_message() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let mut client = Client::connect(&server, &token, uid).await;
    // The client cuts it at 4 KiB.
    assert_eq!(client.say(large(3 << 20)).await.error_response, None);
    assert!(shown(&server, &admin, uid).await["effective_config"][""].as_str().unwrap().len() > 4_096);
}

#[tokio::test]
async fn what_is_too_large_ends_the_connection_by_its_own_code() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let (mut client, _) = Client::greeted(&server, &token, Uuid::now_v7()).await;
    let _it_may_stop_reading = client.socket.send(Message::binary(vec![0; (4 << 20) + 1])).await;
    assert_eq!(client.closed().await.0, 1009);
    let (mut client, _) = Client::greeted(&server, &token, Uuid::now_v7()).await;
    // No fragment is too large, and all of them are.
    for number in 0..5 {
        use tokio_tungstenite::tungstenite::protocol::frame::Frame;
        use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
        let kind = if number == 0 { Data::Binary } else { Data::Continue };
        let frame = Frame::message(vec![0; 1 << 20], OpCode::Data(kind), false);
        if client.socket.send(Message::Frame(frame)).await.is_err() {
            break;
        }
    }
    assert_eq!(client.closed().await.0, 1009);
}

#[tokio::test]
async fn a_text_and_what_is_no_frame_end_the_connection() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let (mut client, _) = Client::greeted(&server, &token, Uuid::now_v7()).await;
    client.socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(client.closed().await.0, 1003);
    for frame in [
        // Not masked; a bit of an extension that nobody agreed on; an opcode that there is not.
        &[0x82, 1, 0][..],
        &[0xc2, 0x81, 0, 0, 0, 0, 0],
        &[0x83, 0x81, 0, 0, 0, 0, 0],
    ] {
        let (mut client, _) = Client::greeted(&server, &token, Uuid::now_v7()).await;
        client.socket.get_mut().write_all(frame).await.unwrap();
        assert_eq!(client.closed().await.0, 1002, "{frame:?}");
    }
}

#[tokio::test]
async fn a_ping_is_answered_and_a_close_is_too() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let (mut client, _) = Client::greeted(&server, &token, uid).await;
    client.socket.send(Message::Ping(b"there?".to_vec().into())).await.unwrap();
    assert_eq!(client.next_message().await.unwrap().unwrap(), Message::Pong(b"there?".to_vec().into()));
    let frame = CloseFrame { code: 1000.into(), reason: "done".into() };
    client.socket.send(Message::Close(Some(frame.clone()))).await.unwrap();
    match client.next_message().await {
        Some(Ok(Message::Close(Some(back)))) => assert_eq!(back.code, frame.code),
        other => panic!("expected a close, got {other:?}"),
    }
    let mut rest = Vec::new();
    client.socket.get_mut().read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [0; 0], "then the server ends it");
    shown_with(&server, &admin, uid, "status", "disconnected").await;
}

#[tokio::test]
async fn a_goodbye_is_answered_and_the_agent_is_gone() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let goodbye = || AgentToServer { agent_disconnect: Some(AgentDisconnect {}), ..Default::default() };
    let uid = Uuid::now_v7();
    let (mut client, _) = Client::greeted(&server, &token, uid).await;
    let answer = client.say(goodbye()).await;
    assert_eq!((answer.instance_uid.as_slice(), answer.error_response), (&uid.as_bytes()[..], None));
    assert_eq!(client.closed().await.0, 1000, "one that says no more is closed");
    shown_with(&server, &admin, uid, "status", "disconnected").await;

    let uid = Uuid::now_v7();
    let mut poller = Poller::new(uid);
    poller.say(&server, &token, full()).await;
    assert_eq!(shown(&server, &admin, uid).await["status"], "connected", "between two polls");
    assert_eq!(poller.say(&server, &token, goodbye()).await.error_response, None);
    shown_with(&server, &admin, uid, "status", "disconnected").await;
}

#[tokio::test]
async fn bodies_are_gzip_either_way() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let message = AgentToServer { instance_uid: uid.as_bytes().to_vec(), capabilities: 1, ..full() };
    let bytes = message.encode_to_vec();
    let headers = [("content-encoding", "gzip"), ("accept-encoding", "deflate, gzip;q=0.9")];
    let (head, body) = post(&server, &token, &headers, gzip(&bytes)).await;
    assert_eq!((head.status.as_u16(), &head.headers["content-encoding"]), (200, &"gzip".parse().unwrap()));
    assert_eq!(head.headers["content-type"], PROTOBUF);
    let mut inflated = Vec::new();
    GzDecoder::new(&body[..]).read_to_end(&mut inflated).unwrap();
    assert_eq!(ServerToAgent::decode(&inflated[..]).unwrap().instance_uid, uid.as_bytes());
    let (head, body) = post(&server, &token, &[], bytes.clone()).await;
    assert!(head.headers.get("content-encoding").is_none(), "nobody asked for it");
    assert_eq!(ServerToAgent::decode(body).unwrap().instance_uid, uid.as_bytes());

    let broken = gzip(&bytes);
    let (head, body) = post(&server, &token, &headers[..1], broken[..broken.len() / 2].to_vec()).await;
    let error = ServerToAgent::decode(body).unwrap().error_response.unwrap();
    assert_eq!((head.status.as_u16(), error.r#type()), (200, ServerErrorResponseType::BadRequest));
    let (head, _) = post(&server, &token, &[("content-encoding", "br")], bytes).await;
    assert_eq!(head.status, 415);
}

#[tokio::test]
async fn a_body_is_bounded_before_and_after_it_is_inflated() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let message = |bytes| {
        let uid = Uuid::now_v7().as_bytes().to_vec();
        AgentToServer { instance_uid: uid, capabilities: 1, ..large(bytes) }.encode_to_vec()
    };
    let gzipped = [("content-encoding", "gzip")];
    assert_eq!(post(&server, &token, &[], message(3 << 20)).await.0.status, 200);
    assert_eq!(post(&server, &token, &gzipped, gzip(&message(3 << 20))).await.0.status, 200);
    assert_eq!(post(&server, &token, &[], message(5 << 20)).await.0.status, 413);
    assert_eq!(post(&server, &token, &gzipped, gzip(&message(5 << 20))).await.0.status, 413);
    assert_eq!(post(&server, &token, &gzipped, gzip(&vec![0; 256 << 20])).await.0.status, 413, "a bomb");
}

#[tokio::test]
async fn the_content_type_may_have_parameters_and_nothing_else_is_taken() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let message =
        AgentToServer { instance_uid: Uuid::now_v7().as_bytes().to_vec(), capabilities: 1, ..full() };
    for (kind, status) in [
        ("application/x-protobuf; charset=utf-8", 200),
        ("Application/X-Protobuf;proto=opamp", 200),
        ("application/json", 415),
        ("text/plain", 415),
    ] {
        let (head, _) = post(&server, &token, &[("content-type", kind)], message.encode_to_vec()).await;
        assert_eq!(head.status, status, "{kind}");
    }
}

#[tokio::test]
async fn a_server_that_restarts_says_so_and_asks_for_everything() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    let (mut client, _) = Client::greeted(&server, &token, uid).await;
    let next = client.next;
    let stopping = tokio::spawn(server.stop());
    assert_eq!(client.closed().await.0, 1012);
    drop(client);
    let server =
        Server::start_again(stopping.await.unwrap(), control_plane::clock::UnixMillis(1_800_000_100_000))
            .await;
    let mut back = Client::connect(&server, &token, uid).await;
    back.next = next;
    let answer = back.beat().await;
    assert_eq!((answer.flags, answer.agent_identification), (1, None), "a bare change");
    assert_eq!(back.say(full()).await.flags, 0);
}

#[tokio::test]
async fn one_that_is_silent_is_asked_for_a_sign_of_life_and_stays() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    let uid = Uuid::now_v7();
    // By its capabilities it sends no heartbeats.
    let (mut client, _) = Client::greeted(&server, &token, uid).await;
    let asked = tokio::time::timeout(Duration::from_secs(90), client.socket.next()).await;
    assert!(matches!(asked, Ok(Some(Ok(Message::Ping(_))))), "{asked:?}");
    assert_eq!(client.beat().await.error_response, None);
    assert_eq!(shown(&server, &admin, uid).await["status"], "connected");
}

#[tokio::test]
async fn a_request_that_is_no_upgrade_is_told_so_once_its_sender_is_known() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = token(&server, &admin).await;
    assert_eq!(send(server.at.fleet, Method::GET, "/v1/opamp", "", None).await.refusal(), 401);
    let refused = send(server.at.fleet, Method::GET, "/v1/opamp", &token, None).await.refusal();
    assert!((400..500).contains(&refused) && refused != 401, "{refused}");
}
