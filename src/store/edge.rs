//! Edges as rows: what executions took in and gave out, and who consumed a version.

use ::entity::{ExecutionId, VersionId, edge};

use super::cells::Cells;
use super::page::{Key, KeyKind, OrderDirection, Page, Slice, Walk};
use super::sql::{Binds, deal, spread};
use super::{Reader, Scope, StoreError, dialect};

/// What the keys of an execution's edges are made of: the name and the version.
pub const EXECUTION_EDGE_SHAPE: &[KeyKind] = &[KeyKind::Text, KeyKind::Int];
/// What the keys of a version's edges are made of: the execution and the name.
pub const VERSION_EDGE_SHAPE: &[KeyKind] = &[KeyKind::Int, KeyKind::Text];

/// Which way an edge runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// From a version to the execution that consumed it.
    Input,
    /// From an execution to the version that it produced.
    Output,
}

/// An edge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EdgeRow {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The version.
    pub version_id: VersionId,
    /// What the execution calls it.
    pub name: String,
    /// The revision that recorded it.
    pub revision: i64,
}

impl EdgeRow {
    /// Its place among the inputs or outputs of its execution.
    pub fn key_of_execution(&self) -> Key {
        Key(vec![self.name.clone().into(), self.version_id.0.into()])
    }

    /// Its place among those who consumed or produced its version.
    pub fn key_of_version(&self) -> Key {
        Key(vec![self.execution_id.0.into(), self.name.clone().into()])
    }
}

/// From which end edges are looked at.
#[derive(Clone, Copy)]
struct Side {
    /// The column of the parent.
    parent: &'static str,
    keys: [&'static str; 2],
}

const OF_EXECUTION: Side = Side {
    parent: "edge.execution_id",
    keys: ["edge.name", "edge.version_id"],
};
const OF_VERSION: Side = Side {
    parent: "edge.version_id",
    keys: ["edge.execution_id", "edge.name"],
};

/// Whether an edge is there as of a revision.
pub(super) fn stands(revision: &str) -> String {
    format!("edge.revision <= {revision} AND edge.ended_revision > {revision}")
}

/// The inputs or outputs of executions, by name: a page for each, in their order.
pub async fn edge_list_by_executions(
    db: &impl Reader,
    scope: &Scope,
    of: &[ExecutionId],
    role: Role,
    page: &Page,
) -> Result<Vec<Slice<EdgeRow>>, StoreError> {
    let walk = page.walk(OrderDirection::Ascending, EXECUTION_EDGE_SHAPE)?;
    let parents: Vec<i64> = of.iter().map(|id| id.0).collect();
    let lists = list(db, scope, &parents, OF_EXECUTION, role, walk).await?;
    Ok(lists.into_iter().map(|rows| page.slice(rows)).collect())
}

/// Who consumed or produced versions, in order of recording of the executions: a page for each, in their order.
pub async fn edge_list_by_versions(
    db: &impl Reader,
    scope: &Scope,
    of: &[VersionId],
    role: Role,
    page: &Page,
) -> Result<Vec<Slice<EdgeRow>>, StoreError> {
    let walk = page.walk(OrderDirection::Ascending, VERSION_EDGE_SHAPE)?;
    let parents: Vec<i64> = of.iter().map(|id| id.0).collect();
    let lists = list(db, scope, &parents, OF_VERSION, role, walk).await?;
    Ok(lists.into_iter().map(|rows| page.slice(rows)).collect())
}

async fn list(
    db: &impl Reader,
    scope: &Scope,
    parents: &[i64],
    side: Side,
    role: Role,
    walk: Walk<'_>,
) -> Result<Vec<Vec<EdgeRow>>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::numbers(binds.backend, parents.iter().copied()));
    let table = dialect::each_number(binds.backend, &list);
    let mut own = format!(
        "{} = parent.value AND edge.role = {} AND {}",
        side.parent,
        number(role),
        stands(&revision)
    );
    own.push_str(&walk.bounds(&mut binds, &side.keys));
    let order = walk.order_and_limit(&mut binds, &side.keys);
    let columns = ["edge.execution_id", "edge.version_id", "edge.name", "edge.revision"];
    let sql = dialect::limited_children(binds.backend, &table, "edge", &columns, &own, &side.keys, &order);
    let mut lists = deal(
        parents.len(),
        &binds.many(db, &sql, 1 + columns.len()).await?,
        read_edge,
    )?;
    let by_execution = side.parent == OF_EXECUTION.parent;
    for list in &mut lists {
        walk.merge(list, |row: &EdgeRow| {
            if by_execution {
                row.key_of_execution()
            } else {
                row.key_of_version()
            }
        });
    }
    Ok(lists)
}

fn read_edge(cells: &mut Cells) -> Result<EdgeRow, StoreError> {
    Ok(EdgeRow {
        execution_id: cells.next()?,
        version_id: cells.next()?,
        name: cells.next()?,
        revision: cells.next()?,
    })
}

const fn number(role: Role) -> i16 {
    match role {
        Role::Input => edge::INPUT,
        Role::Output => edge::OUTPUT,
    }
}

/// How many inputs or outputs executions have: an answer for each, in their order.
pub async fn edge_count_by_executions(
    db: &impl Reader,
    scope: &Scope,
    of: &[ExecutionId],
    role: Role,
) -> Result<Vec<i64>, StoreError> {
    let parents: Vec<i64> = of.iter().map(|id| id.0).collect();
    count(db, scope, &parents, OF_EXECUTION, role).await
}

/// How many edges consume or produce versions: an answer for each, in their order.
pub async fn edge_count_by_versions(
    db: &impl Reader,
    scope: &Scope,
    of: &[VersionId],
    role: Role,
) -> Result<Vec<i64>, StoreError> {
    let parents: Vec<i64> = of.iter().map(|id| id.0).collect();
    count(db, scope, &parents, OF_VERSION, role).await
}

async fn count(
    db: &impl Reader,
    scope: &Scope,
    parents: &[i64],
    side: Side,
    role: Role,
) -> Result<Vec<i64>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::numbers(binds.backend, parents.iter().copied()));
    let table = dialect::each_number(binds.backend, &list);
    let sql = format!(
        "SELECT parent.key, (SELECT count(*) FROM edge WHERE {} = parent.value AND edge.role = {} AND {}) FROM {table}",
        side.parent,
        number(role),
        stands(&revision)
    );
    spread(parents.len(), &binds.many(db, &sql, 2).await?)
}
