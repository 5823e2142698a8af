//! Short reads of SQLite on the thread that asks.
//!
//! The driver runs every statement on a thread of its own, and handing one over wakes a sleeping processor twice, which costs
//! ten times as much as what most statements of ours do. So they are tried here first, on connections that belong to whoever
//! holds them. One that takes longer than a few milliseconds is given up and goes the driver's way, so that no thread of the
//! runtime is kept from its other requests. So does whatever fails here: the driver then says what is wrong.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, ToSql};
use sea_orm::Value;

/// Prepared statements kept per connection, as by the driver.
const STATEMENTS: usize = 512;
/// Steps of SQLite's machine between two looks at how many there have been.
const STEPS: i32 = 1_000;
/// How often a statement may be looked at before it is given up: about five milliseconds.
const LOOKS: u32 = 300;

/// Connections to a file of SQLite that any thread can read with.
#[derive(Debug)]
pub(super) struct Local {
    file: String,
    busy: Duration,
    idle: Mutex<Vec<Reading>>,
    closed: AtomicBool,
}

/// A connection, and how often its statement under way has been looked at.
#[derive(Debug)]
struct Reading {
    connection: Connection,
    looks: Arc<AtomicU32>,
}

/// Rows, as many values each as the statement has columns.
#[derive(Debug)]
pub struct LocalRows {
    pub(super) values: Vec<Stored>,
    pub(super) columns: usize,
}

impl Local {
    /// For a database that the driver has opened already; none when it is not a plain file of SQLite.
    pub fn of(url: &str, busy: Duration) -> Option<Self> {
        let rest = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
        // Parameters are the driver's business.
        let plain = !rest.is_empty() && !rest.contains(['?', '%']);
        plain.then(|| Self {
            file: rest.to_owned(),
            busy,
            idle: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// The rows of a statement; none when it has to go the driver's way.
    pub fn read(&self, sql: &str, values: &[Value]) -> Option<LocalRows> {
        let reading = self.take()?;
        reading.looks.store(0, Ordering::Relaxed);
        let rows = read(&reading.connection, sql, values);
        if !self.closed.load(Ordering::Acquire) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reading);
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
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(self.busy)?;
        connection
            .execute_batch("PRAGMA query_only = 1; PRAGMA mmap_size = 1073741824; PRAGMA cache_size = -65536;")?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let looks = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&looks);
        connection.progress_handler(STEPS, Some(move || counted.fetch_add(1, Ordering::Relaxed) > LOOKS))?;
        Ok(Reading { connection, looks })
    }
}

fn read(connection: &Connection, sql: &str, values: &[Value]) -> Option<LocalRows> {
    let mut statement = connection.prepare_cached(sql).ok()?;
    bind(&mut statement, values)?;
    let columns = statement.column_count();
    let mut found = LocalRows {
        values: Vec::new(),
        columns,
    };
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().ok()? {
        for column in 0..columns {
            found.values.push(row.get(column).ok()?);
        }
    }
    Some(found)
}

/// Binds `$1`, `$2` and so on, in whatever order the statement names them.
fn bind(statement: &mut CachedStatement<'_>, values: &[Value]) -> Option<()> {
    for index in 1..=statement.parameter_count() {
        let number: usize = statement.parameter_name(index)?.strip_prefix('$')?.parse().ok()?;
        let value = Bound::of(values.get(number.checked_sub(1)?)?)?;
        statement.raw_bind_parameter(index, value).ok()?;
    }
    Some(())
}

/// A value to bind.
struct Bound<'a>(ValueRef<'a>);

impl<'a> Bound<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        let integer = |number: Option<i64>| number.map_or(ValueRef::Null, ValueRef::Integer);
        Some(Self(match value {
            Value::Bool(given) => integer(given.map(i64::from)),
            Value::SmallInt(given) => integer(given.map(i64::from)),
            Value::Int(given) => integer(given.map(i64::from)),
            Value::BigInt(given) => integer(*given),
            Value::Double(given) => given.map_or(ValueRef::Null, ValueRef::Real),
            Value::String(given) => given
                .as_ref()
                .map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())),
            Value::Bytes(given) => given.as_ref().map_or(ValueRef::Null, |bytes| ValueRef::Blob(bytes)),
            _ => return None,
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
    use std::time::Duration;

    use rusqlite::types::Value as Stored;

    use super::Local;

    fn local(directory: &tempfile::TempDir) -> Local {
        let file = directory.path().join("local.sqlite");
        rusqlite::Connection::open(&file)
            .unwrap()
            .execute_batch("CREATE TABLE t (a, b)")
            .unwrap();
        Local::of(&format!("sqlite:{}", file.display()), Duration::from_secs(1)).unwrap()
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
            assert!(Local::of(url, Duration::ZERO).is_none(), "{url}");
        }
    }
}
