//! `heirloom import`: records from files, one a line.
//!
//! One thread reads lines and parses them; the write queue has a few batches at a time, so that it can put them into one
//! transaction. What cannot be recorded is reported with its line and does not stop the rest. A run that was cut short
//! is run again: what is recorded already is unchanged.

mod lines;
mod load;
mod parse;
mod report;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use heirloom::config::Config;
use heirloom::server;
use heirloom::service::Writer;
use indicatif::{ProgressBar, ProgressStyle};

use super::database::{self, Behind};
pub use load::load;
use report::Report;

/// What to import.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files with one record a line (JSON), plain or gzip; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print every rejected record, not only the first ones.
    #[arg(long, short)]
    verbose: bool,
    /// Write every rejected record to this file, one a line, with its place, code and message.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Bring the schema of a PostgreSQL database up to date first; a SQLite file always is.
    #[arg(long)]
    migrate: bool,
}

/// Imports.
pub async fn run(config: &Config, arguments: Arguments) -> Result<ExitCode> {
    let bytes = check(&arguments.files)?;
    let rejects = arguments.rejects.as_deref().map(create).transpose()?;
    let behind = if arguments.migrate {
        Behind::Migrate
    } else {
        Behind::MigrateFile
    };
    let store = database::open(config, behind).await?;
    let writer = Writer::start(store.clone(), server::writer_options(config));

    let read = Arc::new(AtomicU64::new(0));
    let progress = progress(bytes);
    let mut report = Report::new(arguments.verbose, rejects, progress.clone());
    let batches = lines::batches(arguments.files, Arc::clone(&read));
    let done = load(&writer, batches, |batch, answer| {
        progress.set_position(read.load(Ordering::Relaxed));
        report.add(batch, answer)
    });
    let done = done.await;
    progress.finish_and_clear();
    let summary = report.finish()?;
    if let Err(error) = done {
        bail!(
            "{error:#}; {} records had been recorded before: run the same command again",
            summary.recorded()
        );
    }
    println!("{summary}");
    drop(writer);
    store.close().await?;
    Ok(if summary.rejected == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// Makes sure that every file can be read before anything is written. Answers how many bytes they have; none where
/// standard input is among them.
fn check(files: &[PathBuf]) -> Result<Option<u64>> {
    let mut bytes = Some(0);
    for path in files {
        if is_stdin(path) {
            bytes = None;
            continue;
        }
        let metadata = File::open(path).and_then(|file| file.metadata());
        let metadata = metadata.with_context(|| format!("cannot read {}", path.display()))?;
        if metadata.is_dir() {
            bail!("cannot read {}: it is a directory", path.display());
        }
        bytes = bytes.map(|sum| sum + metadata.len());
    }
    Ok(bytes)
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn create(path: &Path) -> Result<Box<dyn Write>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Box::new(std::io::BufWriter::new(file)))
}

/// A bar on a terminal, where the size is known; else a count of bytes. Nothing where nobody looks.
fn progress(bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), "{bar:40} {bytes}/{total_bytes} {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec}"),
    };
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
