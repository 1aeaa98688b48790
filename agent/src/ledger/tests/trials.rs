//! Trials: what counts as a death, what two of them do, and that a crash between any two writes loses and doubles nothing.

use std::fs;
use std::path::Path;

use pipelines::config::Plan;
use proto::generation::Fragment;

use super::super::trials::MAX_QUARANTINED;
use super::super::*;
use super::{digests, start};
use crate::generation::Digests;

pub(super) const BOOT: Option<&str> = Some("a boot");

/// Digests of an experiment whose candidate drops the metric `name`.
pub(super) fn plans(name: &str) -> Digests {
    let drop =
        format!("processors: {{ filter: {{ metrics: {{ datapoint: ['metric.name == \"{name}\"'] }} }} }}");
    let service = "service: { pipelines: { metrics: { processors: [filter] } } }";
    let plan: Plan = Fragment::new(format!("{drop}\n{service}\n")).plan("candidate").expect("a plan");
    Digests { baseline: None, candidate: Some(plan.digest()), split: "0 %".into() }
}

/// A ledger whose file's own generation, number 1, is committed.
pub(super) fn committed(dir: &Path) -> Ledger {
    let mut ledger = start(Some(dir), "first", BOOT);
    ledger.commit(1, &digests(""), "file").expect("commit");
    ledger
}

/// An attempt at generation 2 in charge in the process `first`, which dies.
pub(super) fn attempted(dir: &Path) {
    committed(dir).begin_attempt(2, &plans("a"), "file", "body").expect("recorded");
}

pub(super) fn in_charge(ledger: &Ledger) -> (u64, usize) {
    (ledger.entry().generation, ledger.quarantined().len())
}

#[test]
fn two_deaths_put_a_content_in_quarantine_and_the_committed_generation_runs_until_it_is_lifted() {
    let dir = tempfile::tempdir().expect("dir");
    attempted(dir.path());
    assert_eq!(in_charge(&start(Some(dir.path()), "second", BOOT)), (2, 0), "one death is not enough");
    let mut ledger = start(Some(dir.path()), "third", BOOT);
    assert_eq!(in_charge(&ledger), (1, 1));
    let refused = ledger.refused_at_start().expect("it is told");
    assert_eq!(refused.config_hash, hex::encode(proto::generation::config_hash(b"body")));
    assert!(refused.reason.starts_with("quarantined: generation 2"), "{}", refused.reason);
    assert!(refused.reason.contains("died 2 times") && refused.reason.contains("2026-01-01T00:00:00Z"));

    // Neither the number nor the weight matters.
    let heavier = Digests { split: "50 %".into(), ..plans("a") };
    let again = ledger.begin_attempt(7, &heavier, "file", "another body");
    assert!(matches!(again, Err(LedgerError::Quarantined(_))), "{again:?}");
    ledger.begin_attempt(7, &plans("b"), "file", "other content").expect("another content is welcome");
    drop(ledger);
    let mut ledger = start(Some(dir.path()), "fourth", BOOT);
    assert_eq!(in_charge(&ledger), (7, 1), "it outlives the process");
    let id = ledger.quarantined()[0].content.id();
    assert_eq!(ledger.lift(Some(&["another".to_owned()])).expect("written"), 0);
    assert_eq!(ledger.lift(Some(&[id])).expect("written"), 1);
    ledger.begin_attempt(8, &plans("a"), "file", "body 8").expect("lifted");
}

#[test]
fn the_next_weight_of_a_content_goes_on_with_its_deaths_and_another_content_begins_without() {
    for (next, expected) in [("a", (1, 1)), ("b", (3, 0))] {
        let dir = tempfile::tempdir().expect("dir");
        attempted(dir.path());
        let mut ledger = start(Some(dir.path()), "second", BOOT);
        let heavier = Digests { split: "50 %".into(), ..plans(next) };
        ledger.begin_attempt(3, &heavier, "file", "body 3").expect("recorded");
        drop(ledger);
        assert_eq!(in_charge(&start(Some(dir.path()), "third", BOOT)), expected);
    }
}

#[test]
fn a_clean_stop_and_a_restart_of_the_host_are_no_deaths_and_neither_is_what_cannot_be_told() {
    let dir = tempfile::tempdir().expect("dir");
    attempted(dir.path());
    start(Some(dir.path()), "second", BOOT).stop();
    start(Some(dir.path()), "third", BOOT);
    // One death so far; the host goes down three times, and once nobody knows.
    for (run, boot) in
        [("4", Some("boot 2")), ("5", Some("boot 3")), ("6", None), ("7", None), ("8", Some("boot 4"))]
    {
        assert_eq!(in_charge(&start(Some(dir.path()), run, boot)), (2, 0), "{run}");
    }
    assert_eq!(in_charge(&start(Some(dir.path()), "9", Some("boot 4"))), (1, 1), "the second death");
}

#[test]
fn a_content_that_lived_through_its_trial_may_be_killed_as_often_as_anybody_likes() {
    let dir = tempfile::tempdir().expect("dir");
    let mut ledger = committed(dir.path());
    ledger.begin_attempt(2, &plans("a"), "file", "body").expect("recorded");
    assert_eq!(ledger.commit_attempt().expect("written"), Some(2));
    assert_eq!(ledger.commit_attempt().expect("written"), None);
    drop(ledger);
    for run in ["2", "3", "4"] {
        assert_eq!(in_charge(&start(Some(dir.path()), run, BOOT)), (2, 0));
    }
    let mut ledger = start(Some(dir.path()), "5", BOOT);
    assert!(ledger.is_proven(&Content::of(&plans("a"))), "it needs no trial again");
    ledger.commit_pushed(3, &digests(""), "file", "back").expect("rolled back");
    ledger.commit_pushed(4, &plans("a"), "file", "body 4").expect("and forth");
    drop(ledger);
    assert_eq!(in_charge(&start(Some(dir.path()), "6", BOOT)), (4, 0));
}

/// Files of `dir`.
fn snapshot(dir: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let files = fs::read_dir(dir).expect("dir").map(|entry| entry.expect("entry"));
    files.map(|entry| (entry.file_name(), fs::read(entry.path()).expect("file"))).collect()
}

/// A directory in which the file `name` alone is as it was before.
fn without(before: &[(std::ffi::OsString, Vec<u8>)], after: &Path, names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("dir");
    for (name, content) in snapshot(after) {
        if !names.iter().any(|undone| name == *undone) {
            fs::write(dir.path().join(name), content).expect("write");
        }
    }
    for (name, content) in before.iter().filter(|(name, _)| names.iter().any(|undone| name == *undone)) {
        fs::write(dir.path().join(name), content).expect("write");
    }
    dir
}

const LEDGER: [&str; 2] = ["ledger.json", "ledger.copy.json"];
const MARK: &str = "running.json";

#[test]
fn a_crash_between_any_two_writes_of_an_attempt_leaves_it_recorded_or_never_begun() {
    let dir = tempfile::tempdir().expect("dir");
    let mut ledger = committed(dir.path());
    let before = snapshot(dir.path());
    ledger.begin_attempt(2, &plans("a"), "file", "body").expect("recorded");
    drop(ledger);
    // Before the first write.
    let crashed = without(&before, dir.path(), &["trials.json", MARK]);
    assert_eq!(in_charge(&start(Some(crashed.path()), "second", BOOT)), (1, 0));
    // After the record, before the mark: it was not in charge, so that this is no death.
    let crashed = without(&before, dir.path(), &[MARK]);
    for run in ["second", "third"] {
        assert_eq!(in_charge(&start(Some(crashed.path()), run, BOOT)), (2, 0), "{run}");
    }
}

#[test]
fn a_crash_between_any_two_writes_of_a_commitment_leaves_an_attempt_or_a_committed_generation() {
    let dir = tempfile::tempdir().expect("dir");
    let mut ledger = committed(dir.path());
    ledger.begin_attempt(2, &plans("a"), "file", "body").expect("recorded");
    let before = snapshot(dir.path());
    ledger.commit_attempt().expect("written");
    drop(ledger);
    for undone in
        [&["ledger.json", "ledger.copy.json", "trials.json", MARK][..], &["trials.json", MARK], &[MARK]]
    {
        let crashed = without(&before, dir.path(), undone);
        assert_eq!(in_charge(&start(Some(crashed.path()), "second", BOOT)), (2, 0), "{undone:?}");
    }
}

#[test]
fn a_crash_between_any_two_writes_of_a_rollback_never_brings_the_attempt_back_once_the_ledger_is_written() {
    let dir = tempfile::tempdir().expect("dir");
    let mut ledger = committed(dir.path());
    ledger.begin_attempt(2, &plans("a"), "file", "body").expect("recorded");
    let before = snapshot(dir.path());
    ledger.commit_pushed(3, &digests(""), "file", "back").expect("rolled back");
    drop(ledger);
    for undone in [&["trials.json", MARK][..], &["trials.json"], &[MARK]] {
        let crashed = without(&before, dir.path(), undone);
        for run in ["second", "third", "fourth"] {
            assert_eq!(in_charge(&start(Some(crashed.path()), run, BOOT)), (3, 0), "{undone:?}");
        }
    }
    let crashed = without(&before, dir.path(), &[LEDGER[0], LEDGER[1], "trials.json", MARK]);
    assert_eq!(in_charge(&start(Some(crashed.path()), "second", BOOT)), (2, 0), "nothing was written");
}

#[test]
fn a_death_counts_once_however_often_the_start_that_finds_it_dies_before_it_has_marked_itself() {
    let dir = tempfile::tempdir().expect("dir");
    attempted(dir.path());
    for run in ["2", "3", "4"] {
        let before = snapshot(dir.path());
        assert_eq!(in_charge(&start(Some(dir.path()), run, BOOT)), (2, 0), "{run}");
        // As if it had died between counting the death and marking itself.
        let crashed = without(&before, dir.path(), &[MARK]);
        for (name, content) in snapshot(crashed.path()) {
            fs::write(dir.path().join(name), content).expect("write");
        }
    }
    start(Some(dir.path()), "5", BOOT);
    assert_eq!(in_charge(&start(Some(dir.path()), "6", BOOT)), (1, 1), "its own death is the second");
}

#[test]
fn torn_trials_cost_the_attempt_and_are_told_and_quarantines_are_bounded() {
    let dir = tempfile::tempdir().expect("dir");
    attempted(dir.path());
    fs::write(dir.path().join("trials.json"), "{").expect("write");
    let mut ledger = start(Some(dir.path()), "second", BOOT);
    assert_eq!(in_charge(&ledger), (1, 0));
    assert!(
        ledger.trouble().is_some_and(|trouble| trouble.contains("are forgotten")),
        "{:?}",
        ledger.trouble()
    );
    let many = MAX_QUARANTINED as u64 + 3;
    for number in 0..many {
        ledger.begin_attempt(number + 10, &plans(&format!("m{number}")), "file", "body").expect("recorded");
        for run in 0..2 {
            ledger = start(Some(dir.path()), &format!("{number}-{run}"), BOOT);
        }
    }
    assert_eq!(ledger.quarantined().len(), MAX_QUARANTINED);
    assert!(ledger.is_quarantined(&Content::of(&plans(&format!("m{}", many - 1)))), "the last ones are kept");
}

#[test]
fn somebody_at_the_host_lifts_every_quarantine_by_a_file() {
    let dir = tempfile::tempdir().expect("dir");
    attempted(dir.path());
    start(Some(dir.path()), "second", BOOT);
    let mut ledger = start(Some(dir.path()), "third", BOOT);
    assert_eq!(ledger.lift_if_asked().expect("nobody asks"), 0);
    fs::write(dir.path().join("lift-quarantine"), "").expect("write");
    assert_eq!(ledger.lift_if_asked().expect("lifted"), 1);
    assert!(!dir.path().join("lift-quarantine").exists(), "it is asked for once");
    assert_eq!(in_charge(&start(Some(dir.path()), "fourth", BOOT)), (1, 0));
}
