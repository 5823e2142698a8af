//! The orders in which an export goes through its tables: by what was recorded, never by row ids.
//!
//! No index has these orders, and one more on the widest tables would slow every write for the sake of an export. So the
//! database sorts a whole table once, on its disk, and hands out nothing but the ids, a window of some million; rows are
//! then read by id, a chunk at a time. A window takes 32 MiB, however big the store is.

use std::vec::IntoIter;

use futures_util::TryStreamExt;
use sea_orm::{ConnectionTrait, QueryResult, Statement, StreamTrait, Value};

use super::super::StoreError;
use super::Export;

/// Ids held at a time.
pub(super) const WINDOW: usize = 1 << 22;
/// Rows read at a time: few enough to hold with all edges of as many executions.
const CHUNK: usize = 500;

/// A column that a table is sorted by.
#[derive(Debug)]
pub(super) enum Column {
    Number(&'static str),
    Text(&'static str),
    Bytes(&'static str),
}

/// Which rows, and in which order. `$1` of the condition is the revision.
#[derive(Debug)]
pub(super) struct Order {
    id: &'static str,
    from: &'static str,
    condition: &'static str,
    /// No two rows have the same.
    key: &'static [Column],
}

use Column::{Bytes, Number, Text};

pub(super) const DECLARATIONS: Order = Order {
    id: "a.id",
    from: "artifact a",
    condition: "a.declared_revision <= $1",
    key: &[Text("a.project"), Text("a.domain"), Text("a.name")],
};

pub(super) const ARTIFACTS: Order = Order {
    condition: "a.revision <= $1 AND (a.merged_revision > $1 OR a.returned_revision <= $1)",
    ..DECLARATIONS
};

/// Versions with content. The order in which contents were recorded decides between versions of one artifact that were
/// created at the same instant, where it decides what is the most recent; nowhere else, so that it does not show. Of versions that
/// events describe it tells nothing but how the events came.
pub(super) const CONTENTS: Order = Order {
    id: "v.id",
    // A cross join keeps SQLite from beginning with the artifacts.
    from: "version v CROSS JOIN artifact a",
    // What was withdrawn has a negative ordinal.
    condition: "a.id = v.artifact_id AND v.produced_revision <= $1 AND (v.ordinal > 0 OR v.deleted_revision > $1)",
    key: &[
        Number("v.created_at"),
        Text("a.project"),
        Text("a.domain"),
        Text("a.name"),
        Number("CASE WHEN v.is_described THEN 0 ELSE v.ordinal END"),
        Text("v.version"),
    ],
};

const BY_VERSION: &[Column] = &[Text("a.project"), Text("a.domain"), Text("a.name"), Text("v.version")];

/// All versions, those among them that are only named.
pub(super) const VERSIONS: Order = Order {
    condition: "a.id = v.artifact_id AND v.revision <= $1 AND (v.ordinal > 0 OR v.deleted_revision > $1)",
    key: BY_VERSION,
    ..CONTENTS
};

pub(super) const DELETIONS: Order = Order {
    condition: "a.id = v.artifact_id AND v.deleted_revision <= $1 AND v.ordinal > 0",
    key: BY_VERSION,
    ..CONTENTS
};

pub(super) const EXECUTIONS: Order = Order {
    id: "e.id",
    from: "execution e",
    condition: "e.reported_revision <= $1",
    key: &[
        Number("e.started_at"),
        Text("e.project"),
        Text("e.domain"),
        Text("e.name"),
    ],
};

/// Executions of which no event tells.
pub(super) const EXECUTIONS_WITHOUT_EVENTS: Order = Order {
    condition: "e.reported_revision <= $1 AND NOT EXISTS (SELECT 1 FROM run_story s WHERE s.id = e.id)",
    ..EXECUTIONS
};

/// Events, as they happened.
pub(super) const EVENTS: Order = Order {
    id: "v.id",
    from: "event v",
    condition: "v.revision <= $1",
    key: &[Number("v.event_time"), Bytes("v.digest")],
};

/// An execution of each principal.
pub(super) const PRINCIPALS: Order = Order {
    id: "e.id",
    from: "(SELECT min(id) AS id, principal FROM execution WHERE principal IS NOT NULL AND reported_revision <= $1 \
           GROUP BY principal) AS e",
    condition: "e.principal IS NOT NULL",
    key: &[Text("e.principal")],
};

pub(super) const ALIASES: Order = Order {
    id: "l.id",
    from: "alias l CROSS JOIN artifact a",
    condition: "a.id = l.artifact_id AND l.revision <= $1 AND l.ended_revision > $1",
    key: &[Text("a.project"), Text("a.domain"), Text("a.name"), Text("l.name")],
};

impl Column {
    fn name(&self) -> &'static str {
        match self {
            Number(name) | Text(name) | Bytes(name) => name,
        }
    }

    fn read(&self, row: &QueryResult, index: usize) -> Result<Value, StoreError> {
        Ok(match self {
            Number(_) => row.try_get_by_index::<i64>(index)?.into(),
            Text(_) => row.try_get_by_index::<String>(index)?.into(),
            Bytes(_) => row.try_get_by_index::<Vec<u8>>(index)?.into(),
        })
    }
}

impl Order {
    /// The ids, and behind them the key, of the rows after one.
    fn statement(&self, export: &Export, after: &[Value]) -> Statement {
        let key: Vec<&str> = self.key.iter().map(Column::name).collect();
        let key = key.join(", ");
        let Self {
            id, from, condition, ..
        } = self;
        let further = if after.is_empty() {
            String::new()
        } else {
            let last: Vec<String> = (2..after.len() + 2).map(|n| format!("${n}")).collect();
            format!(" AND ({key}) > ({})", last.join(", "))
        };
        let sql = format!("SELECT {id}, {key} FROM {from} WHERE {condition}{further} ORDER BY {key}");
        let values = std::iter::once(export.revision().into()).chain(after.iter().cloned());
        Statement::from_sql_and_values(ConnectionTrait::get_database_backend(&export.transaction), sql, values)
    }
}

/// The ids of a table in an order.
#[derive(Debug)]
pub(super) struct Ids {
    order: &'static Order,
    window: IntoIter<i64>,
    /// The key of the window's last row; none: no row is behind it.
    after: Option<Vec<Value>>,
}

impl Ids {
    pub fn new(order: &'static Order) -> Self {
        Self {
            order,
            window: Vec::new().into_iter(),
            after: Some(Vec::new()),
        }
    }

    /// Some further ids; none at the end.
    pub async fn next(&mut self, export: &Export) -> Result<Option<Vec<i64>>, StoreError> {
        if self.window.len() == 0
            && let Some(after) = self.after.take()
        {
            self.read(export, &after).await?;
        }
        let chunk: Vec<i64> = self.window.by_ref().take(CHUNK).collect();
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    async fn read(&mut self, export: &Export, after: &[Value]) -> Result<(), StoreError> {
        let statement = self.order.statement(export, after);
        let mut rows = export.transaction.stream_raw(statement).await?;
        let mut ids = Vec::new();
        while let Some(row) = rows.try_next().await? {
            ids.push(row.try_get_by_index(0)?);
            if ids.len() == export.window {
                let key = self.order.key.iter().enumerate();
                let key = key.map(|(index, column)| column.read(&row, index + 1));
                self.after = Some(key.collect::<Result<_, _>>()?);
                break;
            }
        }
        self.window = ids.into_iter();
        Ok(())
    }
}
