//! `heirloom backup`: a copy of a SQLite store, whole and consistent, while a server goes on writing to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use heirloom::config::Config;
use heirloom::store::backup::{BackupError, Copied, backup};
use heirloom::store::file::{COMPANIONS, beside, sqlite_file};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::database::shown;
use super::output::Partial;

/// Where to copy to.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file to write. It has its name when it is whole and on disk, not before.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace the file when it is there.
    #[arg(long)]
    force: bool,
}

/// Copies. It opens the file itself and brings nothing up to date, so that it can be made before a newer version migrates.
pub async fn run(config: &Config, arguments: Arguments) -> Result<ExitCode> {
    let url = &config.database.url;
    let source = source(url)?;
    let target = Partial::of(&arguments.file, url)?;
    check(&arguments)?;
    remove(target.path())?;
    let (from, to) = (source.clone(), target.path().to_path_buf());
    let progress = progress();
    let bar = progress.clone();
    let told = move |Copied { pages, of }| {
        bar.set_length(of);
        bar.set_position(pages);
    };
    let copied = tokio::task::spawn_blocking(move || backup(&from, &to, told)).await?;
    progress.finish_and_clear();
    let copied = copied.map_err(|error| unusable(&source, error));
    // Somebody may have made the file meanwhile.
    let copied = copied.and_then(|copy| check(&arguments).map(|()| copy));
    let copy = match copied {
        Ok(copy) => copy,
        Err(error) => {
            remove(target.path())?;
            return Err(error);
        }
    };
    target.finish()?;
    println!(
        "{} has the store as of revision {} ({})",
        arguments.file.display(),
        copy.revision,
        HumanBytes(copy.bytes)
    );
    Ok(ExitCode::SUCCESS)
}

fn source(url: &str) -> Result<PathBuf> {
    let Some(file) = sqlite_file(url) else {
        bail!(
            "{} is no file of SQLite: use pg_dump to back up a PostgreSQL database",
            shown(url)
        );
    };
    if !file.exists() {
        bail!("there is no database file {}", file.display());
    }
    Ok(file)
}

/// Refuses to write over what is wanted still.
fn check(arguments: &Arguments) -> Result<()> {
    let file = &arguments.file;
    if !arguments.force && file.symlink_metadata().is_ok() {
        bail!(
            "{} is there already: name another file, or give --force to replace it",
            file.display()
        );
    }
    if let Some(companion) = COMPANIONS
        .iter()
        .map(|ending| beside(file, ending))
        .find(|path| path.exists())
    {
        bail!(
            "{} belongs to a database that is in use, or was not closed: name another file than {}",
            companion.display(),
            file.display()
        );
    }
    Ok(())
}

/// Removes what an earlier backup left that was cut short.
fn remove(partial: &Path) -> Result<()> {
    let all = COMPANIONS.iter().map(|ending| beside(partial, ending));
    for path in std::iter::once(partial.to_path_buf()).chain(all) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot write {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn unusable(source: &Path, error: BackupError) -> anyhow::Error {
    match error {
        BackupError::NoStore | BackupError::Locked | BackupError::Unreadable(_) => {
            anyhow!("cannot back up {}: {error}", source.display())
        }
        BackupError::Sqlite(error) => anyhow!("the backup of {} failed: {error}", source.display()),
    }
}

fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} pages {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
