//! Names of the processes that would vanish and of the series that would collide.

use std::collections::{BTreeMap, BTreeSet};

use observe::{Collision, Vanished};

use super::Measured;

/// Executables named of those that vanish, and identities named of those that collide.
const NAMED: usize = 8;

/// The critical processes that would vanish, put together by executable, the most first.
pub fn vanished(hosts: &[Measured<'_>]) -> String {
    let mut by_executable: BTreeMap<(&str, bool), Vec<&Vanished>> = BTreeMap::new();
    for process in hosts.iter().flat_map(|host| &host.comparison.coverage.vanished) {
        let executable = process.process.split(" (pid").next().unwrap_or(&process.process);
        by_executable.entry((executable, process.wholly)).or_default().push(process);
    }
    let mut groups: Vec<_> = by_executable.into_iter().collect();
    groups.sort_by_key(|((_, wholly), processes)| std::cmp::Reverse((*wholly, processes.len())));
    let line = |((executable, wholly), processes): &((&str, bool), Vec<&Vanished>)| {
        let how = if *wholly { "nothing of its own is left" } else { "a required metric is lost" };
        let example = processes.first().map_or("", |process| process.process.as_str());
        format!("\n    {:>4} × {executable:<15} {how}, e.g. {example}", processes.len())
    };
    listed("  Critical processes that would be hidden:", &groups, line)
}

/// Identities that several processes would write, by name.
pub fn collisions(hosts: &[Measured<'_>]) -> String {
    // One of each executable says more than many of one.
    let mut seen = BTreeSet::new();
    let mut named = Vec::new();
    for collision in hosts.iter().rev().flat_map(|host| &host.comparison.collisions) {
        let writer = &collision.writers[0];
        if seen.insert(writer.split(" (pid").next().unwrap_or(writer)) {
            named.push(collision);
        }
    }
    named.truncate(NAMED);
    let line = |collision: &&Collision| {
        let [one, other] = &collision.writers;
        if one == other {
            return format!("\n    {:<22} two series of {one}", collision.metric);
        }
        let executable = one.split(" (pid").next().unwrap_or_default();
        let other = other.strip_prefix(executable).map_or(other.as_str(), str::trim_start);
        format!("\n    {:<22} {one} and {other}", collision.metric)
    };
    listed("  Series that would become one with several writers, for example:", &named, line)
}

fn listed<T>(headline: &str, items: &[T], line: impl Fn(&T) -> String) -> String {
    if items.is_empty() {
        return String::new();
    }
    let lines: String = items.iter().take(NAMED).map(line).collect();
    let more = items.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("\n    and {more} kinds more") } else { String::new() };
    format!("\n{headline}{lines}{more}")
}

#[cfg(test)]
mod tests {
    use observe::Comparison;

    use super::*;

    #[test]
    fn two_series_of_one_entity_are_not_said_to_be_of_different_ones() {
        let told = |writers: [&str; 2]| {
            let collision = Collision {
                metric: "app.latency".to_owned(),
                series: String::new(),
                writers: writers.map(str::to_owned),
            };
            let comparison = Comparison { collisions: vec![collision], ..Comparison::default() };
            collisions(&[Measured::of("", &comparison)])
        };
        let shop = "service shop on h1";
        assert!(told([shop, shop]).ends_with("two series of service shop on h1"), "{}", told([shop, shop]));
        let java = told(["java (pid 1) on h1", "java (pid 2) on h1"]);
        assert!(java.ends_with("java (pid 1) on h1 and (pid 2) on h1"), "{java}");
    }
}
