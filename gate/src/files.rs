//! Open files: each connection is one, and a process that has none left can accept nobody, whoever it is.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Listeners and all else that opens files: each gets one such part.
const PARTS: usize = 3;

/// Connections that a listener may have: as many as are `wanted`, or its part of the files that the system lets the process
/// open. Takes as many of them as the system gives.
pub fn connections(wanted: usize) -> usize {
    part(wanted, raise())
}

fn part(wanted: usize, files: Option<u64>) -> usize {
    let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    wanted.min(files / PARTS).max(1)
}

/// Raises the soft limit to the hard one, which is what programs that do not call `select` are meant to do. Returns the
/// limit in force; nothing if there is none.
fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if raised.is_ok() { maximum } else { current }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_has_what_it_wants_or_a_third_of_the_files() {
        assert_eq!(part(1_024, Some(524_288)), 1_024);
        assert_eq!(part(1_024, Some(1_024)), 341);
        assert_eq!(part(1_024, None), 1_024);
        assert_eq!(part(1_024, Some(0)), 1, "one can always be tried");
    }

    #[test]
    fn the_soft_limit_is_the_hard_one_afterward() {
        let most = raise();
        assert_eq!(getrlimit(Resource::Nofile).current, most);
    }
}
