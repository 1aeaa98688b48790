//! Socket of a listener: at an address of the network, or in the file system.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use gate::Peer;
use serde::{Serialize, Serializer};
use tokio::net::{TcpListener, UnixListener};

use crate::net::Stream;

/// Address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// Of the network; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// Path in the file system.
    Unix(PathBuf),
}

impl ListenAddress {
    /// The one of the network, if it is that.
    pub fn tcp(&self) -> Option<SocketAddr> {
        if let Self::Tcp(address) = self { Some(*address) } else { None }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Serialize for ListenAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A bound socket.
#[derive(Debug)]
pub enum Socket {
    /// Of the network.
    Tcp(TcpListener),
    /// In the file system, with its file.
    Unix(UnixListener, SocketFile),
}

impl Socket {
    /// Binds it. A file that a process left behind makes room.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => gate::listen(*address).map(Self::Tcp),
            ListenAddress::Unix(path) => {
                if is_left_behind(path) {
                    std::fs::remove_file(path)?;
                }
                Ok(Self::Unix(UnixListener::bind(path)?, SocketFile(path.clone())))
            }
        }
    }

    /// Its address, with the port that the system chose.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(socket) => socket.local_addr().map(ListenAddress::Tcp),
            Self::Unix(_, file) => Ok(ListenAddress::Unix(file.0.clone())),
        }
    }

    /// The next connection, and who it is from: those of the file system are this machine's.
    ///
    /// # Errors
    /// The system's.
    pub async fn accept(&self) -> io::Result<(Box<dyn Stream>, Peer)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                // A connection that is broken already fails when it is read.
                let _ = stream.set_nodelay(true);
                Ok((Box::new(stream), address.ip().into()))
            }
            Self::Unix(socket, _) => {
                let (stream, _) = socket.accept().await?;
                Ok((Box::new(stream), IpAddr::from(Ipv4Addr::LOCALHOST).into()))
            }
        }
    }
}

/// Tells whether a socket stands there that nobody listens to.
fn is_left_behind(path: &Path) -> bool {
    let is_socket = std::fs::metadata(path).is_ok_and(|there| there.file_type().is_socket());
    let refused = || std::os::unix::net::UnixStream::connect(path).map_err(|error| error.kind());
    is_socket && refused().is_err_and(|kind| kind == io::ErrorKind::ConnectionRefused)
}

/// File of a socket, removed with it.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, path = %self.0.display(), "a socket's file is not removed");
        }
    }
}
