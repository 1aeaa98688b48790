//! A stand-in for a control plane: it takes one request after the other, and gives the answers that a test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

/// A server on a port of its own.
pub struct Server(TcpListener);

/// A request that came.
pub struct Asked {
    /// Its first line.
    pub line: String,
    /// Its headers, a line each.
    pub headers: String,
    /// Its body.
    pub body: String,
}

impl Server {
    /// Listens; with the URL of the server.
    pub fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (Self(listener), url)
    }

    /// Takes a request, and answers it with this status and body.
    pub fn exchange(&self, status: u16, body: &str) -> Asked {
        self.answer(status, |_| body.to_owned())
    }

    /// Takes a request, and answers it with this status and the body that is made of it.
    pub fn answer(&self, status: u16, body: impl FnOnce(&Asked) -> String) -> Asked {
        let (mut stream, _) = self.0.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty());
        let line = head.next().unwrap();
        let headers: Vec<String> = head.collect();
        let length = headers.iter().find_map(|header| {
            let (name, value) = header.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
        });
        let mut sent = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut sent).unwrap();
        let asked = Asked { line, headers: headers.join("\n"), body: String::from_utf8(sent).unwrap() };
        let body = body(&asked);
        let head =
            format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        asked
    }
}
