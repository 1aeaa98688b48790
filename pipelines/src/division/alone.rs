//! The agent's file where it runs instead of the Collector: the same text, which names the pipeline that experiments are about
//! where there are several of metrics.

use crate::config::{CollectorFile, PipelineEntry, Reference, Signal};
use crate::yaml::{Draft, Fields, Kind, Located, Location, Node, entry};

use super::{DivisionError, Whole};

impl Whole<'_> {
    /// The agent's file.
    pub(super) fn alone(&self) -> Result<String, DivisionError> {
        let (text, id) = (self.file.text(), self.pipeline.id.as_str());
        if self.passing().next().is_none() || named(self.file) == Some(id) {
            return Ok(text.to_owned());
        }
        let layout = || DivisionError::Layout { file: self.file.name().to_owned(), pipeline: id.to_owned() };
        let mut draft = Draft::of(text).ok_or_else(layout)?;
        draft.remove(&["phoenix"], "pipeline");
        let value = Node::new(Location::START, Kind::Text(Located::new(id, Location::START)));
        draft.add(&["phoenix"], vec![entry("pipeline", value)]);
        let text = draft.finish();
        let lists = |file: &CollectorFile| file.pipelines().iter().map(lists).collect::<Vec<_>>();
        match self.file.parse_like(&text, self.lookup) {
            Ok(alone) if named(&alone) == Some(id) && lists(&alone) == lists(self.file) => Ok(text),
            _ => Err(layout()),
        }
    }

    /// The other pipelines of metrics.
    pub(super) fn passing(&self) -> impl Iterator<Item = &PipelineEntry> {
        let metrics = self.file.pipelines().iter().filter(|entry| entry.signal == Signal::Metrics);
        metrics.filter(|entry| entry.id != self.pipeline.id)
    }

    /// Checks that no receiver is in two pipelines of metrics: the agent gives what it receives to one.
    pub(super) fn shares_no_receiver(&self) -> Result<(), DivisionError> {
        let mut metrics: Vec<&PipelineEntry> = vec![self.pipeline];
        metrics.extend(self.passing());
        for (at, second) in metrics.iter().enumerate() {
            for Reference { id, .. } in &second.receivers {
                let names_it = |entry: &&&PipelineEntry| entry.receivers.iter().any(|one| one.id == *id);
                if let Some(first) = metrics[..at].iter().find(names_it) {
                    return Err(DivisionError::SharedReceiver {
                        receiver: id.as_str().to_owned(),
                        pipelines: [first.id.clone(), second.id.clone()],
                    });
                }
            }
        }
        Ok(())
    }
}

/// `phoenix.pipeline` of a file.
fn named(file: &CollectorFile) -> Option<&str> {
    let mut fields: Fields<'_> = file.phoenix()?.map().ok()?;
    fields.take("pipeline")?.text().ok()
}

/// The id of a pipeline and its lists.
fn lists(entry: &PipelineEntry) -> (String, Vec<String>) {
    let all = entry.receivers.iter().chain(&entry.processors).chain(&entry.exporters);
    (entry.id.clone(), all.map(|reference| reference.id.as_str().to_owned()).collect())
}
