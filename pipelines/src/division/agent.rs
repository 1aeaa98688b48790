//! The agent's half: what it takes, the processors it runs, and where it delivers.

use std::fmt::Write as _;

use crate::config::{CollectorFile, ComponentId, Section};
use crate::template::emit;
use crate::yaml::{self, Kind, Location, Node, Problems, entry};

use super::{Placement, Whole, listening};

impl Whole<'_> {
    /// The agent's file. It reads as a Collector file does, and is checked as one.
    pub(super) fn agents_half(&self, placement: Placement) -> Result<String, Problems> {
        let id = &self.pipeline.id;
        let ours: Vec<&str> = self.cut.ours().map(ComponentId::as_str).collect();
        let addresses = self.addresses;
        let mut text = format!(
            "# Written by `phoenix adopt` from {}, pipeline {id}: the half that phoenix-agent runs.\n",
            self.file.name().rsplit('/').next().unwrap_or_default()
        );
        let (exporter, settings) = match placement {
            Placement::Loop => {
                ("otlp", format!("{{ endpoint: \"{}\", tls: {{ insecure: true }} }}", addresses.back))
            }
            Placement::Observe | Placement::Instead => ("nop", "{}".to_owned()),
        };
        text.push_str(match placement {
            Placement::Loop => "# The Collector sends here and takes back what is delivered.\n",
            Placement::Observe | Placement::Instead => {
                "# The Collector sends a copy here; nothing is delivered.\n"
            }
        });
        let _ = write!(
            text,
            "receivers:\n  otlp: {{ protocols: {{ grpc: {{ endpoint: \"{}\" }} }} }}\n",
            listening(&addresses.agent)
        );
        text.push_str(&defined(self.file, &ours)?);
        let _ = write!(
            text,
            "exporters:\n  {exporter}: {settings}\nextensions:\n  health_check: {{ endpoint: \"{}\" }}\nservice:\n  \
             extensions: [health_check]\n  pipelines:\n    {id}: {{ receivers: [otlp], processors: {}, exporters: \
             [{exporter}] }}\n",
            addresses.health,
            emit::flow(&list(&ours)),
        );
        let _ = write!(
            text,
            "phoenix:\n  data_dir: ./phoenix-data  # state of the agent: on Kubernetes a volume\n  admin: \"{}\"\n",
            addresses.admin
        );
        let (comment, control_plane) = match &addresses.control_plane {
            Some(address) => ("", address.as_str()),
            None => ("# ", "wss://phoenix.example:4320/v1/opamp"),
        };
        let _ = writeln!(
            text,
            "  {comment}control_plane: {{ endpoint: {}, token_file: ./token }}",
            emit::flow(&Node::new(
                Location::START,
                Kind::Text(yaml::Located::new(control_plane, Location::START))
            ))
        );
        CollectorFile::parse("phoenix-agent.yaml", &text, self.lookup)?.check(id)?;
        Ok(text)
    }
}

/// Processors of a file as they are written, aliases resolved and variables as they stand: the section that defines them.
pub(super) fn defined(file: &CollectorFile, ours: &[&str]) -> Result<String, Problems> {
    if ours.is_empty() {
        return Ok(String::new());
    }
    let written = yaml::read_written(file.name(), file.text(), &[])?;
    let entries = written.entries().unwrap_or_default();
    let section = entries.iter().find(|entry| entry.key.text == "processors");
    let all = section.and_then(|section| section.value.entries().ok()).unwrap_or_default();
    let config = |id: &str| {
        let known = file.component(Section::Processors, id).map(|component| component.location);
        let found = all.iter().find(|entry| Some(entry.key.location) == known);
        found.map_or_else(|| Node::null(Location::START), |entry| entry.value.clone())
    };
    let entries = ours.iter().map(|id| entry(id, config(id))).collect();
    let section = vec![entry("processors", Node::new(Location::START, Kind::Map(entries)))];
    Ok(emit::yaml(&Node::new(Location::START, Kind::Map(section))))
}

pub(super) fn list(ids: &[&str]) -> Node {
    let text = |id: &&str| Node::new(Location::START, Kind::Text(yaml::Located::new(*id, Location::START)));
    Node::new(Location::START, Kind::List(ids.iter().map(text).collect()))
}
