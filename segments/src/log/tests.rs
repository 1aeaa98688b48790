use std::fs;
use std::path::Path;

use super::*;

const SMALL: u64 = 64 << 10;

fn settings(directory: &Path) -> LogSettings {
    LogSettings { directory: directory.join("log"), segment_bytes: SMALL, most_bytes: 2 * SMALL }
}

fn open(directory: &Path) -> (Log, Vec<Vec<u8>>) {
    let mut found = Vec::new();
    let log = Log::open(settings(directory), usize::MAX >> 1, |seen| {
        if seen.mark != Some(Mark::Settled) {
            found.push(seen.head.to_vec());
        }
    });
    let log = log.expect("open");
    (log, found)
}

/// All that waits, read.
fn rest(log: &mut Log) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| log.next_waiting()).map(|stored| stored.payload).collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(directory.join("log")).expect("list").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some()).collect();
    files.sort();
    files
}

#[test]
fn what_is_not_settled_is_there_at_the_next_start_with_its_mark_and_in_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut log, found) = open(directory.path());
    assert_eq!(found, Vec::<Vec<u8>>::new());
    let entries: Vec<Entry> =
        (0..4_u8).map(|n| log.append(1, &[&[n], b" payload"]).expect("append")).collect();
    assert_eq!(log.waiting(), 4);
    let first = log.next_waiting().expect("the first");
    assert_eq!((first.payload.as_slice(), first.entry.place()), (&b"\0 payload"[..], entries[0].place()));
    first.entry.mark(Mark::Settled).expect("mark");
    log.settled(&first.entry).expect("settled");
    let second = log.next_waiting().expect("the second");
    second.entry.mark(Mark::Attempted).expect("mark");
    drop(log); // As a kill would: nothing is written on the way out.
    let (mut log, found) = open(directory.path());
    assert_eq!(found, [b"\x01 payload", b"\x02 payload", b"\x03 payload"]);
    let second = log.next_waiting().expect("the second");
    assert_eq!(second.mark, Some(Mark::Attempted));
    assert_eq!(log.next_waiting().expect("the third").mark, Some(Mark::Waiting));
    assert_eq!(log.waiting(), 1);
}

#[test]
fn a_file_goes_once_its_last_record_is_settled_whatever_is_older() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut log, _) = open(directory.path());
    let large = vec![7; 40 << 10];
    for n in 0..4_u8 {
        let entry = log.append(n, &[&large]).expect("append");
        assert!(n > 0 || log.claim(&entry), "nothing waits before it");
    }
    assert_eq!(files(directory.path()).len(), 4, "a file each");
    let second = log.next_waiting().expect("the second");
    second.entry.mark(Mark::Settled).expect("mark");
    log.settled(&second.entry).expect("settled");
    assert_eq!(files(directory.path()).len(), 3);
    assert!(log.is_full(), "{} bytes", log.bytes());
    let kinds: Vec<u8> = std::iter::from_fn(|| log.next_waiting()).map(|stored| stored.kind).collect();
    assert_eq!(kinds, [2, 3]);
    assert!(!log.is_empty());
}

#[test]
fn a_record_larger_than_a_file_has_one_of_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut log, _) = open(directory.path());
    let large = vec![1; 3 * SMALL as usize];
    log.append(1, &[b"small"]).expect("append");
    log.append(1, &[&large]).expect("append");
    log.append(1, &[b"small again"]).expect("append");
    assert_eq!(rest(&mut log), [&b"small"[..], &large, b"small again"]);
}

#[test]
fn records_are_read_in_order_whatever_file_was_made_for_what_came_between() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut log, _) = open(directory.path());
    // So full that the next file is there already, which is too small for what comes.
    let sizes = [60 << 10, 3 * SMALL as usize, 10, 60 << 10, 3 * SMALL as usize, 20];
    let mut read = Vec::new();
    for size in sizes {
        log.append(1, &[&vec![1; size]]).expect("append");
        read.extend(log.next_waiting().map(|stored| stored.payload.len()));
    }
    assert_eq!(read, sizes);
    drop(log);
    let (mut log, found) = open(directory.path());
    assert_eq!(found.len(), sizes.len());
    let again: Vec<usize> = rest(&mut log).iter().map(Vec::len).collect();
    assert_eq!(again, sizes);
}

#[test]
fn a_torn_end_is_told_and_nothing_is_written_behind_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut log, _) = open(directory.path());
    log.append(1, &[b"whole"]).expect("append");
    log.append(1, &[b"torn by the kill"]).expect("append");
    drop(log);
    let torn = files(directory.path())[0].clone();
    let file = fs::OpenOptions::new().write(true).open(&torn).expect("open");
    file.set_len(fs::metadata(&torn).expect("there").len() - 3).expect("tear");
    let (mut log, found) = open(directory.path());
    assert_eq!(found, [b"whole"]);
    let damage = log.take_damage();
    assert_eq!(damage, [(torn.clone(), Damage { offset: 25, bytes: 33, is_torn_end: true })]);
    let before = fs::read(&torn).expect("read");
    log.append(1, &[b"after"]).expect("append");
    assert_eq!(fs::read(&torn).expect("read"), before, "it is another process's file");
    assert_eq!(rest(&mut log), [&b"whole"[..], b"after"]);
    assert_eq!(log.take_damage(), [], "told once");
}

#[test]
fn what_is_damaged_after_the_start_costs_no_other_record() {
    let directory = tempfile::tempdir().expect("a directory");
    for at in 0..25_u64 {
        let (mut log, _) = open(directory.path());
        let entry = log.append(1, &[b"first"]).expect("append");
        log.append(1, &[b"second"]).expect("append");
        let byte = [entry.file_byte(at) ^ 4];
        entry.file.write_all_at(&byte, entry.offset + at).expect("damage");
        let left = rest(&mut log);
        if at == MARK_AT {
            assert_eq!(left, [&b"first"[..], b"second"], "its state is not known, and it stands");
        } else {
            assert_eq!(left, [b"second"], "byte {at}");
            assert_eq!(log.take_damage().len(), 1, "byte {at}");
        }
        assert_eq!(log.waiting(), 0);
        drop(log);
        fs::remove_dir_all(directory.path().join("log")).expect("clean");
    }
}

impl Entry {
    fn file_byte(&self, at: u64) -> u8 {
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, self.offset + at).expect("read");
        byte[0]
    }
}

#[test]
fn a_file_of_which_damage_leaves_nothing_goes_as_well() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut log, _) = open(directory.path());
    let large = vec![7; 60 << 10];
    let entries: Vec<Entry> = (0..3).map(|_| log.append(1, &[&large]).expect("append")).collect();
    for entry in &entries[..2] {
        entry.file.write_all_at(b"damage", entry.offset + 100).expect("damage");
    }
    let last = log.next_waiting().expect("the last");
    assert_eq!((last.entry.place(), log.take_damage().len()), (entries[2].place(), 2));
    assert_eq!(files(directory.path()).len(), 1 + 1, "that of the last, and the next");
    // It is given back by somebody who could not send it, and cannot be read again.
    last.entry.file.write_all_at(b"damage", last.entry.offset + 100).expect("damage");
    assert!(log.read_again(last.entry).is_none() && log.is_empty());
    assert_eq!(log.take_damage().len(), 1);
}

#[test]
fn a_directory_has_one_owner_and_must_be_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_log, _) = open(directory.path());
    let second = Log::open(settings(directory.path()), 0, |_| {}).expect_err("locked");
    assert!(second.to_string().contains("another agent keeps its queue there"), "{second}");
    let nowhere =
        Log::open(settings(&directory.path().join("no/such")), 0, |_| {}).expect_err("no directory");
    assert!(nowhere.to_string().contains("cannot make the directory"), "{nowhere}");
}

#[test]
fn files_of_others_are_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path()));
    for name in ["exporter_otlp_metrics", "1-2.log", "zzzzzzzzzzzzzzzz-0000000000000000.log"] {
        fs::write(directory.path().join("log").join(name), "not ours").expect("write");
    }
    let (mut log, found) = open(directory.path());
    assert_eq!((found.len(), log.take_damage().len()), (0, 0));
    assert!(directory.path().join("log/exporter_otlp_metrics").exists());
}

#[test]
fn a_start_reads_frames_and_the_beginnings_of_payloads_whatever_their_sizes() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut log, _) = open(directory.path());
    let sizes = [0, 1, 3, 20_000, 8 << 10, (8 << 10) - HEADER, 5, 60 << 10, 2, 200_000, 9];
    for (n, size) in sizes.into_iter().enumerate() {
        log.append(n as u8, &[&vec![n as u8; size]]).expect("append");
    }
    let settled = log.next_waiting().expect("the first");
    settled.entry.mark(Mark::Settled).expect("mark");
    drop(log);
    let mut seen = Vec::new();
    let see = |record: Seen<'_>| {
        assert!(record.head.iter().all(|byte| *byte == record.kind));
        seen.push((record.mark, record.kind, record.length, record.head.len(), record.place));
    };
    let mut log = Log::open(settings(directory.path()), 4, see).expect("open");
    let told: Vec<_> =
        seen.iter().map(|(mark, kind, length, head, _)| (*mark, *kind, *length, *head)).collect();
    let expected = sizes.iter().enumerate().map(|(n, size)| {
        let mark = if n == 0 { Mark::Settled } else { Mark::Waiting };
        (Some(mark), n as u8, *size as u64, (*size).min(4))
    });
    assert_eq!(told, expected.collect::<Vec<_>>());
    assert!(seen.is_sorted_by_key(|(.., place)| *place));
    // One of them is taken out of turn, and is not read in its turn.
    let third = log.take(seen[2].4).expect("it waits");
    assert_eq!(third.payload, [2; 3]);
    third.entry.mark(Mark::Settled).expect("mark");
    log.settled(&third.entry).expect("settled");
    assert!(log.take(seen[2].4).is_none() && log.take((77, 0)).is_none());
    let rest: Vec<u8> = std::iter::from_fn(|| log.next_waiting()).map(|stored| stored.kind).collect();
    assert_eq!(rest, [1, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(log.waiting(), 0);
}

#[test]
fn a_start_finds_what_lies_behind_a_frame_that_does_not_hold() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut log, _) = open(directory.path());
    for n in 0..4_u8 {
        log.append(n, &[&[n; 9_000]]).expect("append");
    }
    drop(log);
    let [file] = files(directory.path()).try_into().expect("one file");
    let whole = fs::read(&file).expect("read");
    for at in 0..HEADER {
        let mut damaged = whole.clone();
        damaged[9_020 + at] ^= 1;
        fs::write(&file, damaged).expect("damage");
        let mut kinds = Vec::new();
        let see = |seen: Seen<'_>| kinds.push((seen.kind, seen.mark));
        let mut log = Log::open(settings(directory.path()), 4, see).expect("open");
        let waits = |n: u8| (n, Some(Mark::Waiting));
        if at as u64 == MARK_AT {
            assert_eq!(kinds, [waits(0), (1, None), waits(2), waits(3)]);
        } else {
            assert_eq!(kinds, [waits(0), waits(2), waits(3)], "byte {at}");
            let damage = Damage { offset: 9_020, bytes: 9_020, is_torn_end: false };
            assert_eq!(log.take_damage(), [(file.clone(), damage)], "byte {at}");
            assert_eq!(rest(&mut log).len(), 3, "byte {at}");
        }
        drop(log);
        files(directory.path())
            .iter()
            .filter(|path| **path != file)
            .for_each(|path| fs::remove_file(path).expect("clean"));
    }
}

#[test]
fn a_log_that_is_looked_at_stays_as_it_is_and_one_that_somebody_has_is_not_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut log, _) = open(directory.path());
    let entries = [1_u8, 2].map(|n| log.append(n, &[&[n; 9]]).expect("append"));
    entries[0].mark(Mark::Settled).expect("mark");
    let before = files(directory.path());
    let mut seen = Vec::new();
    let damage = Log::look(&directory.path().join("log"), 2, |one| seen.push((one.mark, one.head.to_vec())));
    assert_eq!(damage.expect("looked at"), []);
    assert_eq!(seen, [(Some(Mark::Settled), vec![1; 2]), (Some(Mark::Waiting), vec![2; 2])]);
    assert_eq!(files(directory.path()), before);
    let path = directory.path().join("log");
    assert!(matches!(Log::remove(&path), Err(OpenError::Locked(_))));
    drop((log, entries));
    Log::remove(&path).expect("removed");
    assert!(!path.exists());
}
