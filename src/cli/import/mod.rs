//! `heirloom import`: records, OpenLineage events or workflow instances, from files.
//!
//! One thread reads and parses; the write queue has a few batches at a time, so that it can put them into one
//! transaction. What cannot be recorded is reported with its place and does not stop the rest. A run that was cut short
//! is run again: what is recorded already is unchanged.

mod documents;
mod lines;
mod load;
mod parse;
mod read;
mod report;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use heirloom::config::Config;
use heirloom::server;
use heirloom::service::Writer;
use heirloom::store::Store;
use heirloom::store::file::is_same;

use super::database::{self, Behind};
use super::output::{Output, partial_name, say};
use super::progress::Progress;
pub use load::load;
use report::Report;

/// What to import.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The form that the files have.
    #[arg(long, value_enum, default_value_t = Format::Records)]
    format: Format,
    /// Files, plain or gzip; `-` is standard input.
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

/// A form that files may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One record a line, as `export` writes them.
    Records,
    /// OpenLineage events: one a line, one after the other, or an array of them.
    Openlineage,
    /// One workflow instance of WfFormat a file, whose name is that of the run.
    Wfformat,
}

/// Imports.
pub async fn run(config: &Config, arguments: Arguments) -> Result<ExitCode> {
    let bytes = check(&arguments.files)?;
    let rejects = arguments.rejects.as_deref();
    let rejects = rejects.map(|path| create(path, &arguments.files, &config.database.url));
    let rejects = rejects.transpose()?;
    let behind = if arguments.migrate {
        Behind::Migrate
    } else {
        Behind::MigrateFile
    };
    let store = database::open(config, behind).await?;
    let writer = Writer::start(store.clone(), server::writer_options(config));
    let report = Report::new(arguments.verbose, rejects, Progress::of_bytes(bytes));
    database::closing(&store, record(&store, writer, report, arguments)).await
}

async fn record(store: &Store, writer: Writer, mut report: Report, arguments: Arguments) -> Result<ExitCode> {
    let batches = read::batches(arguments.files, arguments.format);
    let done = load(&writer, batches, |batch, answer| report.add(batch, answer)).await;
    let recorded = report.recorded();
    let finished = report.finish();
    // Why the database is not available, where it is known.
    let done = done.map_err(|error| store.check_file().err().map_or(error, anyhow::Error::from));
    if let Err(error) = done {
        bail!("{error:#}; {recorded} records had been recorded before: run the same command again");
    }
    let summary = finished?;
    say(format_args!("{summary}"));
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

/// Where rejects go to, which is none of the files that are read.
fn create(path: &Path, inputs: &[PathBuf], database: &str) -> Result<Output> {
    let is_read = |path: &&Path| inputs.iter().any(|input| !is_stdin(input) && is_same(input, path));
    if let Some(read) = [path, &partial_name(path)].into_iter().find(is_read) {
        bail!(
            "{} is one of the files to import: name another for the rejects",
            read.display()
        );
    }
    Output::open(Some(path), database)
}
