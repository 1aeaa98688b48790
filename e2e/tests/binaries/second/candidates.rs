//! Candidates and what their configs state.

use e2e::reporter::SECOND;
use e2e::store::plan::{Ancestry, Function, Lens, Plan};
use e2e::trial::Trial;

const fn lens(name: &'static str, metric: &'static str, group_by: &'static str, function: Function) -> Lens {
    Lens { name, metric, group_by, function, lookback: 2 * SECOND, max_error: 0.01 }
}

const LENSES: &[Lens] = &[
    lens("memory by executable", "process.memory.usage", "process.executable.name", Function::Sum),
    lens("cpu by executable", "process.cpu.time", "process.executable.name", Function::Sum),
    lens("cpu rate by host", "process.cpu.time", "host.name", Function::Rate),
    lens("mean memory by owner", "process.memory.usage", "process.owner", Function::Avg),
    lens("most threads by host", "process.threads", "host.name", Function::Max),
    lens("least threads by executable", "process.threads", "process.executable.name", Function::Min),
    lens("processes by executable", "process.cpu.time", "process.executable.name", Function::Count),
];

const PLAN: Plan = Plan {
    ancestry: [Ancestry::Same; 2],
    lenses: LENSES,
    critical: &["nginx", "postgres"],
    required: &["process.cpu.time", "process.memory.usage"],
    promoted: None,
    hold: 0,
};

/// All trials.
pub const TRIALS: &[Trial] = &[
    Trial { name: "the_same", candidate: &[], plan: PLAN },
    Trial {
        name: "no_command_line",
        candidate: &["resource/r: { attributes: [ { key: process.command_line, action: delete } ] }"],
        plan: PLAN,
    },
];
