//! Enrollment: an enrollment token becomes a credential bound to this agent's uid.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use thiserror::Error;

use super::Fleet;
use super::credential::Credential;
use super::settings::Token;
use crate::net::Connector;

const PATH: &str = "/v1/enroll";
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ANSWER: usize = 64 << 10;

/// Reason for which there is no credential.
#[derive(Debug, Error)]
pub enum EnrollError {
    /// There is nothing to enroll with.
    #[error("there is neither a credential in data_dir nor phoenix.control_plane.token_file")]
    NoToken,
    /// The token cannot be read.
    #[error("the enrollment token: {0}")]
    Token(String),
    /// The control plane cannot be reached.
    #[error("the control plane at {0}: {1}")]
    Unreachable(String, String),
    /// The control plane refuses.
    #[error("the control plane refuses to enroll this agent: {0} {1}")]
    Refused(StatusCode, String),
    /// The credential cannot be kept.
    #[error("the credential: {0}")]
    Disk(#[from] io::Error),
}

#[derive(Deserialize)]
struct Answer {
    token: String,
}

/// The kept credential, or a new one.
///
/// # Errors
/// [`EnrollError`].
pub async fn credential(fleet: &Fleet) -> Result<Credential, EnrollError> {
    if let Some(kept) = Credential::load(&fleet.data_dir)? {
        return Ok(kept);
    }
    let token = token(fleet)?;
    let asked = tokio::time::timeout(TIMEOUT, ask(fleet, &token)).await;
    let unreachable = |why: String| EnrollError::Unreachable(fleet.control_plane.endpoint.host.clone(), why);
    let (status, body) = asked
        .map_err(|_| unreachable("no answer in time".into()))?
        .map_err(|error| unreachable(error.to_string()))?;
    if status != StatusCode::OK && status != StatusCode::CREATED {
        let text = String::from_utf8_lossy(&body).chars().take(300).collect();
        return Err(EnrollError::Refused(status, text));
    }
    let answer: Answer = serde_json::from_slice(&body).map_err(|error| unreachable(error.to_string()))?;
    let credential =
        Credential::new(&answer.token).ok_or_else(|| unreachable("its answer is no token".into()))?;
    credential.store(&fleet.data_dir)?;
    tracing::info!(uid = fleet.identity.uid, "enrolled with the control plane");
    Ok(credential)
}

fn token(fleet: &Fleet) -> Result<Credential, EnrollError> {
    let text = match &fleet.control_plane.token {
        None => return Err(EnrollError::NoToken),
        Some(Token::Given(token)) => token.clone(),
        Some(Token::File(path)) => std::fs::read_to_string(path)
            .map_err(|error| EnrollError::Token(format!("{}: {error}", path.display())))?,
    };
    Credential::new(&text).ok_or_else(|| EnrollError::Token("there is none in the file".into()))
}

async fn ask(fleet: &Fleet, token: &Credential) -> io::Result<(StatusCode, Bytes)> {
    let connector = Connector::new(fleet.control_plane.endpoint.clone(), "http/1.1")?;
    let stream = TokioIo::new(connector.connect().await?);
    let (mut sender, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let identity = &fleet.identity;
    let body = serde_json::json!({
        "uid": identity.uid,
        "labels": identity.labels,
        "version": env!("CARGO_PKG_VERSION"),
    });
    let request = Request::post(PATH)
        .header(HOST, connector.authority())
        .header(AUTHORIZATION, token.bearer())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(io::Error::other)?;
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(io::Error::other)?;
    Ok((status, body.to_bytes()))
}
