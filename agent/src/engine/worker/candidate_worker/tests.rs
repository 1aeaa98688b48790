//! Tests of the end of a worker: what it holds is counted if nobody waits for it any more, and how long a swap waits.

use super::*;
use crate::admission::Budget;
use crate::delivery_ledger::DeliveryLedger;
use crate::engine::flush::tests::{NOW, holding};
use crate::engine::worker::job::{Gaps, Tick};
use crate::engine::{EngineParts, Reporter};
use crate::telemetry::{Condition, GaugeValues, Health, Metrics, NameStyle};

fn engine(metrics: &Arc<Metrics>) -> Arc<Engine> {
    let reporter = Reporter { outbox: Arc::default(), boot_id: String::new() };
    let health = Arc::new(Health::new(Condition::starting()));
    let (budget, delivery_ledger) = (Budget::new(1 << 20), Arc::new(DeliveryLedger::in_memory()));
    let parts = EngineParts { health, metrics: Arc::clone(metrics), budget, delivery_ledger, reporter };
    Arc::new(Engine::new("metrics", &parts))
}

#[test]
fn a_swap_gives_up_waiting_for_a_worker_that_leaves_batches_out_unless_points_are_at_stake() {
    let engine = engine(&Arc::new(Metrics::new(NameStyle::default())));
    let state = holding(false).0.experiment.expect("an experiment");
    let worker = CandidateWorker::start(engine, state, CandidateLimits::default(), 0).expect("a thread");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // It never has nothing to do, and what comes finds no room.
            while !over.load(Ordering::Relaxed) {
                worker.queue().busy = true;
                worker.leave_out();
                thread::sleep(Duration::from_micros(100));
            }
        });
        while !worker.queue().busy {
            thread::yield_now();
        }
        assert!(!worker.deadline(None).is_awaited(), "it gives way to others");
        let hour = Duration::from_secs(3_600);
        worker.catch_up(hour, true);
        assert!(worker.deadline(None).is_awaited(), "it gives way to nobody while a swap waits");
        let (begin, patience) = (Instant::now(), HOPE * 2);
        worker.catch_up(patience, false);
        assert!(begin.elapsed() >= patience, "points wait in it");
        over.store(true, Ordering::Relaxed);
    });
    worker.queue().busy = false;
    assert!(worker.close(Duration::from_secs(60)).is_some());
}

#[test]
fn what_a_worker_holds_that_is_abandoned_between_two_jobs_is_counted_and_told_by_the_next() {
    let metrics = Arc::new(Metrics::new(NameStyle::default()));
    let engine = engine(&metrics);
    let lost_by_one = || {
        let (state, of_it) = holding(true);
        let state = state.experiment.expect("an experiment");
        let limits = CandidateLimits::default();
        let worker = CandidateWorker::start(Arc::clone(&engine), state, limits, 0).expect("a thread");
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
    let next = CandidateWorker::start(Arc::clone(&engine), state, CandidateLimits::default(), 0);
    let next = next.expect("a thread");
    next.push(Job::Tick(Tick { now: NOW, rules: Vec::new(), flushes: true, gaps: Gaps::default() }));
    let mut state = next.close(Duration::from_secs(60)).expect("it ends");
    state.end(NOW + 1);
    let (summary, _) = state.observer.take_closed().pop().expect("a window");
    assert_eq!((summary.delivery[1].failed, summary.missing.count), (lost, 1));
    assert!(engine.orphaned.lock().expect("lock").is_empty(), "told once");
}
