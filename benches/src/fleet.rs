//! A fleet under a real control plane: how long its agents take to connect, to be offered a step and to go back, and what that
//! costs. Agents are connections of this process, which share the machine with the control plane. No TLS.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use client::{Client, Method};
use futures_util::SinkExt as _;
use futures_util::stream::StreamExt as _;
use prost::Message as _;
use proto::generation::{Generation, KEY};
use proto::opamp::{
    AgentConfigMap, AgentDescription, AgentToServer, AnyValue, KeyValue, RemoteConfigStatus,
    RemoteConfigStatuses, ServerToAgent, any_value::Value as Any,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use uuid::Uuid;

use crate::reporting;
use crate::server::Server;

const CAPABILITIES: u64 = 0x3807;
/// Time for all of them to do something.
const PATIENCE: Duration = Duration::from_secs(300);
/// Time between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(30);
const CANDIDATE: &str = "processors:
  filter/v: { metrics: { datapoint: ['metric.name == \"process.memory.virtual\"'] } }
service: { pipelines: { metrics: { processors: [filter/v] } } }
";

/// Size of the fleet, and the control plane's database.
#[derive(clap::Args)]
pub struct Args {
    /// Number of agents.
    #[arg(long, default_value_t = 1_000)]
    pub agents: usize,
    /// Agents that come in a second.
    #[arg(long, default_value_t = 1_000)]
    pub rate: usize,
    /// Reports of 8 kB that each agent sends in turn.
    #[arg(long, default_value_t = 3)]
    pub reports: u64,
    /// Seconds for which the fleet is at rest while the CPU's time is measured.
    #[arg(long, default_value_t = 60)]
    pub rest: u64,
    /// Database on a server, for the service's login; a file without it.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// The same for the login of the tables' owner.
    #[arg(long, value_name = "URL")]
    pub database_owner: Option<String>,
    /// The control plane's program, if it is not beside this one.
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
}

/// Counts of what agents have heard, by which a phase is seen to be over.
#[derive(Default)]
struct Heard {
    greeted: AtomicUsize,
    offered: AtomicUsize,
    ended: AtomicUsize,
    /// Number and experiment of the generation that each runs.
    running: Mutex<HashMap<Uuid, (u64, Option<String>)>>,
}

impl Heard {
    /// Numbers of generations, once so many agents run one of this experiment.
    async fn all_run(&self, id: &str, number: usize) -> Result<HashMap<Uuid, u64>> {
        let began = Instant::now();
        loop {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let of = |(_, experiment): &(u64, Option<String>)| experiment.as_deref() == Some(id);
            let running = running.into_iter().filter(|(_, running)| of(running));
            let running: HashMap<Uuid, u64> = running.map(|(uid, (number, _))| (uid, number)).collect();
            if running.len() >= number {
                return Ok(running);
            }
            ensure!(began.elapsed() < PATIENCE, "{} of {number} run the experiment", running.len());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn all(&self, what: &str, count: impl Fn(&Self) -> &AtomicUsize, number: usize) -> Result<()> {
        let began = Instant::now();
        while count(self).load(Ordering::Relaxed) < number {
            if began.elapsed() > PATIENCE {
                bail!("{what}: {} of {number}", count(self).load(Ordering::Relaxed));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }
}

/// Runs all phases, a line each.
pub fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(phases(args))
}

async fn phases(args: &Args) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let database = args.database.as_deref().zip(args.database_owner.as_deref());
    let server = Server::start(args.program.as_deref(), dir.path(), database, None)?;
    let admin = admin(&server).await?;
    let token = json!({ "max_uses": "unlimited" });
    let token = admin.post("/enrollment-tokens", &token).await?;
    let token = token["token"].as_str().context("no token")?.to_owned();
    let began = Instant::now();
    let agents = enroll(&server, &token, args.agents).await?;
    println!("{} agents enrolled in {:.1} s", agents.len(), began.elapsed().as_secs_f64());

    let (heard, (stop, stopped)) = (Arc::new(Heard::default()), watch::channel(false));
    let before = server.memory_kib()?;
    let cpu = server.cpu_seconds()?;
    let began = Instant::now();
    let mut due = tokio::time::interval(Duration::from_millis(10));
    for some in agents.chunks((args.rate / 100).max(1)) {
        due.tick().await;
        for (uid, credential) in some {
            let agent = Agent::new(server.fleet, *uid, credential, Arc::clone(&heard));
            tokio::spawn(agent.live(stopped.clone()));
        }
    }
    heard.all("connected", |heard| &heard.greeted, args.agents).await?;
    said("connected", began, &server, cpu)?;
    let each = (server.memory_kib()? - before) / args.agents as f64;
    println!("{each:.1} KiB an agent");

    // What is new to all comes in waves; after that it is known.
    let begun = experiment(&admin, "first").await?;
    heard.all("offered in waves", |heard| &heard.offered, args.agents).await?;
    rolled_back(&admin, &begun, &heard, &server, args.agents, 2).await?;
    let second = asked("second");
    let id = admin.post("/experiments", &second).await?["id"].as_str().context("no id")?.to_owned();
    let (began, cpu) = (Instant::now(), server.cpu_seconds()?);
    admin.call(Method::POST, &format!("/experiments/{id}/start"), Some(&json!({}))).await?;
    heard.all("offered", |heard| &heard.offered, 3 * args.agents).await?;
    said("a step to all", began, &server, cpu)?;
    let first = reporting::now() - 60 * args.reports;
    for round in 1..=args.reports {
        let running = heard.all_run(&id, args.agents).await?;
        reporting::round(&server, (&agents, &running), &id, first + 60 * round).await?;
    }
    rolled_back(&admin, &id, &heard, &server, args.agents, 4).await?;

    tokio::time::sleep(Duration::from_secs(2)).await;
    let (began, cpu) = (Instant::now(), server.cpu_seconds()?);
    tokio::time::sleep(Duration::from_secs(args.rest)).await;
    let share = (server.cpu_seconds()? - cpu) / began.elapsed().as_secs_f64() * 100.0;
    println!("at rest: {share:.1} % of a core");

    heard.greeted.store(0, Ordering::Relaxed);
    let at = (server.rest, server.fleet);
    drop(server);
    let server = Server::start(args.program.as_deref(), dir.path(), database, Some(at))?;
    let began = Instant::now();
    heard.all("back", |heard| &heard.greeted, args.agents).await?;
    said("all back after a kill", began, &server, 0.0)?;
    println!(
        "{} connections ended otherwise",
        heard.ended.load(Ordering::Relaxed).saturating_sub(args.agents)
    );
    stop.send_replace(true);
    Ok(())
}

fn said(what: &str, began: Instant, server: &Server, cpu: f64) -> Result<()> {
    let took = began.elapsed().as_secs_f64();
    println!(
        "{what}: {took:.2} s, of which {:.2} CPU seconds of the control plane",
        server.cpu_seconds()? - cpu
    );
    Ok(())
}

async fn admin(server: &Server) -> Result<Client> {
    let client = Client::new(&format!("http://{}", server.rest))?;
    let (email, password) = ("admin@example.org", "correct horse battery staple");
    let setup = json!({ "token": crate::server::SETUP_TOKEN, "email": email, "password": password });
    client.post("/auth/setup", &setup).await?;
    Ok(client.login(email, password).await?.0)
}

fn asked(name: &str) -> Value {
    json!({ "name": name, "selector": "", "candidate": { "config": CANDIDATE }, "report_every": "60s" })
}

async fn experiment(admin: &Client, name: &str) -> Result<String> {
    let made = admin.post("/experiments", &asked(name)).await?;
    let id = made["id"].as_str().context("no id")?.to_owned();
    admin.post(&format!("/experiments/{id}/start"), &json!({})).await?;
    Ok(id)
}

async fn rolled_back(
    admin: &Client,
    id: &str,
    heard: &Heard,
    server: &Server,
    agents: usize,
    times: usize,
) -> Result<()> {
    let (began, cpu) = (Instant::now(), server.cpu_seconds()?);
    admin.post(&format!("/experiments/{id}/rollback"), &json!({})).await?;
    heard.all("rolled back", |heard| &heard.offered, times * agents).await?;
    said("a rollback to all", began, server, cpu)
}

/// Uids and credentials of new agents.
async fn enroll(server: &Server, token: &str, number: usize) -> Result<Vec<(Uuid, String)>> {
    let client = Client::new(&format!("http://{}", server.fleet))?.with_token(token);
    let places = Arc::new(Semaphore::new(32));
    let mut all = tokio::task::JoinSet::new();
    for at in 0..number {
        let (client, places) = (client.clone(), Arc::clone(&places));
        all.spawn(async move {
            let _place = places.acquire().await?;
            let uid = Uuid::now_v7();
            let body = json!({ "uid": uid, "host": format!("h{at}"), "version": "bench" });
            let answer = client.answer(Method::POST, "/v1/enroll", Some(&body)).await?;
            ensure!(answer.status == 201, "{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
            let body: Value = serde_json::from_slice(&answer.body)?;
            Ok((uid, body["token"].as_str().context("no token")?.to_owned()))
        });
    }
    let mut agents = Vec::with_capacity(number);
    while let Some(agent) = all.join_next().await {
        agents.push(agent??);
    }
    Ok(agents)
}

/// An agent without a pipeline: it takes what it is offered.
struct Agent {
    fleet: SocketAddr,
    uid: Uuid,
    credential: String,
    sequence: u64,
    status: RemoteConfigStatus,
    generation: u64,
    heard: Arc<Heard>,
}

impl Agent {
    fn new(fleet: SocketAddr, uid: Uuid, credential: &str, heard: Arc<Heard>) -> Self {
        let (credential, status) = (credential.to_owned(), RemoteConfigStatus::default());
        Self { fleet, uid, credential, sequence: 0, status, generation: 1, heard }
    }

    /// Comes back at once whenever its connection ends.
    async fn live(mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = self.session() => {}
                _ = stopped.wait_for(|stop| *stop) => return,
            }
            self.heard.ended.fetch_add(1, Ordering::Relaxed);
            // Not all at once, where there was no room.
            let pause = 100 + 3 * u64::from(self.uid.as_bytes()[15]);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn session(&mut self) -> Result<()> {
        let mut request = format!("ws://{}/v1/opamp", self.fleet).into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {}", self.credential).parse()?);
        let stream = TcpStream::connect(self.fleet).await?;
        let config = WebSocketConfig::default().read_buffer_size(2_048).write_buffer_size(0);
        let (mut socket, _) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
        self.sequence = 0;
        self.tell(&mut socket).await?;
        let mut greeted = false;
        let mut beat = tokio::time::interval(HEARTBEAT);
        beat.tick().await;
        loop {
            let message = tokio::select! {
                message = socket.next() => message.context("ended")??,
                _ = beat.tick() => {
                    let message = self.message();
                    socket.send(frame(&message)).await?;
                    continue;
                }
            };
            let Message::Binary(bytes) = message else { continue };
            let answer = ServerToAgent::decode(bytes.get(1..).context("an empty frame")?)?;
            if !std::mem::replace(&mut greeted, true) {
                self.heard.greeted.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(offer) = answer.remote_config {
                self.runs(offer.config.unwrap_or_default())?;
                self.heard.offered.fetch_add(1, Ordering::Relaxed);
                self.generation += 1;
                self.status = RemoteConfigStatus {
                    last_remote_config_hash: offer.config_hash,
                    status: RemoteConfigStatuses::Applied.into(),
                    error_message: String::new(),
                };
                self.tell(&mut socket).await?;
            }
        }
    }

    /// Notes what it runs from now on.
    fn runs(&self, config: AgentConfigMap) -> Result<()> {
        let body = config.config_map.get(KEY).context("no generation")?;
        let generation = Generation::read(std::str::from_utf8(&body.body)?).map_err(anyhow::Error::msg)?;
        let Generation { number, experiment, .. } = generation;
        let mut running = self.heard.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(self.uid, (number, experiment.map(|experiment| experiment.id)));
        Ok(())
    }

    async fn tell(&mut self, socket: &mut WebSocketStream<TcpStream>) -> Result<()> {
        let attribute = |(key, value): (&str, &str)| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(Any::StringValue(value.to_owned())) }),
        };
        let generation = self.generation.to_string();
        let described = [
            ("phoenix.generation", generation.as_str()),
            ("phoenix.baseline.digest", "one"),
            ("k8s.cluster.name", "c"),
        ];
        let description = AgentDescription {
            identifying_attributes: vec![attribute(("service.version", "bench"))],
            non_identifying_attributes: described.map(attribute).to_vec(),
        };
        let status = self.status.clone();
        let message = AgentToServer {
            agent_description: Some(description),
            remote_config_status: Some(status),
            ..self.message()
        };
        Ok(socket.send(frame(&message)).await?)
    }

    fn message(&mut self) -> AgentToServer {
        let (sequence_num, instance_uid) = (self.sequence, self.uid.as_bytes().to_vec());
        self.sequence += 1;
        AgentToServer { instance_uid, sequence_num, capabilities: CAPABILITIES, ..AgentToServer::default() }
    }
}

fn frame(message: &AgentToServer) -> Message {
    let mut frame = vec![0];
    frame.extend(message.encode_to_vec());
    Message::binary(frame)
}
