//! Reports: each counts once, whatever is sent again.

use control_plane::experiment::ExperimentId;
use control_plane::labels::Labels;
use control_plane::store::agents::{self, Agent, Credential};
use control_plane::store::windows::{self, Filed, Key};
use control_plane::store::{Store, Tx, experiments};

use super::experiments::experiment;
use super::{LATER, NOW, ONE, OTHER, on_every_engine, uid, with_token};

on_every_engine!(
    a_report_is_filed_once_by_its_key,
    stretches_of_one_process_and_generation_do_not_overlap,
    old_bodies_are_forgotten_and_go_on_counting,
    the_last_report_of_each_agent_is_one,
);

async fn under_way(store: &Store) -> (Tx, ExperimentId) {
    let mut tx = with_token(store).await;
    let experiment = experiment(ONE, 1);
    experiments::insert(&mut tx, &experiment).await.unwrap();
    for number in [1, 2] {
        let agent = Agent {
            uid: uid(number),
            labels: Labels::default(),
            host: String::new(),
            version: String::new(),
            enrolled_by: "token".to_owned(),
            enrolled_at: NOW,
            credential_used_at: None,
            last_seen: None,
            status: "enrolled".to_owned(),
            health: None,
            offered_hash: None,
            effective_hash: None,
        };
        let id = number.to_string();
        agents::insert(&mut tx, ONE, &agent, Credential { id: &id, hash: "h" }).await.unwrap();
    }
    (tx, experiment.id)
}

fn key(experiment_id: ExperimentId, number: u8, generation: i64, window_start: i64) -> Key<'static> {
    Key { tenant_id: ONE, experiment_id, agent: uid(number), boot_id: "boot", generation, window_start }
}

async fn file(tx: &mut Tx, key: &Key<'_>, end: i64, digest: &str) -> Filed {
    let body = digest.as_bytes();
    windows::insert(tx, key, (end, "mirror"), (digest, body), [Some(0.5), None], NOW).await.unwrap()
}

async fn a_report_is_filed_once_by_its_key(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    assert_eq!(file(&mut tx, &key(id, 1, 1, 0), 10, "a").await, Filed::New);
    assert_eq!(file(&mut tx, &key(id, 1, 1, 0), 10, "a").await, Filed::Again);
    assert_eq!(file(&mut tx, &key(id, 1, 1, 0), 10, "b").await, Filed::Other);
    let found = windows::of_step(&mut tx, (ONE, id), uid(1), "mirror", 0).await.unwrap();
    assert_eq!((found.bodies, found.count, found.received_at), (vec![b"a".to_vec()], 1, Some(NOW)));
    let ended = windows::of_step(&mut tx, (ONE, id), uid(1), "mirror", 10).await.unwrap();
    assert_eq!(ended.count, 0, "it has ended by then");
    assert_eq!(windows::of_step(&mut tx, (OTHER, id), uid(1), "mirror", 0).await.unwrap().count, 0);
    let varied = windows::varied(&mut tx, (ONE, id), uid(1)).await.unwrap();
    let [varied] = varied.as_slice() else { panic!("expected one, got {varied:?}") };
    assert!((varied.start, varied.mirror, varied.nanos_per_point) == (0, true, Some(0.5)), "{varied:?}");
    assert_eq!(varied.latency_p99, None);
}

async fn stretches_of_one_process_and_generation_do_not_overlap(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    assert_eq!(file(&mut tx, &key(id, 1, 1, 100), 200, "a").await, Filed::New);
    assert_eq!(file(&mut tx, &key(id, 1, 1, 150), 250, "b").await, Filed::Overlaps);
    assert_eq!(file(&mut tx, &key(id, 1, 1, 50), 101, "c").await, Filed::Overlaps);
    assert_eq!(file(&mut tx, &key(id, 1, 1, 200), 300, "d").await, Filed::New);
    assert_eq!(file(&mut tx, &key(id, 1, 1, 0), 100, "e").await, Filed::New);
    assert_eq!(file(&mut tx, &key(id, 1, 2, 150), 250, "f").await, Filed::New, "another generation");
    let another = Key { boot_id: "another", ..key(id, 1, 1, 150) };
    assert_eq!(file(&mut tx, &another, 250, "g").await, Filed::New, "another process");
    assert_eq!(file(&mut tx, &key(id, 2, 1, 150), 250, "h").await, Filed::New, "another agent");
}

async fn old_bodies_are_forgotten_and_go_on_counting(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    let all = windows::KEPT + 3;
    for at in 0..i64::from(all) {
        assert_eq!(file(&mut tx, &key(id, 1, 1, at), at + 1, &format!("{at}")).await, Filed::New);
    }
    let found = windows::of_step(&mut tx, (ONE, id), uid(1), "mirror", 0).await.unwrap();
    assert_eq!(found.count, all);
    assert_eq!(found.bodies.len(), windows::KEPT as usize);
    assert_eq!(found.bodies[0], b"3", "the oldest are gone, the order is that of time");
}

async fn the_last_report_of_each_agent_is_one(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    file(&mut tx, &key(id, 1, 1, 0), 10, "old").await;
    file(&mut tx, &key(id, 1, 1, 10), 20, "new").await;
    let again = (("newer", b"newer".as_slice()), [None, None]);
    let key_of_second = key(id, 1, 2, 10);
    windows::insert(&mut tx, &key_of_second, (20, "mirror"), again.0, again.1, LATER).await.unwrap();
    file(&mut tx, &key(id, 2, 1, 5), 15, "other").await;
    let last = windows::last_of_each(&mut tx, ONE, id).await.unwrap();
    assert_eq!(last, [(uid(1), b"newer".to_vec()), (uid(2), b"other".to_vec())]);
}
