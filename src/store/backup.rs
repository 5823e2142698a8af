//! A copy of a SQLite store while others read and write it.
//!
//! SQLite's backup API copies page by page, and begins anew whenever somebody else has written meanwhile; within a read
//! transaction it does not, since all its pages are those of one state. So it ends however much is written.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode};

use super::StoreError;
use super::file::Access;

/// Pages copied between two reports: four megabytes of the usual size.
const PAGES: i32 = 1_024;
/// How long to wait for a lock: who reads a write-ahead log waits for no writer, only for whoever recovers it after a crash.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file holds something else.
    #[error("it is no SQLite database of Heirloom")]
    NoStore,
    /// Somebody else has its lock.
    #[error("somebody else has locked it")]
    Locked,
    /// Nothing can be written there, and SQLite would have to.
    #[error(transparent)]
    Unreadable(#[from] StoreError),
    /// In SQLite's words.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// How far a copy is, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Pages that are copied.
    pub pages: u64,
    /// Pages in all.
    pub of: u64,
}

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The newest revision in it.
    pub revision: i64,
    /// Its size.
    pub bytes: u64,
}

/// Copies the store in one file to another, which must not be there. The copy is whole by itself, with no write-ahead log
/// beside it; it is on its way to the disk, not yet synced.
pub fn backup(source: &Path, target: &Path, mut told: impl FnMut(Copied)) -> Result<Copy, BackupError> {
    let mut source = Access::to_read(source)?.open(source)?;
    source.busy_timeout(PATIENCE)?;
    let state = source.transaction()?;
    let revision = state.query_row("SELECT revision FROM revision_counter", [], |row| row.get(0));
    let revision: i64 = revision.map_err(of_another_kind)?;
    let mut target = Connection::open(target)?;
    copy(&state, &mut target, &mut told)?;
    // A file in this mode can be opened where nothing may be written; a server turns it into a write-ahead log again.
    target.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let bytes: i64 = target.query_row(size, [], |row| row.get(0))?;
    target.close().map_err(|(_, error)| error)?;
    Ok(Copy {
        revision,
        bytes: u64::try_from(bytes).unwrap_or(0),
    })
}

fn copy(state: &Connection, target: &mut Connection, told: &mut impl FnMut(Copied)) -> Result<(), BackupError> {
    let backup = Backup::new(state, target)?;
    loop {
        let step = backup.step(PAGES)?;
        let progress = backup.progress();
        let [of, remaining] = [progress.pagecount, progress.remaining].map(|n| u64::try_from(n).unwrap_or(0));
        told(Copied {
            pages: of.saturating_sub(remaining),
            of,
        });
        match step {
            StepResult::Done => return Ok(()),
            // The read transaction has its lock, and nobody else knows the copy.
            StepResult::Busy | StepResult::Locked => return Err(BackupError::Locked),
            _ => {}
        }
    }
}

/// What SQLite says of a file that is no database, or of a database without our tables.
fn of_another_kind(error: rusqlite::Error) -> BackupError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::Unknown) => BackupError::NoStore,
        _ if matches!(error, rusqlite::Error::QueryReturnedNoRows) => BackupError::NoStore,
        _ => BackupError::Sqlite(error),
    }
}
