//! What is added up as reports come says what the reports say, whatever came in which order, and is read instead of them.

use control_plane::experiment::ExperimentId;
use control_plane::store::reports::{Content, Filed, Key};
use control_plane::store::sums::Counted;
use control_plane::store::windows::{Compared, Covered, Stretch};
use control_plane::store::{Address, Connection, Row, Schema, Store, StoreError, Tx, query, sums};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};

use super::reports::{content, file, filed, key, under_way};
use super::{EVERYBODY, ONE, OTHER, on_every_engine, uid};
use control_plane::clock::UnixMillis;
use control_plane::id::{AgentUid, TenantId};

const MINUTE: i64 = 60_000_000_000;
const HOUR: i64 = 60 * MINUTE;
const STEPS: [&str; 3] = ["aa", "mirror", "split 5 %"];

on_every_engine!(
    what_is_added_up_equals_what_all_reports_say,
    a_look_after_a_time_reads_the_shorter_side_alone,
);

/// A number below `below`.
fn less(random: &mut Pcg64Mcg, below: u64) -> i64 {
    i64::try_from(random.next_u64() % below).unwrap()
}

/// A stream of reports of two agents: several processes and generations each, with other baselines and clocks, out of order
/// and some of them twice.
pub async fn stream(tx: &mut Tx, id: ExperimentId, seed: u64) {
    let random = &mut Pcg64Mcg::seed_from_u64(seed);
    let mut all = Vec::new();
    for agent in [1, 2] {
        let mut at = less(random, 300) * HOUR;
        for (generation, step) in (1..).zip(STEPS) {
            for boot in ["a", "b"].into_iter().take(1 + usize::from(less(random, 3) == 0)) {
                let baseline = ["", "one", "other"][usize::try_from(less(random, 3)).unwrap()];
                let offset = (less(random, 5) - 2) * MINUTE;
                for _ in 0..less(random, 12) {
                    let end = at + (1 + less(random, 3)) * MINUTE;
                    all.push((agent, generation, boot, step, baseline, offset, at, end));
                    at = end + less(random, 2) * less(random, 90) * MINUTE;
                }
                at -= less(random, 4) * MINUTE;
            }
        }
    }
    for place in 0..all.len() {
        let other = usize::try_from(less(random, all.len() as u64)).unwrap();
        all.swap(place, other);
    }
    let twice: Vec<_> = all.iter().copied().filter(|_| less(random, 4) == 0).collect();
    for (agent, generation, boot_id, step, baseline, clock_offset, start, end) in all.into_iter().chain(twice)
    {
        let digest = format!("{agent} {boot_id} {generation} {start}");
        let content = Content {
            step,
            baseline,
            clock_offset,
            points_in: less(random, 3),
            received_at: UnixMillis(less(random, 1_000)),
            clock_ahead: [None, Some(less(random, 9) - 4)][usize::from(less(random, 2) == 0)],
            ..content(end, &digest)
        };
        let key = Key { boot_id, ..key(id, agent, generation, start) };
        filed(tx, &key, content).await;
    }
}

async fn rows(connection: &mut Connection, text: &'static str, id: ExperimentId) -> Vec<Row> {
    query(text).bind(ONE).bind(id).fetch_all(connection).await.unwrap()
}

/// Every report of an experiment: agent, step, baseline, begin and end by our clock, whether something came in, when it came,
/// and by how much the clock was ahead.
pub type Told = (AgentUid, String, String, i64, i64, bool, UnixMillis, Option<i64>);

pub async fn told(connection: &mut Connection, id: ExperimentId) -> Vec<Told> {
    let text = "SELECT * FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2";
    let read = |row: &Row| {
        let (start, end): (i64, i64) =
            (row.try_get("window_start").unwrap(), row.try_get("window_end").unwrap());
        let (offset, points): (i64, Option<i64>) =
            (row.try_get("clock_offset").unwrap(), row.try_get("points_in").unwrap());
        let of = (
            row.try_get("agent_uid").unwrap(),
            row.try_get("step").unwrap(),
            row.try_get("baseline").unwrap(),
        );
        let came_in = points.is_some_and(|points| points > 0);
        let when = (row.try_get("received_at").unwrap(), row.try_get("clock_measured").unwrap());
        (of.0, of.1, of.2, start - offset, end - offset, came_in, when.0, when.1)
    };
    rows(connection, text, id).await.iter().map(read).collect()
}

fn covered(all: &[Told]) -> Vec<Covered> {
    let mut found: Vec<Covered> = Vec::new();
    for (agent, step, _, from, to, ..) in all {
        match found.iter_mut().find(|one| one.agent == *agent && one.step == *step) {
            Some(one) => {
                (one.horizons, one.from, one.to) = (one.horizons + 1, one.from.min(*from), one.to.max(*to));
            }
            None => {
                found.push(Covered { step: step.clone(), agent: *agent, horizons: 1, from: *from, to: *to });
            }
        }
    }
    found.sort_by_key(|one| (one.step.clone(), one.agent));
    found
}

fn compared(all: &[Told]) -> Vec<Compared> {
    let mut found: Vec<Compared> = Vec::new();
    for (agent, _, baseline, from, to, ..) in all {
        match found.iter_mut().find(|one| one.agent == *agent && one.baseline == *baseline) {
            Some(one) => (one.from, one.to) = (one.from.min(*from), one.to.max(*to)),
            None => found.push(Compared { agent: *agent, baseline: baseline.clone(), from: *from, to: *to }),
        }
    }
    found.sort_by_key(|one| (one.agent, one.baseline.clone()));
    found
}

fn stretch(all: &[Told], aa: bool, after: impl Fn(&Told) -> bool) -> Option<Stretch> {
    let some: Vec<&Told> = all.iter().filter(|one| (one.1 == "aa") == aa && one.5 && after(one)).collect();
    let mut hours: Vec<i64> = some.iter().map(|one| (one.3 / HOUR).rem_euclid(168)).collect();
    hours.sort_unstable();
    hours.dedup();
    let (from, to) = (some.iter().map(|one| one.3).min()?, some.iter().map(|one| one.4).max()?);
    Some(Stretch { from, to, hours })
}

/// Horizons of an agent in a step that ended after a time.
pub async fn counted(
    tx: &mut Tx,
    of: (TenantId, ExperimentId),
    agent: AgentUid,
    step: &str,
    since: i64,
) -> Result<Counted, StoreError> {
    sums::All::of(tx, of).await?.counted(tx, of, (agent, step), since).await
}

async fn what_is_added_up_equals_what_all_reports_say(store: &Store) {
    for seed in 0..24 {
        let (mut tx, id) = under_way(store).await;
        stream(&mut tx, id, seed).await;
        let all = told(&mut tx, id).await;
        assert!(!all.is_empty());
        assert_equals_all(&mut tx, id, &all, seed).await;
        assert_eq!(sums::covered(&mut tx, (OTHER, id)).await.unwrap(), []);
        assert_eq!(sums::stretch(&mut tx, (OTHER, id), false, None).await.unwrap(), None);
    }
}

/// What is added up, whole and after each time at which a horizon ended, is what these reports say.
pub async fn assert_equals_all(tx: &mut Tx, id: ExperimentId, all: &[Told], seed: u64) {
    let of = (ONE, id);
    assert_eq!(sums::covered(tx, of).await.unwrap(), covered(all), "{seed}");
    assert_eq!(sums::compared(tx, of).await.unwrap(), compared(all), "{seed}");
    for aa in [true, false] {
        let found = sums::stretch(tx, of, aa, None).await.unwrap();
        assert_eq!(found, stretch(all, aa, |_| true), "{seed}");
    }
    let mut times: Vec<i64> = all.iter().map(|one| one.4).collect();
    times.extend([i64::MIN, times[0] - 1, times[0] + 1, i64::MAX]);
    for (since, agent) in times.into_iter().flat_map(|since| [1, 2].map(|agent| (since, uid(agent)))) {
        let after = |one: &Told| one.0 == agent && one.4 > since;
        for aa in [true, false] {
            let found = sums::stretch(tx, of, aa, Some((agent, since))).await.unwrap();
            assert_eq!(found, stretch(all, aa, after), "{seed} {since}");
        }
        for step in STEPS {
            let some: Vec<&Told> = all.iter().filter(|one| after(one) && one.1 == step).collect();
            let found = counted(tx, of, agent, step, since).await.unwrap();
            let came_in = some.iter().filter(|one| one.5).count();
            assert_eq!([found.counted, found.idle].map(|n| n as usize), [came_in, some.len() - came_in]);
            assert_eq!(found.received_at, some.iter().map(|one| one.6).max(), "{seed} {since}");
            let ahead = some.iter().filter_map(|one| one.7);
            let ahead = ahead.max_by_key(|ahead| (ahead.abs(), *ahead));
            assert_eq!(found.clock_ahead(), ahead, "{seed} {since}");
        }
    }
}

/// Agent, process, generation, begin, end and digest of each report.
pub async fn report_keys(tx: &mut Tx, id: ExperimentId) -> Vec<(AgentUid, String, i64, i64, i64, String)> {
    let text = "SELECT * FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2";
    let read = |row: &Row| {
        let of = (row.try_get("agent_uid").unwrap(), row.try_get("boot_id").unwrap());
        let (start, end) = (row.try_get("window_start").unwrap(), row.try_get("window_end").unwrap());
        let digest = row.try_get("digest").unwrap();
        (of.0, of.1, row.try_get("generation").unwrap(), start, end, digest)
    };
    rows(tx, text, id).await.iter().map(read).collect()
}

async fn a_look_after_a_time_reads_the_shorter_side_alone(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    for at in 0..40 {
        let content = Content { received_at: UnixMillis(at), ..content(at + 1, "digest") };
        assert_eq!(filed(&mut tx, &key(id, 1, 1, at), content).await, Filed::New);
    }
    assert_eq!(file(&mut tx, &key(id, 1, 2, 50), 51, "digest").await, Filed::New);
    let of = (ONE, id);
    let early = counted(&mut tx, of, uid(1), "mirror", 4).await.unwrap();
    let late = counted(&mut tx, of, uid(1), "mirror", 36).await.unwrap();
    assert_eq!((early.counted, late.counted), (37, 5));
    // What lies between is there no more, and nobody misses it.
    let gone =
        query("DELETE FROM experiment_windows WHERE window_start BETWEEN 4 AND 35").execute(&mut tx).await;
    assert_eq!(gone.unwrap().rows_affected(), 32);
    assert_eq!(counted(&mut tx, of, uid(1), "mirror", 4).await.unwrap(), early);
    assert_eq!(counted(&mut tx, of, uid(1), "mirror", 36).await.unwrap(), late);
    assert_eq!(sums::stretch(&mut tx, of, false, None).await.unwrap().unwrap().to, 51);
    assert_eq!(sums::covered(&mut tx, of).await.unwrap()[0].horizons, 41);
}

async fn dump(store: &Store) -> Vec<String> {
    let mut reader = store.read(EVERYBODY).await.unwrap();
    let text = "SELECT agent_uid || ' ' || boot_id || ' ' || generation || ' ' || step || ' ' || baseline || ' ' || clock_offset
             || ' ' || horizons || ' ' || counted || ' ' || first_start || ' ' || first_end || ' ' || last_end || ' '
             || COALESCE(counted_from, -1) || ' ' || COALESCE(counted_to, -1) || ' ' || received_at || ' '
             || COALESCE(clock_most, -1) || ' ' || COALESCE(clock_least, -1) || ' ' || hours_0 || ' ' || hours_1 || ' ' || hours_2
             AS line FROM experiment_sums ORDER BY line";
    let rows = query(text).fetch_all(&mut reader).await.unwrap();
    rows.iter().map(|row| row.try_get("line").unwrap()).collect()
}

/// Takes the sums of a database away and makes them again.
async fn made_again(store: Store, service: &Address, owner: &Address) {
    let (mut tx, id) = under_way(&store).await;
    stream(&mut tx, id, 7).await;
    tx.commit().await.unwrap();
    let before = dump(&store).await;
    assert!(before.len() > 3, "{before:#?}");
    store.close().await;
    let schema = Schema::open(owner).await.unwrap();
    schema.down(32).await.unwrap();
    schema.up().await.unwrap();
    schema.close().await;
    let store = Store::open(service).await.unwrap();
    assert_eq!(dump(&store).await, before);
    store.close().await;
}

#[tokio::test]
async fn what_a_file_has_from_before_is_added_up_as_it_is_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let address = Address::of_data_dir(dir.path());
    made_again(super::sqlite(dir.path()).await, &address, &address).await;
}

#[tokio::test]
async fn what_a_server_has_from_before_is_added_up_as_it_is_migrated() {
    let database = crate::postgres::migrated().await;
    let (service, owner) = (database.service.parse().unwrap(), database.owner.parse().unwrap());
    let store = Store::prepare(&service, Some(&owner)).await.unwrap();
    super::furnish(&store).await;
    made_again(store, &service, &owner).await;
}
