//! Commands that ask a control plane, where there is none: what they say, and by which way they go.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
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
