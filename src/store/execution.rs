//! Executions as rows. Their own fields are those known now; whether they are there depends on the scope.

use ::entity::{ExecutionId, NO_TIME};

use super::cells::Cells;
use super::execution_list::ExecutionOrderField;
use super::page::Key;
use super::room::{LongText, LongTexts};
use super::sql::{Binds, place, read};
use super::{Reader, Scope, StoreError, dialect};
use crate::domain::key::ExecutionKey;
use crate::domain::record::{ExecutionKind, ExecutionState};
use crate::domain::time::Timestamp;

/// An execution, without its metadata.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExecutionRow {
    /// Its id.
    pub id: ExecutionId,
    /// First part of its key.
    pub project: String,
    /// Second part of its key.
    pub domain: String,
    /// Third part of its key.
    pub name: String,
    /// What kind of run it is.
    pub kind: ExecutionKind,
    /// How far it is.
    pub state: ExecutionState,
    /// The workflow's or task's name.
    pub entity: Option<String>,
    /// Its version.
    pub entity_version: Option<String>,
    /// The node of the workflow that it ran for.
    pub node_id: Option<String>,
    /// Number of the attempt.
    pub attempt: Option<i32>,
    /// Who ran it.
    pub principal: Option<String>,
    /// The execution that it is part of.
    pub parent_id: Option<ExecutionId>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// The revision that first named it.
    pub revision: i64,
}

impl ExecutionRow {
    /// Its natural key.
    pub fn key_of(&self) -> ExecutionKey {
        ExecutionKey {
            project: self.project.clone(),
            domain: self.domain.clone(),
            name: self.name.clone(),
        }
    }

    /// Its place in an order.
    pub fn key(&self, field: ExecutionOrderField) -> Key {
        Key(match field {
            ExecutionOrderField::StartedAt => vec![self.started_at.map_or(NO_TIME, |t| t.0).into(), self.id.0.into()],
            ExecutionOrderField::RecordedAt => vec![self.id.0.into()],
        })
    }
}

/// The columns of [`read_execution`]. A value that no field can have stands for none: cheaper than NULL.
pub(super) const COLUMNS: &str = "execution.id, execution.project, execution.domain, execution.name, execution.kind, execution.state, \
    coalesce(execution.entity, ''), coalesce(execution.entity_version, ''), coalesce(execution.node_id, ''), \
    coalesce(execution.attempt, -2147483648), coalesce(execution.principal, ''), coalesce(execution.parent_id, 0), \
    execution.started_at, coalesce(execution.ended_at, -9223372036854775808), coalesce(execution.error, ''), execution.revision";

/// How many columns [`COLUMNS`] are.
pub(super) const EXECUTION_COLUMNS: usize = 16;

/// Reads an execution.
pub(super) fn read_execution(cells: &mut Cells) -> Result<ExecutionRow, StoreError> {
    let time = |micros: i64| Some(micros).filter(|t| *t != NO_TIME).map(Timestamp);
    Ok(ExecutionRow {
        id: cells.next()?,
        project: cells.next()?,
        domain: cells.next()?,
        name: cells.next()?,
        kind: ExecutionKind::from_stored(&cells.next::<String>()?),
        state: ExecutionState::from_stored(&cells.next::<String>()?),
        entity: cells.text()?,
        entity_version: cells.text()?,
        node_id: cells.text()?,
        attempt: Some(cells.next()?).filter(|attempt| *attempt != i32::MIN),
        principal: cells.text()?,
        parent_id: Some(cells.next()?).filter(|id| *id != ExecutionId(0)),
        started_at: time(cells.next()?),
        ended_at: time(cells.next()?),
        error: cells.text()?,
        revision: cells.next()?,
    })
}

/// Executions by id.
pub async fn execution_find_many(
    db: &impl Reader,
    scope: &Scope,
    ids: &[ExecutionId],
) -> Result<Vec<ExecutionRow>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::numbers(binds.backend, ids.iter().map(|id| id.0)));
    let these = dialect::in_numbers(binds.backend, "execution.id", &list);
    let sql = format!("SELECT {COLUMNS} FROM execution WHERE {these} AND execution.revision <= {revision}");
    read(&binds.many(db, &sql, EXECUTION_COLUMNS).await?, read_execution)
}

/// Executions by key: an answer for each, in their order.
pub async fn execution_find_by_keys(
    db: &impl Reader,
    scope: &Scope,
    keys: &[ExecutionKey],
) -> Result<Vec<Option<ExecutionRow>>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::digests(binds.backend, keys.iter().map(ExecutionKey::digest)));
    let parents = dialect::each_digest(binds.backend, &list);
    let then = dialect::then_join(binds.backend);
    let sql = format!(
        "SELECT parent.key, {COLUMNS} FROM {parents} {then} execution ON execution.key_digest = parent.value \
         WHERE execution.revision <= {revision}"
    );
    place(
        keys.len(),
        &binds.many(db, &sql, 1 + EXECUTION_COLUMNS).await?,
        read_execution,
    )
}

/// The metadata of executions: JSON objects, as text.
pub async fn execution_metadata(
    db: &impl Reader,
    scope: &Scope,
    ids: &[ExecutionId],
) -> Result<Vec<(ExecutionId, Option<String>)>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::numbers(binds.backend, ids.iter().map(|id| id.0)));
    let these = dialect::in_numbers(binds.backend, "execution.id", &list);
    let metadata = LongTexts {
        key: "execution.id",
        texts: &[LongText {
            column: "execution.metadata",
            when: "TRUE",
        }],
        from: &format!("execution WHERE {these} AND execution.revision <= {revision}"),
    };
    metadata
        .read(db, binds, |cells| Ok((cells.next()?, cells.next()?)))
        .await
}
