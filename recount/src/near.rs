//! Names like that of a metric that did not come in, as a person would look for them.

use std::collections::BTreeSet;

/// The most of them.
const MOST: usize = 3;

/// Metrics whose name the semantic conventions changed, before and after.
const RENAMED: [(&str, &str); 2] = [
    ("process.threads", "process.thread.count"),
    ("process.open_file_descriptors", "process.unix.file_descriptor.count"),
];

/// The nearest first: the same metric under its other name, then those of which at least half stays when one name is made
/// the other.
#[must_use]
pub fn near(wanted: &str, came: &BTreeSet<&str>) -> Vec<String> {
    let is_other_name =
        |name: &str| RENAMED.iter().any(|pair| *pair == (wanted, name) || *pair == (name, wanted));
    let steps = |name: &str| if is_other_name(name) { 0 } else { edits(wanted.as_bytes(), name.as_bytes()) };
    let mut all: Vec<(usize, &str)> = came.iter().map(|name| (steps(name), *name)).collect();
    all.retain(|(steps, name)| steps * 2 <= wanted.len().max(name.len()));
    all.sort_unstable();
    all.into_iter().take(MOST).map(|(_, name)| name.to_owned()).collect()
}

/// Least number of letters to put in, take out or change, by the definition: a cell for every pair of beginnings.
fn edits(one: &[u8], other: &[u8]) -> usize {
    let mut cells = vec![vec![0_usize; other.len() + 1]; one.len() + 1];
    for a in 0..=one.len() {
        for b in 0..=other.len() {
            cells[a][b] = if a == 0 || b == 0 {
                a.max(b)
            } else {
                let same = one[a - 1] == other[b - 1];
                let change = cells[a - 1][b - 1] + usize::from(!same);
                change.min(cells[a - 1][b] + 1).min(cells[a][b - 1] + 1)
            };
        }
    }
    cells[one.len()][other.len()]
}
