//! The store: SQL over SQLite and PostgreSQL, one code path. The only floor that builds queries.
//!
//! Reads are functions named noun first (`version_list`, `artifact_find_many`). They take a connection and a [`Scope`]
//! and answer rows of the `entity` crate. Nothing of a database's own words leaves this floor: see [`StoreError`].

pub mod artifact;
pub mod artifact_list;
pub mod backup;
pub mod bulk;
mod cells;
pub mod check;
pub mod checkpoint;
pub mod dialect;
pub mod edge;
pub mod error;
pub mod event;
pub mod execution;
pub mod execution_list;
pub mod explain;
pub mod export;
pub mod file;
pub mod floating;
pub mod idempotency;
pub mod ledger;
pub mod lineage;
mod local;
pub mod page;
pub mod partition;
pub mod partition_filter;
pub mod partition_value;
pub mod placement_change;
pub mod resolve;
mod room;
pub mod scope;
mod sql;
pub mod table;
mod texts;
mod together;
pub mod transaction;
pub mod version;
mod version_conditions;
pub mod version_count;
pub mod version_latest;
pub mod version_list;
mod version_pick;
mod version_place;

use std::fs::OpenOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use checkpoint::Checkpointer;
pub use error::StoreError;
use file::{Access, OpenedFile};
use local::Local;
pub use local::LocalRows;
pub use room::Room;
pub use scope::Scope;
use transaction::LocalWriter;
pub use transaction::Transaction;

/// How to reach a database.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite:PATH` (made when it is not there) or `postgres://…`.
    pub url: String,
    /// The most connections for reading; writing has one of its own.
    pub max_connections: u32,
    /// How long a statement may take on PostgreSQL, and how long to wait for a free connection.
    pub timeout: Duration,
}

/// How often a migration of SQLite that failed is tried again, since another process may have done the step meanwhile.
const MIGRATION_TRIES: usize = 20;
/// How long it waits before that.
const MIGRATION_PAUSE: Duration = Duration::from_millis(250);

/// A database with Heirloom's tables in it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    reader: DatabaseConnection,
    /// One connection: writes of this process stand in line here, not at the database.
    writer: DatabaseConnection,
    /// Whether the writer's connection is to be replaced before it is used again.
    is_writer_suspect: Arc<AtomicBool>,
    /// Short reads of SQLite.
    local: Option<Arc<Local>>,
    /// Writes to SQLite on the thread of whoever writes.
    local_writer: Option<Arc<LocalWriter>>,
    /// What is written to, where it is a file.
    file: Option<Arc<OpenedFile>>,
}

/// How far a database's schema is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// As this program wants it.
    Current,
    /// These steps are still to do.
    Pending(Vec<String>),
    /// It knows steps that this program does not: a newer program has been at work.
    Newer(Vec<String>),
    /// It is a file of something else, which has this table, and none of our steps.
    Foreign(String),
}

impl Store {
    /// Opens a database, without looking at its schema.
    pub async fn connect(options: &Options) -> Result<Self, StoreError> {
        let is_writer_suspect = Arc::new(AtomicBool::new(false));
        // Only here: see `dialect::connect_options`. Where it cannot be made, the driver says that it cannot be opened.
        if let Some(file) = file::sqlite_file(&options.url) {
            let _ = OpenOptions::new().append(true).create(true).open(file);
        }
        let mut to_read = dialect::connect_options(options, options.max_connections, Access::Write)?;
        dialect::replace_broken(&mut to_read, &Arc::default());
        let mut to_write = dialect::connect_options(options, 1, Access::Write)?;
        dialect::replace_broken(&mut to_write, &is_writer_suspect);
        let reader = dialect::connect(to_read).await?;
        let writer = match dialect::connect(to_write).await {
            Ok(writer) => writer,
            Err(error) => {
                // Why there is no store says more than why half of one cannot be closed.
                let _ = reader.close_by_ref().await;
                return Err(error.into());
            }
        };
        Ok(Self {
            reader,
            writer,
            is_writer_suspect,
            local: Local::of(&options.url).map(Arc::new),
            local_writer: LocalWriter::of(&options.url, options.timeout).map(Arc::new),
            file: OpenedFile::of(&options.url).map(Arc::new),
        })
    }

    /// Opens a database that is there to read it: nothing of it changes, and of SQLite it may be where nothing can be written.
    pub async fn connect_to_read(options: &Options) -> Result<Self, StoreError> {
        let Some(file) = file::sqlite_file(&options.url) else {
            return Self::connect(options).await;
        };
        let access = Access::to_read(&file)?;
        let to_read = dialect::connect_options(options, options.max_connections, access)?;
        let reader = dialect::connect(to_read).await?;
        let local = Local::of(&options.url).filter(|_| access == Access::Read);
        Ok(Self {
            writer: reader.clone(),
            reader,
            is_writer_suspect: Arc::default(),
            local: local.map(Arc::new),
            local_writer: None,
            file: None,
        })
    }

    /// Which of the two databases it is.
    pub fn backend(&self) -> DbBackend {
        self.reader.get_database_backend()
    }

    /// A connection for the reads of one request, which counts their statements.
    pub fn session(&self) -> Session {
        self.session_counting(Arc::default())
    }

    /// The same, counting on a counter that somebody else reads.
    pub fn session_counting(&self, statements: Arc<AtomicU64>) -> Session {
        Session {
            connection: self.reader.clone(),
            local: self.local.clone(),
            statements,
            room: None,
        }
    }

    /// Begins a write transaction, which no other of this process runs beside. On SQLite it takes the write lock at
    /// once: a transaction that read first and wrote later would fail instead of waiting.
    pub async fn begin_write(&self) -> Result<Transaction, StoreError> {
        let turn = match &self.local_writer {
            Some(writer) => Some(writer.turn().await),
            None => None,
        };
        self.check_file()?;
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.writer.begin_with_options(options).await?;
        Ok(Transaction::of_driver(transaction, turn, self.file.clone()))
    }

    /// The same for whoever has a thread to itself: on SQLite its statements run there, and keep the thread waiting.
    pub async fn begin_write_here(&self) -> Result<Transaction, StoreError> {
        match &self.local_writer {
            Some(writer) => Transaction::here(writer, self.file.clone()).await,
            None => self.begin_write().await,
        }
    }

    /// Has the next write open a connection anew, after one that failed.
    pub fn replace_writer(&self) {
        self.is_writer_suspect.store(true, Ordering::Release);
        self.local_writer.iter().for_each(|writer| writer.replace());
    }

    /// Makes sure that the store is still in the file that it was opened on.
    ///
    /// # Errors
    /// When the file has gone, or another has its name.
    pub fn check_file(&self) -> Result<(), StoreError> {
        self.file.as_ref().map_or(Ok(()), |file| file.check())
    }

    /// Copies SQLite's log into the file while little is written, until what it answers is dropped. None for another database, and for
    /// a file whose URL has parameters: those are the driver's business.
    pub fn checkpointer(&self) -> Option<Checkpointer> {
        Checkpointer::start(self.local_writer.as_ref()?.file(), self.file.clone())
    }

    /// How far the schema is.
    pub async fn schema_state(&self) -> Result<SchemaState, StoreError> {
        let known: Vec<String> = Migrator::migrations().iter().map(|m| m.name().to_owned()).collect();
        // First the tables: another process may be making them.
        let table = dialect::any_table(&self.writer).await?;
        let applied = dialect::applied_migrations(&self.writer).await?;
        if let Some(table) = table
            && !applied.iter().any(|name| known.contains(name))
        {
            return Ok(SchemaState::Foreign(table));
        }
        let newer: Vec<String> = applied.iter().filter(|name| !known.contains(name)).cloned().collect();
        if !newer.is_empty() {
            return Ok(SchemaState::Newer(newer));
        }
        let pending: Vec<String> = known.into_iter().filter(|name| !applied.contains(name)).collect();
        Ok(if pending.is_empty() {
            SchemaState::Current
        } else {
            SchemaState::Pending(pending)
        })
    }

    /// Does the pending steps. Several processes may try at once: one does them, the others wait and find them done.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        dialect::lock_migrations(&self.writer).await?;
        let done = self.migrate_beside_others().await;
        dialect::unlock_migrations(&self.writer).await?;
        done
    }

    /// SQLite has no lock for it: of two that do a step at once one fails, and finds it done when it looks again. What fails
    /// though nothing was done meanwhile fails for good.
    async fn migrate_beside_others(&self) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            let before = dialect::applied_migrations(&self.writer).await?;
            let Err(error) = Migrator::up(&self.writer, None).await.map_err(StoreError::from) else {
                return Ok(());
            };
            let may_pass = error.is_retryable() || dialect::applied_migrations(&self.writer).await? != before;
            if self.backend() != DbBackend::Sqlite || !may_pass || tries == MIGRATION_TRIES {
                return Err(error);
            }
            tries += 1;
            tokio::time::sleep(MIGRATION_PAUSE).await;
        }
    }

    /// Closes its connections, after what is under way.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.local.iter().for_each(|local| local.close());
        if let Some(writer) = &self.local_writer {
            writer.close().await;
        }
        self.reader.close_by_ref().await?;
        Ok(self.writer.close_by_ref().await?)
    }
}

/// A connection for the reads of one request. It counts statements, for the log and for the tests that bound them.
#[derive(Clone, Debug)]
pub struct Session {
    connection: DatabaseConnection,
    local: Option<Arc<Local>>,
    statements: Arc<AtomicU64>,
    room: Option<Arc<Room>>,
}

impl Session {
    /// The same connection for an answer that has room for so much of long texts.
    #[must_use]
    pub fn within(self, room: Arc<Room>) -> Self {
        Self {
            room: Some(room),
            ..self
        }
    }

    /// The same connection for statements that read much: none is tried on the thread that asks.
    #[must_use]
    pub fn for_much(&self) -> Self {
        Self {
            local: None,
            ..self.clone()
        }
    }

    /// How many statements have run.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }
}

/// What statements that read run on.
pub trait Reader: ConnectionTrait {
    /// The rows of a statement, read on this thread; none when it has to go the driver's way.
    #[doc(hidden)]
    fn read_here(&self, _sql: &str, _values: &[sea_orm::Value]) -> Option<Result<LocalRows, StoreError>> {
        None
    }

    /// The room for long texts; none: they are read whatever they have.
    #[doc(hidden)]
    fn room(&self) -> Option<&Room> {
        None
    }
}

impl Reader for DatabaseConnection {}
impl Reader for DatabaseTransaction {}

impl Reader for Session {
    fn read_here(&self, sql: &str, values: &[sea_orm::Value]) -> Option<Result<LocalRows, StoreError>> {
        let rows = self.local.as_ref()?.read(sql, values)?;
        self.count();
        Some(Ok(rows))
    }

    fn room(&self) -> Option<&Room> {
        self.room.as_deref()
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Session {
    fn get_database_backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.count();
        self.connection.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.count();
        self.connection.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.count();
        self.connection.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.count();
        self.connection.query_all_raw(statement).await
    }
}
