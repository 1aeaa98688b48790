//! Events of an experiment to its end, whatever happens to the connection.
//!
//! What always holds: each event is handed on once, in order; that the control plane is away is said once, and that it is back; and
//! what was there never is an error at once.

use std::cell::RefCell;
use std::time::Duration;

use client::{Client, Error};
use serde_json::Value;
use tokio::time::Instant;

/// Times of a connection that is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Time before the first try; each one after it waits twice as long.
    pub first: Duration,
    /// The longest time before a try.
    pub longest: Duration,
    /// Time without the control plane after which it is given up.
    pub limit: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [first, longest, limit] = [1, 30, 600].map(Duration::from_secs);
        Self { first, longest, limit }
    }
}

/// Absence of the control plane.
#[derive(Clone, Copy)]
struct Away {
    since: Instant,
    pause: Duration,
}

/// Hands on each event below `path` until there are no more. `open` gives the client, anew for each connection: its token may be
/// over. What a person is to know meanwhile goes to `tell`.
///
/// # Errors
/// Those of the first connection, what no later try mends, those of `each`, and a control plane that is away for too long.
pub async fn events(
    path: &str,
    patience: Patience,
    open: impl AsyncFn() -> anyhow::Result<Client>,
    tell: impl Fn(&str),
    mut each: impl FnMut(&Value) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut last, mut was_there, away) = (String::new(), false, RefCell::new(None::<Away>));
    loop {
        let mut is_open = false;
        let opened = || {
            is_open = true;
            if away.take().is_some() {
                tell("the control plane is back");
            }
        };
        let came = async { open().await?.events_after(path, &mut last, opened, &mut each).await }.await;
        was_there |= is_open;
        let Err(error) = came else { return Ok(()) };
        let may_pass = match error.downcast_ref::<Error>() {
            // The token is over: the next connection has another, or says that the login has ended.
            Some(Error::Refused { status: 401, .. }) => is_open,
            Some(error) => error.may_pass(),
            None => false,
        };
        if !was_there || !may_pass {
            return Err(error);
        }
        let now = Instant::now();
        let Away { since, pause } = away.take().unwrap_or_else(|| {
            let limit = humantime::format_duration(patience.limit);
            tell(&format!("the control plane is away ({error:#}); trying again for up to {limit}"));
            Away { since: now, pause: patience.first }
        });
        let until = since + patience.limit;
        if now >= until {
            let limit = humantime::format_duration(patience.limit);
            let what =
                "the experiment goes on without this command; run it again once the control plane is back";
            return Err(error.context(format!("the control plane has been away for {limit}; {what}")));
        }
        tokio::time::sleep_until(until.min(now + pause)).await;
        away.replace(Some(Away { since, pause: patience.longest.min(2 * pause) }));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const HEAD: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    const AWAY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const GONE: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    fn event(number: u32) -> String {
        let text = format!("id: {number}\ndata: {number}\n\n");
        format!("{:x}\r\n{text}\r\n", text.len())
    }

    /// A server that gives each connection the next of these answers and closes it; address, and what each asked for.
    async fn server(answers: Vec<String>) -> (String, std::sync::Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, asked) = (listener.local_addr().unwrap(), std::sync::Arc::<Mutex<Vec<String>>>::default());
        let noted = std::sync::Arc::clone(&asked);
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let read = stream.read(&mut request).await.unwrap();
                noted.lock().unwrap().push(String::from_utf8_lossy(&request[..read]).to_lowercase());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (format!("http://{at}"), asked)
    }

    /// Events that came, what was told, and the error, if there was one.
    async fn followed(at: &str, limit: Duration) -> (Vec<i64>, Vec<String>, Option<String>) {
        let (mut seen, told) = (Vec::new(), Mutex::new(Vec::new()));
        let [first, longest] = [1, 4].map(Duration::from_millis);
        let ended = events(
            "/experiments/x/events",
            Patience { first, longest, limit },
            async || Ok(Client::new(at)?),
            |text| told.lock().unwrap().push(text.to_owned()),
            |event| {
                seen.extend(event.as_i64());
                Ok(())
            },
        )
        .await;
        (seen, told.into_inner().unwrap(), ended.err().map(|error| format!("{error:#}")))
    }

    #[tokio::test]
    async fn it_goes_on_behind_the_last_event_and_says_once_that_the_control_plane_is_away() {
        let begun = format!("{HEAD}{}{}", event(1), event(2));
        let rest = format!("{HEAD}{}0\r\n\r\n", event(3));
        let (at, asked) = server(vec![begun, AWAY.to_owned(), AWAY.to_owned(), rest]).await;
        let (seen, told, ended) = followed(&at, Duration::from_secs(60)).await;
        assert_eq!((seen, ended), (vec![1, 2, 3], None));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with("the control plane is away (") && told[0].ends_with("for up to 1m"),
            "{told:?}"
        );
        assert_eq!(told[1], "the control plane is back");
        let asked = asked.lock().unwrap().clone();
        assert!(!asked[0].contains("last-event-id"), "{asked:?}");
        assert!(asked[1..].iter().all(|request| request.contains("last-event-id: 2\r\n")), "{asked:?}");
    }

    #[tokio::test]
    async fn after_its_limit_it_ends_with_what_goes_on() {
        let (at, _) = server(vec![format!("{HEAD}{}", event(1))]).await;
        let (seen, told, ended) = followed(&at, Duration::from_millis(20)).await;
        assert_eq!((seen, told.len()), (vec![1], 1), "{told:?}");
        let said = ended.expect("an error");
        assert!(
            said.contains("has been away for 20ms; the experiment goes on without this command"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn what_was_never_there_and_what_no_try_mends_end_it_at_once() {
        let (_, told, ended) = followed("http://127.0.0.1:1", Duration::from_secs(60)).await;
        assert!(ended.expect("an error").starts_with("cannot reach http://127.0.0.1:1"), "{told:?}");
        assert!(told.is_empty());
        let (at, _) = server(vec![format!("{HEAD}{}", event(1)), GONE.to_owned()]).await;
        let (seen, _, ended) = followed(&at, Duration::from_secs(60)).await;
        assert!(seen == [1] && ended.is_some());
    }
}
