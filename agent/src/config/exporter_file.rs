//! The exporter `file`, with the Collector's keys and defaults.

use std::path::PathBuf;
use std::time::Duration;

use pipelines::config::{CollectorFile, Section};
use pipelines::yaml::{Node, Problem, keep};

use super::receiver::refuse;
use super::storage::permissions;
use crate::deliver::{ExporterKind, ExporterSettings, FileSettings, QueueSettings, Rotation};
use crate::net::RetrySettings;
use crate::request::Media;

/// Largest file where `rotation` does not say, and number of those that are kept.
const MEGABYTES: u64 = 100;
const BACKUPS: u64 = 100;
const DAY: u64 = 86_400;

/// Decodes it; nothing if that is not possible.
pub fn decode(node: &Node, id: String, problems: &mut Vec<Problem>) -> Option<ExporterSettings> {
    let mut fields = keep(node.map(), problems)?;
    let path = keep(fields.required("path"), problems);
    let path = path.and_then(|node| {
        let text = keep(node.text(), problems)?;
        if text.is_empty() {
            problems.push(Problem::new(node.location, "path is empty").expected("the path of a file"));
        }
        Some(PathBuf::from(text))
    });
    let media = fields.take("format").and_then(|node| {
        keep(node.one_of("format", &[("json", Media::Json), ("proto", Media::Protobuf)]), problems)
    });
    let compression = fields.take("compression");
    let zstd = compression
        .and_then(|node| keep(node.one_of("compression", &[("zstd", true), ("", false)]), problems))
        .unwrap_or(false);
    let append = fields.take("append");
    let appends = append.and_then(|node| keep(node.bool(), problems)).unwrap_or(false);
    let rotation_node = fields.take("rotation");
    let rotation = rotation_node.and_then(|node| rotation(node, problems));
    if let Some(append) = append.filter(|_| appends) {
        for (other, is_there) in [("rotation", rotation_node.is_some()), ("compression", zstd)] {
            if is_there {
                let problem = Problem::new(append.location, format!("append goes with no {other}"));
                problems.push(problem.expected("one of the two"));
            }
        }
    }
    // Each request is written before it counts as delivered, which is never later than this.
    if let Some(node) = fields.take("flush_interval") {
        keep(node.duration(), problems);
    }
    let makes = fields.take("create_directory").and_then(|node| keep(node.bool(), problems));
    let mode_node = fields.take("directory_permissions");
    if let Some(node) = mode_node.filter(|_| makes != Some(true)) {
        let problem = Problem::new(node.location, "directory_permissions of a directory that is not made");
        problems.push(problem.expected("create_directory: true beside it"));
    }
    let mode = mode_node.and_then(|node| keep(permissions(node), problems));
    let directory = makes.unwrap_or(false).then_some(mode.unwrap_or(0o755));
    refuse(&mut fields, &["encoding", "group_by"], problems);
    fields.finish(problems);
    let media = media.unwrap_or(Media::Json);
    let file = FileSettings { path: path?, media, zstd, append: appends, rotation, directory };
    // Requests stand in it in the order in which they came. A disk that is full is waited for: nothing else would take them.
    let queue = QueueSettings { consumers: 1, ..QueueSettings::default() };
    let retry = RetrySettings {
        initial_interval: Duration::from_millis(250),
        max_interval: Duration::from_secs(5),
        max_elapsed_time: Duration::ZERO,
        ..RetrySettings::default()
    };
    Some(ExporterSettings { id, kind: ExporterKind::File(Box::new(file)), queue, storage: None, retry })
}

/// Reports files that two exporters write: each would cut the other's off.
pub fn check_paths(file: &CollectorFile, exporters: &[ExporterSettings], problems: &mut Vec<Problem>) {
    let mut known: Vec<(&PathBuf, &str)> = Vec::new();
    for exporter in exporters {
        let ExporterKind::File(settings) = &exporter.kind else { continue };
        if let Some((_, other)) = known.iter().find(|(path, _)| **path == settings.path)
            && let Some(component) = file.component(Section::Exporters, &exporter.id)
        {
            let message = format!("{} writes the same file as {other}", exporter.id);
            problems.push(Problem::new(component.location, message).expected("a path of its own"));
        }
        known.push((&settings.path, &exporter.id));
    }
}

fn rotation(node: &Node, problems: &mut Vec<Problem>) -> Option<Rotation> {
    let mut fields = keep(node.map(), problems)?;
    let mut number = |key| fields.take(key).and_then(|node| keep(node.unsigned(), problems));
    let megabytes = number("max_megabytes").filter(|most| *most > 0).unwrap_or(MEGABYTES);
    let days = number("max_days").filter(|days| *days > 0);
    let backups = number("max_backups").unwrap_or(BACKUPS);
    let local = fields.take("localtime").and_then(|node| keep(node.bool(), problems)).unwrap_or(false);
    fields.finish(problems);
    Some(Rotation {
        most_bytes: megabytes.saturating_mul(1 << 20),
        keep: days.map(|days| Duration::from_secs(days.saturating_mul(DAY))),
        backups: usize::try_from(backups).ok().filter(|backups| *backups > 0),
        local,
    })
}
