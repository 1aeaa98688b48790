//! Calls to servers of this test's own, over real sockets.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Address of a server that gives each connection the same answer.
async fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _read = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_with_what_is_expected() {
    for server in ["10.0.0.1:8080", "ftp://host", "http://", "phoenix"] {
        let refused = Client::new(server).unwrap_err().to_string();
        let expected = format!(
            "{server:?} is not the address of a control plane (expected http://host:port or https://host:port)"
        );
        assert_eq!(refused, expected);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let client = Client::new("http://127.0.0.1:1").unwrap();
    let error = client.get("/users").await.unwrap_err().to_string();
    assert_eq!(error, "cannot reach http://127.0.0.1:1: Connection refused (os error 111)");
}

#[tokio::test]
async fn a_refusal_is_told_with_its_mistakes() {
    let at = server(
        "HTTP/1.1 422 Unprocessable Entity\r\nconnection: close\r\n\r\n\
         {\"detail\":\"name: bad\",\"errors\":[{\"field\":\"name\",\"message\":\"bad\",\"expected\":\"a-z\",\"nearest\":\"abc\"}],\"status\":422}",
    )
    .await;
    let error = Client::new(&at).unwrap().get("/users").await.unwrap_err();
    assert_eq!(error.to_string(), "name: bad\n    expected: a-z\n    did you mean \"abc\"?");
}

#[tokio::test]
async fn the_other_scheme_is_named_where_one_end_speaks_tls_and_the_other_does_not() {
    let plain = server("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
    let host = plain.strip_prefix("http://").unwrap();
    let error = Client::new(&format!("https://{host}")).unwrap().get("/users").await.unwrap_err().to_string();
    assert!(error.contains("speaks no TLS") && error.contains(&format!("say http://{host}")), "{error}");
    // What a server of TLS sends to who asks without: an alert, and to who begins a handshake: its failure.
    let secured = server("\x15\x03\x03\x00\x02\x02\x28").await;
    let host = secured.strip_prefix("http://").unwrap();
    let error = Client::new(&secured).unwrap().get("/users").await.unwrap_err().to_string();
    assert!(error.contains("speaks TLS") && error.contains(&format!("say https://{host}")), "{error}");
}

/// Address of a server that gives each connection the next of these documents, and what it was asked for.
async fn pages(pages: Vec<Value>) -> (String, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = std::sync::Arc::clone(&asked);
    tokio::spawn(async move {
        for page in pages {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let line =
                String::from_utf8_lossy(&request[..read]).lines().next().unwrap_or_default().to_owned();
            noted.lock().unwrap().push(line);
            let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{page}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (format!("http://{address}"), asked)
}

#[tokio::test]
async fn a_list_is_followed_to_its_end() {
    let (at, asked) = pages(vec![
        json!({ "items": [1, 2], "next": "b c" }),
        json!({ "items": [3], "next": "d" }),
        json!({ "items": [], "next": null }),
    ])
    .await;
    let all = Client::new(&at).unwrap().list("/agents?labels=env").await.unwrap();
    assert_eq!(all, json!({ "items": [1, 2, 3], "next": null }));
    let asked = asked.lock().unwrap().clone();
    let path = |more: &str| format!("GET /api/v1/agents?labels=env&limit=200{more} HTTP/1.1");
    assert_eq!(asked, [path(""), path("&after=b%20c"), path("&after=d")]);
}

#[tokio::test]
async fn a_list_that_never_ends_is_an_error_and_so_is_what_is_no_list() {
    let same = json!({ "items": [1], "next": "a" });
    let (at, _) = pages(vec![same.clone(), same]).await;
    let error = Client::new(&at).unwrap().list("/agents").await.unwrap_err().to_string();
    assert!(error.contains("a page is followed by itself"), "{error}");
    let (at, _) = pages(vec![json!({ "name": "x" })]).await;
    let error = Client::new(&at).unwrap().list("/agents").await.unwrap_err().to_string();
    assert!(error.contains("it has no items"), "{error}");
}

#[tokio::test]
async fn events_are_read_whatever_their_lines_end_with() {
    let at = server(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n\
         : a comment\r\nid: 1\r\ndata: {\"seq\":1}\r\n\r\nid: 2\ndata: {\"seq\":\ndata: 2}\n\n",
    )
    .await;
    let mut seen = Vec::new();
    let each = |event: &Value| -> Result<(), Error> {
        seen.push(event["seq"].as_i64());
        Ok(())
    };
    Client::new(&at).unwrap().events("/experiments/x/events", each).await.unwrap();
    assert_eq!(seen, [Some(1), Some(2)]);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_told_from_a_server_that_is_not_there() {
    let at = server("HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{").await;
    let error = Client::new(&at).unwrap().get("/users").await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("the answer of {at} broke off: ")), "{error}");
}

#[test]
fn a_loopback_address_is_known_in_every_form() {
    for host in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"] {
        assert!(is_loopback(host), "{host}");
    }
    for host in ["10.0.0.1", "phoenix.example.org", "localhost.example.org"] {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn a_client_does_not_show_its_token() {
    let client = Client::new("http://127.0.0.1:1").unwrap().with_token("hush");
    assert!(!format!("{client:?}").contains("hush"));
}
