//! Enrollment: an enrollment token becomes a credential bound to this agent's uid; a certificate is one.

use std::io;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use thiserror::Error;

use super::Fleet;
use super::credential::{Credential, Proof};
use super::post::{Post, post};
use super::settings::Token;

const PATH: &str = "/v1/enroll";

/// Reason for which there is no credential.
#[derive(Debug, Error)]
pub enum EnrollError {
    /// There is nothing to enroll with.
    #[error(
        "there is neither a credential in data_dir nor phoenix.control_plane.token_file, nor a certificate in \
         phoenix.control_plane.cert_file"
    )]
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

/// The most characters of a refusal that are shown.
const LONGEST_REASON: usize = 600;

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
}

/// A new credential, which nobody has kept yet; or the certificate, which is known from then on.
///
/// # Errors
/// [`EnrollError`].
pub async fn enroll(fleet: &Fleet) -> Result<Proof, EnrollError> {
    let proof = match token(fleet)? {
        Some(token) => Proof::Credential(token),
        None if has_certificate(fleet) => Proof::Certificate(fleet.identity.uid.clone()),
        None => return Err(EnrollError::NoToken),
    };
    let identity = &fleet.identity;
    let body = serde_json::json!({
        "uid": identity.uid,
        "labels": identity.labels,
        "host": identity.host,
        "node": identity.node,
        "version": env!("CARGO_PKG_VERSION"),
    });
    let request = Post {
        path: PATH,
        proof: &proof,
        media_type: "application/json",
        header: None,
        body: Bytes::from(body.to_string()),
    };
    let unreachable = |why: String| EnrollError::Unreachable(fleet.control_plane.endpoint.host.clone(), why);
    let answer = post(fleet, request).await.map_err(|error| unreachable(with_advice(fleet, &error)))?;
    if answer.status() != StatusCode::OK && answer.status() != StatusCode::CREATED {
        let text = detail(answer.body());
        return Err(EnrollError::Refused(answer.status(), text));
    }
    let answer: Result<Answer, _> = serde_json::from_slice(answer.body());
    let token = answer.map_err(|_| unreachable("its answer is none of a control plane's".into()))?.token;
    if matches!(proof, Proof::Certificate(_)) {
        return Ok(proof);
    }
    let credential = token.as_deref().and_then(Credential::new);
    credential.map(Proof::Credential).ok_or_else(|| unreachable("its answer is no token".into()))
}

/// An error, and where it may be for the certificate's sake, advice.
fn with_advice(fleet: &Fleet, error: &io::Error) -> String {
    let said = error.to_string();
    if said.contains("fatal alert") && has_certificate(fleet) {
        return format!(
            "{said}. If that is for the certificate in phoenix.control_plane.cert_file: it must be in force, and issued by an \
             authority that the control plane has in --agent-ca"
        );
    }
    said
}

fn has_certificate(fleet: &Fleet) -> bool {
    let tls = fleet.control_plane.endpoint.tls.as_ref();
    tls.is_some_and(|tls| tls.identity.is_some())
}

/// Sentence of a problem document; the text itself where it is none.
fn detail(body: &[u8]) -> String {
    let sentence = serde_json::from_slice::<Problem>(body).map(|problem| problem.detail);
    let text = sentence.unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned());
    text.chars().take(LONGEST_REASON).collect()
}

fn token(fleet: &Fleet) -> Result<Option<Credential>, EnrollError> {
    let text = match &fleet.control_plane.token {
        None => return Ok(None),
        Some(Token::Given(token)) => token.clone(),
        Some(Token::File(path)) => std::fs::read_to_string(path)
            .map_err(|error| EnrollError::Token(format!("{}: {error}", path.display())))?,
    };
    let token = Credential::new(&text);
    token.map(Some).ok_or_else(|| EnrollError::Token("there is none in the file".into()))
}
