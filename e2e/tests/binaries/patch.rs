//! `phoenix experiment patch`: a file of a published shape is adopted, a candidate is observed on the copy, and the winner goes
//! back into the file.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use e2e::agent::Agent;
use e2e::fleet::{Source, connected};
use e2e::person::Person;
use e2e::served::{Loop, experiment};
use serde_json::{Value, json};

/// What the file has of `transform/h`, and a filter by a name that it has for another one.
const CANDIDATE: &str = "processors:
  transform/h: { error_mode: ignore, metric_statements: ['set(resource.attributes[\"env\"], \"prod\")'] }
  filter/a: { metrics: { datapoint: ['metric.name == \"process.memory.virtual\"'] } }
service: { pipelines: { metrics: { processors: [transform/h, filter/a] } } }
";

/// The shape, with comments where people write them.
fn shape() -> Result<String> {
    let path = "../pipelines/testdata/field/real-coralogix-linux/config.yaml";
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))?;
    let commented = text
        .replace("processors:\n  batch: null\n", "processors:\n  batch: null  # for the backend\n")
        .replace("    metrics:\n", "    # What is billed.\n    metrics:\n");
    Ok(format!("# Ours since the spring.\n{commented}"))
}

/// Adopts the file and runs the agent's half of it, fed by a simulated host, under the control plane.
async fn adopted(fleet: &mut Loop, person: Person<'_>) -> Result<()> {
    let at = format!("ws://{}/v1/opamp", fleet.control_plane.listening.fleet);
    let words =
        ["adopt", "otelcol.yaml", "--out", "adopted", "--endpoint", "127.0.0.1:0", "--control-plane", &at];
    person.ok(&words).await?;
    let token = fleet.control_plane.enrollment_token(json!({ "adopted": "otelcol" })).await?;
    let dir = fleet.dir.path().join("agent");
    std::fs::create_dir_all(&dir)?;
    std::fs::write(dir.join("token"), token)?;
    let half = std::fs::read_to_string(fleet.dir.path().join("adopted/phoenix-agent.yaml"))?;
    let place = |name: &str| dir.join(name).display().to_string();
    let half = half
        .replace(":18888", ":0")
        .replace(":18133", ":0")
        .replace("./token", &place("token"))
        .replace("./phoenix-data", &place("data"));
    let agent = Agent::start(&dir, &half).await?;
    connected(&agent).await;
    fleet.sources.push(Source::start(agent.endpoint(), 1));
    fleet.agents.push(agent);
    Ok(())
}

/// An experiment of mirror alone on the adopted agent.
fn observing(name: &str, policy: Value) -> Value {
    let mut body = experiment(name, CANDIDATE);
    body["selector"] = json!("adopted=otelcol");
    (body["weights_bp"], body["policy"]) = (json!([]), policy);
    body
}

/// Ids of the processors that Phoenix runs of a file's pipeline, in order, and of those that stay in the Collector.
async fn divided(person: Person<'_>, file: &str, pipeline: &str) -> Result<[Vec<String>; 2]> {
    let words = ["adopt", file, "--out", "divided", "--pipeline", pipeline];
    let document = person.json(&words).await?;
    let ids = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let ours = ids(&document["baseline"]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let stay = ids(&document["components"])
        .into_iter()
        .filter(|row| row["home"] == "Collector" && row["section"] == "processor");
    Ok([ours, stay.filter_map(|row| row["component"].as_str().map(str::to_owned)).collect()])
}

/// Lines of one text that another lacks.
fn gone<'a>(from: &'a str, to: &str) -> Vec<&'a str> {
    let kept: BTreeSet<&str> = to.lines().collect();
    from.lines().filter(|line| !kept.contains(line)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_winner_goes_into_the_file_that_was_adopted_and_all_else_of_it_stays() -> Result<()> {
    let mut fleet = Loop::alone(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()).await?;
    let dir = fleet.dir.path().to_owned();
    let person = Person { dir: &dir };
    person.logs_in(&fleet.control_plane).await?;
    let original = shape()?;
    std::fs::write(dir.join("otelcol.yaml"), &original)?;
    adopted(&mut fleet, person).await?;
    let patch = ["experiment", "patch", "winner", "--file", "otelcol.yaml"];

    let body = observing("winner", json!({ "min_horizons": 2, "min_cardinality_reduction": 0.05 }));
    let made = fleet.control_plane.expect("POST", "/api/v1/experiments", Some(&body), 201).await?;
    let refused = person.refused(&patch).await?;
    assert!(
        refused.contains("the experiment winner is pending, and only one that ended as promoted"),
        "{refused}"
    );
    person.ok(&["experiment", "start", "winner"]).await?;
    let id = made["id"].as_str().context("an id")?;
    fleet.until(id, "would_promote", |status| status["outcome"] == "would_promote").await;

    let patched = person.ok(&patch).await?;
    std::fs::write(dir.join("read-again.yaml"), &patched)?;
    let [ours, stay] = divided(person, "read-again.yaml", "metrics").await?;
    assert_eq!((ours.len(), ours[0].as_str()), (2, "transform/h"));
    assert!(ours[1].starts_with("filter/") && ours[1] != "filter/a", "that name is taken: {ours:?}");
    assert_eq!(stay[..4], ["memory_limiter", "resourcedetection/c", "resourcedetection/b", "batch"]);
    for other in ["metrics/a", "metrics/b"] {
        let [ours, stay] = divided(person, "read-again.yaml", other).await?;
        assert_eq!(
            (ours, &stay[..2]),
            (vec!["transform/h".to_owned()], &["memory_limiter".to_owned(), "batch".to_owned()][..])
        );
    }
    for comment in
        ["# Ours since the spring.\n", "  batch: null  # for the backend\n", "    # What is billed.\n"]
    {
        assert!(patched.contains(comment), "{comment}: {patched}");
    }
    // The definition that nobody uses any more, and the list.
    let lost = gone(&original, &patched);
    assert!(lost.len() <= 3 && lost[0] == "  transform/e: *id003", "{lost:?}");
    assert!(patched.contains("process.memory.virtual"), "{patched}");

    // Elsewhere, in a document, and for programs.
    person.ok(&[&patch[..], &["--out", "patched.yaml"]].concat()).await?;
    assert_eq!(std::fs::read_to_string(dir.join("patched.yaml"))?, patched);
    let told = person.json(&patch).await?;
    assert_eq!((&told["text"], &told["outcome"]), (&json!(patched), &json!("would_promote")));
    let indented: String = original.lines().map(|line| format!("  {line}\n")).collect();
    std::fs::write(dir.join("values.yaml"), format!("mode: daemonset # all nodes\nconfig:\n{indented}"))?;
    let values = ["experiment", "patch", "winner", "--file", "values.yaml", "--at", "config"];
    let indented: String = patched.lines().map(|line| format!("  {line}\n")).collect();
    assert_eq!(
        person.ok(&values).await?.trim_end(),
        format!("mode: daemonset # all nodes\nconfig:\n{indented}").trim_end()
    );

    // A file whose lines end as on Windows.
    std::fs::write(dir.join("windows.yaml"), original.replace('\n', "\r\n"))?;
    let windows =
        ["experiment", "patch", "winner", "--file", "windows.yaml", "--out", "patched-windows.yaml"];
    person.ok(&windows).await?;
    let written = std::fs::read_to_string(dir.join("patched-windows.yaml"))?;
    assert_eq!(written, patched.replace('\n', "\r\n"));

    // Another file than the one that was adopted.
    let refused = person.refused(&[&patch[..], &["--out", "otelcol.yaml"]].concat()).await?;
    assert!(refused.contains("is the file that was read"), "{refused}");
    for (from, to, expected) in [
        ("value: prod", "value: test", "a-host ran another baseline, in settings, in order"),
        ("value: prod", "value: '${env:WHERE}'", "with WHERE set as the agents have it"),
        (
            "  transform/h: *id003",
            "  transform/h: { metric_statements: [] }",
            "is not the baseline of the experiment winner",
        ),
        (
            "        transform/h, transform/f,",
            "        transform/f,",
            "a-host ran another baseline, in settings, in order, or in what stands there",
        ),
    ] {
        let text = original.replace(from, to);
        assert_ne!(text, original);
        std::fs::write(dir.join("other.yaml"), text)?;
        let refused = person.refused(&["experiment", "patch", "winner", "--file", "other.yaml"]).await?;
        assert!(refused.contains(expected), "{expected} is not in {refused}");
    }
    // A variable that is set nowhere is its default, for the agent and here.
    std::fs::write(
        dir.join("default.yaml"),
        original.replace("value: prod", "value: '${env:SET_NOWHERE:-prod}'"),
    )?;
    person
        .ok(&["experiment", "patch", "winner", "--file", "default.yaml", "--out", "of-default.yaml"])
        .await?;
    let refused = person.refused(&["experiment", "patch", "winner", "--file", "patched.yaml"]).await?;
    assert!(refused.contains("has the candidate's processors already"), "{refused}");
    let refused = person.refused(&[&patch[..], &["--pipeline", "metrics/a"]].concat()).await?;
    assert!(refused.contains("is not the baseline") && refused.contains("--pipeline"), "{refused}");

    // What a Collector refuses is not written.
    for (status, is_written) in [(1, false), (0, true)] {
        let otelcol = dir.join("otelcol");
        std::fs::write(
            &otelcol,
            format!("#!/bin/sh\ngrep -q virtual \"$3\" && echo no room && exit {status}\n"),
        )?;
        std::fs::set_permissions(&otelcol, std::fs::Permissions::from_mode(0o755))?;
        let words = [&patch[..], &["--out", "checked.yaml", "--validate-with", "./otelcol"]].concat();
        let output = person.types(&words).await?;
        assert_eq!((output.status.success(), dir.join("checked.yaml").exists()), (is_written, is_written));
        let said = String::from_utf8(output.stderr)?;
        assert_eq!(
            said.contains("refuses the patched config, so it was not written:\nno room"),
            !is_written,
            "{said}"
        );
    }

    // One that would not be promoted is written only where that is asked for.
    let greedy = observing("greedy", json!({ "min_horizons": 2, "min_cardinality_reduction": 0.9 }));
    let id = fleet.control_plane.experiment(&greedy).await?;
    fleet.until(&id, "would_not", |status| status["outcome"] == "would_not").await;
    let greedy = ["experiment", "patch", "greedy", "--file", "otelcol.yaml"];
    let refused = person.refused(&greedy).await?;
    assert!(refused.contains("ended as would_not") && refused.contains("--anyway"), "{refused}");
    assert!(
        refused.contains("at least 90 % less is asked for") || refused.contains("90.0"),
        "the reason: {refused}"
    );
    assert_eq!(person.ok(&[&greedy[..], &["--anyway"]].concat()).await?, patched);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_a_stock_collector_lacks_and_a_baseline_that_was_given_are_told() -> Result<()> {
    let fleet = Loop::alone(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()).await?;
    let dir = fleet.dir.path().to_owned();
    let person = Person { dir: &dir };
    person.logs_in(&fleet.control_plane).await?;
    std::fs::write(dir.join("otelcol.yaml"), shape()?)?;
    for (name, candidate, baseline) in [
        ("ours", person.ok(&["pipeline", "template", "render", "topk"]).await?, None),
        ("given", CANDIDATE.to_owned(), Some(CANDIDATE.replace("process.memory.virtual", "x"))),
    ] {
        let mut body = json!({ "name": name, "candidate": { "config": candidate }, "weights_bp": [] });
        if let Some(baseline) = baseline {
            body["baseline"] = json!(baseline);
        }
        fleet.control_plane.expect("POST", "/api/v1/experiments", Some(&body), 201).await?;
    }
    let patch = async |name| {
        let words = ["experiment", "patch", name, "--file", "otelcol.yaml", "--anyway"];
        person.refused(&words).await
    };
    let refused = patch("ours").await?;
    assert!(refused.contains("No agent has told what it ran"), "{refused}");
    assert!(refused.contains("a stock Collector lacks topk"), "{refused}");
    let refused = patch("given").await?;
    let differs = "the file lacks filter/a; the file has resource/a besides; the file has transform/f besides; the file has \
                   transform/e besides";
    assert!(refused.contains(differs), "{refused}");
    Ok(())
}
