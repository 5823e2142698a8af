//! `heirloom sample`: sample data on standard output.

use std::io::{BufWriter, Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use heirloom::domain::time::Timestamp;
use heirloom::sample::{Options, records};

/// What sample to print.
#[derive(Debug, Args)]
pub struct Arguments {
    /// About how many versions; at least some 300.
    #[arg(long, value_name = "NUMBER", default_value_t = Options::VERSIONS)]
    versions: u64,
    /// What random numbers follow from: the same seed gives the same sample.
    #[arg(long, value_name = "NUMBER", default_value_t = Options::SEED)]
    seed: u64,
    /// The midnight (UTC) after the last day.
    #[arg(long, value_name = "DATE", default_value = "2026-11-23", value_parser = Timestamp::parse)]
    end: Timestamp,
}

/// Prints it.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut out = BufWriter::new(stdout().lock());
    for record in records(Options {
        seed: arguments.seed,
        versions: arguments.versions,
        end: arguments.end,
    }) {
        serde_json::to_writer(&mut out, &record).map_err(std::io::Error::from)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
