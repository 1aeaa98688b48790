//! The real binary and its webhooks: killed in the midst of a call, and over TLS.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;

use hyper::{Method, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::receiver::{Manner, Receiver};
use crate::grpc::soon;
use crate::process::{command, first_line};
use crate::server::{PASSWORD, send};

/// A running binary, and its address.
struct Running {
    child: Child,
    rest: std::net::SocketAddr,
}

impl Running {
    fn start(dir: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = command(dir, "127.0.0.1:0");
        command.args(["--trusted-host", "127.0.0.1"]);
        std::fs::write(dir.join("setup"), "a token of the owner's own").unwrap();
        command.arg("--setup-token-file").arg(dir.join("setup"));
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let rest = first_line(&mut child)["listening"]["rest"].as_str().unwrap().parse().unwrap();
        Self { child, rest }
    }

    async fn ask(&self, method: Method, path: &str, token: &str, body: Value) -> Value {
        let body = (!body.is_null()).then(|| body.to_string());
        let answer = send(self.rest, method, &format!("/api/v1{path}"), token, body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.body
    }

    async fn admin(&self) -> String {
        let body =
            json!({ "token": "a token of the owner's own", "email": "a@one.io", "password": PASSWORD });
        let made = send(self.rest, Method::POST, "/api/v1/auth/setup", "", Some(body.to_string())).await;
        // At the second start somebody is known.
        assert!(
            [StatusCode::CREATED, StatusCode::CONFLICT, StatusCode::NOT_FOUND, StatusCode::UNAUTHORIZED]
                .contains(&made.status),
            "{made:?}"
        );
        let login = json!({ "email": "a@one.io", "password": PASSWORD });
        let session = self.ask(Method::POST, "/auth/login", "", login).await;
        session["access_token"].as_str().unwrap().to_owned()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn what_was_being_told_when_it_was_killed_is_told_again_after_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start().await;
    receiver.answers(Manner::Hang);
    let running = Running::start(dir.path(), |_| {});
    let admin = running.admin().await;
    let hook = json!({ "name": "a", "url": receiver.url(), "events": ["tenant.freeze"] });
    running.ask(Method::POST, "/webhooks", &admin, hook).await;
    running.ask(Method::PUT, "/freeze", &admin, json!({ "reason": "r" })).await;
    let first = receiver.call().await;
    running.kill();
    receiver.answers(Manner::Status(200));
    let running = Running::start(dir.path(), |_| {});
    let again = receiver.call().await;
    assert_eq!((again.id(), &again.body), (first.id(), &first.body));
    let admin = running.admin().await;
    soon("the outcome", async {
        loop {
            let log = running.ask(Method::GET, "/webhooks/a/deliveries", &admin, Value::Null).await;
            if log["items"][0]["state"] == "delivered" {
                assert_eq!(log["items"][0]["attempts"], 2);
                return;
            }
        }
    })
    .await;
    running.kill();
}

/// A certificate for this machine, and the authority that signed it, in PEM.
fn certificate() -> (TlsAcceptor, String) {
    let (key, mut params) = (KeyPair::generate().unwrap(), CertificateParams::default());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}

#[tokio::test]
async fn a_receiver_with_a_certificate_is_told_and_one_that_nobody_vouches_for_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let ((known, authority), (unknown, _)) = (certificate(), certificate());
    let any = "127.0.0.1:0".parse().unwrap();
    let mut good = Receiver::start_at(any, Some(known)).await;
    let mut bad = Receiver::start_at(any, Some(unknown)).await;
    let file = dir.path().join("authorities.pem");
    std::fs::write(&file, authority).unwrap();
    let running = Running::start(dir.path(), |command| {
        command.env("SSL_CERT_FILE", &file).env_remove("SSL_CERT_DIR");
    });
    let admin = running.admin().await;
    for (name, at) in [("bad", bad.at), ("good", good.at)] {
        let hook = json!({ "name": name, "url": format!("https://{at}/hush"), "events": ["tenant.freeze"] });
        running.ask(Method::POST, "/webhooks", &admin, hook).await;
    }
    running.ask(Method::PUT, "/freeze", &admin, json!({ "reason": "r" })).await;
    assert_eq!(good.call().await.json()["type"], "tenant.freeze");
    let why = soon("the reason", async {
        loop {
            let log = running.ask(Method::GET, "/webhooks/bad/deliveries", &admin, Value::Null).await;
            if let Some(why) = log["items"][0]["last_error"].as_str() {
                return why.to_owned();
            }
        }
    })
    .await;
    assert!(why.starts_with("TLS cannot be spoken: ") && bad.come().is_none(), "{why}");
    running.kill();
}
