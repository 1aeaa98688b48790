//! A whole Collector file as a fragment: the processors that Phoenix runs of it, the rest named.

use crate::config::{CollectorFile, ComponentId, Role, Section, Signal};
use crate::template::emit;
use crate::yaml::Problems;

use super::agent::{defined, list};

/// The processors that Phoenix runs of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// A Collector fragment: those processors, and the pipeline `metrics` that has them. A comment names what is carried along.
    pub text: String,
    /// Components of the file that are carried along and not run, each as `exporter otlphttp`.
    pub carried: Vec<String>,
}

/// Reason why a whole file is no fragment.
#[derive(Debug, thiserror::Error)]
pub enum FragmentError {
    /// Which pipeline is meant cannot be told.
    #[error(
        "a whole Collector file with {there}; expected one of them to be called {}, or a fragment",
        .asked.as_deref().unwrap_or("metrics")
    )]
    Pipelines {
        /// Those that there are.
        there: String,
        /// The one that was asked for.
        asked: Option<String>,
    },
    /// Phoenix runs none of its processors.
    #[error(
        "a whole Collector file whose pipeline {pipeline} has nothing that Phoenix runs behind {behind}; expected a processor of \
         Phoenix's behind it"
    )]
    Nothing {
        /// The pipeline.
        pipeline: String,
        /// The last of its processors that Phoenix does not run, or its beginning.
        behind: String,
    },
    /// The file cannot be read as it is written.
    #[error("{0}")]
    Problems(#[from] Problems),
}

impl CollectorFile {
    /// Tells whether it has more than processors and pipelines of metrics.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let sections = [Section::Receivers, Section::Exporters, Section::Extensions, Section::Connectors];
        sections.into_iter().any(|section| !self.components(section).is_empty())
    }

    /// The processors that Phoenix runs of its pipeline of metrics that is asked for, or `metrics`; of its only one, whatever it
    /// is called.
    ///
    /// # Errors
    /// [`FragmentError`].
    pub fn fragment(&self, asked: Option<&str>) -> Result<Fragment, FragmentError> {
        let metrics = self.pipelines().iter().filter(|entry| entry.signal == Signal::Metrics);
        let metrics: Vec<_> = metrics.collect();
        let usual = metrics.iter().find(|entry| entry.id == asked.unwrap_or("metrics"));
        let only = metrics.first().filter(|_| metrics.len() == 1);
        let Some(pipeline) = usual.or(only) else {
            let ids: Vec<&str> = metrics.iter().map(|entry| entry.id.as_str()).collect();
            let said = if ids.is_empty() { "no pipeline of metrics".to_owned() } else { ids.join(", ") };
            return Err(FragmentError::Pipelines { there: said, asked: asked.map(str::to_owned) });
        };
        let cut = self.cut(pipeline);
        let ours: Vec<&str> = cut.ours().map(ComponentId::as_str).collect();
        if ours.is_empty() {
            let last = cut.roles[..cut.at].last().map_or("its beginning", |(id, _)| id.as_str());
            return Err(FragmentError::Nothing { pipeline: pipeline.id.clone(), behind: last.to_owned() });
        }
        let stay =
            cut.roles.iter().filter(|(_, role)| *role != Role::Ours).map(|(id, _)| format!("processor {id}"));
        let sections = [Section::Receivers, Section::Exporters, Section::Connectors, Section::Extensions];
        let others = sections.into_iter().flat_map(|section| {
            self.components(section).iter().map(move |one| format!("{} {}", section.singular(), one.id))
        });
        let carried: Vec<String> = stay.chain(others).collect();
        let mut text =
            format!("# Of a whole Collector file. Carried along and not run: {}.\n", carried.join(", "));
        text.push_str(&defined(self, &ours)?);
        text.push_str(&format!(
            "service: {{ pipelines: {{ metrics: {{ processors: {} }} }} }}\n",
            emit::flow(&list(&ours))
        ));
        Ok(Fragment { text, carried })
    }
}
