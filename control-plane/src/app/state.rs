//! State that every handler and reconciler shares.

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::watch;

use crate::auth::{Actor, Auth, Session, token};
use crate::clock::{Clock, Entropy, UnixMillis};
use crate::fleet::hub::Hub;
use crate::metrics::Metrics;
use crate::rest::Problem;
use crate::store::Store;
use crate::store::users::{self, User};

/// One per process.
#[derive(Debug)]
pub struct Shared {
    /// Store of all state.
    pub store: Store,
    /// Clock.
    pub clock: Clock,
    /// Source of secrets and ids.
    pub entropy: Entropy,
    /// Authentication.
    pub auth: Auth,
    /// Connected agents, and those who wait to be woken.
    pub hub: Hub,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// True if the end has begun.
    pub(super) stopping: watch::Receiver<bool>,
}

/// A handle of it.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Shared>);

impl AppState {
    /// The handle.
    pub fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Turns true when the process is about to end: whoever holds a connection or runs a loop ends it then.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.clone()
    }

    /// Returns when the process is about to end.
    pub async fn stopped(&self) {
        // An error is the sender's end, and that is the process's.
        let _ended = self.stopping().wait_for(|stop| *stop).await.is_ok();
    }

    /// Holder of this access token.
    ///
    /// # Errors
    /// 401 for a token that is not ours, over or revoked, and for a holder who is disabled; and the store's.
    pub async fn actor(&self, token: &str) -> Result<(Actor, Session), Problem> {
        let claims = token::verify(&self.auth.keys, token, self.clock.now());
        let claims = claims.ok_or_else(Problem::unauthenticated)?;
        let mut reader = self.store.read().await?;
        let user = users::holder(&mut reader, claims.tenant, claims.sub, claims.jti).await?;
        let user = user.ok_or_else(Problem::unauthenticated)?;
        let session = Session { jti: claims.jti, expires_at: UnixMillis(claims.exp.saturating_mul(1000)) };
        let User { id, tenant_id, email, role, .. } = user;
        Ok((Actor { tenant_id, user_id: id, email, role }, session))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
