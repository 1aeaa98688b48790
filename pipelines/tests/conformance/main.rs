//! The Collector's behavior, case by case: what it sends on, what it refuses, and what its conditions say.
//!
//! Each folder of `testdata/conformance` is a test of its own name; see the README there.

#![expect(clippy::expect_used, clippy::panic, reason = "a test: what is not as it should be fails it")]

mod otlp;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use pipelines::Batch;
use pipelines::batch::Keep;
use pipelines::config::{CollectorFile, Plan};
use pipelines::processors::{Flush, Pipeline};
use pipelines::{json, yaml};

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/conformance");
    let differences =
        yaml::read("known_differences.yaml", &text(&root.join("known_differences.yaml")), &|_| None);
    let differences = differences.unwrap_or_else(|problems| panic!("{problems}"));
    let differs =
        |name: &str| differences.entries().is_ok_and(|all| all.iter().any(|one| one.key.text == name));
    let cases = folders(&root).into_iter().flat_map(|area| folders(&area));
    let trials = cases.map(|case| {
        let name = case.strip_prefix(&root).expect("a case below the root").display().to_string();
        let differs = differs(&name);
        Trial::test(name, move || check(&case)).with_ignored_flag(differs)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn check(case: &Path) -> Result<(), Failed> {
    if case.join("rejected.txt").exists() { refuse(case) } else { run(case) }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = path.read_dir().expect("a folder of cases").map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[expect(clippy::disallowed_methods, reason = "the cases lie in files")]
fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn plan(config: &str) -> Result<Plan, yaml::Problems> {
    CollectorFile::parse("config.yaml", config, &|_| None)?.check("metrics")
}

fn refuse(case: &Path) -> Result<(), Failed> {
    match plan(&text(&case.join("config.yaml"))) {
        Ok(_) => {
            Err(format!("accepted, which the Collector refuses: {}", text(&case.join("rejected.txt"))).into())
        }
        Err(problems) if problems.problems.is_empty() => Err("refused without saying why".into()),
        Err(_) => Ok(()),
    }
}

fn batch(path: &Path) -> Batch {
    let text = text(path);
    if path.components().any(|part| part.as_os_str() == "field") {
        // What senders write that the judge, a JSON library and protobuf's own names, does not read.
        let read = json::decode(json::Request::Metrics, text.as_bytes(), text.len()).expect("OTLP/JSON");
        return Batch::parse_repaired(read.into()).expect("a request").0;
    }
    let judged = otlp::encode(&serde_json::from_str(&text).expect("JSON"));
    let read = json::decode(json::Request::Metrics, text.as_bytes(), text.len()).expect("OTLP/JSON");
    assert_eq!(otlp::canonical(&read), otlp::canonical(&judged), "{}", path.display());
    let written = json::encode(json::Request::Metrics, &read).expect("a request");
    let again = json::decode(json::Request::Metrics, written.as_bytes(), text.len()).expect("OTLP/JSON");
    assert_eq!(otlp::canonical(&again), otlp::canonical(&judged), "{}", path.display());
    Batch::parse(read.into()).expect("a request")
}

/// The clock when the pipeline starts: 2026-01-01T00:00:00Z.
const START: u64 = 1_767_225_600_000_000_000;

/// Output of the last processor because of one action.
#[derive(Default)]
struct ActionOutput {
    /// The batches, one encoded request after the other, which protobuf reads as one.
    bytes: Vec<u8>,
    refused: Option<String>,
}

fn run(case: &Path) -> Result<(), Failed> {
    let plan = plan(&text(&case.join("config.yaml"))).map_err(|problems| problems.to_string())?;
    let (mut pipeline, mut now) = (Pipeline::build(&plan, START), START);
    let steps = yaml::read("steps.yaml", &text(&case.join("steps.yaml")), &|_| None)?;
    let mut fields = steps.map().map_err(|problem| problem.message)?;
    let mut came_out = ActionOutput::default();
    for step in fields.required("steps").and_then(yaml::Node::list).map_err(|problem| problem.message)? {
        let step = &step.entries().map_err(|problem| problem.message)?[0];
        let text = step.value.text().map_err(|problem| problem.message);
        match step.key.text.as_str() {
            "input" => {
                let (input, mut out) = (batch(&case.join(text?)), Batch::default());
                let refused = pipeline.process(&input, now, &mut out).err();
                let left = refused.as_ref().is_none_or(|refused| refused.passed_on);
                let bytes = if left { out.encode(Keep::All).bytes.to_vec() } else { Vec::new() };
                came_out = ActionOutput { bytes, refused: refused.map(|refused| refused.to_string()) };
            }
            "advance" => {
                now += step.value.duration().map_err(|problem| problem.message)?.as_nanos() as u64;
                came_out = flushed(pipeline.advance(now));
            }
            "shutdown" => came_out = flushed(pipeline.shutdown(now)),
            "output" => compare(case, text?, &mut came_out)?,
            other => return Err(format!("an unknown step {other}").into()),
        }
    }
    Ok(())
}

fn flushed(flushes: Vec<Flush>) -> ActionOutput {
    let bytes = flushes.iter().flat_map(|flush| flush.output.encode(Keep::All).bytes).collect();
    ActionOutput { bytes, refused: None }
}

/// Compares what came out with what is expected. A refusal that was expected is taken away: what came out all the
/// same may be compared afterward.
fn compare(case: &Path, expected: &str, came_out: &mut ActionOutput) -> Result<(), Failed> {
    let refused = came_out.refused.take();
    let expected = match (expected, refused) {
        ("error", Some(_)) => return Ok(()),
        ("error", None) => return Err("the batch was not refused".into()),
        (_, Some(error)) => return Err(format!("the batch was refused: {error}").into()),
        ("none", None) => Vec::new(),
        (file, None) => {
            otlp::encode(&serde_json::from_str(&text(&case.join(file))).map_err(|error| error.to_string())?)
        }
    };
    let (expected, came_out) = (otlp::canonical(&expected), otlp::canonical(&came_out.bytes));
    if expected == came_out {
        return Ok(());
    }
    let line = expected.lines().zip(came_out.lines()).take_while(|(a, b)| a == b).count();
    let around =
        |text: &str| text.lines().skip(line.saturating_sub(12)).take(30).collect::<Vec<_>>().join("\n");
    Err(format!(
        "expected, around the first difference:\n{}\ncame out:\n{}",
        around(&expected),
        around(&came_out)
    )
    .into())
}
