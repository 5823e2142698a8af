//! Lists of executions: filtered, ordered and paged, and those that are part of others.

use ::entity::{ExecutionId, NO_TIME};

use super::execution::{COLUMNS, EXECUTION_COLUMNS, ExecutionRow, read_execution};
use super::page::{KeyKind, OrderDirection, Page, Slice};
use super::sql::{Binds, deal, read, spread};
use super::version_conditions::Conditions;
use super::{Reader, Scope, StoreError, dialect};
use crate::domain::filter::DateTimeRange;
use crate::domain::record::{ExecutionKind, ExecutionState};

/// Which executions are wanted: every test that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ExecutionFilter {
    /// The first part of its key.
    pub project: Option<String>,
    /// The second part of its key.
    pub domain: Option<String>,
    /// What kind of run it is.
    pub kind: Option<ExecutionKind>,
    /// How far it is: one of these.
    pub states: Option<Vec<ExecutionState>>,
    /// The workflow's or task's name.
    pub entity: Option<String>,
    /// Who ran it.
    pub principal: Option<String>,
    /// When it started; one that has not does not pass.
    pub started_at: Option<DateTimeRange>,
}

/// What executions can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExecutionOrderField {
    /// When they started; those that have not are the oldest.
    StartedAt,
    /// When they were recorded.
    RecordedAt,
}

/// An order of executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExecutionOrder {
    /// By what.
    pub field: ExecutionOrderField,
    /// Which way.
    pub direction: OrderDirection,
}

impl ExecutionOrderField {
    /// What its keys are made of.
    pub const fn shape(self) -> &'static [KeyKind] {
        match self {
            Self::StartedAt => &[KeyKind::Int, KeyKind::Int],
            Self::RecordedAt => &[KeyKind::Int],
        }
    }

    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::StartedAt => &["execution.started_at", "execution.id"],
            Self::RecordedAt => &["execution.id"],
        }
    }
}

impl Default for ExecutionOrder {
    fn default() -> Self {
        Self {
            field: ExecutionOrderField::RecordedAt,
            direction: OrderDirection::Descending,
        }
    }
}

fn conditions(binds: &mut Binds, scope: &Scope, filter: &ExecutionFilter) -> Conditions {
    let mut all = Conditions::default();
    all.and(&format!("execution.revision <= {}", binds.bind(scope.revision)));
    let kind = filter.kind.map(|kind| kind.as_str().to_owned());
    let texts = [
        ("project", &filter.project),
        ("domain", &filter.domain),
        ("kind", &kind),
        ("entity", &filter.entity),
        ("principal", &filter.principal),
    ];
    for (column, text) in texts {
        if let Some(text) = text {
            all.and(&format!("execution.{column} = {}", binds.bind(text.as_str())));
        }
    }
    if let Some(states) = &filter.states {
        let list = binds.bind(dialect::texts(binds.backend, states.iter().map(|state| state.as_str())));
        all.and(&dialect::in_texts(binds.backend, "execution.state", &list));
    }
    if let Some(range) = filter.started_at {
        match range.from {
            Some(from) => all.and(&format!("execution.started_at >= {}", binds.bind(from.0))),
            None => all.and(&format!("execution.started_at > {}", binds.bind(NO_TIME))),
        }
        if let Some(to) = range.to {
            all.and(&format!("execution.started_at < {}", binds.bind(to.0)));
        }
    }
    all
}

/// Executions, filtered and ordered.
pub async fn execution_list(
    db: &impl Reader,
    scope: &Scope,
    filter: &ExecutionFilter,
    order: ExecutionOrder,
    page: &Page,
) -> Result<Slice<ExecutionRow>, StoreError> {
    let walk = page.walk(order.direction, order.field.shape())?;
    let mut binds = Binds::new(db);
    let all = conditions(&mut binds, scope, filter);
    let columns = order.field.columns();
    let bounds = walk.bounds(&mut binds, columns);
    let order = walk.order_and_limit(&mut binds, columns);
    let sql = format!("SELECT {COLUMNS} FROM execution WHERE {}{bounds} {order}", all.as_str());
    Ok(page.slice(read(&binds.many(db, &sql, EXECUTION_COLUMNS).await?, read_execution)?))
}

/// How many executions there are.
pub async fn execution_count(db: &impl Reader, scope: &Scope, filter: &ExecutionFilter) -> Result<i64, StoreError> {
    let mut binds = Binds::new(db);
    let all = conditions(&mut binds, scope, filter);
    binds
        .number(db, &format!("SELECT count(*) FROM execution WHERE {}", all.as_str()))
        .await
}

/// The executions that are part of others, in order of recording: a page for each, in their order.
pub async fn execution_list_by_parents(
    db: &impl Reader,
    scope: &Scope,
    of: &[ExecutionId],
    page: &Page,
) -> Result<Vec<Slice<ExecutionRow>>, StoreError> {
    let field = ExecutionOrderField::RecordedAt;
    let walk = page.walk(OrderDirection::Ascending, field.shape())?;
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::numbers(binds.backend, of.iter().map(|id| id.0)));
    let parents = dialect::each_number(binds.backend, &list);
    let bounds = walk.bounds(&mut binds, field.columns());
    let order = walk.order_and_limit(&mut binds, field.columns());
    let pick = format!(
        "SELECT execution.id FROM execution WHERE execution.parent_id = parent.value AND execution.revision <= {revision}{bounds} {order}"
    );
    let picked = dialect::join_picked(binds.backend, "execution", &pick);
    let sql = format!("SELECT parent.key, {COLUMNS} FROM {parents} {picked}");
    let rows = binds.many(db, &sql, 1 + EXECUTION_COLUMNS).await?;
    let mut lists = deal(of.len(), &rows, read_execution)?;
    for list in &mut lists {
        walk.merge(list, |row| row.key(field));
    }
    Ok(lists.into_iter().map(|rows| page.slice(rows)).collect())
}

/// How many executions are part of others: an answer for each, in their order.
pub async fn execution_count_by_parents(
    db: &impl Reader,
    scope: &Scope,
    of: &[ExecutionId],
) -> Result<Vec<i64>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::numbers(binds.backend, of.iter().map(|id| id.0)));
    let parents = dialect::each_number(binds.backend, &list);
    let sql = format!(
        "SELECT parent.key, (SELECT count(*) FROM execution WHERE execution.parent_id = parent.value \
         AND execution.revision <= {revision}) FROM {parents}"
    );
    spread(of.len(), &binds.many(db, &sql, 2).await?)
}
