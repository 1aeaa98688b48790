//! The log of the process: its form, and what of it is shown.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Settings of the config; what the command line and the environment say goes before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// The least level that is shown.
    pub level: Option<LevelFilter>,
    /// Form of the lines.
    pub format: Option<logs::Format>,
}

/// What no log shows, whatever `RUST_LOG` says: tungstenite traces its request with the credential in it.
const NEVER: &str = "tungstenite::handshake::client=info";
/// Rooms that a level below `info` is about; of libraries that is for `RUST_LOG` to say.
const OWN: &str = "info,phoenix_agent=debug,gate=debug,segments=debug";

/// Filter of the log: that of `RUST_LOG`, else this level, else `info`.
pub fn log_filter(level: Option<LevelFilter>) -> EnvFilter {
    let of_level = || match level {
        Some(LevelFilter::DEBUG) => EnvFilter::new(OWN),
        Some(level) => EnvFilter::new(level.to_string()),
        None => EnvFilter::new("info"),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| of_level());
    match NEVER.parse() {
        Ok(never) => filter.add_directive(never),
        Err(_) => filter,
    }
}
