//! A stock OpAMP client: it counts from 0, cuts what is over 4 KiB in fragments, and says what has changed.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::response::Parts;
use hyper::{Request, StatusCode};
use prost::Message as _;
use proto::opamp::{
    AgentConfigFile, AgentConfigMap, AgentDescription, AgentToServer, AnyValue, ComponentHealth,
    EffectiveConfig, KeyValue, RemoteConfigStatus, ServerToAgent, any_value::Value as Any,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use uuid::Uuid;

use super::super::server::{Server, exchange};

/// Time in which an answer comes.
const SOON: Duration = Duration::from_secs(10);
/// The largest frame of the client that most agents have.
const FRAGMENT: usize = 4_096;
pub const PROTOBUF: &str = "application/x-protobuf";

/// Capabilities of the Collector's extension: status, effective config, health, components.
pub const EXTENSION: u64 = 0x1 | 0x4 | 0x800 | 0x4000;
/// Those of the supervisor.
pub const SUPERVISOR: u64 = 0x7d47;
/// Those of an agent that takes generations, but for connection settings.
pub const TAKING: u64 = 0x1 | 0x2 | 0x4 | 0x800 | 0x1000 | 0x2000;

pub type Socket = WebSocketStream<TcpStream>;

/// An enrollment token, for as many agents as come.
pub async fn token(server: &Server, admin: &str) -> String {
    token_of(server, admin, json!({ "max_uses": "unlimited" })).await
}

pub async fn token_of(server: &Server, admin: &str, body: Value) -> String {
    let made = server.post("/api/v1/enrollment-tokens", admin, body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.body["token"].as_str().unwrap().to_owned()
}

/// Number of uses of every token.
pub async fn uses(server: &Server, admin: &str) -> Vec<u64> {
    let listed = server.get("/api/v1/enrollment-tokens", admin).await.body;
    listed["items"].as_array().unwrap().iter().map(|token| token["uses"].as_u64().unwrap()).collect()
}

/// An agent's connection.
pub struct Client {
    pub uid: Uuid,
    pub capabilities: u64,
    /// Number of the next message.
    pub next: u64,
    pub socket: Socket,
}

/// A connection, or the status by which it was refused.
pub async fn connect(server: &Server, bearer: &str) -> Result<Socket, u16> {
    let mut request = format!("ws://{}/v1/opamp", server.at.fleet).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {bearer}").parse().unwrap());
    let stream = TcpStream::connect(server.at.fleet).await.unwrap();
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

impl Client {
    pub async fn connect(server: &Server, bearer: &str, uid: Uuid) -> Self {
        Self { uid, capabilities: EXTENSION, next: 0, socket: connect(server, bearer).await.unwrap() }
    }

    pub async fn connect_as(server: &Server, bearer: &str, uid: Uuid, capabilities: u64) -> Self {
        Self { capabilities, ..Self::connect(server, bearer, uid).await }
    }

    /// Connects and says everything; the answer besides.
    pub async fn greeted(server: &Server, bearer: &str, uid: Uuid) -> (Self, ServerToAgent) {
        let mut client = Self::connect(server, bearer, uid).await;
        let answer = client.say(full()).await;
        (client, answer)
    }

    /// A message with everything that each has.
    pub fn numbered(&mut self, message: AgentToServer) -> AgentToServer {
        let sequence_num = self.next;
        self.next += 1;
        let instance_uid = self.uid.as_bytes().to_vec();
        AgentToServer { instance_uid, sequence_num, capabilities: self.capabilities, ..message }
    }

    /// Says something, and hears the answer.
    pub async fn say(&mut self, message: AgentToServer) -> ServerToAgent {
        let message = self.numbered(message);
        self.send(&message).await;
        self.hear().await
    }

    /// Nothing but that it is there.
    pub async fn beat(&mut self) -> ServerToAgent {
        self.say(AgentToServer::default()).await
    }

    pub async fn send(&mut self, message: &AgentToServer) {
        self.send_bytes(framed(message)).await;
    }

    /// Bytes in frames of 4 KiB at most.
    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        let mut left = Bytes::from(bytes);
        let mut kind = Data::Binary;
        loop {
            let part = left.split_to(left.len().min(FRAGMENT));
            let frame = Frame::message(part, OpCode::Data(kind), left.is_empty());
            self.socket.send(Message::Frame(frame)).await.unwrap();
            kind = Data::Continue;
            if left.is_empty() {
                return;
            }
        }
    }

    /// The next message.
    pub async fn hear(&mut self) -> ServerToAgent {
        loop {
            match self.next_message().await {
                Some(Ok(Message::Binary(frame))) => {
                    assert_eq!(frame.first(), Some(&0), "a frame has its header");
                    return ServerToAgent::decode(&frame[1..]).unwrap();
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("expected an answer, got {other:?}"),
            }
        }
    }

    pub async fn next_message(&mut self) -> Option<Result<Message, Error>> {
        tokio::time::timeout(SOON, self.socket.next()).await.unwrap()
    }

    /// The code and the reason by which the other side closes, once all else was heard.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next_message().await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("expected a close, got {other:?}"),
            }
        }
    }

    /// Leaves as the specification has it.
    pub async fn leave(mut self) {
        let goodbye = AgentToServer { agent_disconnect: Some(Default::default()), ..Default::default() };
        self.say(goodbye).await;
        self.socket.close(None).await.unwrap();
        while let Some(Ok(_)) = self.next_message().await {}
    }
}

/// The name that an agent is given.
pub fn named(answer: &ServerToAgent) -> Option<Uuid> {
    let named = answer.agent_identification.as_ref()?;
    Some(Uuid::from_slice(&named.new_instance_uid).unwrap())
}

pub fn framed(message: &AgentToServer) -> Vec<u8> {
    [&[0][..], &message.encode_to_vec()].concat()
}

pub fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Any::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value) }
}

pub fn config_of(text: &str) -> EffectiveConfig {
    let file = AgentConfigFile { body: text.into(), content_type: "text/yaml".to_owned() };
    let config_map = [(String::new(), file)].into_iter().collect();
    EffectiveConfig { config_map: Some(AgentConfigMap { config_map }) }
}

/// A first message, as a stock agent says it.
pub fn full() -> AgentToServer {
    AgentToServer {
        agent_description: Some(AgentDescription {
            identifying_attributes: vec![
                attribute("service.name", "otelcol"),
                attribute("service.version", "0.158.0"),
            ],
            non_identifying_attributes: vec![attribute("host.name", "h7"), attribute("os.type", "linux")],
        }),
        health: Some(ComponentHealth { healthy: true, status: "StatusOK".to_owned(), ..Default::default() }),
        effective_config: Some(config_of(
            "receivers:\n  otlp:\nexporters:\n  otlp:\n    headers: { x: hush }\n",
        )),
        remote_config_status: Some(RemoteConfigStatus::default()),
        ..Default::default()
    }
}

/// The agent's record, as it is shown.
pub async fn shown(server: &Server, admin: &str, uid: Uuid) -> Value {
    let answer = server.get(&format!("/api/v1/agents/{uid}"), admin).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.body
}

/// Waits until the record of an agent says so.
pub async fn shown_with(server: &Server, admin: &str, uid: Uuid, field: &str, value: &str) {
    let deadline = tokio::time::Instant::now() + SOON;
    while shown(server, admin, uid).await[field] != value {
        assert!(tokio::time::Instant::now() < deadline, "{field} is not {value}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// All uids that are listed.
pub async fn listed(server: &Server, admin: &str) -> Vec<Value> {
    server.get("/api/v1/agents", admin).await.body["items"].as_array().unwrap().clone()
}

/// The value of a metric whose line begins so; 0 where there is none.
pub async fn metric(server: &Server, begin: &str) -> u64 {
    let text = server.get("/metrics", "").await.body;
    let text = text.as_str().unwrap_or_default().to_owned();
    let line = text.lines().find(|line| line.starts_with(begin));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |value| value.parse().unwrap())
}

/// Headers of a poll besides the usual ones, and its answer.
pub async fn post(server: &Server, bearer: &str, headers: &[(&str, &str)], body: Vec<u8>) -> (Parts, Bytes) {
    let mut request = Request::post("/v1/opamp").header("host", server.at.fleet.to_string());
    if !bearer.is_empty() {
        request = request.header("authorization", format!("Bearer {bearer}"));
    }
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", PROTOBUF);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    exchange(server.at.fleet, request.body(Full::new(Bytes::from(body))).unwrap()).await
}

/// An agent that polls.
pub struct Poller {
    pub uid: Uuid,
    pub capabilities: u64,
    pub next: u64,
}

impl Poller {
    pub fn new(uid: Uuid) -> Self {
        Self { uid, capabilities: EXTENSION, next: 0 }
    }

    pub async fn say(&mut self, server: &Server, bearer: &str, message: AgentToServer) -> ServerToAgent {
        let message = AgentToServer {
            instance_uid: self.uid.as_bytes().to_vec(),
            sequence_num: self.next,
            capabilities: self.capabilities,
            ..message
        };
        self.next += 1;
        let (head, body) = post(server, bearer, &[], message.encode_to_vec()).await;
        assert_eq!(head.status, StatusCode::OK, "{body:?}");
        assert_eq!(head.headers["content-type"], PROTOBUF);
        ServerToAgent::decode(body).unwrap()
    }
}
