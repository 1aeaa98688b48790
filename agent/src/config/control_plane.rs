//! `phoenix.control_plane`: where it is, and what the agent enrolls with, or is known by.

use std::path::PathBuf;

use gate::{Pem, TlsIdentity};
use pipelines::yaml::{Node, Problem, keep};

use super::tls::identity;
use crate::fleet::{ControlPlane, Token};
use crate::net::{Endpoint, TlsSettings};

/// Reads the section; nothing if a part of it cannot be used.
pub fn decode(node: &Node, experiments: bool, problems: &mut Vec<Problem>) -> Option<ControlPlane> {
    let mut fields = keep(node.map(), problems)?;
    let endpoint = keep(fields.required("endpoint"), problems);
    let ca_file = fields.take("ca_file").and_then(|node| keep(node.text(), problems)).map(PathBuf::from);
    let identity = identity(&mut fields, node.location, problems);
    let file = fields.take("token_file").and_then(|node| keep(node.text(), problems));
    let given = fields.take("token").and_then(|node| keep(node.text(), problems));
    fields.finish(problems);
    let token = match (given, file) {
        (Some(_), Some(_)) => {
            problems.push(Problem::new(node.location, "both token and token_file").expected("one of them"));
            return None;
        }
        (Some(token), None) => Some(Token::Given(token.to_owned())),
        (None, file) => file.map(|path| Token::File(path.into())),
    };
    let endpoint = endpoint?;
    if identity.is_some() && !is_secured(endpoint) {
        let problem = Problem::new(endpoint.location, "a certificate is shown over TLS alone");
        problems.push(problem.expected("an address that begins with wss://"));
        return None;
    }
    let (endpoint, path) = keep(address(endpoint, (ca_file, identity)), problems)?;
    Some(ControlPlane { endpoint, path, token, experiments })
}

fn is_secured(endpoint: &Node) -> bool {
    endpoint.text().is_ok_and(|text| text.starts_with("wss://"))
}

/// `ws://host:port/path` or `wss://…`; without a path it is OpAMP's usual one.
fn address(
    node: &Node,
    (ca_file, identity): (Option<PathBuf>, Option<TlsIdentity>),
) -> Result<(Endpoint, String), Problem> {
    let text = node.text()?;
    let problem = |why: &str| {
        Problem::new(node.location, format!("{} is no address of a control plane: {why}", node.quoted()))
            .expected("ws://host:port/v1/opamp, or wss:// with TLS")
    };
    let uri: http::Uri = text.parse().map_err(|_| problem("it is no URL"))?;
    let (tls, port) = match uri.scheme_str() {
        Some("ws") => (false, 80),
        Some("wss") => (true, 443),
        _ => return Err(problem("it begins with neither ws:// nor wss://")),
    };
    let host = uri.host().ok_or_else(|| problem("it names no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let path = match uri.path() {
        "" | "/" => "/v1/opamp",
        path => path,
    };
    let port = uri.port_u16().unwrap_or(port);
    let tls =
        tls.then(|| TlsSettings { authorities: ca_file.map(Pem::File), identity, ..TlsSettings::default() });
    Ok((Endpoint { host, port, tls, proxy: None }, path.to_owned()))
}
