//! `phoenix freeze` and `phoenix unfreeze`: a tenant in which nothing goes forward.

use api::{Freeze, FreezeState};
use client::{Client, Method};
use serde_json::json;

use super::show::{Show, line};

/// Freeze the tenant: nothing starts, advances or is promoted until it is lifted; a rollback is possible
#[derive(clap::Args)]
pub struct Args {
    /// Reason, which is told wherever something is refused for it; without one, the freeze is shown
    #[arg(long)]
    reason: Option<String>,
}

/// Freezes the tenant, or shows its freeze.
///
/// # Errors
/// The control plane's refusals.
pub async fn freeze(args: Args, client: &Client, show: Show) -> anyhow::Result<()> {
    if let Some(reason) = args.reason {
        let answer = client.call(Method::PUT, "/freeze", Some(&json!({ "reason": reason }))).await?;
        return match show.read(&answer)? {
            Some(freeze) => line(&told(&freeze)),
            None => Ok(()),
        };
    }
    match show.read::<FreezeState>(&client.get("/freeze").await?)? {
        Some(FreezeState { frozen: Some(freeze) }) => line(&told(&freeze)),
        Some(FreezeState { frozen: None }) => line("not frozen; to freeze the tenant, give a --reason"),
        None => Ok(()),
    }
}

/// Lifts the freeze of the tenant.
///
/// # Errors
/// The control plane's refusals.
pub async fn unfreeze(client: &Client, show: Show) -> anyhow::Result<()> {
    client.call(Method::DELETE, "/freeze", None).await?;
    if show.is_for_programs() { Ok(()) } else { line("the freeze is lifted") }
}

/// A freeze in a sentence.
pub fn told(Freeze { since, by, reason }: &Freeze) -> String {
    format!("frozen by {by} since {since}: {reason}")
}
