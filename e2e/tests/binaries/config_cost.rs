//! Configs that cost too much: refused by name, with figures, by all who read them, who stay as they were.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::agent::refused;
use e2e::configs::Experiment;
use e2e::control_plane::ControlPlane;
use e2e::served::experiment;
use futures_util::future::join_all;
use proto::v1::ValidateConfigurationRequest;
use proto::v1::generator_service_client::GeneratorServiceClient;
use serde_json::{Value, json};
use tonic::{Code, Request};

/// Kilobytes of memory that a control plane may take for all that: what two checks may have, and their callers.
const MEMORY: u64 = 192 << 10;

/// 200 patterns that compile to 4 MiB each, in less than 10 kB.
fn processor() -> String {
    let patterns: Vec<String> = (0..200).map(|i| format!("'((a{{1000}}){{20}}){{5}}|{i:06}'")).collect();
    format!(
        "filter/huge: {{ metrics: {{ exclude: {{ match_type: regexp, metric_names: [{}] }} }} }}",
        patterns.join(", ")
    )
}

fn candidate() -> String {
    format!(
        "processors:\n  {}\nservice: {{ pipelines: {{ metrics: {{ processors: [filter/huge] }} }} }}\n",
        processor()
    )
}

async fn validate(control_plane: &ControlPlane, token: &str) -> Result<String, tonic::Status> {
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", control_plane.listening.rest))
        .map_err(|error| tonic::Status::internal(error.to_string()))?;
    let channel = channel.connect().await.map_err(|error| tonic::Status::internal(error.to_string()))?;
    let mut request = Request::new(ValidateConfigurationRequest { text: candidate() });
    let bearer = format!("Bearer {token}").parse();
    request.metadata_mut().insert("authorization", bearer.map_err(|_| tonic::Status::internal("no header"))?);
    let problems =
        GeneratorServiceClient::new(channel).validate_configuration(request).await?.into_inner().problems;
    Ok(problems
        .iter()
        .map(|problem| format!("{}:{} {}\n", problem.line, problem.column, problem.message))
        .collect())
}

fn names_figures_and_a_remedy(said: &str) {
    for words in ["filter/huge", "16777216 together", "use fewer or simpler ones"] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
}

#[tokio::test]
async fn a_candidate_of_huge_patterns_is_refused_when_it_is_created_with_its_figures() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let asked = experiment("huge", &candidate());
    assert!(candidate().len() < 10_000);
    let problem = control_plane.expect("POST", "/api/v1/experiments", Some(&asked), 422).await?;
    names_figures_and_a_remedy(&problem.to_string());
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(1), "one refusal, not 200: {problem:#}");
    Ok(())
}

#[tokio::test]
async fn fifty_validations_at_once_leave_the_control_plane_small_and_others_served() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let viewer = control_plane.person("viewer@example.org", "viewer").await?;
    let before = peak(control_plane.pid().context("it runs")?)?;
    let fifty = join_all((0..50).map(|_| validate(&control_plane, &viewer)));
    let honest = async {
        let listed = control_plane.expect("GET", "/api/v1/experiments", None, 200).await;
        anyhow::Ok((listed?, kept_at_last(&control_plane).await?))
    };
    let (answers, honest) = tokio::join!(fifty, honest);
    let (_, kept): (Value, Value) = honest?;
    assert_eq!(kept["version"], 1);
    let mut validated = 0;
    for answer in answers {
        match answer {
            Ok(said) => {
                names_figures_and_a_remedy(&said);
                validated += 1;
            }
            Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}"),
        }
    }
    assert!(validated > 0, "some of them are told what is wrong");
    let kilobytes = peak(control_plane.pid().context("it runs")?)? - before;
    assert!(kilobytes < MEMORY, "the control plane took {kilobytes} kB more than the {before} that it had");
    Ok(())
}

/// Somebody else's check has places of its own; where the machine is slow, it is asked for again as the refusal says.
async fn kept_at_last(control_plane: &ControlPlane) -> Result<Value> {
    let template = json!({ "name": "small", "text": SMALL });
    loop {
        let (status, said) = control_plane.call("POST", "/api/v1/templates", Some(&template)).await?;
        if status == 201 {
            return Ok(said);
        }
        let detail = said["detail"].as_str().unwrap_or_default();
        ensure!(status == 429 && detail.contains("the checks of others took too long"), "{status}: {said:#}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

const SMALL: &str = "name: small\ndescription: d\nfor: f\nconfig:\n  processors: { filter/a: { metrics: { metric: \
                     ['name == \"a\"'] } } }\n  service: { pipelines: { metrics: { processors: [filter/a] } } }\n";

/// The most memory that a process has had, in kilobytes.
fn peak(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[tokio::test]
async fn an_agent_that_is_given_such_a_file_says_so_in_one_error() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let processor = processor();
    let config = Experiment {
        sink: "http://127.0.0.1:9".to_owned(),
        data_dir: dir.path(),
        baseline: &[],
        candidate: &[&processor],
        weight: "0%",
        unit: "process",
    };
    let (code, said) = refused(dir.path(), &config.text()).await?;
    assert_eq!(code, Some(2), "{said}");
    names_figures_and_a_remedy(&said);
    assert_eq!(said.matches("filter/huge").count(), 1, "{said}");
    Ok(())
}
