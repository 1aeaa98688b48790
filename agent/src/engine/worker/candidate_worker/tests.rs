//! Tests that a worker that nobody waits for any more counts what it holds.

use super::*;
use crate::admission::Budget;
use crate::engine::flush::tests::{NOW, holding};
use crate::engine::worker::job::{Gaps, Tick};
use crate::engine::{EngineParts, Reporter};
use crate::telemetry::{Condition, GaugeValues, Health, Metrics, NameStyle};

#[test]
fn what_a_worker_holds_that_is_abandoned_between_two_jobs_is_counted_and_told_by_the_next() {
    let metrics = Arc::new(Metrics::new(NameStyle::default()));
    let reporter = Reporter { outbox: Arc::default(), boot_id: String::new() };
    let health = Arc::new(Health::new(Condition::starting()));
    let parts = EngineParts { health, metrics: Arc::clone(&metrics), budget: Budget::new(1 << 20), reporter };
    let engine = Arc::new(Engine::new("metrics", &parts));
    let lost_by_one = || {
        let (state, of_it) = holding(true);
        let state = state.experiment.expect("an experiment");
        let limits = CandidateLimits::default();
        let worker = CandidateWorker::start(Arc::clone(&engine), state, limits, true, 0).expect("a thread");
        // It may be faster than the wait for it; then its state is whole.
        worker.close(Duration::ZERO).is_none().then_some(of_it)
    };
    let lost = (0..1_000).find_map(|_| lost_by_one()).expect("one of them is not fast enough");
    let line =
        format!("phoenix_lost_held_points_total{{pipeline=\"metrics\",variant=\"candidate\"}} {lost}\n");
    let end = Instant::now() + Duration::from_secs(60);
    while !metrics.render(&GaugeValues::default()).contains(&line) {
        assert!(Instant::now() < end, "not within a minute: {line}");
        thread::sleep(Duration::from_millis(2));
    }
    while engine.orphaned.lock().expect("lock").is_empty() {
        assert!(Instant::now() < end, "it is never told");
        thread::sleep(Duration::from_millis(2));
    }
    let state = holding(false).0.experiment.expect("an experiment");
    let next = CandidateWorker::start(Arc::clone(&engine), state, CandidateLimits::default(), false, 0);
    let next = next.expect("a thread");
    next.push(Job::Tick(Tick { now: NOW, rules: Vec::new(), flushes: true, gaps: Gaps::default() }));
    let mut state = next.close(Duration::from_secs(60)).expect("it ends");
    state.end(NOW + 1);
    let (summary, _) = state.observer.take_closed().pop().expect("a window");
    assert_eq!((summary.delivery[1].failed, summary.missing.count), (lost, 1));
    assert!(engine.orphaned.lock().expect("lock").is_empty(), "told once");
}
