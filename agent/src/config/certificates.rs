//! Certificates and keys that a config names: whether they can be used, before anything connects.

use std::time::SystemTime;

use gate::{ServerTls, ServerTlsSettings};

use super::Settings;
use crate::deliver::ExporterKind;
use crate::net::Endpoint;

/// Mistakes in certificates, for a person.
#[derive(Debug, Default)]
pub struct CertificateProblems {
    /// Reasons for which the agent does not start.
    pub fatal: Vec<String>,
    /// Reasons for which it starts, and connections fail.
    pub told: Vec<String>,
}

impl Settings {
    /// Reads every certificate and key, and checks that they go together and are in force at a time.
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
            match &exporter.kind {
                ExporterKind::Otlp { endpoint, .. } => problems.client(&name, endpoint, now, true),
                ExporterKind::OtlpHttp { targets, .. } => {
                    for target in targets.iter().flatten() {
                        problems.client(&name, &target.endpoint, now, true);
                    }
                }
                ExporterKind::File(_) | ExporterKind::Debug | ExporterKind::Nop => {}
            }
        }
        if let Some(control_plane) = &self.control_plane {
            problems.client("phoenix.control_plane", &control_plane.endpoint, now, false);
        }
        problems.fatal.dedup();
        problems.told.dedup();
        problems
    }
}

impl CertificateProblems {
    fn listener(&mut self, name: &str, tls: Option<&ServerTlsSettings>, now: SystemTime) {
        let Some(tls) = tls else { return };
        if let Err(error) = ServerTls::new(tls.clone(), &[]) {
            self.fatal.push(format!("{name}: tls: {error}"));
        } else if let Err(error) = tls.identity.in_force(now) {
            self.told.push(format!("{name}: tls: {error}"));
        }
    }

    /// `is_fatal` where the agent prepares the connection at its start.
    fn client(&mut self, name: &str, endpoint: &Endpoint, now: SystemTime, is_fatal: bool) {
        let Some(tls) = &endpoint.tls else { return };
        if let Err(error) = tls.connector(&endpoint.host, "h2") {
            let to = if is_fatal { &mut self.fatal } else { &mut self.told };
            to.push(format!("{name}: {error}"));
        } else if let Some(Err(error)) = tls.identity.as_ref().map(|identity| identity.in_force(now)) {
            self.told.push(format!("{name}: {error}"));
        }
    }
}
