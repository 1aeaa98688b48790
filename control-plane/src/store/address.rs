//! Addresses of databases: where the state is, and by which engine it is kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// The database's file in the data directory, where no other is named.
const FILE: &str = "phoenix.db";

/// Address of a database.
#[derive(Clone)]
pub enum Address {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A server of PostgreSQL.
    Postgres(Box<PgConnectOptions>),
}

/// Reason for which a text is no address. It never has the text in it: there may be a password in that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAddress {
    /// It names no engine that there is.
    #[error("expected postgres://USER:PASSWORD@HOST/NAME or sqlite:FILE")]
    Engine,
    /// It is none of PostgreSQL.
    #[error("{0}; expected postgres://USER:PASSWORD@HOST/NAME, with ?sslmode=verify-full for TLS")]
    Postgres(String),
}

impl Address {
    /// The database's file in a data directory.
    #[must_use]
    pub fn of_data_dir(data_dir: &Path) -> Self {
        Self::Sqlite(data_dir.join(FILE))
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(NotAnAddress::Engine) } else { Ok(Self::Sqlite(path.into())) };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // A password that ends where the address does not: what is left of it would be shown as a host or a name.
            let authority_ends = text.splitn(3, '/').nth(2).and_then(|rest| rest.split_once(['/', '?', '#']));
            if text.contains('#') || authority_ends.is_some_and(|(_, rest)| rest.contains('@')) {
                return Err(NotAnAddress::Postgres(
                    "a '/', '?', '#' or '@' stands where none may; in a password they are %2F, %3F, %23 and %40".to_owned(),
                ));
            }
            files(text)?;
            let options: Result<PgConnectOptions, _> = text.parse();
            let options = options.map_err(|error| NotAnAddress::Postgres(error.to_string()))?;
            return Ok(Self::Postgres(Box::new(options)));
        }
        Err(NotAnAddress::Engine)
    }
}

/// Checks the files that an address names: the engine would say that one is missing, and not which.
fn files(address: &str) -> Result<(), NotAnAddress> {
    let Some((_, query)) = address.split_once('?') else { return Ok(()) };
    for (key, file) in url::form_urlencoded::parse(query.as_bytes()) {
        if ["sslrootcert", "sslcert", "sslkey", "ssl-root-cert", "ssl-ca", "ssl-cert", "ssl-key"]
            .contains(&&*key)
            && let Err(error) = std::fs::File::open(&*file)
        {
            return Err(NotAnAddress::Postgres(format!("{key}: {file} cannot be read: {error}")));
        }
    }
    Ok(())
}

/// The address without what is secret in it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(options) => {
                let (user, host, port) = (options.get_username(), options.get_host(), options.get_port());
                let name = options.get_database().unwrap_or(user);
                match options.get_socket() {
                    Some(socket) => write!(f, "postgres://{user}@{}/{name}", socket.display()),
                    None => write!(f, "postgres://{user}@{host}:{port}/{name}"),
                }
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<Address>().map_or_else(|error| error.to_string(), |address| address.to_string())
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let text = "postgres://phoenix:s3cret@db.example.org:5433/canary?sslmode=verify-full";
        assert_eq!(shown(text), "postgres://phoenix@db.example.org:5433/canary");
        assert!(!format!("{:?}", text.parse::<Address>().unwrap()).contains("s3cret"));
        assert_eq!(shown("sqlite:/var/lib/phoenix/phoenix.db"), "sqlite:/var/lib/phoenix/phoenix.db");
        assert_eq!(shown("sqlite:///var/lib/phoenix/phoenix.db"), "sqlite:/var/lib/phoenix/phoenix.db");
        assert_eq!(shown("sqlite:phoenix.db"), "sqlite:phoenix.db");
    }

    #[test]
    fn a_password_whose_characters_are_not_escaped_is_not_shown_as_a_host() {
        for password in ["s3@cret/p:x", "12?cret", "s3#cret", "5/cret", "s3@cret#"] {
            let refused = format!("postgres://u:{password}@db/canary").parse::<Address>().unwrap_err();
            assert!(
                refused.to_string().contains("%40") && !refused.to_string().contains("cret"),
                "{refused}"
            );
        }
        assert_eq!(shown("postgres://u:s3%2Fcr%40t%23@db/canary"), "postgres://u@db:5432/canary");
        assert_eq!(shown("postgres://u@%2Ftmp%2Fpg/canary"), "postgres://u@/tmp/pg/canary");
    }

    #[test]
    fn what_is_no_address_is_refused_without_what_it_says() {
        for text in ["", "sqlite:", "mysql://root:s3cret@localhost/db", "/var/lib/phoenix.db", "postgres"] {
            assert_eq!(text.parse::<Address>().unwrap_err(), NotAnAddress::Engine, "{text}");
        }
        let refused = "postgres://phoenix:s3cret@db:port/canary".parse::<Address>().unwrap_err().to_string();
        assert!(!refused.contains("s3cret") && refused.contains("expected postgres://"), "{refused}");
        let refused =
            "postgres://u:s3cret@db/canary?sslmode=perhaps".parse::<Address>().unwrap_err().to_string();
        assert!(!refused.contains("s3cret") && refused.contains("sslmode"), "{refused}");
    }
}
