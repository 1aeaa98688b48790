//! Scopes of statements: the rows of one tenant, or, for a reason of a short list, those of all.

use crate::id::TenantId;

/// Whose rows the statements of a transaction are about. On PostgreSQL they see no others, whatever they ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One tenant's.
    Of(TenantId),
    /// All tenants'.
    Across(Across),
}

/// Reasons for which statements are about all tenants. This is the whole list, and a test holds where each one is used: a new
/// reason, and a new use, is looked at by a second pair of eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Across {
    /// There is no tenant yet: the first user is set up.
    Setup,
    /// A person names an address and no tenant.
    Login,
    /// A refresh token, an API key, an agent's credential or an enrollment token names itself and no tenant.
    Credential,
    /// The first tenant's admins make another.
    Tenants,
    /// Reconcilers look after the experiments and the agents of all.
    Reconcile,
    /// A process that starts has no agent's connection yet.
    Boot,
    /// Whoever asks for readiness names nobody.
    Ready,
}

impl From<TenantId> for Scope {
    fn from(tenant: TenantId) -> Self {
        Self::Of(tenant)
    }
}

impl From<Across> for Scope {
    fn from(why: Across) -> Self {
        Self::Across(why)
    }
}
