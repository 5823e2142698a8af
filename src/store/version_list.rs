//! Lists of versions: of many artifacts and partitions at once, filtered, ordered and paged.

use ::entity::{ArtifactId, PartitionId};

use super::page::{KeyKind, OrderDirection, Page, Slice};
use super::partition_filter::PartitionTest;
use super::version::{VersionRow, VersionState};
use super::version_pick::{Rows, pick_versions};
use super::{Reader, Scope, StoreError};
use crate::domain::filter::DateTimeRange;
use crate::domain::key::ExecutionKey;

/// Whose versions are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VersionsOf {
    /// An artifact's, perhaps only those of some partitions.
    Artifact {
        /// The artifact.
        id: ArtifactId,
        /// Which partitions.
        partition: Option<PartitionTest>,
    },
    /// A partition's.
    Partition(PartitionId),
}

/// Which versions are wanted: every test that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VersionFilter {
    /// When it was produced, or first named.
    pub created_at: Option<DateTimeRange>,
    /// What has become of it: one of these.
    pub states: Option<Vec<VersionState>>,
    /// An execution that claims it.
    pub produced_by: Option<ExecutionKey>,
    /// The principal of its producer.
    pub principal: Option<String>,
    /// An alias that stands at it.
    pub alias: Option<String>,
    /// What kind of thing it is.
    pub data_type: Option<String>,
    /// Facts about it.
    pub metadata: Vec<MetadataFilter>,
}

/// A test of one fact: every part that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MetadataFilter {
    /// Which fact.
    pub key: String,
    /// It is equal to this, as JSON; `null` is a value too.
    pub eq: Option<serde_json::Value>,
    /// It is equal to one of these.
    pub is_in: Option<Vec<serde_json::Value>>,
    /// Whether it is there.
    pub exists: Option<bool>,
}

/// What versions can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionOrderField {
    /// When they were produced; of the same instant, by which was recorded later.
    CreatedAt,
    /// The start of their window, then when they were produced. Those without a window are the oldest.
    TimePartition,
    /// The version string, by code point, as far as its first 255 characters.
    Version,
}

/// An order of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VersionOrder {
    /// By what.
    pub field: VersionOrderField,
    /// Which way.
    pub direction: OrderDirection,
}

impl VersionOrderField {
    /// What its keys are made of.
    pub const fn shape(self) -> &'static [KeyKind] {
        match self {
            Self::CreatedAt => &[KeyKind::Int, KeyKind::Int],
            Self::TimePartition => &[KeyKind::Int, KeyKind::Int, KeyKind::Int],
            Self::Version => &[KeyKind::Text, KeyKind::Int],
        }
    }
}

impl Default for VersionOrder {
    fn default() -> Self {
        Self {
            field: VersionOrderField::CreatedAt,
            direction: OrderDirection::Descending,
        }
    }
}

impl VersionFilter {
    /// Whether versions in a state can pass.
    pub(super) fn takes(&self, state: VersionState) -> bool {
        self.states.as_ref().is_none_or(|states| states.contains(&state))
    }

    /// Whether a version that nobody has produced can pass: it has no content and no producer, but may have been deleted.
    pub(super) fn takes_unproduced(&self) -> bool {
        (self.takes(VersionState::Referenced) || self.takes(VersionState::Deleted))
            && self.produced_by.is_none()
            && self.principal.is_none()
            && self.data_type.is_none()
            && self.metadata.is_empty()
    }
}

/// Versions of many parents: a page for each, in their order.
pub async fn version_list(
    db: &impl Reader,
    scope: &Scope,
    of: &[VersionsOf],
    filter: &VersionFilter,
    order: VersionOrder,
    page: &Page,
) -> Result<Vec<Slice<VersionRow>>, StoreError> {
    let walk = page.walk(order.direction, order.field.shape())?;
    let rows: Rows = pick_versions(db, scope, of, filter, order.field, walk).await?;
    Ok(rows.into_iter().map(|rows| page.slice(rows)).collect())
}
