use super::{Again, Finding, Last, LastWrite, Past};

/// Findings about points, each a writer, a time and a value; the entity of a writer is a tenth of it.
fn findings(points: &[(u32, u64, u64)]) -> (Vec<Finding>, Option<Box<Past>>) {
    let written = |&(writer, time, value): &(u32, u64, u64)| LastWrite { writer, time, value };
    let (mut last, mut past) = (Last::new(written(&points[0])), None);
    let entity = |writer: u32| u64::from(writer / 10);
    let found = points[1..].iter().map(|point| last.observe(&mut past, written(point), entity)).collect();
    (found, past)
}

fn collides(points: &[(u32, u64)]) -> bool {
    let points: Vec<_> = points.iter().map(|(writer, time)| (*writer, *time, 0)).collect();
    findings(&points).0.iter().any(|found| found.other.is_some())
}

const A: u32 = 10;
const B: u32 = 20;

#[test]
fn two_series_at_one_time_collide_even_of_one_entity_and_in_later_requests() {
    assert!(collides(&[(10, 10), (11, 10)]));
    assert!(collides(&[(A, 10), (B, 10)]));
    assert!(collides(&[(10, 10), (11, 15), (10, 20), (10, 30), (11, 20), (11, 30)]));
}

#[test]
fn two_entities_that_each_come_back_after_the_other_collide() {
    assert!(collides(&[(A, 10), (B, 11), (A, 20), (B, 21)]));
    assert!(collides(&[(A, 10), (B, 11), (30, 12), (B, 21), (A, 22), (B, 31)]), "the first is none of them");
    assert!(collides(&[(A, 10), (A, 20), (B, 25), (B, 26), (A, 30), (A, 40), (B, 45)]));
}

#[test]
fn entities_whose_clocks_are_far_apart_collide_when_they_have_come_back_twice() {
    let turns = [(A, 10), (B, 910), (A, 20), (B, 920), (A, 30), (B, 930)];
    assert!(collides(&turns) && !collides(&turns[..5]));
}

#[test]
fn a_late_request_of_an_entity_that_another_replaced_collides_with_nothing() {
    assert!(!collides(&[(A, 10), (B, 20), (A, 15), (B, 30), (B, 40)]));
}

#[test]
fn three_hundred_entities_that_take_turns_collide_in_the_second_round() {
    let turns: Vec<_> = (0..600).map(|turn| (turn % 300 * 10, u64::from(turn))).collect();
    assert!(collides(&turns));
    assert!(!collides(&turns[..300]), "each has written once: they may be replacing one another");
}

#[test]
fn an_entity_that_replaces_another_for_good_does_not_collide() {
    assert!(!collides(&[(A, 10), (A, 20), (B, 30), (B, 40), (50, 50), (50, 60)]));
    assert!(!collides(&[(A, 10), (B, 30), (B, 40), (A, 50), (A, 60)]), "and is replaced in turn");
}

#[test]
fn turns_within_one_entity_never_collide() {
    let titles: Vec<_> = (0..100_u32).map(|turn| (10 + turn % 4, u64::from(turn))).collect();
    assert!(!collides(&titles));
}

#[test]
fn requests_that_are_sent_again_are_duplicates_and_collide_with_nothing() {
    let (found, _) = findings(&[(A, 10, 1), (A, 10, 1), (A, 20, 2), (A, 20, 3)]);
    let found: Vec<_> = found.iter().map(|found| found.again).collect();
    assert_eq!(found, [Some(Again::Duplicate), None, Some(Again::Conflict)]);
    // A request of before the other took over comes again, and again.
    let again =
        [(A, 10, 1), (B, 20, 1), (A, 10, 1), (B, 20, 1), (A, 10, 1), (B, 30, 1), (A, 10, 1), (B, 40, 1)];
    assert!(!collides(&again.map(|(writer, time, _)| (writer, time))));
    assert_eq!(findings(&again).0[1].again, Some(Again::Duplicate));
}

#[test]
fn a_point_that_comes_again_is_told_of_series_that_collide_too() {
    let (found, _) = findings(&[(10, 10, 1), (11, 10, 2), (10, 10, 1), (11, 10, 3)]);
    let told: Vec<_> = found.iter().map(|found| (found.again, found.other)).collect();
    let (duplicate, conflict) = (Some(Again::Duplicate), Some(Again::Conflict));
    assert_eq!(told, [(None, Some(10)), (duplicate, Some(11)), (conflict, Some(10))]);
}

#[test]
fn two_that_overlap_are_found_after_any_number_that_came_and_went_and_what_was_forgotten_is_told() {
    let mut points: Vec<_> = (0..500_u32).map(|turn| (turn * 10, u64::from(turn), 0)).collect();
    assert!(!findings(&points[..60]).1.expect("several wrote it").forgot);
    points.extend([(4_980, 600, 0), (4_990, 601, 0), (4_980, 602, 0)]);
    let (found, past) = findings(&points);
    assert!(found.iter().any(|found| found.other.is_some()));
    assert!(past.expect("several wrote it").forgot);
}
