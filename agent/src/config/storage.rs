//! The extension `file_storage`, with the Collector's keys, and the queues on disk that exporters keep in it.

use std::path::PathBuf;

use pipelines::config::{CollectorFile, Component, Section};
use pipelines::yaml::{Node, Problem, keep, nearest};

use crate::deliver::{QueueSettings, Sizer, StorageSettings};

/// Kind of the extension.
pub const KIND: &str = "file_storage";
/// Directory where the extension does not say.
const DIRECTORY: &str = "/var/lib/otelcol/file_storage";
/// Permissions of a directory that is made.
const PERMISSIONS: u32 = 0o750;
/// Bytes of a queue's files where its size counts requests or items.
const MOST_BYTES: u64 = 8 << 30;
/// Bytes beyond those of the payloads that are not settled, where its size counts them: files go as a whole.
const SPARE_BYTES: u64 = 128 << 20;
/// Keys of `compaction`: the files of Phoenix go once they are settled.
const COMPACTION: [&str; 9] = [
    "check_interval",
    "cleanup_on_start",
    "directory",
    "max_transaction_size",
    "on_rebound",
    "on_start",
    "rebound_needed_threshold_mib",
    "rebound_trigger_threshold_mib",
    "timeout",
];

/// The storage that an exporter's `sending_queue` names.
pub fn named(
    node: &Node,
    file: &CollectorFile,
    queue: &QueueSettings,
    problems: &mut Vec<Problem>,
) -> Option<StorageSettings> {
    let id = keep(node.text(), problems)?;
    let in_service = || file.extensions().iter().map(|reference| reference.id.as_str());
    let component = file.component(Section::Extensions, id).filter(|_| in_service().any(|one| one == id));
    let Some(component) = component else {
        let problem =
            Problem::new(node.location, format!("there is no extension {id:?} in service.extensions"));
        problems.push(problem.suggest(nearest(id, in_service())));
        return None;
    };
    if component.id.kind() != KIND {
        let problem = Problem::new(node.location, format!("Phoenix keeps no queue in {id:?}"));
        problems.push(problem.expected(KIND));
        return None;
    }
    // What is wrong with it is told once, with the extensions.
    let mut settings = decode(component, &mut Vec::new())?;
    if queue.sizer == Sizer::Bytes {
        settings.most_bytes = (queue.size as u64).saturating_add(SPARE_BYTES);
    }
    Some(settings)
}

/// Decodes the extension; nothing if that is not possible.
pub fn decode(component: &Component, problems: &mut Vec<Problem>) -> Option<StorageSettings> {
    let mut fields = keep(component.config.map(), problems)?;
    let directory =
        fields.take("directory").and_then(|node| keep(node.text(), problems)).unwrap_or(DIRECTORY);
    let makes = fields.take("create_directory").and_then(|node| keep(node.bool(), problems));
    let mode = fields.take("directory_permissions").and_then(|node| keep(permissions(node), problems));
    let fsync = fields.take("fsync").and_then(|node| keep(node.bool(), problems)).unwrap_or(false);
    // How long the Collector waits for a lock of its file: here it is there at once, or another agent has it.
    if let Some(node) = fields.take("timeout") {
        keep(node.duration(), problems);
    }
    // What the Collector does with a file that it cannot read: here damage costs nothing else.
    if let Some(node) = fields.take("recreate") {
        keep(node.bool(), problems);
    }
    if let Some(node) = fields.take("compaction").filter(|node| !node.is_null())
        && let Some(mut compaction) = keep(node.map(), problems)
    {
        for key in COMPACTION {
            compaction.take(key);
        }
        compaction.finish(problems);
    }
    fields.finish(problems);
    let create = makes.unwrap_or(false).then_some(mode.unwrap_or(PERMISSIONS));
    let directory = PathBuf::from(directory);
    Some(StorageSettings { directory, create, fsync, most_bytes: MOST_BYTES, most_age: None })
}

/// Permissions in octal, as text.
pub fn permissions(node: &Node) -> Result<u32, Problem> {
    let mode = u32::from_str_radix(node.text()?, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| {
        Problem::new(node.location, format!("{} are no permissions", node.quoted()))
            .expected("such as '0755'")
    })
}
