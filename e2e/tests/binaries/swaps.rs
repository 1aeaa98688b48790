//! Generation swaps under load: every accepted point is delivered exactly once, by the variant its unit is
//! assigned to, and no request mixes generations.
#![expect(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use e2e::agent::Agent;
use e2e::assignment::Split;
use e2e::configs::{Experiment, MARKED};
use e2e::eventually;
use e2e::traffic::{self, Accepted};
use simulator::sink::{Sink, SinkOptions};

const SWAPS: usize = 200;
const SENDERS: u64 = 3;
const WEIGHTS: [u16; 7] = [0, 1_000, 2_500, 10_000, 5_000, 7_500, 25];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_swaps_under_load_lose_and_double_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let options = SinkOptions { max_recorded: usize::MAX, ..SinkOptions::default() };
    let sink = Sink::bind_with("127.0.0.1:0".parse()?, options).await?;
    let config = |weight_bp: u16| {
        let weight = format!("{}%", f64::from(weight_bp) / 100.0);
        let candidate = &[MARKED];
        let sink = sink.endpoint();
        Experiment { sink, data_dir: dir.path(), baseline: &[], candidate, weight: &weight, unit: "process" }
            .text()
    };
    let agent = Agent::start(dir.path(), &config(0)).await?;
    let mut weights = BTreeMap::from([(agent.generation().await?, 0)]);

    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let senders: Vec<_> = (0..SENDERS)
        .map(|host| tokio::spawn(traffic::flood(agent.endpoint(), host, stop.clone(), count.clone())))
        .collect();
    for swap in 1..=SWAPS {
        let weight = WEIGHTS[swap % WEIGHTS.len()];
        let before = count.load(Ordering::Relaxed);
        weights.insert(agent.swap(&config(weight)).await?, weight);
        // Each generation has to see some traffic, or the swap proves nothing.
        eventually("traffic in this generation", Duration::from_secs(30), || async {
            (count.load(Ordering::Relaxed) > before + 2).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut accepted = Accepted::new();
    for sender in senders {
        accepted.extend(sender.await??);
    }
    assert_eq!(weights.len(), SWAPS + 1, "every swap made one generation");
    assert!(agent.terminate().await?.success(), "a drained agent ends well");
    check(&accepted, &weights, &sink);
    Ok(())
}

/// Each point that arrived, against what was sent and the split of the generation it says it is from.
fn check(accepted: &Accepted, weights: &BTreeMap<u64, u16>, sink: &Sink) {
    let marked: HashMap<_, _> = accepted.iter().map(|(plain, sent)| (sent.marked, plain)).collect();
    let mut arrived = HashMap::new();
    let mut per_generation: BTreeMap<u64, [u64; 2]> = BTreeMap::new();
    for point in sink.recorded() {
        let generation: u64 = point.origin.generation.parse().expect("a generation's number");
        let candidate = match point.origin.variant.as_str() {
            "candidate" => true,
            "baseline" => false,
            other => panic!("a point of variant {other:?}"),
        };
        // The mark is content, the variant is metadata: both must tell the same.
        let plain = if candidate {
            *marked.get(&point.key).expect("a candidate's point carries its mark")
        } else {
            &point.key
        };
        let sent = accepted.get(plain).expect("what arrives was accepted");
        let split = Split { salt: "local", weight_bp: weights[&generation] };
        assert_eq!(split.takes(&sent.unit), candidate, "{:?} in generation {generation}", sent.unit);
        assert!(arrived.insert(*plain, generation).is_none(), "a point arrived twice");
        per_generation.entry(generation).or_default()[usize::from(candidate)] += 1;
    }
    assert_eq!(arrived.len(), accepted.len(), "every accepted point arrived");
    assert!(per_generation.len() > SWAPS / 2, "most generations carried traffic: {}", per_generation.len());
    println!(
        "{} points in {} generations, {} by the candidate",
        arrived.len(),
        per_generation.len(),
        per_generation.values().map(|points| points[1]).sum::<u64>()
    );
}
