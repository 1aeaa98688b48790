//! The whole file: its sections, each component with its place.

use std::collections::{BTreeMap, HashSet};

use crate::cost::{MAX_COMPONENTS, MAX_PROCESSORS};
use crate::yaml::{self, Fields, Lookup, MAX_PROBLEMS, Node, Parts, Problem, Problems, Source, Unset, keep};

use super::service::{self, PipelineEntry};
use super::{Component, Reference, Section};

/// A parsed Collector file. What a pipeline refers to is defined; what the components say is not looked at.
#[derive(Debug, Clone)]
pub struct CollectorFile {
    name: String,
    text: String,
    /// Where each text stands in it, if several make the file.
    parts: Parts,
    sections: BTreeMap<&'static str, Vec<Component>>,
    pipelines: Vec<PipelineEntry>,
    extensions: Vec<Reference>,
    telemetry: Option<Node>,
    phoenix: Option<Node>,
    unset: Vec<Unset>,
    /// True if pipelines may refer to what is defined elsewhere.
    part: bool,
}

impl CollectorFile {
    /// Parses a file. `lookup` finds the variables of the environment that it uses.
    ///
    /// # Errors
    /// All that is wrong with the YAML, the sections, the ids, and what pipelines refer to.
    pub fn parse(name: &str, text: &str, lookup: Lookup<'_>) -> Result<Self, Problems> {
        Self::read(name, text, lookup, false)
    }

    /// Parses a part of a file, such as Helm values, whose rest stands elsewhere: pipelines may refer to what it does not define.
    ///
    /// # Errors
    /// As [`Self::parse`], but for those references.
    pub fn parse_part(name: &str, text: &str, lookup: Lookup<'_>) -> Result<Self, Problems> {
        Self::read(name, text, lookup, true)
    }

    /// Parses a file that several texts make, the later ones over the earlier ones.
    ///
    /// # Errors
    /// As [`Self::parse`], each problem with the name of its text.
    pub fn parse_all(sources: &[Source], lookup: Lookup<'_>) -> Result<Self, Problems> {
        let (root, unset) = yaml::read_all(sources, lookup)?;
        let (text, parts) = Parts::join(sources);
        let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        Self::of(Self { unset, ..Self::blank(&names.join(", "), &text, parts) }, &root)
    }

    /// Parses another text as this one was parsed.
    ///
    /// # Errors
    /// As [`Self::parse`] or [`Self::parse_part`].
    pub(crate) fn parse_like(&self, text: &str, lookup: Lookup<'_>) -> Result<Self, Problems> {
        Self::read(&self.name, text, lookup, self.part)
    }

    fn read(name: &str, text: &str, lookup: Lookup<'_>, part: bool) -> Result<Self, Problems> {
        let (root, unset) = yaml::read_telling(name, text, lookup)?;
        Self::of(Self { part, unset, ..Self::blank(name, text, Parts::default()) }, &root)
    }

    fn blank(name: &str, text: &str, parts: Parts) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            parts,
            sections: BTreeMap::new(),
            pipelines: Vec::new(),
            extensions: Vec::new(),
            telemetry: None,
            phoenix: None,
            unset: Vec::new(),
            part: false,
        }
    }

    /// The file with what its tree says.
    fn of(mut file: Self, root: &Node) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        file.decode(root, &mut problems);
        if problems.is_empty() { Ok(file) } else { Err(file.problems(problems)) }
    }

    fn decode(&mut self, root: &Node, problems: &mut Vec<Problem>) {
        let Some(mut fields) = keep(root.map(), problems) else { return };
        for section in [
            Section::Receivers,
            Section::Processors,
            Section::Exporters,
            Section::Extensions,
            Section::Connectors,
        ] {
            let components = components(&mut fields, section, problems);
            self.sections.insert(section.singular(), components);
        }
        self.phoenix = fields.take("phoenix").cloned();
        let service = fields.take("service");
        fields.finish(problems);
        if let Some(mut service) = service.and_then(|service| keep(service.map(), problems)) {
            self.service(&mut service, problems);
            service.finish(problems);
        }
    }

    fn service(&mut self, service: &mut Fields<'_>, problems: &mut Vec<Problem>) {
        self.telemetry = service.take("telemetry").cloned();
        if let Some(extensions) = service.take("extensions") {
            self.extensions = service::references(extensions, problems);
            self.resolve(&self.extensions, &[Section::Extensions], "service.extensions", problems);
        }
        if let Some(pipelines) = service.take("pipelines") {
            self.pipelines = service::pipelines(pipelines, problems);
        }
        for pipeline in &self.pipelines {
            let id = &pipeline.id;
            self.resolve(&pipeline.receivers, &[Section::Receivers, Section::Connectors], id, problems);
            self.resolve(&pipeline.processors, &[Section::Processors], id, problems);
            self.resolve(&pipeline.exporters, &[Section::Exporters, Section::Connectors], id, problems);
        }
    }

    /// Reports references to what is not defined, and those made twice.
    fn resolve(
        &self,
        references: &[Reference],
        sections: &[Section],
        from: &str,
        problems: &mut Vec<Problem>,
    ) {
        if references.len() > MAX_PROCESSORS {
            let message = format!("{from} names {} components in one list", references.len());
            problems.push(
                Problem::new(references[MAX_PROCESSORS].location, message)
                    .expected(format!("at most {MAX_PROCESSORS}")),
            );
            return;
        }
        if problems.len() >= MAX_PROBLEMS {
            return;
        }
        let what = sections.first().map_or("component", |section| section.singular());
        let defined = || sections.iter().flat_map(|section| self.components(*section));
        for (index, Reference { id, location }) in references.iter().enumerate() {
            if !self.part && !defined().any(|component| component.id == *id) {
                let message = format!("{from} refers to the {what} {:?}, which is not defined", id.as_str());
                let nearest = yaml::nearest(id.as_str(), defined().map(|component| component.id.as_str()));
                problems.push(Problem::new(*location, message).suggest(nearest));
            }
            if references[..index].iter().any(|earlier| earlier.id == *id) {
                let message = format!("{from} refers to the {what} {:?} more than once", id.as_str());
                problems
                    .push(Problem::new(*location, message).expected("each once; give a second one a name"));
            }
        }
    }

    /// The file's name, as the caller gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The source text, variables not expanded.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The components that a section defines, in the order of the file.
    pub fn components(&self, section: Section) -> &[Component] {
        self.sections.get(section.singular()).map(Vec::as_slice).unwrap_or_default()
    }

    /// The component of this id.
    pub fn component(&self, section: Section, id: &str) -> Option<&Component> {
        self.components(section).iter().find(|component| component.id.as_str() == id)
    }

    /// The pipelines of all signals, in the order of the file.
    pub fn pipelines(&self) -> &[PipelineEntry] {
        &self.pipelines
    }

    /// The pipeline of this id, such as `metrics` or `metrics/candidate`.
    pub fn pipeline(&self, id: &str) -> Option<&PipelineEntry> {
        self.pipelines.iter().find(|pipeline| pipeline.id == id)
    }

    /// Returns the references of `service.extensions`.
    pub fn extensions(&self) -> &[Reference] {
        &self.extensions
    }

    /// `service.telemetry`.
    pub fn telemetry(&self) -> Option<&Node> {
        self.telemetry.as_ref()
    }

    /// Our own section.
    pub fn phoenix(&self) -> Option<&Node> {
        self.phoenix.as_ref()
    }

    /// The first uses of variables that are not set.
    pub fn unset(&self) -> &[Unset] {
        &self.unset
    }

    /// What is said of the uses of variables that are not set, a line each.
    pub fn unset_notes(&self) -> Vec<String> {
        let none = self.problems(Vec::new()).beside(self.unset.clone()).to_string();
        none.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Problems that a reader of some section found, with this file's name and text.
    pub fn problems(&self, problems: Vec<Problem>) -> Problems {
        Problems::new(&self.name, &self.text, problems).within(self.parts.clone())
    }
}

fn components(fields: &mut Fields<'_>, section: Section, problems: &mut Vec<Problem>) -> Vec<Component> {
    let node = fields.take(match section {
        Section::Receivers => "receivers",
        Section::Processors => "processors",
        Section::Exporters => "exporters",
        Section::Extensions => "extensions",
        Section::Connectors => "connectors",
    });
    let entries = node.and_then(|node| keep(node.entries(), problems)).unwrap_or_default();
    let (mut components, mut ids) = (Vec::new(), HashSet::new());
    if let Some(first) = entries.get(MAX_COMPONENTS) {
        let message = format!("{} {}s are defined", entries.len(), section.singular());
        problems
            .push(Problem::new(first.key.location, message).expected(format!("at most {MAX_COMPONENTS}")));
    }
    for entry in entries.iter().take(MAX_COMPONENTS) {
        let Some(component) = keep(Component::parse(&entry.key, &entry.value), problems) else { continue };
        if !ids.insert(component.id.clone()) {
            let message = format!("the {} {:?} is defined twice", section.singular(), component.id.as_str());
            problems.push(Problem::new(component.location, message));
        }
        components.push(component);
    }
    components
}
