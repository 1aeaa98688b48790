//! Connections of agents, and the waiters that are woken when something changed.
//!
//! In memory only: everything it knows can be found again in the store, so losing it loses nothing. A wake-up says
//! that there may be something new, never what. Where several processes serve from one database, what wakes somebody here is
//! kept as news for the others, whose hubs hear it as if it had happened there.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gate::Gate;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast, watch};

use crate::clock::UnixMillis;
use crate::gather::Pile;
use crate::id::{AgentUid, TenantId, UserId};

/// Number of streams to people that may be open at once.
pub const MAX_WATCHERS: usize = 512;
/// Time in which an agent that is there gives a sign of life.
const SIGN: Duration = Duration::from_secs(2);
/// Time after a sign of life in which an agent is there, although it gives no other.
const JUST_NOW: Duration = Duration::from_secs(10);
/// Time in which another process hears a question and its answer is heard, besides the agent's own.
const TOLD: Duration = Duration::from_secs(1);
/// Signs of life of agents of other processes that wait to be heard; one that is lost is as one that was not given.
const SIGNS: usize = 1_024;

/// See the module.
#[derive(Debug)]
pub struct Hub {
    sessions: Mutex<HashMap<(TenantId, AgentUid), Arc<Session>>>,
    /// Agents of which something was heard that is not written down yet, and when.
    heard: Mutex<HashMap<(TenantId, AgentUid), UnixMillis>>,
    /// Agents whose connections have ended, which is not written down yet.
    pub left: Pile<(TenantId, AgentUid)>,
    /// Wakes the reconciler that writes what agents are to run.
    pub push: Notify,
    /// Wakes the reconciler that looks at evidence.
    pub analyze: Notify,
    /// One more with each thing that happened to an experiment; wakes who watches them.
    pub events: watch::Sender<u64>,
    /// One more with each session or credential that has ended; wakes the streams that one may have opened.
    pub departures: watch::Sender<u64>,
    /// One more with each answer of an agent to a preview; wakes who waits for them.
    pub previews: watch::Sender<u64>,
    /// Agents of other processes that have given a sign of life when they were asked.
    signs: broadcast::Sender<(TenantId, AgentUid)>,
    /// Places for streams to people, by user.
    pub watchers: Gate<UserId>,
    /// News that other processes have not been told yet; nothing where there are none.
    untold: Option<Untold>,
}

#[derive(Debug, Default)]
struct Untold {
    /// Each once, so that there is no more of it than agents.
    news: Mutex<BTreeSet<News>>,
    more: Notify,
}

/// Wake-up that other processes hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// There may be something else for agents to run.
    Push,
    /// There may be something new to decide.
    Analyze,
    /// Something happened to an experiment.
    Happened,
    /// A session or a credential has ended.
    Departed,
    /// An agent has answered a preview.
    Previewed,
    /// An agent is asked for a preview.
    Preview(TenantId, AgentUid),
    /// There may be something new for an agent.
    Offer(TenantId, AgentUid),
    /// An agent is enrolled no more.
    Dismissed(TenantId, AgentUid),
    /// An agent that another process has is asked for a sign of life.
    Probe(TenantId, AgentUid),
    /// It has given one.
    Alive(TenantId, AgentUid),
    /// An agent that another process had has connected to the one that says so.
    Moved(TenantId, AgentUid),
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Push => f.write_str("push"),
            Self::Analyze => f.write_str("analyze"),
            Self::Happened => f.write_str("happened"),
            Self::Departed => f.write_str("departed"),
            Self::Previewed => f.write_str("previewed"),
            Self::Preview(tenant, agent) => write!(f, "preview {tenant} {agent}"),
            Self::Offer(tenant, agent) => write!(f, "offer {tenant} {agent}"),
            Self::Dismissed(tenant, agent) => write!(f, "dismissed {tenant} {agent}"),
            Self::Probe(tenant, agent) => write!(f, "probe {tenant} {agent}"),
            Self::Alive(tenant, agent) => write!(f, "alive {tenant} {agent}"),
            Self::Moved(tenant, agent) => write!(f, "moved {tenant} {agent}"),
        }
    }
}

/// Text that is no news that this release knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoNews;

impl FromStr for News {
    type Err = NoNews;

    fn from_str(text: &str) -> Result<Self, NoNews> {
        let mut words = text.split(' ');
        let word = words.next();
        let mut agent = || {
            let tenant = words.next().and_then(|word| word.parse().ok()).ok_or(NoNews)?;
            let agent = words.next().and_then(|word| word.parse().ok()).ok_or(NoNews)?;
            Ok((tenant, agent))
        };
        match word {
            Some("push") => Ok(Self::Push),
            Some("analyze") => Ok(Self::Analyze),
            Some("happened") => Ok(Self::Happened),
            Some("departed") => Ok(Self::Departed),
            Some("previewed") => Ok(Self::Previewed),
            Some("preview") => agent().map(|(tenant, agent)| Self::Preview(tenant, agent)),
            Some("offer") => agent().map(|(tenant, agent)| Self::Offer(tenant, agent)),
            Some("dismissed") => agent().map(|(tenant, agent)| Self::Dismissed(tenant, agent)),
            Some("probe") => agent().map(|(tenant, agent)| Self::Probe(tenant, agent)),
            Some("alive") => agent().map(|(tenant, agent)| Self::Alive(tenant, agent)),
            Some("moved") => agent().map(|(tenant, agent)| Self::Moved(tenant, agent)),
            _ => Err(NoNews),
        }
    }
}

/// Generation that an agent is to run, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// OpAMP's hash of the body, in hexadecimal.
    pub config_hash: String,
    /// The body.
    pub body: String,
    /// Digests of the pipelines that it was compared with, where it was promoted.
    pub compared_with: Vec<String>,
}

/// An agent's connection, or the time between its polls.
#[derive(Debug, Default)]
pub struct Session {
    /// Wakes it: there may be another generation.
    pub offer: Notify,
    /// The generation that it was woken for, where whoever woke it had it at hand; else it is in the store.
    at_hand: Mutex<Option<Offer>>,
    /// Ends it: the same agent has connected again.
    pub superseded: Notify,
    /// Ends it: the agent is enrolled no more.
    pub dismissed: Notify,
    /// Asks its agent for a sign of life.
    pub probe: Notify,
    /// Wakes it: its agent is asked for a preview.
    pub preview: Notify,
    /// Time of the last sign of life that came over a connection, if any has.
    pub alive: watch::Sender<Option<UnixMillis>>,
}

impl Session {
    /// Takes the generation that it was woken for, if it is at hand.
    pub fn take_offer(&self) -> Option<Offer> {
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Tells whether its agent gives a sign of life within this time. One that polls cannot be asked, and gives none.
    pub async fn answers(&self, within: Duration) -> bool {
        let mut alive = self.alive.subscribe();
        alive.mark_unchanged();
        self.probe.notify_one();
        tokio::time::timeout(within, alive.changed()).await.is_ok_and(|changed| changed.is_ok())
    }
}

impl Hub {
    /// That of a process that is alone, or of one of several.
    #[must_use]
    pub fn new(alone: bool) -> Self {
        Self {
            sessions: Mutex::default(),
            heard: Mutex::default(),
            left: Pile::default(),
            push: Notify::default(),
            analyze: Notify::default(),
            events: watch::Sender::default(),
            departures: watch::Sender::default(),
            previews: watch::Sender::default(),
            signs: broadcast::Sender::new(SIGNS),
            watchers: Gate::new(MAX_WATCHERS),
            untold: (!alone).then(Untold::default),
        }
    }

    /// Takes in what has happened here: whoever waits for it is woken, here and elsewhere.
    fn news(&self, news: News) {
        self.hear(news);
        self.tell(news);
    }

    /// Tells the other processes.
    fn tell(&self, news: News) {
        if let Some(untold) = &self.untold {
            untold.news.lock().unwrap_or_else(PoisonError::into_inner).insert(news);
            untold.more.notify_one();
        }
    }

    /// Takes in what has happened, here or elsewhere.
    pub fn hear(&self, news: News) {
        match news {
            News::Push => self.push.notify_one(),
            News::Analyze => self.analyze.notify_one(),
            News::Happened => self.events.send_modify(|count| *count += 1),
            News::Departed => self.departures.send_modify(|count| *count += 1),
            News::Previewed => self.previews.send_modify(|count| *count += 1),
            News::Preview(tenant, agent) => {
                if let Some(session) = self.sessions().get(&(tenant, agent)) {
                    session.preview.notify_one();
                }
            }
            News::Offer(tenant, agent) => {
                if let Some(session) = self.sessions().get(&(tenant, agent)) {
                    session.offer.notify_one();
                }
            }
            News::Dismissed(tenant, agent) => {
                if let Some(session) = self.sessions().remove(&(tenant, agent)) {
                    session.dismissed.notify_one();
                }
            }
            News::Alive(tenant, agent) => {
                let _nobody_asks = self.signs.send((tenant, agent));
            }
            // Whoever hears these looks at the store, or waits for the agent.
            News::Probe(..) | News::Moved(..) => {}
        }
    }

    /// News that other processes have not been told yet, once there is some.
    pub async fn untold(&self) -> BTreeSet<News> {
        let Some(untold) = &self.untold else { return std::future::pending().await };
        loop {
            let news = self.take_untold();
            if !news.is_empty() {
                return news;
            }
            untold.more.notified().await;
        }
    }

    /// The same as it is now.
    pub fn take_untold(&self) -> BTreeSet<News> {
        let Some(untold) = &self.untold else { return BTreeSet::new() };
        std::mem::take(&mut *untold.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<(TenantId, AgentUid), Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An agent has connected. Its credential proves who it is, or nothing was heard of the one before when it was asked: an
    /// earlier connection is its own, and dead.
    pub fn connected(&self, tenant: TenantId, agent: AgentUid) -> Arc<Session> {
        let session = Arc::new(Session::default());
        if let Some(earlier) = self.sessions().insert((tenant, agent), Arc::clone(&session)) {
            earlier.superseded.notify_one();
        }
        session
    }

    /// Its connection has ended; a later one of the same agent stays. Tells whether it was the last.
    pub fn disconnected(&self, tenant: TenantId, agent: AgentUid, session: &Arc<Session>) -> bool {
        let mut sessions = self.sessions();
        let last = sessions.get(&(tenant, agent)).is_some_and(|known| Arc::ptr_eq(known, session));
        if last {
            sessions.remove(&(tenant, agent));
        }
        last
    }

    /// An agent whose connection this was has another one, in this process or elsewhere.
    pub fn supersede(&self, tenant: TenantId, agent: AgentUid, session: &Arc<Session>) {
        self.disconnected(tenant, agent, session);
        session.superseded.notify_one();
    }

    /// An agent that was another process's has connected here.
    pub fn moved(&self, tenant: TenantId, agent: AgentUid) {
        self.tell(News::Moved(tenant, agent));
    }

    /// An agent has given a sign of life, for which another process has asked.
    pub fn alive(&self, tenant: TenantId, agent: AgentUid) {
        self.tell(News::Alive(tenant, agent));
    }

    /// Tells whether an agent is there: it gives a sign of life when it is asked, or gave one just now and its connection has not
    /// ended.
    pub async fn is_there(&self, tenant: TenantId, agent: AgentUid, now: UnixMillis) -> bool {
        let Some(session) = self.session(tenant, agent) else { return false };
        if session.answers(SIGN).await {
            return true;
        }
        let just_now = session.alive.borrow().is_some_and(|last| last.plus(JUST_NOW) > now);
        let is_open = self.session(tenant, agent).is_some_and(|open| Arc::ptr_eq(&open, &session));
        just_now && is_open
    }

    /// Tells whether an agent is there by what another process says.
    pub async fn is_there_elsewhere(&self, tenant: TenantId, agent: AgentUid) -> bool {
        let mut signs = self.signs.subscribe();
        self.tell(News::Probe(tenant, agent));
        let sign = async {
            loop {
                match signs.recv().await {
                    Ok(of) if of == (tenant, agent) => return true,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return false,
                }
            }
        };
        tokio::time::timeout(SIGN + TOLD, sign).await.unwrap_or(false)
    }

    /// What agents are to run may have changed.
    pub fn wake_push(&self) {
        self.news(News::Push);
    }

    /// There may be something new to decide.
    pub fn wake_analyze(&self) {
        self.news(News::Analyze);
    }

    /// A session of somebody has ended: their streams do, too.
    pub fn departed(&self) {
        self.news(News::Departed);
    }

    /// An agent is enrolled no more.
    pub fn dismiss(&self, tenant: TenantId, agent: AgentUid) {
        self.departed();
        self.news(News::Dismissed(tenant, agent));
    }

    /// The session of an agent.
    pub fn session(&self, tenant: TenantId, agent: AgentUid) -> Option<Arc<Session>> {
        self.sessions().get(&(tenant, agent)).map(Arc::clone)
    }

    /// Tells whether an agent is connected.
    pub fn is_connected(&self, tenant: TenantId, agent: AgentUid) -> bool {
        self.sessions().contains_key(&(tenant, agent))
    }

    /// Number of connected agents.
    pub fn count(&self) -> usize {
        self.sessions().len()
    }

    /// There may be something new for an agent; `at_hand` is the generation that it is to run, if it is that.
    pub fn offer(&self, tenant: TenantId, agent: AgentUid, at_hand: Option<Offer>) {
        if let Some(session) = self.sessions().get(&(tenant, agent)) {
            *session.at_hand.lock().unwrap_or_else(PoisonError::into_inner) = at_hand;
        }
        self.news(News::Offer(tenant, agent));
    }

    /// Something was heard of an agent that says nothing but that it is there.
    pub fn heard(&self, tenant: TenantId, agent: AgentUid, now: UnixMillis) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert((tenant, agent), now);
    }

    /// The same of all that are connected.
    pub fn heard_of_all(&self, now: UnixMillis) {
        let all: Vec<(TenantId, AgentUid)> = self.sessions().keys().copied().collect();
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(all.into_iter().map(|one| (one, now)));
    }

    /// Agents of which something was heard since the last time that this was asked, and when.
    pub fn take_heard(&self) -> HashMap<(TenantId, AgentUid), UnixMillis> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An agent is asked for a preview.
    pub fn preview(&self, tenant: TenantId, agent: AgentUid) {
        self.news(News::Preview(tenant, agent));
    }

    /// An agent has answered a preview.
    pub fn previewed(&self) {
        self.news(News::Previewed);
    }

    /// Something happened to an experiment.
    pub fn happened(&self) {
        self.news(News::Happened);
    }
}
