//! The floor: the walk by hand, frontier by frontier, and the answer written as JSON by hand; one thread, no HTTP.
//!
//! On SQLite it is point look-ups by prepared statements in one read transaction, on PostgreSQL a statement for each hop and one
//! for each kind of row.

use std::time::{Duration, Instant};

use entity::{NO_TIME, edge};
use heirloom::domain::key::Digest;
use rustc_hash::FxHashSet;
use sea_orm::sqlx::{self, Connection as _, PgConnection, Row as _};

use super::json::Json;
use super::queries::Direction;
use super::support::{cpu, postgres};

const VERSION_BY_DIGEST: &str = "SELECT id FROM version WHERE key_digest = $1";
const ARTIFACTS: &str = "SELECT id FROM artifact ORDER BY id";

/// The statements of SQLite, each for one id.
mod one {
    pub const EXECUTIONS: &str = "SELECT execution_id FROM edge WHERE version_id = $1 AND role = $2";
    pub const VERSIONS: &str = "SELECT version_id FROM edge WHERE execution_id = $1 AND role = $2";
    pub const EDGES: &str = "SELECT version_id, role, name FROM edge WHERE execution_id = $1";
    pub const VERSION: &str = r#"SELECT v.artifact_id, v.version, v.created_at, p."values", p.window_start FROM version v LEFT JOIN partition p ON p.id = v.partition_id WHERE v.id = $1"#;
    pub const EXECUTION: &str = "SELECT name, state, started_at, ended_at FROM execution WHERE id = $1";
    pub const ARTIFACT: &str = "SELECT project, domain, name FROM artifact WHERE id = $1";
}

/// The statements of PostgreSQL, each for many ids.
mod many {
    pub const EXECUTIONS: &str = "SELECT execution_id FROM edge WHERE version_id = ANY($1) AND role = $2";
    pub const VERSIONS: &str = "SELECT version_id FROM edge WHERE execution_id = ANY($1) AND role = $2";
    pub const EDGES: &str = "SELECT execution_id, version_id, role, name FROM edge WHERE execution_id = ANY($1)";
    pub const VERSION: &str = r#"SELECT v.id, v.artifact_id, v.version, v.created_at, p."values", p.window_start FROM version v LEFT JOIN partition p ON p.id = v.partition_id WHERE v.id = ANY($1)"#;
    pub const EXECUTION: &str = "SELECT id, name, state, started_at, ended_at FROM execution WHERE id = ANY($1)";
    pub const ARTIFACT: &str = "SELECT id, project, domain, name FROM artifact WHERE id = ANY($1)";
}

/// Which way, and how far.
#[derive(Clone, Copy)]
pub struct Walk {
    pub direction: Direction,
    /// Hops between versions and executions; none: as far as it goes.
    pub hops: Option<u32>,
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Every node with its row, and every edge.
    Rows,
    /// Every edge.
    Edges,
    /// How many nodes there are, by distance and kind.
    Counts,
}

pub struct Answer {
    pub nodes: usize,
    pub edges: usize,
    pub json: String,
}

pub struct Edge {
    pub execution: i64,
    pub version: i64,
    pub is_output: bool,
    pub name: String,
}

pub struct Version {
    pub id: i64,
    pub artifact: i64,
    pub version: String,
    pub created_at: i64,
    /// A JSON object; none without a partition.
    pub values: Option<String>,
    /// Or `NO_TIME`.
    pub window_start: i64,
}

pub struct Execution {
    pub id: i64,
    pub name: String,
    pub state: String,
    pub started_at: i64,
    pub ended_at: Option<i64>,
}

pub struct Artifact {
    pub id: i64,
    pub project: String,
    pub domain: String,
    pub name: String,
}

/// How much there is in a store.
pub struct Size {
    pub artifacts: i64,
    pub versions: i64,
    pub executions: i64,
    pub edges: i64,
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            artifacts,
            versions,
            executions,
            edges,
        } = self;
        write!(
            f,
            "{artifacts} artifacts, {versions} versions, {executions} executions, {edges} edges"
        )
    }
}

/// One connection.
pub enum Database {
    Sqlite(rusqlite::Connection),
    Postgres(PgConnection, u32),
}

/// Nodes that were reached, in the order in which they were.
#[derive(Default)]
struct Reached {
    set: FxHashSet<i64>,
    list: Vec<i64>,
}

impl Reached {
    fn add(&mut self, id: i64) {
        if self.set.insert(id) {
            self.list.push(id);
        }
    }

    /// Puts those from a place on into the order of their ids, and so of the trees that they are looked up in.
    fn sorted(&mut self, from: usize) -> Vec<i64> {
        self.list[from..].sort_unstable();
        self.list[from..].to_vec()
    }
}

impl Database {
    pub async fn open(url: &str) -> Self {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let connection = rusqlite::Connection::open(path).unwrap();
            connection.set_prepared_statement_cache_capacity(64);
            connection
                .execute_batch("PRAGMA mmap_size = 1073741824; PRAGMA cache_size = -65536;")
                .unwrap();
            return Self::Sqlite(connection);
        }
        let mut connection = PgConnection::connect(url).await.unwrap();
        let backend = postgres::backend(&mut connection).await;
        Self::Postgres(connection, backend)
    }

    /// The id of a version.
    pub async fn version(&mut self, key: Digest) -> i64 {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(VERSION_BY_DIGEST).unwrap();
                statement.query_row([key.to_vec()], |row| row.get(0)).unwrap()
            }
            Self::Postgres(connection, _) => {
                let query = sqlx::query_scalar(VERSION_BY_DIGEST).bind(key.to_vec());
                query.fetch_one(connection).await.unwrap()
            }
        }
    }

    /// The ids of all artifacts.
    pub async fn artifacts(&mut self) -> Vec<i64> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(ARTIFACTS).unwrap();
                let ids = statement.query_map([], |row| row.get(0)).unwrap();
                ids.map(Result::unwrap).collect()
            }
            Self::Postgres(connection, _) => sqlx::query_scalar(ARTIFACTS).fetch_all(connection).await.unwrap(),
        }
    }

    /// How much there is.
    pub async fn size(&mut self) -> Size {
        Size {
            artifacts: self.count("SELECT count(*) FROM artifact").await,
            versions: self.count("SELECT count(*) FROM version").await,
            executions: self.count("SELECT count(*) FROM execution").await,
            edges: self.count("SELECT count(*) FROM edge").await,
        }
    }

    async fn count(&mut self, sql: &'static str) -> i64 {
        match self {
            Self::Sqlite(connection) => connection.query_row(sql, [], |row| row.get(0)).unwrap(),
            Self::Postgres(connection, _) => sqlx::query_scalar(sql).fetch_one(connection).await.unwrap(),
        }
    }

    /// Walks from a version.
    pub async fn walk(&mut self, root: i64, walk: Walk, what: What) -> Answer {
        if let Self::Sqlite(connection) = self {
            connection.execute_batch("BEGIN").unwrap();
        }
        let answer = self.walk_in_transaction(root, walk, what).await;
        if let Self::Sqlite(connection) = self {
            connection.execute_batch("COMMIT").unwrap();
        }
        answer
    }

    async fn walk_in_transaction(&mut self, root: i64, walk: Walk, what: What) -> Answer {
        let (into_executions, into_versions) = match walk.direction {
            Direction::Upstream => (edge::OUTPUT, edge::INPUT),
            Direction::Downstream => (edge::INPUT, edge::OUTPUT),
            Direction::Both => panic!("the floor walks one way"),
        };
        let (mut versions, mut executions) = (Reached::default(), Reached::default());
        let (mut edges, mut counts): (Vec<Edge>, Vec<usize>) = (vec![], vec![1]);
        versions.add(root);
        let (mut frontier, mut hop) = (vec![root], 0);
        while !frontier.is_empty() && walk.hops.is_none_or(|hops| hop < hops) {
            let known = executions.list.len();
            self.executions_of(&frontier, into_executions, &mut executions).await;
            let reached = executions.sorted(known);
            hop += 1;
            let known = versions.list.len();
            let goes_on = walk.hops.is_none_or(|hops| hop < hops);
            if what != What::Counts {
                let from = edges.len();
                self.edges_of(&reached, &mut edges).await;
                let onward = edges[from..].iter();
                for edge in onward.filter(|edge| goes_on && edge.is_output == (into_versions == edge::OUTPUT)) {
                    versions.add(edge.version);
                }
            } else if goes_on {
                self.versions_of(&reached, into_versions, &mut versions).await;
            }
            hop += 1;
            frontier = versions.sorted(known);
            counts.extend([reached.len(), frontier.len()]);
        }
        // Executions have all their edges here, also those to versions that were not reached.
        edges.retain(|edge| versions.set.contains(&edge.version));
        let mut json = Json::begin();
        if what == What::Rows {
            let artifacts_and_versions = self.version_rows(&versions.list).await;
            let executions = self.execution_rows(&executions.list).await;
            json.nodes(&artifacts_and_versions, &executions);
        }
        match what {
            What::Counts => json.counts(&counts),
            What::Rows | What::Edges => json.edges(&edges),
        }
        Answer {
            nodes: versions.list.len() + executions.list.len(),
            edges: edges.len(),
            json: json.end(),
        }
    }

    async fn executions_of(&mut self, versions: &[i64], role: i16, reached: &mut Reached) {
        match self {
            Self::Sqlite(connection) => neighbours(connection, one::EXECUTIONS, versions, role, reached),
            Self::Postgres(connection, _) => {
                all_neighbours(connection, many::EXECUTIONS, versions, role, reached).await;
            }
        }
    }

    async fn versions_of(&mut self, executions: &[i64], role: i16, reached: &mut Reached) {
        match self {
            Self::Sqlite(connection) => neighbours(connection, one::VERSIONS, executions, role, reached),
            Self::Postgres(connection, _) => {
                all_neighbours(connection, many::VERSIONS, executions, role, reached).await;
            }
        }
    }

    async fn edges_of(&mut self, executions: &[i64], edges: &mut Vec<Edge>) {
        match self {
            Self::Sqlite(connection) => each(connection, one::EDGES, executions, |execution, row| {
                edges.push(Edge {
                    execution,
                    version: row.get(0)?,
                    is_output: row.get::<_, i16>(1)? == edge::OUTPUT,
                    name: row.get(2)?,
                });
                Ok(())
            }),
            Self::Postgres(connection, _) => {
                let rows = all(connection, many::EDGES, executions).await;
                edges.extend(rows.iter().map(|row| Edge {
                    execution: row.get(0),
                    version: row.get(1),
                    is_output: row.get::<i16, _>(2) == edge::OUTPUT,
                    name: row.get(3),
                }));
            }
        }
    }

    async fn version_rows(&mut self, ids: &[i64]) -> (Vec<Artifact>, Vec<Version>) {
        let mut versions = Vec::with_capacity(ids.len());
        match self {
            Self::Sqlite(connection) => each(connection, one::VERSION, ids, |id, row| {
                versions.push(Version {
                    id,
                    artifact: row.get(0)?,
                    version: row.get(1)?,
                    created_at: row.get(2)?,
                    values: row.get(3)?,
                    window_start: row.get::<_, Option<i64>>(4)?.unwrap_or(NO_TIME),
                });
                Ok(())
            }),
            Self::Postgres(connection, _) => {
                let rows = all(connection, many::VERSION, ids).await;
                versions.extend(rows.iter().map(|row| Version {
                    id: row.get(0),
                    artifact: row.get(1),
                    version: row.get(2),
                    created_at: row.get(3),
                    values: row.get(4),
                    window_start: row.get::<Option<i64>, _>(5).unwrap_or(NO_TIME),
                }));
            }
        }
        let mut artifacts: Vec<i64> = versions.iter().map(|version| version.artifact).collect();
        artifacts.sort_unstable();
        artifacts.dedup();
        (self.artifact_rows(&artifacts).await, versions)
    }

    async fn execution_rows(&mut self, ids: &[i64]) -> Vec<Execution> {
        let mut executions = Vec::with_capacity(ids.len());
        match self {
            Self::Sqlite(connection) => each(connection, one::EXECUTION, ids, |id, row| {
                executions.push(Execution {
                    id,
                    name: row.get(0)?,
                    state: row.get(1)?,
                    started_at: row.get(2)?,
                    ended_at: row.get(3)?,
                });
                Ok(())
            }),
            Self::Postgres(connection, _) => {
                let rows = all(connection, many::EXECUTION, ids).await;
                executions.extend(rows.iter().map(|row| Execution {
                    id: row.get(0),
                    name: row.get(1),
                    state: row.get(2),
                    started_at: row.get(3),
                    ended_at: row.get(4),
                }));
            }
        }
        executions
    }

    async fn artifact_rows(&mut self, ids: &[i64]) -> Vec<Artifact> {
        let mut artifacts = Vec::with_capacity(ids.len());
        match self {
            Self::Sqlite(connection) => each(connection, one::ARTIFACT, ids, |id, row| {
                artifacts.push(Artifact {
                    id,
                    project: row.get(0)?,
                    domain: row.get(1)?,
                    name: row.get(2)?,
                });
                Ok(())
            }),
            Self::Postgres(connection, _) => {
                let rows = all(connection, many::ARTIFACT, ids).await;
                artifacts.extend(rows.iter().map(|row| Artifact {
                    id: row.get(0),
                    project: row.get(1),
                    domain: row.get(2),
                    name: row.get(3),
                }));
            }
        }
        artifacts
    }

    /// Seconds of CPU time that a walk takes, of this thread and of the connection's backend; the roots in turn.
    pub async fn cpu(&mut self, roots: &[i64], walk: Walk, what: What, time: Duration) -> f64 {
        let mut next = roots.iter().cycle();
        let begin = Instant::now();
        for _ in 0..20.max(roots.len()) {
            self.walk(*next.next().unwrap(), walk, what).await;
            if begin.elapsed() > time {
                break;
            }
        }
        let backend = match self {
            Self::Sqlite(_) => None,
            Self::Postgres(_, pid) => Some(*pid),
        };
        let now = || cpu::of_this_thread() + backend.map_or(0.0, cpu::of_process);
        let (before, begin, mut times) = (now(), Instant::now(), 0);
        loop {
            self.walk(*next.next().unwrap(), walk, what).await;
            times += 1;
            if begin.elapsed() > time {
                return (now() - before) / f64::from(times);
            }
        }
    }
}

fn neighbours(connection: &rusqlite::Connection, sql: &str, of: &[i64], role: i16, reached: &mut Reached) {
    let mut statement = connection.prepare_cached(sql).unwrap();
    for id in of {
        let mut rows = statement.query((id, role)).unwrap();
        while let Some(row) = rows.next().unwrap() {
            reached.add(row.get(0).unwrap());
        }
    }
}

fn each(
    connection: &rusqlite::Connection,
    sql: &str,
    ids: &[i64],
    mut read: impl FnMut(i64, &rusqlite::Row<'_>) -> rusqlite::Result<()>,
) {
    let mut statement = connection.prepare_cached(sql).unwrap();
    for &id in ids {
        let mut rows = statement.query([id]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            read(id, row).unwrap();
        }
    }
}

async fn all_neighbours(
    connection: &mut PgConnection,
    sql: &'static str,
    of: &[i64],
    role: i16,
    reached: &mut Reached,
) {
    let rows = sqlx::query(sql)
        .bind(of)
        .bind(role)
        .fetch_all(connection)
        .await
        .unwrap();
    for row in rows {
        reached.add(row.get(0));
    }
}

async fn all(connection: &mut PgConnection, sql: &'static str, ids: &[i64]) -> Vec<sqlx::postgres::PgRow> {
    sqlx::query(sql).bind(ids).fetch_all(connection).await.unwrap()
}
