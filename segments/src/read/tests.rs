use super::*;
use crate::frame::frame;

const SALT: u64 = 0x1234_5678_9abc_def0;

/// A file of these payloads.
fn file(payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for payload in payloads {
        let header = frame(7, &[payload], SALT, bytes.len() as u64);
        bytes.extend(header);
        bytes.extend(*payload);
    }
    bytes
}

fn payloads(bytes: &[u8]) -> Vec<Vec<u8>> {
    let records = Reader::new(bytes, SALT, 0).filter_map(|found| match found {
        Found::Record(record) => Some(record.payload.to_vec()),
        Found::Damage(_) => None,
    });
    records.collect()
}

fn damage(bytes: &[u8]) -> Vec<Damage> {
    let damage = Reader::new(bytes, SALT, 0).filter_map(|found| match found {
        Found::Record(_) => None,
        Found::Damage(damage) => Some(damage),
    });
    damage.collect()
}

const PAYLOADS: [&[u8]; 4] = [b"first", b"", b"the third, with Phx1 in it", b"last"];

#[test]
fn whatever_byte_is_flipped_every_other_record_is_read_and_the_damage_is_told() {
    let whole = file(&PAYLOADS);
    assert_eq!(payloads(&whole), PAYLOADS);
    assert_eq!(damage(&whole), []);
    let starts: Vec<usize> =
        (0..PAYLOADS.len()).map(|n| file(&PAYLOADS[..n]).len()).chain([whole.len()]).collect();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            let hit = starts.iter().rposition(|start| *start <= at).expect("in a record");
            let mut left = PAYLOADS.to_vec();
            let is_mark = at - starts[hit] == 4;
            if is_mark {
                // The record stands; that its state is not known is told with it.
                let marks = Reader::new(&bytes, SALT, 0).filter_map(|found| match found {
                    Found::Record(record) => Some(record.mark),
                    Found::Damage(_) => None,
                });
                assert_eq!(marks.filter(Option::is_none).count(), 1);
            } else {
                left.remove(hit);
            }
            assert_eq!(payloads(&bytes), left, "byte {at}, bit {bit}");
            let told = damage(&bytes);
            if !is_mark {
                let bytes = (starts[hit + 1] - starts[hit]) as u64;
                let offset = starts[hit] as u64;
                assert_eq!(told, [Damage { offset, bytes, is_torn_end: false }], "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn wherever_a_file_ends_all_records_before_are_read_and_the_rest_is_a_torn_end() {
    let whole = file(&PAYLOADS);
    for end in 0..whole.len() {
        let bytes = &whole[..end];
        let complete = (0..=PAYLOADS.len()).rev().find(|n| file(&PAYLOADS[..*n]).len() <= end).expect("some");
        assert_eq!(payloads(bytes), PAYLOADS[..complete], "{end}");
        let start = file(&PAYLOADS[..complete]).len();
        let torn = Damage { offset: start as u64, bytes: (end - start) as u64, is_torn_end: true };
        assert_eq!(damage(bytes), if end > start { vec![torn] } else { vec![] }, "{end}");
    }
}

#[test]
fn a_frame_inside_of_a_payload_is_never_a_record() {
    // As a sender would make it who knows the format, and even the place, but not the salt.
    for forged_salt in [0, SALT ^ 1] {
        let forged = frame(7, &[b"forged"], forged_salt, 20);
        let payload = [&forged[..], b"forged"].concat();
        let mut bytes = file(&[&payload, b"next"]);
        bytes[9] ^= 1;
        assert_eq!(payloads(&bytes), [b"next"]);
    }
    // A record of the same file in another place is none either.
    let whole = file(&PAYLOADS);
    let copied = [&whole[..], &whole[..]].concat();
    assert_eq!(payloads(&copied), PAYLOADS);
}

#[test]
fn bytes_taken_out_or_put_in_cost_what_they_touch() {
    let whole = file(&[b"one", b"two", b"three"]);
    let start = file(&[b"one"]).len();
    // Records behind are in another place than they were made for: they are not trusted.
    let shorter = [&whole[..start - 1], &whole[start..]].concat();
    assert_eq!(payloads(&shorter), Vec::<Vec<u8>>::new());
    let zeroed = [&whole[..start], &vec![0; 4096]].concat();
    assert_eq!(payloads(&zeroed), [b"one"]);
    assert_eq!(damage(&zeroed), [Damage { offset: start as u64, bytes: 4096, is_torn_end: false }]);
}
