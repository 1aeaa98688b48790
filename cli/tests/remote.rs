//! Commands that ask a control plane, where there is none: what they say, and by which way they go.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

fn login(server: &str, proxy: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "correct horse battery staple").unwrap();
    Command::new(env!("CARGO_BIN_EXE_phoenix"))
        .args(["login", "--server", server, "--email", "a@example.org", "--password-file"])
        .arg(&password)
        .env("PHOENIX_SESSION", dir.path().join("session.json"))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env("HTTPS_PROXY", proxy)
        .env("HTTP_PROXY", proxy)
        .output()
        .unwrap()
}

#[test]
fn a_control_plane_behind_a_proxy_is_asked_through_it_and_one_on_loopback_is_not() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = proxy.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").unwrap();
        line
    });
    let loopback = login("http://127.0.0.1:1", &address);
    let said = String::from_utf8(loopback.stderr).unwrap();
    assert!(said.contains("cannot reach http://127.0.0.1:1: Connection refused"), "{said}");
    let refused = login("https://phoenix.example.org", &address);
    assert!(!refused.status.success());
    assert_eq!(asked.join().unwrap(), "CONNECT phoenix.example.org:443 HTTP/1.1\r\n");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("cannot reach https://phoenix.example.org"), "{said}");
}

/// Keeps a session, and runs a command with it.
fn with_session(dir: &Path, (server, expires_at): (&str, u64), words: &[&str]) -> Output {
    let session = format!(
        r#"{{"server":"{server}","token":"the-session's","expires_at":{expires_at},"refresh_token":"r"}}"#
    );
    std::fs::write(dir.join("session.json"), session).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix"));
    command.args(words).env("PHOENIX_SESSION", dir.join("session.json"));
    if expires_at > 0 {
        command.env("PHOENIX_API_KEY", "the-key's").env("PHOENIX_URL", server);
    }
    command.output().unwrap()
}

#[test]
fn a_session_that_cannot_be_kept_is_not_renewed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("session.new")).unwrap();
    let list = ["experiment", "list"];
    let said = with_session(dir.path(), ("http://127.0.0.1:1", 0), &list).stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("session.new") && !said.contains("cannot reach"), "nobody was asked: {said}");
    std::fs::remove_dir(dir.path().join("session.new")).unwrap();
    let said = with_session(dir.path(), ("http://127.0.0.1:1", 0), &list).stderr;
    assert!(String::from_utf8(said).unwrap().contains("cannot reach"));
    with_session(dir.path(), ("http://127.0.0.1:1", 0), &["logout"]);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["session.lock"], "no token stays");
}

#[test]
fn logging_out_ends_the_session_whatever_key_there_is() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", server.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        head.join("\n")
    });
    let dir = tempfile::tempdir().unwrap();
    let output = with_session(dir.path(), (&address, u64::MAX), &["logout"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let head = asked.join().unwrap();
    assert!(head.contains("the-session's") && head.starts_with("POST /api/v1/auth/logout"), "{head}");
    assert!(!dir.path().join("session.json").exists());
}
