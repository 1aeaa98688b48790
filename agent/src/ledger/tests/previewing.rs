//! Deaths in a preview: what counts as one, and that the attempt beside it is not blamed.

use std::path::Path;

use super::super::*;
use super::start;
use super::trials::{BOOT, attempted, committed, in_charge, plans};

fn content(name: &str) -> Content {
    Content::of(&plans(name))
}

/// A process that runs a preview of `name` and dies.
fn dies_with(dir: &Path, run: &str, name: &str) {
    let ledger = start(Some(dir), run, BOOT);
    std::mem::forget(ledger.previewing().begin(content(name)).expect("recorded"));
}

#[test]
fn a_candidate_that_the_agent_dies_with_in_a_preview_is_in_quarantine_until_it_is_lifted() {
    let dir = tempfile::tempdir().expect("dir");
    drop(committed(dir.path()));
    dies_with(dir.path(), "first", "a");
    for run in ["second", "third"] {
        let ledger = start(Some(dir.path()), run, BOOT);
        assert!(ledger.is_quarantined(&content("a")) && !ledger.is_quarantined(&content("b")));
        assert_eq!(ledger.quarantined().len(), 1, "a death counts once");
        let words = ledger.quarantined()[0].words();
        assert!(words.contains("died while it ran it in a preview (found at 2026-01-01"), "{words}");
        assert_eq!(ledger.refused_at_start(), None, "no generation had it");
    }
    let mut ledger = start(Some(dir.path()), "fourth", BOOT);
    let again = ledger.begin_attempt(2, &plans("a"), "file", "body");
    assert!(matches!(again, Err(LedgerError::Quarantined(_))), "{again:?}");
    assert_eq!(ledger.lift(None).expect("lifted"), 1);
    assert!(start(Some(dir.path()), "fifth", BOOT).quarantined().is_empty());
}

#[test]
fn a_preview_that_ended_a_clean_stop_and_a_host_that_went_down_tell_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let ledger = start(Some(dir.path()), "first", BOOT);
    drop(ledger.previewing().begin(content("a")).expect("recorded"));
    drop(ledger);
    let ledger = start(Some(dir.path()), "second", BOOT);
    assert!(ledger.quarantined().is_empty(), "it had ended");
    std::mem::forget(ledger.previewing().begin(content("a")).expect("recorded"));
    ledger.stop();
    assert!(ledger.previewing().begin(content("b")).is_err(), "none begins after the stop");
    assert!(start(Some(dir.path()), "third", BOOT).quarantined().is_empty(), "it was asked to stop");
    dies_with(dir.path(), "fourth", "a");
    assert!(start(Some(dir.path()), "fifth", Some("another boot")).quarantined().is_empty());
    assert!(start(Some(dir.path()), "sixth", BOOT).quarantined().is_empty(), "and it is told once");
}

#[test]
fn a_death_in_a_preview_is_none_of_the_attempt_beside_it() {
    let dir = tempfile::tempdir().expect("dir");
    attempted(dir.path());
    for (run, name) in [("second", "x"), ("third", "y"), ("fourth", "z")] {
        dies_with(dir.path(), run, name);
    }
    // The first process died with the attempt alone, and those after it in previews.
    let ledger = start(Some(dir.path()), "fifth", BOOT);
    assert_eq!(in_charge(&ledger), (2, 3), "the attempt is in charge still");
    drop(ledger);
    assert_eq!(in_charge(&start(Some(dir.path()), "sixth", BOOT)), (1, 4), "and this was its second death");
}

#[test]
fn words_of_an_earlier_process_are_not_those_of_a_death() {
    let dir = tempfile::tempdir().expect("dir");
    std::fs::write(dir.path().join("last-words"), "panicked long ago").expect("written");
    dies_with(dir.path(), "first", "a");
    let ledger = start(Some(dir.path()), "second", BOOT);
    assert!(ledger.quarantined()[0].words().ends_with("it left no last words"));
}
