//! OpAMP as an agent of our own making speaks it, frame by frame.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use proto::opamp::{AgentToServer, ServerToAgent};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use uuid::Uuid;

use crate::control_plane::ControlPlane;
use crate::http;

/// An agent's connection.
pub type Socket = WebSocketStream<TcpStream>;

/// Enrolls an agent: its uid and its credential.
pub async fn enrolled(control_plane: &ControlPlane) -> Result<(Uuid, String)> {
    let token = control_plane.enrollment_token(json!({ "env": "test" })).await?;
    let uid = Uuid::now_v7();
    let body = json!({ "uid": uid, "labels": {}, "host": "ours", "version": "0" });
    let fleet = control_plane.listening.fleet;
    let (status, body) = http::call(fleet, "POST", "/v1/enroll", &token, Some(&body)).await?;
    ensure!(status == 200 || status == 201, "{status} {body}");
    Ok((uid, body["token"].as_str().context("no token")?.to_owned()))
}

/// Connects with a credential.
pub async fn connect(fleet: SocketAddr, credential: &str) -> Result<Socket, Error> {
    let mut request = format!("ws://{fleet}/v1/opamp").into_client_request()?;
    request.headers_mut().insert("authorization", format!("Bearer {credential}").parse()?);
    let stream = TcpStream::connect(fleet).await?;
    Ok(tokio_tungstenite::client_async(request, stream).await?.0)
}

/// A message in its frame.
pub fn frame(message: &AgentToServer) -> Message {
    let mut frame = vec![0];
    frame.extend(message.encode_to_vec());
    Message::binary(frame)
}

/// The next answer.
pub async fn answer(socket: &mut Socket) -> Result<ServerToAgent> {
    let frame = socket.next().await.context("no answer")??.into_data();
    ensure!(frame.first() == Some(&0), "a frame without its header");
    Ok(ServerToAgent::decode(&frame[1..])?)
}

/// Says who it is, and hears the answer.
pub async fn greet(socket: &mut Socket, uid: Uuid) -> Result<ServerToAgent> {
    let message =
        AgentToServer { instance_uid: uid.as_bytes().to_vec(), capabilities: 0x3807, ..Default::default() };
    socket.send(frame(&message)).await?;
    answer(socket).await
}
