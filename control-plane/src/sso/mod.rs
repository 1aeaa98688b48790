//! Single sign-on: people come in by an identity provider of their own (OpenID Connect Core 1.0, by the crate `openidconnect`).
//!
//! What always holds: an ID token counts only with the nonce, the issuer and the audience of the flow that asked for it, signed by
//! a key that the provider shows, with an algorithm of public keys; what a flow remembers goes sealed to whoever began it, so that
//! nobody else can end it, and nothing is kept here for those who never do.

mod provider;

use std::time::Duration;

use chrono::{DateTime, Utc};
use openidconnect::core::{CoreAuthenticationFlow, CoreJwsSigningAlgorithm as Algorithm};
use openidconnect::{
    ClaimsVerificationError, CsrfToken, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    SignatureVerificationError,
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use url::{Host, Url};

use crate::clock::{Entropy, UnixMillis};
use crate::outgoing::{NotATarget, Outgoing, Rules, Target};
use crate::role::Role;
use crate::seal::Seal;
use provider::{Client, Extra, Provider};

/// Time within which a flow has to end.
const PATIENCE: Duration = Duration::from_secs(600);
/// Time by which clocks may differ.
const SKEW: Duration = Duration::from_secs(60);
/// The most characters of what a flow is ended with.
const LONGEST: usize = 8 << 10;
/// Subject of the seals.
const ABOUT: &str = "sso";
/// Algorithms of ID tokens: those of public keys.
const ALGORITHMS: [Algorithm; 8] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::RsaSsaPkcs1V15Sha384,
    Algorithm::RsaSsaPkcs1V15Sha512,
    Algorithm::RsaSsaPssSha256,
    Algorithm::RsaSsaPssSha384,
    Algorithm::RsaSsaPssSha512,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EcdsaP384Sha384,
];

/// Settings of the identity provider.
#[derive(Clone)]
pub struct Settings {
    /// Its issuer, an address.
    pub issuer: String,
    /// Name of this control plane there.
    pub client_id: String,
    /// Secret of this control plane there; none of a public client.
    pub client_secret: Option<String>,
    /// Name of the tenant that people come into; the first one without it.
    pub tenant: Option<String>,
    /// Claim with the groups.
    pub claim: String,
    /// Roles of groups.
    pub roles: Vec<GroupRole>,
    /// Time from a login to the next.
    pub session: Duration,
}

/// Without what is secret.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Role of a group of the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRole {
    /// The group, as the claim has it.
    pub group: String,
    /// Role of its people.
    pub role: Role,
}

/// Reason for which a text is no role of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected GROUP=ROLE with the role viewer, operator or admin, such as telemetry=operator")]
pub struct NotAGroupRole;

impl std::str::FromStr for GroupRole {
    type Err = NotAGroupRole;

    fn from_str(text: &str) -> Result<Self, NotAGroupRole> {
        // A group may be called by its distinguished name, which has signs of equality in it.
        let (group, role) = text.rsplit_once('=').ok_or(NotAGroupRole)?;
        let role = role.parse().map_err(|_| NotAGroupRole)?;
        if group.is_empty() { Err(NotAGroupRole) } else { Ok(Self { group: group.to_owned(), role }) }
    }
}

/// Reason for which nobody comes in by the provider.
#[derive(Debug, thiserror::Error)]
pub enum SsoError {
    /// An address to come back to that is not on the person's own machine.
    #[error("it is not of this form")]
    Redirect,
    /// The provider cannot be asked.
    #[error("the identity provider cannot be asked: {0}")]
    Away(String),
    /// A flow that is none, or over, or another one's.
    #[error("the login is none that was begun here less than ten minutes ago; begin anew")]
    Flow,
    /// The provider's answer does not count.
    #[error("the identity provider's answer does not count: {0}")]
    Answer(String),
}

/// A flow that was begun.
pub struct Begun {
    /// Address for the person's browser.
    pub authorization_url: String,
    /// The flow, sealed.
    pub flow: String,
}

/// Memory of a flow.
#[derive(Serialize, Deserialize)]
struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    redirect_uri: String,
    until: UnixMillis,
}

/// Parts with which a flow is ended.
pub struct Ending<'a> {
    /// The flow, sealed.
    pub flow: &'a str,
    /// The state that came back.
    pub state: &'a str,
    /// The code that came back.
    pub code: String,
}

/// Identity that the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Issuer, and name of the person there, which is never given to another.
    pub subject: String,
    /// Their address, in lower case.
    pub email: String,
    /// True if the provider has verified the address.
    pub verified: bool,
    /// The highest role of their groups.
    pub role: Option<Role>,
}

/// The identity provider.
#[derive(Debug)]
pub struct Sso {
    /// Its settings.
    pub settings: Settings,
    provider: Provider,
}

impl Sso {
    /// A provider that nobody has asked yet. Its issuer may be at a private host, because whoever runs the control plane named it.
    ///
    /// # Errors
    /// An issuer that is no address.
    pub fn new(settings: Settings, rules: &Rules) -> Result<Self, NotATarget> {
        let mut rules = Rules { plain: false, trusted: rules.trusted.clone() };
        rules.trusted.push(Target::host_of(&settings.issuer)?);
        Target::parse(&settings.issuer, &rules)?;
        Ok(Self { provider: Provider::new(Outgoing::new(rules)), settings })
    }

    /// Begins a flow of somebody who listens at `redirect_uri` on their own machine.
    ///
    /// # Errors
    /// [`SsoError`].
    pub async fn begin(
        &self,
        (seal, entropy): (&Seal, &Entropy),
        redirect_uri: &str,
        now: UnixMillis,
    ) -> Result<Begun, SsoError> {
        let redirect = loopback(redirect_uri)?;
        let client = self.client(now, false).await?.set_redirect_uri(redirect);
        let chance = || hex::encode(entropy.bytes::<32>());
        let (state, nonce) = (chance(), chance());
        let verifier = PkceCodeVerifier::new(chance());
        let (said_state, said_nonce) = (CsrfToken::new(state.clone()), Nonce::new(nonce.clone()));
        let request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            move || said_state,
            move || said_nonce,
        );
        let request = request.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        let [email, profile, groups] =
            ["email", "profile", "groups"].map(|scope| Scope::new(scope.to_owned()));
        let request = request.add_scope(email).add_scope(profile);
        let request = if self.provider.knows(&groups).await { request.add_scope(groups) } else { request };
        let (url, ..) = request.url();
        let flow = Flow {
            state,
            nonce,
            verifier: verifier.into_secret(),
            redirect_uri: redirect_uri.to_owned(),
            until: now.plus(PATIENCE),
        };
        let flow = serde_json::to_string(&flow).map_err(|_| SsoError::Flow)?;
        let flow = seal.seal(entropy, ABOUT, &flow).map_err(|_| SsoError::Flow)?;
        Ok(Begun { authorization_url: url.into(), flow })
    }

    /// Ends a flow: exchanges the code, and verifies who the provider says it is.
    ///
    /// # Errors
    /// [`SsoError`].
    pub async fn finish(
        &self,
        seal: &Seal,
        ending: Ending<'_>,
        now: UnixMillis,
    ) -> Result<Identity, SsoError> {
        let Ending { flow, state, code } = ending;
        if flow.len() > LONGEST || state.len() > LONGEST || code.len() > LONGEST {
            return Err(SsoError::Flow);
        }
        let flow = seal.open(ABOUT, flow).ok_or(SsoError::Flow)?;
        let flow: Flow = serde_json::from_str(&flow).map_err(|_| SsoError::Flow)?;
        let same: bool = flow.state.as_bytes().ct_eq(state.as_bytes()).into();
        if !same || now >= flow.until {
            return Err(SsoError::Flow);
        }
        let client = self.client(now, false).await?.set_redirect_uri(loopback(&flow.redirect_uri)?);
        let tokens = self.provider.exchange(client, code, flow.verifier).await?;
        let token = tokens.extra_fields().id_token();
        let token = token.ok_or_else(|| SsoError::Answer("it has no ID token".to_owned()))?;
        let nonce = Nonce::new(flow.nonce);
        let verified = |client: &Client| {
            let (now, latest) = (time(now), time(now.plus(SKEW)));
            let verifier = client
                .id_token_verifier()
                .set_allowed_algs(ALGORITHMS)
                .set_time_fn(move || now)
                .set_issue_time_verifier_fn(move |at| {
                    if at > latest { Err("it is of the future".to_owned()) } else { Ok(()) }
                });
            token.claims(&verifier, &nonce).cloned()
        };
        let mut claims = verified(&self.client(now, false).await?);
        if matches!(
            claims,
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey))
        ) {
            // The provider may have begun to sign with another key.
            claims = verified(&self.client(now, true).await?);
        }
        let claims = claims.map_err(|error| SsoError::Answer(error.to_string()))?;
        let email = claims.email().map(|email| email.as_str().to_lowercase());
        let email =
            email.ok_or_else(|| SsoError::Answer("it has no e-mail address (claim email)".to_owned()))?;
        Ok(Identity {
            subject: format!("{} {}", self.settings.issuer, claims.subject().as_str()),
            email,
            verified: claims.email_verified().unwrap_or(false),
            role: self.role(claims.additional_claims()),
        })
    }

    /// The highest role of the groups in a token.
    fn role(&self, claims: &Extra) -> Option<Role> {
        let groups = claims.0.get(&self.settings.claim)?;
        let one = std::slice::from_ref(groups);
        let groups = groups.as_array().map_or(one, Vec::as_slice);
        let is_in = |of: &&GroupRole| groups.iter().any(|group| group.as_str() == Some(of.group.as_str()));
        self.settings.roles.iter().filter(is_in).map(|of| of.role).max()
    }

    async fn client(&self, now: UnixMillis, anew: bool) -> Result<Client, SsoError> {
        self.provider.client(&self.settings, now, anew).await
    }
}

/// A time as the crate has it.
fn time(at: UnixMillis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// An address on the person's own machine, as RFC 8252 §7.3 has it.
fn loopback(text: &str) -> Result<RedirectUrl, SsoError> {
    let url: Url = text.parse().map_err(|_| SsoError::Redirect)?;
    let own = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if url.scheme() != "http" || !own || !plain || text.len() > 256 {
        return Err(SsoError::Redirect);
    }
    RedirectUrl::new(text.to_owned()).map_err(|_| SsoError::Redirect)
}
