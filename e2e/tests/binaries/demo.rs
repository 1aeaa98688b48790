//! `phoenix demo` as a program that reads its report: the real binaries, walked, measured and proved.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use e2e::agent::binary;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn demo(program: &Path, temporary: &Path, args: &[&str]) -> Output {
    Command::new(program).arg("demo").args(args).env("TMPDIR", temporary).output().unwrap()
}

fn phoenix() -> PathBuf {
    for other in ["phoenix-agent", "phoenix-control-plane"] {
        let _exists = binary(other);
    }
    binary("phoenix")
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

/// `phoenix demo --stay --json`, what it shows going to a file.
struct Staying {
    child: Child,
    report: tempfile::NamedTempFile,
    shown: tempfile::NamedTempFile,
}

impl Staying {
    fn start(temporary: &Path) -> Self {
        let [report, shown] = [(); 2].map(|()| tempfile::NamedTempFile::new().unwrap());
        let child = Command::new(phoenix())
            .args(["demo", "--stay", "--json"])
            .env("TMPDIR", temporary)
            .stdout(report.reopen().unwrap())
            .stderr(shown.reopen().unwrap())
            .spawn()
            .unwrap();
        Self { child, report, shown }
    }

    fn seen(&self) -> String {
        std::fs::read_to_string(self.shown.path()).unwrap()
    }

    /// Waits until it says what to try; all that it has shown.
    fn until_invited(&mut self) -> String {
        let end = Instant::now() + Duration::from_secs(240);
        while !self.seen().contains("/counts ") {
            assert_eq!(self.child.try_wait().unwrap(), None, "{}", self.seen());
            assert!(Instant::now() < end, "{}", self.seen());
            std::thread::sleep(Duration::from_millis(100));
        }
        self.seen()
    }

    /// Ctrl-C, and the report.
    fn end(mut self) -> Value {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        assert!(self.child.wait().unwrap().success(), "{}", self.seen());
        serde_json::from_reader(self.report.reopen().unwrap()).unwrap()
    }
}

/// Does what `--stay` says can be tried, as one shell session: every line has to work.
fn by_hand(seen: &str) {
    let (_, invitation) = seen.split_once("What to try, in a shell:").unwrap();
    let shell = Command::new("bash").args(["-euo", "pipefail", "-c", invitation]).output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&shell.stdout), String::from_utf8_lossy(&shell.stderr));
    assert!(shell.status.success(), "{said}{failed}");
    assert!(invitation.matches("curl ").count() > 15, "{invitation}");
    for word in
        ["event: applied", "\"outcome\":\"rolled_back\"", "phoenix_leaving_points_total", "\"origins\""]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn the_demo_promotes_by_evidence_refuses_by_name_proves_every_point_and_stays_to_be_tried_by_hand() {
    let temporary = tempfile::tempdir().unwrap();
    let mut staying = Staying::start(temporary.path());
    let seen = staying.until_invited();
    by_hand(&seen);
    let report = staying.end();

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
        assert!(count(&memory.unwrap()["groups"]) > 3, "{agent}");
        for variant in ["baseline", "candidate"] {
            assert!(count(&comparison[variant]["delivered"]["points"]) > 0, "both variants deliver a part");
        }
    }

    // Decided by the control plane, on evidence.
    assert_eq!(report["walk"]["outcome"], "promoted");
    let reasons = report["walk"]["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|reason| reason["quantity"] == "min_cardinality_reduction"), "{reasons:?}");
    assert!(report["walk"]["rollback_ms"].as_f64().unwrap() > 0.0);
    for (trial, quantity) in
        [(0, "critical_process_coverage"), (1, "collisions"), (2, "critical_process_coverage")]
    {
        let trial = &report["second_act"][trial];
        assert_eq!(trial["outcome"], "rolled_back");
        let reasons = trial["reasons"].as_array().unwrap();
        let named = |reason: &Value| reason["names"].as_array().is_some_and(|names| !names.is_empty());
        assert!(reasons.iter().any(|reason| reason["quantity"] == quantity && named(reason)), "{reasons:?}");
    }

    // The second act: by name, and without a word from the sink.
    let [careless, colliding, ungrouped] = &report["second_act"].as_array().unwrap()[..] else {
        panic!("{report}")
    };
    // Who was told first may be the only one that has anything to tell.
    let vanished = careless["agents"][0]["comparison"]["coverage"]["vanished"].as_array().unwrap();
    assert!(!vanished.is_empty());
    let collisions = colliding["agents"][0]["comparison"]["collisions"].as_array().unwrap();
    assert!(collisions.iter().all(|collision| collision["writers"].as_array().unwrap().len() == 2));
    assert!(!collisions.is_empty());
    let criteria = ungrouped["criteria"].as_array().unwrap();
    let violated = |one: &&Value| one["answer"] == "violated" && one["quantity"] == "attributes_used";
    let named = criteria.iter().find(violated).unwrap_or_else(|| panic!("{criteria:#?}"));
    assert!(named["sentence"].as_str().unwrap().contains("process.executable.name"), "{named}");
    let agents = ungrouped["agents"].as_array().unwrap();
    assert!(agents.iter().all(|agent| agent["comparison"]["lost_by_candidate"]["value"] == 0), "{ungrouped}");

    // Every criterion of every candidate has an answer in the table that a person sees.
    for trial in report["second_act"].as_array().unwrap().iter().chain([&report["walk"]]) {
        let answers: Vec<_> =
            trial["criteria"].as_array().unwrap().iter().map(|one| &one["answer"]).collect();
        assert!(answers.len() > 5, "{trial}");
    }
    assert_eq!(seen.matches("The criteria of its last verdict").count(), 4, "{seen}");

    // What a person saw meanwhile, and what is left of it all.
    for word in [
        "step mirror",
        "step 25 %",
        "step 50 %",
        "step 100 %",
        "completed: promoted",
        "Proof: where every point went",
    ] {
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
    std::fs::copy(
        phoenix().with_file_name("phoenix-control-plane"),
        elsewhere.path().join("phoenix-control-plane"),
    )
    .unwrap();
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
