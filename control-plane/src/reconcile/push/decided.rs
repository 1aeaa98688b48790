//! What was decided about agents, and from which follows what they are to run: experiments under way, deployments and freezes.

use std::collections::{BTreeMap, HashMap};

use crate::clock::UnixMillis;
use crate::id::TenantId;
use crate::store::deployments::{self, Deployment};
use crate::store::experiments::{self, Experiment};
use crate::store::{Connection, StoreError, freezes};

/// See the module. It is of all tenants.
pub struct Decided {
    pub under_way: Vec<Experiment>,
    pub frozen: HashMap<TenantId, UnixMillis>,
    /// The latest versions, by tenant, the one made last coming last.
    pub deployments: BTreeMap<TenantId, Vec<Deployment>>,
}

impl Decided {
    /// Everything that is decided now.
    pub async fn read(reader: &mut Connection) -> Result<Self, StoreError> {
        Ok(Self {
            under_way: experiments::under_way(reader).await?,
            frozen: freezes::all(reader).await?,
            deployments: deployments::latest_of_all(reader).await?,
        })
    }
}

/// The same versions of the same things: a version never changes.
impl PartialEq for Decided {
    fn eq(&self, other: &Self) -> bool {
        let under_way = |all: &[Experiment]| all.iter().map(|one| (one.id, one.version)).collect::<Vec<_>>();
        let deployed = |all: &BTreeMap<TenantId, Vec<Deployment>>| {
            all.values().flatten().map(|one| (one.id, one.version)).collect::<Vec<_>>()
        };
        under_way(&self.under_way) == under_way(&other.under_way)
            && self.frozen == other.frozen
            && deployed(&self.deployments) == deployed(&other.deployments)
    }
}
