//! Proxies on the way to a destination: an exporter's `proxy_url`, or the environment's `HTTP_PROXY`, `HTTPS_PROXY` and
//! `NO_PROXY`, read as Go's clients read them.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use pipelines::yaml::Lookup;

use crate::net::{Endpoint, Proxy, TlsSettings};

/// Expected text of a proxy. What was found is not repeated: it may hold a password.
pub const EXPECTED: &str =
    "http://host:port or https://host:port, with user:password@ before the host if it asks for them";

/// Proxies of the environment.
#[derive(Debug, Default)]
pub struct Proxies {
    http: Option<Variable>,
    https: Option<Variable>,
    except: String,
}

#[derive(Debug)]
struct Variable {
    name: &'static str,
    proxy: Option<Proxy>,
}

impl Proxies {
    /// Those that variables name; in small letters where there are none in capitals.
    pub fn read(lookup: Lookup<'_>) -> Self {
        let set = |name: &'static str| lookup(name).filter(|text| !text.is_empty());
        let find = |names: [&'static str; 2]| {
            let (name, text) = names.into_iter().find_map(|name| Some((name, set(name)?)))?;
            // Without a scheme it is one of HTTP.
            let proxy = if text.contains("://") { proxy(&text) } else { proxy(&format!("http://{text}")) };
            Some(Variable { name, proxy })
        };
        Self {
            http: find(["HTTP_PROXY", "http_proxy"]),
            https: find(["HTTPS_PROXY", "https_proxy"]),
            except: set("NO_PROXY").or_else(|| set("no_proxy")).unwrap_or_default(),
        }
    }

    /// The proxy on the way to a server, if there is one. Calls of gRPC go by that of TLS, whether they speak it or not.
    ///
    /// # Errors
    /// When the variable that names it is no URL of one; says which.
    pub fn to(&self, endpoint: &Endpoint, grpc: bool) -> Result<Option<Proxy>, String> {
        let variable = if grpc || endpoint.tls.is_some() { &self.https } else { &self.http };
        let Some(Variable { name, proxy }) = variable else { return Ok(None) };
        if endpoint.is_local() || !self.covers(&endpoint.host.to_ascii_lowercase(), endpoint.port) {
            return Ok(None);
        }
        let why = || format!("the environment's {name} names no proxy that Phoenix can use");
        proxy.clone().map(Some).ok_or_else(why)
    }

    /// Tells whether a host is reached by proxies: none of this machine is, and none that `NO_PROXY` names.
    fn covers(&self, host: &str, port: u16) -> bool {
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return false;
        }
        let mut named = self.except.split(',').map(|entry| entry.trim().to_ascii_lowercase());
        !named.any(|entry| excepts(&entry, (host, address), port))
    }
}

/// Tells whether an entry of `NO_PROXY` means this host.
fn excepts(entry: &str, (host, address): (&str, Option<IpAddr>), port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = entry.split_once('/') {
        let (Ok(network), Ok(bits), Some(address)) = (network.parse(), bits.parse(), address) else {
            return false;
        };
        return is_within(address, network, bits);
    }
    let (entry, of_port) = match entry.rsplit_once(':') {
        Some((before, digits)) if !before.contains(':') || before.ends_with(']') => {
            (before, digits.parse().ok())
        }
        _ => (entry, None),
    };
    if of_port.is_some_and(|wanted: u16| wanted != port) {
        return false;
    }
    let entry = entry.trim_start_matches('[').trim_end_matches(']');
    if let Some(address) = address {
        return entry.parse() == Ok(address);
    }
    // `.example.com` and `*.example.com` mean what is below it, `example.com` that too.
    let below = entry.strip_prefix('*').unwrap_or(entry);
    if let Some(domain) = below.strip_prefix('.') {
        return !domain.is_empty() && host.strip_suffix(below).is_some_and(|before| !before.is_empty());
    }
    !entry.is_empty()
        && host.strip_suffix(entry).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let same = |left: u128, right: u128, width: u32| {
        bits <= width && (bits == 0 || (left ^ right) >> (width - bits) == 0)
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        _ => false,
    }
}

/// The proxy of a URL; nothing where it is none that is spoken.
pub fn proxy(text: &str) -> Option<Proxy> {
    let url: Uri = text.parse().ok()?;
    let (tls, default) = match url.scheme_str()? {
        "http" => (None, 80),
        "https" => (Some(TlsSettings::default()), 443),
        _ => return None,
    };
    let authority = url.authority()?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let authorization = match authority.as_str().rsplit_once('@') {
        None => None,
        Some((user, _)) => {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            let plain = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
            let pair = STANDARD.encode(format!("{}:{}", plain(user)?, plain(password)?));
            let mut value = HeaderValue::from_str(&format!("Basic {pair}")).ok()?;
            value.set_sensitive(true);
            Some(value)
        }
    };
    let port = authority.port_u16().unwrap_or(default);
    (!host.is_empty())
        .then(|| Proxy { server: Box::new(Endpoint { host, port, tls, proxy: None }), authorization })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(variables: &[(&str, &str)], tls: bool, grpc: bool, host: &str) -> Result<Option<String>, String> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let tls = tls.then(TlsSettings::default);
        let endpoint = Endpoint { host: host.to_owned(), port: 4318, tls, proxy: None };
        let found = Proxies::read(&lookup).to(&endpoint, grpc)?;
        Ok(found.map(|proxy| format!("{}:{}", proxy.server.host, proxy.server.port)))
    }

    #[test]
    fn each_scheme_has_its_variable_and_grpc_that_of_tls() {
        let set = [("HTTP_PROXY", "plain:1"), ("https_proxy", "http://secure")];
        assert_eq!(to(&set, false, false, "backend"), Ok(Some("plain:1".into())));
        assert_eq!(to(&set, true, false, "backend"), Ok(Some("secure:80".into())));
        assert_eq!(to(&set, false, true, "backend"), Ok(Some("secure:80".into())));
        assert_eq!(to(&[("HTTP_PROXY", "")], false, false, "backend"), Ok(None));
        for wrong in ["socks5://u:hush@h:1", "http://", "http://u:hush@:1", "http://[::"] {
            let said = to(&[("HTTPS_PROXY", wrong)], true, false, "backend").expect_err(wrong);
            assert!(said.contains("HTTPS_PROXY") && !said.contains("hush"), "{said}");
        }
        for local in ["localhost", "127.0.0.2", "::1", "/run/otlp.sock"] {
            assert_eq!(to(&set, false, true, local), Ok(None), "{local}");
        }
    }

    #[test]
    fn what_is_excepted_is_told_by_name_domain_port_and_network() {
        let excepted = |entries: &str, host: &str| {
            to(&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", entries)], true, false, host) == Ok(None)
        };
        for (entries, host) in [
            ("*", "anything"),
            ("other, Example.com ", "example.com"),
            ("example.com", "otlp.EXAMPLE.com"),
            (".example.com", "otlp.example.com"),
            ("*.example.com", "otlp.example.com"),
            ("example.com:4318", "example.com"),
            ("10.1.2.3", "10.1.2.3"),
            ("10.0.0.0/8", "10.200.0.1"),
            ("[fd00::1]:4318", "fd00::1"),
            ("fd00::/8", "fd12::9"),
        ] {
            assert!(excepted(entries, host), "{entries}: {host}");
        }
        for (entries, host) in [
            ("", "example.com"),
            ("example.com", "notexample.com"),
            (".example.com", "example.com"),
            ("example.com:443", "example.com"),
            ("10.1.2.3", "10.1.2.30"),
            ("10.0.0.0/8", "11.0.0.1"),
            ("10.0.0.0/99", "10.0.0.1"),
            ("10.0.0.0/8", "ten.example.com"),
        ] {
            assert!(!excepted(entries, host), "{entries}: {host}");
        }
    }
}
