//! Projects and their domains: they exist as parts of keys.

use async_graphql::{Context, Object};

use super::artifact::Artifact;
use super::edges::{NodeEdge, connect};
use crate::graphql::budget::List;
use crate::graphql::connection::{Connection, PageArgs, int, page_cost, read};
use crate::graphql::error::ApiError;
use crate::graphql::inputs::orders::artifact_cursors;
use crate::graphql::loaders::pages::{DomainCount, DomainPage};
use crate::graphql::resources::Resources;
use crate::graphql::view::View;
use crate::store::artifact_list::{ArtifactOrder, ArtifactOrderField, DomainRow, ProjectRow};
use crate::store::page::OrderDirection;

/// A project: the first part of a key.
pub struct Project {
    /// The project and its domains.
    pub row: ProjectRow,
    /// In which view.
    pub view: View,
}

/// A project: the first part of a key.
#[Object]
impl Project {
    /// Its name.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// The domains in which it has artifacts, by name.
    async fn domains(&self) -> List<Domain> {
        let domain = |row: &DomainRow| Domain {
            project: self.row.name.clone(),
            row: row.clone(),
            view: self.view,
        };
        self.row.domains.iter().map(domain).collect()
    }
}

/// A domain of a project: the second part of a key.
pub struct Domain {
    project: String,
    row: DomainRow,
    view: View,
}

/// A domain of a project, such as `development` or `production`: the second part of a key.
#[Object]
impl Domain {
    /// Its name.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// How many artifacts the project has in it.
    async fn artifact_count(&self) -> i32 {
        int(self.row.artifact_count)
    }

    /// The artifacts that the project has in it, by name.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn artifacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The first so many; without `first` and `last`: the first 50, unless configured otherwise. Not together with `last`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<NodeEdge<Artifact>>, ApiError> {
        let order = artifact_cursors(ArtifactOrder {
            field: ArtifactOrderField::Name,
            direction: OrderDirection::Ascending,
        });
        let list = PageArgs {
            first,
            after,
            last,
            before,
        }
        .open(Resources::of(ctx)?, self.view, order)
        .await?;
        let reads = (
            DomainPage {
                page: list.page.clone(),
            },
            DomainCount,
        );
        let of = (self.project.clone(), self.row.name.clone());
        let page = read(ctx, list, reads, of, |row| row.key(ArtifactOrderField::Name)).await?;
        Ok(connect(page))
    }
}
