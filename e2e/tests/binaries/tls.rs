//! A control plane in TLS: people, scripts and agents come to it, and nobody without.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use e2e::agent::{Agent, binary};
use e2e::control_plane::{ControlPlane, EMAIL, PASSWORD, SETUP_TOKEN};
use e2e::fleet::{Node, connected};
use serde_json::{Value, json};
use simulator::sink::Sink;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

/// Words of `curl` that trust this authority, and what was answered.
pub async fn curl(ca: &Path, words: &[&str]) -> Result<(bool, String)> {
    let fixed = ["--silent", "--show-error", "--max-time", "30", "--noproxy", "*", "--cacert"];
    let run = Command::new("curl").args(fixed).arg(ca).args(words).kill_on_drop(true).output().await?;
    Ok((run.status.success(), String::from_utf8([run.stdout, run.stderr].concat())?))
}

/// Standard output of `phoenix`, which trusts this authority alone.
pub async fn phoenix(dir: &Path, ca: &Path, words: &[&str]) -> Result<String> {
    let run = Command::new(binary("phoenix"))
        .args(words)
        .env("PHOENIX_SESSION", dir.join("session.json"))
        .env("SSL_CERT_FILE", ca)
        .current_dir(dir)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(run.status.success(), "{words:?}: {}", String::from_utf8_lossy(&run.stderr));
    Ok(String::from_utf8(run.stdout)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_scripts_and_agents_come_over_tls_and_nobody_without() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    let control_plane = ControlPlane::start_secured(dir.path(), [&cert, &key], &[]).await?;
    let at = control_plane.listening;
    let server = format!("https://localhost:{}", at.rest.port());

    let setup = json!({ "token": SETUP_TOKEN, "email": EMAIL, "password": PASSWORD }).to_string();
    let json = "content-type: application/json";
    let (done, said) =
        curl(&cert, &["-H", json, "-d", &setup, &format!("{server}/api/v1/auth/setup")]).await?;
    ensure!(done && said.contains(EMAIL), "{said}");
    let version = ["-o", "/dev/null", "-w", "%{http_version}"];
    for (asked, spoken) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let (_, said) = curl(&cert, &[&version[..], &[asked, &format!("{server}/health")]].concat()).await?;
        ensure!(said == spoken, "{asked}: {said}");
    }
    let strange = dir.path().join("strange.pem");
    std::fs::write(&strange, rcgen::generate_simple_self_signed(["localhost".to_owned()])?.cert.pem())?;
    let (done, said) = curl(&strange, &[&format!("{server}/health")]).await?;
    ensure!(!done && said.to_lowercase().contains("certificate"), "{said}");
    let mut plain = TcpStream::connect(at.rest).await?;
    plain.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
    let mut answer = Vec::new();
    let _how_it_was_closed = plain.read_to_end(&mut answer).await;
    ensure!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let (_, metrics) = curl(&cert, &[&format!("{server}/metrics")]).await?;
    ensure!(metrics.contains("reason=\"tls\""), "{metrics}");
    // The end of a certificate that says none, which is the year 4096.
    for listener in ["rest", "fleet"] {
        let end =
            format!("phoenix_tls_certificate_end_timestamp_seconds{{listener=\"{listener}\"}} 67090118400\n");
        ensure!(metrics.contains(&end), "{metrics}");
    }

    std::fs::write(dir.path().join("password"), PASSWORD)?;
    let login = ["login", "--server", &server, "--email", EMAIL, "--password-file", "password"];
    phoenix(dir.path(), &cert, &login).await?;
    let token = phoenix(dir.path(), &cert, &["token", "create"]).await?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    let node = Node::new(dir.path(), "node", sink.endpoint(), at, token.trim())?;
    let secured = format!("wss://localhost:{}/v1/opamp', ca_file: '{}", at.fleet.port(), cert.display());
    let config = node.config().replace(&format!("ws://{}/v1/opamp", at.fleet), &secured);
    let agent = Agent::start(&node.dir, &config).await?;
    connected(&agent).await;
    let listed: Value =
        serde_json::from_str(&phoenix(dir.path(), &cert, &["agent", "list", "-o", "json"]).await?)?;
    ensure!(listed["items"].as_array().context("a list")?.len() == 1, "{listed:#}");
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_an_error_at_boot_that_names_its_file() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let key = dir.path().join("key.pem");
    std::fs::write(&key, "nothing of that kind")?;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let cert = dir.path().join("cert.pem");
    std::fs::write(&cert, made.cert.pem())?;
    let missing = dir.path().join("missing.pem");
    for (cert, key, expected) in [
        (&missing, &key, "missing.pem: No such file"),
        (&cert, &key, "key.pem: it holds no private key in PEM"),
    ] {
        let run = Command::new(binary("phoenix-control-plane"))
            .args(["serve", "--listen", "127.0.0.1:0", "--fleet-listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir.path().join("data"))
            .arg("--tls-cert")
            .arg(cert)
            .arg("--tls-key")
            .arg(key)
            .kill_on_drop(true)
            .output()
            .await?;
        let said = String::from_utf8(run.stderr)?;
        ensure!(!run.status.success() && said.contains(expected), "{said}");
    }
    Ok(())
}
