//! `tls` of exporters and receivers, with the Collector's keys. Files are read later, when connections are set up.

use std::path::PathBuf;
use std::time::Duration;

use gate::{ClientAuthorities, Pem, ServerTlsSettings, TlsIdentity, TlsVersion};
use pipelines::yaml::{Fields, Location, Node, Problem, keep};

use super::receiver::refuse;
use crate::net::TlsSettings;

/// Keys of the Collector's that are refused by name.
const UNSUPPORTED: [&str; 3] = ["cipher_suites", "curve_preferences", "tpm"];

/// `tls` of an exporter.
#[derive(Default)]
pub struct Tls {
    /// True if nothing is encrypted.
    pub insecure: bool,
    /// Settings where TLS is spoken.
    pub settings: TlsSettings,
}

/// Decodes `tls` of an exporter.
pub fn client(node: &Node, problems: &mut Vec<Problem>) -> Tls {
    let mut tls = Tls::default();
    let Some(mut fields) = keep(node.map(), problems) else { return tls };
    let mut flag = |key| fields.take(key).and_then(|node| keep(node.bool(), problems)).unwrap_or(false);
    let (insecure, system_too) = (flag("insecure"), flag("include_system_ca_certs_pool"));
    tls.settings.system_too = system_too;
    tls.settings.authorities = pem(&mut fields, "ca_file", "ca_pem", problems);
    // As in the Collector, authorities to trust ask for TLS.
    tls.insecure = insecure && tls.settings.authorities.is_none();
    tls.settings.server_name = fields
        .take("server_name_override")
        .and_then(|node| keep(node.text(), problems))
        .filter(|name| !name.is_empty())
        .map(str::to_owned);
    tls.settings.identity = identity(&mut fields, node.location, problems);
    tls.settings.only = versions(&mut fields, node.location, problems);
    // Files are read again with each new connection, which is never later than this.
    reload_interval(&mut fields, problems);
    if let Some(node) = fields.take("insecure_skip_verify")
        && keep(node.bool(), problems) == Some(true)
        // Where there is no TLS there is nothing to verify.
        && !tls.insecure
    {
        let problem = Problem::new(node.location, "Phoenix does not talk to a server that it cannot verify");
        problems.push(problem.expected("ca_file with the server's certificate authority"));
    }
    refuse(&mut fields, &UNSUPPORTED, problems);
    fields.finish(problems);
    tls
}

/// Decodes `tls` of a listener; nothing where it is wrong.
pub fn server(node: &Node, problems: &mut Vec<Problem>) -> Option<ServerTlsSettings> {
    let mut fields = node.optional_map(problems)?;
    let before = problems.len();
    let identity = identity(&mut fields, node.location, problems);
    if identity.is_none() && problems.len() == before {
        let problem = Problem::new(node.location, "a listener in TLS needs a certificate");
        problems.push(problem.expected("cert_file and key_file, or cert_pem and key_pem"));
    }
    let clients = fields.take("client_ca_file").and_then(|node| keep(node.text(), problems));
    let clients = clients.filter(|path| !path.is_empty()).map(|path| Pem::File(PathBuf::from(path)));
    let clients = clients.map(|authorities| ClientAuthorities { authorities, required: true });
    let only = versions(&mut fields, node.location, problems);
    let reload = reload_interval(&mut fields, problems);
    let watched = fields.take("client_ca_file_reload").and_then(|node| keep(node.bool(), problems));
    let reload = reload.or_else(|| watched.unwrap_or(false).then_some(WATCHED));
    for key in ["ca_file", "ca_pem", "include_system_ca_certs_pool"] {
        if let Some(node) = fields.take(key) {
            let problem = Problem::new(node.location, format!("{key} has no effect on a listener"));
            problems.push(problem.expected("client_ca_file, to let in clients with a certificate alone"));
        }
    }
    refuse(&mut fields, &UNSUPPORTED, problems);
    fields.finish(problems);
    Some(ServerTlsSettings { identity: identity?, clients, only, reload })
}

/// Time after which a file of client authorities that is watched is read again.
const WATCHED: Duration = Duration::from_secs(10);

/// A file, or what would stand in it.
fn pem(
    fields: &mut Fields<'_>,
    file: &'static str,
    text: &'static str,
    problems: &mut Vec<Problem>,
) -> Option<Pem> {
    let mut read = |key| {
        let node = fields.take(key)?;
        let text = keep(node.text(), problems).filter(|text| !text.is_empty())?;
        Some((node.location, text.to_owned()))
    };
    match (read(file), read(text)) {
        (Some(_), Some((at, _))) => {
            let problem = Problem::new(at, format!("{file} says the same as {text}"));
            problems.push(problem.expected("one of the two"));
            None
        }
        (Some((_, path)), None) => Some(Pem::File(PathBuf::from(path))),
        (None, Some((_, text))) => Some(Pem::Text(text)),
        (None, None) => None,
    }
}

/// Decodes a certificate and its key, beside other fields; nothing where there is none or it is half there.
pub fn identity(fields: &mut Fields<'_>, at: Location, problems: &mut Vec<Problem>) -> Option<TlsIdentity> {
    let before = problems.len();
    let cert = pem(fields, "cert_file", "cert_pem", problems);
    let key = pem(fields, "key_file", "key_pem", problems);
    if cert.is_some() != key.is_some() && problems.len() == before {
        let problem = Problem::new(at, "a certificate is half there");
        problems.push(problem.expected("cert_file and key_file, or cert_pem and key_pem"));
    }
    Some(TlsIdentity { cert: cert?, key: key? })
}

fn reload_interval(fields: &mut Fields<'_>, problems: &mut Vec<Problem>) -> Option<Duration> {
    let every = fields.take("reload_interval").and_then(|node| keep(node.duration(), problems));
    every.filter(|every| !every.is_zero())
}

/// The only version that `min_version` and `max_version` leave of 1.2 and 1.3; nothing where they leave both. Versions before
/// 1.2 are not spoken.
fn versions(fields: &mut Fields<'_>, at: Location, problems: &mut Vec<Problem>) -> Option<TlsVersion> {
    let words = [("1.0", 10), ("1.1", 11), ("1.2", 12), ("1.3", 13)];
    let mut version = |key| fields.take(key).and_then(|node| keep(node.one_of("version", &words), problems));
    let (least, most) = (version("min_version").unwrap_or(12), version("max_version").unwrap_or(13));
    if most < 12 || least > most {
        problems
            .push(Problem::new(at, "these versions leave none that Phoenix speaks").expected("1.2 or 1.3"));
    }
    match (least, most) {
        (13, _) => Some(TlsVersion::V1_3),
        (_, 12) => Some(TlsVersion::V1_2),
        _ => None,
    }
}
