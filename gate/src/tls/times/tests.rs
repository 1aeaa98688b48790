use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

/// Years in which a certificate is in force.
type Years = [i32; 2];

const NOW: Years = [2000, 2200];

/// Somebody who signs.
struct Signer {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str, [from, until]: Years) -> CertificateParams {
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(from, 1, 1), rcgen::date_time_ymd(until, 1, 1));
    params
}

fn signer(name: &str, years: Years, above: Option<&Signer>) -> Signer {
    let key = KeyPair::generate().expect("a key");
    let mut params = params(name, years);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let signed = match above {
        None => params.self_signed(&key),
        Some(above) => params.signed_by(&key, &above.issuer),
    };
    Signer { pem: signed.expect("a certificate").pem(), issuer: Issuer::new(params, key) }
}

/// A server's certificate, one above it, and the root's.
fn chain(own: Years, above: Years, root: Years) -> (TlsIdentity, Pem) {
    let root = signer("root", root, None);
    let above = signer("above", above, Some(&root));
    let key = KeyPair::generate().expect("a key");
    let own = params("own", own).signed_by(&key, &above.issuer).expect("a certificate").pem();
    let identity = TlsIdentity { cert: Pem::Text(own + &above.pem), key: Pem::Text(key.serialize_pem()) };
    (identity, Pem::Text(root.pem))
}

fn at(year: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_557_600 + 86_400)
}

/// Tells whether a client that trusts `root` connects to a server with `identity`.
async fn connects((identity, root): &(TlsIdentity, Pem)) -> bool {
    let provider = || Arc::new(ring::default_provider());
    let (chain, key) = identity.read().expect("an identity");
    let server = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let server =
        server.expect("versions").with_no_client_auth().with_single_cert(chain, key).expect("a server");
    let mut roots = RootCertStore::empty();
    root.add_to(&mut roots, "ca").expect("a root");
    let client = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let client = client.expect("versions").with_root_certificates(roots).with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let accepted = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        TlsAcceptor::from(Arc::new(server)).accept(stream).await.is_ok()
    });
    let stream = TcpStream::connect(address).await.expect("connected");
    let name = ServerName::try_from("localhost").expect("a name");
    let connected = TlsConnector::from(Arc::new(client)).connect(name, stream).await.is_ok();
    assert_eq!(accepted.await.expect("no panic"), connected, "both ends say the same");
    connected
}

#[tokio::test]
async fn what_is_said_of_each_place_of_a_chain_is_what_connections_meet() {
    let good = chain(NOW, NOW, NOW);
    assert!(connects(&good).await);
    assert!(good.0.times(at(2026)).expect("read").is_empty());
    assert!(good.1.authorities_times("ca", at(2026)).expect("read").is_empty());

    let ended = [1990, 2010];
    for (years, later) in [(ended, false), ([2150, 2200], true)] {
        let when = if later { "begins at Jan  1 00:00:00 2150" } else { "ended at Jan  1 00:00:00 2010" };
        for (found, first) in [
            (chain(years, NOW, NOW), "cert_pem: certificate 1 of 2 (CN=own) "),
            (chain(NOW, years, NOW), "cert_pem: certificate 2 of 2 (CN=above) "),
        ] {
            let said = found.0.times(at(2026)).expect("read");
            assert!(said.len() == 1 && said[0].starts_with(&format!("{first}{when}")), "{said:?}");
            assert!(said[0].contains("who checks this chain refuses the connection"), "{said:?}");
            assert!(!connects(&found).await, "{said:?}");
        }
        let root = chain(NOW, NOW, years);
        let said = root.1.authorities_times("ca", at(2026)).expect("read");
        assert!(
            said.len() == 1 && said[0].starts_with(&format!("ca_pem: the certificate (CN=root) {when}")),
            "{said:?}"
        );
        assert!(said[0].contains("is not checked here, so that what it has signed is trusted"), "{said:?}");
        assert!(connects(&root).await, "{said:?}");
    }
}

#[test]
fn the_last_two_weeks_are_told_of_each_kind() {
    let found = chain(NOW, NOW, NOW);
    let end = UNIX_EPOCH + Duration::from_secs(7_258_118_400);
    let day = Duration::from_secs(86_400);
    let both = |at| {
        let own = found.0.times(at).expect("read");
        [own, found.1.authorities_times("ca", at).expect("read")].concat()
    };
    assert!(both(end - 14 * day).is_empty());
    let said = both(end - 13 * day);
    assert_eq!(said.len(), 3, "{said:?}");
    for said in &said {
        assert!(
            said.contains("ends at Jan  1 00:00:00 2200") && said.contains("in less than 14 days"),
            "{said}"
        );
    }
    assert!(both(end).iter().all(|said| said.contains("ends at")), "in force in its last second");
    assert!(both(end + Duration::from_secs(1)).iter().all(|said| said.contains("ended at")));
}

#[test]
fn of_a_file_with_many_that_have_ended_a_few_are_named_and_all_are_counted() {
    let many: String = (0..8).map(|at| signer(&format!("root\n{at}"), [1990, 2010], None).pem).collect();
    let said = Pem::Text(many).authorities_times("ca", at(2026)).expect("read");
    assert_eq!(said.len(), 6, "{said:?}");
    assert!(said[4].starts_with("ca_pem: certificate 5 of 8 (CN=root 4) ended at"), "{said:?}");
    assert_eq!(said[5], "ca_pem: of 3 more of its certificates the like is to be said");
    let none = Pem::Text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned());
    let said = none.authorities_times("ca", at(2026)).expect("read");
    assert!(said.len() == 1 && said[0].contains("nobody knows when it ends"), "{said:?}");
}
