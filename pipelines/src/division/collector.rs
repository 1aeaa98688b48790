//! The Collector's half: the same text with a way to the agent spliced in.
//!
//! The pipeline keeps its id, its exporters and what follows the cut. Its receivers and what stands before the cut move to a new
//! pipeline, the head. To observe, both are joined by connectors, and a third pipeline sends the copy: not an exporter beside the
//! others, because a fan-out joins all errors, so that a full agent would make receivers refuse what the Collector could
//! deliver. Behind its `batch` nobody waits for the copy.

use crate::config::{CollectorFile, ComponentId, PipelineEntry, Reference, Role, Section};
use crate::processors;
use crate::yaml::{Draft, Entry, Form, Kind, Located, Location, Node, Site, entry, read_written};

use super::{DivisionError, Placement, Whole, listening};

/// Types of components that have had this spelling only since the Collector deprecated the older ones.
const NEW_SPELLINGS: [&str; 7] = [
    "otlp_grpc",
    "otlp_http",
    "host_metrics",
    "resource_detection",
    "k8s_attributes",
    "cumulative_to_delta",
    "metrics_transform",
];

/// Ids that are new in the Collector's half.
struct NewIds {
    head: String,
    copy: String,
    to_main: String,
    to_copy: String,
    exporter: String,
    back: String,
    batch: String,
}

impl Whole<'_> {
    /// The Collector's file.
    pub(super) fn collectors_half(&self, placement: Placement) -> Result<String, DivisionError> {
        let ids = self.new_ids();
        let layout = || DivisionError::Layout {
            file: self.file.name().to_owned(),
            pipeline: self.pipeline.id.clone(),
        };
        let mut draft = Draft::of(self.file.text()).ok_or_else(layout)?;
        self.write_out_aliases(&mut draft);
        self.components(placement, &ids, &mut draft)?;
        self.pipelines(placement, &ids, &mut draft)?;
        let text = draft.finish();
        match self.file.parse_like(&text, self.lookup) {
            Ok(half) if self.is_faithful(&half, placement, &ids) => Ok(text),
            _ => Err(layout()),
        }
    }

    fn new_ids(&self) -> NewIds {
        let sections = [Section::Receivers, Section::Processors, Section::Exporters, Section::Extensions];
        let mut kinds = sections.iter().flat_map(|section| self.file.components(*section));
        let is_new = kinds.any(|component| NEW_SPELLINGS.contains(&component.id.kind()));
        NewIds {
            head: self.free_pipeline("phoenix_head"),
            copy: self.free_pipeline("phoenix_copy"),
            to_main: self.free(Section::Connectors, "forward", "main"),
            to_copy: self.free(Section::Connectors, "forward", "phoenix"),
            exporter: self.free(Section::Exporters, if is_new { "otlp_grpc" } else { "otlp" }, "phoenix"),
            back: self.free(Section::Receivers, "otlp", "phoenix"),
            batch: self.free(Section::Processors, "batch", "phoenix"),
        }
    }

    /// Processors of the pipeline once it is divided, and of its head.
    fn processors(&self, placement: Placement) -> [Vec<String>; 2] {
        let ids = |roles: &[(ComponentId, Role)]| {
            roles.iter().map(|(id, _)| id.as_str().to_owned()).collect::<Vec<_>>()
        };
        let (before, behind) = self.cut.roles.split_at(self.cut.at);
        if placement == Placement::Observe {
            return [ids(behind), ids(before)];
        }
        // A memory_limiter behind Phoenix would refuse what the head has taken in.
        let limits = |id: &ComponentId| processors::canonical(id.kind()) == "memory_limiter";
        let tail = behind.iter().filter(|(id, role)| *role == Role::Machinery && !limits(id));
        let tail = tail.map(|(id, _)| id.as_str().to_owned()).collect();
        let limiters = behind.iter().filter(|(id, _)| limits(id)).map(|(id, _)| id.as_str().to_owned());
        [tail, limiters.chain(ids(before)).collect()]
    }

    fn components(
        &self,
        placement: Placement,
        ids: &NewIds,
        draft: &mut Draft<'_>,
    ) -> Result<(), DivisionError> {
        let agent = &self.addresses.agent;
        if placement == Placement::Observe {
            draft.add(
                &["connectors"],
                parsed(&format!("{{ {}: {{}}, {}: {{}} }}", ids.to_main, ids.to_copy))?,
            );
            let batch = "{ timeout: 200ms, send_batch_size: 8192, send_batch_max_size: 8192 }";
            draft.add(&["processors"], parsed(&format!("{{ {}: {batch} }}", ids.batch))?);
            let exporter = format!(
                "{{ endpoint: \"{agent}\", tls: {{ insecure: true }}, timeout: 2s, retry_on_failure: {{ enabled: false }}, \
                 sending_queue: {{ queue_size: 64 }} }}"
            );
            draft.add(&["exporters"], parsed(&format!("{{ {}: {exporter} }}", ids.exporter))?);
        } else {
            let back = format!(
                "{{ protocols: {{ grpc: {{ endpoint: \"{}\" }} }} }}",
                listening(&self.addresses.back)
            );
            draft.add(&["receivers"], parsed(&format!("{{ {}: {back} }}", ids.back))?);
            let exporter = format!(
                "{{ endpoint: \"{agent}\", tls: {{ insecure: true }}, sending_queue: {{ sizer: bytes, queue_size: 67108864 }} }}"
            );
            draft.add(&["exporters"], parsed(&format!("{{ {}: {exporter} }}", ids.exporter))?);
        }
        Ok(())
    }

    fn pipelines(
        &self,
        placement: Placement,
        ids: &NewIds,
        draft: &mut Draft<'_>,
    ) -> Result<(), DivisionError> {
        let path = ["service", "pipelines", self.pipeline.id.as_str()];
        let [own, head] = self.processors(placement);
        let receivers: Vec<String> = texts(&self.pipeline.receivers);
        let exporters = match placement {
            Placement::Observe => vec![ids.to_main.clone(), ids.to_copy.clone()],
            Placement::Loop | Placement::Instead => vec![ids.exporter.clone()],
        };
        let mut new = vec![pipeline(&ids.head, &receivers, &head, &exporters)];
        if placement == Placement::Observe {
            let lists = [&ids.to_copy, &ids.batch, &ids.exporter].map(|id| vec![id.clone()]);
            new.push(pipeline(&ids.copy, &lists[0], &lists[1], &lists[2]));
        }
        draft.add_before(&["service", "pipelines"], &self.written_id(draft), new);
        let from = if placement == Placement::Observe { &ids.to_main } else { &ids.back };
        set(draft, &path, "receivers", std::slice::from_ref(from));
        if own != texts(&self.pipeline.processors) {
            set(draft, &path, "processors", &own);
        }
        Ok(())
    }

    /// The key of the pipeline as it stands in the text: blanks around an id do not count.
    fn written_id(&self, draft: &Draft<'_>) -> String {
        let id = &self.pipeline.id;
        match draft.root().find(&["service", "pipelines"]).map(|site| &site.form) {
            Some(Form::Map { entries, .. }) => {
                let own = entries.iter().find(|entry| entry.key.replace(' ', "") == *id);
                own.map_or_else(|| id.clone(), |entry| entry.key.clone())
            }
            _ => id.clone(),
        }
    }

    /// Lists of other pipelines that may stand for one of this by an alias are written out where that one changes.
    fn write_out_aliases(&self, draft: &mut Draft<'_>) {
        let own = |key: &str| draft.root().find(&["service", "pipelines", &self.pipeline.id, key]);
        let changing: Vec<&str> = ["receivers", "processors"]
            .into_iter()
            .filter(|key| own(key).is_some_and(|list| list.anchor))
            .collect();
        for other in self.file.pipelines().iter().filter(|other| other.id != self.pipeline.id) {
            for (key, list) in [("receivers", &other.receivers), ("processors", &other.processors)] {
                let path = ["service", "pipelines", other.id.as_str(), key];
                if changing.contains(&key) && draft.root().find(&path).is_some_and(Site::is_alias) {
                    draft.set_items(&path, &texts(list));
                }
            }
        }
    }

    /// Tells whether the half has all that the file had, with this pipeline divided and nothing else changed.
    fn is_faithful(&self, half: &CollectorFile, placement: Placement, ids: &NewIds) -> bool {
        let pipeline = |id: &str| half.pipeline(id).map(lists);
        let own = lists(self.pipeline);
        let [rest, head] = self.processors(placement);
        let (from, to) = match placement {
            Placement::Observe => (ids.to_main.clone(), vec![ids.to_main.clone(), ids.to_copy.clone()]),
            Placement::Loop | Placement::Instead => (ids.back.clone(), vec![ids.exporter.clone()]),
        };
        let others = self.file.pipelines().iter().filter(|other| other.id != self.pipeline.id);
        let sections = [
            Section::Receivers,
            Section::Processors,
            Section::Exporters,
            Section::Extensions,
            Section::Connectors,
        ];
        let mut components = sections.into_iter().flat_map(|section| {
            self.file.components(section).iter().map(move |component| (section, component))
        });
        pipeline(&self.pipeline.id) == Some([vec![from], rest, own[2].clone()])
            && pipeline(&ids.head) == Some([own[0].clone(), head, to])
            && others.into_iter().all(|other| pipeline(&other.id) == Some(lists(other)))
            && self
                .file
                .extensions()
                .iter()
                .map(|one| &one.id)
                .eq(half.extensions().iter().map(|one| &one.id))
            && components.all(|(section, component)| {
                let kept = half.component(section, component.id.as_str());
                kept.is_some_and(|kept| is_same(&kept.config, &component.config))
            })
    }
}

fn lists(entry: &PipelineEntry) -> [Vec<String>; 3] {
    [texts(&entry.receivers), texts(&entry.processors), texts(&entry.exporters)]
}

fn texts(list: &[Reference]) -> Vec<String> {
    list.iter().map(|reference| reference.id.as_str().to_owned()).collect()
}

/// Tells whether two trees say the same, wherever they stand.
fn is_same(one: &Node, other: &Node) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::List(one), Kind::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Kind::Map(one), Kind::Map(other)) => {
            let pairs = || one.iter().zip(other);
            one.len() == other.len()
                && pairs()
                    .all(|(one, other)| one.key.text == other.key.text && is_same(&one.value, &other.value))
        }
        (Kind::Text(one), Kind::Text(other)) => one.text() == other.text(),
        (Kind::Float(one), Kind::Float(other)) => one.to_bits() == other.to_bits(),
        (one, other) => one == other,
    }
}

/// Sets a list of the pipeline, whatever stands there.
fn set(draft: &mut Draft<'_>, path: &[&str; 3], key: &str, names: &[String]) {
    let list = [path[0], path[1], path[2], key];
    if draft.root().find(&list).is_some_and(|site| !site.is_null()) {
        draft.set_items(&list, names);
    } else {
        draft.remove(path, key);
        draft.add(path, vec![entry(key, list_node(names))]);
    }
}

fn pipeline(id: &str, receivers: &[String], processors: &[String], exporters: &[String]) -> Entry {
    let lists = [("receivers", receivers), ("processors", processors), ("exporters", exporters)];
    let lists = lists.into_iter().filter(|(_, names)| !names.is_empty());
    let lists = lists.map(|(key, names)| entry(key, list_node(names))).collect();
    entry(id, Node::new(Location::START, Kind::Map(lists)))
}

fn list_node(names: &[String]) -> Node {
    let text = |name: &String| Node::new(Location::START, Kind::Text(Located::new(name, Location::START)));
    Node::new(Location::START, Kind::List(names.iter().map(text).collect()))
}

/// Entries of a map that is written here.
fn parsed(text: &str) -> Result<Vec<Entry>, DivisionError> {
    match read_written("new components", text, &[])?.kind {
        Kind::Map(entries) => Ok(entries),
        _ => Ok(Vec::new()),
    }
}
