//! `phoenix experiment create`: from a file of JSON, from a candidate's file, or from both.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use api::Experiment;
use client::{Client, Method};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

#[derive(clap::Args, Clone)]
pub struct Args {
    /// File of JSON, or `-` for standard input; not needed with --candidate
    #[arg(required_unless_present = "candidate")]
    file: Option<PathBuf>,
    /// Collector file of the pipeline that is tried, in place of the candidate in FILE
    #[arg(long, value_name = "CONFIG")]
    candidate: Option<PathBuf>,
    /// Name of the experiment, in place of the name in FILE; without both that of the candidate's file
    #[arg(long)]
    name: Option<String>,
    /// The agents it runs on, by label, in place of the selector in FILE
    #[arg(long, value_name = "LABELS")]
    selector: Option<String>,
    /// The pipeline of metrics that it is about, where agents' files have several, in place of the pipeline in FILE
    #[arg(long, value_name = "ID")]
    pipeline: Option<String>,
    /// Observe only: run mirror alone, deliver nothing of the candidate, and end with what would have been decided
    #[arg(long)]
    observe_only: bool,
    /// Start it at once
    #[arg(long)]
    start: bool,
}

/// Creates an experiment, and starts it if that is asked for; the control plane's answer.
///
/// # Errors
/// Files that cannot be read, contradictions, and the control plane's refusals.
pub async fn create(args: Args, client: &Client) -> anyhow::Result<Value> {
    let start = args.start;
    let made = client.post("/experiments", &Value::Object(args.body()?)).await?;
    if !start {
        return Ok(made);
    }
    let Experiment { id, name, .. } =
        Experiment::deserialize(&made).context("the answer is not as expected")?;
    let started = client.call(Method::POST, &format!("/experiments/{id}/start"), None).await;
    started.with_context(|| not_started(&name))
}

/// Sentence about an experiment that was created and could not be started.
fn not_started(name: &str) -> String {
    format!(
        "experiment {name} is created, and pending; it could not be started. Once that is mended, `phoenix experiment start {name}` \
         starts it. The reason"
    )
}

impl Args {
    fn body(self) -> anyhow::Result<Map<String, Value>> {
        let mut body = self.file.as_deref().map_or_else(|| Ok(Map::new()), read)?;
        if let Some(path) = &self.candidate {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            body.insert("candidate".to_owned(), json!({ "config": text }));
        }
        let stem = self.candidate.as_deref().and_then(Path::file_stem);
        let unnamed =
            stem.filter(|_| !body.contains_key("name")).map(|stem| stem.to_string_lossy().into_owned());
        for (field, value) in
            [("name", self.name.or(unnamed)), ("selector", self.selector), ("pipeline", self.pipeline)]
        {
            if let Some(value) = value {
                body.insert(field.to_owned(), value.into());
            }
        }
        if self.observe_only {
            observe_only(&mut body)?;
        }
        Ok(body)
    }
}

/// Takes the weights away; those that the file has are not thrown away silently.
fn observe_only(body: &mut Map<String, Value>) -> anyhow::Result<()> {
    for field in ["weights_bp", "steps"] {
        let delivers = |steps: &[Value]| steps.iter().any(Value::is_number);
        match body.get(field) {
            Some(Value::Array(steps)) if !delivers(steps) => return Ok(()),
            Some(steps) => bail!(
                "the file has {field}: {steps}, and --observe-only asks for no weight; leave one of them out"
            ),
            None => {}
        }
    }
    body.insert("weights_bp".to_owned(), json!([]));
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Map<String, Value>> {
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).context("cannot read standard input")?
    } else {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
    };
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON of an experiment", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> Args {
        Args {
            file: None,
            candidate: None,
            name: None,
            selector: None,
            pipeline: None,
            observe_only: true,
            start: false,
        }
    }

    fn observing(body: Value) -> anyhow::Result<Value> {
        let Value::Object(mut body) = body else { bail!("no object") };
        observe_only(&mut body)?;
        Ok(Value::Object(body))
    }

    #[test]
    fn a_candidate_alone_is_an_experiment_by_the_name_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cheaper.yaml");
        std::fs::write(&path, "processors:\n").unwrap();
        let body =
            Args { candidate: Some(path.clone()), selector: Some("a=b".into()), ..args() }.body().unwrap();
        let expected = json!({
            "name": "cheaper", "selector": "a=b", "candidate": { "config": "processors:\n" }, "weights_bp": [],
        });
        assert_eq!(Value::Object(body), expected);
        let file = dir.path().join("e.json");
        std::fs::write(&file, r#"{"name": "n", "candidate": {"template": {"name": "t"}}, "aa": true}"#)
            .unwrap();
        let both =
            Args { file: Some(file), candidate: Some(path), observe_only: false, ..args() }.body().unwrap();
        let expected = json!({ "name": "n", "candidate": { "config": "processors:\n" }, "aa": true });
        assert_eq!(Value::Object(both), expected);
    }

    #[test]
    fn weights_are_not_thrown_away_silently() {
        let steps = json!({ "steps": ["aa", "mirror"] });
        assert_eq!(observing(steps.clone()).unwrap(), steps);
        for body in
            [json!({ "weights_bp": [10_000] }), json!({ "steps": ["mirror", 500] }), json!({ "steps": "x" })]
        {
            let said = observing(body).unwrap_err().to_string();
            assert!(said.contains("--observe-only asks for no weight"), "{said}");
        }
    }
}
