//! Connections that say one thing, and then nothing for as long as they are let.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

/// Time after which a connection that was ended is opened anew.
const PAUSE: Duration = Duration::from_millis(200);

/// Silent connections, until they are dropped.
#[derive(Debug)]
pub struct Silent {
    _tasks: JoinSet<()>,
}

impl Silent {
    /// Opens so many connections and says `said` on each; one that is ended comes back. Returns when each has tried once.
    pub async fn begin(to: SocketAddr, count: usize, said: &'static [u8]) -> Self {
        // Each is a file of this process, too.
        let _as_many_as_the_system_gives = gate::connections(count);
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let mut stream = super::connect(to).await;
            tasks.spawn(async move {
                loop {
                    if let Ok(stream) = &mut stream
                        && stream.write_all(said).await.is_ok()
                    {
                        // Returns when it is ended.
                        let _ended = stream.read(&mut [0]).await;
                    }
                    tokio::time::sleep(PAUSE).await;
                    stream = super::connect(to).await;
                }
            });
        }
        Self { _tasks: tasks }
    }
}
