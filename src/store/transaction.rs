//! A write transaction.
//!
//! On SQLite its statements run on the thread of whoever writes. The driver would run each on a thread of its own, and waking
//! that one and being woken costs more than most statements do: it took half of the time of a small write, and on a busy
//! machine far more. The write queue has a thread of its own, so that nothing else waits for the disk with it.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::Value as Stored;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ColumnType, ConnAcquireErr, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, ExecResult, IdenStatic as _, Iterable, QueryResult, QueryTrait, Select, Statement, TryIntoModel,
    Value,
};
use tokio::sync::OwnedMutexGuard;

use super::cells::RowSet;
use super::file::{Access, OpenedFile};
use super::local::{self, LocalRows};
use super::texts::{Form, text};
use super::{Reader, StoreError, bulk, checkpoint};

/// Prepared statements kept, as by the driver.
const STATEMENTS: usize = 512;

/// What it keeps in memory. A transaction of thousands of records changes pages of many indices for each of them, since every artifact
/// has its own place there; pages that do not fit would be written more than once.
const CACHE_KIBIBYTES: u32 = 131_072;

/// The connection that a process writes to a file of SQLite with.
pub(super) struct LocalWriter {
    file: String,
    timeout: Duration,
    /// None while a transaction has it, and after one that failed: then the next opens another.
    idle: Mutex<Option<Writing>>,
    is_suspect: AtomicBool,
    /// Whether no transaction is begun any more.
    is_closed: AtomicBool,
    /// Writes of this process stand in line here: at the file's lock they would ask again and again.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A connection, and after how many pages it copies the log.
#[derive(Debug)]
struct Writing {
    connection: Connection,
    log_pages: u64,
}

impl fmt::Debug for LocalWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalWriter")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl LocalWriter {
    /// For a database that the driver has opened already; none when it is not a plain file of SQLite.
    pub fn of(url: &str, timeout: Duration) -> Option<Self> {
        Some(Self {
            file: local::plain_file(url)?.to_owned(),
            timeout,
            idle: Mutex::default(),
            is_suspect: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            turn: Arc::default(),
        })
    }

    /// Waits until nothing else of this process writes.
    pub async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Has the next transaction open a connection anew.
    pub fn replace(&self) {
        self.is_suspect.store(true, Ordering::Release);
    }

    /// Closes the connection, after the transaction under way; those that wait for their turn are refused.
    pub async fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        let _turn = self.turn().await;
        *self.lock() = None;
    }

    /// The file that it writes to.
    pub fn file(&self) -> &str {
        &self.file
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Writing>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the write lock, waiting for other processes.
    fn begin(&self) -> Result<Writing, StoreError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed).into());
        }
        let idle = self.lock().take();
        let idle = idle.filter(|_| !self.is_suspect.swap(false, Ordering::AcqRel));
        let mut writing = idle.map_or_else(|| self.open(), Ok)?;
        writing.let_log_grow(checkpoint::log_pages_of(&self.file))?;
        // A transaction that read first and wrote later would fail instead of waiting.
        writing.connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(writing)
    }

    /// With the settings of the driver's connections: see `dialect::connect_options`.
    fn open(&self) -> rusqlite::Result<Writing> {
        let connection = Access::Write.open(Path::new(&self.file))?;
        connection.busy_timeout(self.timeout)?;
        connection.execute_batch(&format!(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA mmap_size = 1073741824; \
             PRAGMA cache_size = -{CACHE_KIBIBYTES};"
        ))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Writing {
            connection,
            log_pages: 0,
        })
    }
}

impl Writing {
    fn let_log_grow(&mut self, pages: u64) -> rusqlite::Result<()> {
        if self.log_pages != pages {
            self.connection
                .pragma_update(None, "wal_autocheckpoint", pages.cast_signed())?;
            self.log_pages = pages;
        }
        Ok(())
    }
}

/// A write transaction, which no other of this process runs beside. Dropped, it is rolled back.
#[derive(Debug)]
pub struct Transaction {
    on: On,
    /// What it writes to, where it is a file.
    file: Option<Arc<OpenedFile>>,
    _turn: Option<OwnedMutexGuard<()>>,
}

#[derive(Debug)]
enum On {
    Driver(DatabaseTransaction),
    Here(Here),
}

/// A transaction on this thread.
#[derive(Debug)]
struct Here {
    /// None once it has ended. Locked for each statement, since the transaction may be moved between threads.
    writing: Mutex<Option<Writing>>,
    writer: Arc<LocalWriter>,
}

impl Here {
    fn with<T>(&self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = || StoreError::Inconsistent("the transaction has ended".to_owned());
        Ok(run(&writing.as_ref().ok_or_else(ended)?.connection)?)
    }

    /// Ends the transaction. A connection on which that fails is closed, which rolls back.
    fn end(&self, how: &str) -> Result<(), StoreError> {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writing) = writing {
            writing.connection.execute_batch(how)?;
            *self.writer.lock() = Some(writing);
        }
        Ok(())
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        // Where it fails, the connection is closed.
        let _ = self.end("ROLLBACK");
    }
}

impl Transaction {
    pub(super) fn of_driver(
        transaction: DatabaseTransaction,
        turn: Option<OwnedMutexGuard<()>>,
        file: Option<Arc<OpenedFile>>,
    ) -> Self {
        Self {
            on: On::Driver(transaction),
            file,
            _turn: turn,
        }
    }

    pub(super) async fn here(writer: &Arc<LocalWriter>, file: Option<Arc<OpenedFile>>) -> Result<Self, StoreError> {
        let turn = writer.turn().await;
        check(file.as_deref())?;
        let here = Here {
            writing: Mutex::new(Some(writer.begin()?)),
            writer: Arc::clone(writer),
        };
        Ok(Self {
            on: On::Here(here),
            file,
            _turn: Some(turn),
        })
    }

    /// Runs statements without values.
    ///
    /// # Errors
    /// When the database refuses one.
    pub async fn execute_unprepared(&self, sql: &str) -> Result<(), StoreError> {
        match &self.on {
            On::Driver(tx) => {
                tx.execute_unprepared(sql).await?;
                Ok(())
            }
            On::Here(here) => here.with(|connection| connection.execute_batch(sql)),
        }
    }

    /// Runs a statement that changes rows; how many.
    pub(super) async fn execute(&self, statement: Statement) -> Result<u64, StoreError> {
        match &self.on {
            On::Driver(tx) => Ok(tx.execute_raw(statement).await?.rows_affected()),
            On::Here(here) => {
                let values = values_of(&statement);
                here.with(|connection| local::execute(connection, &statement.sql, values))
            }
        }
    }

    /// The rows of a statement.
    pub(super) async fn rows(&self, statement: Statement) -> Result<RowSet, StoreError> {
        match &self.on {
            On::Driver(tx) => Ok(RowSet::Rows(tx.query_all_raw(statement).await?)),
            On::Here(here) => {
                let values = values_of(&statement);
                let rows = here.with(|connection| local::run(connection, &statement.sql, values))?;
                Ok(RowSet::Local(rows))
            }
        }
    }

    /// The rows of a table that a statement selects.
    pub(super) async fn models<E: EntityTrait>(&self, select: Select<E>) -> Result<Vec<E::Model>, StoreError>
    where
        E::ActiveModel: TryIntoModel<E::Model>,
    {
        match &self.on {
            On::Driver(tx) => Ok(select.all(tx).await?),
            On::Here(here) => {
                let statement = select.build(DbBackend::Sqlite);
                let values = values_of(&statement);
                let rows = here.with(|connection| local::run(connection, &statement.sql, values))?;
                models::<E>(rows)
            }
        }
    }

    /// The rows of a table with a column equal to one of some keys, looked up one by one; none where many keys in one
    /// statement are faster.
    pub(super) fn models_by_key<E: EntityTrait, V: Into<Value> + Clone>(
        &self,
        column: E::Column,
        keys: &[V],
    ) -> Option<Result<Vec<E::Model>, StoreError>>
    where
        E::ActiveModel: TryIntoModel<E::Model>,
    {
        let On::Here(here) = &self.on else { return None };
        let form = Form::Find {
            column: column.as_str(),
            keys: 1,
        };
        let sql = text::<E>(DbBackend::Sqlite, form, || {
            bulk::find_sql::<E>(DbBackend::Sqlite, column, 1)
        });
        let found = here.with(|connection| local::run_each(connection, &sql, keys));
        Some(found.and_then(models::<E>))
    }

    /// Runs a statement once for each row of values: on this thread, where that is as fast as one for all of them.
    pub(super) fn write_here(&self, sql: &str, rows: impl Iterator<Item = Vec<Value>>) -> Result<(), StoreError> {
        match &self.on {
            On::Driver(_) => Err(StoreError::Inconsistent("the transaction is the driver's".to_owned())),
            On::Here(here) => here.with(|connection| local::execute_each(connection, sql, rows)),
        }
    }

    /// Whether statements run on this thread.
    pub(super) fn is_here(&self) -> bool {
        matches!(self.on, On::Here(_))
    }

    /// Makes all of it durable. Where the file has gone meanwhile it is rolled back: what were written there would be lost.
    pub async fn commit(self) -> Result<(), StoreError> {
        check(self.file.as_deref())?;
        match self.on {
            On::Driver(tx) => Ok(tx.commit().await?),
            On::Here(here) => here.end("COMMIT"),
        }
    }

    /// Takes all of it back.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self.on {
            On::Driver(tx) => Ok(tx.rollback().await?),
            On::Here(here) => here.end("ROLLBACK"),
        }
    }
}

impl Reader for Transaction {
    fn read_here(&self, sql: &str, values: &[Value]) -> Option<Result<LocalRows, StoreError>> {
        match &self.on {
            On::Driver(_) => None,
            On::Here(here) => Some(here.with(|connection| local::run(connection, sql, values))),
        }
    }
}

/// What statements of the driver need; those that run here never come this way, since [`Reader::read_here`] answers them.
#[async_trait::async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        match &self.on {
            On::Driver(tx) => tx.get_database_backend(),
            On::Here(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.driver()?.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.driver()?.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.driver()?.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.driver()?.query_all_raw(statement).await
    }
}

impl Transaction {
    fn driver(&self) -> Result<&DatabaseTransaction, DbErr> {
        match &self.on {
            On::Driver(tx) => Ok(tx),
            On::Here(_) => Err(DbErr::Custom("the transaction is not the driver's".to_owned())),
        }
    }
}

fn check(file: Option<&OpenedFile>) -> Result<(), StoreError> {
    file.map_or(Ok(()), OpenedFile::check)
}

fn values_of(statement: &Statement) -> &[Value] {
    statement.values.as_ref().map_or(&[], |values| values.0.as_slice())
}

/// Rows with all columns of a table, in their order.
fn models<E: EntityTrait>(rows: LocalRows) -> Result<Vec<E::Model>, StoreError>
where
    E::ActiveModel: TryIntoModel<E::Model>,
{
    // Most keys that are looked up are new.
    if rows.values.is_empty() {
        return Ok(Vec::new());
    }
    let columns: Vec<(E::Column, ColumnType)> = E::Column::iter()
        .map(|column| (column, column.def().get_column_type().clone()))
        .collect();
    let mut models = Vec::with_capacity(rows.values.len() / columns.len().max(1));
    let mut values = rows.values.into_iter();
    while values.len() >= columns.len() && !columns.is_empty() {
        let mut model = <E::ActiveModel as ActiveModelTrait>::default();
        for ((column, of), value) in columns.iter().zip(values.by_ref()) {
            model.try_set(*column, typed(of, value)?)?;
        }
        models.push(model.try_into_model()?);
    }
    Ok(models)
}

/// A value as the type of its column has it: SQLite knows fewer types.
fn typed(of: &ColumnType, value: Stored) -> Result<Value, StoreError> {
    let wrong = || StoreError::Inconsistent(format!("a column of {of:?} holds what it should not"));
    let number = match &value {
        Stored::Integer(number) => Some(*number),
        _ => None,
    };
    let is_null = value == Stored::Null;
    let small = |number: Option<i64>| number.map(i16::try_from).transpose().map_err(|_| wrong());
    let typed = match (of, value) {
        (ColumnType::Boolean, _) => Value::Bool(number.map(|number| number != 0)),
        (ColumnType::SmallInteger, _) => Value::SmallInt(small(number)?),
        (ColumnType::Integer, _) => Value::Int(number.map(i32::try_from).transpose().map_err(|_| wrong())?),
        (ColumnType::BigInteger, _) => Value::BigInt(number),
        (_, Stored::Text(text)) => Value::String(Some(text)),
        (_, Stored::Blob(bytes)) => Value::Bytes(Some(bytes)),
        (ColumnType::Text | ColumnType::String(_), Stored::Null) => Value::String(None),
        (_, Stored::Null) => Value::Bytes(None),
        _ => return Err(wrong()),
    };
    let is_number = matches!(
        typed,
        Value::Bool(_) | Value::SmallInt(_) | Value::Int(_) | Value::BigInt(_)
    );
    if is_number && number.is_none() && !is_null {
        return Err(wrong());
    }
    Ok(typed)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::time::Duration;

    use super::LocalWriter;

    /// After how many pages a transaction copies the log.
    fn limit(writer: &LocalWriter) -> i64 {
        let writing = writer.begin().unwrap();
        let read = "PRAGMA wal_autocheckpoint";
        let limit = writing.connection.query_row(read, [], |row| row.get(0)).unwrap();
        writing.connection.execute_batch("ROLLBACK").unwrap();
        *writer.lock() = Some(writing);
        limit
    }

    #[test]
    fn the_log_may_grow_with_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("grows.sqlite");
        let made = rusqlite::Connection::open(&path).unwrap();
        made.execute_batch("CREATE TABLE t (a)").unwrap();
        made.close().unwrap();
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        let least = file.metadata().unwrap().len();
        let writer = LocalWriter::of(&format!("sqlite:{}", path.display()), Duration::from_secs(5)).unwrap();
        let expected = [(0, 16_384), (1, 65_536), (1, 65_536), (2, 65_536), (0, 16_384)];
        for (gibibytes, pages) in expected {
            // What is behind the database is a hole.
            file.set_len(least.max(gibibytes << 30)).unwrap();
            assert_eq!(limit(&writer), pages, "{gibibytes} GiB");
            writer.replace();
            assert_eq!(limit(&writer), pages, "{gibibytes} GiB, by another connection");
        }
    }
}
