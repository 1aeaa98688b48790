//! A generation as a body. JSON is YAML, and quotes everything that a value could break out of.

use serde_json::{Value, json};

use super::{Baseline, Candidate, Experiment, Fragment, Generation};
use pipelines::split::Unit;

impl Generation {
    /// The body.
    #[must_use]
    pub fn write(&self) -> String {
        let mut body = json!({ "generation": self.number, "baseline": baseline(&self.baseline) });
        // Agents that run one pipeline of metrics refuse the field, and with it what may be about another.
        if let (Some(pipeline), Some(fields)) = (&self.pipeline, body.as_object_mut()) {
            fields.insert("pipeline".to_owned(), json!(pipeline));
        }
        if let (Some(experiment), Some(fields)) = (&self.experiment, body.as_object_mut()) {
            write(experiment, fields);
        }
        // Dollars are doubled: readers of YAML configs expand what follows a single one.
        format!("{body:#}\n").replace('$', "$$")
    }
}

fn baseline(baseline: &Baseline) -> Value {
    match baseline {
        Baseline::Current => json!("current"),
        Baseline::Given(given) => fragment(given),
    }
}

fn fragment(fragment: &Fragment) -> Value {
    json!({ "sha256": fragment.sha256(), "config": fragment.config })
}

fn write(experiment: &Experiment, fields: &mut serde_json::Map<String, Value>) {
    let Experiment { id, split, candidate, lenses, critical, price, guardrails, .. } = experiment;
    let unit = match &split.unit {
        Unit::Attributes(names) => json!(names),
        named => json!(named.to_string()),
    };
    let mut put = |key: &str, value: Value| fields.insert(key.to_owned(), value);
    put("experiment", json!(id));
    put("salt", json!(split.salt));
    put("unit", unit);
    // Agents that know version 1 alone refuse the field, and with it a unit that they would have to guess.
    if split.unit.version() != 1 {
        put("split", json!(split.unit.version()));
    }
    put("weight_bp", json!(split.weight.bp()));
    put("window", json!(milliseconds(experiment.window)));
    put("report_every", json!(milliseconds(experiment.report_every)));
    put("lenses", json!(lenses));
    put("critical", json!(critical));
    put("price", json!(price));
    let latency = guardrails.max_batch_latency.map(milliseconds);
    put("guardrails", latency.map_or_else(|| json!({}), |limit| json!({ "max_batch_latency": limit })));
    let candidate = match candidate {
        Candidate::Baseline => json!("baseline"),
        Candidate::Given(given) => fragment(given),
    };
    put("candidate", candidate);
}

fn milliseconds(duration: std::time::Duration) -> String {
    format!("{}ms", duration.as_millis())
}
