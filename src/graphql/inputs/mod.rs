//! What clients write: the input objects of the schema, and how they become values of the domain.

pub mod filters;
pub mod lineage;
pub mod orders;
pub mod queries;
pub mod records;

use async_graphql::InputObject;

use super::scalars::DateTime;
use crate::domain::filter;
use crate::domain::key;

/// The key of an artifact. Each part keeps its case and may have slashes, colons and dots, but no control characters and no
/// white space at its ends.
#[derive(InputObject, Clone, Debug)]
pub struct ArtifactKey {
    /// Its project: 1 to 255 characters.
    pub project: String,
    /// Its domain, such as `development` or `production`: 1 to 255 characters.
    pub domain: String,
    /// Its name, such as `orders` or `s3://bucket/orders`: 1 to 1,024 characters.
    pub name: String,
}

impl From<ArtifactKey> for key::ArtifactKey {
    fn from(ArtifactKey { project, domain, name }: ArtifactKey) -> Self {
        Self { project, domain, name }
    }
}

/// The key of an execution. Each part keeps its case and may have slashes, colons and dots, but no control characters and no
/// white space at its ends.
#[derive(InputObject, Clone, Debug)]
pub struct ExecutionKey {
    /// Its project: 1 to 255 characters.
    pub project: String,
    /// Its domain, such as `development` or `production`: 1 to 255 characters.
    pub domain: String,
    /// Its name, such as `f3a9` or, for a task of it, `f3a9/train`: 1 to 1,024 characters.
    pub name: String,
}

impl From<ExecutionKey> for key::ExecutionKey {
    fn from(ExecutionKey { project, domain, name }: ExecutionKey) -> Self {
        Self { project, domain, name }
    }
}

/// A span of time: from `from` up to, not including, `to`. An end that is not given is open. `to` must be later than `from`.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct DateTimeRange {
    /// The first instant in it; null: since ever.
    pub from: Option<DateTime>,
    /// The first instant after it; null: without end.
    pub to: Option<DateTime>,
}

impl From<DateTimeRange> for filter::DateTimeRange {
    fn from(range: DateTimeRange) -> Self {
        Self {
            from: range.from.map(|t| t.0),
            to: range.to.map(|t| t.0),
        }
    }
}
