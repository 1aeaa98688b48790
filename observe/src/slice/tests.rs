//! Slices of several agents: what they cover, how they merge and meet.

use proptest::prelude::*;

use super::*;

fn entry(key: u64, writer: u32, baseline: u32, life: (u64, u64)) -> SliceEntry {
    SliceEntry { key, writer, baseline, began: life.0, last: life.1 }
}

fn slice(entries: &[SliceEntry]) -> Slice {
    let mut slice = Slice::of(1);
    entries.iter().for_each(|entry| slice.insert(*entry));
    slice
}

fn meetings(one: SliceEntry, other: SliceEntry) -> Vec<(u64, Meeting)> {
    slice(&[one]).meets(&slice(&[other]), 10).collect()
}

#[test]
fn different_writers_whose_stretches_overlap_collide_and_one_that_takes_over_does_not() {
    let collision = |shared| vec![(7, Meeting::Collision { shared })];
    let of = |writer, life| entry(7, writer, writer + 10, life);
    assert_eq!(meetings(of(1, (0, 60)), of(2, (0, 60))), collision(false));
    assert_eq!(meetings(of(1, (0, 60)), of(2, (70, 90))), [], "it takes over");
    assert_eq!(meetings(of(1, (0, 60)), of(2, (50, 90))), [], "clocks may differ by a window");
    assert_eq!(meetings(of(1, (0, 60)), of(2, (30, 30))), [], "it was seen once");
    assert_eq!(meetings(of(1, (0, 60)), entry(8, 2, 1, (0, 60))), [], "another identity");
}

#[test]
fn stretches_of_a_clock_that_is_off_are_placed_by_the_other_one() {
    // It took over at 60, and its clock says 30.
    let (before, after) = (slice(&[entry(7, 1, 1, (0, 60))]), slice(&[entry(7, 2, 1, (30, 90))]));
    assert_eq!(before.meets(&after, 10).count(), 1);
    assert_eq!(before.meets(&after.by_a_clock_ahead(-30), 10).count(), 0);
    assert_eq!(before.by_a_clock_ahead(30).meets(&after, 10).count(), 0);
}

#[test]
fn one_writer_through_two_agents_is_one_series_however_long() {
    assert_eq!(meetings(entry(7, 1, 1, (0, 60)), entry(7, 1, 1, (60, 60))), [(7, Meeting::OneSeries)]);
}

#[test]
fn writers_that_the_baseline_puts_under_one_identity_collide_in_the_baseline_too() {
    let of = |writer, baseline| entry(7, writer, baseline, (0, 60));
    assert_eq!(meetings(of(1, 5), of(2, 5)), [(7, Meeting::Collision { shared: true })]);
    assert_eq!(
        meetings(of(1, 0), of(2, 0)),
        [(7, Meeting::Collision { shared: false })],
        "it puts out neither"
    );
}

#[test]
fn an_agent_of_no_series_has_one_slice_and_the_number_grows_by_powers_of_two() {
    assert_eq!([0, 64, 65, 6_300, 131_072].map(|series| slices_of(series, 1)), [1, 1, 2, 128, 2_048]);
    assert_eq!((slices_of(64, 2), slices_of(u64::MAX, 1)), (2, MAX_SLICES));
}

#[test]
fn past_the_bound_a_slice_says_that_it_is_not_whole() {
    let entries: Vec<_> = (0..=MAX_ENTRIES as u64).map(|key| entry(key, 1, 0, (0, 1))).collect();
    let whole = slice(&entries[1..]);
    assert!(!whole.truncated && slice(&entries).truncated);
}

fn slices() -> impl Strategy<Value = Slice> {
    let entry = (0_u64..32, 0_u32..3, 0_u32..3, 0_u64..90, 0_u64..90);
    (0_u32..4, proptest::collection::vec(entry, 0..12)).prop_map(|(power, entries)| {
        let mut slice = Slice::of(1 << power);
        for (key, writer, baseline, one, other) in entries {
            let life = (one.min(other), one.max(other));
            if Slice::covers(slice.slices, TURN_OF_TEST, key) {
                slice.insert(SliceEntry { key, writer, baseline, began: life.0, last: life.1 });
            }
        }
        slice
    })
}

const TURN_OF_TEST: u64 = 5;

fn merged<'a>(parts: impl IntoIterator<Item = &'a Slice>) -> Slice {
    let mut all = Slice::of(1);
    parts.into_iter().for_each(|part| all.merge(TURN_OF_TEST, part));
    all
}

fn sorted(meetings: impl Iterator<Item = (u64, Meeting)>) -> Vec<String> {
    let mut all: Vec<String> = meetings.map(|meeting| format!("{meeting:?}")).collect();
    all.sort_unstable();
    all
}

proptest! {
    #[test]
    fn what_an_agent_tells_of_a_turn_merges_in_any_order_to_the_same(
        a in slices(), b in slices(), c in slices(),
    ) {
        let one = merged([&a, &b, &c]);
        prop_assert_eq!(&one, &merged([&c, &a, &b]));
        prop_assert_eq!(&one, &merged([&a, &merged([&b, &c])]));
        prop_assert_eq!(&one, &merged([&one, &a]));
    }

    #[test]
    fn two_agents_meet_alike_whoever_is_looked_at_first(a in slices(), b in slices()) {
        prop_assert_eq!(sorted(a.meets(&b, 10)), sorted(b.meets(&a, 10)));
    }

    #[test]
    fn as_many_turns_as_slices_cover_every_key_once(key: u64, power in 0_u32..9, first in 0_u64..1_000) {
        let slices = 1_u32 << power;
        let turns = (first..first + u64::from(slices)).filter(|turn| Slice::covers(slices, *turn, key));
        prop_assert_eq!(turns.count(), 1);
    }

    #[test]
    fn a_larger_agents_slice_lies_within_a_smaller_ones(key: u64, turn: u64, less in 0_u32..8, more in 0_u32..8) {
        let (less, more) = (1_u32 << less.min(more), 1_u32 << less.max(more));
        prop_assert!(!Slice::covers(more, turn, key) || Slice::covers(less, turn, key));
    }
}
