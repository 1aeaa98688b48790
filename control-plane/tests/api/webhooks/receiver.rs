//! A receiver of webhooks: a socket that answers as it is told and keeps what came.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::super::grpc::soon;

/// Manner of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// With this status.
    Status(u16),
    /// With a redirect to this address.
    Redirect(&'static str),
    /// Never.
    Hang,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Call {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Call {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

pub struct Receiver {
    pub at: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    calls: UnboundedReceiver<Call>,
    serving: JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), None).await
    }

    /// At this address, with this TLS.
    pub async fn start_at(at: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let (at, manner) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Manner::Status(204))));
        let (sender, calls) = unbounded_channel();
        let told = Arc::clone(&manner);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (sender, manner, tls) = (sender.clone(), *told.lock().unwrap(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => answer(stream, sender, manner).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => answer(stream, sender, manner).await,
                            Err(_refused) => {}
                        },
                    }
                });
            }
        });
        Self { at, manner, calls, serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hush", self.at)
    }

    pub fn answers(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// The next call.
    pub async fn call(&mut self) -> Call {
        soon("a call", self.calls.recv()).await.unwrap()
    }

    /// A call that has come already.
    pub fn come(&mut self) -> Option<Call> {
        self.calls.try_recv().ok()
    }

    /// Ends it; its address refuses connections then.
    pub async fn stop(self) -> SocketAddr {
        self.serving.abort();
        let _aborted = self.serving.await;
        self.at
    }
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, calls: UnboundedSender<Call>, manner: Manner) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.unwrap();
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    let call = Call { line: line.trim_end().to_owned(), headers, body: String::from_utf8(body).unwrap() };
    // The test may be over.
    let _received = calls.send(call);
    let said = match manner {
        Manner::Status(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"),
        Manner::Redirect(to) => format!("HTTP/1.1 302 X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"),
        Manner::Hang => return std::future::pending().await,
    };
    let _sent = stream.write_all(said.as_bytes()).await;
}
