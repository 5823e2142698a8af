//! Opening the database that a command works on, with a sentence for all that can be wrong with it.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use heirloom::config::Config;
use heirloom::store::file::{COMPANIONS, companions, is_same, sqlite_file};
use heirloom::store::{Options, SchemaState, Store, StoreError};

/// What to do about a database whose schema is behind, before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Bring it up to date.
    Migrate,
    /// A file of our own is brought up to date; a server's database, which others may use, is refused.
    MigrateFile,
}

/// Opens the database to write it, and makes sure of its schema.
pub async fn open(config: &Config, behind: Behind) -> Result<Store> {
    let url = &config.database.url;
    if let Some(file) = sqlite_file(url) {
        make(&file)?;
        // First as it is: a file that is written gets a write-ahead log, whosever it is.
        let store = connect_to_read(config).await?;
        closing(&store, pending(&store, url)).await?;
    }
    let options = options(config);
    let store = Store::connect(&options).await.map_err(|error| unusable(url, error))?;
    let ready = bring_up_to_date(&store, url, behind).await;
    or_closed(store, ready).await
}

async fn bring_up_to_date(store: &Store, url: &str, behind: Behind) -> Result<()> {
    let steps = pending(store, url).await?;
    if steps > 0 {
        if behind == Behind::MigrateFile && sqlite_file(url).is_none() {
            bail!("{}, or give --migrate", lacks(url, steps));
        }
        let migrated = store.migrate().await;
        migrated.map_err(|error| anyhow!("cannot bring the schema of {} up to date: {error}", shown(url)))?;
    }
    Ok(())
}

/// Opens a database that must be there, to read it: nothing of it is changed.
pub async fn open_existing(config: &Config) -> Result<Store> {
    let url = &config.database.url;
    if let Some(file) = sqlite_file(url) {
        if !file.exists() {
            bail!("there is no database file {}", file.display());
        }
        File::open(&file).with_context(|| cannot_open(&file))?;
    }
    let store = connect_to_read(config).await?;
    let ready = pending(&store, url).await.and_then(|steps| {
        ensure!(steps == 0, "{}, after a backup", lacks(url, steps));
        Ok(())
    });
    or_closed(store, ready).await
}

/// Closes a store after what a command does with it, however that ends: of a process that ends with connections open, SQLite's
/// log may stay beside the file.
pub async fn closing<T>(store: &Store, work: impl Future<Output = Result<T>>) -> Result<T> {
    let done = work.await;
    let closed = store.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

/// A store that is ready, or why it is not; then it is closed.
async fn or_closed(store: Store, ready: Result<()>) -> Result<Store> {
    match ready {
        Ok(()) => Ok(store),
        Err(error) => {
            // Why it is not ready says more than why it cannot be closed.
            let _ = store.close().await;
            Err(error)
        }
    }
}

/// `heirloom migrate`.
pub async fn migrate(config: &Config) -> Result<ExitCode> {
    let store = open(config, Behind::Migrate).await?;
    store.close().await?;
    println!("{} is up to date", shown(&config.database.url));
    Ok(ExitCode::SUCCESS)
}

/// Makes the file when it is not there. SQLite's own words for a wrong path are the same for every reason.
fn make(file: &Path) -> Result<()> {
    let opened = OpenOptions::new().read(true).append(true).create(true).open(file);
    opened.map(drop).with_context(|| cannot_open(file))
}

fn cannot_open(file: &Path) -> String {
    format!("cannot open the database file {}", file.display())
}

async fn connect_to_read(config: &Config) -> Result<Store> {
    let options = options(config);
    let connected = Store::connect_to_read(&options).await;
    connected.map_err(|error| unusable(&options.url, error))
}

fn options(config: &Config) -> Options {
    Options {
        url: config.database.url.clone(),
        max_connections: config.database.max_connections,
        timeout: Duration::from_millis(config.database.acquire_timeout_ms),
    }
}

/// How many steps of the schema are still to do, in a database that is ours.
async fn pending(store: &Store, url: &str) -> Result<usize> {
    match store.schema_state().await.map_err(|error| unusable(url, error))? {
        SchemaState::Current => Ok(0),
        SchemaState::Pending(steps) => Ok(steps.len()),
        SchemaState::Newer(steps) => bail!(
            "{} was written by a newer Heirloom (it has the step {}): use that version, or another database",
            shown(url),
            steps.join(", ")
        ),
        SchemaState::Foreign(table) => bail!(
            "{} is a database of something else (it has the table {table}, and none of Heirloom's schema): name another file",
            shown(url)
        ),
    }
}

fn lacks(url: &str, steps: usize) -> String {
    format!(
        "{} lacks {steps} of the steps of Heirloom's schema: run `heirloom migrate` first",
        shown(url)
    )
}

/// The driver's words, which a person at a terminal may see, behind ours.
fn unusable(url: &str, error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Configuration(sentence) => anyhow!(sentence),
        error if error.to_string().contains("file is not a database") => {
            anyhow!(
                "{} is no SQLite database: name another file, or move this one away",
                shown(url)
            )
        }
        error => anyhow!("cannot use the database {}: {error}", shown(url)),
    }
}

/// Refuses a file to be written that is the store, or what SQLite keeps beside it.
pub fn spare(url: &str, target: &Path) -> Result<()> {
    let Some(store) = sqlite_file(url) else { return Ok(()) };
    if is_same(&store, target) {
        bail!("{} is the store itself: name another file", target.display());
    }
    let mut kept = COMPANIONS.iter().zip(companions(&store));
    if let Some((ending, _)) = kept.find(|(_, companion)| is_same(companion, target)) {
        bail!(
            "{} belongs to the store, as its {ending}: name another file",
            target.display()
        );
    }
    Ok(())
}

/// The URL without its password, for logs and errors. Where it cannot be told what is the password, nothing but the scheme.
pub fn shown(url: &str) -> String {
    if sqlite_file(url).is_some() {
        return url.to_owned();
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return format!("{}:…", url.split(':').next().unwrap_or_default());
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = path.split(['?', '#']).next().unwrap_or(path);
    // A password with one of these signs in it, which had to be written otherwise.
    if rest[authority.len()..].contains('@') {
        return format!("{scheme}://…");
    }
    match authority.rsplit_once('@') {
        Some((user, place)) => format!("{scheme}://{}@{place}{path}", user.split(':').next().unwrap_or(user)),
        None => format!("{scheme}://{authority}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn no_password_is_shown() {
        assert_eq!(
            shown("postgres://user:p@ss@host:5432/db?password=x"),
            "postgres://user@host:5432/db"
        );
        assert_eq!(shown("postgres://host/db"), "postgres://host/db");
        assert_eq!(shown("postgres://host?password=x"), "postgres://host");
        for sign in ['/', '?', '#'] {
            assert_eq!(shown(&format!("postgres://pw:SEC{sign}RET@host:1/db")), "postgres://…");
        }
        assert_eq!(shown("sqlite:///a/b@c?mode=ro"), "sqlite:///a/b@c?mode=ro");
        assert_eq!(shown("sqlite:a/b.sqlite"), "sqlite:a/b.sqlite");
        assert_eq!(shown("postgres:user:secret@host/db"), "postgres:…");
    }
}
