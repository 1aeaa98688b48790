//! Ledger: numbers, torn files, disks that keep nothing.

use std::fs;

use super::*;

mod previewing;
mod trials;

/// The ledger in a process of its own.
fn open(dir: Option<&Path>) -> Ledger {
    start(dir, "a run", Some("a boot"))
}

/// The ledger in this process, on this start of the host.
fn start(dir: Option<&Path>, run: &str, boot: Option<&str>) -> Ledger {
    Ledger::open(dir, Run { id: run.to_owned(), host_boot: boot.map(str::to_owned) }, 1_767_225_600)
}

fn digests(split: &str) -> Digests {
    Digests { baseline: None, candidate: None, split: split.into() }
}

#[test]
fn the_same_content_keeps_its_number_over_a_restart_and_another_gets_the_next() {
    let dir = tempfile::tempdir().expect("dir");
    let mut ledger = open(Some(dir.path()));
    let uid = ledger.entry().agent_uid.clone();
    assert_eq!(ledger.number(&digests("a")), 1);
    ledger.commit(1, &digests("a"), "text 1").expect("commit");
    drop(ledger);
    let mut ledger = open(Some(dir.path()));
    assert_eq!(ledger.entry().agent_uid, uid);
    assert_eq!(ledger.number(&digests("a")), 1);
    assert_eq!(ledger.number(&digests("b")), 2);
    ledger.commit(2, &digests("b"), "text 2").expect("commit");
    assert_eq!(ledger.number(&digests("a")), 3, "an old content is a new generation");
}

#[test]
fn what_a_pushed_generation_has_replaced_of_the_file_is_known_over_a_restart_and_from_a_release_before() {
    let dir = tempfile::tempdir().expect("dir");
    let mut ledger = open(Some(dir.path()));
    ledger.commit_pushed(1, &digests("a"), &Entry::replacing("own"), "body 1").expect("commit");
    drop(ledger);
    let mut ledger = open(Some(dir.path()));
    let entry = ledger.entry();
    assert!(entry.has_replaced("own", "the text of now") && !entry.has_replaced("other", "the text of now"));
    ledger.commit_pushed(2, &digests("a"), "the text of then", "body 2").expect("commit");
    assert!(ledger.entry().has_replaced("any", "the text of then"));
    assert!(!ledger.entry().has_replaced("any", "the text of now"));
}

#[test]
fn refuses_what_would_give_a_number_two_meanings() {
    let mut ledger = open(None);
    assert!(matches!(ledger.commit(0, &digests("a"), ""), Err(LedgerError::Invalid)));
    ledger.commit(7, &digests("a"), "").expect("commit");
    assert!(matches!(ledger.commit(7, &digests("b"), ""), Err(LedgerError::Conflict(7))));
    let outdated = ledger.commit(6, &digests("a"), "");
    assert!(matches!(outdated, Err(LedgerError::Outdated { offered: 6, committed: 7 })));
    ledger.commit(7, &digests("a"), "the same, from another text").expect("idempotent");
}

#[test]
fn a_pushed_generation_is_known_by_its_body_and_outlives_the_process() {
    let dir = tempfile::tempdir().expect("dir");
    let mut ledger = open(Some(dir.path()));
    ledger.commit(3, &digests("a"), "file").expect("commit");
    ledger.commit_pushed(9, &digests("b"), "file", "body").expect("commit");
    drop(ledger);
    let mut ledger = open(Some(dir.path()));
    assert_eq!(ledger.entry().pushed.as_deref(), Some("body"));
    ledger.commit_pushed(9, &digests("b"), "file", "body").expect("the same again");
    let conflict = ledger.commit_pushed(9, &digests("b"), "file", "another body");
    assert!(matches!(conflict, Err(LedgerError::Conflict(9))));
    let content = Content::of(&digests("b"));
    assert!(matches!(ledger.admit(8, "body", &content), Err(LedgerError::Outdated { .. })));
    assert!(matches!(ledger.admit(0, "body", &content), Err(LedgerError::Invalid)));
}

/// Ledger of generation 7 in `dir`; its agent's uid.
fn seventh(dir: &Path) -> String {
    let mut ledger = open(Some(dir));
    ledger.commit(7, &digests("a"), "text").expect("commit");
    ledger.entry().agent_uid.clone()
}

#[test]
fn a_torn_ledger_costs_nothing_as_long_as_its_copy_can_be_read() {
    let dir = tempfile::tempdir().expect("dir");
    let uid = seventh(dir.path());
    for torn in ["", "{", r#"{"version":9}"#, "\0\0\0\0"] {
        fs::write(dir.path().join("ledger.json"), torn).expect("write");
        let mut ledger = open(Some(dir.path()));
        assert!(ledger.trouble().is_some_and(|trouble| trouble.contains("copy is used")));
        assert_eq!((&ledger.entry().agent_uid, ledger.number(&digests("a"))), (&uid, 7));
        ledger.commit(7, &digests("a"), "text").expect("commit");
        assert_eq!(ledger.trouble(), None, "it is whole again");
        assert_eq!(open(Some(dir.path())).trouble(), None);
    }
}

#[test]
fn a_count_from_one_after_a_loss_of_both_files_is_another_agents() {
    let dir = tempfile::tempdir().expect("dir");
    let uid = seventh(dir.path());
    for name in ["ledger.json", "ledger.copy.json"] {
        fs::write(dir.path().join(name), "{").expect("write");
    }
    let mut ledger = open(Some(dir.path()));
    assert!(ledger.trouble().is_some_and(|trouble| trouble.contains("another uid")));
    assert_ne!(ledger.entry().agent_uid, uid);
    assert_eq!(fs::read(dir.path().join("ledger.json.torn")).expect("kept aside"), b"{");
    ledger.commit(1, &digests("a"), "text").expect("commit");
    assert_eq!(ledger.trouble(), None);
}

#[test]
fn where_nothing_can_be_kept_the_files_generation_runs_and_a_pushed_one_is_refused() {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("a file");
    fs::write(&file, "").expect("write");
    let mut ledger = open(Some(&file));
    ledger.commit(1, &digests("a"), "text").expect("it runs");
    assert!(ledger.trouble().is_some_and(|trouble| trouble.contains("is not kept")));
    let refused = ledger.begin_attempt(2, &digests("b"), "text", "body").expect_err("new content");
    assert!(matches!(refused, LedgerError::Unrecorded { generation: 2, committed: 1, .. }));
    assert!(refused.to_string().contains("cannot be recorded"), "{refused}");
    assert_eq!(ledger.entry().generation, 1);
    ledger.commit_pushed(3, &digests("a"), "text", "back").expect("what is known to be good runs");
    assert!(ledger.trouble().is_some_and(|trouble| trouble.contains("is not kept")));
}
