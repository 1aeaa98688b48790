//! A server of HTTP that notes each request and answers it as told, a connection each.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What was asked, the head and the body of each.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    /// Serves at a port of its own. `answer` is given the number of a request, from 0, and its text, and gives a status and a
    /// body.
    pub async fn start(
        answer: impl Fn(usize, &str) -> (u16, String) + Send + Sync + 'static,
    ) -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        let recorder = Self::default();
        recorder.serve(listener, answer);
        (recorder, address)
    }

    /// The same at a socket that is bound.
    pub fn serve(
        &self,
        listener: TcpListener,
        answer: impl Fn(usize, &str) -> (u16, String) + Send + Sync + 'static,
    ) {
        let (this, answer) = (self.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (this, answer) = (this.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    let Some(request) = read(&mut stream).await else { return };
                    let (status, body) = {
                        let mut requests = this.0.lock().expect("lock");
                        requests.push(request);
                        answer(requests.len() - 1, &requests[requests.len() - 1])
                    };
                    let length = body.len();
                    let text = format!(
                        "HTTP/1.1 {status} Told\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                    );
                    stream.write_all(text.as_bytes()).await.expect("write");
                });
            }
        });
    }

    /// Number of requests.
    pub fn len(&self) -> usize {
        self.0.lock().expect("lock").len()
    }

    /// Text of a request.
    pub fn request(&self, place: usize) -> String {
        self.0.lock().expect("lock")[place].clone()
    }

    /// Values of a header, of each request that has it.
    pub fn values(&self, name: &str) -> Vec<String> {
        let start = format!("{name}: ");
        let requests = self.0.lock().expect("lock");
        let line =
            |request: &String| request.lines().find_map(|line| Some(line.strip_prefix(&start)?.to_owned()));
        requests.iter().filter_map(line).collect()
    }
}

/// A request, to the end of the body that its head announces.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut said = Vec::new();
    loop {
        let mut more = [0; 4_096];
        let read = stream.read(&mut more).await.ok().filter(|read| *read > 0)?;
        said.extend_from_slice(&more[..read]);
        let text = String::from_utf8_lossy(&said);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if said.len() >= head.len() + 4 + length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}
