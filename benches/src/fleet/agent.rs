//! Agents of the bench, and what they have heard.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::SinkExt as _;
use futures_util::stream::StreamExt as _;
use prost::Message as _;
use proto::generation::{Generation, KEY};
use proto::opamp::{
    AgentConfigMap, AgentDescription, AgentToServer, AnyValue, KeyValue, RemoteConfigStatus,
    RemoteConfigStatuses, ServerToAgent, any_value::Value as Any,
};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use uuid::Uuid;

use super::loopback;

const CAPABILITIES: u64 = 0x3807;
/// Time for all of them to do something.
const PATIENCE: Duration = Duration::from_secs(300);
/// Time between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Orders to all agents at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Orders {
    /// One more each time that all are to drop their connections and come back.
    pub drops: u32,
    /// True if all are to leave for good.
    pub stop: bool,
}

/// Counts of what agents have heard, by which a phase is seen to be over.
#[derive(Default)]
pub struct Heard {
    pub greeted: AtomicUsize,
    pub offered: AtomicUsize,
    /// Connections that ended otherwise than by an order, by the reason.
    ended: Mutex<BTreeMap<String, usize>>,
    /// Time of the first and of the last offer since this was last emptied.
    between: Mutex<Option<[Instant; 2]>>,
    /// Number and experiment of the generation that each runs.
    running: Mutex<HashMap<Uuid, (u64, Option<String>)>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Heard {
    /// Begins a phase: nothing was heard yet.
    pub fn anew(&self) {
        self.greeted.store(0, Ordering::Relaxed);
        self.offered.store(0, Ordering::Relaxed);
        *lock(&self.between) = None;
    }

    /// Time from the first offer of a phase to the last one.
    pub fn first_to_last(&self) -> Duration {
        lock(&self.between).map_or(Duration::ZERO, |[first, last]| last - first)
    }

    /// Number of connections that ended otherwise than by an order, with the reasons.
    pub fn ended(&self) -> String {
        let ended = lock(&self.ended);
        let reasons: Vec<String> =
            ended.iter().map(|(reason, number)| format!("{reason}: {number}")).collect();
        format!("{} {}", ended.values().sum::<usize>(), reasons.join(", "))
    }

    fn offer(&self) {
        let now = Instant::now();
        let first = lock(&self.between).map_or(now, |[first, _]| first);
        *lock(&self.between) = Some([first, now]);
        self.offered.fetch_add(1, Ordering::Relaxed);
    }

    /// Numbers of generations, once so many agents run one of this experiment.
    pub async fn all_run(&self, id: &str, number: usize) -> Result<HashMap<Uuid, u64>> {
        let began = Instant::now();
        loop {
            let running = lock(&self.running).clone();
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

    pub async fn all(&self, what: &str, count: impl Fn(&Self) -> &AtomicUsize, number: usize) -> Result<()> {
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

/// An agent without a pipeline: it takes what it is offered.
pub struct Agent {
    fleet: SocketAddr,
    /// Its place in the fleet.
    at: usize,
    uid: Uuid,
    credential: String,
    sequence: u64,
    status: RemoteConfigStatus,
    generation: u64,
    heard: Arc<Heard>,
}

impl Agent {
    pub fn new(fleet: SocketAddr, at: usize, (uid, credential): &(Uuid, String), heard: Arc<Heard>) -> Self {
        let (uid, credential, status) = (*uid, credential.clone(), RemoteConfigStatus::default());
        Self { fleet, at, uid, credential, sequence: 0, status, generation: 0, heard }
    }

    /// Comes back whenever its connection ends.
    pub async fn live(mut self, mut orders: watch::Receiver<Orders>) {
        // Not all in the same millisecond: a listener has room for a few thousand at once.
        let part = u64::from(self.uid.as_bytes()[15]);
        loop {
            let drops = orders.borrow_and_update().drops;
            let pause = tokio::select! {
                ended = self.session() => {
                    let reason = ended.map_or_else(|error| format!("{error:#}"), |()| "closed".to_owned());
                    *lock(&self.heard.ended).entry(reason).or_default() += 1;
                    100 + 3 * part
                }
                orders = orders.wait_for(|orders| orders.stop || orders.drops > drops) => {
                    if orders.is_ok_and(|orders| orders.stop) {
                        return;
                    }
                    part
                }
            };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn session(&mut self) -> Result<()> {
        let mut request = format!("ws://{}/v1/opamp", self.fleet).into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {}", self.credential).parse()?);
        let from = TcpSocket::new_v4()?;
        from.bind(SocketAddr::new(loopback::source(self.at), 0))?;
        let stream = from.connect(self.fleet).await?;
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
                self.heard.offer();
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
    fn runs(&mut self, config: AgentConfigMap) -> Result<()> {
        let body = config.config_map.get(KEY).context("no generation")?;
        let generation = Generation::read(std::str::from_utf8(&body.body)?).map_err(anyhow::Error::msg)?;
        let Generation { number, experiment, .. } = generation;
        self.generation = number;
        lock(&self.heard.running).insert(self.uid, (number, experiment.map(|experiment| experiment.id)));
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
