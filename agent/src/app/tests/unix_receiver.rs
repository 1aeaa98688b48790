//! A receiver at a socket in the file system.

use super::harness::{ANY, Agent, config, eventually, export, load};
use super::sink::Sink;

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_listens_at_a_socket_in_the_file_system_and_leaves_nothing_behind() {
    let (sink, address) = Sink::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otlp.sock");
    // A process that was killed left its socket there.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bind"));
    let at = |path: &str| {
        let text = config(address, "");
        text.replace(
            &format!("grpc: {{ endpoint: {ANY} }}"),
            &format!("grpc: {{ endpoint: '{path}', transport: unix }}"),
        )
    };
    let shown = path.display().to_string();
    let agent = Agent::start(&load(&at(&shown))).await;
    assert_eq!(agent.listening.receivers["otlp grpc"].to_string(), shown);
    assert_eq!(agent.listening.otlp_grpc, None, "it has no address of the network");
    let to = format!("unix://{shown}\n    tls: {{ insecure: true }}");
    let sender = Agent::start(&load(&config(address, "").replace(&format!("http://{address}"), &to))).await;
    sender.client().await.export(export(3, 3)).await.expect("accepted");
    eventually("it arrives", async || sink.received() == 1).await;
    // Where another agent listens nothing is taken away.
    let error = crate::app::App::build(load(&at(&shown))).await.expect_err("it is taken").to_string();
    assert!(error.contains(&format!("cannot listen on {shown}")), "{error}");
    sender.client().await.export(export(3, 3)).await.expect("accepted");
    eventually("it arrives", async || sink.received() == 2).await;
    agent.stop().await;
    assert!(!path.exists());
}
