//! Reading the whole store, chunk after chunk, in orders that follow from what was recorded: two stores that heard the
//! same in another order export the same, and so does a store made from an export.
//!
//! An [`Export`] is one snapshot. A form goes through it in passes, as often as it needs: see [`Pass`].

mod order;
mod rows;

use std::collections::HashMap;
use std::fmt;

use entity::{artifact, edge, execution, version};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sea_orm::{ConnectionTrait, DatabaseTransaction, FromQueryResult, QueryResult, Statement, TransactionTrait, Value};

use super::{Scope, Store, StoreError, dialect, scope};
use crate::domain::key::{ArtifactKey, ExecutionKey};
use crate::domain::record::{
    CreateVersion, DeclareArtifact, DeleteVersion, ExecutionOutput, PartitionValue, RecordExecution, SetAlias,
};
use crate::domain::time::Timestamp;
use order::{Ids, Order};
use rows::{artifact_key, content, declaration, input, parent};

/// The columns of an artifact's key.
const ARTIFACT_KEY: &str = "a.project AS artifact_project, a.domain AS artifact_domain, a.name AS artifact_name";

/// An artifact.
#[derive(Clone, Debug)]
pub struct ExportedArtifact {
    /// Its key.
    pub key: ArtifactKey,
    /// What a declaration said it is.
    pub description: Option<String>,
}

/// A version, which may only be named.
#[derive(Clone, Debug)]
pub struct ExportedVersion {
    /// What is known of it.
    pub content: CreateVersion,
    /// Whether somebody produced it.
    pub is_produced: bool,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

/// An execution with what it is connected to.
#[derive(Clone, Debug)]
pub struct ExportedExecution {
    /// All that is known of it, but its inputs and outputs.
    pub record: RecordExecution,
    /// How far along the record was that gave each field, as stored.
    pub field_ranks: String,
    /// What the execution that it is part of is a run of.
    pub parent_entity: Option<String>,
    /// When this server first heard of it.
    pub recorded_at: Timestamp,
    /// What it took in.
    pub inputs: Vec<ExportedInput>,
    /// What it gave out, with full content.
    pub outputs: Vec<ExecutionOutput>,
}

/// A version that an execution took in.
#[derive(Clone, Debug)]
pub struct ExportedInput {
    /// The execution's name for it.
    pub name: String,
    /// The artifact.
    pub artifact: ArtifactKey,
    /// The version.
    pub version: String,
    /// Its partition values.
    pub partition: Vec<PartitionValue>,
    /// An instant in its time window.
    pub time_partition: Option<Timestamp>,
}

/// Which edges executions are read with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edges {
    /// None.
    None,
    /// What they took in.
    Inputs,
    /// What they gave out.
    Outputs,
    /// Both.
    All,
}

/// An export under way: one snapshot of the store.
#[derive(Debug)]
pub struct Export {
    transaction: DatabaseTransaction,
    scope: Scope,
    /// How many ids a pass holds.
    window: usize,
}

impl Store {
    /// Begins an export of the store as it is now.
    pub async fn export(&self) -> Result<Export, StoreError> {
        let transaction = self
            .reader
            .begin_with_options(dialect::snapshot_options(self.backend()))
            .await?;
        dialect::plan_for_all_rows(&transaction).await?;
        let newest = scope::revision_newest(&transaction).await?.revision;
        Ok(Export {
            transaction,
            scope: Scope::at(newest),
            window: order::WINDOW,
        })
    }
}

type Fetch<T> = for<'a> fn(&'a Export, &'a [i64]) -> BoxFuture<'a, Result<Vec<T>, StoreError>>;

/// One way through a snapshot, from front to back.
pub struct Pass<'a, T> {
    export: &'a Export,
    ids: Ids,
    fetch: Fetch<T>,
}

impl<T> Pass<'_, T> {
    /// Some further rows; none at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, StoreError> {
        match self.ids.next(self.export).await? {
            Some(ids) => Ok(Some((self.fetch)(self.export, &ids).await?)),
            None => Ok(None),
        }
    }
}

impl<T> fmt::Debug for Pass<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").field("ids", &self.ids).finish_non_exhaustive()
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

    /// The same export with passes that hold fewer ids.
    #[must_use]
    pub fn in_windows_of(self, window: usize) -> Self {
        Self { window, ..self }
    }

    /// Declarations, by key.
    pub fn declarations(&self) -> Pass<'_, DeclareArtifact> {
        self.pass(&order::DECLARATIONS, |export, ids| {
            export.artifacts_by_id(ids, declaration).boxed()
        })
    }

    /// Artifacts, declared or not, by key.
    pub fn artifacts(&self) -> Pass<'_, ExportedArtifact> {
        self.pass(&order::ARTIFACTS, |export, ids| {
            export.artifacts_by_id(ids, rows::artifact).boxed()
        })
    }

    /// What was recorded of versions, by time of creation, then by artifact, then in order of recording.
    pub fn contents(&self) -> Pass<'_, CreateVersion> {
        self.pass(&order::CONTENTS, |export, ids| export.contents_by_id(ids).boxed())
    }

    /// All versions, those among them that are only named, by key.
    pub fn versions(&self) -> Pass<'_, ExportedVersion> {
        self.pass(&order::VERSIONS, |export, ids| export.versions_by_id(ids).boxed())
    }

    /// OpenLineage events as they were sent, by when they happened.
    pub fn events(&self) -> Pass<'_, String> {
        self.pass(&order::EVENTS, |export, ids| export.events_by_id(ids).boxed())
    }

    /// Executions of which no event tells, with all edges, by start, then by key.
    pub fn executions_without_events(&self) -> Pass<'_, ExportedExecution> {
        self.pass(&order::EXECUTIONS_WITHOUT_EVENTS, |export, ids| {
            export.executions_by_id(ids, Edges::All).boxed()
        })
    }

    /// Executions, by start, then by key.
    pub fn executions(&self, edges: Edges) -> Pass<'_, ExportedExecution> {
        let fetch: Fetch<ExportedExecution> = match edges {
            Edges::None => |export, ids| export.executions_by_id(ids, Edges::None).boxed(),
            Edges::Inputs => |export, ids| export.executions_by_id(ids, Edges::Inputs).boxed(),
            Edges::Outputs => |export, ids| export.executions_by_id(ids, Edges::Outputs).boxed(),
            Edges::All => |export, ids| export.executions_by_id(ids, Edges::All).boxed(),
        };
        self.pass(&order::EXECUTIONS, fetch)
    }

    /// Who ran executions.
    pub fn principals(&self) -> Pass<'_, String> {
        self.pass(&order::PRINCIPALS, |export, ids| export.principals_by_id(ids).boxed())
    }

    /// Aliases, by artifact and name.
    pub fn aliases(&self) -> Pass<'_, SetAlias> {
        self.pass(&order::ALIASES, |export, ids| export.aliases_by_id(ids).boxed())
    }

    /// Deletions, by key.
    pub fn deletions(&self) -> Pass<'_, DeleteVersion> {
        self.pass(&order::DELETIONS, |export, ids| export.deletions_by_id(ids).boxed())
    }

    fn pass<T>(&self, order: &'static Order, fetch: Fetch<T>) -> Pass<'_, T> {
        Pass {
            export: self,
            ids: Ids::new(order),
            fetch,
        }
    }

    /// Runs a statement that names ids in `{ids}`; further values are counted from `$2` on, and `$1` is the revision.
    async fn query(&self, sql: &str, id: &str, ids: &[i64], values: &[Value]) -> Result<Vec<QueryResult>, StoreError> {
        let backend = self.transaction.get_database_backend();
        let placeholder = format!("${}", values.len() + 2);
        let sql = sql.replace("{ids}", &dialect::in_numbers(backend, id, &placeholder));
        let values = std::iter::once(self.revision().into())
            .chain(values.iter().cloned())
            .chain([dialect::numbers(backend, ids.iter().copied())]);
        let statement = Statement::from_sql_and_values(backend, sql, values);
        Ok(self.transaction.query_all_raw(statement).await?)
    }

    async fn artifacts_by_id<T>(
        &self,
        ids: &[i64],
        read: impl Fn(artifact::Model, i64) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self
            .query(
                "SELECT a.* FROM artifact a WHERE a.revision <= $1 AND {ids}",
                "a.id",
                ids,
                &[],
            )
            .await?;
        in_order("artifact", ids, &rows, |row| {
            read(artifact::Model::from_query_result(row, "")?, self.revision())
        })
    }

    async fn contents_by_id(&self, ids: &[i64]) -> Result<Vec<CreateVersion>, StoreError> {
        let sql = format!(
            "SELECT v.*, {ARTIFACT_KEY} FROM version v CROSS JOIN artifact a
             WHERE {{ids}} AND a.id = v.artifact_id AND v.produced_revision <= $1"
        );
        let rows = self.query(&sql, "v.id", ids, &[]).await?;
        in_order("version", ids, &rows, |row| {
            content(
                version::Model::from_query_result(row, "")?,
                artifact_key(row)?,
                self.revision(),
            )
        })
    }

    async fn versions_by_id(&self, ids: &[i64]) -> Result<Vec<ExportedVersion>, StoreError> {
        let sql = format!(
            "SELECT v.*, {ARTIFACT_KEY}, r.recorded_at AS deleted_at
             FROM version v CROSS JOIN artifact a LEFT JOIN revision r ON r.id = v.deleted_revision AND r.id <= $1
             WHERE {{ids}} AND a.id = v.artifact_id"
        );
        let rows = self.query(&sql, "v.id", ids, &[]).await?;
        in_order("version", ids, &rows, |row| {
            rows::version(
                version::Model::from_query_result(row, "")?,
                artifact_key(row)?,
                row.try_get("", "deleted_at")?,
                self.revision(),
            )
        })
    }

    async fn executions_by_id(&self, ids: &[i64], edges: Edges) -> Result<Vec<ExportedExecution>, StoreError> {
        let sql = "SELECT e.*, p.project AS parent_project, p.domain AS parent_domain, p.name AS parent_name,
                    p.entity AS parent_entity, r.recorded_at AS recorded_at
             FROM execution e LEFT JOIN execution p ON p.id = e.parent_id LEFT JOIN revision r ON r.id = e.reported_revision
             WHERE e.reported_revision <= $1 AND {ids}";
        let rows = self.query(sql, "e.id", ids, &[]).await?;
        let mut found = in_order("execution", ids, &rows, |row| {
            rows::execution(execution::Model::from_query_result(row, "")?, parent(row)?, row)
        })?;
        let places: HashMap<i64, usize> = ids.iter().copied().zip(0..).collect();
        if matches!(edges, Edges::Inputs | Edges::All) {
            let columns = "v.version, v.given_values, v.given_time, v.produced_revision";
            for row in self.edges(ids, edge::INPUT, columns).await? {
                let at = place(&places, &row)?;
                let input =
                    input(&row, self.revision()).map_err(|error| of_row("an input of execution", ids[at], &error))?;
                found[at].inputs.push(input);
            }
        }
        if matches!(edges, Edges::Outputs | Edges::All) {
            for row in self.edges(ids, edge::OUTPUT, "v.*").await? {
                let at = place(&places, &row)?;
                let output = output(&row, self.revision());
                let output = output.map_err(|error| of_row("an output of execution", ids[at], &error))?;
                found[at].outputs.push(output);
            }
        }
        Ok(found)
    }

    async fn edges(&self, executions: &[i64], role: i16, columns: &str) -> Result<Vec<QueryResult>, StoreError> {
        let sql = format!(
            "SELECT e.execution_id AS edge_execution, e.name AS edge_name, {ARTIFACT_KEY}, {columns}
             FROM edge e CROSS JOIN version v CROSS JOIN artifact a
             WHERE {{ids}} AND e.role = $2 AND e.revision <= $1 AND e.ended_revision > $1 AND v.id = e.version_id AND a.id = v.artifact_id
             ORDER BY e.execution_id, e.name, a.project, a.domain, a.name, v.version"
        );
        self.query(&sql, "e.execution_id", executions, &[role.into()]).await
    }

    async fn events_by_id(&self, ids: &[i64]) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT v.id, v.body FROM event v WHERE v.revision <= $1 AND {ids}";
        let rows = self.query(sql, "v.id", ids, &[]).await?;
        in_order("event", ids, &rows, |row| Ok(row.try_get("", "body")?))
    }

    async fn principals_by_id(&self, ids: &[i64]) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT e.id, e.principal FROM execution e WHERE e.reported_revision <= $1 AND {ids}";
        let rows = self.query(sql, "e.id", ids, &[]).await?;
        in_order("execution", ids, &rows, |row| Ok(row.try_get("", "principal")?))
    }

    async fn aliases_by_id(&self, ids: &[i64]) -> Result<Vec<SetAlias>, StoreError> {
        let sql = format!(
            "SELECT l.id, {ARTIFACT_KEY}, v.version AS version, l.name AS alias
             FROM alias l CROSS JOIN version v CROSS JOIN artifact a
             WHERE {{ids}} AND l.revision <= $1 AND v.id = l.version_id AND a.id = l.artifact_id"
        );
        let rows = self.query(&sql, "l.id", ids, &[]).await?;
        in_order("alias", ids, &rows, |row| {
            Ok(SetAlias {
                artifact: artifact_key(row)?,
                version: row.try_get("", "version")?,
                alias: row.try_get("", "alias")?,
                overwrite: false,
            })
        })
    }

    async fn deletions_by_id(&self, ids: &[i64]) -> Result<Vec<DeleteVersion>, StoreError> {
        let sql = format!(
            "SELECT v.id, {ARTIFACT_KEY}, v.version AS version FROM version v CROSS JOIN artifact a
             WHERE {{ids}} AND v.deleted_revision <= $1 AND a.id = v.artifact_id"
        );
        let rows = self.query(&sql, "v.id", ids, &[]).await?;
        in_order("version", ids, &rows, |row| {
            Ok(DeleteVersion {
                artifact: artifact_key(row)?,
                version: row.try_get("", "version")?,
            })
        })
    }
}

/// A version that an execution gave out.
fn output(row: &QueryResult, revision: i64) -> Result<ExecutionOutput, StoreError> {
    let model = version::Model::from_query_result(row, "")?;
    let announced = model.produced_revision > revision;
    Ok(ExecutionOutput {
        name: row.try_get("", "edge_name")?,
        version: if announced {
            CreateVersion::named(artifact_key(row)?, model.version)
        } else {
            content(model, artifact_key(row)?, revision)?
        },
        announced,
    })
}

/// Reads rows that have an `id`, and puts them in the order of a list of ids.
fn in_order<T>(
    table: &str,
    ids: &[i64],
    rows: &[QueryResult],
    read: impl Fn(&QueryResult) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut found: HashMap<i64, &QueryResult> = HashMap::with_capacity(rows.len());
    for row in rows {
        found.insert(row.try_get("", "id")?, row);
    }
    let row = |id| found.get(id).copied().ok_or_else(|| missing(*id));
    let read = |id| row(id).and_then(&read).map_err(|error| of_row(table, *id, &error));
    ids.iter().map(read).collect()
}

/// Says which row could not be read: the driver does not.
fn of_row(table: &str, id: i64, error: &StoreError) -> StoreError {
    let sentence = match error {
        StoreError::Inconsistent(sentence) => sentence.clone(),
        error => error.to_string(),
    };
    StoreError::Inconsistent(format!("{table} {id} cannot be read: {sentence}"))
}

fn place(places: &HashMap<i64, usize>, row: &QueryResult) -> Result<usize, StoreError> {
    let id: i64 = row.try_get("", "edge_execution")?;
    places.get(&id).copied().ok_or_else(|| missing(id))
}

fn missing(id: i64) -> StoreError {
    StoreError::Inconsistent(format!("the row {id} went away under a snapshot"))
}

/// The key of an execution's parent, and what it is a run of.
#[derive(Debug, Default)]
struct Parent {
    key: Option<ExecutionKey>,
    entity: Option<String>,
}
