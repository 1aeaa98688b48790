//! Reports: each counts once, whatever is sent again.

use control_plane::clock::UnixMillis;
use control_plane::experiment::ExperimentId;
use control_plane::id::{AgentUid, TenantId};
use control_plane::labels::{Attributes, Labels};
use control_plane::store::agents::{self, Agent, Credential};
use control_plane::store::reports::{self, Content, Filed, KEPT, Key};
use control_plane::store::windows::{self, Kept, is_after_restart};
use control_plane::store::{Store, StoreError, Tx, experiments, query, refusals, sums};

use super::experiments::experiment;
use super::{EVERYBODY, LATER, NOW, ONE, OTHER, on_every_engine, uid, with_token};

on_every_engine!(
    a_report_is_filed_once_by_its_key,
    stretches_of_one_process_and_generation_do_not_overlap,
    old_bodies_are_forgotten_and_go_on_counting,
    the_last_report_of_each_agent_is_one,
    horizons_without_points_are_counted_apart_and_cover_no_stretch,
    windows_are_placed_by_our_clock_and_the_furthest_offset_is_told,
    refused_reports_are_counted_by_agent_and_cause,
    the_first_horizon_after_a_restart_is_marked,
    the_last_body_of_each_process_and_pair_of_plans_is_kept,
    what_each_baseline_covers_is_told_and_a_stretch_after_a_time_is_of_one_agent,
);

pub async fn under_way(store: &Store) -> (Tx, ExperimentId) {
    let mut tx = with_token(store).await;
    let experiment = experiment(ONE, 1);
    experiments::insert(&mut tx, &experiment).await.unwrap();
    for number in [1, 2] {
        let agent = Agent {
            uid: uid(number),
            instance_uid: uid(number),
            node: None,
            attributes: Attributes::default(),
            replaced_at: None,
            conflict_at: None,
            archived_at: None,
            labels: Labels::default(),
            host: String::new(),
            version: String::new(),
            enrolled_by: "token".to_owned(),
            enrolled_at: NOW,
            credential_used_at: None,
            last_seen: None,
            status: "enrolled".to_owned(),
            replica: None,
            health: None,
            offered_hash: None,
            effective_hash: None,
            local_override_pending: false,
            refuses_configs: false,
            own_credential: true,
            settings_status: None,
            settings_error: None,
        };
        let id = number.to_string();
        agents::insert(&mut tx, ONE, &agent, Credential { id: &id, hash: "h" }).await.unwrap();
    }
    (tx, experiment.id)
}

pub fn key(experiment_id: ExperimentId, number: u8, generation: i64, window_start: i64) -> Key<'static> {
    Key { experiment_id, agent: uid(number), boot_id: "boot", generation, window_start }
}

pub async fn file(tx: &mut Tx, key: &Key<'_>, end: i64, digest: &str) -> Filed {
    filed(tx, key, content(end, digest)).await
}

/// Looks for a report, and keeps it if it is new.
pub async fn filed(tx: &mut Tx, key: &Key<'_>, content: Content<'_>) -> Filed {
    let asked = [(key.clone(), content.window_end)];
    let found = reports::kept(tx, ONE, &asked).await.unwrap()[0].filed(key.window_start, content.digest);
    if found == Filed::New {
        reports::insert(tx, ONE, &[(key.clone(), content)]).await.unwrap();
    }
    found
}

/// An agent's horizons in a step: how many there are, and those that are kept, each with whether it is the first after a restart.
#[derive(Debug)]
struct OfStep {
    counted: u32,
    idle: u32,
    received_at: Option<UnixMillis>,
    clock_ahead: Option<i64>,
    bodies: Vec<(Vec<u8>, bool)>,
    kept: Vec<Kept>,
}

async fn of_step(
    tx: &mut Tx,
    of: (TenantId, ExperimentId),
    agent: AgentUid,
    step: &str,
    since: i64,
) -> Result<OfStep, StoreError> {
    let sums = sums::All::of(tx, of).await?;
    let found = sums.counted(tx, of, (agent, step), since).await?;
    let kept = windows::kept_of_step(tx, of, (agent, step), (since, u32::MAX), None).await?;
    let boots = sums.boots(agent);
    let body = |one: &Kept| (one.body.clone(), is_after_restart(&boots, (&one.key.0, one.key.2)));
    Ok(OfStep {
        counted: found.counted,
        idle: found.idle,
        received_at: found.received_at,
        clock_ahead: found.clock_ahead(),
        bodies: kept.iter().map(body).collect(),
        kept,
    })
}

/// The offset that is frozen for the process and the generation of a report.
async fn frozen(tx: &mut Tx, key: &Key<'_>) -> Option<i64> {
    reports::kept(tx, ONE, &[(key.clone(), key.window_start + 1)]).await.unwrap()[0].clock_offset
}

pub fn content(window_end: i64, digest: &str) -> Content<'_> {
    let (body, varied) = (digest.as_bytes(), [Some(0.5), None]);
    Content {
        window_end,
        step: "mirror",
        digest,
        body,
        received_at: NOW,
        points_in: 7,
        plans: "plans",
        baseline: "baseline",
        varied,
        clock_ahead: None,
        clock_offset: 0,
    }
}

async fn a_report_is_filed_once_by_its_key(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    assert_eq!(file(&mut tx, &key(id, 1, 1, 0), 10, "a").await, Filed::New);
    assert_eq!(file(&mut tx, &key(id, 1, 1, 0), 10, "a").await, Filed::Again);
    assert_eq!(file(&mut tx, &key(id, 1, 1, 0), 10, "b").await, Filed::Other);
    let found = of_step(&mut tx, (ONE, id), uid(1), "mirror", 0).await.unwrap();
    assert_eq!((found.bodies, found.counted, found.received_at), (vec![body(b"a", false)], 1, Some(NOW)));
    let ended = of_step(&mut tx, (ONE, id), uid(1), "mirror", 10).await.unwrap();
    assert_eq!(ended.counted, 0, "it has ended by then");
    assert_eq!(of_step(&mut tx, (OTHER, id), uid(1), "mirror", 0).await.unwrap().counted, 0);
    let found = windows::varied(&mut tx, (ONE, id), [i64::MIN, i64::MAX]).await.unwrap();
    let [(agent, varied)] = found.rows.as_slice() else { panic!("expected one, got {found:?}") };
    assert_eq!((*agent, found.all), (uid(1), 1));
    let none = windows::varied(&mut tx, (ONE, id), [1, i64::MAX]).await.unwrap();
    assert_eq!((none.rows.len(), none.all), (0, 1), "it began before");
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
    let all = KEPT + 3;
    for at in 0..i64::from(all) {
        assert_eq!(file(&mut tx, &key(id, 1, 1, at), at + 1, &format!("{at}")).await, Filed::New);
    }
    let found = of_step(&mut tx, (ONE, id), uid(1), "mirror", 0).await.unwrap();
    assert_eq!(found.counted, all);
    assert_eq!(found.bodies.len(), KEPT as usize);
    assert_eq!(found.bodies[0], body(b"3", false), "the oldest are gone, the order is that of time");
}

async fn the_last_report_of_each_agent_is_one(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    file(&mut tx, &key(id, 1, 1, 0), 10, "old").await;
    file(&mut tx, &key(id, 1, 1, 10), 20, "new").await;
    filed(&mut tx, &key(id, 1, 2, 10), Content { received_at: LATER, ..content(20, "newer") }).await;
    file(&mut tx, &key(id, 2, 1, 5), 15, "other").await;
    let last = windows::last_of_each(&mut tx, ONE, id).await.unwrap();
    assert_eq!(last, [(uid(1), b"newer".to_vec()), (uid(2), b"other".to_vec())]);
}

async fn horizons_without_points_are_counted_apart_and_cover_no_stretch(store: &Store) {
    const HOUR: i64 = 3_600_000_000_000;
    let (mut tx, id) = under_way(store).await;
    let empty = Content { points_in: 0, ..content(5 * HOUR, "empty") };
    filed(&mut tx, &key(id, 1, 1, 4 * HOUR), empty).await;
    let found = of_step(&mut tx, (ONE, id), uid(1), "mirror", 0).await.unwrap();
    assert_eq!((found.counted, found.idle), (0, 1));
    assert_eq!(sums::stretch(&mut tx, (ONE, id), false, None).await.unwrap(), None);
    // An hour of the next week is the same hour of the week.
    for start in [170 * HOUR, 2 * HOUR, 9 * HOUR] {
        file(&mut tx, &key(id, 2, 1, start), start + 1, &start.to_string()).await;
    }
    let stretch = sums::stretch(&mut tx, (ONE, id), false, None).await.unwrap().unwrap();
    assert_eq!((stretch.from, stretch.to, stretch.hours), (2 * HOUR, 170 * HOUR + 1, vec![2, 9]));
    assert_eq!(
        sums::stretch(&mut tx, (ONE, id), true, None).await.unwrap(),
        None,
        "nothing is of the step aa"
    );
    assert_eq!(sums::stretch(&mut tx, (OTHER, id), false, None).await.unwrap(), None);
}

async fn windows_are_placed_by_our_clock_and_the_furthest_offset_is_told(store: &Store) {
    const HOUR: i64 = 3_600_000_000_000;
    let (mut tx, id) = under_way(store).await;
    let behind = |end, digest, measured| Content {
        clock_ahead: Some(measured),
        clock_offset: -10 * HOUR,
        ..content(end, digest)
    };
    let one = key(id, 1, 1, 0);
    assert_eq!(frozen(&mut tx, &one).await, None);
    filed(&mut tx, &one, behind(10, "a", -36_000_000)).await;
    assert_eq!(frozen(&mut tx, &one).await, Some(-10 * HOUR));
    assert_eq!(frozen(&mut tx, &key(id, 1, 2, 0)).await, None, "of each generation");
    filed(&mut tx, &key(id, 1, 1, 10), behind(20, "b", -36_000_007)).await;
    let found = of_step(&mut tx, (ONE, id), uid(1), "mirror", 10 * HOUR).await.unwrap();
    assert_eq!(
        (found.counted, found.clock_ahead),
        (2, Some(-36_000_007)),
        "both ended after ten hours of ours"
    );
    assert!(found.kept.iter().all(|one| one.clock_offset == -10 * HOUR), "{:?}", found.kept);
    let stretch = sums::stretch(&mut tx, (ONE, id), false, None).await.unwrap().unwrap();
    assert_eq!((stretch.from, stretch.to, stretch.hours), (10 * HOUR, 10 * HOUR + 20, vec![10]));
    let varied = windows::varied(&mut tx, (ONE, id), [i64::MIN, i64::MAX]).await.unwrap();
    assert_eq!(varied.rows[1].1.start, 10 * HOUR + 10);
}

/// Rows of horizons that a change has read so far.
pub async fn rows_read(tx: &mut Tx) -> i64 {
    let read = query(
        "SELECT COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0) AS read FROM pg_stat_xact_user_tables
         WHERE relname = 'experiment_windows'",
    );
    read.fetch_one(tx).await.unwrap().try_get("read").unwrap()
}

#[tokio::test]
async fn on_a_server_a_report_reads_as_many_rows_after_a_thousand_horizons_as_after_a_hundred() {
    let store = super::postgres().await;
    let (mut tx, id) = under_way(&store).await;
    let mut read = Vec::new();
    for at in 0..1_000 {
        if at % 50 == 0 {
            tx.commit().await.unwrap();
            tx = store.begin(EVERYBODY).await.unwrap();
        }
        let before = rows_read(&mut tx).await;
        assert_eq!(file(&mut tx, &key(id, 1, 1, at), at + 1, &at.to_string()).await, Filed::New);
        read.push(rows_read(&mut tx).await - before);
    }
    assert!(read[999] <= read[99] && read[99] < 3 * i64::from(KEPT), "{read:?}");
    drop(tx);
    store.close().await;
}

fn body(bytes: &[u8], after_restart: bool) -> (Vec<u8>, bool) {
    (bytes.to_vec(), after_restart)
}

async fn the_first_horizon_after_a_restart_is_marked(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    let other = Key { boot_id: "other", ..key(id, 1, 1, 0) };
    file(&mut tx, &key(id, 1, 1, 0), 10, "a").await;
    file(&mut tx, &key(id, 1, 1, 10), 20, "b").await;
    file(&mut tx, &Key { window_start: 25, ..other.clone() }, 30, "c").await;
    file(&mut tx, &Key { window_start: 30, ..other }, 40, "d").await;
    file(&mut tx, &Key { boot_id: "of another agent", ..key(id, 2, 1, 50) }, 60, "e").await;
    let found = of_step(&mut tx, (ONE, id), uid(1), "mirror", 0).await.unwrap();
    let expected = [body(b"a", false), body(b"b", false), body(b"c", true), body(b"d", false)];
    assert_eq!(found.bodies, expected);
    let found = of_step(&mut tx, (ONE, id), uid(2), "mirror", 0).await.unwrap();
    assert_eq!(found.bodies, [body(b"e", false)]);
}

async fn refused_reports_are_counted_by_agent_and_cause(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    let count = async |tx: &mut Tx, agent, cause, reason, at| {
        refusals::count(tx, (ONE, id, uid(agent)), cause, reason, at).await.unwrap();
    };
    count(&mut tx, 1, "time", "of the future", NOW).await;
    count(&mut tx, 1, "time", "ends before it begins", LATER).await;
    count(&mut tx, 1, "digest", "damaged", NOW).await;
    count(&mut tx, 2, "digest", "damaged", NOW).await;
    let found = refusals::of(&mut tx, (ONE, id)).await.unwrap();
    let seen: Vec<_> =
        found.iter().map(|one| (one.agent, one.reason.as_str(), one.reports, one.last_at)).collect();
    let expected = [
        (uid(1), "damaged", 1, NOW),
        (uid(1), "ends before it begins", 2, LATER),
        (uid(2), "damaged", 1, NOW),
    ];
    assert_eq!(seen, expected);
    assert_eq!(refusals::of(&mut tx, (OTHER, id)).await.unwrap(), [], "of no other tenant");
}

async fn the_last_body_of_each_process_and_pair_of_plans_is_kept(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    let before = Key { boot_id: "before", ..key(id, 1, 1, 0) };
    file(&mut tx, &before, 1, "of the first process").await;
    let other = Content { plans: "others", ..content(2, "of other plans") };
    filed(&mut tx, &key(id, 1, 1, 1), other).await;
    // So many that the bodies of both would be forgotten, if they were not the last of theirs.
    for at in 2..i64::from(KEPT) + 9 {
        file(&mut tx, &key(id, 1, 2, at), at + 1, &at.to_string()).await;
    }
    let bodies = windows::last_of_processes(&mut tx, (ONE, id), false, None).await.unwrap();
    let last = (KEPT + 8).to_string();
    let bodies: Vec<_> = bodies.into_iter().map(|(agent, _, body)| (agent == uid(1), body)).collect();
    let expected = [b"of the first process".to_vec(), b"of other plans".to_vec(), last.into_bytes()];
    assert_eq!(bodies, expected.map(|body| (true, body)));
    assert!(windows::last_of_processes(&mut tx, (ONE, id), true, None).await.unwrap().is_empty());
    assert!(windows::last_of_processes(&mut tx, (OTHER, id), false, None).await.unwrap().is_empty());
}

async fn what_each_baseline_covers_is_told_and_a_stretch_after_a_time_is_of_one_agent(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    for (number, start, baseline) in [(1, 0, "a"), (1, 10, "b"), (1, 20, "a"), (2, 0, "a")] {
        let digest = format!("{number} {start}");
        let content = Content { baseline, clock_offset: -100, ..content(start + 10, &digest) };
        filed(&mut tx, &key(id, number, 1, start), content).await;
    }
    let compared = sums::compared(&mut tx, (ONE, id)).await.unwrap();
    let told: Vec<_> =
        compared.iter().map(|one| (one.agent, one.baseline.as_str(), one.from, one.to)).collect();
    assert_eq!(told, [(uid(1), "a", 100, 130), (uid(1), "b", 110, 120), (uid(2), "a", 100, 110)]);
    assert_eq!(sums::compared(&mut tx, (OTHER, id)).await.unwrap(), []);
    let after = sums::stretch(&mut tx, (ONE, id), false, Some((uid(1), 120))).await.unwrap().unwrap();
    assert_eq!((after.from, after.to), (120, 130));
    assert_eq!(sums::stretch(&mut tx, (ONE, id), false, Some((uid(2), 110))).await.unwrap(), None);
}
