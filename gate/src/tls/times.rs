//! Times of certificates: which of a file have ended, begin later, or end soon, in words.
//!
//! TLS refuses a certificate of a chain that is not in force. It does not look at the time of an authority (webpki, RFC 5280 §6.1.1 (d)), as
//! other programs do; the tests of this file show both.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::pem::{Pem, TlsIdentity};

/// Time before the end of a certificate from which on it is told.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// The most sentences about one file.
const MOST: usize = 5;

/// Use of a certificate in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It says who this end is.
    Own,
    /// It vouches for the one before it in the chain.
    Above,
    /// It is trusted.
    Authority,
}

/// State of a certificate that a person should know of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ended,
    BeginsLater,
    EndsSoon,
    Unreadable,
}

impl TlsIdentity {
    /// Certificates of the chain that are not in force at a time, or end within two weeks, a sentence each.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn times(&self, at: SystemTime) -> io::Result<Vec<String>> {
        let (chain, _) = self.read()?;
        let role = |position: usize| if position == 0 { Role::Own } else { Role::Above };
        Ok(told(&self.cert, "cert", &chain, role, at))
    }
}

impl Pem {
    /// Authorities that are not in force at a time, or end within two weeks, a sentence each. `key` is the config's.
    ///
    /// # Errors
    /// As [`Self::certificates`].
    pub fn authorities_times(&self, key: &str, at: SystemTime) -> io::Result<Vec<String>> {
        Ok(told(self, key, &self.certificates(key)?, |_| Role::Authority, at))
    }
}

fn told(
    pem: &Pem,
    key: &str,
    all: &[CertificateDer<'static>],
    role: impl Fn(usize) -> Role,
    at: SystemTime,
) -> Vec<String> {
    let one = |(position, der): (usize, &CertificateDer<'static>)| {
        let (state, subject, when) = state(der, at)?;
        let which = which(position + 1, all.len(), &subject);
        Some(pem.wrong(key, &format!("{which} {}", said(role(position), state, &when))).to_string())
    };
    let mut lines: Vec<String> = all.iter().enumerate().filter_map(one).collect();
    let more = lines.len().saturating_sub(MOST);
    if more > 0 {
        lines.truncate(MOST);
        let more = format!("of {more} more of its certificates the like is to be said");
        lines.push(pem.wrong(key, &more).to_string());
    }
    lines
}

/// State of a certificate, its subject, and the time that the state is about; nothing where all is well with it.
fn state(der: &CertificateDer<'static>, at: SystemTime) -> Option<(State, String, String)> {
    let Ok((_, read)) = X509Certificate::from_der(der) else {
        return Some((State::Unreadable, String::new(), String::new()));
    };
    let now = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    let validity = read.validity();
    let (state, time) = if validity.not_after.timestamp() < now {
        (State::Ended, validity.not_after)
    } else if validity.not_before.timestamp() > now {
        (State::BeginsLater, validity.not_before)
    } else if validity.not_after.timestamp().saturating_sub(now) < SOON.as_secs().cast_signed() {
        (State::EndsSoon, validity.not_after)
    } else {
        return None;
    };
    let subject = read.subject().to_string().replace(char::is_control, " ");
    Some((state, subject, time.to_string()))
}

/// Its place in its file, and its name.
fn which(position: usize, of: usize, subject: &str) -> String {
    let named = if subject.trim().is_empty() { String::new() } else { format!(" ({subject})") };
    if of == 1 { format!("the certificate{named}") } else { format!("certificate {position} of {of}{named}") }
}

/// What is the matter, what follows, and what to do.
fn said(role: Role, state: State, when: &dyn fmt::Display) -> String {
    let renewed = match role {
        Role::Own => "put a new one in its place",
        Role::Above => "put the new one of its issuer in its place",
        Role::Authority => "put the new one of this authority in its place, or take it out",
    };
    match (state, role) {
        (State::Ended, Role::Authority) => format!(
            "ended at {when}; the time of an authority is not checked here, so that what it has signed is trusted on, and other programs \
             refuse that; {renewed}"
        ),
        (State::Ended, _) => {
            format!("ended at {when}; who checks this chain refuses the connection; {renewed}")
        }
        (State::BeginsLater, Role::Authority) => format!(
            "begins at {when}; the time of an authority is not checked here, so that what it has signed is trusted already, and other \
             programs refuse that; look whether the clock is right"
        ),
        (State::BeginsLater, _) => format!(
            "begins at {when}; who checks this chain refuses the connection until then; look whether the clock is right"
        ),
        (State::EndsSoon, _) => format!("ends at {when}, in less than 14 days; before then, {renewed}"),
        (State::Unreadable, _) => {
            "is no X.509 certificate that can be read, so that nobody knows when it ends; put another one in its place".to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
