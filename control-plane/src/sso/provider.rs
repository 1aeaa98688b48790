//! The identity provider as it shows itself: its addresses and its keys, read at the first use and kept for a while.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, DiscoveryError,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    IdTokenFields, IssuerUrl, PkceCodeVerifier, RequestTokenError, Scope, StandardErrorResponse,
    StandardTokenResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{Settings, SsoError};
use crate::clock::UnixMillis;
use crate::outgoing::{CallError, Outgoing, Target};

/// Time for which what it shows is believed.
const FRESH: Duration = Duration::from_secs(3600);
/// Time after which it is asked again for a key that it did not show.
const AGAIN: Duration = Duration::from_secs(60);
/// The most bytes of an answer.
const LARGEST: usize = 256 << 10;

/// Claims beyond the standard ones.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extra(pub HashMap<String, Value>);

impl AdditionalClaims for Extra {}

/// Tokens that the provider gives for a code.
pub type Answer = StandardTokenResponse<
    IdTokenFields<
        Extra,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

/// Client of the provider.
pub type Client = openidconnect::Client<
    Extra,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Answer,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

#[derive(Debug)]
struct Known {
    metadata: CoreProviderMetadata,
    read: UnixMillis,
}

/// See the module.
#[derive(Debug)]
pub struct Provider {
    outgoing: Arc<Outgoing>,
    known: Mutex<Option<Known>>,
}

impl Provider {
    /// One that nobody has asked yet.
    pub fn new(outgoing: Outgoing) -> Self {
        Self { outgoing: Arc::new(outgoing), known: Mutex::new(None) }
    }

    /// Client by what the provider shows; asked anew where that is old, or where `anew` says that a key was not among it and that
    /// was not done just now.
    ///
    /// # Errors
    /// [`SsoError::Away`] if it has never shown anything.
    pub async fn client(&self, settings: &Settings, now: UnixMillis, anew: bool) -> Result<Client, SsoError> {
        // One asks, and the others wait for what it hears.
        let mut known = self.known.lock().await;
        let good_for = if anew { AGAIN } else { FRESH };
        if known.as_ref().is_none_or(|known| known.read.plus(good_for) <= now || known.read > now) {
            let read = discover(Arc::clone(&self.outgoing), settings.issuer.clone()).await;
            match (read, known.as_mut()) {
                (Ok(metadata), _) => *known = Some(Known { metadata, read: now }),
                (Err(error), None) => return Err(error),
                // What it showed before is as good as it was; it is not asked again at once.
                (Err(error), Some(known)) => {
                    tracing::warn!(%error, "what the identity provider showed before goes on");
                    known.read = now;
                }
            }
        }
        let Some(Known { metadata, .. }) = known.as_ref() else { return Err(SsoError::Flow) };
        let secret = settings.client_secret.clone().map(ClientSecret::new);
        let id = ClientId::new(settings.client_id.clone());
        Ok(Client::from_provider_metadata(metadata.clone(), id, secret))
    }

    /// Tells whether it knows a scope.
    pub async fn knows(&self, scope: &Scope) -> bool {
        let known = self.known.lock().await;
        let all = known.as_ref().and_then(|known| known.metadata.scopes_supported());
        all.is_some_and(|all| all.contains(scope))
    }

    /// Exchanges a code for tokens.
    ///
    /// # Errors
    /// [`SsoError`].
    pub async fn exchange(&self, client: Client, code: String, verifier: String) -> Result<Answer, SsoError> {
        exchange(Arc::clone(&self.outgoing), client, code, verifier).await
    }
}

/// A future that is sent between threads whatever is in it: the crate's own have lifetimes that the compiler does not see
/// through.
type Sent<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn discover(outgoing: Arc<Outgoing>, issuer: String) -> Sent<Result<CoreProviderMetadata, SsoError>> {
    Box::pin(async move {
        let issuer = IssuerUrl::new(issuer).map_err(|error| SsoError::Away(error.to_string()))?;
        let caller = Caller(outgoing);
        CoreProviderMetadata::discover_async(issuer, &caller).await.map_err(|error| match error {
            DiscoveryError::Request(error) => SsoError::Away(error.to_string()),
            other => SsoError::Away(other.to_string()),
        })
    })
}

fn exchange(
    outgoing: Arc<Outgoing>,
    client: Client,
    code: String,
    verifier: String,
) -> Sent<Result<Answer, SsoError>> {
    Box::pin(async move {
        let request = client.exchange_code(AuthorizationCode::new(code));
        let request = request.map_err(|_| SsoError::Answer("it has no address for tokens".to_owned()))?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier));
        let caller = Caller(outgoing);
        request.request_async(&caller).await.map_err(|error| match error {
            RequestTokenError::Request(error) => SsoError::Away(error.to_string()),
            RequestTokenError::ServerResponse(_) => SsoError::Answer("it refuses the code".to_owned()),
            // What was parsed is not told: there are tokens in it.
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                SsoError::Answer("it is no answer with tokens".to_owned())
            }
        })
    })
}

/// Caller of the provider.
struct Caller(Arc<Outgoing>);

impl<'c> AsyncHttpClient<'c> for Caller {
    type Error = CallError;
    type Future = Sent<Result<HttpResponse, CallError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        let outgoing = Arc::clone(&self.0);
        Box::pin(async move {
            let target = Target::parse(&request.uri().to_string(), &outgoing.rules)?;
            outgoing.call(&target, request, LARGEST).await
        })
    }
}
