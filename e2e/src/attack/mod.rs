//! Attacks from 127.0.0.2, or from several addresses, on a listener, and the count of what becomes of honest requests from 127.0.0.1.
//!
//! An attack holds what it has for as long as it is kept.

mod drip;
mod honest;
mod idle;
mod silent;
mod streams;
mod unread;

pub use drip::Drips;
pub use honest::Honest;
pub use idle::Idle;
pub use silent::Silent;
pub use streams::Withheld;
pub use unread::{Asked, Unread};

use std::io;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Bytes of half of HTTP/2's preface.
pub const HALF_A_PREFACE: &[u8] = b"PRI * HTTP";

/// The attacker's address.
const ATTACKER: ([u8; 4], u16) = ([127, 0, 0, 2], 0);

/// A connection of the attacker's.
///
/// # Errors
/// The system's.
pub async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    connect_from(ATTACKER.0, to).await
}

async fn connect_from(from: [u8; 4], to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// Status of the attacker's login with a password.
///
/// # Errors
/// The system's, and an answer that is none.
pub async fn login(to: SocketAddr, email: &str, password: &str) -> Result<u16> {
    let body = json!({ "email": email, "password": password }).to_string();
    let head = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = connect(to).await?;
    stream.write_all((head + &body).as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let status = String::from_utf8_lossy(&answer).split(' ').nth(1).map(str::to_owned);
    Ok(status.context("no status")?.parse()?)
}
