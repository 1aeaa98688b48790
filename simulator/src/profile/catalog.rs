//! The executables a simulated host runs, with what is typical of each.
//!
//! Figures are medians of one process; a process draws its own from a lognormal distribution around them.
//! Names are what a scraper reads on Linux (`mysqld`, `redis-server`), not product names.

/// Importance of an executable's metrics to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Serves or stores what the business runs on; is not replaced while the host lives, except workers.
    Critical,
    /// Keeps the host itself running.
    High,
    /// Applications in a language runtime.
    Medium,
    /// The rest.
    Low,
}

impl Class {
    /// Rate at which a process of this class is replaced, as a multiple of a medium one's.
    pub(super) fn churn_weight(self) -> f64 {
        match self {
            Self::Critical | Self::High => 0.5,
            Self::Medium => 1.0,
            Self::Low => 1.5,
        }
    }
}

/// Role of a host, which decides which executables it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Proxies and application servers.
    Web,
    /// Databases, queues and jobs.
    Batch,
}

/// Number of processes of an executable on a host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Count {
    /// One, which lives as long as the host.
    One,
    /// A parent that lives as long as the host, and children that come and go, by weight.
    Pool { weight: u32, parent: &'static str },
    /// Processes that come and go under pid 1 (or under `kthreadd`, for kernel threads), by weight.
    Many { weight: u32 },
}

/// One executable and what is typical of its processes.
#[derive(Debug)]
pub struct Executable {
    /// `process.executable.name`.
    pub name: &'static str,
    /// Its importance.
    pub class: Class,
    pub(super) path: &'static str,
    pub(super) owner: &'static str,
    /// `None`: every role runs it.
    pub(super) role: Option<Role>,
    pub(super) count: Count,
    /// `#` stands for a number, `~` for an opaque id; both are drawn per process.
    pub(super) command_line: &'static str,
    pub(super) memory_mib: f64,
    pub(super) cpu_cores: f64,
    pub(super) disk_kib_per_second: f64,
    pub(super) threads: i64,
}

impl Executable {
    /// Tells whether hosts of this role run it.
    pub fn runs_on(&self, role: Role) -> bool {
        self.role.is_none_or(|of| of == role)
    }

    pub(super) fn is_kernel_thread(&self) -> bool {
        self.path.is_empty()
    }
}

/// Every executable the model knows.
pub fn catalog() -> &'static [Executable] {
    CATALOG
}

use Class::{Critical, High, Low, Medium};
use Count::{Many, One};

const EVERYWHERE: Option<Role> = None;
const WEB: Option<Role> = Some(Role::Web);
const BATCH: Option<Role> = Some(Role::Batch);

const fn pool(weight: u32, parent: &'static str) -> Count {
    Count::Pool { weight, parent }
}

macro_rules! executables {
    ($($class:ident $name:literal $role:ident $count:expr, $owner:literal $path:literal $command_line:literal,
       $memory:literal MiB $cpu:literal cores $disk:literal KiB $threads:literal threads;)*) => {
        &[$(Executable {
            name: $name, class: $class, path: $path, owner: $owner, role: $role, count: $count,
            command_line: $command_line, memory_mib: $memory, cpu_cores: $cpu,
            disk_kib_per_second: $disk, threads: $threads,
        }),*]
    };
}

#[rustfmt::skip]
pub(super) static CATALOG: &[Executable] = executables! {
    High "systemd" EVERYWHERE One, "root" "/usr/lib/systemd/systemd" "/sbin/init", 12.0 MiB 0.001 cores 4.0 KiB 1 threads;
    High "systemd-journald" EVERYWHERE One, "root" "/usr/lib/systemd/systemd-journald" "/usr/lib/systemd/systemd-journald", 48.0 MiB 0.004 cores 60.0 KiB 1 threads;
    High "systemd-networkd" EVERYWHERE One, "systemd-network" "/usr/lib/systemd/systemd-networkd" "/usr/lib/systemd/systemd-networkd", 8.0 MiB 0.001 cores 0.0 KiB 1 threads;
    High "sshd" EVERYWHERE pool(1, "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"), "root" "/usr/sbin/sshd" "sshd: deploy@pts/#", 9.0 MiB 0.0005 cores 0.1 KiB 1 threads;
    High "chronyd" EVERYWHERE One, "_chrony" "/usr/sbin/chronyd" "/usr/sbin/chronyd -F 1", 4.0 MiB 0.0002 cores 0.0 KiB 1 threads;
    Critical "kubelet" EVERYWHERE One, "root" "/usr/bin/kubelet" "/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml --node-labels=pool=#", 110.0 MiB 0.08 cores 20.0 KiB 24 threads;
    Critical "containerd" EVERYWHERE One, "root" "/usr/bin/containerd" "/usr/bin/containerd", 90.0 MiB 0.03 cores 120.0 KiB 22 threads;
    Critical "dockerd" BATCH One, "root" "/usr/bin/dockerd" "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock", 120.0 MiB 0.01 cores 30.0 KiB 20 threads;
    Critical "haproxy" WEB One, "haproxy" "/usr/sbin/haproxy" "/usr/sbin/haproxy -Ws -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid", 85.0 MiB 0.20 cores 1.0 KiB 5 threads;
    Critical "envoy" WEB One, "envoy" "/usr/local/bin/envoy" "/usr/local/bin/envoy -c /etc/envoy/envoy.yaml --concurrency 4", 140.0 MiB 0.25 cores 8.0 KiB 18 threads;
    Critical "redis-server" WEB One, "redis" "/usr/bin/redis-server" "/usr/bin/redis-server 127.0.0.1:6379", 420.0 MiB 0.10 cores 90.0 KiB 5 threads;
    Critical "mongod" BATCH One, "mongodb" "/usr/bin/mongod" "/usr/bin/mongod --config /etc/mongod.conf", 1900.0 MiB 0.30 cores 900.0 KiB 46 threads;
    Critical "mysqld" BATCH One, "mysql" "/usr/sbin/mysqld" "/usr/sbin/mysqld --datadir=/var/lib/mysql", 1400.0 MiB 0.25 cores 700.0 KiB 40 threads;
    Critical "nats-server" BATCH One, "nats" "/usr/bin/nats-server" "/usr/bin/nats-server -c /etc/nats-server.conf", 60.0 MiB 0.05 cores 40.0 KiB 12 threads;
    Low "rsyslogd" EVERYWHERE One, "syslog" "/usr/sbin/rsyslogd" "/usr/sbin/rsyslogd -n -iNONE", 6.0 MiB 0.001 cores 30.0 KiB 4 threads;
    Low "dbus-daemon" EVERYWHERE One, "messagebus" "/usr/bin/dbus-daemon" "@dbus-daemon --system --address=systemd: --nofork --nopidfile", 5.0 MiB 0.0005 cores 0.0 KiB 1 threads;
    Low "cron" EVERYWHERE One, "root" "/usr/sbin/cron" "/usr/sbin/cron -f -P", 3.0 MiB 0.0002 cores 0.5 KiB 1 threads;
    Low "node_exporter" EVERYWHERE One, "node-exp" "/usr/local/bin/node_exporter" "/usr/local/bin/node_exporter --collector.systemd", 24.0 MiB 0.01 cores 0.0 KiB 7 threads;
    Low "otelcol-contrib" EVERYWHERE One, "otel" "/usr/bin/otelcol-contrib" "/usr/bin/otelcol-contrib --config=/etc/otelcol-contrib/config.yaml", 180.0 MiB 0.04 cores 2.0 KiB 14 threads;
    Critical "nginx" WEB pool(10, "nginx: master process /usr/sbin/nginx -g daemon off;"), "www-data" "/usr/sbin/nginx" "nginx: worker process", 46.0 MiB 0.12 cores 25.0 KiB 1 threads;
    Critical "postgres" BATCH pool(16, "/usr/lib/postgresql/16/bin/postgres -D /var/lib/postgresql/16/main"), "postgres" "/usr/lib/postgresql/16/bin/postgres" "postgres: app orders 10.0.3.7(#) idle", 70.0 MiB 0.04 cores 160.0 KiB 1 threads;
    Medium "node" WEB Many { weight: 14 }, "app" "/usr/bin/node" "/usr/bin/node --max-old-space-size=1024 /srv/app/server.js --port=#", 190.0 MiB 0.15 cores 3.0 KiB 11 threads;
    Medium "python3" EVERYWHERE pool(12, "/usr/bin/python3 /usr/bin/gunicorn --workers 16 app.wsgi"), "app" "/usr/bin/python3.12" "/usr/bin/python3 /usr/bin/gunicorn --worker-id # app.wsgi", 120.0 MiB 0.06 cores 6.0 KiB 4 threads;
    Medium "ruby" WEB pool(6, "puma 6.4.2 (tcp://127.0.0.1:3000) [storefront]"), "app" "/usr/bin/ruby3.2" "puma: cluster worker #: storefront", 260.0 MiB 0.08 cores 4.0 KiB 9 threads;
    Medium "java" BATCH Many { weight: 14 }, "app" "/usr/lib/jvm/java-21-openjdk/bin/java" "/usr/lib/jvm/java-21-openjdk/bin/java -Xmx2g -cp /opt/jobs/lib/* com.example.jobs.Executor --executor-id # --app-id ~", 720.0 MiB 0.35 cores 220.0 KiB 42 threads;
    Medium "go" BATCH Many { weight: 4 }, "app" "/usr/local/go/bin/go" "go run ./cmd/ingest --shard #", 80.0 MiB 0.10 cores 50.0 KiB 12 threads;
    Low "containerd-shim-runc-v2" EVERYWHERE Many { weight: 9 }, "root" "/usr/bin/containerd-shim-runc-v2" "/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id ~ -address /run/containerd/containerd.sock", 14.0 MiB 0.002 cores 0.2 KiB 11 threads;
    Low "pause" EVERYWHERE Many { weight: 6 }, "65535" "/pause" "/pause", 0.6 MiB 0.00001 cores 0.0 KiB 1 threads;
    Low "bash" EVERYWHERE Many { weight: 4 }, "deploy" "/usr/bin/bash" "/bin/bash /opt/scripts/rotate-logs.sh #", 3.5 MiB 0.002 cores 2.0 KiB 1 threads;
    Low "sleep" EVERYWHERE Many { weight: 3 }, "deploy" "/usr/bin/sleep" "sleep #", 1.7 MiB 0.00001 cores 0.0 KiB 1 threads;
    Low "logrotate" EVERYWHERE Many { weight: 1 }, "root" "/usr/sbin/logrotate" "/usr/sbin/logrotate /etc/logrotate.conf --state /var/lib/logrotate/status-#", 3.0 MiB 0.02 cores 400.0 KiB 1 threads;
    Low "kworker" EVERYWHERE Many { weight: 8 }, "root" "" "", 0.0 MiB 0.003 cores 0.0 KiB 1 threads;
};
