//! `phoenix apply` and `phoenix ci` against a real control plane: files that are applied again and again, and a verdict that a
//! program waits for.

use std::path::Path;

use anyhow::Result;
use e2e::control_plane::ControlPlane;
use e2e::person::Person;
use e2e::served::{CARELESS, GOOD, Loop, experiment};
use serde_json::{Value, json};

use crate::command_line::TEMPLATE;

const FILES: &str = "kind: experiment
name: smaller
selector: env=prod
candidate: { template: { name: floor, parameters: { floor: 1000 } } }
---
kind: template
name: floor
file: floor.yaml
";

/// Kind, name and change of each item of an answer.
fn changes(answer: &Value) -> Vec<[&str; 3]> {
    let items = answer["items"].as_array().into_iter().flatten();
    items
        .map(|item| ["kind", "name", "change"].map(|field| item[field].as_str().unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn files_are_applied_again_and_again_and_only_what_differs_changes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let person = Person { dir: dir.path() };
    person.logs_in(&control_plane).await?;
    std::fs::write(dir.path().join("floor.yaml"), TEMPLATE)?;
    std::fs::write(dir.path().join("all.yaml"), FILES)?;
    let apply = ["apply", "-f", "all.yaml"];

    let dry = person.ok(&["apply", "-f", "all.yaml", "--dry-run"]).await?;
    assert!(
        dry.contains("template floor: would be created") && dry.contains("only once its template"),
        "{dry}"
    );
    assert_eq!(person.json(&["experiment", "list"]).await?["items"], json!([]));
    assert_eq!(person.json(&["template", "list"]).await?["items"].as_array().map(Vec::len), Some(0));

    let created = person.json(&apply).await?;
    let expected = [["template", "floor", "created"], ["experiment", "smaller", "created"]];
    assert_eq!(changes(&created), expected, "the template first");
    let again = person.json(&apply).await?;
    let expected = [["template", "floor", "unchanged"], ["experiment", "smaller", "unchanged"]];
    assert_eq!(changes(&again), expected);
    assert_eq!(again["items"][1]["id"], created["items"][1]["id"]);

    std::fs::write(dir.path().join("all.yaml"), FILES.replace("1000", "7"))?;
    let dry = person.ok(&["apply", "-f", "all.yaml", "--dry-run"]).await?;
    for part in
        ["experiment smaller: would be replaced", "template.parameters.floor: 1000 → 7", "value_int < 7"]
    {
        assert!(dry.contains(part), "{part}: {dry}");
    }
    assert!(dry.contains("template floor: unchanged"), "{dry}");
    let shown = person.json(&["experiment", "get", "smaller"]).await?;
    assert_eq!(shown["template"]["parameters"]["floor"], 1000, "a dry run writes nothing");
    assert!(person.ok(&apply).await?.contains("experiment smaller: replaced"));
    let shown = person.json(&["experiment", "get", "smaller"]).await?;
    assert_eq!(
        (&shown["id"], &shown["template"]["parameters"]["floor"]),
        (&created["items"][1]["id"], &7.into())
    );

    std::fs::write(dir.path().join("floor.yaml"), TEMPLATE.replace("usage", "virtual"))?;
    let newer = person.json(&apply).await?;
    let expected = [["template", "floor", "new_version"], ["experiment", "smaller", "replaced"]];
    assert_eq!(changes(&newer), expected, "the experiment takes the latest version");

    let output = person.types(&["apply", "-f", "all.yaml", "--start"]).await?;
    let [told, refused] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told.contains("experiment smaller: unchanged; pending"),
        "it is told before it does not start: {told}"
    );
    assert!(
        refused.contains("experiment smaller: ") && refused.contains("no enrolled agent matches"),
        "{refused}"
    );

    person.ok(&["experiment", "cancel", "smaller"]).await?;
    assert_eq!(changes(&person.json(&apply).await?)[1], ["experiment", "smaller", "unchanged"]);
    std::fs::write(dir.path().join("all.yaml"), FILES)?;
    let refused = person.refused(&apply).await?;
    for part in
        ["experiment smaller is cancelled with another specification", "another name", "floor: 7 → 1000"]
    {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    Ok(())
}

#[tokio::test]
async fn where_a_document_would_be_refused_none_is_applied() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let person = Person { dir: dir.path() };
    person.logs_in(&control_plane).await?;
    std::fs::write(dir.path().join("floor.yaml"), TEMPLATE)?;
    let broken = "kind: experiment\nname: broken\ncandidate: { config: 'processors: {}' }\nwindow: 0s\n---\n";
    let unknown =
        "kind: experiment\nname: unknown\ncandidate: { template: { name: nowhere, parameters: {} } }\n---\n";
    std::fs::write(dir.path().join("all.yaml"), [broken, unknown, FILES].concat())?;
    let output = person.types(&["apply", "-f", "all.yaml"]).await?;
    let [told, refused] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert_eq!(output.status.code(), Some(1), "{told}{refused}");
    assert!(refused.contains("2 of 4 documents refused, so that nothing is applied:"), "{refused}");
    for part in ["experiment broken: ", "experiment unknown: "] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    for what in ["experiment", "template"] {
        let listed = person.json(&[what, "list"]).await?.to_string();
        assert!(!listed.contains("smaller") && !listed.contains("floor"), "{told}{listed}");
    }
    // A template that is written by the same files is not asked about as it is now.
    std::fs::write(dir.path().join("all.yaml"), FILES)?;
    person.ok(&["apply", "-f", "all.yaml"]).await?;
    let wrong = "kind: template\nname: t\ntext: |\n  name: t\n  nothing: 1\n---\n";
    std::fs::write(dir.path().join("all.yaml"), [wrong, FILES].concat())?;
    let refused = person.refused(&["apply", "-f", "all.yaml"]).await?;
    assert!(refused.contains("all.yaml:") && !refused.contains("text 1:"), "{refused}");
    std::fs::write(dir.path().join("all.yaml"), [broken, FILES].concat())?;
    drop(control_plane);
    let refused = person.refused(&["apply", "-f", "all.yaml"]).await?;
    assert!(refused.contains("cannot reach") && !refused.contains("documents refused"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_missing_hides_nothing_of_what_the_control_plane_finds() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let person = Person { dir: dir.path() };
    person.logs_in(&control_plane).await?;
    let first = "name: first\nselector: env=prod\ncandidate: { file: gone.yaml }\nweights_bp: [5000]\n---\n";
    let second = "kind: template\nname: second\ntext: none\n---\n";
    let third = "name: third\nselector: env=prod\ncandidate: { file: gone.yaml }\n";
    std::fs::write(dir.path().join("all.yaml"), [first, second, third].concat())?;
    let refused = person.refused(&["apply", "-f", "all.yaml"]).await?;
    // What stands in the place of a file that is missing is right, so that nothing is said of it.
    for part in [
        "4 mistakes in the files, so that nothing is applied:",
        "all.yaml:3, document 1: candidate: cannot read",
        "all.yaml:4, document 1: experiment first: weights_bp: the last weight is 5000, and a rollout ends with 10000 (100 %)",
        "all.yaml:8, document 2: template second: text 1:1: ",
        "all.yaml:12, document 3: candidate: cannot read",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert_eq!(person.json(&["experiment", "list"]).await?["items"], json!([]));
    assert_eq!(person.json(&["template", "list"]).await?["items"], json!([]));
    Ok(())
}

/// Writes an experiment that only observes, and waits for its verdict. Returns the exit code and what was printed.
async fn decided(dir: &Path, name: &str, candidate: &str) -> Result<(Option<i32>, String)> {
    let mut body = experiment(name, candidate);
    if let Some(body) = body.as_object_mut() {
        body.remove("weights_bp");
    }
    body["steps"] = json!(["mirror"]);
    std::fs::write(dir.join(format!("{name}.json")), body.to_string())?;
    let output = Person { dir }.types(&["ci", "-f", &format!("{name}.json"), "--timeout", "50s"]).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code(), String::from_utf8(output.stdout)? + &said))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_waits_for_a_verdict_and_its_exit_code_says_which() -> Result<()> {
    let fleet = Loop::start().await?;
    let dir = tempfile::tempdir()?;
    let person = Person { dir: dir.path() };
    person.logs_in(&fleet.control_plane).await?;

    let (code, said) = decided(dir.path(), "good", GOOD).await?;
    assert_eq!(code, Some(0), "{said}");
    for part in
        ["### Phoenix: good — the candidate would be promoted", "| met | min\\_cardinality\\_reduction |"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (again, said) = decided(dir.path(), "good", GOOD).await?;
    assert_eq!(again, Some(0), "what is decided is not run again: {said}");
    assert_eq!(person.json(&["experiment", "list"]).await?["items"].as_array().map(Vec::len), Some(1));

    let (code, said) = decided(dir.path(), "careless", CARELESS).await?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the candidate would not be promoted") && said.contains("| violated |"), "{said}");

    let (code, said) = decided(dir.path(), "wrong", "processors: [").await?;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("experiment wrong"), "{said}");
    Ok(())
}
