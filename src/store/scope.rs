//! Who reads, and as of when. Every read takes a scope, and what is reached from an object is read in that object's scope.

use super::sql::{Binds, first};
use super::{Reader, StoreError};
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
pub async fn revision_newest(db: &impl Reader) -> Result<Recorded, StoreError> {
    let sql = "SELECT id, recorded_at FROM revision ORDER BY id DESC LIMIT 1";
    recorded(db, Binds::new(db), sql).await
}

/// The newest revision that had been recorded at an instant.
pub async fn revision_at(db: &impl Reader, instant: Timestamp) -> Result<Recorded, StoreError> {
    let sql = "SELECT id, recorded_at FROM revision WHERE recorded_at <= $1 ORDER BY recorded_at DESC, id DESC LIMIT 1";
    let mut binds = Binds::new(db);
    binds.bind(instant.0);
    recorded(db, binds, sql).await
}

/// A revision by number; none when there is no such.
pub async fn revision_find(db: &impl Reader, number: i64) -> Result<Option<Recorded>, StoreError> {
    let sql = "SELECT id, recorded_at FROM revision WHERE id = $1";
    let mut binds = Binds::new(db);
    binds.bind(number);
    let found = recorded(db, binds, sql).await?;
    Ok((number == found.revision).then_some(found))
}

async fn recorded(db: &impl Reader, binds: Binds, sql: &str) -> Result<Recorded, StoreError> {
    let found = first(&binds.all(db, sql).await?, |cells| {
        Ok(Recorded {
            revision: cells.next()?,
            at: Some(Timestamp(cells.next()?)),
        })
    })?;
    Ok(found.unwrap_or(Recorded { revision: 0, at: None }))
}
