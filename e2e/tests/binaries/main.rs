//! Tests that start the real binaries: one program, so that it is linked once and tests that wait run side by side.

mod aa;
mod across_agents;
mod adopt;
mod attacks;
mod bad_input;
mod bad_reports;
mod command_line;
mod config_cost;
mod crash;
mod credentials;
mod critical;
mod demo;
mod disks;
mod entities;
mod fleet_protocol;
mod quarantine;
mod results_shown;
mod scenarios;
mod second;
mod secrets;
mod served_loop;
mod shadow;
mod survival;
mod swaps;
mod verdicts;
mod waves;
