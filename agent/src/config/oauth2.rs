//! The extension `oauth2client`, with the Collector's keys.

use std::path::PathBuf;
use std::time::Duration;

use pipelines::config::Component;
use pipelines::yaml::{Fields, Node, Problem, keep};

use super::exporter::{Surroundings, no_proxy};
use super::exporter_http::target;
use super::receiver::refuse;
use super::tls;
use crate::deliver::{OAuth2Settings, Secret};

/// Longest wait for a token where the file does not say; the Collector has none.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Time before a token's end from which another one is asked for.
const EXPIRY_BUFFER: Duration = Duration::from_secs(300);

/// Decodes it; nothing if that is not possible.
pub fn decode(
    component: &Component,
    around: Surroundings<'_>,
    problems: &mut Vec<Problem>,
) -> Option<OAuth2Settings> {
    let mut fields = keep(component.config.map(), problems)?;
    let client_id = secret(&mut fields, "client_id", "client_id_file", component, problems);
    let client_secret = secret(&mut fields, "client_secret", "client_secret_file", component, problems);
    let tls = fields.take("tls").map(|node| tls::client(node, problems)).unwrap_or_default();
    let token_url = keep(fields.required("token_url"), problems).and_then(|node| {
        let mut target = keep(target(node, &tls), problems)?;
        let proxy = around.proxies.to(&target.endpoint, false);
        target.endpoint.proxy = keep(proxy.map_err(|why| no_proxy(node, why)), problems)?;
        Some(target)
    });
    let scopes = fields.take("scopes").map(|node| node.texts(problems)).unwrap_or_default();
    let params = fields.take("endpoint_params").map(|node| params(node, problems)).unwrap_or_default();
    let mut time = |key| {
        let time = fields.take(key).and_then(|node| keep(node.duration(), problems));
        time.filter(|time| !time.is_zero())
    };
    let timeout = time("timeout").unwrap_or(TIMEOUT);
    let expiry_buffer = time("expiry_buffer").unwrap_or(EXPIRY_BUFFER);
    if let Some(node) = fields.take("grant_type") {
        keep(node.one_of("grant_type", &[("client_credentials", ()), ("", ())]), problems);
    }
    let unsupported = [
        "audience",
        "claims",
        "client_certificate_key",
        "client_certificate_key_file",
        "client_certificate_key_id",
        "iss",
        "signature_algorithm",
    ];
    refuse(&mut fields, &unsupported, problems);
    fields.finish(problems);
    let (client_id, client_secret, token_url) = (client_id?, client_secret?, token_url?);
    Some(OAuth2Settings { client_id, client_secret, token_url, scopes, params, timeout, expiry_buffer })
}

/// A secret, or its file, which counts where both are there, as in the Collector.
fn secret(
    fields: &mut Fields<'_>,
    key: &'static str,
    file: &'static str,
    component: &Component,
    problems: &mut Vec<Problem>,
) -> Option<Secret> {
    let mut read = |key| {
        let text = fields.take(key).and_then(|node| keep(node.text(), problems));
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let (text, file_path) = (read(key), read(file));
    let found = file_path.map(|path| Secret::File(PathBuf::from(path))).or(text.map(Secret::Text));
    if found.is_none() {
        let problem = Problem::new(component.location, format!("there is no {key}"));
        problems.push(problem.expected(format!("{key} or {file}")));
    }
    found
}

/// Parameters, each with a value or a list of them. They may be secrets.
fn params(node: &Node, problems: &mut Vec<Problem>) -> Vec<(String, Secret)> {
    let mut params = Vec::new();
    for entry in keep(node.entries(), problems).unwrap_or_default() {
        let name = &entry.key.text;
        let values = match entry.value.text() {
            Ok(text) => vec![text.to_owned()],
            Err(_) => entry.value.texts(problems),
        };
        params.extend(values.into_iter().map(|value| (name.clone(), Secret::Text(value))));
    }
    params
}
