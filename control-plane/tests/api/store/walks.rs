//! What was walked of horizons that vary by chance is judged with the rest as all horizons are, also where some come late or were
//! merged.

use std::time::Duration;

use control_plane::actions::merges::merge;
use control_plane::clock::UnixMillis;
use control_plane::evidence::{Moment, evidence};
use control_plane::experiment::{
    AgentEvidence, Direction, Evidence, ExperimentId, Guardrail, Measured, Quantity, Run, Scope, Severity,
    Step, decide,
};
use control_plane::store::experiments::Experiment;
use control_plane::store::reports::{self, Content, Key};
use control_plane::store::{Store, Tx, merges, query, windows};
use control_plane::walks::Walks;
use observe::{Comparison, Volume};
use proto::Findings;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};
use sqlx::{Connection as _, PgConnection};

use super::experiments::experiment;
use super::reports::{content, key, rows_read, under_way};
use super::{EVERYBODY, NOW, ONE, on_every_engine, uid};

const MINUTE: i64 = 60_000_000_000;

on_every_engine!(
    what_was_walked_before_is_judged_with_the_rest_as_all_horizons_are,
    what_was_read_before_is_what_is_read_anew,
);

fn guarded() -> Experiment {
    let mut experiment = experiment(ONE, 1);
    experiment.spec.report_every = Duration::from_secs(60);
    experiment.spec.policy.guardrails = vec![Guardrail {
        name: "time".to_owned(),
        quantity: Quantity::NanosPerPoint,
        lens: None,
        scope: Scope::Fleet,
        direction: Direction::Either,
        margin: 0.3,
        severity: Severity::Blocking,
    }];
    experiment
}

/// Files the horizon of a minute: of mirror before the 300th, then of the next step.
async fn report(tx: &mut Tx, id: ExperimentId, agent: u8, minute: i64) {
    let mut random = Pcg64Mcg::seed_from_u64(u64::from(agent) * 10_000 + minute.unsigned_abs());
    let error = f64::from(random.next_u32()) / f64::from(u32::MAX) - 0.5;
    let (generation, step) = if minute < 300 { (1, "mirror") } else { (2, "5%") };
    let varied = [Some(0.4 * error), None];
    let content = Content { step, body: b"", varied, ..content((minute + 1) * MINUTE, "digest") };
    reports::insert(tx, ONE, &[(key(id, agent, generation, minute * MINUTE), content)]).await.unwrap();
}

/// Looks at the experiment. Returns the number of the first horizon that was not walked before.
async fn look(tx: &mut Tx, walks: &Walks, experiment: &Experiment) -> u64 {
    let agents = vec![uid(1), uid(2)];
    let (since, step) = (UnixMillis(0), Step::Split(500));
    let run = Run { step, since, began: since, approved_by: None, agents: agents.clone() };
    let moment = Moment { trial: Duration::ZERO, started: since, now: NOW };
    let found = evidence(tx, walks, experiment, &run, None, moment).await.unwrap();
    let mut whole = found.clone();
    whole.walked = None;
    let all = windows::varied(tx, (ONE, experiment.id), [i64::MIN, i64::MAX]).await.unwrap();
    for agent in &mut whole.agents {
        let own = all.rows.iter().filter(|(uid, _)| *uid == agent.uid);
        let measured = own.map(|(_, one)| Measured {
            horizon: (one.start / MINUTE).unsigned_abs(),
            mirror: one.mirror,
            nanos_per_point: one.nanos_per_point,
            latency_p99: one.latency_p99,
        });
        agent.measured = measured.collect();
    }
    let [found_verdict, whole_verdict] =
        [&found, &whole].map(|evidence| decide(evidence, &experiment.spec, &run, None, NOW));
    assert!(format!("{whole_verdict:?}").contains("time: "), "{whole_verdict:?}");
    assert_eq!(format!("{found_verdict:?}"), format!("{whole_verdict:?}"));
    found.walked.unwrap().before()
}

async fn what_was_walked_before_is_judged_with_the_rest_as_all_horizons_are(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    let (walks, experiment) = (Walks::default(), guarded());
    let mut walked = 0;
    for minute in 0..700 {
        for agent in [1, 2] {
            if ![(1, 150), (2, 420), (1, 650)].contains(&(agent, minute)) {
                report(&mut tx, id, agent, minute).await;
            }
        }
        if minute % 35 == 34 {
            let before = look(&mut tx, &walks, &experiment).await;
            assert!(before >= walked && before + 130 > minute.unsigned_abs(), "{before} of {minute}");
            walked = before;
        }
        if minute == 500 {
            merges::let_wait(&mut tx, (ONE, id), None, UnixMillis(i64::MAX)).await.unwrap();
            while let [of, ..] = merges::waiting(&mut tx, 1, NOW, 1).await.unwrap().as_slice() {
                merge(&mut tx, of).await.unwrap();
            }
        }
    }
    assert!(walked > 550, "{walked}");
    // Late: of mirror, of the step after it, both walked by now and merged around them; and one that was not walked yet.
    for (agent, minute) in [(1, 150), (2, 420), (1, 650)] {
        report(&mut tx, id, agent, minute).await;
        assert!(look(&mut tx, &walks, &experiment).await >= walked);
    }
    // Another process knows nothing of it.
    assert!(look(&mut tx, &Walks::default(), &experiment).await >= walked);
}

/// Files a horizon of ten seconds with so many points, by a process, that comes when it ends.
async fn reported(tx: &mut Tx, id: ExperimentId, (agent, boot_id): (u8, &'static str), number: i64) {
    const SECOND: i64 = 1_000_000_000;
    let volume = |points| Volume { requests: 1, points, bytes: 10 * points };
    let of =
        |points| Comparison { windows: 1, seconds: 10.0, input: volume(points), ..Comparison::default() };
    let (start, end) = (number * 10 * SECOND, (number + 1) * 10 * SECOND);
    let horizon = of(number.unsigned_abs() + 1);
    let findings =
        Findings { window_end: end.unsigned_abs(), horizon, total: of(1_000), ..Findings::default() };
    let (body, digest) = findings.encode();
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let content = Content {
        body: &body,
        received_at: UnixMillis(end / 1_000_000),
        varied: [Some(0.1), None],
        ..content(end, &digest)
    };
    let key = Key { boot_id, ..key(id, agent, 1, start) };
    reports::insert(tx, ONE, &[(key, content)]).await.unwrap();
}

/// Evidence of the step mirror.
async fn mirror(tx: &mut Tx, walks: &Walks, experiment: &Experiment) -> Evidence {
    let since = UnixMillis(0);
    let agents = vec![uid(1), uid(2)];
    let run = Run { step: Step::Mirror, since, began: since, approved_by: None, agents };
    let moment = Moment { trial: Duration::ZERO, started: since, now: NOW };
    evidence(tx, walks, experiment, &run, None, moment).await.unwrap()
}

async fn what_was_read_before_is_what_is_read_anew(store: &Store) {
    let (mut tx, id) = under_way(store).await;
    let (walks, experiment) = (Walks::default(), guarded());
    let said = |found: &Evidence| {
        let of = |agent: &AgentEvidence| {
            let horizons = agent.horizons.iter().map(|one| (one.window_end, one.horizon.input.points));
            let totals = agent.totals.iter().map(|total| total.input.points);
            (horizons.collect::<Vec<_>>(), totals.collect::<Vec<_>>(), agent.count, agent.idle)
        };
        found.agents.iter().map(of).collect::<Vec<_>>()
    };
    let look = async |tx: &mut Tx| {
        let (before, anew) =
            (mirror(tx, &walks, &experiment).await, mirror(tx, &Walks::default(), &experiment).await);
        assert_eq!(said(&before), said(&anew));
        before.agents[0].horizons.len()
    };
    assert_eq!(look(&mut tx).await, 0);
    for number in (0..90).filter(|number| ![20, 70].contains(number)) {
        reported(&mut tx, id, (1, if number < 50 { "boot" } else { "another" }), number).await;
        if number % 3 == 0 {
            reported(&mut tx, id, (2, "boot"), number).await;
        }
        if number % 7 == 0 {
            look(&mut tx).await;
        }
    }
    assert_eq!(look(&mut tx).await, 64);
    // Late: one that is kept, one that is not, and the first of its process, which was another one before.
    for (boot, number) in [("another", 70), ("boot", 20), ("another", 45)] {
        reported(&mut tx, id, (1, boot), number).await;
        look(&mut tx).await;
    }
    merges::let_wait(&mut tx, (ONE, id), None, UnixMillis(i64::MAX)).await.unwrap();
    while let [of, ..] = merges::waiting(&mut tx, 1, NOW, 1).await.unwrap().as_slice() {
        merge(&mut tx, of).await.unwrap();
    }
    for (agent, boot) in [(1, "another"), (2, "boot")] {
        reported(&mut tx, id, (agent, boot), 100).await;
    }
    assert_eq!(look(&mut tx).await, 3, "the last of each process, and what is new");
}

#[tokio::test]
async fn on_a_server_what_an_agent_has_reported_costs_as_much_after_many_horizons_as_after_few() {
    let database = crate::postgres::migrated().await;
    let store = super::postgres_in(&database).await;
    let mut owner = PgConnection::connect(&database.owner).await.unwrap();
    let (mut tx, id) = under_way(&store).await;
    let (walks, experiment) = (Walks::default(), guarded());
    let mut read = Vec::new();
    for number in 0..120 {
        for agent in [1, 2] {
            reported(&mut tx, id, (agent, "boot"), number).await;
        }
        tx.commit().await.unwrap();
        if number % 10 == 9 {
            // As the server does by itself, now and then.
            sqlx::query("ANALYZE").execute(&mut owner).await.unwrap();
        }
        tx = store.begin(EVERYBODY).await.unwrap();
        // Of a table as small as this one all would be read.
        for setting in ["enable_seqscan = off", "plan_cache_mode = force_custom_plan"] {
            query(sqlx::AssertSqlSafe(format!("SET LOCAL {setting}"))).execute(&mut tx).await.unwrap();
        }
        let mut looks = Vec::new();
        for _ in 0..2 {
            let before = rows_read(&mut tx).await;
            mirror(&mut tx, &walks, &experiment).await;
            looks.push(rows_read(&mut tx).await - before);
        }
        read.push(looks);
    }
    // Of each agent with news: the rows of those that are kept, its last totals, and one body. Of one without, its row of what varies
    // is looked at and not taken.
    let news: Vec<i64> = read.iter().map(|looks| looks[0] - looks[1]).collect();
    assert!(news[119] <= news[80] && news[80] < 8 * i64::from(reports::KEPT), "{read:?}");
    drop(tx);
    store.close().await;
}
