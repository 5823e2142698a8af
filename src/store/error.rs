//! What can go wrong below: the text of a database's errors ends here.

use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr};

/// An error of the store. Cheap to clone, since a DataLoader hands one to everybody who waits.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is full or read-only, or did not answer in time: the same may work later.
    #[error("the database is not available: {0}")]
    Unavailable(Arc<DbErr>),
    /// The file that the store was opened on has gone, or another has its name: what were written would be lost.
    #[error("{0}")]
    Replaced(String),
    /// A row holds what no row should hold.
    #[error("the store is inconsistent: {0}")]
    Inconsistent(String),
    /// What was to be read for one answer has more bytes than there is room for.
    #[error("{actual} bytes were to be read, and there is room for {limit}")]
    TooMuch {
        /// The room.
        limit: usize,
        /// What was to be read, and what had been.
        actual: usize,
    },
    /// How it was asked to connect makes no sense.
    #[error("{0}")]
    Configuration(String),
    /// Anything else: a bug, as far as the caller is concerned.
    #[error("the database answered with an error: {0}")]
    Database(Arc<DbErr>),
}

impl StoreError {
    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Replaced(_))
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if is_transient(&error) {
            Self::Unavailable(Arc::new(error))
        } else {
            Self::Database(Arc::new(error))
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code.to_string());
        let is_transient = code.is_some_and(|code| is_transient_code(&code));
        let error = Arc::new(DbErr::Custom(error.to_string()));
        if is_transient {
            Self::Unavailable(error)
        } else {
            Self::Database(error)
        }
    }
}

/// SQLite's primary result codes for what passes: busy, locked, read-only, I/O error (a failed sync among them), full, cannot
/// open, a race for the write-ahead log.
const SQLITE_TRANSIENT: [i32; 7] = [5, 6, 8, 10, 13, 14, 15];
/// PostgreSQL's classes for what passes: connection, resources, operator intervention, read-only transaction, lock and
/// serialisation failures, system error.
const POSTGRES_TRANSIENT: [&str; 6] = ["08", "53", "57", "25006", "40", "58"];

fn is_transient(error: &DbErr) -> bool {
    let runtime = match error {
        DbErr::ConnectionAcquire(_) => return true,
        DbErr::Conn(e) | DbErr::Exec(e) | DbErr::Query(e) => e,
        _ => return false,
    };
    let RuntimeErr::SqlxError(error) = runtime else {
        return false;
    };
    match error.as_ref() {
        sea_orm::SqlxError::Io(_)
        | sea_orm::SqlxError::PoolTimedOut
        | sea_orm::SqlxError::PoolClosed
        | sea_orm::SqlxError::WorkerCrashed
        | sea_orm::SqlxError::BeginFailed
        | sea_orm::SqlxError::Protocol(_) => true,
        sea_orm::SqlxError::Database(e) => is_transient_code(&e.code().unwrap_or_default()),
        _ => false,
    }
}

/// An extended code of SQLite has the primary one in its low byte; PostgreSQL's have five characters.
fn is_transient_code(code: &str) -> bool {
    match code.parse::<i32>() {
        Ok(number) if code.len() != 5 => SQLITE_TRANSIENT.contains(&(number & 0xff)),
        _ => POSTGRES_TRANSIENT.iter().any(|class| code.starts_with(class)),
    }
}

#[cfg(test)]
mod tests {
    use super::is_transient_code;

    #[test]
    fn what_passes_and_what_does_not() {
        for (code, what) in [
            ("5", "SQLITE_BUSY"),
            ("261", "SQLITE_BUSY_RECOVERY"),
            ("517", "SQLITE_BUSY_SNAPSHOT"),
            ("8", "SQLITE_READONLY"),
            ("1544", "SQLITE_READONLY_DIRECTORY"),
            ("778", "SQLITE_IOERR_WRITE"),
            ("1034", "SQLITE_IOERR_FSYNC"),
            ("1290", "SQLITE_IOERR_DIR_FSYNC"),
            ("4618", "SQLITE_IOERR_SHMOPEN"),
            ("13", "SQLITE_FULL"),
            ("14", "SQLITE_CANTOPEN"),
            ("25006", "read_only_sql_transaction"),
            ("53100", "disk_full"),
            ("53300", "too_many_connections"),
            ("57P01", "admin_shutdown"),
            ("57014", "query_canceled"),
            ("58030", "io_error"),
            ("08006", "connection_failure"),
            ("40001", "serialization_failure"),
        ] {
            assert!(is_transient_code(code), "{code} {what}");
        }
        for (code, what) in [
            ("1", "SQLITE_ERROR"),
            ("11", "SQLITE_CORRUPT"),
            ("26", "SQLITE_NOTADB"),
            ("787", "SQLITE_CONSTRAINT_FOREIGNKEY"),
            ("2067", "SQLITE_CONSTRAINT_UNIQUE"),
            ("25001", "active_sql_transaction"),
            ("23505", "unique_violation"),
            ("42601", "syntax_error"),
            ("XX001", "data_corrupted"),
            ("", "none"),
        ] {
            assert!(!is_transient_code(code), "{code} {what}");
        }
    }
}
