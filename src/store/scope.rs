//! Who reads, and as of when. Every read takes a scope, and what is reached from an object is read in that object's scope.

use sea_orm::{ConnectionTrait, Statement};

use super::StoreError;
use crate::domain::time::Timestamp;

/// The view of one reader on the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The revision that it is pinned to: what was recorded later is not there.
    pub revision: i64,
    /// What the reader may see.
    pub sees: Sees,
}

/// What a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sees {
    /// All projects and domains: there are no identities yet.
    Everything,
}

/// A revision and when it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its number.
    pub revision: i64,
    /// When; none for revision 0, the empty store.
    pub at: Option<Timestamp>,
}

impl Scope {
    /// Everything, as of a revision.
    pub const fn at(revision: i64) -> Self {
        Self {
            revision,
            sees: Sees::Everything,
        }
    }

    /// The same reader's view as of another revision.
    #[must_use]
    pub const fn as_of(self, revision: i64) -> Self {
        Self { revision, ..self }
    }
}

/// The newest revision.
pub async fn revision_newest(db: &impl ConnectionTrait) -> Result<Recorded, StoreError> {
    recorded(
        db,
        "SELECT id, recorded_at FROM revision ORDER BY id DESC LIMIT 1",
        vec![],
    )
    .await
}

/// The newest revision that had been recorded at an instant.
pub async fn revision_at(db: &impl ConnectionTrait, instant: Timestamp) -> Result<Recorded, StoreError> {
    let sql = "SELECT id, recorded_at FROM revision WHERE recorded_at <= $1 ORDER BY recorded_at DESC, id DESC LIMIT 1";
    recorded(db, sql, vec![instant.0.into()]).await
}

/// A revision by number; none when there is no such.
pub async fn revision_find(db: &impl ConnectionTrait, number: i64) -> Result<Option<Recorded>, StoreError> {
    let sql = "SELECT id, recorded_at FROM revision WHERE id = $1";
    let found = recorded(db, sql, vec![number.into()]).await?;
    Ok((number == found.revision).then_some(found))
}

async fn recorded(db: &impl ConnectionTrait, sql: &str, values: Vec<sea_orm::Value>) -> Result<Recorded, StoreError> {
    let row = db
        .query_one_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values))
        .await?;
    let Some(row) = row else {
        return Ok(Recorded { revision: 0, at: None });
    };
    Ok(Recorded {
        revision: row.try_get_by_index(0)?,
        at: Some(Timestamp(row.try_get_by_index(1)?)),
    })
}
