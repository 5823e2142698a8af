//! The floor: the rows that the service has written, in the same commits, by prepared inserts into the same tables with the same
//! indices, as durable. What a row was changed to later it is from the start, so that the floor does not know of updates.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use rusqlite::types::{ToSqlOutput, ValueRef};
use sea_orm::sqlx::{self, Column as _, Connection as _, PgConnection, Row as _, TypeInfo as _};

use super::support::{cpu, postgres};

/// How the new rows of a table are found, and when each was written.
struct Table {
    name: &'static str,
    /// Rows of which this column is past the mark are new.
    past: (&'static str, Mark),
    /// The column with the revision that wrote it, where it has one.
    revision: Option<&'static str>,
    /// The rows that must be there before: a column, and the table whose id it is.
    after: &'static [(&'static str, &'static str)],
}

/// What was there before: a column of the counter row.
type Mark = &'static str;

const fn table(
    name: &'static str,
    past: (&'static str, Mark),
    revision: Option<&'static str>,
    after: &'static [(&'static str, &'static str)],
) -> Table {
    Table {
        name,
        past,
        revision,
        after,
    }
}

const REVISION: (&str, Mark) = ("revision", "revision");
const OWN: Option<&str> = Some("revision");

/// Parents before children.
const TABLES: [Table; 18] = [
    table("revision", ("id", "revision"), Some("id"), &[]),
    table("artifact", ("id", "artifact_id"), OWN, &[]),
    table("artifact_key", REVISION, OWN, &[("artifact_id", "artifact")]),
    table("partition", ("id", "partition_id"), OWN, &[("artifact_id", "artifact")]),
    table(
        "partition_value",
        ("partition_id", "partition_id"),
        None,
        &[("partition_id", "partition")],
    ),
    table(
        "version",
        ("id", "version_id"),
        OWN,
        &[("artifact_id", "artifact"), ("partition_id", "partition")],
    ),
    table(
        "version_value",
        ("version_id", "version_id"),
        None,
        &[("version_id", "version")],
    ),
    table("recorded_version", ("id", "version_id"), OWN, &[("id", "version")]),
    table("execution", ("id", "execution_id"), OWN, &[]),
    table(
        "edge",
        REVISION,
        OWN,
        &[("execution_id", "execution"), ("version_id", "version")],
    ),
    table(
        "resolved_input",
        REVISION,
        OWN,
        &[("execution_id", "execution"), ("version_id", "version")],
    ),
    table("alias", ("id", "alias_id"), OWN, &[("version_id", "version")]),
    table(
        "event",
        ("id", "event_id"),
        OWN,
        &[("execution_id", "execution"), ("artifact_id", "artifact")],
    ),
    table("run_story", ("id", "execution_id"), None, &[("id", "execution")]),
    table("dataset_story", ("id", "artifact_id"), None, &[("id", "artifact")]),
    table(
        "version_story",
        ("execution_id", "execution_id"),
        None,
        &[("execution_id", "execution"), ("artifact_id", "artifact")],
    ),
    table(
        "floating_input",
        ("id", "event_id"),
        None,
        &[
            ("execution_id", "execution"),
            ("artifact_id", "artifact"),
            ("version_id", "version"),
        ],
    ),
    table("dataset_name", ("id", "event_id"), OWN, &[("artifact_id", "artifact")]),
];

#[derive(Clone, Debug)]
enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl rusqlite::ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Bool(given) => ToSqlOutput::from(*given),
            Self::Int(n) => ToSqlOutput::from(*n),
            Self::Text(text) => ToSqlOutput::from(text.as_str()),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

/// Rows of one table.
#[derive(Debug)]
struct Rows {
    columns: Vec<(String, Kind)>,
    rows: Vec<Vec<Cell>>,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Int(&'static str),
    Text,
    Bytes,
}

/// One commit: for each table its rows.
type Commit = Vec<Vec<Vec<Cell>>>;

/// The rows that were written since the last look, by commit.
pub struct Written {
    columns: Vec<Vec<(String, Kind)>>,
    commits: Vec<Commit>,
}

impl Written {
    pub fn rows(&self) -> usize {
        self.commits.iter().flatten().map(Vec::len).sum()
    }

    pub fn commits(&self) -> usize {
        self.commits.len()
    }
}

/// A copy of the service's store that is kept up with it.
pub enum Floor {
    Sqlite {
        source: Box<rusqlite::Connection>,
        target: Box<rusqlite::Connection>,
    },
    Postgres {
        source: PgConnection,
        target: PgConnection,
        /// The process that works for the target.
        backend: u32,
    },
}

/// What writing took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub seconds: f64,
    /// Seconds of CPU time, of whoever wrote and of the database.
    pub cpu: f64,
}

impl Cost {
    /// With that of what came after it.
    pub fn and(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            cpu: self.cpu + other.cpu,
        }
    }
}

impl Floor {
    /// A floor that begins where the service does: both stores have the same rows.
    pub fn open(runtime: &tokio::runtime::Runtime, source: &str, target: &str) -> Self {
        if let (Some(source), Some(target)) = (source.strip_prefix("sqlite:"), target.strip_prefix("sqlite:")) {
            let (source, target) = (
                rusqlite::Connection::open(source).unwrap(),
                rusqlite::Connection::open(target).unwrap(),
            );
            target
                .execute_batch(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                     PRAGMA mmap_size = 1073741824; PRAGMA cache_size = -65536;",
                )
                .unwrap();
            target.set_prepared_statement_cache_capacity(64);
            return Self::Sqlite {
                source: Box::new(source),
                target: Box::new(target),
            };
        }
        runtime.block_on(async {
            let mut target = PgConnection::connect(target).await.unwrap();
            Self::Postgres {
                source: PgConnection::connect(source).await.unwrap(),
                backend: postgres::backend(&mut target).await,
                target,
            }
        })
    }

    /// What the service has written and this store does not have yet.
    pub fn written(&mut self, runtime: &tokio::runtime::Runtime) -> Written {
        let mut columns = Vec::new();
        let mut commits: BTreeMap<i64, Commit> = BTreeMap::new();
        let mut written: HashMap<(&str, i64), i64> = HashMap::new();
        for (number, table) in TABLES.iter().enumerate() {
            let found = self.new_rows(runtime, table);
            let at = |name: &str| found.columns.iter().position(|(column, _)| column == name).unwrap();
            let id = found.columns.iter().position(|(column, _)| column == "id");
            let own = table.revision.map(&at);
            let after: Vec<(usize, &str)> = table.after.iter().map(|(column, of)| (at(column), *of)).collect();
            for row in found.rows {
                let int = |column: usize| match row[column] {
                    Cell::Int(n) => Some(n),
                    _ => None,
                };
                let own = own.and_then(int);
                let parents = after
                    .iter()
                    .filter_map(|&(column, of)| written.get(&(of, int(column)?)).copied());
                let revision = own.into_iter().chain(parents).max().unwrap_or_default();
                if let Some(id) = id.and_then(int) {
                    written.insert((table.name, id), revision);
                }
                let commit = commits
                    .entry(revision)
                    .or_insert_with(|| vec![Vec::new(); TABLES.len()]);
                commit[number].push(row);
            }
            columns.push(found.columns);
        }
        Written {
            columns,
            commits: commits.into_values().collect(),
        }
    }

    fn new_rows(&mut self, runtime: &tokio::runtime::Runtime, table: &Table) -> Rows {
        let (column, mark) = table.past;
        let mark = format!("SELECT {mark} FROM revision_counter");
        let select = |mark: i64| {
            format!(
                "SELECT * FROM \"{}\" WHERE {column} > {mark} ORDER BY {column}",
                table.name
            )
        };
        match self {
            Self::Sqlite { source, target } => {
                let mark: i64 = target.query_row(&mark, [], |row| row.get(0)).unwrap();
                sqlite_rows(source, &select(mark))
            }
            Self::Postgres { source, target, .. } => runtime.block_on(async {
                let mark: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(mark))
                    .fetch_one(target)
                    .await
                    .unwrap();
                postgres_rows(source, table.name, select(mark)).await
            }),
        }
    }

    /// Inserts rows, commit by commit.
    pub fn insert(&mut self, runtime: &tokio::runtime::Runtime, written: &Written) -> Cost {
        let backend = match self {
            Self::Sqlite { .. } => None,
            Self::Postgres { backend, .. } => Some(*backend),
        };
        let now = || cpu::of_this_thread() + backend.map_or(0.0, cpu::of_process);
        let before = now();
        let seconds = match self {
            Self::Sqlite { target, .. } => sqlite_insert(target, written),
            Self::Postgres { target, .. } => runtime.block_on(postgres_insert(target, written)),
        };
        let cpu = now() - before;
        self.move_mark(runtime);
        Cost { seconds, cpu }
    }

    /// Takes over the counter row: that is what the next look begins at.
    fn move_mark(&mut self, runtime: &tokio::runtime::Runtime) {
        let read = "SELECT revision, recorded_at, artifact_id, partition_id, version_id, execution_id, alias_id, event_id FROM revision_counter";
        let write = |n: [i64; 8]| {
            let [revision, at, artifact, partition, version, execution, alias, event] = n;
            format!(
                "UPDATE revision_counter SET revision = {revision}, recorded_at = {at}, artifact_id = {artifact}, partition_id = {partition}, \
                 version_id = {version}, execution_id = {execution}, alias_id = {alias}, event_id = {event}"
            )
        };
        match self {
            Self::Sqlite { source, target } => {
                let cell = |row: &rusqlite::Row<'_>, i| row.get::<_, i64>(i).unwrap();
                let counter = source
                    .query_row(read, [], |row| Ok(std::array::from_fn(|i| cell(row, i))))
                    .unwrap();
                target.execute_batch(&write(counter)).unwrap();
            }
            Self::Postgres { source, target, .. } => runtime.block_on(async {
                let row = sqlx::query(read).fetch_one(source).await.unwrap();
                let counter = std::array::from_fn(|i| row.get::<i64, _>(i));
                sqlx::query(sqlx::AssertSqlSafe(write(counter)))
                    .execute(target)
                    .await
                    .unwrap();
            }),
        }
    }
}

fn sqlite_rows(source: &rusqlite::Connection, sql: &str) -> Rows {
    let mut statement = source.prepare(sql).unwrap();
    let columns: Vec<(String, Kind)> = statement
        .column_names()
        .iter()
        .map(|name| ((*name).to_owned(), Kind::Text))
        .collect();
    let mut rows = Vec::new();
    let mut found = statement.query([]).unwrap();
    while let Some(row) = found.next().unwrap() {
        let cell = |i: usize| match row.get_ref(i).unwrap() {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(n) => Cell::Int(n),
            ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
            ValueRef::Real(_) => panic!("no column has such numbers"),
        };
        rows.push((0..columns.len()).map(cell).collect());
    }
    Rows { columns, rows }
}

/// One row a statement: with SQLite in the same process more gains nothing.
fn sqlite_insert(target: &mut rusqlite::Connection, written: &Written) -> f64 {
    let statements: Vec<String> = TABLES
        .iter()
        .zip(&written.columns)
        .map(|(table, columns)| {
            let marks = vec!["?"; columns.len()].join(", ");
            format!("INSERT INTO \"{}\" VALUES ({marks})", table.name)
        })
        .collect();
    let begin = Instant::now();
    for commit in &written.commits {
        let transaction = target
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .unwrap();
        for (sql, rows) in statements.iter().zip(commit) {
            if rows.is_empty() {
                continue;
            }
            let mut insert = transaction.prepare_cached(sql).unwrap();
            for row in rows {
                insert.execute(rusqlite::params_from_iter(row)).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    begin.elapsed().as_secs_f64()
}

async fn postgres_rows(source: &mut PgConnection, table: &str, sql: String) -> Rows {
    use sea_orm::sqlx::Executor as _;
    let described = format!("SELECT * FROM \"{table}\" LIMIT 0");
    let described = source
        .prepare(sqlx::SqlStr::from_static(Box::leak(described.into_boxed_str())))
        .await
        .unwrap();
    let kind = |name: &str| match name {
        "BOOL" => Kind::Bool,
        "INT8" => Kind::Int("int8"),
        "INT4" => Kind::Int("int4"),
        "INT2" => Kind::Int("int2"),
        "BYTEA" => Kind::Bytes,
        _ => Kind::Text,
    };
    let columns: Vec<(String, Kind)> = sqlx::Statement::columns(&described)
        .iter()
        .map(|column| (column.name().to_owned(), kind(column.type_info().name())))
        .collect();
    let found = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(source).await.unwrap();
    let cell = |row: &sqlx::postgres::PgRow, i: usize| {
        let cell = match columns[i].1 {
            Kind::Bool => row.get::<Option<bool>, _>(i).map(Cell::Bool),
            Kind::Int("int8") => row.get::<Option<i64>, _>(i).map(Cell::Int),
            Kind::Int("int4") => row.get::<Option<i32>, _>(i).map(|n| Cell::Int(n.into())),
            Kind::Int(_) => row.get::<Option<i16>, _>(i).map(|n| Cell::Int(n.into())),
            Kind::Text => row.get::<Option<String>, _>(i).map(Cell::Text),
            Kind::Bytes => row.get::<Option<Vec<u8>>, _>(i).map(Cell::Bytes),
        };
        cell.unwrap_or(Cell::Null)
    };
    let rows = found
        .iter()
        .map(|row| (0..columns.len()).map(|i| cell(row, i)).collect())
        .collect();
    Rows { columns, rows }
}

/// All rows of a table in one statement, a list for each column.
async fn postgres_insert(target: &mut PgConnection, written: &Written) -> f64 {
    let statements: Vec<String> = TABLES
        .iter()
        .zip(&written.columns)
        .map(|(table, columns)| postgres_sql(table.name, columns))
        .collect();
    let begin = Instant::now();
    for commit in &written.commits {
        let mut transaction = target.begin().await.unwrap();
        for ((sql, columns), rows) in statements.iter().zip(&written.columns).zip(commit) {
            if rows.is_empty() {
                continue;
            }
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.as_str()));
            for (i, (_, kind)) in columns.iter().enumerate() {
                query = bind_column(query, *kind, rows, i);
            }
            query.execute(&mut *transaction).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }
    begin.elapsed().as_secs_f64()
}

fn postgres_sql(table: &str, columns: &[(String, Kind)]) -> String {
    let lists: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(i, (_, kind))| {
            let of = match kind {
                Kind::Bool => "bool",
                Kind::Int(of) => of,
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            format!("${}::{of}[]", i + 1)
        })
        .collect();
    format!("INSERT INTO \"{table}\" SELECT * FROM unnest({})", lists.join(", "))
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn bind_column<'q>(query: Query<'q>, kind: Kind, rows: &[Vec<Cell>], i: usize) -> Query<'q> {
    let int = |row: &Vec<Cell>| match row[i] {
        Cell::Int(n) => Some(n),
        _ => None,
    };
    match kind {
        Kind::Bool => query.bind(
            rows.iter()
                .map(|row| match row[i] {
                    Cell::Bool(given) => Some(given),
                    _ => None,
                })
                .collect::<Vec<_>>(),
        ),
        Kind::Int("int8") => query.bind(rows.iter().map(int).collect::<Vec<_>>()),
        Kind::Int("int4") => query.bind(rows.iter().map(|row| int(row).map(|n| n as i32)).collect::<Vec<_>>()),
        Kind::Int(_) => query.bind(rows.iter().map(|row| int(row).map(|n| n as i16)).collect::<Vec<_>>()),
        Kind::Text => query.bind(
            rows.iter()
                .map(|row| match &row[i] {
                    Cell::Text(text) => Some(text.clone()),
                    _ => None,
                })
                .collect::<Vec<_>>(),
        ),
        Kind::Bytes => query.bind(
            rows.iter()
                .map(|row| match &row[i] {
                    Cell::Bytes(bytes) => Some(bytes.clone()),
                    _ => None,
                })
                .collect::<Vec<_>>(),
        ),
    }
}
