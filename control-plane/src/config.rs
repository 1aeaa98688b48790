//! The command line: what the process is told at its start.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::{HeaderValue, Uri};
use clap::{Args, Parser, Subcommand};

use crate::outgoing::TrustedHost;
use crate::sso::GroupRole;
use crate::store::{Address, NotAnAddress};

/// The control plane: plans, pushes, collects, decides.
#[derive(Debug, Parser)]
#[command(name = "phoenix-control-plane", version)]
pub struct Cli {
    /// The log.
    #[command(flatten)]
    pub log: logs::Options,
    /// Command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands of the process.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until a signal ends it. Pending migrations are applied first, by who may. A database in a file is served by one process
    /// alone.
    Serve(Box<Serve>),
    /// Move the schema of the database, or show where it is.
    #[command(subcommand)]
    Migrate(Migrate),
    /// Write the database of a data directory into a new file, while it is served. The signing keys are not in it. Refused
    /// where the state is on a server.
    Backup {
        /// Folder of the database phoenix.db, where no other is named.
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// Database.
        #[command(flatten)]
        database: Named,
        /// The new file.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Make the database of a data directory of a backup, which may be of an earlier release. Refused where there is one already.
    Restore {
        /// The backup.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// Folder of the new database phoenix.db; made if missing.
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// Make a key under which the entries of the audit chains are signed, in the file audit-keys.json of a data directory. It signs
    /// from the next start on, and the keys before go on verifying. Of several processes on one database, copy the file to each.
    AuditKey {
        /// Folder of the keys; made if missing.
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// At the next start, sign for the chains whose end no key of the file vouches for, as they are then: look at them before
        /// (`phoenix audit verify`). The first key does so by itself.
        #[arg(long)]
        begin: bool,
    },
    /// Move all that is in a file into an empty database on a server. Stop the service before.
    Move {
        /// The file, as sqlite:FILE.
        #[arg(long, value_name = "URL", value_parser = address)]
        from: Result<Address, NotAnAddress>,
        /// The database, as postgres://OWNER:PASSWORD@HOST/NAME, by the login that is to own the tables. It is migrated first.
        #[arg(long, value_name = "URL", env = "DATABASE_OWNER_URL", hide_env_values = true, value_parser = address)]
        to: Result<Address, NotAnAddress>,
    },
}

/// Options of serving.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Folder of the signing keys, and of the database where no other is named; made if missing.
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Database.
    #[command(flatten)]
    pub database: Named,
    /// Login that owns the tables, where the database is on a server: pending migrations are applied by it, and the login of
    /// --database is let in. It is used for nothing else. Without it, migrate before.
    #[arg(long = "database-owner", value_name = "URL", env = "DATABASE_OWNER_URL", hide_env_values = true, value_parser = address)]
    pub owner: Option<Result<Address, NotAnAddress>>,
    /// REST and gRPC, for people.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Enrollment, OpAMP and reports, for agents.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4320")]
    pub fleet_listen: SocketAddr,
    /// Content that no agent of its version has run yet is offered to one agent, then to 5 %, then to the rest; each wave
    /// begins once the agents of the one before have run it for this long.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = trial)]
    pub trial: Duration,
    /// An agent that enrolls anew on a node (a new data directory) takes the place of the one before once nothing was heard
    /// of that for this long.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = trial)]
    pub take_over_after: Duration,
    /// Agents of which nothing was heard for this long are archived: lists leave them out.
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = humantime::parse_duration)]
    pub archive_after: Duration,
    /// Horizons that no verdict looks at any more are merged, of each agent those of five minutes; those are merged by the hour
    /// after this long, and all of a step an hour after the experiment.
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = humantime::parse_duration)]
    pub merge_by_hour_after: Duration,
    /// An origin whose pages may read answers of REST in a browser, such as https://console.example.org; may be given several
    /// times. Without any, none may.
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub cors_origin: Vec<HeaderValue>,
    /// Single sign-on.
    #[command(flatten)]
    pub sso: SsoOptions,
    /// Traces of the control plane's own work.
    #[command(flatten)]
    pub traces: TracesOptions,
    /// Let webhooks be addresses without TLS. Who is between reads what is sent.
    #[arg(long)]
    pub webhooks_allow_http: bool,
    /// A host that webhooks and the identity provider's addresses may be at although it is not of the public internet, or is asked without TLS; may be given several
    /// times.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub trusted_host: Vec<TrustedHost>,
    /// The most experiments of a tenant that may be under way at once.
    #[arg(long, value_name = "NUMBER", default_value = "50")]
    pub max_running: usize,
    /// A file with the certificate of both listeners, and those that vouch for it, in PEM: TLS alone is spoken then. It is
    /// read again every minute.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// A file with the certificate's key, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A file with the authorities whose certificates let agents in without a token, in PEM: O of a certificate's subject names
    /// the tenant, CN the agent. Agents without a certificate are let in by a token still. It is read again every minute.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub agent_ca: Option<PathBuf>,
    /// A file, outside the database and best on another machine, to which the end of each tenant's audit chain is appended
    /// whenever it has moved on. `phoenix audit verify` then finds a chain that was written anew or cut short.
    #[arg(long, value_name = "FILE")]
    pub audit_anchors: Option<PathBuf>,
    /// Time between two looks at the ends of the audit chains. Each one that has moved on goes into the log, to webhooks
    /// that are told of audit.anchor, and into the file of --audit-anchors; so it does when the process ends.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = trial)]
    pub audit_anchors_every: Duration,
    /// A file with the token for the first user's setup; without it, one is made and printed.
    #[arg(long, value_name = "FILE")]
    pub setup_token_file: Option<PathBuf>,
}

/// An origin: a scheme, a host and perhaps a port, and nothing behind it.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let expected = || "expected an origin such as https://console.example.org, without a path".to_owned();
    let uri: Uri = text.parse().map_err(|_| expected())?;
    let whole = uri.scheme_str().zip(uri.authority());
    let whole = whole.map(|(scheme, authority)| format!("{scheme}://{authority}"));
    if whole.as_deref() != Some(text) || !text.starts_with("http") {
        return Err(expected());
    }
    HeaderValue::from_str(text).map_err(|_| expected())
}

/// A time of an hour at most.
fn trial(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time > Duration::from_secs(3_600) { Err("expected 1h at most".to_owned()) } else { Ok(time) }
}

/// Name of a database.
#[derive(Debug, Clone, Default, Args)]
pub struct Named {
    /// Database: postgres://USER:PASSWORD@HOST/NAME, with ?sslmode=verify-full for TLS, or sqlite:FILE. Without it, the file
    /// phoenix.db in the data directory.
    #[arg(long = "database", value_name = "URL", env = "DATABASE_URL", hide_env_values = true, value_parser = address)]
    pub address: Option<Result<Address, NotAnAddress>>,
}

impl Named {
    /// Address that is named; else the one of the data directory.
    ///
    /// # Errors
    /// It is no address.
    pub fn or_in(&self, data_dir: &Path) -> Result<Address, NotAnAddress> {
        self.address.clone().unwrap_or_else(|| Ok(Address::of_data_dir(data_dir)))
    }
}

/// An address, or why it is none: told later, because what is refused here is shown, with the password in it.
#[expect(clippy::unnecessary_wraps, reason = "the form of a parser")]
fn address(text: &str) -> Result<Result<Address, NotAnAddress>, Infallible> {
    Ok(text.parse())
}

/// Options of single sign-on.
#[derive(Debug, Clone, Default, Args)]
pub struct SsoOptions {
    /// Issuer of an identity provider (OpenID Connect), such as https://login.example.org/realms/one: people log in there, by
    /// `phoenix login --sso`.
    #[arg(long, value_name = "URL", requires = "oidc_client_id")]
    pub oidc_issuer: Option<String>,
    /// Name of this control plane at the provider. Its clients come back to http://127.0.0.1, at any port.
    #[arg(long, value_name = "ID", requires = "oidc_issuer")]
    pub oidc_client_id: Option<String>,
    /// A file with its secret at the provider; none of a public client.
    #[arg(long, value_name = "FILE", requires = "oidc_issuer")]
    pub oidc_client_secret_file: Option<PathBuf>,
    /// Name of the tenant that the provider's people come into; the first one without it.
    #[arg(long, value_name = "NAME", requires = "oidc_issuer")]
    pub oidc_tenant: Option<String>,
    /// Claim of an ID token with the person's groups.
    #[arg(long, value_name = "CLAIM", default_value = "groups")]
    pub oidc_groups_claim: String,
    /// Role of a group; may be given several times, and the highest one counts. Who has none does not come in.
    #[arg(long, value_name = "GROUP=ROLE", requires = "oidc_issuer")]
    pub oidc_role: Vec<GroupRole>,
    /// Time from such a login to the next: a group that was removed counts no longer than this.
    #[arg(long, value_name = "TIME", default_value = "12h", value_parser = humantime::parse_duration)]
    pub oidc_session: Duration,
    /// Let nobody log in with a password. The setup and API keys go on.
    #[arg(long, requires = "oidc_issuer")]
    pub no_local_logins: bool,
}

/// Options of the traces of the control plane's own requests and reconcilers. Headers, certificates, the service's name and the
/// like come by the other variables of OpenTelemetry.
#[derive(Debug, Clone, Default, Args)]
pub struct TracesOptions {
    /// Address of a server that takes the traces of the control plane's own requests and reconcilers by OTLP, such as
    /// http://collector:4317. Without it, the one of OTEL_EXPORTER_OTLP_ENDPOINT; without both, none are made.
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", hide_env_values = true)]
    pub traces_endpoint: Option<String>,
    /// Sampler of these traces: always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or
    /// parentbased_traceidratio. Without it, parentbased_always_on.
    #[arg(long, value_name = "NAME", env = "OTEL_TRACES_SAMPLER")]
    pub traces_sampler: Option<String>,
    /// Share of the traces that a sampler by ratio keeps, from 0 to 1.
    #[arg(long, value_name = "SHARE", env = "OTEL_TRACES_SAMPLER_ARG")]
    pub traces_sampler_arg: Option<String>,
}

/// Migration of the schema.
#[derive(Debug, Subcommand)]
pub enum Migrate {
    /// Apply everything that is pending. A server's database is named by the login that is to own the tables.
    Up {
        /// Place of the database.
        #[command(flatten)]
        at: Place,
        /// Login of the server that the service is to have: it is let in.
        #[arg(long, value_name = "LOGIN")]
        admit: Option<String>,
    },
    /// Take back the last migration, or all above a number.
    Down {
        /// Place of the database.
        #[command(flatten)]
        at: Place,
        /// The last migration to keep; 0 keeps none.
        #[arg(long, value_name = "VERSION")]
        to: Option<i64>,
    },
    /// Show each migration and whether it is applied.
    Status(Place),
}

/// Place of a database: one of both.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Folder of the database phoenix.db; made if missing.
    #[arg(long, value_name = "DIR", required_unless_present = "address")]
    pub data_dir: Option<PathBuf>,
    /// Database.
    #[command(flatten)]
    pub database: Named,
}
