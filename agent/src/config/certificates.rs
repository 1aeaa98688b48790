//! Certificates, keys and files of tokens that a config names: whether they can be used, before anything connects.

use std::io;
use std::time::SystemTime;

use gate::{ServerTls, ServerTlsSettings};

use super::Settings;
use crate::deliver::{ExporterKind, TokenSource};
use crate::net::Endpoint;

/// Mistakes in certificates and files of tokens, for a person.
#[derive(Debug, Default)]
pub struct CertificateProblems {
    /// Reasons for which the agent does not start.
    pub fatal: Vec<String>,
    /// What it starts with all the same, each with what follows from it.
    pub told: Vec<String>,
}

impl Settings {
    /// Reads every certificate and key, and checks that they go together and are in force at a time, and for two weeks more. Reads
    /// every file of a token or a secret that an exporter is to have.
    pub fn check_certificates(&self, now: SystemTime) -> CertificateProblems {
        let mut problems = CertificateProblems::default();
        for receiver in &self.receivers {
            problems.listener(&format!("receiver {}", receiver.id), receiver.tls.as_ref(), now);
        }
        for (name, listener) in [("health_check", &self.health), ("phoenix.admin", &self.admin)] {
            problems.listener(name, listener.tls.as_ref(), now);
        }
        for exporter in &self.exporters {
            let name = format!("exporter {}", exporter.id);
            problems.exporter(&name, &exporter.kind, now);
        }
        for reader in &self.own_metrics.readers {
            let name = format!("service.telemetry.metrics: the reader that sends to {}", reader.place);
            problems.exporter(&name, &reader.kind, now);
        }
        if let Some(control_plane) = &self.control_plane {
            problems.client("phoenix.control_plane", &control_plane.endpoint, now, false);
        }
        problems
    }
}

impl CertificateProblems {
    fn listener(&mut self, name: &str, tls: Option<&ServerTlsSettings>, now: SystemTime) {
        let Some(tls) = tls else { return };
        let name = format!("{name}: tls");
        if let Err(error) = ServerTls::new(tls.clone(), &[]) {
            note(&mut self.fatal, format!("{name}: {error}"));
            return;
        }
        self.times(&name, tls.identity.times(now));
        if let Some(clients) = &tls.clients {
            self.times(&name, clients.authorities.authorities_times("client_ca", now));
        }
    }

    fn exporter(&mut self, name: &str, kind: &ExporterKind, now: SystemTime) {
        let (endpoints, token) = match kind {
            ExporterKind::Otlp { endpoint, otlp } => (vec![endpoint], otlp.token.as_ref()),
            ExporterKind::OtlpHttp { targets, otlp, .. } => {
                (targets.iter().flatten().map(|target| &target.endpoint).collect(), otlp.token.as_ref())
            }
            ExporterKind::File(_) | ExporterKind::Debug | ExporterKind::Nop => (Vec::new(), None),
        };
        endpoints.into_iter().for_each(|endpoint| self.client(name, endpoint, now, true));
        if let Some(Err(why)) = token.map(TokenSource::read_files) {
            note(&mut self.fatal, format!("{name}: auth: {why}"));
        }
        if let Some(TokenSource::OAuth2(settings)) = token {
            self.client(&format!("{name}: oauth2client"), &settings.token_url.endpoint, now, true);
        }
    }

    /// `is_fatal` where the agent prepares the connection at its start.
    fn client(&mut self, name: &str, endpoint: &Endpoint, now: SystemTime, is_fatal: bool) {
        if let Some(proxy) = &endpoint.proxy {
            self.client(&format!("{name}: proxy"), &proxy.server, now, is_fatal);
        }
        let Some(tls) = &endpoint.tls else { return };
        match tls.connector(&endpoint.host, "h2") {
            Err(error) if is_fatal => note(&mut self.fatal, format!("{name}: {error}")),
            Err(error) => {
                let told = format!("{name}: {error}; what connects by it fails until that is mended");
                note(&mut self.told, told);
            }
            Ok(_) => {
                if let Some(identity) = &tls.identity {
                    self.times(name, identity.times(now));
                }
                if let Some(authorities) = &tls.authorities {
                    self.times(name, authorities.authorities_times("ca", now));
                }
            }
        }
    }

    fn times(&mut self, name: &str, found: io::Result<Vec<String>>) {
        let found = found.unwrap_or_else(|error| vec![error.to_string()]);
        found.into_iter().for_each(|said| note(&mut self.told, format!("{name}: {said}")));
    }
}

/// Adds a line that is not there yet: several endpoints may have the same files.
fn note(lines: &mut Vec<String>, line: String) {
    if !lines.contains(&line) {
        lines.push(line);
    }
}
