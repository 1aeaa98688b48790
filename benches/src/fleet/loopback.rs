//! Needs of a fleet on one machine: addresses to come from, and open files.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Addresses that agents come from: an address has no more than 28,000 ports as a rule, and a listener that is crowded gives each
/// address an eighth of its places.
const SOURCES: usize = 64;

/// Address that the agent of this place comes from.
pub fn source(at: usize) -> IpAddr {
    let host = u8::try_from(at % SOURCES).unwrap_or(0);
    Ipv4Addr::new(127, 0, 1, 1 + host).into()
}

/// Lets this process, and those that it starts, open so many files.
///
/// # Errors
/// The system does not let it.
pub fn raise_files(wanted: u64) -> Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let has = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if has(current) && has(maximum) {
        return Ok(());
    }
    let most = if has(maximum) { maximum } else { Some(wanted) };
    let raised = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
    raised.with_context(|| {
        format!("the bench and its control plane have to open {wanted} files each; see `ulimit -Hn`")
    })?;
    ensure!(has(getrlimit(Resource::Nofile).current), "{wanted} open files were not granted");
    Ok(())
}
