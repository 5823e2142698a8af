//! Windows of time.

use async_graphql::{Context, Object, SimpleObject};
use entity::VersionId;

use super::missing;
use super::version::Version;
use crate::domain::time::Window;
use crate::graphql::connection::int;
use crate::graphql::enums::Granularity;
use crate::graphql::error::ApiError;
use crate::graphql::resources::Resources;
use crate::graphql::scalars::DateTime;
use crate::graphql::view::View;
use crate::store::partition_value::BucketRow;

/// A window of time: from `start` up to, not including, `end`, in UTC.
#[derive(SimpleObject, Clone, Debug)]
pub struct TimeWindow {
    /// Its first instant.
    pub start: DateTime,
    /// The first instant after it.
    pub end: DateTime,
    /// Its size.
    pub granularity: Granularity,
    /// Its short name, such as `2026-11-23T14`, `2026-11-23`, `2026-W48` or `2026-11`.
    pub label: String,
}

impl From<Window> for TimeWindow {
    fn from(window: Window) -> Self {
        Self {
            start: window.start.into(),
            end: window.end().into(),
            granularity: window.granularity.into(),
            label: window.label(),
        }
    }
}

/// A window of time, and what an artifact has in it.
pub struct TimeBucket {
    /// The window and its counts.
    pub row: BucketRow,
    /// In which view.
    pub view: View,
}

impl TimeBucket {
    async fn newest(&self, ctx: &Context<'_>, id: VersionId) -> Result<Version, ApiError> {
        let found = Version::find(Resources::of(ctx)?, self.view, id).await?;
        found.ok_or_else(|| missing("the latest version of a bucket"))
    }
}

/// A window of time, and what an artifact has in it.
#[Object]
impl TimeBucket {
    /// The window.
    async fn window(&self) -> TimeWindow {
        self.row.window.into()
    }

    /// How many versions it has, in whatever state.
    async fn version_count(&self) -> i32 {
        int(self.row.version_count)
    }

    /// How many partitions it has.
    async fn partition_count(&self) -> i32 {
        int(self.row.partition_count)
    }

    /// Its most recent version; null when none is AVAILABLE.
    async fn latest(&self, ctx: &Context<'_>) -> Option<Result<Version, ApiError>> {
        let id = self.row.latest?;
        Some(self.newest(ctx, id).await)
    }
}
