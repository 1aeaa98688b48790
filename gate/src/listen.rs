//! Binding: a listener's address, and how many connections may wait there for it.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted; the system may keep fewer (`net.core.somaxconn`, 4,096 by default). Past it a first packet
/// is dropped, which is sent again a second later: a whole fleet that comes back at once should not meet that.
const WAITING: u32 = 4_096;

/// Listens at an address. One that a process has left a moment ago can be bound again.
///
/// # Errors
/// The system's: the address is taken, or no address of this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn as_many_wait_as_the_system_keeps_before_anybody_is_accepted() {
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let most: usize = most.trim().parse().unwrap();
        // More than the libraries' 1,024, where the system lets it, and fewer than the files of a process.
        let number = most.min(1_500).min(crate::connections(usize::MAX));
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(900));
        let waiting: Vec<TcpStream> = (0..number).map_while(|_| connect().ok()).collect();
        assert_eq!(waiting.len(), number, "the first packet of the next one was dropped");
    }

    #[tokio::test]
    async fn an_address_of_either_kind_can_be_bound_and_one_that_is_taken_cannot() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let first = listen(address.parse().unwrap()).unwrap();
            let again = listen(first.local_addr().unwrap()).unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
        }
    }
}
