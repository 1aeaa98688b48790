//! The real binary: what it prints, how it ends, and what it does not start on.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hyper::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::postgres::database;
use super::server::{PASSWORD, send};

fn serve(dir: &Path, listen: &str) -> Child {
    command(dir, listen).spawn().unwrap()
}

pub fn command(dir: &Path, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix-control-plane"));
    command.arg("serve").arg("--data-dir").arg(dir).args([
        "--listen",
        listen,
        "--fleet-listen",
        "127.0.0.1:0",
    ]);
    command.env("RUST_LOG", "info").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn first_line(child: &mut Child) -> Value {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

/// Ends it as a supervisor does, and what it said on stderr.
fn end(mut child: Child) -> String {
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    said
}

#[tokio::test]
async fn it_says_where_it_listens_and_prints_a_setup_token_while_nobody_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = serve(dir.path(), "127.0.0.1:0");
    let line = first_line(&mut child);
    let rest = line["listening"]["rest"].as_str().unwrap().parse().unwrap();
    assert!(line["listening"]["fleet"].is_string());
    assert_eq!(send(rest, Method::GET, "/ready", "", None).await.status, StatusCode::OK);
    let mut stderr = BufReader::new(child.stderr.as_mut().unwrap());
    let mut said = String::new();
    while !said.contains("setup token") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let token = said.rsplit(": ").next().unwrap().trim().to_owned();
    let body = json!({ "token": token, "email": "admin@phoenix.io", "password": PASSWORD }).to_string();
    let made = send(rest, Method::POST, "/api/v1/auth/setup", "", Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    end(child);
    let mut again = serve(dir.path(), "127.0.0.1:0");
    first_line(&mut again);
    assert!(!end(again).contains("setup token"), "somebody is known");
}

#[test]
fn a_port_that_is_taken_is_an_error_at_boot() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = serve(dir.path(), &address).wait_with_output().unwrap();
    assert!(!ended.status.success() && ended.stdout.is_empty());
    assert!(String::from_utf8_lossy(&ended.stderr).contains(&format!("cannot listen on {address} for rest")));
}

#[tokio::test]
async fn it_serves_from_the_server_that_its_environment_names() {
    let (database, dir) = (database().await, tempfile::tempdir().unwrap());
    let mut command = command(dir.path(), "127.0.0.1:0");
    command.env("DATABASE_URL", &database.service).env("DATABASE_OWNER_URL", &database.owner);
    for _ in 0..2 {
        let mut child = command.spawn().unwrap();
        let rest = first_line(&mut child)["listening"]["rest"].as_str().unwrap().parse().unwrap();
        assert_eq!(send(rest, Method::GET, "/ready", "", None).await.status, StatusCode::OK);
        assert!(!dir.path().join("phoenix.db").exists());
        end(child);
    }
}
