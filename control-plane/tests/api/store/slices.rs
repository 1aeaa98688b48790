//! Slices of agents: what a turn covers, and which collisions stand, whatever came first.

use control_plane::experiment::ExperimentId;
use control_plane::experiment::across::{AcrossAgents, CollisionName, MAX_COLLISIONS, Turn};
use control_plane::store::slices::{self, AgentsCollision, Told};
use control_plane::store::{Store, Tx, experiments};

use super::experiments::experiment;
use super::{EVERYBODY, LATER, NOW, ONE, OTHER, on_every_engine, uid};

on_every_engine!(
    a_turn_covers_what_all_its_agents_have_told_whole,
    of_an_identity_one_collision_stands_whatever_came_first,
    a_collision_is_named_once_and_by_an_agent_that_has_it,
    old_turns_are_forgotten_and_cover_what_they_did,
    turns_that_say_nothing_new_are_dropped_and_the_cover_is_that_of_all,
    past_the_bound_collisions_are_not_kept_and_what_is_shared_takes_no_room,
);

async fn under_way(store: &Store) -> (Tx, ExperimentId) {
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    let experiment = experiment(ONE, 1);
    experiments::insert(&mut tx, &experiment).await.unwrap();
    (tx, experiment.id)
}

async fn told(tx: &mut Tx, id: ExperimentId, agent: u8, turn: (i64, bool), slices: u32, truncated: bool) {
    let told = Told { slices, truncated, body: b"slice" };
    slices::keep(tx, (ONE, id), turn, &[(uid(agent), told)]).await.unwrap();
}

async fn a_turn_covers_what_all_its_agents_have_told_whole(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    told(&mut tx, id, 1, (7, false), 1, false).await;
    told(&mut tx, id, 2, (7, true), 4, false).await;
    told(&mut tx, id, 1, (7, false), 2, false).await;
    told(&mut tx, id, 1, (8, false), 1, false).await;
    told(&mut tx, id, 2, (8, false), 1, true).await;
    let across = slices::across(&mut tx, (ONE, id)).await.unwrap();
    let turns: Vec<_> = across.turns.iter().map(|t| (t.turn, t.slices, t.agents, t.overlaps)).collect();
    assert_eq!(turns, [(7, 4, 2, true), (8, 1, 1, false)]);
    let bodies = slices::of_turn(&mut tx, (ONE, id), 7).await.unwrap();
    assert_eq!(bodies, [(uid(1), b"slice".to_vec()), (uid(2), b"slice".to_vec())]);
    assert!(slices::across(&mut tx, (OTHER, id)).await.unwrap().turns.is_empty());
}

fn found(key: u64, shared: bool, agents: [u8; 2]) -> AgentsCollision {
    AgentsCollision { key, shared, agents: agents.map(uid) }
}

async fn of_an_identity_one_collision_stands_whatever_came_first(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    let all = [found(u64::MAX, true, [1, 2]), found(u64::MAX, false, [2, 3]), found(u64::MAX, false, [1, 3])];
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        for next in order {
            slices::collides(&mut tx, (ONE, id), all[next], NOW).await.unwrap();
        }
        let across = slices::across(&mut tx, (ONE, id)).await.unwrap();
        assert_eq!((across.collisions, across.since), (1, Some(NOW)));
        assert_eq!(across.found[0].agents, [uid(1), uid(3)]);
    }
}

async fn a_collision_is_named_once_and_by_an_agent_that_has_it(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    let of = (ONE, id);
    slices::collides(&mut tx, of, found(7, false, [1, 2]), NOW).await.unwrap();
    slices::collides(&mut tx, of, found(8, true, [1, 2]), NOW).await.unwrap();
    assert_eq!(slices::unnamed(&mut tx, of).await.unwrap(), [(7, [uid(1), uid(2)])]);
    assert!(slices::unnamed(&mut tx, (OTHER, id)).await.unwrap().is_empty());
    let name = |metric: &str| CollisionName { metric: metric.to_owned(), ..CollisionName::default() };
    slices::name(&mut tx, of, uid(3), 7, &name("foreign")).await.unwrap();
    slices::name(&mut tx, of, uid(2), 7, &name("first")).await.unwrap();
    slices::name(&mut tx, of, uid(1), 7, &name("second")).await.unwrap();
    let across = slices::across(&mut tx, of).await.unwrap();
    assert_eq!(across.found[0].named, Some(name("first")));
    assert!(slices::unnamed(&mut tx, of).await.unwrap().is_empty());
}

async fn old_turns_are_forgotten_and_cover_what_they_did(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    for turn in [7, 8, 68] {
        told(&mut tx, id, 1, (turn, false), 1, false).await;
    }
    let of = (ONE, id);
    assert!(slices::of_turn(&mut tx, of, 8).await.unwrap().is_empty());
    let turns = slices::across(&mut tx, of).await.unwrap().turns;
    assert_eq!(turns.iter().map(|one| one.turn).collect::<Vec<_>>(), [8, 68], "8 says what 7 said");
    assert!(
        slices::is_past(&mut tx, of, 8).await.unwrap() && !slices::is_past(&mut tx, of, 9).await.unwrap()
    );
}

async fn past_the_bound_collisions_are_not_kept_and_what_is_shared_takes_no_room(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    let of = (ONE, id);
    slices::collides(&mut tx, of, found(1 << 40, true, [1, 2]), NOW).await.unwrap();
    for key in 0..MAX_COLLISIONS + 3 {
        slices::collides(&mut tx, of, found(key, false, [1, 2]), LATER).await.unwrap();
    }
    let across = slices::across(&mut tx, of).await.unwrap();
    assert_eq!((across.collisions, across.since), (MAX_COLLISIONS, Some(LATER)));
}

async fn turns_that_say_nothing_new_are_dropped_and_the_cover_is_that_of_all(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    let mut all = AcrossAgents::default();
    // Eight slices, of which the third is told by one agent alone for long; once a fleet of more slices, and once an overlap.
    for turn in 0..400_u32 {
        let slices = if turn == 40 { 16 } else { 8 };
        let agents = if turn % 8 == 3 && turn < 200 { 1 } else { 2 };
        let overlaps = turn == 77;
        for agent in 1..=agents {
            told(&mut tx, id, agent, (i64::from(turn), overlaps), slices, false).await;
        }
        let agents = u32::from(agents);
        all.turns.push(Turn { turn: u64::from(turn), slices, agents, overlaps });
        if turn % 7 == 0 || turn > 390 {
            let kept = slices::across(&mut tx, (ONE, id)).await.unwrap();
            for least in 0..3 {
                assert_eq!(kept.cover(least).to_bits(), all.cover(least).to_bits(), "{turn} {least}");
            }
            assert_eq!(kept.overlaps(), all.overlaps(), "{turn}");
            assert!(kept.turns.len() <= 60 + 2 * 8 + 2, "{turn}: {}", kept.turns.len());
        }
    }
}
