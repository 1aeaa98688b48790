//! Tests of what a person reads of an experiment that real agents ran.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use anyhow::Result;
use e2e::person::Person;
use e2e::served::{CARELESS, GOOD, Loop, experiment};
use serde_json::Value;

/// The line that begins with these words, its words one space apart.
fn row(text: &str, begin: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let found = text.lines().map(words).find(|line| line.starts_with(begin));
    found.unwrap_or_else(|| panic_with(begin, text))
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn panic_with(begin: &str, text: &str) -> ! {
    panic!("no line {begin:?} in\n{text}")
}

fn digits(text: &str) -> u64 {
    text.replace(',', "").parse().expect("a count")
}

/// Results as a document and as text, of the same moment: a last report may come in after the verdict.
async fn results_in_both_forms(person: &Person<'_>, id: &str) -> Result<(Value, String)> {
    for _ in 0..20 {
        let before = person.json(&["experiment", "results", id]).await?;
        let text = person.ok(&["experiment", "results", id]).await?;
        if person.json(&["experiment", "results", id]).await? == before {
            return Ok((before, text));
        }
    }
    anyhow::bail!("results go on changing after the end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_show_savings_losses_delivery_and_rules_as_the_control_plane_has_them() -> Result<()> {
    let fleet = Loop::start().await?;
    let person = Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;
    let id = fleet.control_plane.experiment(&experiment("good", GOOD)).await?;
    fleet.until(&id, "promoted", |status| status["outcome"] == "promoted").await;
    // Agents tell the rest of their last horizon once they hear of the end.
    while !person.json(&["experiment", "results", &id]).await?["uncounted"].is_null() {}
    let (results, text) = results_in_both_forms(&person, &id).await?;

    // Each answer is of one moment: its rows, and what none of them has, are the total.
    for by in ["step", "horizon"] {
        let path = format!("/api/v1/experiments/{id}/results?by={by}");
        let found = fleet.control_plane.expect("GET", &path, None, 200).await?;
        let rows = found["rows"].as_array().expect("rows");
        let in_rows: u64 = rows.iter().filter_map(|row| row["figures"]["points_in"].as_u64()).sum();
        let horizons: u64 = rows.iter().filter_map(|row| row["horizons"].as_u64()).sum();
        let apart = found["left_out"]["points_in"].as_u64().unwrap_or(0);
        assert_eq!(found["total"]["points_in"].as_u64(), Some(in_rows + apart), "{by}: {found}");
        assert!(in_rows > apart && found["left_out"]["horizons"].as_u64().unwrap_or(0) == 0, "{by}: {found}");
        // Mirror and two weights, of two horizons each.
        assert!(horizons >= 6 && rows.len() >= 3, "{by}: {rows:?}");
    }

    let sum = |pointer: &str| -> u64 {
        let agents = results["agents"].as_array().expect("agents");
        agents.iter().map(|agent| agent.pointer(pointer).and_then(Value::as_u64).expect("a count")).sum()
    };
    // Its lenses are named above the table, too.
    let of_metric = text.split("lost most of all").nth(1).map(|text| row(text, "process.memory.virtual"));
    let lost = of_metric.expect("the table").split(' ').nth(1).map(digits);
    assert_eq!(lost, Some(sum("/total/lost_by_candidate/value")), "{text}");
    for variant in ["baseline", "candidate"] {
        let confirmed = sum(&format!("/total/{variant}/delivery/confirmed"));
        let shown = text.split("Delivery").nth(1).map(|text| row(text, variant)).expect("the table");
        let left = sum(&format!("/total/{variant}/delivered/points"));
        let cells: Vec<u64> = shown.split(' ').skip(1).take(2).map(digits).collect();
        assert!(confirmed > 0 && cells == [left, confirmed], "{shown}: {left} {confirmed}");
    }
    let dropped = sum("/total/candidate/rules/0/dropped");
    let account = row(&text, "candidate filter/virtual:");
    assert!(
        dropped > 0 && account.split(' ').any(|word| word.replace(',', "") == dropped.to_string()),
        "{account}"
    );
    assert!(row(&text, "USD a month").contains('%') && text.contains("Its source: "), "{text}");
    assert!(text.contains("Distributions of values") && text.contains("memory by executable"), "{text}");
    assert!(text.contains("[L0]") && text.contains("[L2]"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_of_a_refused_candidate_name_who_would_vanish() -> Result<()> {
    let fleet = Loop::start().await?;
    let person = Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;
    let id = fleet.control_plane.experiment(&experiment("careless", CARELESS)).await?;
    fleet.until(&id, "refused", |status| status["outcome"] == "rolled_back").await;
    let text = person.ok(&["experiment", "results", &id]).await?;
    assert!(text.contains("Critical processes that would be hidden:"), "{text}");
    assert!(text.contains("a required metric is lost"), "{text}");
    Ok(())
}
