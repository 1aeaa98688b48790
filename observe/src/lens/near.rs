//! Names that are like one that did not come in.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::convention::counterpart;

/// The most names that are offered.
const MAX_NEAR: usize = 3;

/// The names most like `wanted`, the nearest first: its name in the other semantic convention, then those spelled like it;
/// none that is not like it at all.
pub(crate) fn nearest(wanted: &str, names: &BTreeSet<Arc<str>>) -> Vec<Arc<str>> {
    let mut found: Vec<(usize, &Arc<str>)> = names
        .iter()
        .map(|name| (if counterpart(wanted) == Some(&**name) { 0 } else { distance(wanted, name) }, name))
        .filter(|(distance, name)| 2 * distance <= wanted.len().max(name.len()))
        .collect();
    found.sort();
    found.into_iter().take(MAX_NEAR).map(|(_, name)| name.clone()).collect()
}

/// Number of bytes to change, add or take away.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (shortened(a), shortened(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let changed = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Names are short; of one that is not, its beginning tells enough.
fn shortened(name: &str) -> &[u8] {
    &name.as_bytes()[..name.len().min(120)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first_and_others_not_at_all() {
        let names = ["process.thread.count", "process.cpu.time", "http.server.duration", "threads"];
        let names: BTreeSet<Arc<str>> = names.into_iter().map(Arc::from).collect();
        let found = nearest("process.threads", &names);
        assert_eq!(found.first().map(|name| &**name), Some("process.thread.count"));
        assert!(!found.iter().any(|name| &**name == "http.server.duration"), "{found:?}");
        assert_eq!((distance("abc", "abc"), distance("", "abc"), distance("kitten", "sitting")), (0, 3, 3));
    }
}
