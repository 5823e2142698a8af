//! Reading the whole store, chunk after chunk, as the records that would make it again.
//!
//! What comes out depends on what the store holds and on the order in which contents were recorded (which decides
//! between versions of the same instant), not on row ids: declarations and versions in order of recording, executions by
//! start, aliases and deletions by key. So a store made from an export gives the same export.

mod rows;

use std::collections::{HashMap, VecDeque};

use entity::{ExecutionId, NO_TIME, artifact, edge, execution, version};
use sea_orm::{ConnectionTrait, DatabaseTransaction, FromQueryResult, QueryResult, Statement, TransactionTrait, Value};

use super::{Scope, Store, StoreError, dialect, scope};
use crate::domain::filter::{VersionKeyQuery, VersionQuery};
use crate::domain::key::{ArtifactKey, ExecutionKey};
use crate::domain::record::{DeleteVersion, ExecutionInput, ExecutionOutput, Record, SetAlias};
pub use rows::object;
use rows::{announcement, artifact_key, content, declaration, models, parent_key};

/// Rows read at a time. Few enough to hold with all edges of as many executions.
const CHUNK: i64 = 500;
/// Aliases and deletions read at a time: each chunk sorts them all, and they are small.
const SORTED_CHUNK: i64 = 10_000;

/// The columns of a version's artifact, beside `v.*`.
const ARTIFACT_KEY: &str = "a.project AS artifact_project, a.domain AS artifact_domain, a.name AS artifact_name";

/// One thing to export.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "each is written as soon as it is made")]
pub enum Exported {
    /// A record as it is.
    Record(Record),
    /// An execution, which may take several records to say how its fields came to be.
    Execution(Box<ExportedExecution>),
}

/// An execution with what it is connected to.
#[derive(Clone, Debug)]
pub struct ExportedExecution {
    /// Its row.
    pub row: execution::Model,
    /// The execution that it is part of.
    pub parent: Option<ExecutionKey>,
    /// What it took in, by exact version.
    pub inputs: Vec<ExecutionInput>,
    /// What it gave out, with full content.
    pub outputs: Vec<ExecutionOutput>,
}

/// An export under way: one snapshot of the store, read from front to back.
#[derive(Debug)]
pub struct Export {
    transaction: DatabaseTransaction,
    scope: Scope,
    position: Position,
}

/// What is read next, and after which row.
#[derive(Debug)]
enum Position {
    Declarations(i64),
    Versions {
        after: i64,
        late: Option<VecDeque<(i64, i64)>>,
    },
    Executions(i64, [String; 3]),
    Aliases([String; 4]),
    Deletions([String; 4]),
    End,
}

impl Store {
    /// Begins an export of the store as it is now.
    pub async fn export(&self) -> Result<Export, StoreError> {
        let transaction = self
            .reader
            .begin_with_options(dialect::snapshot_options(self.backend()))
            .await?;
        let newest = scope::revision_newest(&transaction).await?.revision;
        Ok(Export {
            transaction,
            scope: Scope::at(newest),
            position: Position::Declarations(0),
        })
    }
}

impl Export {
    /// The revision that is exported.
    pub fn revision(&self) -> i64 {
        self.scope.revision
    }

    /// The same export as of an earlier revision; executions keep the fields that are known now.
    #[must_use]
    pub fn as_of(self, revision: i64) -> Self {
        Self {
            scope: self.scope.as_of(revision),
            ..self
        }
    }

    /// The next chunk, which may be empty; none at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Exported>>, StoreError> {
        let position = std::mem::replace(&mut self.position, Position::End);
        let (chunk, position) = match position {
            Position::Declarations(after) => self.declarations(after).await?,
            Position::Versions { after, late } => self.versions(after, late).await?,
            Position::Executions(started_at, key) => self.executions(started_at, key).await?,
            Position::Aliases(after) => self.aliases(after).await?,
            Position::Deletions(after) => self.deletions(after).await?,
            Position::End => return Ok(None),
        };
        self.position = position;
        Ok(Some(chunk))
    }

    async fn query(&self, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, StoreError> {
        let backend = self.transaction.get_database_backend();
        Ok(self
            .transaction
            .query_all_raw(Statement::from_sql_and_values(backend, sql, values))
            .await?)
    }

    async fn declarations(&self, after: i64) -> Result<(Vec<Exported>, Position), StoreError> {
        let sql = "SELECT * FROM artifact WHERE id > $1 AND declared_revision <= $2 ORDER BY id LIMIT $3";
        let rows = self
            .query(sql, vec![after.into(), self.revision().into(), CHUNK.into()])
            .await?;
        let rows = models::<artifact::Model>(&rows)?;
        let next = if is_full(&rows, CHUNK) {
            Position::Declarations(rows.last().map_or(after, |row| row.id.0))
        } else {
            Position::Versions { after: 0, late: None }
        };
        let records = rows.into_iter().map(|row| declaration(row, self.revision()));
        Ok((records.collect::<Result<_, _>>()?, next))
    }

    /// Versions in order of their content. Most have it since they were first named, so that their id is their place; those
    /// that began as placeholders are few, and are put where they belong among the others.
    async fn versions(
        &self,
        after: i64,
        late: Option<VecDeque<(i64, i64)>>,
    ) -> Result<(Vec<Exported>, Position), StoreError> {
        let mut late = match late {
            Some(late) => late,
            None => self.late_versions().await?,
        };
        let condition = "v.id > $2 AND v.named_at IS NULL ORDER BY v.id LIMIT $3";
        let mut rows = self.produced(condition, vec![after.into(), CHUNK.into()]).await?;
        let mut until = if is_full(&rows, CHUNK) {
            rows.last().map_or(after, |(row, _)| row.ordinal)
        } else {
            i64::MAX
        };
        let chunk = usize::try_from(CHUNK).unwrap_or(usize::MAX);
        let due = late
            .iter()
            .take_while(|(ordinal, _)| *ordinal <= until)
            .count()
            .min(chunk);
        if due == chunk {
            until = late[due - 1].0;
            rows.retain(|(row, _)| row.ordinal <= until);
        }
        if due > 0 {
            let ids: Vec<Value> = late.drain(..due).map(|(_, id)| id.into()).collect();
            let condition = format!("v.id IN ({})", placeholders(2, ids.len()));
            rows.extend(self.produced(&condition, ids).await?);
            rows.sort_unstable_by_key(|(row, _)| row.ordinal);
        }
        let next = if until == i64::MAX {
            Position::Executions(NO_TIME, Default::default())
        } else {
            Position::Versions {
                after: until,
                late: Some(late),
            }
        };
        let contents = rows.into_iter().map(|(row, key)| content(row, key, self.revision()));
        Ok((
            contents
                .map(|c| c.map(Record::Version).map(Exported::Record))
                .collect::<Result<_, _>>()?,
            next,
        ))
    }

    async fn late_versions(&self) -> Result<VecDeque<(i64, i64)>, StoreError> {
        let sql =
            "SELECT ordinal, id FROM version WHERE named_at IS NOT NULL AND produced_revision <= $1 ORDER BY ordinal";
        let rows = self.query(sql, vec![self.revision().into()]).await?;
        rows.iter()
            .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
            .collect()
    }

    /// Produced versions with their artifacts' keys. `$1` of the condition is the revision.
    async fn produced(
        &self,
        condition: &str,
        values: Vec<Value>,
    ) -> Result<Vec<(version::Model, ArtifactKey)>, StoreError> {
        // A cross join keeps SQLite from beginning with the artifacts.
        let sql = format!(
            "SELECT v.*, {ARTIFACT_KEY} FROM version v CROSS JOIN artifact a
             WHERE a.id = v.artifact_id AND v.produced_revision <= $1 AND (v.ordinal > 0 OR v.deleted_revision > $1) AND {condition}"
        );
        let values = std::iter::once(self.revision().into()).chain(values).collect();
        let rows = self.query(&sql, values).await?;
        rows.iter()
            .map(|row| Ok((version::Model::from_query_result(row, "")?, artifact_key(row)?)))
            .collect()
    }

    async fn executions(&self, started_at: i64, after: [String; 3]) -> Result<(Vec<Exported>, Position), StoreError> {
        let sql = "SELECT e.*, p.project AS parent_project, p.domain AS parent_domain, p.name AS parent_name
             FROM execution e LEFT JOIN execution p ON p.id = e.parent_id
             WHERE e.reported_revision <= $1 AND (e.started_at, e.project, e.domain, e.name) > ($2, $3, $4, $5)
             ORDER BY e.started_at, e.project, e.domain, e.name LIMIT $6";
        let [project, domain, name] = after;
        let values = vec![
            self.revision().into(),
            started_at.into(),
            project.into(),
            domain.into(),
            name.into(),
            CHUNK.into(),
        ];
        let rows = self.query(sql, values).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let parent = parent_key(row)?;
            found.push(ExportedExecution {
                row: execution::Model::from_query_result(row, "")?,
                parent,
                inputs: vec![],
                outputs: vec![],
            });
        }
        let next = match found.last() {
            Some(ExportedExecution { row, .. }) if is_full(&found, CHUNK) => Position::Executions(
                row.started_at,
                [row.project.clone(), row.domain.clone(), row.name.clone()],
            ),
            _ => Position::Aliases(Default::default()),
        };
        self.connect(&mut found).await?;
        Ok((
            found.into_iter().map(|e| Exported::Execution(Box::new(e))).collect(),
            next,
        ))
    }

    /// Reads what executions took in and gave out.
    async fn connect(&self, executions: &mut [ExportedExecution]) -> Result<(), StoreError> {
        if executions.is_empty() {
            return Ok(());
        }
        let places: HashMap<ExecutionId, usize> = executions.iter().enumerate().map(|(i, e)| (e.row.id, i)).collect();
        let place = |row: &QueryResult| -> Result<usize, StoreError> {
            let id: ExecutionId = row.try_get("", "edge_execution")?;
            places
                .get(&id)
                .copied()
                .ok_or_else(|| StoreError::Inconsistent(format!("an edge of execution {}", id.0)))
        };
        let ids: Vec<i64> = executions.iter().map(|e| e.row.id.0).collect();
        for row in self.edges(&ids, edge::INPUT, "v.version AS input_version").await? {
            let version = VersionKeyQuery {
                artifact: artifact_key(&row)?,
                version: Some(row.try_get("", "input_version")?),
                alias: None,
                partition: None,
            };
            let input = ExecutionInput {
                name: row.try_get("", "edge_name")?,
                version: VersionQuery::Key(version),
            };
            executions[place(&row)?].inputs.push(input);
        }
        for row in self.edges(&ids, edge::OUTPUT, "v.*").await? {
            let version = version::Model::from_query_result(&row, "")?;
            let announced = version.produced_revision > self.revision();
            let output = ExecutionOutput {
                name: row.try_get("", "edge_name")?,
                version: if announced {
                    announcement(version, artifact_key(&row)?)
                } else {
                    content(version, artifact_key(&row)?, self.revision())?
                },
                announced,
            };
            executions[place(&row)?].outputs.push(output);
        }
        Ok(())
    }

    async fn edges(&self, executions: &[i64], role: i16, columns: &str) -> Result<Vec<QueryResult>, StoreError> {
        let sql = format!(
            "SELECT e.execution_id AS edge_execution, e.name AS edge_name, {ARTIFACT_KEY}, {columns}
             FROM edge e CROSS JOIN version v CROSS JOIN artifact a
             WHERE e.execution_id IN ({}) AND e.role = $2 AND e.revision <= $1 AND e.ended_revision > $1
               AND v.id = e.version_id AND a.id = v.artifact_id
             ORDER BY e.execution_id, e.name, a.project, a.domain, a.name, v.version",
            placeholders(3, executions.len())
        );
        let fixed = [self.revision().into(), role.into()];
        self.query(
            &sql,
            fixed
                .into_iter()
                .chain(executions.iter().map(|id| (*id).into()))
                .collect(),
        )
        .await
    }

    async fn aliases(&self, after: [String; 4]) -> Result<(Vec<Exported>, Position), StoreError> {
        let sql = format!(
            "SELECT {ARTIFACT_KEY}, v.version AS version, l.name AS alias
             FROM alias l JOIN version v ON v.id = l.version_id JOIN artifact a ON a.id = l.artifact_id
             WHERE l.revision <= $1 AND l.ended_revision > $1 AND (a.project, a.domain, a.name, l.name) > ($2, $3, $4, $5)
             ORDER BY a.project, a.domain, a.name, l.name LIMIT $6"
        );
        let rows = self.sorted(&sql, after).await?;
        let set = |row: &QueryResult| -> Result<SetAlias, StoreError> {
            let (version, alias) = (row.try_get("", "version")?, row.try_get("", "alias")?);
            Ok(SetAlias {
                artifact: artifact_key(row)?,
                version,
                alias,
                overwrite: false,
            })
        };
        let rows: Vec<SetAlias> = rows.iter().map(set).collect::<Result<_, _>>()?;
        let next = match rows.last() {
            Some(last) if is_full(&rows, SORTED_CHUNK) => Position::Aliases(after_key(&last.artifact, &last.alias)),
            _ => Position::Deletions(Default::default()),
        };
        Ok((
            rows.into_iter()
                .map(|set| Exported::Record(Record::Alias(set)))
                .collect(),
            next,
        ))
    }

    async fn deletions(&self, after: [String; 4]) -> Result<(Vec<Exported>, Position), StoreError> {
        let sql = format!(
            "SELECT {ARTIFACT_KEY}, v.version AS version FROM version v JOIN artifact a ON a.id = v.artifact_id
             WHERE v.deleted_revision <= $1 AND v.ordinal > 0 AND (a.project, a.domain, a.name, v.version) > ($2, $3, $4, $5)
             ORDER BY a.project, a.domain, a.name, v.version LIMIT $6"
        );
        let rows = self.sorted(&sql, after).await?;
        let deletion = |row: &QueryResult| -> Result<DeleteVersion, StoreError> {
            Ok(DeleteVersion {
                artifact: artifact_key(row)?,
                version: row.try_get("", "version")?,
            })
        };
        let rows: Vec<DeleteVersion> = rows.iter().map(deletion).collect::<Result<_, _>>()?;
        let next = match rows.last() {
            Some(last) if is_full(&rows, SORTED_CHUNK) => Position::Deletions(after_key(&last.artifact, &last.version)),
            _ => Position::End,
        };
        Ok((
            rows.into_iter()
                .map(|deletion| Exported::Record(Record::Deletion(deletion)))
                .collect(),
            next,
        ))
    }

    /// Rows after a key of four parts.
    async fn sorted(
        &self,
        sql: &str,
        [project, domain, artifact, name]: [String; 4],
    ) -> Result<Vec<QueryResult>, StoreError> {
        let key = [project, domain, artifact, name].map(Value::from);
        let values = std::iter::once(self.revision().into())
            .chain(key)
            .chain(std::iter::once(SORTED_CHUNK.into()));
        self.query(sql, values.collect()).await
    }
}

fn is_full<T>(rows: &[T], chunk: i64) -> bool {
    i64::try_from(rows.len()).unwrap_or(i64::MAX) >= chunk
}

fn after_key(artifact: &ArtifactKey, name: &str) -> [String; 4] {
    [
        artifact.project.clone(),
        artifact.domain.clone(),
        artifact.name.clone(),
        name.to_owned(),
    ]
}

/// `$3, $4, $5` for three from the third on.
fn placeholders(first: usize, count: usize) -> String {
    (first..first + count)
        .map(|n| format!("${n}"))
        .collect::<Vec<_>>()
        .join(", ")
}
