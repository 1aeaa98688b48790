//! Horizons that were merged count as before, and a report of one that comes again is known.

use control_plane::actions::merges::merge;
use control_plane::actions::recheck::recheck;
use control_plane::clock::UnixMillis;
use control_plane::experiment::ExperimentId;
use control_plane::store::merges::{self, Grain, Of};
use control_plane::store::reports::{Filed, KEPT, Key};
use control_plane::store::{Store, Tx, fingerprints, query, reports, sums, windows};
use observe::{Comparison, NamedCount, Volume};
use proto::Findings;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};

use super::reports::{content, filed, key, under_way};
use super::sums::{assert_equals_all, counted, report_keys, stream, told};
use super::{EVERYBODY, LATER, NOW, ONE, on_every_engine, uid};

const MINUTE: i64 = 60_000_000_000;

on_every_engine!(
    what_is_counted_is_the_same_whatever_was_merged,
    a_merge_that_is_broken_off_has_done_nothing,
    a_report_that_comes_late_is_merged_where_it_belongs,
    what_an_earlier_release_files_once_more_after_it_was_merged_counts_once,
    a_step_is_one_merge_once_the_experiment_is_over,
    a_day_of_reports_takes_few_rows_and_bytes,
);

/// Merges all that waits.
async fn merge_all(tx: &mut Tx) {
    for of in merges::waiting(tx, 1, NOW, 1_000).await.unwrap() {
        merge(tx, &of).await.unwrap();
    }
}

/// Lets all horizons wait but the last ones, and merges them.
async fn merge_everything(tx: &mut Tx, id: ExperimentId) {
    merges::let_wait(tx, (ONE, id), None, UnixMillis(i64::MAX)).await.unwrap();
    merge_all(tx).await;
}

async fn rows(tx: &mut Tx, table: &str) -> i64 {
    let text = match table {
        "windows" => "SELECT COUNT(*) AS number FROM experiment_windows",
        _ => "SELECT COUNT(*) AS number FROM experiment_merges",
    };
    query(text).fetch_one(tx).await.unwrap().try_get("number").unwrap()
}

async fn varied(tx: &mut Tx, id: ExperimentId) -> String {
    let found = windows::varied(tx, (ONE, id), [i64::MIN, i64::MAX]).await.unwrap();
    format!("{} {:?}", found.all, found.rows)
}

async fn what_is_counted_is_the_same_whatever_was_merged(store: &Store) {
    for seed in 0..8 {
        let (mut tx, id) = under_way(store).await;
        stream(&mut tx, id, seed).await;
        let first = fingerprints::take(&mut tx, (ONE, id)).await.unwrap();
        let all = told(&mut tx, id).await;
        assert_eq!((first.number, first.horizons), (1, all.len() as i64), "{seed}");
        let reported = report_keys(&mut tx, id).await;
        let varied_before = varied(&mut tx, id).await;
        for round in 0..3 {
            match round {
                0 => merge_everything(&mut tx, id).await,
                1 => {
                    for agent in [1, 2] {
                        for step in ["aa", "mirror", "split 5 %"] {
                            let of =
                                Of { tenant: ONE, experiment: id, agent: uid(agent), step: step.to_owned() };
                            let grains: (&[Grain], _) = (&[Grain::Minutes], Grain::Hour);
                            merges::coarsen(&mut tx, &of, grains, i64::MAX).await.unwrap();
                        }
                    }
                }
                _ => {
                    for of in merges::unfinished(&mut tx, (ONE, id), 100).await.unwrap() {
                        let grains: (&[Grain], _) = (&[Grain::Minutes, Grain::Hour], Grain::Step);
                        merges::coarsen(&mut tx, &of, grains, i64::MAX).await.unwrap();
                    }
                    assert!(merges::unfinished(&mut tx, (ONE, id), 100).await.unwrap().is_empty());
                }
            }
            assert!((rows(&mut tx, "windows").await as usize) < all.len(), "{seed}: some were merged");
            assert!(rows(&mut tx, "merges").await > 0);
            assert_equals_all(&mut tx, id, &all, seed).await;
            assert_eq!(varied(&mut tx, id).await, varied_before, "{seed} {round}");
            assert_eq!(recheck(&mut tx, (ONE, id)).await.unwrap().horizons, all.len() as u64);
            let changes = recheck(&mut tx, (ONE, id)).await.unwrap().changes;
            let of_fingerprint = changes.iter().filter(|change| !change.starts_with("the report of"));
            assert_eq!(of_fingerprint.count(), 0, "{seed} {round}: {changes:?}");
            assert_eq!(fingerprints::take(&mut tx, (ONE, id)).await.unwrap(), first, "nothing is new");
            for (agent, boot, generation, start, end, digest) in &reported {
                let key = Key {
                    experiment_id: id,
                    agent: *agent,
                    boot_id: boot,
                    generation: *generation,
                    window_start: *start,
                };
                let asked = [(key.clone(), *end), (Key { window_start: start + 1, ..key }, end + 1)];
                let kept = reports::kept(&mut tx, ONE, &asked).await.unwrap();
                assert_eq!(kept[0].filed(*start, digest), Filed::Again, "{seed} {round}");
                assert_eq!(kept[0].filed(*start, "other"), Filed::Other, "{seed} {round}");
                assert_eq!(kept[1].filed(start + 1, digest), Filed::Overlaps, "{seed} {round}");
                assert!(kept[0].clock_offset.is_some());
            }
        }
    }
}

/// Body of a report of a horizon with so many points: 8 kB, as large as any, of names that do not deflate well.
fn body(points: u64) -> Vec<u8> {
    let random = &mut Pcg64Mcg::seed_from_u64(points);
    let mut name = || (0..15).map(|_| format!("{:016x}", random.next_u64())).collect::<String>();
    let volume = Volume { requests: 1, points, bytes: 10 * points };
    let mut horizon = Comparison { windows: 6, exact: true, seconds: 60.0, ..Comparison::default() };
    (horizon.input, horizon.baseline.output, horizon.candidate.output) = (volume, volume, volume);
    horizon.lost_by_candidate.value = points % 7;
    horizon.lost =
        (0..12).map(|series| NamedCount { metric: name(), executable: String::new(), series }).collect();
    Findings { total: horizon.clone(), horizon, ..Findings::default() }.encode().0
}

async fn report(tx: &mut Tx, id: ExperimentId, agent: u8, minute: i64) -> Filed {
    let body = body(100 + minute as u64);
    let hash = proto::generation::config_hash(&body);
    let digest: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let content = reports::Content { body: &body, ..content((minute + 1) * MINUTE, &digest) };
    filed(tx, &key(id, agent, 1, minute * MINUTE), content).await
}

async fn merged(tx: &mut Tx, id: ExperimentId, agent: u8) -> Vec<(Grain, i64, usize, u32)> {
    let of = Of { tenant: ONE, experiment: id, agent: uid(agent), step: "mirror".to_owned() };
    let mut all: Vec<_> = merges::latest(tx, &of, 1_000)
        .await
        .unwrap()
        .into_iter()
        .map(|one| (one.grain, one.start / MINUTE, one.merge.len(), one.merge.figures.kept()))
        .collect();
    all.sort();
    all
}

async fn a_merge_that_is_broken_off_has_done_nothing(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    for minute in 0..i64::from(KEPT) + 10 {
        assert_eq!(report(&mut tx, id, 1, minute).await, Filed::New);
    }
    tx.commit().await.unwrap();
    for commits in [false, true] {
        let mut tx = store.begin(EVERYBODY).await.unwrap();
        assert_eq!(rows(&mut tx, "windows").await, i64::from(KEPT) + 10);
        merge_all(&mut tx).await;
        assert_eq!(rows(&mut tx, "windows").await, i64::from(KEPT));
        if commits {
            tx.commit().await.unwrap();
        }
    }
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    let expected = [(Grain::Minutes, 0, 5, 5), (Grain::Minutes, 5, 5, 5)];
    assert_eq!(merged(&mut tx, id, 1).await, expected, "each horizon once");
    let found = counted(&mut tx, (ONE, id), uid(1), "mirror", 0).await.unwrap();
    assert_eq!(found.counted, KEPT + 10);
    assert!(merges::waiting(&mut tx, 1, NOW, 10).await.unwrap().is_empty(), "nothing more is done");
}

async fn a_report_that_comes_late_is_merged_where_it_belongs(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    for minute in (0..i64::from(KEPT) + 130).filter(|minute| *minute != 3 && *minute != 61) {
        report(&mut tx, id, 1, minute).await;
    }
    merge_all(&mut tx).await;
    let of = Of { tenant: ONE, experiment: id, agent: uid(1), step: "mirror".to_owned() };
    let old = merges::old(&mut tx, Grain::Minutes, 60 * MINUTE, 10).await.unwrap();
    assert_eq!(old, std::slice::from_ref(&of));
    merges::coarsen(&mut tx, &of, (&[Grain::Minutes], Grain::Hour), 60 * MINUTE).await.unwrap();
    assert_eq!(merged(&mut tx, id, 1).await[0], (Grain::Minutes, 60, 4, 4));
    assert_eq!(merged(&mut tx, id, 1).await.last(), Some(&(Grain::Hour, 0, 59, 59)));
    for minute in [3, 61] {
        assert_eq!(report(&mut tx, id, 1, minute).await, Filed::New);
        assert_eq!(report(&mut tx, id, 1, minute).await, Filed::Again);
    }
    merge_all(&mut tx).await;
    for minute in [3, 61, 4, 62] {
        assert_eq!(report(&mut tx, id, 1, minute).await, Filed::Again, "{minute}");
    }
    merges::coarsen(&mut tx, &of, (&[Grain::Minutes], Grain::Hour), 60 * MINUTE).await.unwrap();
    let all = merged(&mut tx, id, 1).await;
    assert_eq!((all[0], all.last()), ((Grain::Minutes, 60, 5, 5), Some(&(Grain::Hour, 0, 60, 60))));
    let figures = merges::latest(&mut tx, &of, 1_000).await.unwrap();
    let hour = figures.iter().find(|one| one.grain == Grain::Hour).unwrap();
    let points = (0..60).map(|minute| 100 + minute).sum::<u64>();
    assert_eq!(hour.merge.figures.parts().sums[1], points, "each once, whenever it came");
}

async fn what_an_earlier_release_files_once_more_after_it_was_merged_counts_once(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    for minute in 0..i64::from(KEPT) + 10 {
        report(&mut tx, id, 1, minute).await;
    }
    merge_all(&mut tx).await;
    let of = Of { tenant: ONE, experiment: id, agent: uid(1), step: "mirror".to_owned() };
    let told = async |tx: &mut Tx| {
        let covered = sums::covered(tx, (ONE, id)).await.unwrap();
        let found = counted(tx, (ONE, id), uid(1), "mirror", 0).await.unwrap();
        let stretches = merges::latest(tx, &of, 10).await.unwrap();
        let figures: Vec<_> =
            stretches.iter().map(|one| (one.merge.len(), one.merge.figures.parts())).collect();
        (covered, found.counted, figures)
    };
    let before = told(&mut tx).await;
    // It knows the rows of reports alone, and measures the clock anew where it finds none of the process.
    for (minute, clock_offset) in [(3, 0), (4, 20_000_000)] {
        let body = body(100 + minute as u64);
        let hash = proto::generation::config_hash(&body);
        let digest: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let content =
            reports::Content { body: &body, clock_offset, ..content((minute + 1) * MINUTE, &digest) };
        reports::insert(&mut tx, ONE, &[(key(id, 1, 1, minute * MINUTE), content)]).await.unwrap();
    }
    let found = counted(&mut tx, (ONE, id), uid(1), "mirror", 0).await.unwrap();
    assert_eq!(found.counted, before.1 + 2, "twice until then");
    report(&mut tx, id, 1, i64::from(KEPT) + 10).await;
    merge_all(&mut tx).await;
    let after = told(&mut tx).await;
    assert_eq!(after.0[0].horizons, before.0[0].horizons + 1);
    assert_eq!(after.1, before.1 + 1);
    let kept = |figures: &[(usize, control_plane::experiment::HorizonsParts)]| {
        figures.iter().map(|(number, parts)| (*number, parts.kept, parts.sums[1])).collect::<Vec<_>>()
    };
    // The horizon that was new pushed one more out of those that are kept one by one.
    assert_eq!(kept(&after.2)[1..], kept(&before.2)[..]);
    assert_eq!(kept(&after.2)[0], (1, 1, 110));
    assert!(merges::waiting(&mut tx, 1, NOW, 10).await.unwrap().is_empty());
}

async fn a_step_is_one_merge_once_the_experiment_is_over(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    let of = (ONE, id);
    for minute in 0..90 {
        report(&mut tx, id, 1, minute).await;
    }
    merge_all(&mut tx).await;
    // What waits is of other steps than the one under way, and old enough.
    assert!(!merges::is_any_over(&mut tx, of, Some("mirror"), LATER).await.unwrap());
    assert!(!merges::is_any_over(&mut tx, of, None, NOW).await.unwrap());
    assert!(merges::is_any_over(&mut tx, of, Some("5%"), LATER).await.unwrap());
    merges::let_wait(&mut tx, of, Some("5%"), LATER).await.unwrap();
    merge_all(&mut tx).await;
    assert!(!merges::is_any_over(&mut tx, of, Some("5%"), LATER).await.unwrap());
    assert_eq!(rows(&mut tx, "windows").await, 1, "the last one of the process, which has its total");
    assert_eq!(merges::ended(&mut tx, LATER, 10).await.unwrap(), [], "it is not over");
    let end = "UPDATE experiments SET phase = 'completed', updated_at = 5 WHERE tenant_id = $1 AND id = $2";
    query(end).bind(ONE).bind(id).execute(&mut tx).await.unwrap();
    assert_eq!(merges::ended(&mut tx, UnixMillis(5), 10).await.unwrap(), [], "not for long");
    assert_eq!(merges::ended(&mut tx, UnixMillis(6), 10).await.unwrap(), [of]);
    merges::finish(&mut tx, of, NOW).await.unwrap();
    assert_eq!(merges::ended(&mut tx, UnixMillis(6), 10).await.unwrap(), [of], "minutes are there still");
    for of in merges::unfinished(&mut tx, of, 10).await.unwrap() {
        let grains: (&[Grain], _) = (&[Grain::Minutes, Grain::Hour], Grain::Step);
        merges::coarsen(&mut tx, &of, grains, i64::MAX).await.unwrap();
    }
    merges::finish(&mut tx, of, NOW).await.unwrap();
    assert_eq!(merges::ended(&mut tx, UnixMillis(6), 10).await.unwrap(), []);
    assert_eq!(merged(&mut tx, id, 1).await, [(Grain::Step, 0, 89, 89)]);
    assert_eq!(report(&mut tx, id, 1, 17).await, Filed::Again);
}

async fn a_day_of_reports_takes_few_rows_and_bytes(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    let minutes = 600;
    for minute in 0..minutes {
        report(&mut tx, id, 1, minute).await;
        if minute % 60 == 59 {
            merge_all(&mut tx).await;
        }
    }
    // All but the last two hours, as after a day.
    let of = Of { tenant: ONE, experiment: id, agent: uid(1), step: "mirror".to_owned() };
    merge_all(&mut tx).await;
    merges::coarsen(&mut tx, &of, (&[Grain::Minutes], Grain::Hour), (minutes - 120) * MINUTE).await.unwrap();
    assert!(rows(&mut tx, "windows").await <= i64::from(KEPT));
    assert!(rows(&mut tx, "merges").await <= 8 + 24);
    let text = "SELECT CAST(MAX(CASE WHEN grain = 300 THEN length(body) ELSE 0 END) AS BIGINT) AS five,
                    CAST(MAX(CASE WHEN grain = 3600 THEN length(body) ELSE 0 END) AS BIGINT) AS hour FROM experiment_merges";
    let row = query(text).fetch_one(&mut tx).await.unwrap();
    let (five, hour): (i64, i64) = (row.try_get("five").unwrap(), row.try_get("hour").unwrap());
    let raw = i64::try_from(body(1).len()).unwrap();
    assert!(raw > 6_000, "{raw}");
    // A week of a thousand agents that report every minute: what is kept one by one, a day of five minutes, and the hours before.
    // A row takes as much besides in its indices.
    let row = 1_000;
    let agent = i64::from(KEPT) * (raw + row) + 288 * (five + row) + 168 * (hour + row);
    assert!(agent * 1_000 < 5_000_000_000, "{agent} bytes an agent, with {raw}, {five}, {hour} a row");
}
