//! A connection from its first byte to its end: served for as long as it has something to say.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::service::{HttpService, Service};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::life::{Life, Quiet, Silence};

/// Time for a connection that is told to end: its last answers and, over HTTP/2, its good-bye.
const FAREWELL: Duration = Duration::from_secs(5);

type Failure = Box<dyn Error + Send + Sync>;

/// End of a connection.
#[derive(Debug)]
pub enum End {
    /// The peer's, or the listener's after `stop`; or it is not HTTP's any more but its upgrade's.
    Closed,
    /// Broken, or no HTTP of a version that is served.
    Broken(Failure),
    /// Silent for too long.
    Silent(Silence),
}

impl End {
    /// A short name for the metrics' `reason`, where the connection was ended for its own sake.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Closed | Self::Broken(_) => None,
            Self::Silent(Silence::Head) => Some("head"),
            Self::Silent(Silence::Idle) => Some("idle"),
            Self::Silent(Silence::Unread) => Some("unread"),
        }
    }
}

/// Serves a connection until it ends, is silent or leaves an answer unread for too long, or `stop` becomes true; then its
/// requests in progress are answered still. `service` marks each of its requests in `life`, and each answer.
pub async fn serve<S, F, E, B>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    builder: &Builder<TokioExecutor>,
    service: S,
    (life, quiet): (&Life, Quiet),
    mut stop: watch::Receiver<bool>,
) -> End
where
    S: Service<Request<Incoming>, Response = Response<B>, Future = F, Error = E>
        + HttpService<Incoming, ResBody = B, Future = F, Error = E>,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    E: Into<Failure>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Failure>,
{
    let mut serving = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let closed = |ended: Result<(), Failure>| ended.map_or_else(End::Broken, |()| End::Closed);
    let silence = tokio::select! {
        ended = serving.as_mut() => return closed(ended),
        silence = life.silent(quiet) => Some(silence),
        () = life.unread() => Some(Silence::Unread),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    serving.as_mut().graceful_shutdown();
    let Some(silence) = silence else { return closed(serving.await) };
    // Whether it says good-bye or not.
    let _in_time = tokio::time::timeout(FAREWELL, serving).await;
    End::Silent(silence)
}
