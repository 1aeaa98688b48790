//! Windows as they must not come, on the real stream: each is an error or a counted refusal, and no figure is wrong.

use std::time::Duration;

use anyhow::Result;
use e2e::control_plane::ControlPlane;
use e2e::eventually;
use e2e::reporter::{Reporter, SECOND, now};
use prost::Message as _;
use proto::v1::{self, ReportRequest, ReportStatus};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A horizon of ten seconds that began so long before the reporter did and took so many points in; since the beginning,
/// so many.
fn horizon(reporter: &Reporter, seconds_before: u64, points: [u64; 2], boot: &str) -> ReportRequest {
    reporter.report(|key, findings| {
        key.window_start = reporter.began - seconds_before * SECOND;
        boot.clone_into(&mut key.boot_id);
        findings.window_end = key.window_start + 10 * SECOND;
        findings.made_at = findings.window_end;
        findings.horizon.input.points = points[0];
        findings.total.input.points = points[1];
    })
}

/// Report with the same key and other content on the wire, under its own digest.
fn altered(report: &ReportRequest, change: impl FnOnce(&mut v1::Findings)) -> Result<ReportRequest> {
    let mut findings = v1::Findings::decode(report.body.as_slice())?;
    change(&mut findings);
    let body = findings.encode_to_vec();
    Ok(ReportRequest { digest: Sha256::digest(&body).to_vec(), body, ..report.clone() })
}

async fn rejected(control_plane: &ControlPlane, reason: &str) -> Result<u64> {
    let (_, metrics) = e2e::http::get(control_plane.listening.rest, "/metrics").await?;
    let label = format!("phoenix_reports_rejected_total{{reason=\"{reason}\"}} ");
    let count = metrics.lines().find_map(|line| line.strip_prefix(label.as_str()));
    Ok(count.map(str::parse).transpose()?.unwrap_or(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_out_of_order_twice_overlapping_and_of_the_future_change_no_figure() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let never = json!({ "min_horizons": 1000 });
    let reporter = Reporter::start(&control_plane, dir.path(), never).await?;
    let boots = ["0193a0c0-0000-7000-8000-00000000000a", "0193a0c0-0000-7000-8000-00000000000b"];
    let late = horizon(&reporter, 30, [20, 33], boots[0]);
    let early = horizon(&reporter, 50, [10, 13], boots[0]);
    let future = reporter.report(|key, findings| {
        key.window_start = now() + 3_600 * SECOND;
        findings.window_end = key.window_start + 10 * SECOND;
    });
    let sent = [
        (&late, ReportStatus::Accepted, ""),
        (&early, ReportStatus::Accepted, ""),
        (&late, ReportStatus::Duplicate, ""),
        (&early, ReportStatus::Duplicate, ""),
        (&horizon(&reporter, 45, [70, 70], boots[0]), ReportStatus::Rejected, "a part of this stretch"),
        (&horizon(&reporter, 55, [70, 70], boots[0]), ReportStatus::Rejected, "a part of this stretch"),
        // Of another process, after a restart within a window or with a clock that was set back.
        (&horizon(&reporter, 55, [12, 12], boots[1]), ReportStatus::Accepted, ""),
        (&future, ReportStatus::Rejected, "future"),
        (&altered(&late, |f| f.made_at += 1)?, ReportStatus::Rejected, "another content"),
        // One that begins where another ends is its successor.
        (&horizon(&reporter, 40, [15, 28], boots[0]), ReportStatus::Accepted, ""),
    ];
    let acks = reporter.send(sent.iter().map(|(report, ..)| (*report).clone()).collect()).await?;
    assert_eq!(acks.len(), sent.len());
    for ((_, status, reason), ack) in sent.iter().zip(acks) {
        let ack = ack?;
        assert!(ack.status() == *status && ack.reason.contains(reason), "{status:?} {reason:?}: {ack:?}");
    }
    let status = control_plane.show(&reporter.experiment, "/status").await?;
    assert_eq!(status["agents"][0]["horizons"], 4, "{status:#}");
    assert_eq!(status["horizon"]["points_in"], 20, "the latest window, whenever it came");
    let results = control_plane.show(&reporter.experiment, "/results").await?;
    // What both processes of the agent measured, each once.
    assert_eq!(results["total"]["points_in"], 33 + 12);

    // Two processes tell of windows that begin together: the agent is one all the same, as the later one saw it.
    let acks = reporter.send(vec![horizon(&reporter, 30, [21, 34], boots[1])]).await?;
    assert!(acks.iter().all(|ack| ack.as_ref().is_ok_and(|ack| ack.status() == ReportStatus::Accepted)));
    let results = control_plane.show(&reporter.experiment, "/results").await?;
    assert_eq!((&results["total"]["agents"], &results["total"]["points_in"]), (&json!(1), &json!(33 + 34)));
    for (reason, count) in [("overlap", 2), ("time", 1), ("content", 1)] {
        assert_eq!(rejected(&control_plane, reason).await?, count, "{reason}");
    }
    Ok(())
}

/// The verdict of the experiment once it says this of its basis.
async fn until_said(control_plane: &ControlPlane, reporter: &Reporter, words: &str) -> Value {
    eventually(words, Duration::from_secs(30), || async {
        let status = control_plane.show(&reporter.experiment, "/status").await.ok()?;
        status["verdict"]["basis"]["sentences"].to_string().contains(words).then_some(status)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_whose_clock_is_off_is_evidence_in_our_time_and_named() -> Result<()> {
    for (off, boot) in [(-7_200, 'a'), (7_200, 'b')] {
        let dir = tempfile::tempdir()?;
        let control_plane = ControlPlane::start(dir.path()).await?;
        let never = json!({ "min_horizons": 1000 });
        let reporter = Reporter::start(&control_plane, dir.path(), never).await?;
        let shifted = |time: u64| time.checked_add_signed(off * SECOND.cast_signed()).unwrap_or_default();
        let report = reporter.report(|key, findings| {
            key.boot_id = format!("0193a0c0-0000-7000-8000-00000000000{boot}");
            key.window_start = shifted(key.window_start);
            findings.window_end = shifted(findings.window_end);
            findings.made_at = findings.window_end;
            findings.horizon.input.points = 20;
            findings.total.input.points = 20;
        });
        let sent = ReportRequest { sent_at: shifted(now()), ..report };
        let ack = reporter.send(vec![sent]).await?.remove(0)?;
        assert_eq!(ack.status(), ReportStatus::Accepted, "{ack:?}");
        let status = until_said(&control_plane, &reporter, "Clock more than a window off").await;
        let basis = &status["verdict"]["basis"];
        assert_eq!((&basis["skewed"], &basis["counted"]), (&json!(["node"]), &json!(["node"])), "{basis:#}");
        let from = basis["from"].as_str().unwrap_or_default();
        let from = humantime::parse_rfc3339(from)?.duration_since(std::time::UNIX_EPOCH)?;
        assert!(from.as_nanos().abs_diff(reporter.began.into()) < 60 * u128::from(SECOND), "{basis:#}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_reports_are_named_with_their_cause_and_are_no_silence() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let reporter = Reporter::start(&control_plane, dir.path(), json!({ "min_horizons": 1 })).await?;
    let future = |seconds: u64| {
        reporter.report(|key, findings| {
            key.window_start = now() + seconds * SECOND;
            findings.window_end = key.window_start + 10 * SECOND;
        })
    };
    let damaged = ReportRequest { digest: vec![0; 32], ..reporter.report(|_, _| {}) };
    for ack in reporter.send(vec![future(3_600), future(7_200), damaged]).await? {
        assert_eq!(ack?.status(), ReportStatus::Rejected);
    }
    let status = until_said(&control_plane, &reporter, "node (3 reports:").await;
    let verdict = &status["verdict"];
    assert_eq!(verdict["reasons"][0]["quantity"], "refused_reports", "{verdict:#}");
    let said = verdict["reasons"][0].to_string();
    assert!(said.contains("reports of node are refused") && said.contains("lies in the future"), "{said}");
    assert_eq!(verdict["verb"], "hold");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_of_an_old_generation_belongs_to_its_own_step_and_moves_no_other() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let reporter = Reporter::start(&control_plane, dir.path(), json!({ "min_horizons": 1 })).await?;
    let boot = "0193a0c0-0000-7000-8000-00000000000a";
    let accepted = |acks: Vec<Result<v1::ReportAck, tonic::Status>>| {
        acks.into_iter().all(|ack| ack.is_ok_and(|ack| ack.status() == ReportStatus::Accepted))
    };
    assert!(accepted(reporter.send(vec![horizon(&reporter, 60, [10, 10], boot)]).await?));
    let in_step = |step: &'static str| {
        let (control_plane, id) = (&control_plane, &reporter.experiment);
        eventually("the next step", Duration::from_secs(30), move || async move {
            let status = control_plane.show(id, "/status").await.ok()?;
            (status["step"] == step && status["agents"][0]["applied"] == true).then_some(status)
        })
    };
    in_step("50 %").await;

    // Of the step before, and late: it is kept where it belongs.
    assert!(accepted(reporter.send(vec![horizon(&reporter, 40, [20, 30], boot)]).await?));
    let status = control_plane.show(&reporter.experiment, "/status").await?;
    assert_eq!(
        (&status["step"], &status["agents"][0]["horizons"]),
        (&json!("50 %"), &json!(0)),
        "{status:#}"
    );
    assert_eq!(status["horizon"], json!(null), "nothing is shown of a step that nothing was told of");

    // One of a generation that never was, and one of the next step before it was offered.
    let mut never = horizon(&reporter, 20, [5, 5], boot);
    for generation in [0, reporter.generation + 7] {
        never.key.as_mut().expect("a key").generation = generation;
        let acks = reporter.send(vec![never.clone()]).await?;
        let ack = acks[0].as_ref().expect("an acknowledgement");
        assert!(
            ack.status() == ReportStatus::Rejected && ack.reason.contains("no such generation"),
            "{ack:?}"
        );
    }
    assert_eq!(rejected(&control_plane, "generation").await?, 2);
    never.key.as_mut().expect("a key").generation = reporter.agent.generation().await?;
    assert!(accepted(reporter.send(vec![never]).await?));
    in_step("100 %").await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_agent_counts_is_refused_by_its_reason_and_what_is_no_message_ends_the_stream() -> Result<()>
{
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let never = json!({ "min_horizons": 1000 });
    let reporter = Reporter::start(&control_plane, dir.path(), never).await?;
    let good = reporter.report(|_, _| ());
    let negative = altered(&good, |found| {
        let input = found.horizon.get_or_insert_default().input.get_or_insert_default();
        input.points = (-1_i64).cast_unsigned();
    })?;
    let nan = altered(&good, |found| found.total.get_or_insert_default().seconds = f64::NAN)?;
    let groups = altered(&good, |found| {
        let lens = v1::LensReport { worst: vec![v1::LensError::default(); 10_000], ..Default::default() };
        found.horizon.get_or_insert_default().lenses = vec![lens];
    })?;
    let cut = ReportRequest { body: good.body[..good.body.len() / 2].to_vec(), ..good.clone() };
    let sent = [(negative, "2^53"), (nan, "seconds"), (groups, "at most 256 rows"), (cut, "SHA-256")];
    let acks = reporter.send(sent.iter().map(|(report, _)| report.clone()).collect()).await?;
    assert_eq!(acks.len(), sent.len());
    for ((_, reason), ack) in sent.iter().zip(acks) {
        let ack = ack?;
        assert!(ack.status() == ReportStatus::Rejected && ack.reason.contains(reason), "{reason}: {ack:?}");
    }
    for reason in ["count", "value", "size", "digest"] {
        assert_eq!(rejected(&control_plane, reason).await?, 1, "{reason}");
    }
    // Ten million groups are more than a message may have.
    let huge = ReportRequest { body: vec![0x2a; 20_000_000], ..good.clone() };
    let ended = reporter.send(vec![huge]).await?;
    let status = ended.last().and_then(|last| last.as_ref().err()).expect("the stream ends with an error");
    assert_eq!(status.code(), tonic::Code::OutOfRange, "{status:?}");
    assert_eq!(rejected(&control_plane, "encoding").await?, 1);
    let results = control_plane.show(&reporter.experiment, "/results").await?;
    assert_eq!(results["agents"], json!([]), "none of it is evidence");
    let acks = reporter.send(vec![good]).await?;
    assert!(
        acks[0].as_ref().is_ok_and(|ack| ack.status() == ReportStatus::Accepted),
        "the next one is taken"
    );
    Ok(())
}
