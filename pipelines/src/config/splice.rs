//! A file with other metrics processors, spliced into its text.
//!
//! What Phoenix ran of a pipeline is replaced, in its place: what stands before the cut stays, and so does the machinery, but
//! for what the fragment says itself of it. What is not the pipeline's processors stays as it was written: comments, anchors,
//! `$$`, layout. A processor that only the pipeline used goes, one that others use stays. What is put in was read as it is
//! written, aliases resolved and variables not expanded. The result is read again and must hold the very stages that were
//! asked for.

use crate::processors;
use crate::yaml::{self, Draft, Kind, Located, Location, Lookup, Node, Site, entry};

use super::{
    CollectorFile, Component, ComponentId, Cut, Digest, PipelineEntry, Plan, Reference, Role, Section,
};

/// Reason why a file cannot have the processors.
#[derive(Debug, thiserror::Error)]
pub enum SpliceError {
    /// The fragment or the file has no such pipeline, or something is wrong with it.
    #[error("{0}")]
    Problems(#[from] yaml::Problems),
    /// Stages that a stock Collector lacks.
    #[error("a stock Collector lacks {}", .0.join(", "))]
    NotPortable(Vec<String>),
    /// The file is written in a way in which the processors cannot be put in.
    #[error(
        "{file}: the processors cannot be put into {pipeline} without a change of something else; write its list of processors \
         out where it comes by an alias or a merge key, then try again"
    )]
    Layout {
        /// The file.
        file: String,
        /// The pipeline.
        pipeline: String,
    },
}

impl CollectorFile {
    /// The text of this file in which the stages of `fragment`'s pipeline `from` stand for those that Phoenix runs of
    /// `pipeline`, for a stock Collector. `lookup` is what both were read with.
    ///
    /// # Errors
    /// [`SpliceError`].
    pub fn with_processors(
        &self,
        pipeline: &str,
        fragment: &Self,
        from: &str,
        lookup: Lookup<'_>,
    ) -> Result<String, SpliceError> {
        let wanted = fragment.check(from)?;
        let missing: Vec<String> = wanted.not_portable().into_iter().map(str::to_owned).collect();
        if !missing.is_empty() {
            return Err(SpliceError::NotPortable(missing));
        }
        let Some(target) = self.pipeline(pipeline) else {
            // Says which there are.
            return Err(self
                .check(pipeline)
                .map(drop)
                .err()
                .map_or_else(|| self.layout(pipeline), Into::into));
        };
        let Some(source) = fragment.pipeline(from) else { return Ok(self.text().to_owned()) };
        let cut = self.cut(target);
        let Some(mut draft) = Draft::of(self.text()) else { return Err(self.layout(pipeline)) };
        let entering = self.entering(target, (fragment, source), &draft)?;
        self.definitions(target, &cut, &entering, &mut draft);
        let names = names(&cut, &entering);
        references(pipeline, &names, &mut draft);
        let text = draft.finish();
        match Self::parse(self.name(), &text, lookup) {
            Ok(spliced) if self.is_faithful(&spliced, pipeline, &names, &wanted) => Ok(text),
            _ => Err(self.layout(pipeline)),
        }
    }

    /// Tells whether a spliced file has these processors in the pipeline, runs the plan that was wanted, and leaves the other
    /// pipelines as they were.
    fn is_faithful(&self, spliced: &Self, pipeline: &str, names: &[String], wanted: &Plan) -> bool {
        let Some(entry) = spliced.pipeline(pipeline) else { return false };
        let cut = spliced.cut(entry);
        let ours = cut.ours().filter_map(|id| spliced.component(Section::Processors, id.as_str()));
        let others = |file: &Self| {
            let others = file.pipelines().iter().filter(|entry| entry.id != pipeline);
            others.map(|entry| (entry.id.clone(), file.defined(entry))).collect::<Vec<_>>()
        };
        entry.processors.iter().map(|reference| reference.id.as_str()).eq(names.iter().map(String::as_str))
            && ours.map(digest).eq(wanted.stages().iter().map(|stage| stage.digest))
            && others(self) == others(spliced)
    }

    /// Processors of a pipeline with what each says, and its other lists.
    fn defined(&self, entry: &PipelineEntry) -> (Vec<(ComponentId, Option<Digest>)>, Vec<ComponentId>) {
        let said = |id: &ComponentId| self.component(Section::Processors, id.as_str()).map(digest);
        let ids = entry.processors.iter().map(|reference| reference.id.clone());
        let ends = entry.receivers.iter().chain(&entry.exporters).map(|reference| reference.id.clone());
        (ids.map(|id| (id.clone(), said(&id))).collect(), ends.collect())
    }

    /// The fragment's processors by the ids that they get here: where a different one of the same id stays in the file, a
    /// new name.
    fn entering(
        &self,
        target: &PipelineEntry,
        (fragment, source): (&Self, &PipelineEntry),
        draft: &Draft<'_>,
    ) -> Result<Vec<AddedProcessor>, SpliceError> {
        let written = yaml::read_written(fragment.name(), fragment.text(), &[])?;
        let mut entering = Vec::new();
        for reference in &source.processors {
            let id = reference.id.as_str();
            let Some(theirs) = fragment.component(Section::Processors, id) else { continue };
            let known = self.component(Section::Processors, id);
            let same = known.is_some_and(|ours| digest(ours) == digest(theirs));
            let is_new = known.is_some() && !same && self.stays(target, id, draft);
            let name = if is_new { self.free_name(id, fragment) } else { id.to_owned() };
            let config = find(&written, &["processors", id]).cloned();
            let config = config.unwrap_or_else(|| Node::null(Location::START));
            let kind = processors::canonical(reference.id.kind()).to_owned();
            entering.push(AddedProcessor { name, kind, config: (!same).then_some(config) });
        }
        Ok(entering)
    }

    /// Tells whether a definition stays: another pipeline uses it, this one does before the cut, or another place of the file
    /// refers to it.
    fn stays(&self, target: &PipelineEntry, id: &str, draft: &Draft<'_>) -> bool {
        let cut = self.cut(target);
        let upstream = cut.roles[..cut.at].iter().any(|(own, _)| own.as_str() == id);
        let anchored = draft.root().find(&["processors", id]).is_some_and(Site::has_anchor);
        upstream || anchored || self.used_elsewhere(&target.id, id)
    }

    fn used_elsewhere(&self, pipeline: &str, id: &str) -> bool {
        let others = self.pipelines().iter().filter(|entry| entry.id != pipeline);
        others.flat_map(|entry| &entry.processors).any(|reference| reference.id.as_str() == id)
    }

    fn free_name(&self, id: &str, fragment: &Self) -> String {
        let taken = |name: &str| {
            [self, fragment].iter().any(|file| file.component(Section::Processors, name).is_some())
        };
        let (kind, name) = id.split_once('/').unwrap_or((id, "phoenix"));
        let mut names =
            (1..).map(|n| if n == 1 { format!("{kind}/{name}") } else { format!("{kind}/{name}-{n}") });
        names.find(|name| !taken(name)).unwrap_or_default()
    }

    fn layout(&self, pipeline: &str) -> SpliceError {
        SpliceError::Layout { file: self.name().to_owned(), pipeline: pipeline.to_owned() }
    }

    /// Puts the definitions in, and takes those out that nobody uses any more.
    fn definitions(
        &self,
        target: &PipelineEntry,
        cut: &Cut,
        entering: &[AddedProcessor],
        draft: &mut Draft<'_>,
    ) {
        let names = names(cut, entering);
        for Reference { id, .. } in &target.processors {
            let id = id.as_str();
            let replaced = entering.iter().any(|new| new.name == id && new.config.is_some());
            let unused = !names.iter().any(|name| name == id) && !self.used_elsewhere(&target.id, id);
            let anchored = draft.root().find(&["processors", id]).is_some_and(Site::has_anchor);
            if replaced || (unused && !anchored) {
                draft.remove(&["processors"], id);
            }
        }
        let new = entering.iter().filter_map(|new| Some(entry(&new.name, new.config.clone()?)));
        draft.add(&["processors"], new.collect());
    }
}

fn digest(component: &Component) -> Digest {
    Digest::of(processors::canonical(component.id.kind()), &component.config)
}

/// A processor that comes in; without a config it is there already.
struct AddedProcessor {
    name: String,
    kind: String,
    config: Option<Node>,
}

/// The processors that the pipeline then has, in order. Those that come in stand where the first one stood that Phoenix ran;
/// where it ran none, before the `batch` that ends the pipeline. Machinery takes the place of the file's own.
fn names(cut: &Cut, entering: &[AddedProcessor]) -> Vec<String> {
    let kind = |id: &ComponentId| processors::canonical(id.kind()).to_owned();
    let is_replaced = |id: &ComponentId| entering.iter().find(|new| new.kind == kind(id));
    let machinery: Vec<&ComponentId> =
        cut.roles.iter().filter(|(_, role)| *role == Role::Machinery).map(|(id, _)| id).collect();
    let takes_place = |new: &AddedProcessor| machinery.iter().any(|id| kind(id) == new.kind);
    let mut coming: Vec<String> =
        entering.iter().filter(|new| !takes_place(new)).map(|new| new.name.clone()).collect();
    let place = cut.roles.iter().position(|(_, role)| *role == Role::Ours).unwrap_or_else(|| {
        let ends = cut.roles.iter().rposition(|(id, role)| *role != Role::Machinery || kind(id) != "batch");
        ends.map_or(0, |last| last + 1).max(cut.at)
    });
    let mut names = Vec::new();
    for (at, (id, role)) in cut.roles.iter().enumerate() {
        if at == place {
            names.append(&mut coming);
        }
        match role {
            Role::Ours => {}
            Role::Upstream(_) => names.push(id.as_str().to_owned()),
            Role::Machinery => {
                names.push(is_replaced(id).map_or_else(|| id.as_str().to_owned(), |new| new.name.clone()));
            }
        }
    }
    names.append(&mut coming);
    names
}

/// Rewrites the pipeline's list.
fn references(pipeline: &str, names: &[String], draft: &mut Draft<'_>) {
    let path = ["service", "pipelines", pipeline];
    let list = ["service", "pipelines", pipeline, "processors"];
    if draft.root().find(&list).is_some_and(|site| !site.is_null()) {
        draft.set_items(&list, names);
    } else {
        draft.remove(&path, "processors");
        let items = names
            .iter()
            .map(|name| Node::new(Location::START, Kind::Text(Located::new(name, Location::START))))
            .collect();
        draft.add(&path, vec![entry("processors", Node::new(Location::START, Kind::List(items)))]);
    }
}

fn find<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| {
        node.entries().ok()?.iter().find(|entry| entry.key.text == *key).map(|entry| &entry.value)
    })
}

#[cfg(test)]
mod tests;
