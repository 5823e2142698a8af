//! `heirloom export`: everything recorded, in the form of records, of OpenLineage events or of a PROV document.
//!
//! Each form is written as it is read from one snapshot, so that a store of any size takes the same memory.

mod openlineage;
mod prov;
mod records;

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use heirloom::config::Config;
use heirloom::store::Store;
use heirloom::store::export::Pass;
use serde::Serialize;

use super::database;
use super::output::Output;
use super::progress::{Done, Progress};

/// Rows between two looks at the clock.
const BETWEEN: u64 = 500;

/// What to export, and where to.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The form to write.
    #[arg(long, value_enum, default_value_t = Format::Records)]
    format: Format,
    /// The file to write, compressed when its name ends with `.gz`; else standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What had been recorded up to this revision. Executions show what is known of them now.
    #[arg(long, value_name = "REVISION")]
    as_of: Option<i64>,
}

/// A form to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One record a line, as `import` reads them.
    Records,
    /// OpenLineage events, one a line.
    Openlineage,
    /// One W3C PROV document in JSON.
    ProvJson,
}

impl Format {
    /// What it has many of.
    const fn noun(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Openlineage => "events",
            Self::ProvJson => "statements",
        }
    }
}

/// Exports.
pub async fn run(config: &Config, arguments: Arguments) -> Result<ExitCode> {
    let store = database::open_existing(config).await?;
    database::closing(&store, export(&store, &config.database.url, &arguments)).await
}

async fn export(store: &Store, url: &str, arguments: &Arguments) -> Result<ExitCode> {
    let mut export = store.export().await?;
    if let Some(revision) = arguments.as_of {
        if !(0..=export.revision()).contains(&revision) {
            bail!("there is no revision {revision}: the newest is {}", export.revision());
        }
        export = export.as_of(revision);
    }
    let noun = arguments.format.noun();
    // Beside records on a terminal there is no room for a count of them.
    let progress = if arguments.output.is_some() || !stdout().is_terminal() {
        Progress::of(noun)
    } else {
        Progress::hidden()
    };
    let mut sink = Sink {
        output: Output::open(arguments.output.as_deref(), url)?,
        progress,
        written: 0,
    };
    match arguments.format {
        Format::Records => records::write(&export, &mut sink).await?,
        Format::Openlineage => openlineage::write(&export, &mut sink).await?,
        Format::ProvJson => prov::write(&export, &mut sink).await?,
    }
    sink.output.finish()?;
    sink.progress.finish();
    eprintln!("{} {noun} as of revision {}", sink.written, export.revision());
    Ok(ExitCode::SUCCESS)
}

/// Where an export goes, and how many of its things have gone there.
#[derive(Debug)]
struct Sink {
    output: Output,
    progress: Progress,
    written: u64,
}

impl Sink {
    /// Writes a text as it is.
    fn text(&mut self, text: &str) -> Result<()> {
        Ok(self.output.writer().write_all(text.as_bytes())?)
    }

    /// Writes a value.
    fn value(&mut self, value: &impl Serialize) -> Result<()> {
        Ok(serde_json::to_writer(self.output.writer(), value).map_err(std::io::Error::from)?)
    }

    /// Writes a value on a line of its own, and counts it.
    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        self.value(value)?;
        self.line_of("")
    }

    /// Writes a text that is a line, and counts it.
    fn line_of(&mut self, text: &str) -> Result<()> {
        self.text(text)?;
        self.text("\n")?;
        self.count();
        Ok(())
    }

    fn count(&mut self) {
        self.written += 1;
        if self.written.is_multiple_of(BETWEEN) {
            self.progress.tell(Done {
                records: self.written,
                ..Done::default()
            });
        }
    }
}

/// Writes all that a pass comes by.
async fn each<T>(mut pass: Pass<'_, T>, mut write: impl FnMut(T) -> Result<()>) -> Result<()> {
    while let Some(rows) = pass.next().await? {
        rows.into_iter().try_for_each(&mut write)?;
    }
    Ok(())
}
