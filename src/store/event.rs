//! Events as they were sent: lists of them, and their texts.

use ::entity::{ArtifactId, ExecutionId};

use super::cells::Cells;
use super::page::{Key, KeyKind, OrderDirection, Page, Slice};
use super::room::{LongText, LongTexts};
use super::sql::{Binds, read};
use super::version_conditions::Conditions;
use super::{Reader, Scope, StoreError, dialect};
use crate::domain::filter::DateTimeRange;
use crate::domain::openlineage::{Dataset, EventKind, EventType};
use crate::domain::time::Timestamp;

/// How much of a name is in the indexes, whose entries are bounded on PostgreSQL.
const INDEXED: usize = 255;

/// An event, without its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventRow {
    /// Its id.
    pub id: i64,
    /// What it is about.
    pub kind: EventKind,
    /// What happened; none where it did not say.
    pub event_type: Option<EventType>,
    /// When.
    pub event_time: Timestamp,
    /// Its job, or its dataset.
    pub subject: Dataset,
    /// Its run.
    pub run_id: Option<String>,
    /// The execution that it is about.
    pub execution_id: Option<ExecutionId>,
    /// The artifact that it is about.
    pub artifact_id: Option<ArtifactId>,
    /// The revision that recorded it.
    pub revision: i64,
}

impl EventRow {
    /// Its place in an order.
    pub fn key(&self, field: EventOrderField) -> Key {
        Key(match field {
            EventOrderField::EventTime => vec![self.event_time.0.into(), self.id.into()],
            EventOrderField::RecordedAt => vec![self.id.into()],
        })
    }
}

/// Which events are wanted: every test that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventFilter {
    /// What it is about.
    pub kind: Option<EventKind>,
    /// What happened: one of these.
    pub types: Option<Vec<EventType>>,
    /// When it happened.
    pub event_time: Option<DateTimeRange>,
    /// Its job, or, of a dataset's event, its dataset.
    pub subject: Option<(EventSubject, Dataset)>,
    /// Its run.
    pub run_id: Option<String>,
    /// The execution that it is about.
    pub execution: Option<ExecutionId>,
    /// The artifact that it is about.
    pub artifact: Option<ArtifactId>,
}

/// What the name in an event is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventSubject {
    /// A job.
    Job,
    /// A dataset.
    Dataset,
}

/// What events can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventOrderField {
    /// When they happened.
    EventTime,
    /// When they were recorded.
    RecordedAt,
}

/// An order of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventOrder {
    /// By what.
    pub field: EventOrderField,
    /// Which way.
    pub direction: OrderDirection,
}

impl EventOrderField {
    /// What its keys are made of.
    pub const fn shape(self) -> &'static [KeyKind] {
        match self {
            Self::EventTime => &[KeyKind::Int, KeyKind::Int],
            Self::RecordedAt => &[KeyKind::Int],
        }
    }

    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::EventTime => &["event.event_time", "event.id"],
            Self::RecordedAt => &["event.id"],
        }
    }
}

impl Default for EventOrder {
    fn default() -> Self {
        Self {
            field: EventOrderField::EventTime,
            direction: OrderDirection::Descending,
        }
    }
}

fn conditions(binds: &mut Binds, scope: &Scope, filter: &EventFilter) -> Conditions {
    let mut all = Conditions::default();
    all.and(&format!("event.revision <= {}", binds.bind(scope.revision)));
    if let Some(kind) = filter.kind {
        all.and(&format!("event.kind = {}", binds.bind(kind.as_str())));
    }
    if let Some(types) = &filter.types {
        let list = binds.bind(dialect::texts(binds.backend, types.iter().map(|one| one.as_str())));
        all.and(&dialect::in_texts(binds.backend, "event.event_type", &list));
    }
    if let Some(range) = filter.event_time {
        for (bound, test) in [(range.from, ">="), (range.to, "<")] {
            if let Some(bound) = bound {
                all.and(&format!("event.event_time {test} {}", binds.bind(bound.0)));
            }
        }
    }
    if let Some((subject, name)) = &filter.subject {
        let test = match subject {
            EventSubject::Job => "<>",
            EventSubject::Dataset => "=",
        };
        all.and(&format!(
            "event.kind {test} {}",
            binds.bind(EventKind::Dataset.as_str())
        ));
        named(binds, &mut all, "event.namespace", &name.namespace);
        named(binds, &mut all, "event.name", &name.name);
    }
    if let Some(run_id) = &filter.run_id {
        // The index has only the events of a run.
        all.and("event.run_id IS NOT NULL");
        named(binds, &mut all, "event.run_id", run_id);
    }
    let ids = [
        ("execution_id", filter.execution.map(|id| id.0)),
        ("artifact_id", filter.artifact.map(|id| id.0)),
    ];
    for (column, id) in ids {
        if let Some(id) = id {
            all.and(&format!("event.{column} = {}", binds.bind(id)));
        }
    }
    all
}

/// A name is looked up by as much of it as is in the index.
fn named(binds: &mut Binds, all: &mut Conditions, column: &str, name: &str) {
    let start: String = name.chars().take(INDEXED).collect();
    all.and(&format!("substr({column}, 1, {INDEXED}) = {}", binds.bind(start)));
    if name.chars().count() > INDEXED {
        all.and(&format!("{column} = {}", binds.bind(name)));
    }
}

/// Events, filtered and ordered.
pub async fn event_list(
    db: &impl Reader,
    scope: &Scope,
    filter: &EventFilter,
    order: EventOrder,
    page: &Page,
) -> Result<Slice<EventRow>, StoreError> {
    let walk = page.walk(order.direction, order.field.shape())?;
    let mut binds = Binds::new(db);
    let all = conditions(&mut binds, scope, filter);
    let columns = order.field.columns();
    let bounds = walk.bounds(&mut binds, columns);
    let order = walk.order_and_limit(&mut binds, columns);
    let sql = format!(
        "SELECT event.id, event.kind, coalesce(event.event_type, ''), event.event_time, event.namespace, event.name, \
         coalesce(event.run_id, ''), coalesce(event.execution_id, 0), coalesce(event.artifact_id, 0), event.revision \
         FROM event WHERE {}{bounds} {order}",
        all.as_str()
    );
    Ok(page.slice(read(&binds.many(db, &sql, 10).await?, read_event)?))
}

fn read_event(cells: &mut Cells) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        id: cells.next()?,
        kind: EventKind::from_stored(&cells.next::<String>()?),
        event_type: cells.text()?.as_deref().and_then(EventType::from_stored),
        event_time: Timestamp(cells.next()?),
        subject: Dataset {
            namespace: cells.next()?,
            name: cells.next()?,
        },
        run_id: cells.text()?,
        execution_id: Some(cells.next()?).filter(|id| *id != ExecutionId(0)),
        artifact_id: Some(cells.next()?).filter(|id| *id != ArtifactId(0)),
        revision: cells.next()?,
    })
}

/// How many events there are.
pub async fn event_count(db: &impl Reader, scope: &Scope, filter: &EventFilter) -> Result<i64, StoreError> {
    let mut binds = Binds::new(db);
    let all = conditions(&mut binds, scope, filter);
    binds
        .number(db, &format!("SELECT count(*) FROM event WHERE {}", all.as_str()))
        .await
}

/// The texts of events, by id.
pub async fn event_bodies(db: &impl Reader, ids: &[i64]) -> Result<Vec<(i64, String)>, StoreError> {
    let mut binds = Binds::new(db);
    let list = binds.bind(dialect::numbers(binds.backend, ids.iter().copied()));
    let these = dialect::in_numbers(binds.backend, "event.id", &list);
    let bodies = LongTexts {
        key: "event.id",
        texts: &[LongText {
            column: "event.body",
            when: "TRUE",
        }],
        from: &format!("event WHERE {these}"),
    };
    bodies.read(db, binds, |cells| Ok((cells.next()?, cells.next()?))).await
}
