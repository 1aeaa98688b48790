//! Division of a Collector file between the Collector that has it and an agent beside it.
//!
//! Few real files can be run whole by the agent, and none has to be: the Collector keeps what needs the machine, the cluster or
//! a backend, and the agent runs what follows. The Collector's half is the same text, spliced; the agent's half is written
//! anew. Where the division lies is told by [`crate::config::Cut`].

mod agent;
mod alone;
mod collector;
mod context;
mod embedded;
mod fragment;
mod row;

use core::net::IpAddr;
use std::borrow::Cow;

use crate::config::{CollectorFile, ComponentId, Cut, PipelineEntry, Section, Signal};
use crate::yaml::{Lookup, Problems};

pub use embedded::{Embedded, EmbeddedError};
pub use fragment::{Fragment, FragmentError};
pub use row::{Home, Row};

/// Place of the agent beside the Collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The agent gets a copy of what passes and delivers nothing.
    Observe,
    /// What passes goes through the agent and back to the same Collector.
    Loop,
    /// The agent runs the file, without a Collector.
    Instead,
}

/// Addresses of the agent and of the Collector's way back, as host and port.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Address at which the agent listens for OTLP over gRPC, and the Collector sends to.
    pub agent: String,
    /// Address at which the Collector takes back what the agent delivers.
    pub back: String,
    /// Address of the agent's `/metrics` and `/experiment`.
    pub admin: String,
    /// Address of the agent's `/health`.
    pub health: String,
    /// Address at which a control plane takes agents, if there is one.
    pub control_plane: Option<String>,
}

/// Address to listen at, of one that is sent to. A name, such as that of a Kubernetes Service, leads to this process from elsewhere
/// and cannot be listened at: then it is every address.
pub(super) fn listening(address: &str) -> Cow<'_, str> {
    let Some((host, port)) = address.rsplit_once(':') else { return address.into() };
    let is_own = host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if is_own { address.into() } else { format!("0.0.0.0:{port}").into() }
}

impl Default for Addresses {
    fn default() -> Self {
        let local = |port: u16| format!("127.0.0.1:{port}");
        Self {
            agent: local(14_317),
            back: local(14_318),
            admin: local(18_888),
            health: local(18_133),
            control_plane: None,
        }
    }
}

/// Two files that together do what one did.
#[derive(Clone, Debug)]
pub struct Division {
    /// The Collector's file; none where the agent runs instead of it.
    pub collector: Option<String>,
    /// The agent's file.
    pub agent: String,
    /// Each component, its home and the reason.
    pub rows: Vec<Row>,
    /// Ids of the processors that the agent runs, in order: the baseline.
    pub baseline: Vec<String>,
    /// Variables of the environment that the agent's half uses.
    pub variables: Vec<String>,
}

/// Reason why a file cannot be divided.
#[derive(Debug, thiserror::Error)]
pub enum DivisionError {
    /// There is no such pipeline of metrics.
    #[error("{file} has no pipeline of metrics {asked:?}; it has {there}")]
    NoPipeline {
        /// The file.
        file: String,
        /// The id that was asked for.
        asked: String,
        /// Ids of those that there are.
        there: String,
    },
    /// The pipeline comes by an alias or a merge key that others share.
    #[error(
        "{file}: {pipeline} cannot be divided without a change of something else; write its receivers, processors and exporters \
         out where they come by an alias or a merge key, then try again"
    )]
    Layout {
        /// The file.
        file: String,
        /// The pipeline.
        pipeline: String,
    },
    /// Something behind Phoenix needs what only the first request has.
    #[error(
        "{component} needs the client's context ({key}), which a way through Phoenix and back does not keep; use the placement \
         observe, which leaves it as it is"
    )]
    NeedsContext {
        /// Id of the component.
        component: String,
        /// Key by which it asks for it.
        key: &'static str,
    },
    /// The agent cannot run all of the file.
    #[error("the agent cannot run {} instead of the Collector; use the placement observe or loop, which leave them to it", .0.join(", "))]
    NotOurs(Vec<String>),
    /// Two pipelines of metrics take from one receiver, which the agent does not do.
    #[error(
        "the agent cannot run {} and {} instead of the Collector: receiver {receiver} is in both, and the agent gives the \
         metrics of a receiver to one pipeline; give each a receiver of its own, or use the placement observe or loop",
        .pipelines[0], .pipelines[1]
    )]
    SharedReceiver {
        /// Id of the receiver.
        receiver: String,
        /// Ids of the pipelines.
        pipelines: [String; 2],
    },
    /// A half is wrong: a mistake of Phoenix's own, with what is wrong.
    #[error("{0}")]
    Problems(#[from] Problems),
}

/// A file and the pipeline that is divided.
struct Whole<'a> {
    file: &'a CollectorFile,
    pipeline: &'a PipelineEntry,
    cut: Cut,
    addresses: &'a Addresses,
    lookup: Lookup<'a>,
}

impl CollectorFile {
    /// Divides this file at a pipeline of metrics. `lookup` is what it was read with.
    ///
    /// # Errors
    /// [`DivisionError`].
    pub fn divide(
        &self,
        pipeline: &str,
        placement: Placement,
        addresses: &Addresses,
        lookup: Lookup<'_>,
    ) -> Result<Division, DivisionError> {
        let entry = self.pipeline(pipeline).filter(|entry| entry.signal == Signal::Metrics);
        let Some(entry) = entry else { return Err(self.no_pipeline(pipeline)) };
        let whole = Whole { file: self, pipeline: entry, cut: self.cut(entry), addresses, lookup };
        whole.check(placement)?;
        let agent = match placement {
            Placement::Instead => whole.alone()?,
            Placement::Observe | Placement::Loop => whole.agents_half(placement)?,
        };
        let collector = match placement {
            Placement::Instead => None,
            Placement::Observe | Placement::Loop => Some(whole.collectors_half(placement)?),
        };
        Ok(Division {
            collector,
            rows: whole.rows(placement),
            baseline: whole.cut.ours().map(|id| id.as_str().to_owned()).collect(),
            variables: variables(&agent),
            agent,
        })
    }

    fn no_pipeline(&self, asked: &str) -> DivisionError {
        let metrics = self.pipelines().iter().filter(|entry| entry.signal == Signal::Metrics);
        let there: Vec<&str> = metrics.map(|entry| entry.id.as_str()).collect();
        let there = if there.is_empty() { "none of metrics".to_owned() } else { there.join(", ") };
        DivisionError::NoPipeline { file: self.name().to_owned(), asked: asked.to_owned(), there }
    }
}

impl Whole<'_> {
    fn check(&self, placement: Placement) -> Result<(), DivisionError> {
        match placement {
            Placement::Observe => Ok(()),
            Placement::Loop => self.keeps_context(),
            Placement::Instead => {
                let foreign = self.not_ours();
                if foreign.is_empty() {
                    self.shares_no_receiver()
                } else {
                    Err(DivisionError::NotOurs(foreign))
                }
            }
        }
    }

    /// An id of a type that no component of the section has: `base`, or the first `base-2`, `base-3` … that is free.
    fn free(&self, section: Section, kind: &str, base: &str) -> String {
        let taken = |id: &str| {
            let others = [Section::Receivers, Section::Exporters].contains(&section);
            self.file.component(section, id).is_some()
                || (!others && self.file.component(Section::Connectors, id).is_some())
        };
        let mut ids =
            (1..).map(|n| if n == 1 { format!("{kind}/{base}") } else { format!("{kind}/{base}-{n}") });
        ids.find(|id| !taken(id)).unwrap_or_default()
    }

    /// An id of a pipeline of metrics that is free.
    fn free_pipeline(&self, base: &str) -> String {
        let mut ids =
            (1..).map(|n| if n == 1 { format!("metrics/{base}") } else { format!("metrics/{base}-{n}") });
        ids.find(|id| self.file.pipeline(id).is_none()).unwrap_or_default()
    }

    /// Processors before the cut.
    fn upstream(&self) -> impl Iterator<Item = &ComponentId> {
        self.cut.roles[..self.cut.at].iter().map(|(id, _)| id)
    }
}

/// Names of the variables that a text uses, each once.
#[must_use]
pub fn variables(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let escaped = rest[..at].ends_with('$');
        rest = &rest[at + 2..];
        let inner = rest.split('}').next().unwrap_or_default();
        let name = inner.strip_prefix("env:").unwrap_or(inner);
        let name = name.split(":-").next().unwrap_or_default();
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !escaped && plain && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests;
