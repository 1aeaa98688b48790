//! Agents that are known by a client's certificate, and have no token.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use e2e::agent::Agent;
use e2e::control_plane::{ControlPlane, EMAIL, PASSWORD, SETUP_TOKEN};
use e2e::eventually;
use e2e::fleet::{Node, Source, connected};
use e2e::served::{GOOD, PATIENCE};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use simulator::sink::Sink;

use crate::tls::{curl, phoenix};

/// An authority of clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(dir: &Path, name: &str) -> Result<Self> {
        let (key, mut params) = (KeyPair::generate()?, CertificateParams::default());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let file = dir.join(name);
        std::fs::write(&file, params.self_signed(&key)?.pem())?;
        Ok(Self { issuer: Issuer::new(params, key), file })
    }

    /// Writes a certificate and its key: what stands in `phoenix.control_plane` of them.
    fn certifies(&self, dir: &Path, subject: [&str; 2], end: Option<Duration>) -> Result<String> {
        let [tenant, name] = subject;
        let (key, mut params) = (KeyPair::generate()?, CertificateParams::default());
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        if !tenant.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, tenant);
        }
        if let Some(end) = end {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            params.not_after = rcgen::date_time_ymd(1970, 1, 1) + now + end;
        }
        let [cert, own] = ["client.pem", "client.key"].map(|file| dir.join(file));
        std::fs::write(&cert, params.signed_by(&key, &self.issuer)?.pem())?;
        std::fs::write(&own, key.serialize_pem())?;
        Ok(format!("cert_file: '{}', key_file: '{}'", cert.display(), own.display()))
    }
}

/// A control plane in TLS that lets agents in by the certificates of an authority.
struct Secured {
    dir: tempfile::TempDir,
    trusted: PathBuf,
    authority: Authority,
    control_plane: ControlPlane,
    sink: Sink,
}

impl Secured {
    async fn start() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let (trusted, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        std::fs::write(&trusted, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        let authority = Authority::new(dir.path(), "agents.pem")?;
        let file = authority.file.display().to_string();
        let control_plane =
            ControlPlane::start_secured(dir.path(), [&trusted, &key], &["--agent-ca", &file]).await?;
        let server = format!("https://localhost:{}", control_plane.listening.rest.port());
        let setup = json!({ "token": SETUP_TOKEN, "tenant": "acme", "email": EMAIL, "password": PASSWORD })
            .to_string();
        let words =
            ["-H", "content-type: application/json", "-d", &setup, &format!("{server}/api/v1/auth/setup")];
        let (done, said) = curl(&trusted, &words).await?;
        ensure!(done && said.contains(EMAIL), "{said}");
        std::fs::write(dir.path().join("password"), PASSWORD)?;
        let login = ["login", "--server", &server, "--email", EMAIL, "--password-file", "password"];
        phoenix(dir.path(), &trusted, &login).await?;
        let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
        Ok(Self { dir, trusted, authority, control_plane, sink })
    }

    fn node(&self, name: &str) -> Result<Node> {
        Node::new(self.dir.path(), name, self.sink.endpoint(), self.control_plane.listening, "")
    }

    /// File of a node that shows a certificate.
    fn config(&self, node: &Node, certificate: &str) -> String {
        let port = self.control_plane.listening.fleet.port();
        let trusted = self.trusted.display();
        let plain = format!("endpoint: 'ws://{}/v1/opamp', token: ''", node.fleet);
        let ours =
            format!("endpoint: 'wss://localhost:{port}/v1/opamp', ca_file: '{trusted}', {certificate}");
        let config = node.config().replace(&plain, &ours);
        assert!(config.contains("wss://"), "{config}");
        config
    }

    async fn phoenix(&self, words: &[&str]) -> Result<Value> {
        let words = [words, &["-o", "json"]].concat();
        Ok(serde_json::from_str(&phoenix(self.dir.path(), &self.trusted, &words).await?)?)
    }

    async fn agents(&self) -> Result<Vec<Value>> {
        let listed = self.phoenix(&["agent", "list"]).await?;
        Ok(listed["items"].as_array().context("a list")?.clone())
    }
}

/// Waits until the agent says for want of what there is no session.
async fn says(agent: &Agent, what: &str) {
    eventually(what, PATIENCE, || async {
        let health = agent.health().await.ok()?;
        health["control_plane"].as_str()?.contains(what).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_with_a_certificate_comes_without_a_token_is_offered_configs_and_reports() -> Result<()> {
    let fleet = Secured::start().await?;
    let node = fleet.node("node-a")?;
    let certificate = fleet.authority.certifies(&node.dir, ["acme", "node-a"], None)?;
    let config = fleet.config(&node, &certificate);
    let agent = Agent::start(&node.dir, &config).await?;
    connected(&agent).await;
    let before = fleet.agents().await?;
    ensure!(before.len() == 1 && before[0]["enrolled_by"] == "certificate:node-a", "{before:#?}");
    let audit = fleet.phoenix(&["audit", "list"]).await?.to_string();
    ensure!(audit.contains(r#""certificate":"certificate:node-a""#), "{audit}");
    ensure!(!node.dir.join("data/credential").exists(), "nothing secret is kept");

    let _source = Source::start(agent.endpoint(), 1);
    std::fs::write(
        fleet.dir.path().join("all.yaml"),
        format!(
            "kind: experiment\nname: smaller\nwindow: 1s\nreport_every: 1s\nlookback: 2s\ncandidate: {{ config: {} }}\n",
            json!(GOOD)
        ),
    )?;
    fleet.phoenix(&["apply", "-f", "all.yaml", "--start"]).await?;
    eventually("results are reported", PATIENCE, || async {
        let results = fleet.phoenix(&["experiment", "results", "smaller", "--by", "agent"]).await.ok()?;
        results["agents"].as_array().is_some_and(|items| !items.is_empty()).then_some(())
    })
    .await;

    agent.kill().await?;
    let agent = Agent::start(&node.dir, &config).await?;
    connected(&agent).await;
    let after = fleet.agents().await?;
    ensure!(after.len() == 1 && after[0]["uid"] == before[0]["uid"], "{after:#?}");
    agent.kill().await?;

    // Another one's certificate, under the same name of the agent.
    let stolen = fleet.authority.certifies(&node.dir, ["acme", "node-b"], None)?;
    let agent = Agent::start(&node.dir, &fleet.config(&node, &stolen)).await?;
    says(
        &agent,
        "was let in by a certificate of \"node-a\", and this one is of \"node-b\" (CN of its subject)",
    )
    .await;
    let uid = before[0]["uid"].as_str().context("a uid")?;
    let shown = phoenix(fleet.dir.path(), &fleet.trusted, &["agent", "get", uid]).await?;
    ensure!(shown.contains("credential  a certificate of node-a (CN of its subject)"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_no_agents_lets_nobody_in_and_one_that_ends_ends_the_session() -> Result<()> {
    let fleet = Secured::start().await?;
    let stranger = Authority::new(fleet.dir.path(), "stranger.pem")?;
    let (mut agents, mut said) = (Vec::new(), Vec::new());
    for (name, authority, tenant, what) in [
        ("strange", &stranger, "acme", "an authority that the control plane has in --agent-ca"),
        ("elsewhere", &fleet.authority, "nobody", "names the tenant \"nobody\""),
        ("nowhere", &fleet.authority, "", "has 0 parts O"),
    ] {
        let node = fleet.node(name)?;
        let certificate = authority.certifies(&node.dir, [tenant, name], None)?;
        agents.push(Agent::start(&node.dir, &fleet.config(&node, &certificate)).await?);
        said.push(what);
    }
    let none = fleet.node("none")?;
    agents.push(Agent::start(&none.dir, &fleet.config(&none, "")).await?);
    said.push("nor a certificate in phoenix.control_plane.cert_file");
    for (agent, what) in agents.iter().zip(said) {
        says(agent, what).await;
    }
    ensure!(fleet.agents().await?.is_empty(), "nobody came in");

    let node = fleet.node("short")?;
    let lives = Some(Duration::from_secs(8));
    let certificate = fleet.authority.certifies(&node.dir, ["acme", "short"], lives)?;
    let agent = Agent::start(&node.dir, &fleet.config(&node, &certificate)).await?;
    connected(&agent).await;
    says(&agent, "it must be in force").await;
    let listed = fleet.agents().await?;
    ensure!(listed.len() == 1 && listed[0]["status"] != "connected", "{listed:#?}");
    Ok(())
}
