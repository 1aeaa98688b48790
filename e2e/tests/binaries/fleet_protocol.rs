//! Tests of what an agent, or an impostor, may tell the control plane: each refusal with its reason.

use anyhow::Result;
use e2e::control_plane::ControlPlane;
use e2e::opamp::{answer, connect, enrolled, frame};
use e2e::reporter::{Reporter, SECOND, now};
use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use proto::Findings;
use proto::opamp::{AgentToServer, RemoteConfigStatus, ServerErrorResponseType, ServerToAgent};
use proto::v1::{ReportKey, ReportRequest, ReportStatus};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio_tungstenite::tungstenite::{Error, Message};
use uuid::Uuid;

#[tokio::test]
async fn an_agent_that_is_deleted_is_shown_the_door_and_its_credential_is_worth_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let (uid, credential) = enrolled(&control_plane).await?;
    let mut open = connect(control_plane.listening.fleet, &credential).await?;
    control_plane.expect("DELETE", &format!("/api/v1/agents/{uid}"), None, 204).await?;
    let closed = tokio::time::timeout(std::time::Duration::from_secs(5), open.next()).await?;
    let Some(Ok(Message::Close(Some(frame)))) = closed else {
        anyhow::bail!("expected a close, got {closed:?}")
    };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1008, "enrolled no more"));
    let refused = connect(control_plane.listening.fleet, &credential).await.expect_err("refused");
    assert!(matches!(refused, Error::Http(answer) if answer.status() == 401));
    Ok(())
}

#[tokio::test]
async fn opamp_answers_every_message_and_refuses_what_is_none() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let (uid, credential) = enrolled(&control_plane).await?;

    let forged = format!("{}x", &credential[..credential.len() - 1]);
    for wrong in ["", "phx_nonsense", forged.as_str()] {
        let refused = connect(control_plane.listening.fleet, wrong).await.expect_err("refused");
        assert!(matches!(refused, Error::Http(answer) if answer.status() == 401), "before the upgrade");
    }

    let mut socket = connect(control_plane.listening.fleet, &credential).await?;
    let mut message =
        AgentToServer { instance_uid: uid.as_bytes().to_vec(), capabilities: 0x3807, ..Default::default() };
    socket.send(frame(&message)).await?;
    let first = answer(&mut socket).await?;
    assert_eq!(first.instance_uid, uid.as_bytes());
    assert_eq!(first.capabilities & 1, 1, "the first answer says what the server can do");
    assert_eq!(first.flags, 1, "a message that does not say what it runs is asked for everything");

    message.sequence_num = 1;
    message.remote_config_status = Some(RemoteConfigStatus::default());
    socket.send(frame(&message)).await?;
    let second = answer(&mut socket).await?;
    assert_eq!((second.flags, second.remote_config), (0, None));
    message.sequence_num = 7;
    socket.send(frame(&message)).await?;
    assert_eq!(answer(&mut socket).await?.flags, 1, "a gap is noticed");

    for bad in [b"\x00\xff\xff\xff".to_vec(), b"\x01".to_vec(), Vec::new()] {
        socket.send(Message::binary(bad)).await?;
        let refused = answer(&mut socket).await?.error_response.expect("an error");
        assert_eq!(refused.r#type(), ServerErrorResponseType::BadRequest);
    }
    message.instance_uid = Uuid::now_v7().as_bytes().to_vec();
    socket.send(frame(&message)).await?;
    let refused = answer(&mut socket).await?.error_response.expect("an error");
    assert!(refused.error_message.contains("instance_uid"), "nobody speaks for another agent");

    let _it_may_stop_reading = socket.send(Message::binary(vec![0; 5 << 20])).await;
    let code = loop {
        match socket.next().await.expect("a close") {
            Ok(Message::Close(frame)) => break frame.map(|frame| u16::from(frame.code)),
            Ok(_) => {}
            Err(error) => unreachable_close(&error),
        }
    };
    assert_eq!(code, Some(1009));

    let fleet = control_plane.listening.fleet;
    let large = vec![0; 5 << 20];
    let answer =
        e2e::http::post_as(fleet, "/v1/opamp", "application/x-protobuf", &credential, &large).await?;
    assert_eq!(answer.status, 413);
    let answer = e2e::http::post_as(fleet, "/v1/opamp", "text/plain", &credential, b"").await?;
    assert_eq!(answer.status, 415);
    let message =
        AgentToServer { instance_uid: uid.as_bytes().to_vec(), ..Default::default() }.encode_to_vec();
    let answer =
        e2e::http::post_as(fleet, "/v1/opamp", "application/x-protobuf", &credential, &message).await?;
    assert_eq!(ServerToAgent::decode(answer.body.as_slice())?.instance_uid, uid.as_bytes());
    Ok(())
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn unreachable_close(error: &Error) -> ! {
    panic!("a close frame was expected, not {error}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_counts_once_and_only_if_it_can_be_true() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let reporter = Reporter::start(&control_plane, dir.path(), json!({})).await?;
    let stranger = reporter.client().await?.report(tonic::Request::new(tokio_stream::empty())).await;
    assert_eq!(stranger.expect_err("nobody").code(), tonic::Code::Unauthenticated);

    let report = |change: fn(&mut ReportKey, &mut Findings)| reporter.report(change);
    let good = report(|_, _| ());
    let mut altered = good.clone();
    altered.body.push(0);
    let mut other = good.clone();
    other.body = Findings { made_at: 7, ..Findings::decode(&good.body, &good.digest)? }.encode().0;
    other.digest = Sha256::digest(&other.body).to_vec();
    let keyless = ReportRequest { key: None, ..good.clone() };
    let sent = [
        (good.clone(), ReportStatus::Accepted, ""),
        (good, ReportStatus::Duplicate, ""),
        (other, ReportStatus::Rejected, "another content"),
        (altered, ReportStatus::Rejected, "SHA-256"),
        (keyless, ReportStatus::Rejected, "key is missing"),
        (report(|key, _| key.generation += 1), ReportStatus::Rejected, "no such generation"),
        (
            report(|key, _| key.experiment = Uuid::nil().to_string()),
            ReportStatus::Rejected,
            "no such experiment",
        ),
        (report(|key, _| key.experiment = "x".into()), ReportStatus::Rejected, "no UUID"),
        (report(|key, _| key.boot_id = "x".repeat(40)), ReportStatus::Rejected, "boot_id"),
        (report(|_, f| f.window_end = now() + 3_600 * SECOND), ReportStatus::Rejected, "future"),
        (report(|key, f| f.window_end = key.window_start), ReportStatus::Rejected, "ends before"),
        (report(|_, f| f.horizon.seconds = f64::NAN), ReportStatus::Rejected, "seconds"),
        (report(|key, _| key.window_start = u64::MAX), ReportStatus::Rejected, "out of range"),
    ];
    let acks = reporter.send(sent.iter().map(|(request, _, _)| request.clone()).collect()).await?;
    assert_eq!(acks.len(), sent.len(), "an acknowledgement for each");
    for ((request, status, reason), ack) in sent.iter().zip(acks) {
        let ack = ack?;
        assert_eq!((ack.status(), &ack.key), (*status, &request.key), "{}", ack.reason);
        assert!(ack.reason.contains(reason), "{:?} should say {reason:?}", ack.reason);
    }
    let results = control_plane.show(&reporter.experiment, "/results").await?;
    assert_eq!(results["total"]["agents"], 1, "only one of them counts");
    let (_, metrics) = e2e::http::get(control_plane.listening.rest, "/metrics").await?;
    let rejected =
        metrics.lines().find(|line| line.starts_with("phoenix_reports_total") && line.contains("REJECTED"));
    assert!(rejected.is_some_and(|line| line.ends_with(" 11")), "each refusal is counted: {rejected:?}");
    Ok(())
}
