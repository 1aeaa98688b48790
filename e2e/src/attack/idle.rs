//! Connections from several addresses that say one thing, lie idle, and do not come back once they are ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

/// Idle connections, until they are dropped.
#[derive(Debug)]
pub struct Idle {
    open: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Idle {
    /// Opens so many connections from each of so many addresses, from 127.0.1.1 on, and says one of the texts on each, by turns.
    /// Returns when each has tried once.
    pub async fn begin(to: SocketAddr, (addresses, each): (u8, usize), said: [&'static [u8]; 2]) -> Self {
        // Each is a file of this process, too.
        let _as_many_as_the_system_gives = gate::connections(usize::from(addresses) * each);
        let open = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for address in 1..=addresses {
            for number in 0..each {
                let Ok(mut stream) = super::connect_from([127, 0, 1, address], to).await else { continue };
                let (open, said) = (Arc::clone(&open), said[number % 2]);
                open.fetch_add(1, Ordering::SeqCst);
                tasks.spawn(async move {
                    if stream.write_all(said).await.is_ok() {
                        // What is answered to a whole request is read, and so is the end.
                        let mut answer = [0; 1_024];
                        while stream.read(&mut answer).await.is_ok_and(|read| read > 0) {}
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        }
        Self { open, _tasks: tasks }
    }

    /// Number of those that were not ended.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}
