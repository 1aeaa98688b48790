//! The table of a division: each component, its home, and the reason.

use std::fmt;

use crate::config::{ComponentId, PipelineEntry, Reference, Role, Section, Upstream};

use super::{Placement, Whole};

/// Program that runs a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The Collector, as before.
    Collector,
    /// The agent.
    Agent,
    /// Both: the Collector as before, the agent on the copy.
    Both,
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Collector => "Collector",
            Self::Agent => "agent",
            Self::Both => "Collector and agent",
        })
    }
}

/// One component of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its section's word, such as `processor`.
    pub section: &'static str,
    /// Its id.
    pub component: String,
    /// Its home.
    pub home: Home,
    /// The reason.
    pub why: String,
}

impl Whole<'_> {
    /// The components that pipelines and the service use, in the order in which they meet data.
    pub(super) fn rows(&self, placement: Placement) -> Vec<Row> {
        let mut rows = Vec::new();
        if placement == Placement::Instead {
            let all = "the agent runs all of this file";
            self.note(self.pipeline, Home::Agent, all, &mut rows);
            for entry in self.passing() {
                let why = format!("the agent runs it; {} passes, and no experiment touches it", entry.id);
                self.note(entry, Home::Agent, &why, &mut rows);
            }
            self.others(Home::Agent, all, &mut rows);
            return rows;
        }
        let own = self.pipeline;
        for Reference { id, .. } in &own.receivers {
            let section = self.section(Section::Receivers, id);
            push(&mut rows, section, id, Home::Collector, "what brings data in stays where it is".to_owned());
        }
        for (id, role) in &self.cut.roles {
            let (home, why) = self.home(id, role, placement);
            push(&mut rows, Section::Processors, id, home, why);
        }
        for Reference { id, .. } in &own.exporters {
            let section = self.section(Section::Exporters, id);
            let why = "what delivers stays where it is, with its secrets".to_owned();
            push(&mut rows, section, id, Home::Collector, why);
        }
        self.others(Home::Collector, "as it was: another pipeline's, or the service's", &mut rows);
        rows
    }

    fn home(&self, id: &ComponentId, role: &Role, placement: Placement) -> (Home, String) {
        let upstream = |why: String| (Home::Collector, why);
        match role {
            Role::Ours if placement == Placement::Loop => {
                (Home::Agent, "Phoenix runs it: part of the baseline".to_owned())
            }
            Role::Ours => (Home::Both, "Phoenix runs it on the copy: part of the baseline".to_owned()),
            Role::Machinery => {
                let place = if self.upstream().any(|before| before == id) { "before" } else { "behind" };
                upstream(format!("changes no point; stays {place} the way to Phoenix"))
            }
            Role::Upstream(Upstream::NotRun) => {
                upstream("Phoenix has no such processor: it needs the machine, the cluster or a backend, or is the vendor's own".to_owned())
            }
            Role::Upstream(Upstream::NotSo(problem)) => {
                upstream(format!("Phoenix does not run it as it is configured: {problem}"))
            }
            Role::Upstream(Upstream::Before(blocking)) => {
                upstream(format!("Phoenix could run it, but {blocking} comes later and stays in the Collector; move it behind that to try it"))
            }
        }
    }

    /// The section of an id in a pipeline's list: connectors stand among receivers and exporters.
    fn section(&self, list: Section, id: &ComponentId) -> Section {
        let is_connector = self.file.component(Section::Connectors, id.as_str()).is_some();
        if is_connector && list != Section::Processors { Section::Connectors } else { list }
    }

    /// All components in use that have no row yet.
    fn others(&self, home: Home, why: &str, rows: &mut Vec<Row>) {
        for entry in self.file.pipelines() {
            self.note(entry, home, why, rows);
        }
        for Reference { id, .. } in self.file.extensions() {
            push_new(rows, Section::Extensions, id, home, why);
        }
    }

    /// The components of a pipeline that have no row yet.
    fn note(&self, entry: &PipelineEntry, home: Home, why: &str, rows: &mut Vec<Row>) {
        for (section, id) in used(entry) {
            push_new(rows, self.section(section, id), id, home, why);
        }
    }
}

fn push_new(rows: &mut Vec<Row>, section: Section, id: &ComponentId, home: Home, why: &str) {
    let known = rows.iter().any(|row| row.section == section.singular() && row.component == id.as_str());
    if !known {
        push(rows, section, id, home, why.to_owned());
    }
}

fn used(entry: &PipelineEntry) -> impl Iterator<Item = (Section, &ComponentId)> {
    let receivers = entry.receivers.iter().map(|reference| (Section::Receivers, &reference.id));
    let processors = entry.processors.iter().map(|reference| (Section::Processors, &reference.id));
    let exporters = entry.exporters.iter().map(|reference| (Section::Exporters, &reference.id));
    receivers.chain(processors).chain(exporters)
}

fn push(rows: &mut Vec<Row>, section: Section, id: &ComponentId, home: Home, why: String) {
    rows.push(Row { section: section.singular(), component: id.as_str().to_owned(), home, why });
}
