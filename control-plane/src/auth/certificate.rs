//! A client's certificate, by which an agent is known without a token. TLS has checked before who vouches for it, and that it is
//! in force.

use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::clock::UnixMillis;

/// The most bytes of a name (RFC 5280 appendix A.1 allows 64 characters).
const LONGEST: usize = 255;

/// Begin of what stands in a record of who let an agent in.
const PASS: &str = "certificate:";

/// Certificate of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Name of its tenant: O of its subject (RFC 5280 §4.1.2.6).
    pub tenant: String,
    /// Name of its holder: CN of its subject.
    pub name: String,
    /// Its end.
    pub until: UnixMillis,
}

/// Reason for which a certificate is no agent's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAnAgents {
    /// It cannot be read.
    #[error("the client's certificate cannot be read: {0}")]
    Unreadable(String),
    /// Its subject lacks a part, or has it twice.
    #[error(
        "the subject of the client's certificate has {count} parts {part} of 1 to 255 printable characters; expected one: O \
         names the tenant, CN the agent"
    )]
    Subject {
        /// The part.
        part: &'static str,
        /// Number of those that could be used.
        count: usize,
    },
}

impl Certificate {
    /// Reads one, in DER.
    ///
    /// # Errors
    /// [`NotAnAgents`].
    pub fn read(der: &[u8]) -> Result<Self, NotAnAgents> {
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|error| NotAnAgents::Unreadable(error.to_string()))?;
        let subject = certificate.subject();
        Ok(Self {
            tenant: only("O", subject.iter_organization())?,
            name: only("CN", X509Name::iter_common_name(subject))?,
            until: UnixMillis(certificate.validity().not_after.timestamp().saturating_mul(1000)),
        })
    }

    /// What stands in a record of who let it in.
    pub fn pass(&self) -> String {
        format!("{PASS}{}", self.name)
    }

    /// Name of the holder of the certificate that let an agent in; nothing where it was none.
    pub fn holder(pass: &str) -> Option<&str> {
        pass.strip_prefix(PASS)
    }
}

/// The only one of the parts of this kind.
fn only<'a>(
    part: &'static str,
    all: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>,
) -> Result<String, NotAnAgents> {
    let good = |text: &&str| (1..=LONGEST).contains(&text.len()) && !text.contains(char::is_control);
    let texts: Vec<&str> = all.filter_map(|one| one.as_str().ok()).filter(good).collect();
    match texts[..] {
        [text] => Ok(text.to_owned()),
        _ => Err(NotAnAgents::Subject { part, count: texts.len() }),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn read(subject: &[(DnType, &str)]) -> Result<Certificate, NotAnAgents> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (part, text) in subject {
            params.distinguished_name.push(part.clone(), *text);
        }
        params.not_after = rcgen::date_time_ymd(2030, 1, 2);
        Certificate::read(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    #[test]
    fn the_subject_names_the_tenant_and_the_agent() {
        let read_one =
            read(&[(DnType::OrganizationName, "acme"), (DnType::CommonName, "node-1.example.org")]).unwrap();
        assert_eq!((&*read_one.tenant, &*read_one.name), ("acme", "node-1.example.org"));
        assert_eq!(read_one.until.to_string(), "2030-01-02T00:00:00Z");
        assert_eq!(read_one.pass(), "certificate:node-1.example.org");
        assert_eq!(Certificate::holder(&read_one.pass()), Some("node-1.example.org"));
        assert_eq!(Certificate::holder("pet_1"), None);
    }

    #[test]
    fn a_subject_without_one_of_them_is_no_agents() {
        let no_tenant = read(&[(DnType::CommonName, "node-1")]).unwrap_err();
        assert_eq!(no_tenant, NotAnAgents::Subject { part: "O", count: 0 });
        for name in ["", "a\nb", &"n".repeat(256)] {
            let wrong = read(&[(DnType::OrganizationName, "acme"), (DnType::CommonName, name)]).unwrap_err();
            assert_eq!(wrong, NotAnAgents::Subject { part: "CN", count: 0 }, "{name:?}");
        }
        assert!(matches!(Certificate::read(b"no certificate"), Err(NotAnAgents::Unreadable(_))));
    }
}
