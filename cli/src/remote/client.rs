//! One REST call after the other, over HTTP/1.1, with TLS for `https`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::session::Session;

/// More than any answer.
const MAX_BYTES: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// A control plane, and who asks it.
#[derive(Clone)]
pub struct Client {
    server: Uri,
    token: Option<String>,
}

impl Client {
    /// A control plane that nobody has logged in to yet.
    ///
    /// # Errors
    /// An address that is none.
    pub fn new(server: &str) -> anyhow::Result<Self> {
        let server: Uri =
            server.trim_end_matches('/').parse().with_context(|| format!("{server:?} is no URL"))?;
        match server.scheme_str() {
            Some("http" | "https") if server.host().is_some() => Ok(Self { server, token: None }),
            _ => bail!(
                "{server} is no address of a control plane; expected http://host:port or https://host:port"
            ),
        }
    }

    /// The one of the kept session.
    ///
    /// # Errors
    /// When nobody is logged in.
    pub fn of_session() -> anyhow::Result<Self> {
        let session = Session::load()?;
        Ok(Self { token: Some(session.token), ..Self::new(&session.server)? })
    }

    /// The same control plane, asked as somebody who logs in with a password. What the login was answered comes along.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn login(self, email: &str, password: &str) -> anyhow::Result<(Self, Value)> {
        let answer = self.post("/auth/login", &json!({ "email": email, "password": password })).await?;
        let token = answer["access_token"].as_str().context("the answer has no token")?.to_owned();
        Ok((Self { token: Some(token), ..self }, answer))
    }

    /// One call: the answer's document, nothing where it has none.
    ///
    /// # Errors
    /// A refusal, with what the control plane says is wrong.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let answer = tokio::time::timeout(PATIENCE, self.send(method, path, body)).await;
        let answer = answer.context("no answer within 30 s")??;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
        let body = body.map_err(|error| anyhow!("{error}"))?.to_bytes();
        if !status.is_success() {
            bail!("{}", refusal(status.as_u16(), &body));
        }
        if body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&body)?) }
    }

    /// `GET`.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// `POST`.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Server-sent events, each handed to `each` as its document, until the server ends them.
    ///
    /// # Errors
    /// As [`Self::call`], and those of `each`.
    pub async fn events(
        &self,
        path: &str,
        each: impl Fn(&Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let answer = self.send(Method::GET, path, None).await?;
        let status = answer.status();
        let mut body = answer.into_body();
        let mut text = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            text.extend_from_slice(&data);
            if !status.is_success() || text.len() > MAX_BYTES {
                bail!("{}", refusal(status.as_u16(), &text));
            }
            while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = text.drain(..end + 2).collect();
                let event = String::from_utf8_lossy(&event).into_owned();
                let data = event.lines().find_map(|line| line.strip_prefix("data:"));
                if let Some(data) = data {
                    each(&serde_json::from_str(data.trim())?)?;
                }
            }
        }
        Ok(())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Response<Incoming>> {
        let authority = self.server.authority().context("the server has no host")?;
        let mut sender = self.connect().await.with_context(|| format!("cannot reach {}", self.server))?;
        let mut request =
            Request::builder().method(method).uri(format!("/api/v1{path}")).header(HOST, authority.as_str());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.header(CONTENT_TYPE, "application/json").body(Full::new(Bytes::from(body)))?;
        Ok(sender.send_request(request).await?)
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let tls = self.server.scheme_str() == Some("https");
        let host = self.server.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = self.server.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        if !tls {
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            return Ok(sender);
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned())?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// A refusal in lines: what, then each mistake with its place, what was expected and what was probably meant.
fn refusal(status: u16, body: &[u8]) -> String {
    let Ok(problem) = serde_json::from_slice::<Value>(body) else {
        return format!("{status}: {}", String::from_utf8_lossy(body));
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut lines = text(&problem["detail"]).unwrap_or_else(|| status.to_string());
    for mistake in problem["errors"].as_array().into_iter().flatten() {
        let place = match (mistake["line"].as_u64(), mistake["column"].as_u64(), text(&mistake["field"])) {
            (Some(line), Some(column), _) => format!("{line}:{column}"),
            (_, _, Some(field)) => field,
            _ => String::new(),
        };
        lines += &format!("\n  {place}: {}", text(&mistake["message"]).unwrap_or_default());
        if let Some(expected) = text(&mistake["expected"]) {
            lines += &format!("\n    expected: {expected}");
        }
        if let Some(nearest) = text(&mistake["nearest"]) {
            lines += &format!("\n    did you mean {nearest:?}?");
        }
    }
    lines
}
