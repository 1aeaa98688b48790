//! The boot and the end: config → build (bind early) → serve → drain.
//!
//! Every socket is bound before anything is served, so a port that is taken is an error at boot and the addresses
//! printed are the real ones.

use std::fs::DirBuilder;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gate::{ClientAuthorities, Pem, ServerTls, ServerTlsSettings, TlsIdentity};
use serde::Serialize;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::state::{AppState, Shared};

use crate::actions::{anchors, reports, statuses};
use crate::anchor::Anchors;
use crate::audit;
use crate::auth::Auth;
use crate::auth::keys::Keys;
use crate::auth::limit::LoginLimit;
use crate::auth::password::{PasswordError, Passwords};
use crate::auth::setup::SetupToken;
use crate::chain_keys::ChainKeys;
use crate::checks::Checks;
use crate::clock::{Clock, Entropy};
use crate::config::Serve;
use crate::gather::{Gather, Gathered};
use crate::http::{Limits, Listener, Origins, PROTOCOLS};
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::node::NodeTimes;
use crate::outgoing::{NotATarget, Outgoing, Rules};
use crate::plans::PlanDigests;
use crate::replica::Replica;
use crate::seal::Seal;
use crate::serving::{NotServed, Serving};
use crate::sso::{Settings, Sso};
use crate::store::reports::{Come, Outcome};
use crate::store::statuses::{Heard, Known};
use crate::store::{Across, Address, NotAnAddress, Store, StoreError, audit as rows, deliveries, users};
use crate::traces::{self, Traces};
use crate::walks::Walks;
use crate::{fleet, grpc, reconcile, rest};

/// Time after which certificates are read again.
const RELOAD: Duration = Duration::from_secs(60);
/// Connections of the agents' listener.
const AGENTS: usize = 24_000;
/// Time that a shutdown waits for requests in flight.
const DRAIN: Duration = Duration::from_secs(20);
/// Time between two looks at the signing key's age.
const ROTATION_LOOK: Duration = Duration::from_secs(3600);

/// Reason for which the control plane cannot start.
#[derive(Debug, Error)]
pub enum BootError {
    /// An address cannot be bound.
    #[error("cannot listen on {address} for {purpose}: {source}")]
    Bind {
        /// Purpose of the address.
        purpose: &'static str,
        /// Address.
        address: SocketAddr,
        /// Error of the system.
        source: io::Error,
    },
    /// A file or folder cannot be used.
    #[error("{path}: {source}")]
    File {
        /// Path of the file or folder.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The identity provider's issuer is no address that can be asked.
    #[error("--oidc-issuer: {0}")]
    Issuer(NotATarget),
    /// A certificate cannot be used.
    #[error("TLS cannot be spoken: {0}")]
    Tls(io::Error),
    /// Chains are signed and there are no keys here.
    #[error(
        "the audit chains of the database are signed, and {0} has no audit-keys.json: copy the file from the process that has it. If \
         it is lost, `phoenix-control-plane audit-key --begin` makes another key; what was signed before is then vouched for by \
         nobody"
    )]
    NoChainKeys(PathBuf),
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Passwords(#[from] PasswordError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has no address.
    #[error("--database or DATABASE_URL: {0}")]
    Address(#[from] NotAnAddress),
    /// The login of the tables' owner has no address.
    #[error("--database-owner or DATABASE_OWNER_URL: {0}")]
    Owner(NotAnAddress),
    /// A login of the owner for what is no database of a server, or that is none of a server.
    #[error(
        "--database-owner or DATABASE_OWNER_URL is given, and the state is in {0}; both name a server of PostgreSQL \
         (the service's login is --database or DATABASE_URL), or the owner is left out"
    )]
    OwnerOfFile(Address),
    /// Another process has the database.
    #[error("{address}: {source}")]
    NotServed {
        /// Address of the database.
        address: Address,
        /// Who has it.
        source: NotServed,
    },
    /// The store cannot be opened.
    #[error("{address}: {source}")]
    Open {
        /// Address of the database.
        address: Address,
        /// Error of the store.
        source: StoreError,
    },
}

/// Every bound address, as printed at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Listening {
    /// REST and gRPC, for people.
    pub rest: SocketAddr,
    /// Enrollment, OpAMP and reports.
    pub fleet: SocketAddr,
}

/// A built control plane.
#[derive(Debug)]
pub struct App {
    state: AppState,
    told: Gathered<Heard, Result<Known, StoreError>>,
    found: Gathered<Come, Outcome>,
    stop: watch::Sender<bool>,
    rest: Listener,
    fleet: Listener,
    /// Held until it has ended.
    lock: Option<Serving>,
}

/// Makes the data directory, closed to others, if it is missing.
///
/// # Errors
/// The system's.
pub fn data_dir(path: &Path) -> Result<(), BootError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| BootError::File { path: path.to_owned(), source })
}

impl App {
    /// Opens the store, brings it up to date, and binds every socket.
    ///
    /// # Errors
    /// [`BootError`].
    pub async fn build(config: &Serve, clock: Clock, entropy: Entropy) -> Result<Self, BootError> {
        data_dir(&config.data_dir)?;
        let metrics = Arc::new(Metrics::default());
        let traces = begun(config, &metrics);
        let rest = bind("rest", config.listen, tls(config, None)?, Limits::default(), &metrics)?;
        let rest = rest.with_origins(Origins(config.cors_origin.clone())).with_traces(traces.clone());
        // Each agent holds a connection for its reports; its session has a place of its own.
        let limits = Limits { connections: AGENTS, body: fleet::MAX_MESSAGE, ..Limits::default() };
        let fleet = tls(config, config.agent_ca.as_deref())?;
        let fleet = bind("fleet", config.fleet_listen, fleet, limits, &metrics)?;
        let fleet = fleet.with_traces(traces.clone());
        let address = config.database.or_in(&config.data_dir)?;
        let owner = config.owner.clone().transpose().map_err(BootError::Owner)?;
        if let Some(owner) = &owner {
            for one in [&address, owner] {
                if matches!(one, Address::Sqlite(_)) {
                    return Err(BootError::OwnerOfFile(one.clone()));
                }
            }
        }
        let lock = match &address {
            Address::Sqlite(file) => Some(
                Serving::begin(file, clock.now())
                    .map_err(|source| BootError::NotServed { address: address.clone(), source })?,
            ),
            Address::Postgres(_) => None,
        };
        let opened = Store::prepare(&address, owner.as_ref()).await;
        let store = opened.map_err(|source| BootError::Open { address, source })?;
        store.waits().register(&metrics);
        let store = signing(config, store, &clock, &entropy).await?;
        let mut tx = store.begin(Across::Boot).await?;
        store.nobody_is_left_connected(&mut tx).await?;
        let id = entropy.uuid(clock.now()).to_string();
        let replica = match store.replicas() {
            Some(_) => Replica::of_several(id),
            None => {
                // Of several, another one may be about to tell it.
                deliveries::all_due(&mut tx, clock.now()).await?;
                Replica::alone(id)
            }
        };
        tx.commit().await?;
        let auth = auth(config, &store, &clock, &entropy).await?;
        let file = config.audit_anchors.as_deref();
        let anchors = Anchors::open(file, config.audit_anchors_every).map_err(|source| BootError::File {
            path: file.unwrap_or(&config.data_dir).to_owned(),
            source,
        })?;
        let seal = Seal::open_in(&config.data_dir, &entropy)
            .map_err(|source| BootError::File { path: config.data_dir.clone(), source })?;
        let rules = Rules { plain: config.webhooks_allow_http, trusted: config.trusted_host.clone() };
        let sso = sso(config, &rules)?;
        let (stop, stopping) = watch::channel(false);
        let nodes = NodeTimes {
            take_over: config.take_over_after,
            archive: config.archive_after,
            started: clock.now(),
        };
        let (statuses, told) = Gather::new(statuses::WAITING);
        let (reports, found) = Gather::new(reports::WAITING);
        let state = AppState::new(Shared {
            store,
            clock,
            entropy,
            anchors,
            auth,
            seal,
            outgoing: Outgoing::new(rules),
            sso,
            checks: Checks::default(),
            plans: PlanDigests::default(),
            trial: config.trial,
            max_running: config.max_running,
            merge_by_hour_after: config.merge_by_hour_after,
            nodes,
            statuses,
            reports,
            hub: Hub::new(replica.alone),
            replica,
            metrics,
            traces,
            walks: Walks::default(),
            stopping,
        });
        Ok(Self { state, told, found, stop, rest, fleet, lock })
    }

    /// Bound addresses of both listeners.
    ///
    /// # Errors
    /// The system's.
    pub fn listening(&self) -> io::Result<Listening> {
        Ok(Listening { rest: self.rest.local_addr()?, fleet: self.fleet.local_addr()? })
    }

    /// State that its parts share.
    pub fn state(&self) -> AppState {
        self.state.clone()
    }

    /// Serves until `end`, then drains.
    pub async fn run(self, end: impl Future<Output = ()>) {
        let Self { state, told, found, stop, rest, fleet, lock } = self;
        let mut serving = JoinSet::new();
        let people = rest::router(state.clone()).merge(grpc::router(state.clone()));
        serving.spawn(rest.serve(people, state.stopping()));
        let agents = fleet::router(state.clone(), fleet.plain_port());
        serving.spawn(fleet.serve(agents, state.stopping()));
        serving.spawn(rotate(state.clone()));
        serving.spawn(reconcile::run(state.clone()));
        serving.spawn(statuses::run(state.clone(), told));
        serving.spawn(reports::run(state.clone(), found));
        end.await;
        tracing::info!("draining");
        stop.send_replace(true);
        if tokio::time::timeout(DRAIN, serving.join_all()).await.is_err() {
            tracing::warn!("connections are still open at the shutdown's deadline");
        }
        // What was done in the last moment is anchored as well.
        anchors::at_the_end(&state).await;
        state.store.close().await;
        state.traces.end().await;
        drop(lock);
    }
}

/// Traces as the options and the environment have them. What cannot be used is logged.
fn begun(config: &Serve, metrics: &Metrics) -> Traces {
    let options = &config.traces;
    let read = traces::Read::of(|name| match name {
        traces::ENDPOINT => options.traces_endpoint.clone(),
        traces::SAMPLER => options.traces_sampler.clone(),
        traces::SAMPLER_ARG => options.traces_sampler_arg.clone(),
        other => std::env::var(other).ok(),
    });
    for problem in &read.problems {
        tracing::warn!("{problem}");
    }
    Traces::begin(read.settings, metrics)
}

/// The store with the keys of the audit chains. The first key is made where this process is alone, and where nobody has been
/// written down yet; of several processes that serve already, all must have it before one signs.
async fn signing(config: &Serve, store: Store, clock: &Clock, entropy: &Entropy) -> Result<Store, BootError> {
    let file = |source| BootError::File { path: config.data_dir.clone(), source };
    let is_first = store.replicas().is_none() || !users::any(&mut *store.read(Across::Setup).await?).await?;
    let keys = match ChainKeys::read(&config.data_dir).map_err(file)? {
        Some(keys) => keys,
        None if is_first => ChainKeys::make(&config.data_dir, clock.now(), entropy, false).map_err(file)?,
        None if rows::any_signed(&mut *store.read(Across::Boot).await?).await? => {
            return Err(BootError::NoChainKeys(config.data_dir.clone()));
        }
        None => {
            tracing::warn!(
                "the audit chains are not signed: make a key (`phoenix-control-plane audit-key`), copy it to each process, and \
                 start them again"
            );
            return Ok(store);
        }
    };
    if !keys.is_begun() {
        audit::begin(&store, &keys, clock.now()).await?;
        keys.note_begun().map_err(file)?;
    }
    Ok(store.signing(Arc::new(keys)))
}

/// Opens the keys and, while nobody is known, the setup.
async fn auth(config: &Serve, store: &Store, clock: &Clock, entropy: &Entropy) -> Result<Auth, BootError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| BootError::File { path, source }
    };
    let keys = Keys::open(&config.data_dir, clock, entropy).map_err(file(&config.data_dir))?;
    let passwords = Passwords::new(entropy.clone())?;
    let attempts = LoginLimit::new(entropy);
    let mut setup = None;
    if !users::any(&mut *store.read(Across::Setup).await?).await? {
        let given = config.setup_token_file.as_deref();
        let token = SetupToken::choose(given, entropy).map_err(file(given.unwrap_or(&config.data_dir)))?;
        if let Some(made) = token.made {
            eprintln!("There is no user yet. The first one is made once, with this setup token: {made}");
        }
        setup = Some(token.hash);
    }
    Ok(Auth { keys, passwords, attempts, no_passwords: config.sso.no_local_logins, setup })
}

/// The identity provider, if there is one.
fn sso(config: &Serve, rules: &Rules) -> Result<Option<Sso>, BootError> {
    let options = &config.sso;
    let (Some(issuer), Some(client_id)) = (&options.oidc_issuer, &options.oidc_client_id) else {
        return Ok(None);
    };
    let secret = options.oidc_client_secret_file.as_ref().map(|path| {
        let read = std::fs::read_to_string(path);
        read.map(|text| text.trim().to_owned())
            .map_err(|source| BootError::File { path: path.clone(), source })
    });
    let settings = Settings {
        issuer: issuer.clone(),
        client_id: client_id.clone(),
        client_secret: secret.transpose()?,
        tenant: options.oidc_tenant.clone(),
        claim: options.oidc_groups_claim.clone(),
        roles: options.oidc_role.clone(),
        session: options.oidc_session,
    };
    Sso::new(settings, rules).map(Some).map_err(BootError::Issuer)
}

/// Keeps the signing key young.
async fn rotate(state: AppState) {
    let mut stopping = state.stopping();
    let mut due = tokio::time::interval(ROTATION_LOOK);
    loop {
        tokio::select! {
            _ = due.tick() => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        match state.auth.keys.rotate_if_due(state.clock.now(), &state.entropy) {
            Ok(false) => {}
            Ok(true) => tracing::info!("a new key signs access tokens"),
            Err(error) => tracing::error!("the signing key cannot be replaced, the old one goes on: {error}"),
        }
    }
}

/// TLS of a listener, if there is a certificate. Where there are `clients`, those that come with a certificate are vouched for by
/// them.
fn tls(config: &Serve, clients: Option<&Path>) -> Result<Option<Arc<ServerTls>>, BootError> {
    let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) else { return Ok(None) };
    let identity = TlsIdentity { cert: Pem::File(cert.clone()), key: Pem::File(key.clone()) };
    let clients =
        clients.map(|file| ClientAuthorities { authorities: Pem::File(file.to_owned()), required: false });
    let settings = ServerTlsSettings { identity, clients, only: None, reload: Some(RELOAD) };
    Ok(Some(Arc::new(ServerTls::new(settings, PROTOCOLS).map_err(BootError::Tls)?)))
}

fn bind(
    purpose: &'static str,
    address: SocketAddr,
    tls: Option<Arc<ServerTls>>,
    limits: Limits,
    metrics: &Arc<Metrics>,
) -> Result<Listener, BootError> {
    if tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(%address, "{purpose} listens without TLS: passwords and tokens can be read on the way; give --tls-cert and --tls-key, or put a proxy with TLS before it");
    }
    if let Some(tls) = &tls {
        metrics.certificates().of(purpose, Arc::clone(tls));
    }
    let bound = Listener::bind(purpose, address, tls, limits, Arc::clone(metrics));
    bound.map_err(|source| BootError::Bind { purpose, address, source })
}
