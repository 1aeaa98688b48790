//! Steps after an adoption, with commands that work as they are printed.

use pipelines::division::Placement;

use super::Adoption;
use super::checks::Check;

/// One step.
pub struct Step {
    /// What it is for.
    pub what: &'static str,
    /// The command; empty where there is none.
    pub command: String,
}

/// The steps from here to a first comparison.
pub fn next(adoption: &Adoption) -> Vec<Step> {
    let mut steps = Vec::new();
    let agent = adoption.written.agent.display();
    if let Some(Check::NotRun { remedy }) = &adoption.checks.collector {
        steps.push(Step { what: "check the Collector's half with your Collector", command: remedy.clone() });
    }
    if let Check::NotRun { remedy } = &adoption.checks.agent {
        steps.push(Step { what: "check the agent's half", command: remedy.clone() });
    }
    steps.push(Step {
        what: match adoption.placement {
            Placement::Observe => "start the agent; it gets a copy and delivers nothing",
            Placement::Loop => "start the agent before the Collector: what passes goes through it",
            Placement::Instead => "stop the Collector and start the agent in its place",
        },
        command: format!("phoenix-agent --config {agent}"),
    });
    if let Some(collector) = &adoption.written.collector {
        let path = adoption.written.document.as_ref().unwrap_or(collector).display();
        let command = match &adoption.written.document {
            Some(_) => {
                format!("roll {path} out as you do today (helm upgrade --values, kubectl apply --filename)")
            }
            None => format!("otelcol --config={path}"),
        };
        steps.push(Step { what: "restart the Collector with its half", command });
    }
    steps.push(Step {
        what: "see that data arrives",
        command: "curl -s http://127.0.0.1:18888/metrics | grep otelcol_receiver_accepted_metric_points"
            .to_owned(),
    });
    steps.push(Step {
        what: "list the pipelines that Phoenix can try, then write a candidate",
        command: "phoenix pipeline template list".to_owned(),
    });
    steps
}
