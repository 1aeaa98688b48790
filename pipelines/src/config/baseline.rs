//! The baseline of a file: what Phoenix runs of a pipeline, by which the file is known again after an experiment.

use crate::processors;

use super::{CollectorFile, ComponentId, Digest, PipelineEntry, Section};

impl CollectorFile {
    /// Processors that Phoenix runs of a pipeline, in order, each with the digest of its type and config.
    #[must_use]
    pub fn stages_run(&self, pipeline: &PipelineEntry) -> Vec<(ComponentId, Digest)> {
        let cut = self.cut(pipeline);
        self.digests(cut.ours())
    }

    /// Digests that an agent tells of a plan of this pipeline: one beside a Collector has the processors that Phoenix runs
    /// alone, one instead of it the whole list.
    #[must_use]
    pub fn baseline_digests(&self, pipeline: &PipelineEntry) -> [Digest; 2] {
        let whole = self.digests(pipeline.processors.iter().map(|reference| &reference.id));
        [self.stages_run(pipeline), whole]
            .map(|stages| Digest::of_all(stages.iter().map(|(id, digest)| (id.as_str(), *digest))))
    }

    fn digests<'a>(&self, ids: impl Iterator<Item = &'a ComponentId>) -> Vec<(ComponentId, Digest)> {
        let defined = ids.filter_map(|id| self.component(Section::Processors, id.as_str()));
        let digest = |kind: &str, config| Digest::of(processors::canonical(kind), config);
        defined.map(|one| (one.id.clone(), digest(one.id.kind(), &one.config))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::division::{Addresses, Placement};

    const FILE: &str = "receivers: { otlp: }
processors:
  batch:
  k8sattributes:
  filter/a: { metrics: { metric: ['name == \"${env:NAME}\"'] } }
  resource: { attributes: [{ key: a, action: delete }] }
exporters: { debug: }
service:
  pipelines:
    metrics: { receivers: [otlp], processors: [k8sattributes, filter/a, resource, batch], exporters: [debug] }
    metrics/all: { receivers: [otlp], processors: [filter/a, batch], exporters: [debug] }
";

    fn parse(text: &str, name: &'static str) -> CollectorFile {
        CollectorFile::parse("f", text, &|_| Some(name.to_owned())).unwrap()
    }

    #[test]
    fn the_file_is_known_again_by_what_the_agents_half_tells_of_its_plan() {
        let file = parse(FILE, "x");
        let pipeline = file.pipeline("metrics").unwrap();
        let lookup = |_: &str| Some("x".to_owned());
        let halves = file.divide("metrics", Placement::Observe, &Addresses::default(), &lookup).unwrap();
        let told = parse(&halves.agent, "x").check("metrics").unwrap().digest();
        assert_eq!(file.baseline_digests(pipeline)[0], told);
        let ids: Vec<String> = file.stages_run(pipeline).into_iter().map(|(id, _)| id.to_string()).collect();
        assert_eq!(ids, ["filter/a", "resource"]);
        // A comment is nothing, a variable is its value.
        let commented = FILE.replace("  batch:\n", "  # how many\n  batch:\n");
        assert_eq!(parse(&commented, "x").baseline_digests(pipeline)[0], told);
        for (text, name) in [
            (FILE.to_owned(), "y"),
            (FILE.replace("key: a", "key: b"), "x"),
            (FILE.replace("filter/a, resource", "resource, filter/a"), "x"),
            (FILE.replace("filter/a, resource", "filter/a"), "x"),
        ] {
            let other = parse(&text, name);
            assert_ne!(other.baseline_digests(other.pipeline("metrics").unwrap())[0], told, "{text}");
        }
    }

    #[test]
    fn an_agent_instead_of_the_collector_tells_of_the_whole_list() {
        let file = parse(FILE, "x");
        let pipeline = file.pipeline("metrics/all").unwrap();
        assert_eq!(file.baseline_digests(pipeline)[1], file.check("metrics/all").unwrap().digest());
    }
}
