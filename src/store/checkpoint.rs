//! When SQLite's log is copied into the file, which SQLite calls a checkpoint.
//!
//! Many transactions change the same pages, and a page is copied once for all of them that the log holds: the longer the log, the less
//! is written. But whoever reads a page looks for it in the log first. So the log may grow with the file while there is much to
//! write, and is copied as soon as there is little.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, InterruptHandle};

use super::file::{Access, OpenedFile};

/// The size of a page that SQLite gives a new file.
const PAGE_BYTES: u64 = 4_096;
/// The log of a small file, in pages: 64 MiB. SQLite's own limit is a thousand, which is each transaction of an import anew.
const LEAST_PAGES: u64 = 16_384;
/// The longest log, in pages: 256 MiB. Twice that saves little more, and whoever writes waits for it to be copied.
pub(super) const MOST_PAGES: u64 = 65_536;
/// The log is at most such a part of the file, where that is more than [`LEAST_PAGES`].
const PART_OF_FILE: u64 = 4;

/// The time between two looks at the log.
const PAUSE: Duration = Duration::from_secs(1);
/// How many looks pass at most between two tries to copy what cannot be copied: each may write all of a long log before it fails.
const MOST_LOOKS: u32 = 64;
/// How soon whoever ends the thread asks it again.
const IMPATIENCE: Duration = Duration::from_millis(10);
/// A log with fewer pages is left: reads look through it in no time, and pages that are changed again are copied once.
const WORTH_COPYING: i64 = 1_000;
/// As long as no more pages are added between two looks, little is written: some ten requests of a record each.
const LITTLE: i64 = 250;

/// After how many pages the log of a file of so many bytes is copied by the transaction that has made it so long.
pub(super) fn log_pages(file_bytes: u64) -> u64 {
    (file_bytes / PAGE_BYTES / PART_OF_FILE).clamp(LEAST_PAGES, MOST_PAGES)
}

/// The same for the file at a path as it is now; for one that is not there, as for a small one.
pub(super) fn log_pages_of(path: impl AsRef<Path>) -> u64 {
    log_pages(path.as_ref().metadata().map_or(0, |file| file.len()))
}

/// Copies the log of a file of SQLite while little is written to it, by whichever process, on a thread of its own and until it is
/// dropped. Others read and write meanwhile. What it cannot do it leaves to whoever writes on.
pub struct Checkpointer {
    /// Ends the thread.
    stop: mpsc::Sender<()>,
    /// None once it is waited for.
    thread: Option<JoinHandle<()>>,
    under_way: InterruptHandle,
}

impl fmt::Debug for Checkpointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpointer").finish_non_exhaustive()
    }
}

impl Checkpointer {
    /// For a file that has just been opened to be written to. It is no more than a help: none where it cannot begin.
    pub(super) fn start(path: &str, file: Option<Arc<OpenedFile>>) -> Option<Self> {
        let failed = |error: &dyn fmt::Display| tracing::warn!(%error, "SQLite's log is copied by writes only");
        let connection = Access::Write.open(Path::new(path));
        let connection = connection.inspect_err(|error| failed(error)).ok()?;
        let under_way = connection.get_interrupt_handle();
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("checkpoints".to_owned());
        let thread = thread.spawn(move || Log::of(connection).watch(file.as_deref(), &stopped));
        Some(Self {
            stop,
            thread: Some(thread.inspect_err(|error| failed(error)).ok()?),
            under_way,
        })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        // Nobody listens after a panic.
        let _ = self.stop.send(());
        let Some(thread) = self.thread.take() else { return };
        // Whoever closes the last connection copies what is left. SQLite forgets that it was interrupted when it begins a statement.
        while !thread.is_finished() {
            self.under_way.interrupt();
            thread::park_timeout(IMPATIENCE);
        }
        if thread.join().is_err() {
            tracing::error!("the thread that copies SQLite's log has panicked");
        }
    }
}

/// A log, and how long it was at the last look.
struct Log {
    connection: Connection,
    length: i64,
    /// How often in a row it could not be copied.
    failures: u32,
    /// Looks to let pass before it is tried again.
    looks: u32,
}

/// Pages of a log.
struct Pages {
    all: i64,
    copied: i64,
}

impl Log {
    fn of(connection: Connection) -> Self {
        Self {
            connection,
            length: 0,
            failures: 0,
            looks: 0,
        }
    }

    /// Looks again and again, until it is stopped.
    fn watch(mut self, file: Option<&OpenedFile>, stopped: &Receiver<()>) {
        while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
            // A log beside another file is not the one of this connection.
            if file.is_none_or(|file| file.check().is_ok()) {
                self.look();
            }
        }
    }

    fn look(&mut self) {
        self.looks = self.looks.saturating_sub(1);
        match self.copy_if_quiet() {
            Ok(false) => {}
            Ok(true) => self.failures = 0,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {}
            Err(error) => {
                // Said once, until it works again.
                if self.failures == 0 {
                    tracing::warn!(%error, "SQLite's log cannot be copied into the file");
                }
                self.failures = self.failures.saturating_add(1);
                self.looks = 2_u32.saturating_pow(self.failures).min(MOST_LOOKS);
            }
        }
    }

    /// Whether it has copied what could be copied.
    fn copy_if_quiet(&mut self) -> rusqlite::Result<bool> {
        let found = self.checkpoint("NOOP")?;
        let before = std::mem::replace(&mut self.length, found.all);
        // One that is shorter has begun anew. That another has too, and has become longer since, cannot be told, and does no harm.
        let added = if found.all < before {
            found.all
        } else {
            found.all - before
        };
        let is_due = added <= LITTLE && found.all - found.copied >= WORTH_COPYING && self.looks == 0;
        if is_due {
            self.checkpoint("PASSIVE")?;
        }
        Ok(is_due)
    }

    /// PASSIVE copies what nobody reads the former state of, and waits for nobody; NOOP, which is newer, only looks.
    fn checkpoint(&self, mode: &str) -> rusqlite::Result<Pages> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        self.connection.query_row(&sql, [], |row| {
            Ok(Pages {
                all: row.get(1)?,
                copied: row.get(2)?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{Log, Pages, WORTH_COPYING, log_pages};

    #[test]
    fn a_log_grows_with_its_file() {
        let mebibytes = |file: u64| log_pages(file << 20) * 4 / 1_024;
        assert_eq!([0, 1, 256].map(mebibytes), [64, 64, 64]);
        assert_eq!([260, 1_024, 2_048, 100_000].map(mebibytes), [65, 256, 256, 256]);
    }

    #[test]
    fn a_log_is_copied_when_it_is_long_and_has_not_grown_much() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.sqlite");
        let writer = Connection::open(&path).unwrap();
        let begin = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (a)";
        writer.execute_batch(begin).unwrap();
        // A page each, and what is above them.
        let write = |pages: i64| {
            let row = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) \
                       INSERT INTO t SELECT zeroblob(4000) FROM n";
            writer.execute(row, [pages]).unwrap();
        };
        let mut log = Log::of(Connection::open(&path).unwrap());
        let mut copied = || {
            log.look();
            let Pages { all, copied } = log.checkpoint("NOOP").unwrap();
            assert!([0, all].contains(&copied), "{copied} of {all}");
            copied > 0
        };
        write(WORTH_COPYING + 200);
        assert!(!copied(), "much has just been written");
        write(100);
        assert!(copied());
        // The log begins anew.
        write(100);
        assert!(!copied() && !copied() && !copied(), "it is short");
        write(WORTH_COPYING);
        assert!(!copied(), "much has just been written");
        assert!(copied());
    }
}
