//! What an index of the graph in memory is made of: the log of revisions, and the rows that it speaks of.
//!
//! Rows are read as they are, with all their revisions, so that whoever holds them can answer for any revision. What is
//! read may be newer than what was asked for, never older.

use std::collections::BTreeSet;

use ::entity::{NO_TIME, edge};
use serde::{Deserialize, Serialize};

use super::artifact::read_granularity;
use super::cells::Cells;
use super::sql::{Binds, read};
use super::{Reader, StoreError, dialect};
use crate::domain::record::{ExecutionKind, ExecutionState};
use crate::domain::time::{Granularity, Timestamp};

/// Rows of earlier revisions that a revision changed, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Changed {
    /// Artifacts that were declared: their versions and partitions may have been placed anew.
    pub artifacts: BTreeSet<i64>,
    /// Versions that were produced or deleted.
    pub versions: BTreeSet<i64>,
    /// Executions whose fields changed, or that got further edges.
    pub executions: BTreeSet<i64>,
}

impl Changed {
    /// As the log keeps it; none when nothing changed.
    pub(super) fn to_stored(&self) -> Result<Option<String>, StoreError> {
        if *self == Self::default() {
            return Ok(None);
        }
        let json = serde_json::to_string(self).map_err(|e| StoreError::Inconsistent(e.to_string()))?;
        Ok(Some(json))
    }

    pub(super) fn from_stored(text: Option<&str>) -> Result<Self, StoreError> {
        text.map_or(Ok(Self::default()), serde_json::from_str)
            .map_err(|e| StoreError::Inconsistent(format!("what a revision changed: {e}")))
    }

    /// Adds what another revision changed.
    pub fn extend(&mut self, other: Self) {
        self.artifacts.extend(other.artifacts);
        self.versions.extend(other.versions);
        self.executions.extend(other.executions);
    }
}

/// A revision, as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number.
    pub revision: i64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// What it changed, besides adding rows.
    pub changed: Changed,
}

/// The revisions after one, ascending, at most `limit`.
pub async fn log_after(db: &impl Reader, revision: i64, limit: i64) -> Result<Vec<LogEntry>, StoreError> {
    let mut binds = Binds::new(db);
    let after = binds.bind(revision);
    let limit = binds.limit(limit);
    let sql =
        format!("SELECT id, recorded_at, coalesce(changed, '') FROM revision WHERE id > {after} ORDER BY id {limit}");
    read(&binds.many(db, &sql, 3).await?, |cells| {
        Ok(LogEntry {
            revision: cells.next()?,
            recorded_at: Timestamp(cells.next()?),
            changed: Changed::from_stored(cells.text()?.as_deref())?,
        })
    })
}

/// Which rows of a table.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// Those with greater ids, up to a revision: ascending, at most `limit`.
    After {
        /// The last id that is known.
        id: i64,
        /// Up to this revision.
        through: i64,
        /// At most so many.
        limit: i64,
    },
    /// Those with these ids.
    Named(&'a [i64]),
    /// Those of these artifacts, up to a revision.
    OfArtifacts {
        /// The artifacts.
        ids: &'a [i64],
        /// Up to this revision.
        through: i64,
    },
}

impl Rows<'_> {
    fn condition(self, binds: &mut Binds, table: &str) -> String {
        match self {
            Self::After { id, through, limit } => {
                let (id, through) = (binds.bind(id), binds.bind(through));
                let limit = binds.limit(limit);
                format!("{table}.id > {id} AND {table}.revision <= {through} ORDER BY {table}.id {limit}")
            }
            Self::Named(ids) => {
                let list = binds.bind(dialect::numbers(binds.backend, ids.iter().copied()));
                dialect::in_numbers(binds.backend, &format!("{table}.id"), &list)
            }
            Self::OfArtifacts { ids, through } => {
                let list = binds.bind(dialect::numbers(binds.backend, ids.iter().copied()));
                let theirs = dialect::in_numbers(binds.backend, &format!("{table}.artifact_id"), &list);
                format!("{theirs} AND {table}.revision <= {}", binds.bind(through))
            }
        }
    }
}

/// An artifact with its revisions.
#[derive(Clone, Debug)]
pub struct ArtifactFacts {
    /// Its id.
    pub id: i64,
    /// The parts of its key.
    pub key: [String; 3],
    /// The revision that first named it.
    pub revision: i64,
    /// The revision since which it is known to be another one, or `NEVER`.
    pub merged_revision: i64,
    /// The revision since which it is there again, or `NEVER`.
    pub returned_revision: i64,
    /// The revision that declared it, or `NEVER`.
    pub declared_revision: i64,
    /// Its partition keys, in declared order.
    pub declared_keys: Vec<String>,
}

/// Artifacts; not by [`Rows::OfArtifacts`].
pub async fn artifact_facts(db: &impl Reader, rows: Rows<'_>) -> Result<Vec<ArtifactFacts>, StoreError> {
    let mut binds = Binds::new(db);
    let which = rows.condition(&mut binds, "artifact");
    let sql = format!(
        "SELECT artifact.id, artifact.project, artifact.domain, artifact.name, artifact.revision, artifact.merged_revision, artifact.returned_revision, artifact.declared_revision, \
         coalesce(artifact.declared_keys, '[]') FROM artifact WHERE {which}"
    );
    read(&binds.many(db, &sql, 9).await?, |cells| {
        Ok(ArtifactFacts {
            id: cells.next()?,
            key: [cells.next()?, cells.next()?, cells.next()?],
            revision: cells.next()?,
            merged_revision: cells.next()?,
            returned_revision: cells.next()?,
            declared_revision: cells.next()?,
            declared_keys: json(&cells.next::<String>()?)?,
        })
    })
}

/// A partition with its revisions.
#[derive(Clone, Debug)]
pub struct PartitionFacts {
    /// Its id.
    pub id: i64,
    /// Whose partition it is.
    pub artifact_id: i64,
    /// The value of each key that it has, keys ascending.
    pub values: Vec<(String, String)>,
    /// The start of its window and its size, when it has one.
    pub window: Option<(i64, Granularity)>,
    /// The revision that recorded it.
    pub revision: i64,
    /// The revision since which it is no more, or `NEVER`.
    pub retired_revision: i64,
}

/// Partitions.
pub async fn partition_facts(db: &impl Reader, rows: Rows<'_>) -> Result<Vec<PartitionFacts>, StoreError> {
    let mut binds = Binds::new(db);
    let which = rows.condition(&mut binds, "partition");
    let sql = format!(
        "SELECT partition.id, partition.artifact_id, partition.\"values\", partition.window_start, \
         coalesce(partition.granularity, ''), partition.revision, partition.retired_revision FROM partition WHERE {which}"
    );
    read(&binds.many(db, &sql, 7).await?, |cells| {
        let (id, artifact_id) = (cells.next()?, cells.next()?);
        let values: std::collections::BTreeMap<String, String> = json(&cells.next::<String>()?)?;
        let start = cells.next()?;
        let granularity = cells.text()?.map(|text| read_granularity(&text)).transpose()?;
        Ok(PartitionFacts {
            id,
            artifact_id,
            values: values.into_iter().collect(),
            window: granularity.map(|granularity| (start, granularity)),
            revision: cells.next()?,
            retired_revision: cells.next()?,
        })
    })
}

/// A version with its revisions.
#[derive(Clone, Debug)]
pub struct VersionFacts {
    /// Its id.
    pub id: i64,
    /// The artifact that it is a version of.
    pub artifact_id: i64,
    /// The version string.
    pub version: String,
    /// The revision that first named it.
    pub revision: i64,
    /// The revision that recorded its content, or `NEVER`.
    pub produced_revision: i64,
    /// The revision that deleted it, or `NEVER`.
    pub deleted_revision: i64,
    /// Whether that withdrew it: then it is not there since.
    pub is_withdrawn: bool,
    /// When it was produced.
    pub created_at: i64,
    /// When it was first named, where that was before it was produced.
    pub named_at: Option<i64>,
    /// The revision since which `partition_id` holds; before it, `prior_partition_id` does.
    pub placed_revision: i64,
    /// Its partition; 0 for none.
    pub partition_id: i64,
    /// Its partition before; 0 for none.
    pub prior_partition_id: i64,
    /// Whether its partition does not fit the artifact's declaration; and whether it did not before.
    pub flagged: [bool; 2],
}

/// Versions.
pub async fn version_facts(db: &impl Reader, rows: Rows<'_>) -> Result<Vec<VersionFacts>, StoreError> {
    let mut binds = Binds::new(db);
    let which = rows.condition(&mut binds, "version");
    let sql = format!(
        "SELECT version.id, version.artifact_id, version.version, version.revision, version.produced_revision, \
         version.deleted_revision, CASE WHEN version.ordinal < 0 THEN 1 ELSE 0 END, version.created_at, \
         coalesce(version.named_at, {NO_TIME}), version.placed_revision, \
         coalesce(version.partition_id, 0), coalesce(version.prior_partition_id, 0), \
         CASE WHEN version.schema_mismatch IS NULL THEN 0 ELSE 1 END, \
         CASE WHEN version.prior_schema_mismatch IS NULL THEN 0 ELSE 1 END FROM version WHERE {which}"
    );
    read(&binds.many(db, &sql, 14).await?, |cells| {
        Ok(VersionFacts {
            id: cells.next()?,
            artifact_id: cells.next()?,
            version: cells.next()?,
            revision: cells.next()?,
            produced_revision: cells.next()?,
            deleted_revision: cells.next()?,
            is_withdrawn: cells.next::<i32>()? == 1,
            created_at: cells.next()?,
            named_at: Some(cells.next()?).filter(|at| *at != NO_TIME),
            placed_revision: cells.next()?,
            partition_id: cells.next()?,
            prior_partition_id: cells.next()?,
            flagged: [cells.next::<i32>()? == 1, cells.next::<i32>()? == 1],
        })
    })
}

/// An execution, as it is known now.
#[derive(Clone, Debug)]
pub struct ExecutionFacts {
    /// Its id.
    pub id: i64,
    /// The parts of its key.
    pub key: [String; 3],
    /// What kind of run it is.
    pub kind: ExecutionKind,
    /// How far it is.
    pub state: ExecutionState,
    /// The workflow's or task's name; empty for none.
    pub entity: String,
    /// The revision that first named it.
    pub revision: i64,
    /// When it started, or `NO_TIME`.
    pub started_at: i64,
    /// When it ended, or `NO_TIME`.
    pub ended_at: i64,
}

/// Executions; not by [`Rows::OfArtifacts`].
pub async fn execution_facts(db: &impl Reader, rows: Rows<'_>) -> Result<Vec<ExecutionFacts>, StoreError> {
    let mut binds = Binds::new(db);
    let which = rows.condition(&mut binds, "execution");
    let sql = format!(
        "SELECT execution.id, execution.project, execution.domain, execution.name, execution.kind, execution.state, \
         coalesce(execution.entity, ''), execution.revision, execution.started_at, coalesce(execution.ended_at, {NO_TIME}) \
         FROM execution WHERE {which}"
    );
    read(&binds.many(db, &sql, 10).await?, |cells| {
        Ok(ExecutionFacts {
            id: cells.next()?,
            key: [cells.next()?, cells.next()?, cells.next()?],
            kind: ExecutionKind::from_stored(&cells.next::<String>()?),
            state: ExecutionState::from_stored(&cells.next::<String>()?),
            entity: cells.next()?,
            revision: cells.next()?,
            started_at: cells.next()?,
            ended_at: cells.next()?,
        })
    })
}

/// An edge.
#[derive(Clone, Debug)]
pub struct EdgeFacts {
    /// The execution.
    pub execution_id: i64,
    /// Whether the execution produced the version, and did not consume it.
    pub is_output: bool,
    /// The execution's name for it.
    pub name: String,
    /// The version.
    pub version_id: i64,
    /// The revision that recorded it.
    pub revision: i64,
    /// The revision since which it is no more, or `NEVER`.
    pub ended_revision: i64,
}

/// Whose edges.
#[derive(Clone, Copy, Debug)]
pub enum EdgesOf<'a> {
    /// Of the executions with ids in `(after, last]`.
    Range {
        /// The last id before the range.
        after: i64,
        /// The last id of the range.
        last: i64,
    },
    /// Of these executions.
    Executions(&'a [i64]),
}

/// The edges of executions that were recorded, or have ended, after the revision `after`, up to `through`.
pub async fn edge_facts(
    db: &impl Reader,
    of: EdgesOf<'_>,
    after: i64,
    through: i64,
) -> Result<Vec<EdgeFacts>, StoreError> {
    let mut binds = Binds::new(db);
    let whose = match of {
        EdgesOf::Range { after, last } => {
            let (after, last) = (binds.bind(after), binds.bind(last));
            format!("edge.execution_id > {after} AND edge.execution_id <= {last}")
        }
        EdgesOf::Executions(ids) => {
            let list = binds.bind(dialect::numbers(binds.backend, ids.iter().copied()));
            dialect::in_numbers(binds.backend, "edge.execution_id", &list)
        }
    };
    let (after, through) = (binds.bind(after), binds.bind(through));
    let output = edge::OUTPUT;
    let sql = format!(
        "SELECT edge.execution_id, CASE WHEN edge.role = {output} THEN 1 ELSE 0 END, edge.name, edge.version_id, edge.revision, \
         edge.ended_revision FROM edge WHERE {whose} AND edge.revision <= {through} AND (edge.revision > {after} \
         OR (edge.ended_revision > {after} AND edge.ended_revision <= {through}))"
    );
    read(&binds.many(db, &sql, 6).await?, read_edge)
}

fn read_edge(cells: &mut Cells) -> Result<EdgeFacts, StoreError> {
    Ok(EdgeFacts {
        execution_id: cells.next()?,
        is_output: cells.next::<i32>()? == 1,
        name: cells.next()?,
        version_id: cells.next()?,
        revision: cells.next()?,
        ended_revision: cells.next()?,
    })
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Inconsistent(format!("{text}: {e}")))
}
