//! A receiver of traces, by somebody else's gRPC or over HTTP: it keeps every span, or answers as it is told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use prost::Message as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::eventually;

const PATIENCE: Duration = Duration::from_secs(60);

/// Manner in which a receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It takes everything.
    Takes,
    /// It takes each message, and says that it has rejected all of its spans.
    Rejects,
    /// It refuses each message for good.
    Refuses,
    /// It never answers.
    Hangs,
}

/// A span as it came.
#[derive(Clone, Debug)]
pub struct Came {
    /// Trace, in hex.
    pub trace: String,
    /// Its own id, in hex.
    pub id: String,
    /// Its parent's, in hex; empty of one that has none.
    pub parent: String,
    /// Name.
    pub name: String,
    /// Kind, by number.
    pub kind: i32,
    /// True if its status is an error.
    pub failed: bool,
    /// Attributes, as texts.
    pub attributes: BTreeMap<String, String>,
    /// Attributes of the resource.
    pub resource: BTreeMap<String, String>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Spans {
    addr: SocketAddr,
    manner: Manner,
    messages: Arc<Mutex<Vec<(ExportTraceServiceRequest, String)>>>,
}

impl Spans {
    /// Listens on a free port, on the current runtime.
    pub async fn start(manner: Manner) -> Result<Self> {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await?, manner)
    }

    /// The same on a socket that is there.
    pub fn start_on(listener: TcpListener, manner: Manner) -> Result<Self> {
        let spans = Self { addr: listener.local_addr()?, manner, messages: Arc::default() };
        let service = TraceServiceServer::new(spans.clone()).accept_compressed(CompressionEncoding::Gzip);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        Ok(spans)
    }

    /// The same over HTTP, at any path; it takes everything.
    pub async fn start_http() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let spans = Self { addr: listener.local_addr()?, manner: Manner::Takes, messages: Arc::default() };
        let taking = spans.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A request that is none shows by what does not come.
                let _taken = taking.take(stream).await;
            }
        });
        Ok(spans)
    }

    /// Takes one request of a connection.
    async fn take(&self, stream: TcpStream) -> Result<()> {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            anyhow::ensure!(stream.read_line(&mut head).await? > 0, "an end in the head");
        }
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        anyhow::ensure!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        anyhow::ensure!(header("content-type") == Some("application/x-protobuf"), "{head}");
        let mut body = vec![0; header("content-length").context("no length")?.parse()?];
        stream.read_exact(&mut body).await?;
        let message = ExportTraceServiceRequest::decode(&body[..])?;
        let authorization = header("authorization").unwrap_or_default().to_owned();
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push((message, authorization));
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
        Ok(())
    }

    /// Its address.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    fn messages(&self) -> Vec<(ExportTraceServiceRequest, String)> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes of all messages.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.messages().iter().flat_map(|(message, _)| message.encode_to_vec()).collect()
    }

    /// Authorization of each message; empty of one without.
    #[must_use]
    pub fn authorizations(&self) -> Vec<String> {
        self.messages().into_iter().map(|(_, authorization)| authorization).collect()
    }

    /// All spans that have come.
    #[must_use]
    pub fn all(&self) -> Vec<Came> {
        let mut all = Vec::new();
        for (message, _) in self.messages() {
            for of_resource in message.resource_spans {
                let resource = texts(&of_resource.resource.unwrap_or_default().attributes);
                for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    all.push(Came {
                        trace: hex(&span.trace_id),
                        id: hex(&span.span_id),
                        parent: hex(&span.parent_span_id),
                        name: span.name,
                        kind: span.kind,
                        failed: span.status.is_some_and(|status| status.code == 2),
                        attributes: texts(&span.attributes),
                        resource: resource.clone(),
                    });
                }
            }
        }
        all
    }

    /// The first span that is so, once it has come.
    pub async fn first(&self, what: &str, is_it: impl Fn(&Came) -> bool) -> Came {
        eventually(what, PATIENCE, || async { self.all().into_iter().find(|came| is_it(came)) }).await
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|one| (one.key.clone(), text(&one.value))).collect()
}

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let authorization = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let authorization = authorization.unwrap_or_default().to_owned();
        let message = request.into_inner();
        let spans = message.resource_spans.iter().flat_map(|one| &one.scope_spans);
        let number: usize = spans.map(|scope| scope.spans.len()).sum();
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push((message, authorization));
        let partial_success = match self.manner {
            Manner::Takes => None,
            Manner::Rejects => Some(ExportTracePartialSuccess {
                rejected_spans: i64::try_from(number).unwrap_or(i64::MAX),
                error_message: "the quota is used up".to_owned(),
            }),
            Manner::Refuses => return Err(Status::permission_denied("who are you")),
            Manner::Hangs => std::future::pending().await,
        };
        Ok(Response::new(ExportTraceServiceResponse { partial_success }))
    }
}
