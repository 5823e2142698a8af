//! Logging: where messages go and which are kept.
//!
//! One line a message to standard error, so that standard output stays free for what a command answers.

use std::io::{IsTerminal, stderr};

use thiserror::Error;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogFormat, Telemetry};

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("telemetry.filter {filter:?} is no filter of log messages: {source}")]
    Filter {
        /// The text configured.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody has set up logging in this process before.
    #[error("logging is set up already")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends the log of this process to standard error, as configured; to be called once.
///
/// # Errors
/// When the filter cannot be read, or when it was called before.
pub fn start(telemetry: &Telemetry) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&telemetry.filter).map_err(|source| TelemetryError::Filter {
        filter: telemetry.filter.clone(),
        source,
    })?;
    let registry = tracing_subscriber::registry().with(filter);
    match telemetry.format {
        LogFormat::Text => registry
            .with(
                fmt::layer()
                    .with_writer(stderr)
                    .with_ansi(stderr().is_terminal())
                    .with_target(false),
            )
            .try_init()?,
        LogFormat::Json => registry
            .with(
                fmt::layer()
                    .with_writer(stderr)
                    .json()
                    .flatten_event(true)
                    .with_span_list(false),
            )
            .try_init()?,
    }
    Ok(())
}
