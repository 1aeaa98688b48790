//! A connection to PostgreSQL that ends at each statement of each transition in turn, before the statement or without its answer:
//! nothing is half-written, and the request, sent again, is done once.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use control_plane::clock::UnixMillis;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use uuid::Uuid;

use super::experiments::asked;
use super::idempotency::post;
use super::opamp::offers::enrolled;
use super::postgres::{Database, migrated};
use super::server::{Server, config, on_server};

/// The most statements of a transition.
const MOST: i64 = 60;

/// A way to PostgreSQL on which statements are counted.
#[derive(Clone, Default)]
struct Wire {
    /// Statements until the one at which its connection ends; none below 0.
    left: Arc<AtomicI64>,
    /// True if the statement still goes through.
    goes_through: Arc<AtomicBool>,
}

impl Wire {
    /// Address by which a database is reached over it.
    async fn open(&self, address: &str) -> String {
        let (login, rest) = address.trim_start_matches("postgres://").split_once('@').unwrap();
        let (dir, name) = rest.split_once('/').unwrap();
        let socket = format!("{}/.s.PGSQL.5432", dir.replace("%2F", "/"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        self.mend();
        let wire = self.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (wire, server) = (wire.clone(), UnixStream::connect(&socket).await.unwrap());
                tokio::spawn(async move { wire.carry(client, server).await });
            }
        });
        format!("postgres://{login}@127.0.0.1:{port}/{name}?sslmode=disable")
    }

    fn mend(&self) {
        self.left.store(-1, Ordering::SeqCst);
    }

    fn cut(&self, statement: i64, goes_through: bool) {
        self.goes_through.store(goes_through, Ordering::SeqCst);
        self.left.store(statement, Ordering::SeqCst);
    }

    /// Tells whether a connection has ended since it was told to.
    fn was_cut(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    async fn carry(self, client: TcpStream, server: UnixStream) -> io::Result<()> {
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        let carried = self.count(&mut from_client, &mut to_server).await;
        if carried? {
            // What it was about to do is done; nobody hears of it.
            to_server.shutdown().await?;
        }
        back.abort();
        Ok(())
    }

    /// Carries messages to the server (PostgreSQL, "Message Formats"): a length and a body, from the second one on behind a type.
    /// True once a statement was the last one that went through.
    async fn count(
        &self,
        from: &mut (impl tokio::io::AsyncRead + Unpin),
        to: &mut (impl tokio::io::AsyncWrite + Unpin),
    ) -> io::Result<bool> {
        let mut kind = None;
        loop {
            let length = from.read_u32().await?;
            let mut body = vec![0; usize::try_from(length).unwrap() - 4];
            from.read_exact(&mut body).await?;
            let is_statement = matches!(kind, Some(b'E' | b'Q'));
            let is_last = is_statement && self.left.fetch_sub(1, Ordering::SeqCst) == 0;
            if is_last && !self.goes_through.load(Ordering::SeqCst) {
                return Ok(false);
            }
            let mut message: Vec<u8> = kind.into_iter().collect();
            message.extend(length.to_be_bytes());
            message.extend(body);
            to.write_all(&message).await?;
            if is_last && matches!(kind, Some(b'Q')) {
                return Ok(true);
            }
            if is_last {
                // Sync, which ends what is asked in parts.
                to.write_all(&[b'S', 0, 0, 0, 4]).await?;
                return Ok(true);
            }
            kind = Some(from.read_u8().await?);
        }
    }
}

/// Outcome of a cut.
#[derive(Clone, Copy, Default)]
struct Cut {
    /// True if the request was refused for it.
    refused: bool,
    /// True if it was of something else, which runs beside the request.
    missed: bool,
}

/// A control plane behind such a way, and its admin.
struct Behind {
    server: Server,
    admin: String,
    wire: Wire,
}

impl Behind {
    async fn start() -> Self {
        let (Database { owner, service }, wire) = (migrated().await, Wire::default());
        let dir = tempfile::tempdir().unwrap();
        let service = wire.open(&service).await;
        let config = on_server(config(dir.path()), &owner, &service);
        let server = Server::start_by(dir, &config, UnixMillis(1_800_000_000_000)).await;
        let admin = server.set_up().await;
        Self { server, admin, wire }
    }

    /// Asks with the connection cut at this statement, then until it is done.
    async fn asks(&self, cut: (i64, bool), path: &str, body: &Value) -> Cut {
        let key = Uuid::now_v7().to_string();
        self.wire.cut(cut.0, cut.1);
        let (first, _, said) = post(&self.server, path, &self.admin, &key, body).await;
        let was_cut = self.wire.was_cut();
        self.wire.mend();
        assert!(
            first.is_success() || first == StatusCode::SERVICE_UNAVAILABLE,
            "{path} {cut:?}: {first} {said}"
        );
        assert!(was_cut || first.is_success(), "{path} {cut:?}: {first} {said}");
        for _ in 0..20 {
            let (status, _, said) = post(&self.server, path, &self.admin, &key, body).await;
            let is_lost = said["detail"].as_str().is_some_and(|said| said.contains("its answer was lost"));
            if status != StatusCode::SERVICE_UNAVAILABLE {
                let is_done = status.is_success() || (status == StatusCode::CONFLICT && is_lost);
                assert!(is_done, "{path} {cut:?}: first {first}, then {status} {said}");
                return Cut { refused: !first.is_success(), missed: was_cut && first.is_success() };
            }
        }
        panic!("{path} {cut:?}: it is not done");
    }

    async fn is_intact(&self) {
        assert_eq!(self.server.get("/api/v1/audit/chain", &self.admin).await.body["intact"], true);
    }

    /// Entries of the audit about an object.
    async fn audited(&self, verb: &str, object: &str) -> usize {
        let all = self.server.get(&format!("/api/v1/audit?object={object}&limit=200"), &self.admin).await;
        let items = all.body["items"].as_array().unwrap_or_else(|| panic!("{all:?}"));
        items.iter().filter(|entry| entry["action"] == verb).count()
    }
}

/// Times that a statement is tried where something beside the request was cut.
const TRIES: usize = 5;

/// Each statement in turn, cut off in each of these modes, until a request has none left.
macro_rules! at_each {
    ($behind:ident, $modes:expr, $cut:ident, $round:block) => {{
        let (mut cuts, mut over) = (0, 0);
        for statement in 0..MOST {
            let mut is_over = true;
            for goes_through in $modes {
                let $cut = (statement, goes_through);
                for _ in 0..TRIES {
                    let Cut { refused, missed }: Cut = $round;
                    is_over &= !refused && !missed;
                    cuts += usize::from(refused);
                    if !missed {
                        break;
                    }
                }
            }
            // What runs beside has statements, too.
            over = if is_over { over + 1 } else { 0 };
            if over == 4 {
                break;
            }
        }
        $behind.is_intact().await;
        cuts
    }};
}

#[tokio::test]
async fn what_is_made_is_made_once_wherever_the_connection_ends() {
    let behind = Behind::start().await;
    let made = at_each!(behind, [false, true], cut, {
        let body = asked(json!({}));
        let first = behind.asks(cut, "/api/v1/experiments", &body).await;
        let search = format!("/api/v1/experiments?search={}", body["name"].as_str().unwrap());
        let found = behind.server.get(&search, &behind.admin).await;
        let named = found.body["items"].as_array().unwrap().iter().filter(|one| one["name"] == body["name"]);
        let named: Vec<&Value> = named.collect();
        assert_eq!(named.len(), 1, "{cut:?}");
        let object = format!("experiment/{}", named[0]["id"].as_str().unwrap());
        assert_eq!(behind.audited("experiment.create", &object).await, 1, "{cut:?}");
        first
    });
    assert!(made > 6, "{made} cuts of an experiment's making");
    let before = behind.server.get("/api/v1/enrollment-tokens", &behind.admin).await;
    let mut asked_for = before.body["items"].as_array().unwrap().len();
    let tokens = at_each!(behind, [false, true], cut, {
        let first = behind.asks(cut, "/api/v1/enrollment-tokens", &json!({ "max_uses": 3 })).await;
        asked_for += 1;
        first
    });
    let after = behind.server.get("/api/v1/enrollment-tokens?limit=200", &behind.admin).await;
    assert_eq!(after.body["items"].as_array().unwrap().len(), asked_for, "{tokens} cuts");
}

#[tokio::test]
async fn an_experiment_takes_each_step_once_wherever_the_connection_ends() {
    let behind = Behind::start().await;
    let (server, admin) = (&behind.server, behind.admin.as_str());
    enrolled(server, admin).await;
    let mut cuts = BTreeMap::new();
    let verbs = [(0, "start", "initializing"), (1, "rollback", "completed")];
    let all = at_each!(behind, [false], cut, {
        let made = server.post("/api/v1/experiments", admin, asked(json!({}))).await;
        let path = format!("/api/v1/experiments/{}", made.body["id"].as_str().unwrap());
        let mut all = Cut::default();
        for (at, verb, phase) in verbs {
            // By turns, so that each verb has each statement, and both have both ways.
            let cut = (cut.0, (cut.0 + at) % 2 == 0);
            let first = behind.asks(cut, &format!("{path}/{verb}"), &json!({})).await;
            all = Cut { refused: all.refused || first.refused, missed: all.missed || first.missed };
            *cuts.entry(verb).or_insert(0) += u32::from(first.refused);
            let now = server.get(&path, admin).await;
            assert!(now.body["phase"] == phase, "{verb} {cut:?}: {}", now.body["phase"]);
            let object = format!("experiment/{}", made.body["id"].as_str().unwrap());
            assert_eq!(behind.audited(&format!("experiment.{verb}"), &object).await, 1, "{verb} {cut:?}");
        }
        all
    });
    assert!(all > 0 && cuts.len() == 2 && cuts.values().all(|cuts| *cuts > 4), "{cuts:?}");
    let left = server.call(Method::GET, "/api/v1/experiments?phase=initializing", admin, None).await;
    assert_eq!(left.body["items"], json!([]));
}
