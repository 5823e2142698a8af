//! Short reads of SQLite on the thread that asks.
//!
//! The driver runs every statement on a thread of its own, and handing one over wakes a sleeping processor twice, which costs
//! ten times as much as what most statements of ours do. So they are tried here first, on connections that belong to whoever
//! holds them. One that takes longer than a few milliseconds is given up and goes the driver's way, so that no thread of the
//! runtime is kept from its other requests. So does whatever fails here: the driver then says what is wrong.
//! What runs statements here serves the write queue too, on its own thread and its own connection: see `transaction`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql};
use sea_orm::Value;

use super::file::Access;

/// Prepared statements kept per connection, as by the driver.
const STATEMENTS: usize = 512;
/// Steps of SQLite's machine between two looks at how many there have been.
const STEPS: i32 = 1_000;
/// How long a statement may take before it is given up.
const PATIENCE: Duration = Duration::from_millis(5);

/// The file that a URL names; none when it is not a plain file of SQLite.
pub(super) fn plain_file(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    // Parameters are the driver's business.
    let is_plain = !rest.is_empty() && !rest.contains(['?', '%']);
    is_plain.then_some(rest)
}

/// Connections to a file of SQLite that any thread can read with.
#[derive(Debug)]
pub(super) struct Local {
    file: String,
    idle: Mutex<Vec<Reading>>,
    closed: AtomicBool,
}

/// A connection, and until when its statement under way may take.
#[derive(Debug)]
struct Reading {
    connection: Connection,
    /// In microseconds since `opened`.
    until: Arc<AtomicU64>,
    opened: Instant,
}

impl Reading {
    fn begin(&self) {
        let until = self.opened.elapsed() + PATIENCE;
        self.until.store(micros(until), Ordering::Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Rows, as many values each as the statement has columns.
#[derive(Debug)]
pub struct LocalRows {
    pub(super) values: Vec<Stored>,
    pub(super) columns: usize,
}

impl Local {
    /// For a database that the driver has opened already; none when it is not a plain file of SQLite.
    pub fn of(url: &str) -> Option<Self> {
        Some(Self {
            file: plain_file(url)?.to_owned(),
            idle: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// The rows of a statement; none when it has to go the driver's way.
    pub fn read(&self, sql: &str, values: &[Value]) -> Option<LocalRows> {
        let reading = self.take()?;
        reading.begin();
        let rows = run(&reading.connection, sql, values).ok();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.closed.load(Ordering::Acquire) {
            idle.push(reading);
        }
        rows
    }

    /// Closes the connections that nobody reads with; the others close when they are done.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn take(&self) -> Option<Reading> {
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.or_else(|| self.open().ok())
    }

    fn open(&self) -> rusqlite::Result<Reading> {
        let connection = Access::Read.open(Path::new(&self.file))?;
        // Where it would have to wait for others, the driver does.
        connection.busy_timeout(Duration::ZERO)?;
        connection
            .execute_batch("PRAGMA query_only = 1; PRAGMA mmap_size = 1073741824; PRAGMA cache_size = -65536;")?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let (opened, until) = (Instant::now(), Arc::new(AtomicU64::new(u64::MAX)));
        let limit = Arc::clone(&until);
        let is_late = move || micros(opened.elapsed()) > limit.load(Ordering::Relaxed);
        connection.progress_handler(STEPS, Some(is_late))?;
        Ok(Reading {
            connection,
            until,
            opened,
        })
    }
}

impl LocalRows {
    /// None yet, of so many columns.
    pub(super) fn of(columns: usize) -> Self {
        Self {
            values: Vec::new(),
            columns,
        }
    }
}

/// Runs a statement, and reads its rows.
pub(super) fn run(connection: &Connection, sql: &str, values: &[Value]) -> rusqlite::Result<LocalRows> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = LocalRows::of(statement.column_count());
    bind(&mut statement, values)?;
    read_into(&mut statement, &mut found)?;
    Ok(found)
}

/// Runs a statement that has one value, `?`, for each of some values, and reads all rows.
pub(super) fn run_each<V: Into<Value> + Clone>(
    connection: &Connection,
    sql: &str,
    values: &[V],
) -> rusqlite::Result<LocalRows> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = LocalRows::of(statement.column_count());
    for value in values {
        statement.raw_bind_parameter(1, Bound::of(&value.clone().into())?)?;
        read_into(&mut statement, &mut found)?;
    }
    Ok(found)
}

fn read_into(statement: &mut CachedStatement<'_>, found: &mut LocalRows) -> rusqlite::Result<()> {
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        for column in 0..found.columns {
            found.values.push(row.get(column)?);
        }
    }
    Ok(())
}

/// Runs a statement that answers no rows; how many it changed.
pub(super) fn execute(connection: &Connection, sql: &str, values: &[Value]) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, values)?;
    let changed = statement.raw_execute()?;
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}

/// Runs a statement that answers no rows once for each list of values.
pub(super) fn execute_each(
    connection: &Connection,
    sql: &str,
    rows: impl Iterator<Item = Vec<Value>>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    for values in rows {
        for (index, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(index + 1, Bound::of(value)?)?;
        }
        statement.raw_execute()?;
    }
    Ok(())
}

/// Binds `$1`, `$2` and so on, in whatever order the statement names them, or `?` by place.
fn bind(statement: &mut CachedStatement<'_>, values: &[Value]) -> rusqlite::Result<()> {
    for index in 1..=statement.parameter_count() {
        let number = match statement.parameter_name(index) {
            Some(name) => number_of(name).ok_or_else(|| rusqlite::Error::InvalidParameterName(name.to_owned()))?,
            None => index,
        };
        let value = number.checked_sub(1).and_then(|number| values.get(number));
        let value = value.ok_or(rusqlite::Error::InvalidParameterCount(values.len(), number))?;
        statement.raw_bind_parameter(index, Bound::of(value)?)?;
    }
    Ok(())
}

fn number_of(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse().ok()
}

/// A value to bind.
struct Bound<'a>(ValueRef<'a>);

impl<'a> Bound<'a> {
    fn of(value: &'a Value) -> rusqlite::Result<Self> {
        let integer = |number: Option<i64>| number.map_or(ValueRef::Null, ValueRef::Integer);
        Ok(Self(match value {
            Value::Bool(given) => integer(given.map(i64::from)),
            Value::SmallInt(given) => integer(given.map(i64::from)),
            Value::Int(given) => integer(given.map(i64::from)),
            Value::BigInt(given) => integer(*given),
            // What the builder of statements makes of a limit.
            Value::BigUnsigned(given) => integer(given.and_then(|number| i64::try_from(number).ok())),
            Value::Double(given) => given.map_or(ValueRef::Null, ValueRef::Real),
            Value::String(given) => given
                .as_ref()
                .map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())),
            Value::Bytes(given) => given.as_ref().map_or(ValueRef::Null, |bytes| ValueRef::Blob(bytes)),
            other => {
                let message = format!("a value of another type: {other:?}");
                return Err(rusqlite::Error::ToSqlConversionFailure(message.into()));
            }
        }))
    }
}

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::types::Value as Stored;

    use super::Local;

    fn local(directory: &tempfile::TempDir) -> Local {
        let file = directory.path().join("local.sqlite");
        rusqlite::Connection::open(&file)
            .unwrap()
            .execute_batch("CREATE TABLE t (a, b)")
            .unwrap();
        Local::of(&format!("sqlite:{}", file.display())).unwrap()
    }

    #[test]
    fn values_are_bound_by_number() {
        let directory = tempfile::tempdir().unwrap();
        let values = ["x".into(), 7_i64.into()];
        let rows = local(&directory).read("SELECT $2, $1, $2 + 1", &values).unwrap();
        let expected = [Stored::Integer(7), Stored::Text("x".to_owned()), Stored::Integer(8)];
        assert_eq!((rows.columns, &rows.values[..]), (3, &expected[..]));
    }

    #[test]
    fn what_takes_long_or_fails_goes_the_other_way() {
        let directory = tempfile::tempdir().unwrap();
        let local = local(&directory);
        let forever = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        for sql in [forever, "SELECT nothing", "INSERT INTO t VALUES (1, 2)", "SELECT $3"] {
            assert!(local.read(sql, &[]).is_none(), "{sql}");
            assert!(local.read("SELECT 1", &[]).is_some());
        }
        local.close();
        assert!(local.read("SELECT 1", &[]).is_none());
    }

    #[test]
    fn other_databases_have_none() {
        for url in [
            "postgres://host/db",
            "sqlite:a.sqlite?mode=ro",
            "sqlite:a%20b",
            "sqlite:",
        ] {
            assert!(Local::of(url).is_none(), "{url}");
        }
    }
}
