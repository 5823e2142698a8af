//! `heirloom demo`: a server with sample data, in a database that goes away with it.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use heirloom::config::{self, Config};
use heirloom::demo::record_sample;
use heirloom::sample;
use heirloom::server::{self, Shutdown};
use heirloom::service::{Clock, Writer};
use heirloom::store::Store;
use heirloom::store::scope::revision_newest;
use heirloom::telemetry;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;

use super::database::{self, Behind};
use super::serve;

/// How to serve the demo.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The address and port to listen on [default: 127.0.0.1:8080, or a free port where that is taken].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Keep the temporary database when the demo ends.
    #[arg(long)]
    keep: bool,
    /// About how many versions the sample has. The example queries are written for the default.
    #[arg(long, value_name = "NUMBER", default_value_t = sample::Options::VERSIONS)]
    versions: u64,
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

/// A directory that goes away with its owner, unless it is to be kept.
struct Temporary {
    path: PathBuf,
    is_kept: bool,
}

impl Temporary {
    fn new(is_kept: bool) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("heirloom-demo-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).with_context(|| format!("cannot make the directory {}", path.display()))?;
        Ok(Self { path, is_kept })
    }

    fn database(&self) -> String {
        format!("sqlite:{}", self.path.join("demo.sqlite").display())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.is_kept {
            eprintln!(
                "the demo's database is kept: heirloom serve --database {}",
                self.database()
            );
        } else if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, directory = %self.path.display(), "the demo's database is left behind");
        }
    }
}

/// Serves the demo: in the database named by a flag, else in a temporary one.
pub async fn run(mut config: Config, is_named: bool, arguments: &Arguments) -> Result<ExitCode> {
    telemetry::start(&config.telemetry)?;
    // From here on a wish to end is heard, and what is temporary is taken away.
    let shutdown = Shutdown::by_signal()?;
    let temporary = if is_named {
        None
    } else {
        Some(Temporary::new(arguments.keep)?)
    };
    if let Some(temporary) = &temporary {
        config.database.url = temporary.database();
    }
    let listener = listen(config.server.listen).await?;
    let store = database::open(&config, Behind::Migrate).await?;
    let ended = database::closing(&store, show(config, &store, arguments.versions, listener, shutdown)).await;
    drop(temporary);
    ended
}

/// Loads the sample where nothing has been recorded yet, and answers requests.
async fn show(
    config: Config,
    store: &Store,
    versions: u64,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<ExitCode> {
    if revision_newest(&store.session()).await?.revision == 0 {
        load(store, versions).await?;
    } else {
        eprintln!("the database has records already, so the sample is left out");
    }
    let writer = Writer::start(store.clone(), server::writer_options(&config));
    println!(
        "Heirloom's demo is at http://{}/ (Ctrl-C ends it)",
        reachable(listener.local_addr()?)
    );
    serve::answer(config, store, writer, listener, shutdown).await
}

/// Loads the sample, each night a revision of the morning after.
async fn load(store: &Store, versions: u64) -> Result<()> {
    let style = ProgressStyle::with_template("{spinner} loading the sample: {human_pos} records");
    let progress = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    let options = sample::Options {
        versions,
        ..sample::Options::default()
    };
    let told = |records| progress.inc(u64::try_from(records).unwrap_or(0));
    record_sample(store, options, Clock::System.now(), told).await?;
    progress.finish_and_clear();
    Ok(())
}

/// Binds the address; where it is the default one and taken, any free port.
async fn listen(address: SocketAddr) -> Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse && address == config::Server::default().listen => {
            serve::listen(SocketAddr::new(address.ip(), 0)).await
        }
        bound => bound.with_context(|| format!("cannot listen on {address}")),
    }
}

/// The address that a browser on this machine reaches.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    address
}

#[cfg(test)]
mod tests {
    use super::{Temporary, reachable};

    #[test]
    fn a_temporary_database_goes_away_unless_it_is_kept() {
        for is_kept in [false, true] {
            let temporary = Temporary::new(is_kept).unwrap();
            let path = temporary.path.clone();
            drop(temporary);
            assert_eq!(path.exists(), is_kept);
            let _ = std::fs::remove_dir_all(path);
        }
    }

    #[test]
    fn a_browser_cannot_open_the_unspecified_address() {
        assert_eq!(reachable("0.0.0.0:80".parse().unwrap()).to_string(), "127.0.0.1:80");
        assert_eq!(reachable("10.0.0.1:80".parse().unwrap()).to_string(), "10.0.0.1:80");
    }
}
