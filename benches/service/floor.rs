//! The floor: hand-written prepared statements, each the one a person would write who knows the tables.

use std::time::{Duration, Instant};

use sea_orm::sqlx::{self, Connection as _, PgConnection, Row as _};

use super::queries::Steps;
use super::support::{cpu, postgres};

const ARTIFACT: &str = "SELECT id, project, domain, name FROM artifact WHERE key_digest = $1";
const PARTITION: &str = r#"SELECT id, "values", window_start FROM partition WHERE digest = $1"#;
const PARTITION_BY_ID: &str = r#"SELECT id, "values", window_start FROM partition WHERE id = $1"#;
const LATEST: &str = "SELECT id, version, created_at, partition_id FROM version WHERE partition_id = $1 AND deleted_revision = 9223372036854775807 ORDER BY created_at DESC, ordinal DESC LIMIT 1";
const LATEST_OF_KEY: &str = "SELECT version_id FROM version_value WHERE artifact_id = $1 AND key = $2 AND value = $3 ORDER BY created_at DESC, ordinal DESC LIMIT 1";
const VERSION: &str = "SELECT id, version, created_at, partition_id FROM version WHERE id = $1";
const RANGE: &str = "SELECT id FROM version WHERE artifact_id = $1 AND window_start >= $2 AND window_start < $3 ORDER BY created_at DESC, ordinal DESC LIMIT 50";
const NEWEST: &str = "SELECT id FROM version WHERE artifact_id = $1 ORDER BY created_at DESC, ordinal DESC LIMIT 20";
const PRODUCER: &str = "SELECT execution_id FROM edge WHERE version_id = $1 AND role = 1";
const EXECUTION: &str = "SELECT id, name, state, started_at, ended_at FROM execution WHERE id = $1";
const INPUTS: &str = "SELECT version_id, name FROM edge WHERE execution_id = $1 AND role = 0 ORDER BY name LIMIT 10";

/// A value bound or read.
#[derive(Clone, Debug)]
pub enum Value {
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Value {
    fn int(&self) -> i64 {
        match self {
            Self::Int(n) => *n,
            other => panic!("{other:?} is no number"),
        }
    }
}

type Row = Vec<Value>;

/// One connection.
pub enum Floor {
    Sqlite(rusqlite::Connection),
    Postgres(PgConnection, u32),
}

impl Floor {
    pub fn open(runtime: &tokio::runtime::Runtime, url: &str) -> Self {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let connection = rusqlite::Connection::open(path).unwrap();
            connection.set_prepared_statement_cache_capacity(64);
            connection
                .execute_batch("PRAGMA mmap_size = 1073741824; PRAGMA cache_size = -65536;")
                .unwrap();
            return Self::Sqlite(connection);
        }
        runtime.block_on(async {
            let mut connection = PgConnection::connect(url).await.unwrap();
            let backend = postgres::backend(&mut connection).await;
            Self::Postgres(connection, backend)
        })
    }

    async fn query(&mut self, sql: &'static str, values: &[Value]) -> Vec<Row> {
        match self {
            Self::Sqlite(connection) => sqlite_rows(connection, sql, values),
            Self::Postgres(connection, _) => postgres_rows(connection, sql, values).await,
        }
    }

    async fn one(&mut self, sql: &'static str, value: Value) -> Row {
        self.query(sql, &[value]).await.remove(0)
    }

    /// Fetches the rows of a query; how many.
    async fn fetch(&mut self, steps: &Steps) -> usize {
        match steps {
            Steps::LatestOfPartition { artifact, partition } => {
                self.one(ARTIFACT, Value::Bytes(artifact.clone())).await;
                let partition = self.one(PARTITION, Value::Bytes(partition.clone())).await;
                self.one(LATEST, partition[0].clone()).await;
                1
            }
            Steps::LatestOfKey { artifact, key, value } => {
                let artifact = self.one(ARTIFACT, Value::Bytes(artifact.clone())).await;
                let values = [
                    artifact[0].clone(),
                    Value::Text((*key).to_owned()),
                    Value::Text((*value).to_owned()),
                ];
                let id = self.query(LATEST_OF_KEY, &values).await.remove(0);
                self.version(id[0].int()).await;
                1
            }
            Steps::Range { artifact, from, to } => {
                let artifact = self.one(ARTIFACT, Value::Bytes(artifact.clone())).await;
                let values = [artifact[0].clone(), Value::Int(*from), Value::Int(*to)];
                let ids = self.query(RANGE, &values).await;
                for id in &ids {
                    self.version(id[0].int()).await;
                }
                ids.len()
            }
            Steps::Tree { artifact } => {
                let artifact = self.one(ARTIFACT, Value::Bytes(artifact.clone())).await;
                let newest = self.query(NEWEST, &[artifact[0].clone()]).await;
                let mut rows = newest.len();
                for id in newest {
                    for input in self.producer_inputs(id[0].int(), &mut rows).await {
                        for leaf in self.producer_inputs(input, &mut rows).await {
                            self.version(leaf).await;
                        }
                    }
                }
                rows
            }
        }
    }

    /// A version and its partition.
    async fn version(&mut self, id: i64) {
        let version = self.one(VERSION, Value::Int(id)).await;
        if let Value::Int(partition) = version[3] {
            self.one(PARTITION_BY_ID, Value::Int(partition)).await;
        }
    }

    /// A version, its producer and the ids of ten inputs.
    async fn producer_inputs(&mut self, id: i64, rows: &mut usize) -> Vec<i64> {
        self.version(id).await;
        let Some(producer) = self.query(PRODUCER, &[Value::Int(id)]).await.pop() else {
            return vec![];
        };
        let execution = self.one(EXECUTION, producer[0].clone()).await;
        let inputs = self.query(INPUTS, &[execution[0].clone()]).await;
        *rows += 1 + inputs.len();
        inputs.iter().map(|input| input[0].int()).collect()
    }

    pub fn rows(&mut self, runtime: &tokio::runtime::Runtime, steps: &Steps) -> usize {
        runtime.block_on(self.fetch(steps))
    }

    /// Seconds of CPU time that it takes once, of this thread and of the connection's backend.
    pub fn cpu(&mut self, runtime: &tokio::runtime::Runtime, steps: &Steps, time: Duration) -> f64 {
        for _ in 0..20 {
            self.rows(runtime, steps);
        }
        let backend = match self {
            Self::Sqlite(_) => None,
            Self::Postgres(_, pid) => Some(*pid),
        };
        let now = || cpu::of_this_thread() + backend.map_or(0.0, cpu::of_process);
        let (before, begin, mut times) = (now(), Instant::now(), 0);
        while begin.elapsed() < time {
            self.rows(runtime, steps);
            times += 1;
        }
        (now() - before) / f64::from(times)
    }
}

fn sqlite_rows(connection: &rusqlite::Connection, sql: &str, values: &[Value]) -> Vec<Row> {
    let mut statement = connection.prepare_cached(sql).unwrap();
    for (i, value) in values.iter().enumerate() {
        match value {
            Value::Int(n) => statement.raw_bind_parameter(i + 1, n),
            Value::Text(text) => statement.raw_bind_parameter(i + 1, text),
            Value::Bytes(bytes) => statement.raw_bind_parameter(i + 1, bytes),
        }
        .unwrap();
    }
    let columns = statement.column_count();
    let (mut rows, mut found) = (statement.raw_query(), Vec::new());
    while let Some(row) = rows.next().unwrap() {
        let value = |i: usize| match row.get_ref(i).unwrap() {
            rusqlite::types::ValueRef::Integer(n) => Value::Int(n),
            rusqlite::types::ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
            rusqlite::types::ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
            _ => Value::Text(String::new()),
        };
        found.push((0..columns).map(value).collect());
    }
    found
}

async fn postgres_rows(connection: &mut PgConnection, sql: &'static str, values: &[Value]) -> Vec<Row> {
    let mut query = sqlx::query(sql);
    for value in values {
        query = match value {
            Value::Int(n) => query.bind(*n),
            Value::Text(text) => query.bind(text.clone()),
            Value::Bytes(bytes) => query.bind(bytes.clone()),
        };
    }
    let rows = query.fetch_all(connection).await.unwrap();
    let value = |row: &sqlx::postgres::PgRow, i: usize| {
        row.try_get::<i64, _>(i)
            .map(Value::Int)
            .or_else(|_| row.try_get::<String, _>(i).map(Value::Text))
            .unwrap_or(Value::Text(String::new()))
    };
    rows.iter()
        .map(|row| (0..row.len()).map(|i| value(row, i)).collect())
        .collect()
}
