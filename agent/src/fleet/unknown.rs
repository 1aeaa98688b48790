//! Proof that the control plane itself does not know a credential.
//!
//! Anything on the way may answer 401: a proxy, a gateway, a captive portal, a page that somebody has cached. So the
//! agent asks with a nonce, fresh each time, and believes only a problem of the control plane's own type that brings the
//! nonce back.

use bytes::Bytes;
use http::{HeaderName, Response, StatusCode};
use proto::unknown::{MEDIA_TYPE, NONCE, PROBLEM};
use serde::Deserialize;

use super::Fleet;
use super::credential::{Credential, Proof};
use super::post::{Post, post};

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
}

/// Asks whether the control plane knows `credential`; true only if it proves that it does not.
pub async fn is_unknown(fleet: &Fleet, credential: &Credential) -> bool {
    let nonce = format!("{:032x}", rand::random::<u128>());
    let request = Post {
        path: &fleet.control_plane.path,
        proof: &Proof::Credential(credential.clone()),
        media_type: MEDIA_TYPE,
        header: Some((HeaderName::from_static(NONCE), &nonce)),
        body: Bytes::new(),
    };
    match post(fleet, request).await {
        Ok(answer) => proves(&answer, &nonce),
        Err(error) => {
            tracing::debug!(%error, "cannot ask whether the credential is known");
            false
        }
    }
}

fn proves(answer: &Response<Bytes>, nonce: &str) -> bool {
    let echoed = answer.headers().get(NONCE).is_some_and(|echo| echo.as_bytes() == nonce.as_bytes());
    let problem = serde_json::from_slice::<Problem>(answer.body());
    answer.status() == StatusCode::UNAUTHORIZED && echoed && problem.is_ok_and(|is| is.kind == PROBLEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_problem_of_our_own_that_brings_the_nonce_back_proves_anything() {
        let ours = format!(r#"{{"type":"{PROBLEM}","status":401}}"#);
        let answer = |status: u16, nonce: Option<&str>, body: &str| {
            let mut answer = Response::builder().status(status);
            if let Some(nonce) = nonce {
                answer = answer.header(NONCE, nonce);
            }
            proves(&answer.body(Bytes::from(body.to_owned())).expect("an answer"), "fresh")
        };
        assert!(answer(401, Some("fresh"), &ours));
        assert!(!answer(401, Some("of yesterday"), &ours), "a cached page");
        assert!(!answer(401, None, &ours));
        assert!(!answer(200, Some("fresh"), &ours));
        assert!(!answer(401, Some("fresh"), r#"{"type":"/problems/unauthenticated"}"#));
        assert!(!answer(401, Some("fresh"), "<html>log in</html>"));
    }
}
