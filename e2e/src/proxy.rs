//! Something between an agent and its control plane that lets everything through, or answers itself.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A proxy; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Its address.
    pub at: SocketAddr,
    answer: Arc<Mutex<Option<String>>>,
    /// Counter of the connections that it answered itself.
    answered: Arc<Mutex<u64>>,
    cut: tokio::sync::watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// Lets everything through to `to`.
    pub async fn start(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (at, answer, answered) = (listener.local_addr()?, Arc::default(), Arc::default());
        let cut = tokio::sync::watch::Sender::new(());
        let task =
            tokio::spawn(accept(listener, to, Arc::clone(&answer), Arc::clone(&answered), cut.clone()));
        Ok(Self { at, answer, answered, cut, task })
    }

    /// From now on answers itself, with these bytes, and cuts what it has let through.
    pub fn answers(&self, answer: &str) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.to_owned());
        self.cut.send_replace(());
    }

    /// From now on lets everything through.
    pub fn opens(&self) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Number of connections that it has answered itself.
    pub fn answered(&self) -> u64 {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(
    listener: TcpListener,
    to: SocketAddr,
    answer: Arc<Mutex<Option<String>>>,
    answered: Arc<Mutex<u64>>,
    cut: tokio::sync::watch::Sender<()>,
) {
    let mut connections = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let own = answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut cut, answered) = (cut.subscribe(), Arc::clone(&answered));
        connections.spawn(async move {
            let Some(own) = own else {
                let Ok(mut behind) = TcpStream::connect(to).await else { return };
                tokio::select! {
                    ended = copy_bidirectional(&mut stream, &mut behind) => drop(ended),
                    changed = cut.changed() => drop(changed),
                }
                return;
            };
            let mut request = [0; 16 << 10];
            if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                *answered.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                let _it_may_be_gone = stream.write_all(own.as_bytes()).await;
            }
        });
    }
}
