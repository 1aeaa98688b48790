//! OpAMP: what an agent says, and what it is answered. No socket here.
//!
//! What always holds: every message is answered; nothing is offered to an agent that does not take configs, that has no
//! credential of its own, or that has not said yet what it runs; what it has refused is not offered again under the same
//! content; and who is asked for its full state is asked once.

mod effective;
mod news;
mod read;
mod settings;

use proto::generation::{KEY, MEDIA_TYPE};
use proto::opamp::{
    AgentCapabilities, AgentConfigFile, AgentConfigMap, AgentIdentification, AgentRemoteConfig,
    AgentToServer, CustomMessage, EffectiveConfig, RetryInfo, ServerCapabilities, ServerErrorResponse,
    ServerErrorResponseType, ServerToAgent, ServerToAgentFlags, server_error_response::Details,
};
use proto::preview::{self, PreviewAnswer};
use proto::quarantine;

pub use news::host_and_version;
pub use read::{Malformed, framed, message_of};
use settings::Settings;

use crate::actions::enroll::AgentIdentity;
use crate::actions::previews::{self, Word};
use crate::actions::statuses;
use crate::hash::sha256_of;
use crate::hub::Offer;
use crate::id::AgentUid;
use crate::state::AppState;
use crate::store::StoreError;
use crate::store::agents as stored;
use crate::store::generations::{self, Offered, Status};
use crate::store::previews::PreviewId;
use crate::store::statuses::{Known, StatusUpdate};

const CAPABILITIES: u64 = ServerCapabilities::AcceptsStatus as u64
    | ServerCapabilities::OffersRemoteConfig as u64
    | ServerCapabilities::AcceptsEffectiveConfig as u64
    | ServerCapabilities::OffersConnectionSettings as u64;
/// Number of times that a full state is asked for while no message comes in sequence.
const MOST_ASKED: u32 = 3;
/// Nanoseconds after which an agent that could not be served may come again.
const RETRY: u64 = 5_000_000_000;

/// Way in which a conversation is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A connection: what is sent arrives, or the connection ends.
    Socket,
    /// Requests: an answer may be lost.
    Polls,
}

/// State of one side of a conversation.
#[derive(Debug)]
pub struct Conversation {
    transport: Transport,
    sequence: Option<u64>,
    /// Number of times that the full state was asked for since the last message in sequence.
    asked: u32,
    capabilities: u64,
    /// Hash of the config that the agent says it was last offered; nothing until it has said so.
    reported: Option<String>,
    greeted: bool,
    /// True until the agent was told the name that it got in the place of its own.
    to_tell: bool,
    settings: Settings,
    /// True once it was written down that the agent is connected.
    noted: bool,
    /// Digest of what the agent said last that it runs.
    runs: Option<[u8; 32]>,
    takes_generations: Option<bool>,
    /// True if the agent says that it runs previews.
    knows_previews: bool,
    /// The preview that it was asked for last.
    asked_preview: Option<PreviewId>,
}

/// Place of a message among those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    First,
    Next,
    /// The one before, once more.
    Again,
    /// Others are missing before it.
    Gap,
}

impl Conversation {
    /// One that has not begun. `url` is the control plane's, as the agent reached it.
    pub fn new(transport: Transport, url: Option<String>) -> Self {
        Self {
            transport,
            sequence: None,
            asked: 0,
            capabilities: 0,
            reported: None,
            greeted: false,
            to_tell: true,
            settings: Settings::new(url),
            noted: false,
            runs: None,
            takes_generations: None,
            knows_previews: false,
            asked_preview: None,
        }
    }

    /// Takes a message of `uid` in, and answers it. Where the agent is to have another name, `agent` has that.
    ///
    /// # Errors
    /// The store's. What the message said is asked for again.
    pub async fn heard(
        &mut self,
        state: &AppState,
        agent: &AgentIdentity,
        uid: AgentUid,
        message: &AgentToServer,
    ) -> Result<ServerToAgent, StoreError> {
        let answer = self.answered(state, agent, uid, message).await;
        if answer.is_err() {
            self.sequence = None;
            self.noted = false;
            self.runs = None;
            self.takes_generations = None;
        }
        answer
    }

    async fn answered(
        &mut self,
        state: &AppState,
        agent: &AgentIdentity,
        uid: AgentUid,
        message: &AgentToServer,
    ) -> Result<ServerToAgent, StoreError> {
        let place = self.place(message);
        if message.capabilities != 0 {
            self.capabilities = message.capabilities;
        }
        if let Some(status) = &message.remote_config_status {
            self.reported = Some(hex::encode(&status.last_remote_config_hash));
        }
        if let Some(custom) = &message.custom_capabilities {
            self.knows_previews = custom.capabilities.iter().any(|one| one == preview::CAPABILITY);
        }
        if let Some(status) = &message.connection_settings_status {
            self.settings.heard(status);
        }
        let mut news = news::status_update(message, agent.own_credential);
        let takes = (self.capabilities != 0).then(|| news::takes_generations(self.capabilities));
        news.takes_generations = takes.filter(|_| self.takes_generations != takes);
        let runs = message.effective_config.as_ref().map(|config| (digest(config), config));
        let runs = runs.filter(|(digest, _)| self.runs != Some(*digest));
        news.files = runs.and_then(|(_, config)| effective::files(config));
        // One that runs generations, and has none, runs its own file, and does not tell it.
        news.files = news.files.filter(|files| files != effective::NONE || takes != Some(true));
        let known = self.keep(state, agent, news).await?;
        let answer = message.custom_message.as_ref().and_then(PreviewAnswer::bytes_of);
        if let Some(answer) = answer.filter(|_| agent.own_credential) {
            previews::answered(state, (agent.tenant_id, agent.uid), answer).await?;
        }
        self.takes_generations = takes.or(self.takes_generations);
        self.runs = runs.map(|(digest, _)| digest).or(self.runs);
        if message.connection_settings_request.as_ref().is_some_and(|request| request.opamp.is_some()) {
            return Ok(Malformed::Certificate(uid).answer(&state.metrics, None));
        }
        let mut answer = self.answer(uid);
        if self.asks(place, message) {
            answer.flags = ServerToAgentFlags::ReportFullState as u64;
        }
        if uid != agent.instance_uid && (self.to_tell || self.transport == Transport::Polls) {
            self.to_tell = false;
            let new_instance_uid = agent.instance_uid.as_bytes().to_vec();
            answer.agent_identification = Some(AgentIdentification { new_instance_uid });
        }
        if uid == agent.instance_uid {
            let again = self.transport == Transport::Polls;
            answer.connection_settings = self.settings.offer(state, agent, self.capabilities, again).await?;
        }
        if place != Place::Gap {
            if known.as_ref().is_none_or(|known| known.lifting) {
                answer.custom_message = lift(state, agent).await?;
            }
            let offered = known.as_ref().map(|known| &known.offered_hash);
            if offered.is_none_or(|offered| offered.is_some() && *offered != self.reported) {
                answer.remote_config = self.offer(state, agent, None).await?;
            }
        }
        Ok(answer)
    }

    /// Stores what a message says. Where it says only that its agent is there, nobody waits for that, and over a connection
    /// there is nothing new for it: what is wakes the connection. Where it polls, nothing is known then.
    async fn keep(
        &mut self,
        state: &AppState,
        agent: &AgentIdentity,
        news: StatusUpdate,
    ) -> Result<Option<Known>, StoreError> {
        if self.noted && news.is_silent() {
            state.hub.heard(agent.tenant_id, agent.uid, state.clock.now());
            let nothing = Known { offered_hash: None, lifting: false };
            return Ok((self.transport == Transport::Socket).then_some(nothing));
        }
        let known = statuses::store(state, (agent.tenant_id, agent.uid), news).await?;
        self.noted = true;
        Ok(Some(known))
    }

    /// A message that nobody asked for, if there is something to offer. `at_hand` is the latest generation, where it need not be
    /// read.
    ///
    /// # Errors
    /// The store's.
    pub async fn unasked(
        &mut self,
        state: &AppState,
        agent: &AgentIdentity,
        at_hand: Option<Offer>,
    ) -> Result<Option<ServerToAgent>, StoreError> {
        let custom_message = if at_hand.is_none() { lift(state, agent).await? } else { None };
        let remote_config = self.offer(state, agent, at_hand).await?;
        let something = remote_config.is_some() || custom_message.is_some();
        let answer = something.then(|| self.answer(agent.instance_uid));
        Ok(answer.map(|answer| ServerToAgent { remote_config, custom_message, ..answer }))
    }

    /// Word about previews that the agent was not told yet: a question, or that nobody waits for the answer any more.
    ///
    /// # Errors
    /// The store's.
    pub async fn preview(
        &mut self,
        state: &AppState,
        agent: &AgentIdentity,
    ) -> Result<Option<ServerToAgent>, StoreError> {
        let of = (agent.tenant_id, agent.uid);
        let word = previews::word(state, of, self.knows_previews, self.asked_preview).await?;
        let Some(word) = word.filter(|_| agent.own_credential) else { return Ok(None) };
        let custom_message = Some(match word {
            Word::Ask(id, request) => {
                self.asked_preview = Some(id);
                request.message()
            }
            Word::Stop(id) => {
                self.asked_preview = None;
                preview::stop(id.to_string())
            }
        });
        Ok(Some(ServerToAgent { custom_message, ..self.answer(agent.instance_uid) }))
    }

    fn place(&mut self, message: &AgentToServer) -> Place {
        let number = message.sequence_num;
        let place = match self.sequence {
            None => Place::First,
            Some(last) if number == last => Place::Again,
            // Who polls may say nothing but its name, not even a number.
            Some(_) if number == 0 && message.capabilities == 0 => return Place::Again,
            Some(last) if last.checked_add(1) == Some(number) => Place::Next,
            Some(_) => Place::Gap,
        };
        self.sequence = Some(number);
        place
    }

    /// Tells whether the agent is asked for its full state: its first message did not have it, or others are missing.
    fn asks(&mut self, place: Place, message: &AgentToServer) -> bool {
        let reports = self.capabilities & AgentCapabilities::ReportsRemoteConfig as u64 != 0;
        let asks = match place {
            Place::First => {
                message.agent_description.is_none() || (reports && message.remote_config_status.is_none())
            }
            Place::Gap => self.asked < MOST_ASKED,
            Place::Next | Place::Again => false,
        };
        match place {
            _ if asks => self.asked += 1,
            Place::Next => self.asked = 0,
            Place::First | Place::Again | Place::Gap => {}
        }
        asks
    }

    fn answer(&mut self, uid: AgentUid) -> ServerToAgent {
        let told = self.greeted && self.transport == Transport::Socket;
        let capabilities = if told { 0 } else { CAPABILITIES };
        self.greeted = true;
        ServerToAgent { instance_uid: uid.as_bytes().to_vec(), capabilities, ..ServerToAgent::default() }
    }

    async fn offer(
        &mut self,
        state: &AppState,
        agent: &AgentIdentity,
        at_hand: Option<Offer>,
    ) -> Result<Option<AgentRemoteConfig>, StoreError> {
        if !agent.own_credential || !news::takes_generations(self.capabilities) {
            return Ok(None);
        }
        let Some(reported) = self.reported.clone() else { return Ok(None) };
        let latest = match at_hand {
            Some(offer) => Some(offer),
            None => {
                let mut reader = state.store.read(agent.tenant_id).await?;
                let latest = generations::latest(&mut reader, agent.tenant_id, agent.uid).await?;
                let latest = latest.filter(|latest| latest.status != Status::Failed);
                latest.map(|Offered { config_hash, body, compared_with, .. }| Offer {
                    config_hash,
                    body,
                    compared_with,
                })
            }
        };
        let Some(latest) = latest.filter(|latest| latest.config_hash != reported) else { return Ok(None) };
        if self.transport == Transport::Socket {
            // Until it says otherwise, what it was last offered is this.
            self.reported = Some(latest.config_hash.clone());
        }
        Ok(Some(config(latest)))
    }
}

/// The answer to a message of `uid` that could not be taken in now.
pub fn unavailable(uid: AgentUid) -> ServerToAgent {
    // Not all at once.
    let spread = u64::from(uid.as_bytes()[15]) * (RETRY / 256);
    let retry = RetryInfo { retry_after_nanoseconds: RETRY + spread };
    let error = ServerErrorResponse {
        r#type: ServerErrorResponseType::Unavailable.into(),
        error_message: "the control plane could not take the message in; try again later".to_owned(),
        details: Some(Details::RetryInfo(retry)),
    };
    ServerToAgent {
        instance_uid: uid.as_bytes().to_vec(),
        error_response: Some(error),
        ..ServerToAgent::default()
    }
}

fn digest(config: &EffectiveConfig) -> [u8; 32] {
    // A map has no order: its files are hashed one by one.
    let files = config.config_map.iter().flat_map(|map| &map.config_map);
    files.fold([0; 32], |mut sum, (name, file)| {
        let one = sha256_of(&[&(name.len() as u64).to_be_bytes()[..], name.as_bytes(), &file.body].concat());
        sum.iter_mut().zip(one).for_each(|(sum, byte)| *sum ^= byte);
        sum
    })
}

/// What somebody has lifted and the agent still has in quarantine: told with every message until it has not.
async fn lift(state: &AppState, agent: &AgentIdentity) -> Result<Option<CustomMessage>, StoreError> {
    if !agent.own_credential {
        return Ok(None);
    }
    let mut reader = state.store.read(agent.tenant_id).await?;
    let lifting = stored::lifting(&mut reader, agent.tenant_id, agent.uid).await?;
    Ok((!lifting.is_empty()).then(|| quarantine::lift(&lifting)))
}

fn config(offer: Offer) -> AgentRemoteConfig {
    let body = offer.body.into_bytes();
    let config_hash = proto::generation::config_hash(&body).to_vec();
    let file = AgentConfigFile { body, content_type: MEDIA_TYPE.to_owned() };
    let config_map = [(KEY.to_owned(), file)].into_iter().collect();
    let compared_with = offer.compared_with;
    AgentRemoteConfig { config: Some(AgentConfigMap { config_map }), config_hash, compared_with }
}
