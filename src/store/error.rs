//! What can go wrong below: the text of a database's errors ends here.

use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr};

/// An error of the store. Cheap to clone, since a DataLoader hands one to everybody who waits.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is full or read-only, or did not answer in time: the same may work later.
    #[error("the database is not available: {0}")]
    Unavailable(Arc<DbErr>),
    /// A row holds what no row should hold.
    #[error("the store is inconsistent: {0}")]
    Inconsistent(String),
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
        matches!(self, Self::Unavailable(_))
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

/// SQLite's primary result codes for what passes: busy, locked, read-only, I/O error, full, cannot open.
const SQLITE_TRANSIENT: [i32; 6] = [5, 6, 8, 10, 13, 14];
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
        | sea_orm::SqlxError::Protocol(_) => true,
        sea_orm::SqlxError::Database(e) => {
            let code = e.code().unwrap_or_default();
            match code.parse::<i32>() {
                // An extended SQLite code has the primary one in its low byte; PostgreSQL's have five characters.
                Ok(number) if code.len() != 5 => SQLITE_TRANSIENT.contains(&(number & 0xff)),
                _ => POSTGRES_TRANSIENT.iter().any(|class| code.starts_with(class)),
            }
        }
        _ => false,
    }
}
