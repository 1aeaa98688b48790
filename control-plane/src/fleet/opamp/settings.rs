//! Connection settings: a credential of its own for an agent that came by a token.
//!
//! What always holds: an offer is whole (a URL and the header of authorization), because an agent puts it in the place of all
//! that it had; it goes to agents alone that take such offers; and one that could not be used is not made again.

use prost::Message as _;
use proto::opamp::{
    AgentCapabilities, ConnectionSettingsOffers, ConnectionSettingsStatus, Header, Headers,
    OpAmpConnectionSettings,
};

use crate::actions::enroll::AgentIdentity;
use crate::actions::join;
use crate::hash::sha256_of;
use crate::state::AppState;
use crate::store::StoreError;

/// Seconds between two messages of an agent that has nothing to say.
const HEARTBEAT: u64 = 30;

/// What one conversation has offered.
#[derive(Debug, Default)]
pub struct Settings {
    /// The control plane's URL, as the agent reached it; nothing where that is not known whole.
    url: Option<String>,
    offered: Option<ConnectionSettingsOffers>,
    /// Hash that the agent says it was offered last.
    said: Option<Vec<u8>>,
    /// True if nothing is to be offered in this conversation.
    over: bool,
}

impl Settings {
    /// None offered yet.
    pub fn new(url: Option<String>) -> Self {
        Self { url, ..Self::default() }
    }

    /// Takes in what became of an offer.
    pub fn heard(&mut self, status: &ConnectionSettingsStatus) {
        self.said = Some(status.last_connection_settings_hash.clone());
    }

    /// The offer that goes into an answer. `again` is true where an answer may be lost: it is made until the agent says that it
    /// has it. Over a connection it is made once, and again if the agent says that it has another.
    ///
    /// # Errors
    /// The store's.
    pub async fn offer(
        &mut self,
        state: &AppState,
        agent: &AgentIdentity,
        capabilities: u64,
        again: bool,
    ) -> Result<Option<ConnectionSettingsOffers>, StoreError> {
        const TAKES: u64 = AgentCapabilities::AcceptsOpampConnectionSettings as u64;
        if agent.own_credential || self.over || capabilities & TAKES == 0 {
            return Ok(None);
        }
        let said = self.said.take();
        if let Some(offered) = &self.offered {
            let has = said.as_ref().is_some_and(|hash| *hash == offered.hash);
            self.over |= has;
            return Ok((!has && (again || said.is_some())).then(|| offered.clone()));
        }
        let Some(url) = self.url.clone() else { return Ok(None) };
        let mut made = None;
        let credential = join::credential(state, agent, |credential| {
            let settings = settings(url, credential);
            let hash = sha256_of(&settings.encode_to_vec());
            let text = hex::encode(hash);
            made = Some(ConnectionSettingsOffers { hash: hash.to_vec(), opamp: Some(settings) });
            text
        });
        if credential.await?.is_none() {
            self.over = true;
            return Ok(None);
        }
        self.offered.clone_from(&made);
        Ok(made)
    }
}

fn settings(url: String, credential: &str) -> OpAmpConnectionSettings {
    let authorization = Header { key: "Authorization".to_owned(), value: format!("Bearer {credential}") };
    OpAmpConnectionSettings {
        destination_endpoint: url,
        headers: Some(Headers { headers: vec![authorization] }),
        heartbeat_interval_seconds: HEARTBEAT,
    }
}
