//! Revisions.

use async_graphql::Object;

use crate::domain::time::Timestamp;
use crate::graphql::error::ApiError;
use crate::graphql::loaders::facts::RevisionTime;
use crate::graphql::resources::Resources;
use crate::graphql::scalars::{DateTime, Long};
use crate::graphql::view::View;

/// A state of the store. Each write makes the next one; the numbers have no gaps.
pub struct Revision {
    /// The view whose revision it is.
    pub view: View,
}

/// A state of the store. Each write makes the next one; the numbers have no gaps.
#[Object]
impl Revision {
    /// Its number, to be given as `asOf: {revision: …}`; 0 is the empty store.
    async fn number(&self) -> Long {
        self.view.scope.revision.into()
    }

    /// When it was recorded, by the clock of the server; of the empty store, which nobody recorded: 0001-01-01T00:00:00Z.
    async fn recorded_at(&self, ctx: &async_graphql::Context<'_>) -> Result<DateTime, ApiError> {
        let resources = Resources::of(ctx)?;
        let revision = self.view.scope.revision;
        // At the root it has been read with the number.
        let newest = resources.newest().await?;
        let at = if newest.revision == revision {
            newest.at
        } else {
            resources.load(RevisionTime, self.view.scope, revision).await?
        };
        Ok(DateTime(at.unwrap_or(Timestamp::MIN)))
    }
}
