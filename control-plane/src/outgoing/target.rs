//! Targets: the addresses that people ask the control plane to call.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

use super::address::is_public;

/// The most characters of an address.
const LONGEST: usize = 2_048;

/// A host that whoever runs the control plane vouches for: it may be a private one, and asked without TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedHost {
    host: Host,
    port: Option<u16>,
}

/// Reason for which a text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected HOST or HOST:PORT, such as hooks.internal:8443")]
pub struct NotAHost;

impl FromStr for TrustedHost {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let url: Url = format!("tcp://{text}").parse().map_err(|_| NotAHost)?;
        let bare = url.path().is_empty() && url.query().is_none() && url.fragment().is_none();
        let host = url.host_str().filter(|_| bare && url.username().is_empty() && url.password().is_none());
        // As the scheme of the web reads it, so that one address has one form.
        let host = Host::parse(host.ok_or(NotAHost)?).map_err(|_| NotAHost)?;
        Ok(Self { host, port: url.port() })
    }
}

/// Rules for targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// True if public hosts may be asked without TLS.
    pub plain: bool,
    /// Hosts that are vouched for.
    pub trusted: Vec<TrustedHost>,
}

/// Reason for which an address is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotATarget {
    /// No address at all.
    #[error("it is no address")]
    Address,
    /// Too long.
    #[error("it has more than {LONGEST} characters")]
    Long,
    /// Another protocol.
    #[error("it is not https")]
    Scheme,
    /// Without TLS, where that is not allowed.
    #[error(
        "it is without TLS (who runs the control plane may allow that: --webhooks-allow-http, --trusted-host)"
    )]
    Plain,
    /// A name and password, or a fragment.
    #[error("it has a user, a password or a fragment (#), which are not sent")]
    Parts,
    /// A host that is not public.
    #[error(
        "its host is not of the public internet (who runs the control plane may allow it: --trusted-host)"
    )]
    Private,
}

/// An address that may be called, once its host's own addresses are.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    trusted: bool,
}

/// Without its path, which may let its holder in.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

impl Target {
    /// Reads an address under these rules.
    ///
    /// # Errors
    /// [`NotATarget`].
    pub fn parse(text: &str, rules: &Rules) -> Result<Self, NotATarget> {
        if text.len() > LONGEST {
            return Err(NotATarget::Long);
        }
        let url: Url = text.parse().map_err(|_| NotATarget::Address)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NotATarget::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(NotATarget::Parts);
        }
        let host = url.host().ok_or(NotATarget::Address)?.to_owned();
        let port = url.port_or_known_default();
        let trusted =
            rules.trusted.iter().any(|one| one.host == host && (one.port.is_none() || one.port == port));
        if url.scheme() == "http" && !rules.plain && !trusted {
            return Err(NotATarget::Plain);
        }
        let address = match &host {
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
            Host::Domain(name) => {
                // With a dot at its end it is the same name (RFC 1034 §3.1).
                let name = name.strip_suffix('.').unwrap_or(name);
                let is_here = name == "localhost" || name.ends_with(".localhost");
                is_here.then(|| std::net::Ipv4Addr::LOCALHOST.into())
            }
        };
        if !trusted && address.is_some_and(|address| !is_public(address)) {
            return Err(NotATarget::Private);
        }
        Ok(Self { url, trusted })
    }

    /// The host and port of an address, as one that is vouched for.
    ///
    /// # Errors
    /// [`NotATarget::Address`].
    pub fn host_of(text: &str) -> Result<TrustedHost, NotATarget> {
        let url: Url = text.parse().map_err(|_| NotATarget::Address)?;
        let host = url.host().ok_or(NotATarget::Address)?.to_owned();
        Ok(TrustedHost { host, port: url.port_or_known_default() })
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The address as it is shown: without its path.
    pub fn place(&self) -> String {
        format!("{}/…", self.url.origin().ascii_serialization())
    }

    /// Tells whether TLS is spoken.
    pub(super) fn is_secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Tells whether its host may be a private one.
    pub(super) fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Host, without brackets, and port.
    pub(super) fn host_and_port(&self) -> (String, u16) {
        let host = match self.url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        };
        (host, self.url.port_or_known_default().unwrap_or(443))
    }

    /// Value of the header `Host`.
    pub(super) fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Path and query.
    pub(super) fn path(&self) -> &str {
        &self.url[url::Position::BeforePath..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Target, NotATarget> {
        let trusted = ["hooks.internal", "10.0.0.7:8080"].map(|host| host.parse().unwrap()).to_vec();
        Target::parse(text, &Rules { plain: false, trusted })
    }

    #[test]
    fn an_address_of_the_public_internet_is_a_target_and_its_path_is_not_shown() {
        let target = read("https://hooks.example.org/services/T0/B0/hush?a=hush").unwrap();
        assert_eq!(target.place(), "https://hooks.example.org/…");
        assert!(!format!("{target:?}").contains("hush"));
        assert_eq!(
            (target.path(), target.authority().as_str()),
            ("/services/T0/B0/hush?a=hush", "hooks.example.org")
        );
        let target = read("https://[2606:4700::1111]:8443").unwrap();
        assert_eq!(target.host_and_port(), ("2606:4700::1111".to_owned(), 8443));
        assert_eq!((target.path(), target.authority().as_str()), ("/", "[2606:4700::1111]:8443"));
    }

    #[test]
    fn what_is_no_target_is_refused_in_whatever_form_it_is_written() {
        for (text, why) in [
            ("hooks.example.org", NotATarget::Address),
            ("https://", NotATarget::Address),
            ("ftp://hooks.example.org/", NotATarget::Scheme),
            ("file:///etc/passwd", NotATarget::Scheme),
            ("http://hooks.example.org/", NotATarget::Plain),
            ("https://a:b@hooks.example.org/", NotATarget::Parts),
            ("https://hooks.example.org/#a", NotATarget::Parts),
            ("https://127.0.0.1/", NotATarget::Private),
            ("https://2130706433/", NotATarget::Private),
            ("https://0x7f.1/", NotATarget::Private),
            ("https://0177.0.0.1/", NotATarget::Private),
            ("https://[::ffff:169.254.169.254]/", NotATarget::Private),
            ("https://localhost/", NotATarget::Private),
            ("https://a.localhost/", NotATarget::Private),
            ("https://localhost./", NotATarget::Private),
            ("https://10.0.0.7:8081/", NotATarget::Private),
        ] {
            assert_eq!(read(text).unwrap_err(), why, "{text}");
        }
        assert_eq!(read(&format!("https://a.org/{}", "a".repeat(3000))).unwrap_err(), NotATarget::Long);
    }

    #[test]
    fn a_host_that_is_vouched_for_may_be_private_and_without_tls() {
        for text in ["http://hooks.internal/a", "https://hooks.internal:9/a", "http://10.0.0.7:8080/"] {
            assert!(read(text).unwrap().is_trusted(), "{text}");
        }
        let plain = Rules { plain: true, trusted: Vec::new() };
        assert!(!Target::parse("http://hooks.example.org/", &plain).unwrap().is_trusted());
        assert_eq!(Target::parse("http://10.0.0.7/", &plain).unwrap_err(), NotATarget::Private);
        for text in ["", "a/b", "a@b", "http://a", "a:b", "a?b"] {
            assert!(text.parse::<TrustedHost>().is_err(), "{text}");
        }
    }
}
