//! The real binary as another program uses it: start, read the addresses, poll the counts, stop.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A running `phoenix`, killed when dropped.
struct Phoenix {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Phoenix {
    fn start(args: &[&str]) -> Self {
        let mut child =
            Command::new(env!("CARGO_BIN_EXE_phoenix")).args(args).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn terminate(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }
}

impl Drop for Phoenix {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn http(address: &Value, head: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address.as_str().unwrap()).unwrap();
    write!(stream, "{head} HTTP/1.1\r\nHost: phoenix\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

fn counts(address: &Value) -> Value {
    let (status, body) = http(address, "GET /counts");
    assert_eq!(status, "HTTP/1.1 200 OK");
    serde_json::from_str(&body).unwrap()
}

fn sink() -> (Phoenix, Value, String) {
    let mut sink = Phoenix::start(&["sink", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let listening = sink.line()["listening"].take();
    let endpoint = format!("http://{}", listening["otlp"].as_str().unwrap());
    (sink, listening["admin"].clone(), endpoint)
}

#[test]
fn a_bounded_run_prints_counts_that_the_sink_confirms() {
    let (_sink, admin, endpoint) = sink();
    let args = ["simulate", "--endpoint", &endpoint, "--processes", "60", "--full-speed", "--requests", "25"];
    let sent = Phoenix::start(&args).line();
    assert_eq!((&sent["scraped"], &sent["in_flight"]), (&Value::from(25 * 60 * 7), &Value::from(0)));
    assert_eq!(sent["acknowledged"], sent["scraped"]);
    let arrived = counts(&admin);
    assert_eq!(
        (&arrived["points"], &arrived["distinct_points"]),
        (&sent["acknowledged"], &sent["acknowledged"])
    );
    assert_eq!(arrived["origins"][0]["variant"], "none");
    assert!(arrived["executables"]["none"].as_array().unwrap().contains(&"nginx".into()));
}

#[test]
fn counts_can_be_read_while_it_runs_and_are_written_to_the_file_at_sigterm() {
    let (_sink, admin, endpoint) = sink();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("counts.json");
    let mut simulate = Phoenix::start(&[
        "simulate",
        "--endpoint",
        &endpoint,
        "--role",
        "batch",
        "--points",
        "21",
        "--interval",
        "20ms",
        "--stats-listen",
        "127.0.0.1:0",
        "--stats-file",
        file.to_str().unwrap(),
    ]);
    let stats = simulate.line()["listening"]["stats"].take();
    let deadline = Instant::now() + Duration::from_secs(20);
    while counts(&stats)["acknowledged"].as_u64().unwrap() < 120 * (18 + 21) {
        assert!(Instant::now() < deadline, "{}", counts(&stats));
    }
    simulate.terminate();
    assert!(simulate.child.wait().unwrap().success());
    let written: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&written["host"], &written["in_flight"]), (&Value::from("batch-1"), &Value::from(0)));
    assert_eq!(written["acknowledged"], written["scraped"]);
    assert_eq!(counts(&admin)["points"], written["acknowledged"]);
}

#[test]
fn what_is_waited_for_is_said_at_once_and_for_how_long() {
    let nowhere = ["simulate", "--endpoint", "http://127.0.0.1:1", "--requests", "1"];
    let mut simulate = Command::new(env!("CARGO_BIN_EXE_phoenix"));
    let mut simulate = simulate.args(nowhere).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(simulate.stderr.take().unwrap()).read_line(&mut said).unwrap();
    simulate.kill().unwrap();
    simulate.wait().unwrap();
    assert!(said.contains("Connection refused (os error 111); trying again in "), "{said}");
    assert!(said.ends_with(" s, and for 300 s at most\n"), "{said}");
}

#[test]
fn a_receiver_that_is_not_there_is_said_at_once_and_is_the_end_with_1() {
    let nowhere = ["simulate", "--endpoint", "http://127.0.0.1:1", "--requests", "1", "--for", "1s"];
    let output = Command::new(env!("CARGO_BIN_EXE_phoenix")).args(nowhere).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let first =
        "phoenix: http://127.0.0.1:1 did not take a request: Connection refused (os error 111); given up\n";
    assert!(said.starts_with(first), "{said}");
    assert!(said.ends_with("http://127.0.0.1:1 took none of 840 points\n"), "{said}");
    assert_eq!(output.status.code(), Some(1));
    let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&counts["scraped"], &counts["refused"]), (&Value::from(840), &Value::from(840)));
    let mut waits = Command::new(env!("CARGO_BIN_EXE_phoenix"))
        .args(&nowhere[..5])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(waits.stderr.take().unwrap()).read_line(&mut line).unwrap();
    waits.kill().unwrap();
    waits.wait().unwrap();
    assert!(line.contains("; trying again in "), "{line}");
}

#[test]
fn this_machines_processes_can_be_sent_and_what_was_unreadable_is_told() {
    let (_sink, admin, endpoint) = sink();
    let args = ["simulate", "--endpoint", &endpoint, "--source", "proc", "--host", "here", "--requests", "1"];
    let sent = Phoenix::start(&args).line();
    assert!(sent["proc"]["processes"].as_u64().unwrap() >= 3, "{sent}");
    assert!(sent["proc"]["unreadable_fields"].is_object());
    let arrived = counts(&admin);
    assert_eq!((&arrived["points"], &arrived["duplicate_points"]), (&sent["scraped"], &Value::from(0)));
    assert!(arrived["executables"]["none"].as_array().unwrap().contains(&"phoenix".into()));
}

#[test]
fn what_is_not_served_or_cannot_work_is_said() {
    let (_sink, admin, _) = sink();
    assert_eq!(http(&admin, "GET /metrics").0, "HTTP/1.1 404 Not Found");
    assert_eq!(http(&admin, "POST /counts").0, "HTTP/1.1 405 Method Not Allowed");
    let refused = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_phoenix")).args(args).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["simulate", "--full-speed"]).contains("needs a bound"));
    assert!(refused(&["simulate", "--points", "9"]).contains("expected 7 or 21, got \"9\""));
    assert!(refused(&["simulate", "--interval", "0s"]).contains("--full-speed"));
    assert!(refused(&["simulate", "--processes", "0"]).contains("1..=32768"));
}

#[test]
fn a_sink_on_a_taken_port_says_so_once() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output =
        Command::new(env!("CARGO_BIN_EXE_phoenix")).args(["sink", "--listen", &address]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
    assert_eq!(said.matches("in use").count(), 1, "{said}");
}
