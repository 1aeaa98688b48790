//! Experiment that a request is about: by its id, or by its name. A text that has the form of a UUID is never taken for a name,
//! and no experiment gets such a name.

use serde::Deserialize;
use uuid::Uuid;

use crate::auth::Actor;
use crate::experiment::ExperimentId;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::experiments::{self, Experiment};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Named {
    which: Which,
    /// Version at which who asks has read it.
    version: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    Id(ExperimentId),
    Name(String),
}

impl Named {
    /// The same, if it is at this version still.
    #[must_use]
    pub fn at(self, version: i64) -> Self {
        Self { version: Some(version), ..self }
    }
}

impl From<String> for Named {
    fn from(text: String) -> Self {
        Self { which: text.parse().map(Which::Id).unwrap_or(Which::Name(text)), version: None }
    }
}

/// The most characters of an unknown name that are told back.
const SHOWN: usize = 200;

/// One of the actor's tenant; a foreign one is not there.
///
/// # Errors
/// 404, 412 for one that is not at the version that was read, and the store's.
pub async fn find(state: &AppState, actor: &Actor, named: &Named) -> Result<Experiment, Refusal> {
    let mut reader = state.store.read(actor.tenant_id).await?;
    let (found, name) = match &named.which {
        Which::Id(id) => (experiments::get(&mut reader, actor.tenant_id, *id).await?, id.to_string()),
        Which::Name(name) => {
            let found = experiments::named(&mut reader, actor.tenant_id, name).await?;
            (found, name.chars().take(SHOWN).collect())
        }
    };
    let found = found.ok_or_else(|| Refusal::not_found("experiment", name))?;
    match named.version {
        Some(version) if version != found.version => Err(Refusal::Changed(format!(
            "experiment {} has changed since it was read: its version is {}, not {version}; read it again",
            found.spec.name, found.version
        ))),
        _ => Ok(found),
    }
}

/// Refuses a name that would be taken for an id.
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    if name.parse::<Uuid>().is_err() {
        return Ok(());
    }
    Err(Refusal::invalid_field(
        "name",
        "it has the form of an id",
        "a name that is no UUID, such as checkout-cheaper",
    ))
}
