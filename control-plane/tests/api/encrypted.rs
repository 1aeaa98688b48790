//! PostgreSQL over TLS: what `sslmode` asks for is checked, and nothing goes in the clear where it is asked for.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use control_plane::store::{Across, Address, Store, StoreError};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, Row as _};

use crate::postgres::{OWNER, Postgres, SERVICE};

/// A server that takes nobody in the clear, and the certificate of who vouches for it.
struct Encrypted {
    server: Postgres,
    port: u16,
    authority: PathBuf,
}

/// A certificate for this name and its key, PEM, and that of the authority behind it.
fn certificate(name: &str) -> [String; 3] {
    let (key, mut params) = (KeyPair::generate().unwrap(), CertificateParams::default());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    [leaf.pem(), own.serialize_pem(), authority.pem()]
}

/// Writes a file that the server may read, and nobody else.
fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let (path, owner) = (dir.join(name), std::fs::metadata(dir).unwrap());
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    path
}

impl Encrypted {
    async fn start() -> Self {
        let mut server = Postgres::start();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = server.address("admin", "postgres").parse().unwrap();
        let mut admin = PgConnection::connect_with(&options).await.unwrap();
        let row =
            sqlx::query("SELECT current_setting('data_directory')").fetch_one(&mut admin).await.unwrap();
        let data = PathBuf::from(row.get::<String, _>(0));
        let [cert, key, authority] = certificate("localhost");
        write(&data, "server.crt", &cert);
        write(&data, "server.key", &key);
        write(&data, "pg_hba.conf", "local all all trust\nhostssl all all all trust\n");
        for (setting, value) in
            [("ssl", "on"), ("listen_addresses", "127.0.0.1"), ("port", &port.to_string())]
        {
            let set = sqlx::AssertSqlSafe(format!("ALTER SYSTEM SET {setting} = '{value}'"));
            sqlx::raw_sql(set).execute(&mut admin).await.unwrap();
        }
        admin.close().await.unwrap();
        server.kill();
        server.start_again();
        let authority = write(&data, "authority.crt", &authority);
        std::fs::set_permissions(&authority, std::fs::Permissions::from_mode(0o644)).unwrap();
        Self { server, port, authority }
    }

    async fn serve(&self, host: &str, tls: &str) -> Result<Store, StoreError> {
        let address = |login: &str| {
            format!("postgres://{login}:s3cret@{host}:{}/postgres?{tls}", self.port).parse().unwrap()
        };
        Store::prepare(&address(SERVICE), Some(&address(OWNER))).await
    }

    /// The reason for which it does not serve, in all its words.
    async fn refusal(&self, host: &str, tls: &str) -> String {
        let error = self.serve(host, tls).await.map(drop).unwrap_err();
        let mut words = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(more) = cause {
            words = format!("{words}: {more}");
            cause = more.source();
        }
        assert!(!words.contains("s3cret"), "{words}");
        words
    }
}

#[tokio::test]
async fn a_database_is_reached_over_tls_and_only_one_that_is_vouched_for_where_that_is_asked() {
    let encrypted = Encrypted::start().await;
    let ours = format!("sslmode=verify-full&sslrootcert={}", encrypted.authority.display());
    let store = encrypted.serve("localhost", &ours).await.unwrap();
    store.read(Across::Reconcile).await.unwrap();
    let options: PgConnectOptions = encrypted.server.address("admin", "postgres").parse().unwrap();
    let mut admin = PgConnection::connect_with(&options.port(encrypted.port)).await.unwrap();
    let asked = "SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl)
         FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = $1";
    let row = sqlx::query(asked).bind(SERVICE).fetch_one(&mut admin).await.unwrap();
    let (encrypted_ones, clear): (i64, i64) = (row.get(0), row.get(1));
    assert!(encrypted_ones > 0 && clear == 0, "{encrypted_ones} over TLS, {clear} in the clear");
    store.close().await;

    let dir = tempfile::tempdir().unwrap();
    let [_, _, stranger] = certificate("localhost");
    std::fs::write(dir.path().join("stranger.crt"), stranger).unwrap();
    let strange = format!("sslmode=verify-full&sslrootcert={}", dir.path().join("stranger.crt").display());
    for (host, tls, expected) in [
        ("localhost", strange.as_str(), "certificate"),
        ("127.0.0.1", ours.as_str(), "certificate"),
        ("localhost", "sslmode=disable", "no encryption"),
    ] {
        let refused = encrypted.refusal(host, tls).await;
        assert!(refused.contains(expected), "{host} {tls}: {refused}");
    }
    let nowhere = "postgres://u:s3cret@localhost/db?sslmode=verify-full&sslrootcert=/no%20where.crt";
    let refused = nowhere.parse::<Address>().unwrap_err().to_string();
    assert!(refused.contains("sslrootcert: /no where.crt cannot be read: No such file"), "{refused}");
    assert!(!refused.contains("s3cret"), "{refused}");
}
