//! Memory that this process has, and that its control group leaves it.

use std::path::Path;

/// Bytes of memory that the process has; nothing where the system does not tell.
pub fn resident() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = pages.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size())
}

/// The smallest limit of the control groups that the process is in, versions 1 and 2; nothing where there is none.
pub fn group_limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    limit_in(&groups, Path::new("/sys/fs/cgroup"))
}

/// The smallest limit of these groups and those above them, as `/proc/self/cgroup` lists them, in what is mounted at `root`.
fn limit_in(groups: &str, root: &Path) -> Option<u64> {
    let limits = groups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (mount, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        // In a container the group may be mounted as the root of all that there is.
        let own = mount.join(path.trim_start_matches('/'));
        let all = own.ancestors().take_while(|group| group.starts_with(&mount));
        all.filter_map(|group| limit(&group.join(file))).collect()
    });
    limits.min()
}

/// The limit in a file; nothing where it says that there is none.
fn limit(file: &Path) -> Option<u64> {
    let bytes: u64 = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    // Version 1 says the largest number of whole pages.
    (bytes < 1 << 60).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_of_either_version_and_of_any_group_above_counts() {
        let root = tempfile::tempdir().expect("a directory");
        let write = |file: &str, text: &str| {
            let file = root.path().join(file);
            std::fs::create_dir_all(file.parent().expect("a directory")).expect("made");
            std::fs::write(file, text).expect("written");
        };
        let limit = |groups: &str| limit_in(groups, root.path());
        assert_eq!(limit("0::/pod/agent\n"), None);
        write("pod/agent/memory.max", "max\n");
        assert_eq!(limit("0::/pod/agent\n"), None);
        write("pod/memory.max", "300000000\n");
        assert_eq!(limit("0::/pod/agent\n"), Some(300_000_000));
        write("pod/agent/memory.max", "200000000\n");
        assert_eq!(limit("0::/pod/agent\n"), Some(200_000_000));
        let first = "3:cpu,cpuacct:/x\n2:memory:/docker/1\n0::/\n";
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit(first), None);
        write("memory/docker/1/memory.limit_in_bytes", "100000000\n");
        assert_eq!(limit(first), Some(100_000_000));
        // Inside of a container its own group is the root, whatever its path outside.
        write("memory/memory.limit_in_bytes", "50000000\n");
        assert_eq!(limit("2:memory:/docker/2\n"), Some(50_000_000));
        assert_eq!(limit("nonsense\n\n:::\n"), None);
    }

    #[test]
    fn this_process_has_some() {
        assert!(resident().expect("Linux") > 1 << 20);
    }
}
