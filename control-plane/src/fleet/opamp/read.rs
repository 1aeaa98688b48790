//! Messages as they come: a header, a message, and whose it is. What is none is answered, and counted.

use prost::Message as _;
use proto::opamp::{AgentToServer, ServerErrorResponse, ServerErrorResponseType, ServerToAgent};

use crate::fleet::comer::asks_for_a_name;
use crate::id::AgentUid;
use crate::metrics::Metrics;

/// Longest of a header: a varint of 64 bits.
const MAX_HEADER: usize = 10;
/// The most of an instance_uid that is brought back where it is none.
const MAX_ECHO: usize = 64;

/// Reason for which a message is not looked at.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Its header is not 0.
    #[error("the message does not begin with the header 0")]
    Header,
    /// It is no message.
    #[error("the message cannot be read: {0}")]
    Encoding(String),
    /// Its sender's name is none.
    #[error("instance_uid has {0} bytes, expected 16")]
    Uid(usize, Vec<u8>),
    /// Its sender's name is that of nobody, which several have who forgot to make one.
    #[error(
        "instance_uid is sixteen bytes of zero; expected one of the agent's own, such as a UUID of version 7"
    )]
    Nobody,
    /// It is another agent's.
    #[error("instance_uid is not that of the {of}")]
    AnotherAgent {
        /// Credential or connection, whose uid is another one.
        of: &'static str,
        /// The uid that came.
        uid: AgentUid,
    },
    /// It asks for a certificate.
    #[error("this control plane issues no certificates: it does not accept connection_settings_request")]
    Certificate(AgentUid),
    /// The token has let in as many as it may.
    #[error("{0}")]
    NotLetIn(String, AgentUid),
}

impl Malformed {
    fn word(&self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Encoding(_) => "encoding",
            Self::Uid(..) | Self::Nobody => "uid",
            Self::AnotherAgent { .. } => "another_agent",
            Self::Certificate(_) => "certificate",
            Self::NotLetIn(..) => "not_let_in",
        }
    }

    /// The answer to it, in which nothing else stands. `known` is the sender, as far as it is known.
    pub fn answer(&self, metrics: &Metrics, known: Option<AgentUid>) -> ServerToAgent {
        metrics.malformed_message(self.word());
        let uid = match self {
            Self::Uid(_, bytes) => bytes.clone(),
            Self::AnotherAgent { uid, .. } | Self::Certificate(uid) | Self::NotLetIn(_, uid) => {
                uid.as_bytes().to_vec()
            }
            Self::Nobody => vec![0; 16],
            Self::Header | Self::Encoding(_) => known.map(|uid| uid.as_bytes().to_vec()).unwrap_or_default(),
        };
        let error = ServerErrorResponse {
            r#type: ServerErrorResponseType::BadRequest.into(),
            error_message: self.to_string(),
            details: None,
        };
        ServerToAgent { instance_uid: uid, error_response: Some(error), ..ServerToAgent::default() }
    }
}

/// Reads what a WebSocket message holds: a header, which is a varint and always 0, and a message.
///
/// # Errors
/// [`Malformed`].
pub fn framed(frame: &[u8]) -> Result<(AgentUid, AgentToServer), Malformed> {
    let end = frame.iter().take(MAX_HEADER).position(|byte| byte & 0x80 == 0).ok_or(Malformed::Header)?;
    let (header, message) = frame.split_at(end + 1);
    if header.iter().any(|byte| byte & 0x7f != 0) {
        return Err(Malformed::Header);
    }
    message_of(message)
}

/// Reads a message and the uid of its sender.
///
/// # Errors
/// [`Malformed`].
pub fn message_of(bytes: &[u8]) -> Result<(AgentUid, AgentToServer), Malformed> {
    let message = AgentToServer::decode(bytes).map_err(|error| Malformed::Encoding(error.to_string()))?;
    let uid = AgentUid::of_bytes(&message.instance_uid).ok_or_else(|| {
        let short = message.instance_uid.iter().copied().take(MAX_ECHO).collect();
        Malformed::Uid(message.instance_uid.len(), short)
    })?;
    if uid.0.is_nil() && !asks_for_a_name(&message) {
        return Err(Malformed::Nobody);
    }
    Ok((uid, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_varint_of_nothing_but_zero() {
        let uid = [7; 16];
        let message = AgentToServer { instance_uid: uid.to_vec(), ..Default::default() }.encode_to_vec();
        for header in [&[0][..], &[0x80, 0], &[0x80, 0x80, 0]] {
            let (read, _) = framed(&[header, &message].concat()).unwrap();
            assert_eq!(read.as_bytes(), &uid);
        }
        for header in [&[1][..], &[0x81, 0], &[0x80, 1], &[0x80; 10], &[0x80; 11], &[]] {
            let refused = framed(&[header, &[]].concat());
            assert!(matches!(refused, Err(Malformed::Header)), "{header:?}: {refused:?}");
        }
        assert!(matches!(framed(&[0]), Err(Malformed::Uid(0, _))), "an empty message names nobody");
        let zero = AgentToServer { instance_uid: vec![0; 16], ..Default::default() }.encode_to_vec();
        assert!(matches!(message_of(&zero), Err(Malformed::Nobody)), "and neither do sixteen zeros");
    }
}
