//! `phoenix sink`: counts what arrives over OTLP/gRPC.

use std::net::SocketAddr;
use std::sync::Arc;

use simulator::sink::{Sink, SinkOptions};

use crate::{counts_endpoint, output, stop};

/// Receive OTLP over gRPC, count it exactly, and throw it away.
///
/// Prints one line of JSON with the bound addresses, then serves until SIGINT or SIGTERM. `GET /counts` on
/// the admin address answers with all counts.
#[derive(clap::Args)]
pub struct Args {
    /// Address to receive OTLP on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:4317")]
    listen: SocketAddr,
    /// Address to serve GET /counts on
    #[arg(long, default_value = "127.0.0.1:0")]
    admin: SocketAddr,
    /// Most points to tell doubles by, 16 bytes each; past it "exact" is false; 0 for load
    #[arg(long, default_value_t = SinkOptions::default().max_keys)]
    max_keys: usize,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut stopping = stop::on_signal()?;
    let options = SinkOptions { max_keys: args.max_keys, ..SinkOptions::default() };
    let sink = Arc::new(Sink::bind_with(args.listen, options).await?);
    let counted = Arc::clone(&sink);
    let admin = counts_endpoint::serve(args.admin, move || counted.counts()).await?;
    output::say(&serde_json::json!({ "listening": { "otlp": sink.addr, "admin": admin } }))?;
    stopping.wait_for(|stop| *stop).await?;
    Ok(())
}
