//! `phoenix demo` as a program that reads its report: the real binaries, walked, measured and proved.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn demo(program: &Path, temporary: &Path, args: &[&str]) -> Output {
    Command::new(program).arg("demo").args(args).env("TMPDIR", temporary).output().unwrap()
}

fn phoenix() -> &'static Path {
    let phoenix = Path::new(env!("CARGO_BIN_EXE_phoenix"));
    let agent = phoenix.with_file_name("phoenix-agent");
    assert!(agent.exists(), "{} is missing: run `cargo build --workspace --bins` first", agent.display());
    phoenix
}

/// Pids of processes that have a file of this folder on their command line.
fn users_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let pids = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let command_line = |pid: &Path| std::fs::read_to_string(pid.join("cmdline")).unwrap_or_default();
    pids.filter(|pid| command_line(pid).contains(folder)).map(|pid| pid.display().to_string()).collect()
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("expected a count, got {value}"))
}

fn sums(case: &Value) -> [u64; 2] {
    ["left", "right"].map(|side| case[side].as_array().unwrap().iter().map(count).sum())
}

#[test]
fn the_demo_proves_that_no_point_is_lost_and_names_what_bad_candidates_would_do() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(phoenix(), temporary.path(), &["--json"]);
    let seen = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{seen}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();

    // The proof, added up here once more.
    assert_eq!(report["holds"], true);
    let mut claims = BTreeSet::new();
    for equation in report["proof"].as_array().unwrap() {
        claims.insert(equation["claim"].as_str().unwrap());
        for case in equation["cases"].as_array().unwrap() {
            let [left, right] = sums(case);
            assert_eq!(left, right, "{equation}");
        }
    }
    assert!(claims.len() >= 12, "{claims:?}");

    // The walk: traffic on every agent, a real saving, nothing critical lost, memory exact.
    let agents = report["walk"]["agents"].as_array().unwrap();
    assert_eq!(agents.len(), 3);
    for agent in agents {
        let comparison = &agent["comparison"];
        assert!(count(&agent["source"]["acknowledged"]) > 1_000, "{agent}");
        assert!(comparison["saving"]["series"].as_f64().unwrap() > 0.1, "{agent}");
        assert!(comparison["saving"]["bytes"].as_f64().unwrap() > 0.1, "{agent}");
        let coverage = &comparison["coverage"];
        assert!(count(&coverage["critical"]) > 0, "the agents themselves are critical here: {coverage}");
        assert_eq!(coverage["critical"], coverage["candidate"], "{coverage}");
        assert_eq!(count(&comparison["candidate"]["collisions"]["value"]), 0);
        let memory =
            comparison["lenses"].as_array().unwrap().iter().find(|l| l["name"] == "memory by executable");
        assert_eq!(count(&memory.unwrap()["groups_that_differ"]), 0, "{agent}");
        for variant in ["baseline", "candidate"] {
            assert!(count(&comparison[variant]["delivered"]["points"]) > 0, "both variants deliver a part");
        }
    }

    // The second act: by name, and without a word from the sink.
    let [careless, colliding] = &report["second_act"].as_array().unwrap()[..] else { panic!("{report}") };
    let vanished = careless["agents"][1]["comparison"]["coverage"]["vanished"].as_array().unwrap();
    assert!(vanished.iter().any(|process| process["process"].as_str().unwrap().starts_with("nginx (pid ")));
    let collisions = colliding["agents"][1]["comparison"]["collisions"].as_array().unwrap();
    assert!(collisions.iter().all(|collision| collision["writers"].as_array().unwrap().len() == 2));
    assert!(!collisions.is_empty());

    // What a person saw meanwhile, and what is left of it all.
    for word in ["Mirror, weight 0 %", "weight 25 %", "weight 100 %", "Proof: where every point went"] {
        assert!(seen.contains(word), "{word}: {seen}");
    }
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "a good run leaves no files");
    assert_eq!(users_of(temporary.path()), Vec::<String>::new(), "and no processes");
}

#[test]
fn without_the_agent_beside_it_it_says_what_is_missing_and_how_to_get_it() {
    let elsewhere = tempfile::tempdir().unwrap();
    let lonely = elsewhere.path().join("phoenix");
    std::fs::copy(phoenix(), &lonely).unwrap();
    let temporary = elsewhere.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let output = demo(&lonely, &temporary, &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.contains("phoenix-agent is expected beside") && said.contains("make demo"), "{said}");
}

#[test]
fn an_agent_that_ends_too_early_is_named_with_its_last_words() {
    let elsewhere = tempfile::tempdir().unwrap();
    let program = elsewhere.path().join("phoenix");
    std::fs::copy(phoenix(), &program).unwrap();
    // `phoenix` in the agent's place does not know what it is asked, says so, and ends.
    std::fs::copy(phoenix(), elsewhere.path().join("phoenix-agent")).unwrap();
    let temporary = elsewhere.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let output = demo(&program, &temporary, &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.contains("the agent of this machine") && said.contains("ended too early"), "{said}");
    assert!(said.contains("unexpected argument '--config'"), "its last words: {said}");
    assert!(said.contains("kept in"), "{said}");
    assert_eq!(users_of(&temporary), Vec::<String>::new(), "the sink was stopped");
}
