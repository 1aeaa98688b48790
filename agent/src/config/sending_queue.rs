//! `sending_queue` of an exporter, with the Collector's keys and defaults.

use std::time::Duration;

use pipelines::batch::cut::Room;
use pipelines::config::CollectorFile;
use pipelines::yaml::{Location, Node, Problem, keep};

use super::receiver::refuse;
use super::storage;
use crate::deliver::{BatchRule, MOST_BYTES, MOST_REQUESTS, QueueSettings, Sizer, StorageSettings};

/// The most items or bytes of a queue that counts them.
const MOST_COUNTED: u64 = 1 << 40;

/// Decodes `sending_queue`, with where it is on disk if it is.
pub fn queue(
    node: &Node,
    file: &CollectorFile,
    problems: &mut Vec<Problem>,
) -> Option<(QueueSettings, Option<StorageSettings>)> {
    let mut queue = QueueSettings::default();
    let mut fields = keep(node.map(), problems)?;
    if let Some(node) = fields.take("enabled") {
        queue.enabled = keep(node.bool(), problems).unwrap_or(true);
    }
    let waits = fields.take("wait_for_result").and_then(|node| keep(node.bool(), problems)) == Some(true);
    if let Some(node) = fields.take("sizer") {
        queue.sizer = keep(node.one_of("sizer", &SIZERS), problems).unwrap_or(Sizer::Requests);
    }
    let most = match queue.sizer {
        Sizer::Requests => MOST_REQUESTS as u64,
        Sizer::Items | Sizer::Bytes => MOST_COUNTED,
    };
    for (key, slot, most) in
        [("queue_size", &mut queue.size, most), ("num_consumers", &mut queue.consumers, MOST_REQUESTS as u64)]
    {
        let Some(node) = fields.take(key) else { continue };
        match keep(node.unsigned(), problems) {
            Some(count) if (1..=most).contains(&count) => {
                *slot = usize::try_from(count).unwrap_or(usize::MAX);
            }
            Some(count) => {
                let problem = Problem::new(node.location, format!("{key} is {count}"));
                problems.push(problem.expected(format!("1 to {most}")));
            }
            None => {}
        }
    }
    if let Some(node) = fields.take("block_on_overflow")
        && keep(node.bool(), problems) == Some(true)
    {
        problems
            .push(Problem::new(node.location, "Phoenix refuses retryably on overflow, it does not block"));
    }
    let mut storage = None;
    if let Some(node) = fields.take("storage").filter(|node| !node.is_null() && queue.enabled) {
        storage = storage::named(node, file, &queue, problems);
        if waits {
            let problem = Problem::new(node.location, "wait_for_result goes with no storage");
            problems.push(
                problem.expected("phoenix: { acknowledge: { otlp: on_delivery } }, which goes with it"),
            );
        }
    }
    queue.enabled &= !waits;
    if let Some(node) = fields.take("batch").filter(|node| !node.is_null()) {
        queue.batch = batch(node, &queue, problems);
    }
    fields.finish(problems);
    if !queue.enabled {
        // Without a queue every sender waits for its own request; there is nothing to take turns for.
        queue.consumers = queue.requests();
    }
    Some((queue, storage))
}

const SIZERS: [(&str, Sizer); 3] =
    [("requests", Sizer::Requests), ("items", Sizer::Items), ("bytes", Sizer::Bytes)];

/// Decodes `sending_queue.batch`. Its sizer is that of the queue where it has none and the queue counts items or bytes, else
/// items.
fn batch(node: &Node, of: &QueueSettings, problems: &mut Vec<Problem>) -> Option<BatchRule> {
    let mut fields = node.optional_map(problems)?;
    let wait = fields.take("flush_timeout").and_then(|node| keep(node.duration(), problems));
    let sizer = fields.take("sizer").and_then(|node| keep(node.one_of("sizer", &SIZERS[1..]), problems));
    let by_default = if of.sizer == Sizer::Requests { Sizer::Items } else { of.sizer };
    let sizer = sizer.unwrap_or(by_default);
    let mut count = |key| fields.take(key).and_then(|node| keep(node.unsigned(), problems));
    let (least, most) = (count("min_size").unwrap_or(8_192), count("max_size").unwrap_or(0));
    refuse(&mut fields, &["partition"], problems);
    fields.finish(problems);
    check(node.location, wait, [least, most], problems);
    if sizer == of.sizer && usize::try_from(least).is_ok_and(|least| least > of.size) {
        let message = format!("min_size is {least} and queue_size {}", of.size);
        problems.push(
            Problem::new(node.location, message).expected("queue_size not below it: no batch would be full"),
        );
    }
    let most = if most == 0 { u64::MAX } else { most };
    let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    let [least, most] = match sizer {
        Sizer::Requests | Sizer::Items => {
            [Room { items: least, bytes: MOST_BYTES }, Room { items: most, bytes: MOST_BYTES }]
        }
        Sizer::Bytes => {
            let most = if most == u64::MAX { MOST_BYTES } else { bytes(most) };
            [Room { items: u64::MAX, bytes: bytes(least) }, Room { items: u64::MAX, bytes: most }]
        }
    };
    let wait = wait.unwrap_or(Duration::from_millis(200));
    Some(BatchRule { wait, least, most, merges: true })
}

fn check(at: Location, wait: Option<Duration>, [least, most]: [u64; 2], problems: &mut Vec<Problem>) {
    if wait == Some(Duration::ZERO) {
        problems.push(Problem::new(at, "flush_timeout is 0").expected("more than 0"));
    }
    if most > 0 && most < least {
        let message = format!("max_size is {most} and min_size {least}");
        problems.push(Problem::new(at, message).expected("max_size not below it, or 0 for no limit"));
    }
}
