//! Versions.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use entity::{ExecutionId, VersionId};

use super::artifact::Artifact;
use super::edges::{Consumers, LinkEdge, link, recorded_at};
use super::execution::Execution;
use super::lineage::Lineage;
use super::missing;
use super::partition::Partition;
use crate::domain::uri;
use crate::graphql::budget::{StoredJson, Text};
use crate::graphql::connection::{Connection, Order, PageArgs, page_cost, read};
use crate::graphql::enums::VersionState;
use crate::graphql::error::ApiError;
use crate::graphql::inputs::lineage::{LineageOptions, lineage_cost};
use crate::graphql::loaders::facts::{Aliases, Content, IsLatest, Producer, RowOf};
use crate::graphql::loaders::nodes::{ExecutionById, VersionById};
use crate::graphql::loaders::pages::{ConsumerCount, ConsumerPage};
use crate::graphql::node_id::NodeId;
use crate::graphql::resources::Resources;
use crate::graphql::scalars::DateTime;
use crate::graphql::view::View;
use crate::store::edge::{EdgeRow, VERSION_EDGE_SHAPE};
use crate::store::version::{ProducerRow, VersionContent, VersionRow};

/// A version, as it is seen in a view.
#[derive(Clone)]
pub struct Version {
    /// Its row.
    pub row: Arc<VersionRow>,
    /// In which view.
    pub view: View,
}

/// A text among the contents of a version, which are shared, since they may be long.
#[derive(Clone)]
pub enum Part {
    /// The contents, and which text of them.
    Of(Arc<VersionContent>, Choice),
    /// An empty JSON object.
    Nothing,
}

/// Which text of the contents of a version.
type Choice = fn(&VersionContent) -> Option<&String>;

impl Part {
    /// The text, if it is there.
    fn of(content: Option<Arc<VersionContent>>, choice: Choice) -> Option<Self> {
        let content = content?;
        choice(&content)
            .is_some()
            .then(|| Self::Of(Arc::clone(&content), choice))
    }
}

impl AsRef<str> for Part {
    fn as_ref(&self) -> &str {
        match self {
            Self::Of(content, choice) => choice(content).map_or("", String::as_str),
            Self::Nothing => "{}",
        }
    }
}

const CONSUMERS: Order = Order {
    tag: "consumers",
    shape: VERSION_EDGE_SHAPE,
};

impl Version {
    /// The version with an id, if it is there in a view.
    pub async fn find(resources: &Resources, view: View, id: VersionId) -> Result<Option<Self>, ApiError> {
        let row = resources.load(VersionById, view.scope, id).await?;
        Ok(row.map(|row| Self { row, view }))
    }

    /// Versions that must be there in a view, in the order of their ids.
    pub async fn find_all(resources: &Resources, view: View, ids: Vec<VersionId>) -> Result<Vec<Self>, ApiError> {
        let rows = resources.load_many(VersionById, view.scope, ids).await?;
        let version =
            |row: Option<Arc<VersionRow>>| row.map(|row| Self { row, view }).ok_or_else(|| missing("a version"));
        rows.into_iter().map(version).collect()
    }

    async fn its_artifact(&self, ctx: &Context<'_>) -> Result<Artifact, ApiError> {
        let found = Artifact::find(Resources::of(ctx)?, self.view, self.row.artifact_id).await?;
        found.ok_or_else(|| missing("the artifact of a version"))
    }

    async fn content(&self, ctx: &Context<'_>, part: Content) -> Result<Option<Arc<VersionContent>>, ApiError> {
        Resources::of(ctx)?.load(part, self.view.scope, self.row.id).await
    }

    async fn text(&self, ctx: &Context<'_>, part: Content, of: Choice) -> Result<Option<Text<Part>>, ApiError> {
        let content = self.content(ctx, part).await?;
        Ok(Part::of(content, of).map(Text))
    }

    async fn produced(&self, ctx: &Context<'_>) -> Result<Option<Arc<ProducerRow>>, ApiError> {
        Resources::of(ctx)?.load(Producer, self.view.scope, self.row.id).await
    }

    async fn its_producer(&self, ctx: &Context<'_>) -> Result<Option<Execution>, ApiError> {
        let Some(producer) = self.produced(ctx).await? else {
            return Ok(None);
        };
        Execution::find(Resources::of(ctx)?, self.view, producer.execution).await
    }

    async fn its_partition(&self, ctx: &Context<'_>) -> Result<Option<Partition>, ApiError> {
        let Some(id) = self.row.partition_id else {
            return Ok(None);
        };
        Partition::find(Resources::of(ctx)?, self.view, id).await
    }

    async fn consuming(resources: &Resources, view: View, ids: Vec<ExecutionId>) -> Result<Vec<Execution>, ApiError> {
        let rows = resources.load_many(ExecutionById, view.scope, ids).await?;
        rows.into_iter()
            .map(|row| {
                row.map(|row| Execution { row, view })
                    .ok_or_else(|| missing("an execution"))
            })
            .collect()
    }
}

/// One immutable materialisation of an artifact. Nothing of it changes after it was recorded but its aliases and its deletion.
#[Object]
impl Version {
    /// Its id, such as `version_bq`.
    pub async fn id(&self) -> ID {
        NodeId::Version(self.row.id).into()
    }

    /// The artifact that it is a version of.
    async fn artifact(&self, ctx: &Context<'_>) -> Result<Artifact, ApiError> {
        self.its_artifact(ctx).await
    }

    /// Its version string: unique among the artifact's versions.
    async fn version(&self) -> &str {
        &self.row.version
    }

    /// The artifact's URI, `@` and the version, percent-encoded.
    async fn uri(&self, ctx: &Context<'_>) -> Result<Text<String>, ApiError> {
        let artifact = self.its_artifact(ctx).await?;
        Ok(Text(uri::of_version(&artifact.row.key_of(), &self.row.version)))
    }

    /// Its partition; null when it has none, is only REFERENCED, or is flagged in `schemaMismatch`.
    async fn partition(&self, ctx: &Context<'_>) -> Option<Result<Partition, ApiError>> {
        self.its_partition(ctx).await.transpose()
    }

    /// What there is of it.
    async fn state(&self) -> VersionState {
        self.row.state.into()
    }

    /// Whether it is the most recent AVAILABLE version of its partition; of an artifact's versions without a partition, the
    /// most recent of those.
    async fn is_latest(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Resources::of(ctx)?
            .load(IsLatest, self.view.scope, RowOf(Arc::clone(&self.row)))
            .await
    }

    /// Why its partition does not fit the artifact's declaration, when it came by an event, an import or before the declaration;
    /// null when it fits. A version flagged here is found by no partition query.
    async fn schema_mismatch(&self) -> Option<Text<&str>> {
        self.row.schema_mismatch.as_deref().map(Text)
    }

    /// Where the data lies, such as `s3://bucket/orders/2026-11-23.parquet`; never opened by this server. Null when it was not
    /// given, or the version is deleted.
    async fn location(&self, ctx: &Context<'_>) -> Option<Result<Text<Part>, ApiError>> {
        self.text(ctx, Content::Text, |content| content.location.as_ref())
            .await
            .transpose()
    }

    /// What kind of thing it is, in the producer's words, such as `parquet` or `model`; null when it was not given.
    #[graphql(name = "type")]
    async fn data_type(&self, ctx: &Context<'_>) -> Option<Result<Text<Part>, ApiError>> {
        self.text(ctx, Content::Text, |content| content.data_type.as_ref())
            .await
            .transpose()
    }

    /// What it is, for people; null when it was not given.
    async fn description(&self, ctx: &Context<'_>) -> Option<Result<Text<Part>, ApiError>> {
        self.text(ctx, Content::Text, |content| content.description.as_ref())
            .await
            .transpose()
    }

    /// Facts about it: a JSON object, `{}` when there are none or the version is deleted.
    async fn metadata(&self, ctx: &Context<'_>) -> Result<StoredJson<Part>, ApiError> {
        let content = self.content(ctx, Content::Metadata).await?;
        Ok(StoredJson(
            Part::of(content, |content| content.metadata.as_ref()).unwrap_or(Part::Nothing),
        ))
    }

    /// A page about it, in Markdown; null when it was not given, or the version is deleted.
    async fn card(&self, ctx: &Context<'_>) -> Option<Result<Text<Part>, ApiError>> {
        self.text(ctx, Content::Card, |content| content.card.as_ref())
            .await
            .transpose()
    }

    /// The aliases that stand at it, such as `production`, ascending.
    async fn aliases(&self, ctx: &Context<'_>) -> Result<Vec<String>, ApiError> {
        let aliases = Resources::of(ctx)?.load(Aliases, self.view.scope, self.row.id).await?;
        Ok(aliases.to_vec())
    }

    /// Who made it: the principal of the execution that produced it; null when there is none.
    async fn principal(&self, ctx: &Context<'_>) -> Option<Result<Text<String>, ApiError>> {
        self.its_producer(ctx)
            .await
            .map(|producer| producer?.row.principal.clone().map(Text))
            .transpose()
    }

    /// When it was produced; while it is only REFERENCED, when it was first named.
    async fn created_at(&self) -> DateTime {
        self.row.created_at.into()
    }

    /// When this server learned of it; while it is only REFERENCED, when it was first named.
    async fn recorded_at(&self, ctx: &Context<'_>) -> Result<DateTime, ApiError> {
        recorded_at(ctx, self.view, self.row.recorded_revision).await
    }

    /// The execution that produced it; of several with the same content, the one that started first. Null when no execution
    /// claims it.
    async fn producer(&self, ctx: &Context<'_>) -> Option<Result<Execution, ApiError>> {
        self.its_producer(ctx).await.transpose()
    }

    /// The producer's name for it, such as `model`; null without a producer.
    async fn output_name(&self, ctx: &Context<'_>) -> Option<Result<String, ApiError>> {
        self.produced(ctx)
            .await
            .map(|producer| Some(producer?.name.clone()))
            .transpose()
    }

    /// The executions that took it in, in the order in which they were first recorded. One that took it in under several names
    /// is there once for each.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn consumers(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The first so many; without `first` and `last`: the first 50, unless configured otherwise. Not together with `last`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<LinkEdge<Consumers>>, ApiError> {
        let resources = Resources::of(ctx)?;
        let list = PageArgs {
            first,
            after,
            last,
            before,
        }
        .open(resources, self.view, CONSUMERS)
        .await?;
        let reads = (
            ConsumerPage {
                page: list.page.clone(),
            },
            ConsumerCount,
        );
        let page = read(ctx, list, reads, self.row.id, EdgeRow::key_of_version).await?;
        let ends = if page.wants_nodes {
            let ids = page.items.iter().map(|item| item.row.execution_id).collect();
            Some(Self::consuming(resources, page.view, ids).await?)
        } else {
            None
        };
        Ok(link(page, ends))
    }

    /// What it was made from, or what was made from it. The walk is that of `Query.lineage` with this as the root.
    #[graphql(complexity = "lineage_cost(options.as_ref(), child_complexity)")]
    async fn lineage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How to walk; null: all that is upstream, the first 500 nodes.")] options: Option<
            LineageOptions,
        >,
    ) -> Result<Lineage, ApiError> {
        Lineage::ask(
            Resources::of(ctx)?,
            self.view,
            "id",
            vec![NodeId::Version(self.row.id)],
            options,
        )
        .await
    }
}
