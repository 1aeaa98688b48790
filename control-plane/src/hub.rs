//! Connections of agents, and the waiters that are woken when something changed.
//!
//! In memory only: everything it knows can be found again in the store, so losing it loses nothing. A wake-up says
//! that there may be something new, never what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gate::Gate;
use tokio::sync::{Notify, watch};

use crate::clock::UnixMillis;
use crate::id::{AgentUid, TenantId, UserId};

/// Number of streams to people that may be open at once.
pub const MAX_WATCHERS: usize = 512;

/// See the module.
#[derive(Debug)]
pub struct Hub {
    sessions: Mutex<HashMap<(TenantId, AgentUid), Arc<Session>>>,
    /// Wakes the reconciler that writes what agents are to run.
    pub push: Notify,
    /// Wakes the reconciler that looks at evidence.
    pub analyze: Notify,
    /// One more with each thing that happened to an experiment; wakes who watches them.
    pub events: watch::Sender<u64>,
    /// One more with each session or credential that has ended; wakes the streams that one may have opened.
    pub departures: watch::Sender<u64>,
    /// Places for streams to people, by user.
    pub watchers: Gate<UserId>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            sessions: Mutex::default(),
            push: Notify::default(),
            analyze: Notify::default(),
            events: watch::Sender::default(),
            departures: watch::Sender::default(),
            watchers: Gate::new(MAX_WATCHERS),
        }
    }
}

/// An agent's connection, or the time between its polls.
#[derive(Debug, Default)]
pub struct Session {
    /// Wakes it: there may be another generation.
    pub offer: Notify,
    /// Ends it: the same agent has connected again.
    pub superseded: Notify,
    /// Ends it: the agent is enrolled no more.
    pub dismissed: Notify,
    /// Asks its agent for a sign of life.
    pub probe: Notify,
    /// Time of the last sign of life that came over a connection, if any has.
    pub alive: watch::Sender<Option<UnixMillis>>,
}

impl Session {
    /// Tells whether its agent gives a sign of life within this time. One that polls cannot be asked, and gives none.
    pub async fn answers(&self, within: Duration) -> bool {
        let mut alive = self.alive.subscribe();
        alive.mark_unchanged();
        self.probe.notify_one();
        tokio::time::timeout(within, alive.changed()).await.is_ok_and(|changed| changed.is_ok())
    }
}

impl Hub {
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

    /// A session of somebody has ended: their streams do, too.
    pub fn departed(&self) {
        self.departures.send_modify(|count| *count += 1);
    }

    /// An agent is enrolled no more.
    pub fn dismiss(&self, tenant: TenantId, agent: AgentUid) {
        self.departed();
        if let Some(session) = self.sessions().remove(&(tenant, agent)) {
            session.dismissed.notify_one();
        }
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

    /// There is another generation for an agent.
    pub fn offer(&self, tenant: TenantId, agent: AgentUid) {
        if let Some(session) = self.sessions().get(&(tenant, agent)) {
            session.offer.notify_one();
        }
    }

    /// Something happened to an experiment.
    pub fn happened(&self) {
        self.events.send_modify(|count| *count += 1);
    }
}
