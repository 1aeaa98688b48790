//! Tests of when a sender is answered, and of what a death in between leaves behind.

use super::harness::{Agent, eventually, export, settings};
use super::sink::{Script, Sink};
use crate::engine::AcknowledgeMode;

#[tokio::test(flavor = "multi_thread")]
async fn on_delivery_tells_the_sender_what_the_destination_said() {
    let (sink, address) = Sink::start().await;
    let mut settings = settings(address);
    settings.acknowledge = (AcknowledgeMode::OnDelivery, "asked for".into());
    let agent = Agent::start(&settings).await;
    let mut client = agent.client().await;
    client.export(export(1, 4)).await.expect("delivered");
    assert_eq!(sink.received(), 1, "answered after delivery, not before");
    sink.script([Script::Reject(3)]);
    let response = client.export(export(1, 4)).await.expect("delivered in part").into_inner();
    assert_eq!(response.partial_success.expect("partial").rejected_data_points, 3);
    sink.script([Script::Fail(tonic::Status::permission_denied("no"))]);
    let refused = client.export(export(1, 4)).await.expect_err("not delivered");
    assert_eq!(refused.code(), tonic::Code::Internal, "not retryable: its state has advanced");
    assert_eq!(agent.health().await["acknowledge"], "on_delivery");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_delivery_answers_before_the_senders_deadline_and_goes_on_delivering() {
    let (sink, address) = Sink::start().await;
    let mut settings = settings(address);
    settings.acknowledge = (AcknowledgeMode::OnDelivery, "asked for".into());
    super::harness::otlp(&mut settings).timeout = std::time::Duration::from_millis(700);
    let agent = Agent::start(&settings).await;
    sink.script([Script::Hang]);
    let mut request = tonic::Request::new(export(1, 4));
    request.set_timeout(std::time::Duration::from_millis(500));
    let refused = agent.client().await.export(request).await.expect_err("late");
    assert_eq!(refused.code(), tonic::Code::Internal);
    eventually("it is delivered all the same", async || sink.received() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_leaves_exactly_what_it_acknowledged_and_never_delivered() {
    let (sink, address) = Sink::start().await;
    let dir = tempfile::tempdir().expect("dir");
    let copy = tempfile::tempdir().expect("dir");
    let mut settings = settings(address);
    settings.data_dir = Some(dir.path().to_owned());
    let agent = Agent::start(&settings).await;
    let mut client = agent.client().await;
    client.export(export(1, 10)).await.expect("accepted");
    eventually("the first is settled", async || agent.shared.delivery_ledger.totals().owed() == 0).await;
    sink.script([Script::Hang]);
    client.export(export(1, 32)).await.expect("acknowledged");
    // What the disk says at this moment is what a kill would leave.
    std::fs::copy(dir.path().join("account"), copy.path().join("account")).expect("copy");
    settings.data_dir = Some(copy.path().to_owned());
    let next = Agent::start(&settings).await;
    assert_eq!(next.health().await["points"]["lost_to_the_last_crash"], 32);
    assert_eq!(next.metric(r#"phoenix_points_lost_total{reason="crash"}"#).await, Some(32.0));
}
