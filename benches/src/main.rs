//! `phoenix-bench`: what a point costs, piece by piece and end to end.
//!
//! Times on a shared machine are noisy: quote ratios from one run, and instructions beside the seconds.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod agent;
mod beside;
mod collector;
mod end_to_end;
mod fleet;
mod instructions;
mod load;
mod micro;
mod node;
mod observing;
mod payload;
mod pipelines;
mod rest;
mod rows;
mod server;
mod sink;
mod stalled;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "What a point costs, piece by piece and end to end")]
struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Nanoseconds a point of index, identity, filter, observation.
    Micro(micro::Args),
    /// Instructions a point of the same pieces, by callgrind (needs valgrind).
    Instructions,
    /// Measure the price of observing both variants of one host: time, memory, a report.
    Observing(observing::Args),
    /// Whole pipelines, bytes in to bytes out, beside the Collector's own processors.
    Pipelines(pipelines::Args),
    /// Points per CPU-second of a real agent between a load generator and a sink.
    EndToEnd(end_to_end::Args),
    /// Measure what the baseline notices of an expensive candidate: latency, throughput, memory.
    Beside(beside::Args),
    /// Measure memory and CPU of an agent on a node of 300 processes: ten minutes.
    Node(node::Args),
    /// Measure memory and CPU of an agent whose destination answers nothing.
    Stalled(stalled::Args),
    /// Measure a control plane with a fleet: connecting, a step to all, reports, a rollback, rest, and coming back.
    Fleet(fleet::Args),
    /// Measure REST of a control plane beside a bare handler on the same database.
    Rest(rest::Args),
}

fn main() -> anyhow::Result<()> {
    match Args::parse().what {
        Some(What::Micro(args)) => micro::run(&args),
        Some(What::Instructions) => instructions::run(),
        Some(What::Observing(args)) => observing::run(&args),
        Some(What::Pipelines(args)) => pipelines::run(&args),
        Some(What::EndToEnd(args)) => end_to_end::run(&args),
        Some(What::Beside(args)) => beside::run(&args),
        Some(What::Node(args)) => node::run(&args),
        Some(What::Stalled(args)) => stalled::run(&args),
        Some(What::Fleet(args)) => fleet::run(&args),
        Some(What::Rest(args)) => rest::run(&args),
        None => {
            micro::run(&micro::Args::default())?;
            instructions::run()?;
            observing::run(&observing::Args::default())?;
            for one_in in [None, Some(8)] {
                observing::run(&observing::Args {
                    instructions: true,
                    one_in,
                    ..observing::Args::default()
                })?;
            }
            pipelines::run(&pipelines::Args { instructions: true, ..pipelines::Args::default() })?;
            end_to_end::run(&end_to_end::Args::default())?;
            beside::run(&beside::Args::default())
        }
    }
}
