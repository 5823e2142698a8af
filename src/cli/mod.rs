//! The command line: `serve`, `demo`, `migrate`, `schema`, `import`, `export`, `lineage`, `backup`, `check`, `sample`.
//!
//! Exit codes: 0 when all went well, 1 when some records were rejected or a check found
//! something, 2 when the command could not do its work. What
//! went wrong is one sentence on standard error; standard output has only what was asked for.

mod backup;
mod check;
mod database;
mod demo;
mod export;
mod import;
mod lineage;
mod output;
pub mod priority;
mod progress;
mod sample;
mod serve;
mod settings;

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Heirloom: the open artifact service, a GraphQL API over the lineage of data and models.
#[derive(Debug, Parser)]
#[command(name = "heirloom", version, max_term_width = 100)]
pub struct CommandLine {
    #[command(flatten)]
    settings: settings::Settings,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer GraphQL requests, with GraphiQL at `/`.
    Serve(serve::Arguments),
    /// Serve sample data from a database that goes away at the end, or from the one that --database names.
    Demo(demo::Arguments),
    /// Bring the database's schema up to date.
    Migrate,
    /// Print the GraphQL schema.
    Schema,
    /// Record what files say: records, OpenLineage events or workflow instances.
    Import(import::Arguments),
    /// Write everything recorded: records, OpenLineage events or a PROV document.
    Export(export::Arguments),
    /// Draw what a node was made from, or what was made from it.
    Lineage(lineage::Arguments),
    /// Copy a SQLite store to a file while it is in use.
    Backup(backup::Arguments),
    /// Verify every invariant of a store, and say what is wrong.
    Check(check::Arguments),
    /// Print sample data, in the form that `import` reads.
    Sample(sample::Arguments),
}

impl CommandLine {
    /// Whether it is work in bulk, which should not keep a server beside it from its requests.
    pub const fn gives_way(&self) -> bool {
        use Command::{Backup, Check, Export, Import};
        matches!(self.command, Import(_) | Export(_) | Backup(_) | Check(_))
    }
}

/// Does what the command line says.
pub async fn run(command_line: CommandLine) -> Result<ExitCode> {
    let settings = command_line.settings;
    match command_line.command {
        Command::Serve(arguments) => serve::run(settings.load(&arguments.settings())?, &arguments).await,
        Command::Demo(arguments) => {
            let config = settings.load(&arguments.settings())?;
            demo::run(config, settings.database.is_some(), &arguments).await
        }
        Command::Migrate => database::migrate(&settings.load(&[])?).await,
        Command::Schema => schema(),
        Command::Import(arguments) => import::run(&settings.load(&[])?, arguments).await,
        Command::Export(arguments) => export::run(&settings.load(&[])?, arguments).await,
        Command::Lineage(arguments) => lineage::run(&settings.load(&[])?, arguments).await,
        Command::Backup(arguments) => backup::run(&settings.load(&[])?, arguments).await,
        Command::Check(arguments) => check::run(&settings.load(&[])?, &arguments).await,
        Command::Sample(arguments) => sample::run(&arguments),
    }
}

fn schema() -> Result<ExitCode> {
    stdout().lock().write_all(heirloom::graphql::sdl().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Says what went wrong, in one sentence. A reader of our output that has gone away is no error: `heirloom sample | head`.
pub fn complain(error: &anyhow::Error) -> ExitCode {
    let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(broken_pipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("heirloom: {error:#}");
    ExitCode::from(2)
}
