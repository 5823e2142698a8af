//! `heirloom serve`: answers requests until it is asked to stop.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use heirloom::config::Config;
use heirloom::http::connections::Patience;
use heirloom::lineage::Lineage;
use heirloom::server::{self, AppState, Ended, Shutdown};
use heirloom::service::Writer;
use heirloom::store::Store;
use heirloom::telemetry;
use tokio::net::TcpListener;

use super::database::{self, Behind, shown};

/// How to serve.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The address and port to listen on; port 0 takes any free one [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Bring the schema of a PostgreSQL database up to date first; a SQLite file always is.
    #[arg(long)]
    migrate: bool,
}

impl Arguments {
    /// What the flags set.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        self.listen
            .iter()
            .map(|address| ("server.listen", address.clone()))
            .collect()
    }
}

/// Serves.
pub async fn run(config: Config, arguments: &Arguments) -> Result<ExitCode> {
    telemetry::start(&config.telemetry)?;
    let shutdown = Shutdown::by_signal()?;
    // First, so that nothing is migrated for a server that cannot be one.
    let listener = listen(config.server.listen).await?;
    let behind = if arguments.migrate {
        Behind::Migrate
    } else {
        Behind::MigrateFile
    };
    let store = database::open(&config, behind).await?;
    let writer = Writer::start(store.clone(), server::writer_options(&config));
    database::closing(&store, answer(config, &store, writer, listener, shutdown)).await
}

/// Binds the address.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

/// Reads the graph into memory beside the first requests, so that the first walk need not wait for it.
fn read_graph(lineage: Lineage) {
    tokio::spawn(async move {
        let begin = Instant::now();
        match lineage.follow_newest().await {
            Ok(revision) => tracing::info!(
                "the graph as of revision {revision} is in memory after {:.1?}",
                begin.elapsed()
            ),
            // The first walk tries again, and says what is wrong.
            Err(error) => tracing::warn!(%error, "the graph could not be read into memory"),
        }
    });
}

/// Answers requests on a listener until the process is asked to stop, and then those under way.
pub async fn answer(
    config: Config,
    store: &Store,
    writer: Writer,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<ExitCode> {
    let grace = Duration::from_millis(config.server.shutdown_grace_ms);
    let patience = Patience::of(&config.server);
    let address = listener.local_addr()?;
    tracing::info!(
        "listening on http://{address}/ with the database {}",
        shown(&config.database.url)
    );
    let lineage = Lineage::new(store.clone());
    let _checkpointer = store.checkpointer();
    let router = server::router(AppState::new(config, store, &writer, &lineage));
    read_graph(lineage);
    drop(writer);
    match server::serve(listener, router, patience, grace, shutdown).await {
        Ended::Gracefully => tracing::info!("stopped"),
        Ended::GraceOver => tracing::warn!("stopped; some requests took longer than server.shutdown_grace_ms"),
        Ended::AtOnce => tracing::warn!("stopped at once, as asked twice; some requests were not answered"),
    }
    Ok(ExitCode::SUCCESS)
}
