//! One side of a conversation with an agent that is known, over either transport.

use proto::opamp::{AgentToServer, ServerToAgent};

use super::comer::asks_for_a_name;
use super::opamp::{Conversation, Malformed, Transport, unavailable};
use crate::actions::enroll::AgentIdentity;
use crate::actions::join;
use crate::id::AgentUid;
use crate::state::AppState;

/// A message, as it was read.
pub type Read = Result<(AgentUid, AgentToServer), Malformed>;

/// See the module.
#[derive(Debug)]
pub struct Talk {
    /// The agent.
    pub agent: AgentIdentity,
    /// Name that it came with. It differs from its own until it has taken that.
    came: AgentUid,
    /// True once it has come under its own name.
    pub at_home: bool,
    /// What was said.
    pub conversation: Conversation,
}

impl Talk {
    /// With an agent that came with this name. `url` is the control plane's, as it reached it.
    pub fn new(agent: AgentIdentity, came: AgentUid, transport: Transport, url: Option<String>) -> Self {
        Self { agent, came, at_home: false, conversation: Conversation::new(transport, url) }
    }

    /// Takes a message in, and answers it.
    pub async fn hear(&mut self, state: &AppState, read: Read) -> ServerToAgent {
        let (uid, message) = match read {
            Ok(read) => read,
            Err(malformed) => return malformed.answer(&state.metrics, Some(self.agent.instance_uid)),
        };
        let is_known = uid == self.came || uid == self.agent.instance_uid;
        let has_another = self.came != self.agent.instance_uid;
        if asks_for_a_name(&message) && !has_another {
            match join::rename(state, &self.agent).await {
                Ok(name) => (self.came, self.agent.instance_uid) = (uid, name),
                Err(error) => return failed(uid, &error),
            }
        } else if !is_known {
            let of = if self.agent.own_credential { "credential" } else { "connection" };
            return Malformed::AnotherAgent { of, uid }.answer(&state.metrics, None);
        }
        self.at_home |= uid == self.agent.instance_uid;
        match self.conversation.heard(state, &self.agent, uid, &message).await {
            Ok(answer) => answer,
            Err(error) => failed(uid, &error),
        }
    }
}

/// The answer to a message that could not be taken in.
pub fn failed(uid: AgentUid, error: &dyn std::error::Error) -> ServerToAgent {
    tracing::error!(%error, "an agent's message could not be taken in");
    unavailable(uid)
}
