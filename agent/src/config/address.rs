//! Addresses to listen on, and sizes, as a config writes them.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};

use pipelines::yaml::{Node, Problem};

/// Reads `host:port` to listen on. An empty host is every interface, as in the Collector.
///
/// # Errors
/// Text that is no address, or a name that does not resolve.
pub fn listen(node: &Node) -> Result<SocketAddr, Problem> {
    let text = node.text()?;
    let problem = |why: &str| {
        Problem::new(node.location, format!("cannot listen on {}: {why}", node.quoted()))
            .expected("host:port, such as 127.0.0.1:4317")
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(|| problem("no port"))?;
    let port: u16 = port.parse().map_err(|_| problem("the port is no number up to 65535"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host {
        "" => Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
        "localhost" => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        _ => {
            let mut found = (host, port).to_socket_addrs().map_err(|error| problem(&error.to_string()))?;
            found.next().ok_or_else(|| problem("the name has no address"))
        }
    }
}

/// Reads a size: a number of bytes, or text with a unit such as `128MiB`.
///
/// # Errors
/// Anything else.
pub fn size(node: &Node) -> Result<usize, Problem> {
    const UNITS: [(&str, u64); 7] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("B", 1),
    ];
    let expected = || {
        Problem::new(node.location, format!("{} stands here", node.describe()))
            .expected("a size such as 128MiB, or a number of bytes")
    };
    let bytes = match node.unsigned() {
        Ok(bytes) => Some(bytes),
        Err(_) => {
            let text = node.text().map_err(|_| expected())?;
            let unit = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
            unit.and_then(|(number, factor)| number.trim().parse::<u64>().ok()?.checked_mul(*factor))
        }
    };
    bytes.and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(expected)
}
