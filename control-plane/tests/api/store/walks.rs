//! What was walked of horizons that vary by chance is judged with the rest as all horizons are, also where some come late or were
//! merged.

use std::time::Duration;

use control_plane::actions::merges::merge;
use control_plane::clock::UnixMillis;
use control_plane::evidence::{Moment, evidence};
use control_plane::experiment::{
    Direction, ExperimentId, Guardrail, Measured, Quantity, Run, Scope, Severity, Step, decide,
};
use control_plane::store::experiments::Experiment;
use control_plane::store::reports::{self, Content};
use control_plane::store::{Store, Tx, merges, windows};
use control_plane::walks::Walks;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};

use super::experiments::experiment;
use super::reports::{content, key, under_way};
use super::{NOW, ONE, on_every_engine, uid};

const MINUTE: i64 = 60_000_000_000;

on_every_engine!(what_was_walked_before_is_judged_with_the_rest_as_all_horizons_are);

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
