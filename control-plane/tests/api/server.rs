//! A control plane of a test's own, and somebody who talks to it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use control_plane::app::{App, Listening};
use control_plane::clock::{Clock, Entropy, UnixMillis};
use control_plane::config::{Named, Serve, SsoOptions, TracesOptions};
use control_plane::state::AppState;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::http::response::Parts;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::postgres::{self, Database};

pub const PASSWORD: &str = "correct horse battery";
const SETUP: &str = "a token of the owner's own";

/// A running control plane with a clock that moves a millisecond whenever it is read.
pub struct Server {
    pub state: AppState,
    pub at: Listening,
    pub dir: TempDir,
    now: Arc<AtomicI64>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

/// Status and body of the answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub kind: String,
    pub retry_after: Option<String>,
    pub body: Value,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    pub async fn start_in(dir: TempDir) -> Self {
        Self::start_again(dir, UnixMillis(1_800_000_000_000)).await
    }

    /// On data that is there, at this time.
    pub async fn start_again(dir: TempDir, at: UnixMillis) -> Self {
        let config = anywhere(dir.path()).await;
        Self::start_by(dir, &config, at).await
    }

    /// On a file, whatever the others are on.
    pub async fn start_here(dir: TempDir, at: UnixMillis) -> Self {
        let config = config(dir.path());
        Self::start_by(dir, &config, at).await
    }

    /// By this configuration, whose files are in this folder.
    pub async fn start_by(dir: TempDir, config: &Serve, at: UnixMillis) -> Self {
        let now = Arc::new(AtomicI64::new(at.0));
        let hand = Arc::clone(&now);
        let clock = Clock::from_fn(move || UnixMillis(hand.fetch_add(1, Ordering::SeqCst)));
        let app = App::build(config, clock, Entropy::system()).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let (state, at) = (app.state(), app.listening().unwrap());
        let running = tokio::spawn(app.run(async { drop(stopped.await) }));
        // A first one decides in a moment; another one waits for its end.
        let _or_another = tokio::time::timeout(Duration::from_secs(2), state.replica.decides()).await;
        Self { state, at, dir, now, stop: Some(stop), running }
    }

    /// Moves the clock.
    pub fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Ends it as a signal would; the data stays.
    pub async fn stop(mut self) -> TempDir {
        drop(self.stop.take());
        self.running.await.unwrap();
        self.dir
    }

    /// The first user's token: admin@one.io.
    pub async fn set_up(&self) -> String {
        let body = json!({ "token": SETUP, "tenant": "one", "email": "admin@one.io", "password": PASSWORD });
        let made = self.post("/api/v1/auth/setup", "", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        self.login("admin@one.io").await
    }

    pub async fn login(&self, email: &str) -> String {
        let body = json!({ "email": email, "password": PASSWORD });
        let answer = self.post("/api/v1/auth/login", "", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    /// Another person of the admin's tenant, logged in.
    pub async fn user(&self, admin: &str, role: &str) -> String {
        let email = format!("{role}@one.io");
        let body = json!({ "email": email, "role": role, "password": PASSWORD });
        let made = self.post("/api/v1/users", admin, body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        self.login(&email).await
    }

    /// The admin of another tenant, logged in: admin@two.io.
    pub async fn other_tenant(&self, admin: &str) -> String {
        let body = json!({ "name": "two", "email": "admin@two.io", "password": PASSWORD });
        let made = self.post("/api/v1/tenants", admin, body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        self.login("admin@two.io").await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, None).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        self.call(Method::DELETE, path, token, None).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::POST, path, token, Some(body.to_string())).await
    }

    pub async fn put(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, token, Some(body.to_string())).await
    }

    pub async fn call(&self, method: Method, path: &str, token: &str, body: Option<String>) -> Answer {
        send(self.at.rest, method, path, token, body).await
    }

    /// On the agents' listener.
    pub async fn fleet(&self, path: &str, token: &str, body: Value) -> Answer {
        send(self.at.fleet, Method::POST, path, token, Some(body.to_string())).await
    }
}

/// The configuration on whatever the tests are on.
pub async fn anywhere(dir: &Path) -> Serve {
    let config = config(dir);
    match database(dir).await {
        Some(Database { owner, service }) => on_server(config, &owner, &service),
        None => config,
    }
}

/// Database on a server of the data in this folder.
async fn database(dir: &Path) -> Option<Database> {
    std::env::var_os(postgres::ON_POSTGRES)?;
    let files = [dir.join("owner"), dir.join("service")];
    if !files[0].exists() {
        let Database { owner, service } = postgres::migrated().await;
        files.iter().zip([owner, service]).for_each(|(file, text)| std::fs::write(file, text).unwrap());
    }
    let [owner, service] = files.map(|file| std::fs::read_to_string(file).unwrap());
    Some(Database { owner, service })
}

/// The configuration with a database on a server.
pub fn on_server(config: Serve, owner: &str, service: &str) -> Serve {
    Serve { database: Named { address: Some(service.parse()) }, owner: Some(owner.parse()), ..config }
}

pub fn config(dir: &Path) -> Serve {
    let (any, token) = ("127.0.0.1:0".parse().unwrap(), dir.join("setup-token"));
    std::fs::write(&token, SETUP).unwrap();
    let (data_dir, trial) = (dir.join("data"), Duration::from_secs(2));
    let (take_over_after, archive_after) = (Duration::from_secs(30), Duration::from_secs(86_400));
    let setup_token_file = Some(token);
    Serve {
        data_dir,
        database: Named::default(),
        owner: None,
        listen: any,
        fleet_listen: any,
        trial,
        take_over_after,
        archive_after,
        merge_by_hour_after: archive_after,
        cors_origin: vec![hyper::header::HeaderValue::from_static("https://console.example.org")],
        sso: SsoOptions {
            oidc_groups_claim: "groups".to_owned(),
            oidc_session: Duration::from_secs(12 * 3600),
            ..SsoOptions::default()
        },
        traces: TracesOptions::default(),
        webhooks_allow_http: false,
        trusted_host: vec!["127.0.0.1".parse().unwrap()],
        max_running: 2,
        audit_anchors: None,
        audit_anchors_every: Duration::from_secs(10),
        tls_cert: None,
        tls_key: None,
        agent_ca: None,
        setup_token_file,
    }
}

pub async fn send(to: SocketAddr, method: Method, path: &str, token: &str, body: Option<String>) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "phoenix.test");
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let request = request.body(Full::new(Bytes::from(body.unwrap_or_default()))).unwrap();
    let (head, bytes) = exchange(to, request).await;
    let header = |name| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Answer {
        status: head.status,
        kind: header("content-type").unwrap_or_default(),
        retry_after: header("retry-after"),
        body,
    }
}

/// A request and its answer over a connection of their own.
pub async fn exchange(to: SocketAddr, request: Request<Full<Bytes>>) -> (Parts, Bytes) {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    connection.abort();
    (head, bytes)
}

impl Answer {
    /// That it is a refusal in the one shape, and its status.
    pub fn refusal(&self) -> u16 {
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], self.status.as_u16(), "{self:?}");
        assert!(self.body["title"].is_string() && self.body["detail"].is_string(), "{self:?}");
        self.status.as_u16()
    }
}
