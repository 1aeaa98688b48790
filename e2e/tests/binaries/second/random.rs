//! Random candidates: a few stages each, drawn by a seed from those that leave every point its own ancestor.
#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use e2e::trial::Trial;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

use super::candidates::PLAN;

/// Seed; another one is other candidates.
const SEED: u64 = 20_261_128;
/// Names, as many as there are candidates.
pub const NAMES: [&str; 10] = [
    "random 0", "random 1", "random 2", "random 3", "random 4", "random 5", "random 6", "random 7",
    "random 8", "random 9",
];

const STAGES: &[&str] = &[
    "resource/title: { attributes: [ { key: process.command_line, action: delete } ] }",
    "resource/pid: { attributes: [ { key: process.pid, action: delete } ] }",
    "resource/owner: { attributes: [ { key: process.owner, action: hash } ] }",
    "resource/team: { attributes: [ { key: team, value: infra, action: upsert } ] }",
    "resource/executable: { attributes: [ { key: process.executable.name, value: all, action: update } ] }",
    "attributes/state: { actions: [ { key: state, action: delete } ] }",
    "attributes/device: { actions: [ { key: device, value: sda, action: update } ] }",
    "filter/threads: { metrics: { metric: ['name == \"process.threads\"'] } }",
    "filter/small: { metrics: { datapoint: ['metric.name == \"process.memory.usage\" and value_int < 1250000'] } }",
    "filter/nginx: { metrics: { datapoint: ['resource.attributes[\"process.executable.name\"] == \"nginx\"'] } }",
    "filter/services: { metrics: { metric: ['IsMatch(name, \"^(queue|jobs)\\\\..*\")'] } }",
    "metricstransform/scale: { transforms: [ { include: process.cpu.time, action: update, operations: [ { action: experimental_scale_value, experimental_scale: 1.005 } ] } ] }",
    "metricstransform/rename: { transforms: [ { include: http.duration, action: update, new_name: http.server.duration } ] }",
    "metricstransform/copy: { transforms: [ { include: queue.size, action: insert, new_name: queue.length } ] }",
    "transform/round: { metric_statements: [ { context: datapoint, statements: ['set(value_int, (value_int / 65536) * 65536) where metric.name == \"process.memory.usage\"'] } ] }",
    "transform/unit: { metric_statements: [ { context: metric, statements: ['set(unit, \"1\") where name == \"process.threads\"'] } ] }",
];

/// See the module. What is made here lives as long as the tests.
pub fn trials() -> Vec<Trial> {
    let mut random = Pcg64::seed_from_u64(SEED);
    let trial = |name: &'static str| {
        let many = random.random_range(1..=4);
        let candidate: Vec<&'static str> = STAGES.sample(&mut random, many).copied().collect();
        Trial { name, baseline: &[], candidate: Vec::leak(candidate), plan: PLAN }
    };
    NAMES.map(trial).to_vec()
}

/// Tells whether the agent says that a lens is measured and within its limit.
pub fn is_met(report: &serde_json::Value, lens: &str) -> bool {
    let lenses = report["generation"]["lenses"].as_array().expect("lenses");
    let said = lenses.iter().find(|one| one["name"] == lens).expect("a lens of this name");
    said["measured"]["state"] == "measured" && said["limit"]["violated"] == false
}
