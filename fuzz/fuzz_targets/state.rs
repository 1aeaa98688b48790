//! Any bytes are a stage's saved state or refused; what is gone on with is saved as a state again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pipelines::config::CollectorFile;
use pipelines::processors::Pipeline;

const START: u64 = 1_700_000_000_000_000_000;
/// A stage of each kind that has a state.
const STAGES: [&str; 6] = [
    "cumulativetodelta: {}",
    "cumulativetodelta: {max_staleness: 1h}",
    "rollup: {}",
    "topk: {k: 2, by: [cpu, memory], stay: 30s}",
    "adaptive: {measure: series, window: 10s, levels: [{name: all, keep: 1, up_to: 8}, {name: half, keep: 0.5}]}",
    "priority: {classes: [{name: busy, above: {memory: 12}}], default: idle, stay: 25s}",
];

fn pipeline(stage: &str) -> Pipeline {
    let name = stage.split(':').next().expect("a name");
    let text = format!(
        "processors: {{ {stage} }}\nservice: {{ pipelines: {{ metrics: {{ processors: [{name}] }} }} }}\n"
    );
    let file = CollectorFile::parse("state.yaml", &text, &|_| None).expect("a file");
    Pipeline::build(&file.check("metrics").expect("a plan"), START)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, state)) = bytes.split_first() else { return };
    let stage = STAGES[usize::from(*which) % STAGES.len()];
    let mut restored = pipeline(stage);
    // Version, length of the id, the id and the config's digest, as a stage without anything in it has them.
    let mut saved = restored.save().expect("each of them has a state");
    let id = u32::from_le_bytes(saved[1..5].try_into().expect("four bytes")) as usize;
    saved.truncate(5 + id + 32);
    saved.extend((state.len() as u64).to_le_bytes());
    saved.extend(state);
    if restored.restore(&saved, START).is_empty() {
        return;
    }
    let again = restored.save().expect("it has one still");
    assert!(!pipeline(stage).restore(&again, START).is_empty(), "what was saved is not gone on with");
});
