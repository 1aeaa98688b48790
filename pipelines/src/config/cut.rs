//! The cut of a metrics pipeline: which of its processors Phoenix can run, and from where on.
//!
//! What needs the machine, the cluster or a backend, and whatever is not known here, runs upstream. The cut is behind the last
//! of those: what follows is what Phoenix runs. `batch` and `memory_limiter` are machinery: they change no point, and stay
//! where they are.

use crate::cost::Inspection;
use crate::processors;
use crate::yaml::Node;

use super::check::{MACHINERY, processor};
use super::{CollectorFile, Component, ComponentId, PipelineEntry, Section};

/// Role of a processor beside Phoenix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Phoenix runs it.
    Ours,
    /// It changes no point: `batch` or `memory_limiter`.
    Machinery,
    /// It runs before Phoenix.
    Upstream(Upstream),
}

/// Reason for which a processor runs upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// Phoenix has no such processor.
    NotRun,
    /// Phoenix has it, and does not run it as it is configured: the first problem.
    NotSo(String),
    /// Phoenix could run it, and one that it cannot run comes later.
    Before(ComponentId),
}

/// A metrics pipeline divided. See the module.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Its processors in the order in which they run, each with its role.
    pub roles: Vec<(ComponentId, Role)>,
    /// Number of them before the cut.
    pub at: usize,
}

impl Cut {
    /// Ids of the processors that Phoenix runs, in order.
    pub fn ours(&self) -> impl Iterator<Item = &ComponentId> {
        self.roles.iter().filter(|(_, role)| *role == Role::Ours).map(|(id, _)| id)
    }
}

impl CollectorFile {
    /// Divides a metrics pipeline of this file.
    #[must_use]
    pub fn cut(&self, pipeline: &PipelineEntry) -> Cut {
        let ids = pipeline.processors.iter().map(|reference| reference.id.clone());
        let mut inspection = Inspection::default();
        let mut roles: Vec<(ComponentId, Role)> =
            ids.map(|id| (id.clone(), self.role(&id, &mut inspection))).collect();
        let last = roles.iter().rposition(|(_, role)| matches!(role, Role::Upstream(_)));
        let at = last.map_or(0, |last| last + 1);
        let blocking = last.map(|last| roles[last].0.clone());
        for (_, role) in &mut roles[..at] {
            if let (Role::Ours, Some(blocking)) = (&role, &blocking) {
                *role = Role::Upstream(Upstream::Before(blocking.clone()));
            }
        }
        Cut { roles, at }
    }

    fn role(&self, id: &ComponentId, inspection: &mut Inspection) -> Role {
        let kind = processors::canonical(id.kind());
        if MACHINERY.contains(&kind) {
            return Role::Machinery;
        }
        if !processors::SUPPORTED.contains(&kind) {
            return Role::Upstream(Upstream::NotRun);
        }
        let Some(component) = self.component(Section::Processors, id.as_str()) else {
            return Role::Upstream(Upstream::NotSo("it is not defined in this file".to_owned()));
        };
        match Self::problem_of(kind, component, inspection) {
            None if reads_context(component) => {
                let message =
                    "from_context reads what a client's request brings, which does not come along to Phoenix";
                Role::Upstream(Upstream::NotSo(message.to_owned()))
            }
            None => Role::Ours,
            Some(message) => Role::Upstream(Upstream::NotSo(message)),
        }
    }

    /// The first problem of a component as it is configured. What fails takes nothing of the others' allowance.
    fn problem_of(kind: &str, component: &Component, inspection: &mut Inspection) -> Option<String> {
        let mut tried = Inspection::of(inspection.allowance.clone());
        tried.allowance.enter(component.id.as_str());
        let refused = match tried.allowance.values(component.config.weight()) {
            Err(message) => Some(message),
            Ok(()) => processor(kind, component, &mut tried).err().map(|problem| problem.message),
        };
        if let Some(message) = refused {
            return Some(message);
        }
        if tried.is_empty() {
            inspection.allowance = tried.allowance;
            return None;
        }
        tried.into_problems().into_iter().next().map(|problem| problem.message)
    }
}

/// Tells whether an action of a component reads the context of the client's request.
fn reads_context(component: &Component) -> bool {
    let reads = |key| {
        let actions = component.config.map().ok()?.take(key)?.list().ok()?;
        let named =
            |action: &Node| action.map().ok().and_then(|mut fields| fields.take("from_context")).is_some();
        Some(actions.iter().any(named))
    };
    ["actions", "attributes"].into_iter().any(|key| reads(key) == Some(true))
}
