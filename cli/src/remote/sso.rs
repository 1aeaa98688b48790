//! `phoenix login --sso`: the browser goes to the identity provider and comes back to this machine (RFC 8252).

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use client::Client;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Time that a person has.
const PATIENCE: Duration = Duration::from_secs(600);
/// Time that a browser has for its request.
const REQUEST: Duration = Duration::from_secs(10);
/// The most bytes of a request's first line.
const LONGEST: u64 = 16 << 10;
const PATH: &str = "/callback";

/// Logs in by the browser. Returns the answer of the control plane, as that of a login with a password.
///
/// # Errors
/// No port, no answer in time, a refusal of the identity provider or of the control plane.
pub async fn login(client: &Client, port: u16, opens_browser: bool) -> anyhow::Result<Value> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.with_context(|| format!("cannot listen on 127.0.0.1:{port} for the browser"))?;
    let redirect_uri = format!("http://127.0.0.1:{}{PATH}", listener.local_addr()?.port());
    let begun = client.post("/auth/sso", &json!({ "redirect_uri": redirect_uri })).await?;
    let url = begun["authorization_url"].as_str().context("the answer is not as expected")?;
    let web = url.starts_with("https://") || url.starts_with("http://");
    let expected = url.split_once('?').and_then(|(_, query)| value(query, "state"));
    let expected = expected.context("the answer is not as expected")?;
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "Log in with a browser on this machine, at\n\n  {url}\n")?;
    drop(stderr);
    if opens_browser && web {
        open(url);
    }
    let came = tokio::time::timeout(PATIENCE, came_back(&listener, &expected)).await;
    let code = came.context("nobody came back from the identity provider in ten minutes")??;
    let body = json!({ "flow": begun["flow"], "state": expected, "code": code });
    Ok(client.post("/auth/sso/finish", &body).await?)
}

/// Opens an address, where there is a program for that.
fn open(url: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Where there is none, the person has read the address.
    let _opened = command.spawn();
}

/// Waits for the browser. Returns the code that it brings with this state; whatever else comes is somebody else's.
async fn came_back(listener: &TcpListener, state: &str) -> anyhow::Result<String> {
    loop {
        let (stream, _) = listener.accept().await.context("cannot be reached by the browser")?;
        if let Ok(Some(came)) = tokio::time::timeout(REQUEST, visit(stream, state)).await {
            return came;
        }
    }
}

/// A visit of the browser; nothing for one to another path, or with another state.
async fn visit(stream: TcpStream, state: &str) -> Option<anyhow::Result<String>> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reader.take(LONGEST)).read_line(&mut line).await.ok()?;
    let asked = line.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let (path, query) = asked.split_once('?').unwrap_or((asked, ""));
    let own = path == PATH && value(query, "state").as_deref() == Some(state);
    let came = own.then(|| came(query));
    let (status, said) = match &came {
        Some(Ok(_)) => ("200 OK", "Go back to the terminal: it says whether you are logged in."),
        Some(Err(_)) => ("200 OK", "The identity provider has refused. Go back to the terminal."),
        None => ("404 Not Found", "There is nothing here."),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n", said.len());
    let answer = format!("{head}connection: close\r\nreferrer-policy: no-referrer\r\n\r\n{said}");
    // The browser's page is a courtesy.
    let _written = writer.write_all(answer.as_bytes()).await;
    came
}

/// Value of a query's parameter.
fn value(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(of, _)| *of == name)?;
    Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
}

/// Code of a query, or the refusal in it.
fn came(query: &str) -> anyhow::Result<String> {
    if let Some(error) = value(query, "error") {
        // It is somebody else's text on a terminal.
        let error: String = error.chars().filter(|c| !c.is_control()).take(200).collect();
        bail!("the identity provider has refused: {error}");
    }
    value(query, "code").context("the identity provider has sent the browser back without a code")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_comes_back_or_a_refusal_does() {
        assert_eq!(came("state=a&code=c+d%2B&iss=x").unwrap(), "c d+");
        let refused = came("error=access_denied%1b%5b31m&state=a").unwrap_err().to_string();
        assert_eq!(refused, "the identity provider has refused: access_denied[31m");
        assert!(came("state=a").is_err() && came("").is_err());
    }

    #[tokio::test]
    async fn whatever_comes_with_another_state_is_not_the_browser() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let ask = |path: &'static str| async move {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            said
        };
        let asking = async {
            for other in ["/callback?code=x&state=other", "/favicon.ico", "/callback?code=x"] {
                assert!(ask(other).await.starts_with("HTTP/1.1 404"), "{other}");
            }
            assert!(ask("/callback?code=c&state=own").await.contains("Go back to the terminal"));
        };
        let (code, ()) = tokio::join!(came_back(&listener, "own"), asking);
        assert_eq!(code.unwrap(), "c");
    }
}
