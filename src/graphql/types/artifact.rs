//! Artifacts.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use entity::ArtifactId;

use super::edges::{NodeEdge, ValueEdge, connect};
use super::event::EventName;
use super::lineage::Lineage;
use super::partition::Partition;
use super::version::Version;
use super::window::TimeBucket;
use crate::domain::filter::PartitionFilter as DomainFilter;
use crate::domain::uri;
use crate::graphql::budget::{List, StoredJson, Text};
use crate::graphql::connection::{Connection, Opened, Order, PageArgs, Read, int, page_cost, read};
use crate::graphql::enums::Granularity;
use crate::graphql::error::ApiError;
use crate::graphql::inputs::filters::{VersionFilter, partition};
use crate::graphql::inputs::lineage::{LineageOptions, lineage_cost};
use crate::graphql::inputs::orders::{VersionOrder, version_cursors};
use crate::graphql::inputs::queries::{AsOf, PartitionFilter};
use crate::graphql::loaders::facts::{
    ArtifactMetadata, ArtifactUpdatedAt, ArtifactVersionCount, LatestOfArtifact, OtherNames,
};
use crate::graphql::loaders::nodes::ArtifactById;
use crate::graphql::loaders::pages::{
    Buckets, PartitionCount, PartitionPage, ValueCount, ValuePage, VersionCount, VersionPage, Within,
};
use crate::graphql::node_id::NodeId;
use crate::graphql::resources::Resources;
use crate::graphql::scalars::DateTime;
use crate::graphql::view::View;
use crate::store::artifact::ArtifactRow;
use crate::store::partition::{PARTITION_SHAPE, PartitionRow, PartitionsOf};
use crate::store::partition_filter::PartitionTest;
use crate::store::partition_value::{BucketRow, VALUE_SHAPE, ValueRow};
use crate::store::version_latest::LatestOf;
use crate::store::version_list::{
    VersionFilter as StoredVersionFilter, VersionOrder as StoredVersionOrder, VersionsOf,
};

/// An artifact, as it is seen in a view.
#[derive(Clone)]
pub struct Artifact {
    /// Its row.
    pub row: Arc<ArtifactRow>,
    /// In which view.
    pub view: View,
}

const PARTITIONS: Order = Order {
    tag: "partitions",
    shape: PARTITION_SHAPE,
};
const VALUES: Order = Order {
    tag: "values",
    shape: VALUE_SHAPE,
};

/// What a time bucket is estimated at: an artifact has many.
const BUCKETS_ESTIMATE: usize = 50;

/// What the versions of something are in a filter, in an order, read page by page.
pub async fn versions(
    ctx: &Context<'_>,
    list: Opened,
    of: VersionsOf,
    filter: StoredVersionFilter,
    order: StoredVersionOrder,
) -> Result<Connection<NodeEdge<Version>>, ApiError> {
    let filter = Arc::new(filter);
    let reads = (
        VersionPage {
            filter: Arc::clone(&filter),
            order,
            page: list.page.clone(),
        },
        VersionCount { filter },
    );
    Ok(connect(
        read(ctx, list, reads, of, move |row| row.key(order.field)).await?,
    ))
}

impl Artifact {
    /// The artifact with an id, if it is there in a view.
    pub async fn find(resources: &Resources, view: View, id: ArtifactId) -> Result<Option<Self>, ApiError> {
        let row = resources.load(ArtifactById, view.scope, id).await?;
        Ok(row.map(|row| Self { row, view }))
    }

    /// The same artifact in another view, if it is there: its keys may have been others then.
    async fn seen_in(&self, resources: &Resources, view: View) -> Result<Option<Self>, ApiError> {
        if view.scope == self.view.scope {
            return Ok(Some(Self { view, ..self.clone() }));
        }
        Self::find(resources, view, self.row.id).await
    }

    /// A filter on partitions, as this artifact understands it in a view. None when the artifact is not there.
    async fn understand(
        &self,
        resources: &Resources,
        view: View,
        filter: Option<DomainFilter>,
    ) -> Result<Option<Option<PartitionTest>>, ApiError> {
        let Some(filter) = filter else { return Ok(Some(None)) };
        let Some(artifact) = self.seen_in(resources, view).await? else {
            return Ok(None);
        };
        Ok(Some(Some(PartitionTest::compile(&artifact.row, &filter)?)))
    }

    async fn find_latest(
        &self,
        ctx: &Context<'_>,
        filter: Option<PartitionFilter>,
        as_of: Option<AsOf>,
    ) -> Result<Option<Version>, ApiError> {
        let resources = Resources::of(ctx)?;
        let filter = partition("where", filter)?;
        let view = self.view.as_of(resources, as_of).await?;
        let Some(test) = self.understand(resources, view, filter).await? else {
            return Ok(None);
        };
        let row = resources
            .load(
                LatestOfArtifact,
                view.scope,
                LatestOf {
                    artifact: self.row.id,
                    partition: test,
                },
            )
            .await?;
        Ok(row.map(|row| Version { row, view }))
    }
}

/// A named thing that gets versions, such as a table, a file or a model.
#[Object]
impl Artifact {
    /// Its id, such as `artifact_e`.
    pub async fn id(&self) -> ID {
        NodeId::Artifact(self.row.id).into()
    }

    /// The first part of its key.
    async fn project(&self) -> &str {
        &self.row.project
    }

    /// The second part of its key, such as `development` or `production`.
    async fn domain(&self) -> &str {
        &self.row.domain
    }

    /// The third part of its key: unique in its project and domain.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// Its URI: `flyte://av0.1/<project>/<domain>/<name>`, each part percent-encoded.
    async fn uri(&self) -> Text<String> {
        Text(uri::of_artifact(&self.row.key_of()))
    }

    /// What it is, for people; null when no declaration said.
    async fn description(&self) -> Option<Text<&str>> {
        self.row.description.as_deref().map(Text)
    }

    /// Its partition keys, at most 10, in declared order; until it is declared: all that its versions have brought, ascending.
    /// The time partition is none of them.
    async fn partition_keys(&self) -> &[String] {
        &self.row.keys
    }

    /// The size of its time partition's windows; null: it has no time partition. Until it is declared, one that a version has
    /// brought counts as DAY.
    async fn time_partition_granularity(&self) -> Option<Granularity> {
        self.row.granularity.map(Into::into)
    }

    /// Other names of the dataset that it is, as the symlinks of OpenLineage events tell them: it is found by each of them, as by its own.
    /// By namespace and name; empty when there are none.
    async fn other_names(&self, ctx: &Context<'_>) -> Result<List<EventName>, ApiError> {
        let names = Resources::of(ctx)?
            .load(OtherNames, self.view.scope, self.row.id)
            .await?;
        let name = |(namespace, name): &(String, String)| EventName {
            namespace: Text(namespace.clone()),
            name: Text(name.clone()),
        };
        Ok(names.iter().map(name).collect())
    }

    /// What OpenLineage events about the dataset itself, apart from any run, have said of it: its facets, each as it was said last.
    /// A JSON object, `{}` when they have said nothing. As known now, also in past states.
    async fn metadata(&self, ctx: &Context<'_>) -> Result<StoredJson<Arc<str>>, ApiError> {
        let text = Resources::of(ctx)?
            .load(ArtifactMetadata, self.view.scope, self.row.id)
            .await?;
        Ok(StoredJson(text.unwrap_or_else(|| "{}".into())))
    }

    /// When this server first heard of it.
    async fn created_at(&self) -> DateTime {
        self.row.created_at.into()
    }

    /// When its newest version was created; without one, when this server first heard of it.
    async fn updated_at(&self, ctx: &Context<'_>) -> Result<DateTime, ApiError> {
        if let Some(time) = self.row.updated_at {
            return Ok(DateTime(time));
        }
        let time = Resources::of(ctx)?
            .load(ArtifactUpdatedAt, self.view.scope, self.row.id)
            .await?;
        Ok(DateTime(time.unwrap_or(self.row.created_at)))
    }

    /// How many versions it has, in whatever state.
    async fn version_count(&self, ctx: &Context<'_>) -> Result<i32, ApiError> {
        Ok(int(Resources::of(ctx)?
            .load(ArtifactVersionCount, self.view.scope, self.row.id)
            .await?))
    }

    /// Its most recent version: the AVAILABLE one with the greatest `createdAt`, and of several such the one recorded last. Null
    /// when none is AVAILABLE.
    async fn latest(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            name = "where",
            desc = "Only in partitions like this, such as `{values: [{key: \"region\", eq: \"EU\"}], time: {at: \"2026-11-22\"}}`."
        )]
        filter: Option<PartitionFilter>,
        #[graphql(desc = "In this past state of the store; null: in the one that the artifact is seen in.")]
        as_of: Option<AsOf>,
    ) -> Option<Result<Version, ApiError>> {
        self.find_latest(ctx, filter, as_of).await.transpose()
    }

    /// Its versions.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "they are the field's")]
    async fn versions(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where", desc = "Only those that pass this filter.")] filter: Option<VersionFilter>,
        #[graphql(desc = "Their order; null: CREATED_AT DESC.")] order_by: Option<VersionOrder>,
        #[graphql(
            desc = "The first so many; without `first` and `last`: the first 50, unless configured otherwise. Not together with `last`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<NodeEdge<Version>>, ApiError> {
        let resources = Resources::of(ctx)?;
        let (filter, partition) = VersionFilter::into_stored(filter)?;
        let order = order_by.map_or_else(StoredVersionOrder::default, Into::into);
        let list = PageArgs {
            first,
            after,
            last,
            before,
        }
        .open(resources, self.view, version_cursors(order))
        .await?;
        let Some(test) = self.understand(resources, list.view, partition).await? else {
            return Ok(connect(Read::nothing(list.view)));
        };
        versions(
            ctx,
            list,
            VersionsOf::Artifact {
                id: self.row.id,
                partition: test,
            },
            filter,
            order,
        )
        .await
    }

    /// Its partitions, newest window first, then the one recorded last.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn partitions(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where", desc = "Only those like this.")] filter: Option<PartitionFilter>,
        #[graphql(
            desc = "The first so many; without `first` and `last`: the first 50, unless configured otherwise. Not together with `last`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<NodeEdge<Partition>>, ApiError> {
        let resources = Resources::of(ctx)?;
        let filter = partition("where", filter)?;
        let list = PageArgs {
            first,
            after,
            last,
            before,
        }
        .open(resources, self.view, PARTITIONS)
        .await?;
        let Some(test) = self.understand(resources, list.view, filter).await? else {
            return Ok(connect(Read::nothing(list.view)));
        };
        let of = PartitionsOf {
            artifact: self.row.id,
            filter: test,
        };
        let reads = (
            PartitionPage {
                page: list.page.clone(),
            },
            PartitionCount,
        );
        Ok(connect(read(ctx, list, reads, of, PartitionRow::key).await?))
    }

    /// The distinct values of one partition key, ascending by code points. Each edge counts the partitions that have the value.
    #[graphql(complexity = "page_cost(first, None, child_complexity)")]
    async fn partition_values(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key, such as `region`; one that the artifact does not have is UNKNOWN_PARTITION_KEY.")]
        key: String,
        #[graphql(name = "where", desc = "Only of partitions like this.")] filter: Option<PartitionFilter>,
        #[graphql(desc = "The first so many; null: 50, unless configured otherwise.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
    ) -> Result<Connection<ValueEdge>, ApiError> {
        let resources = Resources::of(ctx)?;
        let filter = partition("where", filter)?;
        let list = PageArgs {
            first,
            after,
            ..PageArgs::default()
        }
        .open(resources, self.view, VALUES)
        .await?;
        let Some(artifact) = self.seen_in(resources, list.view).await? else {
            return Ok(Read::nothing(list.view).connect(|item| ValueEdge::new(item, &key)));
        };
        PartitionTest::known(&artifact.row, &key)?;
        let test = filter
            .map(|filter| PartitionTest::compile(&artifact.row, &filter))
            .transpose()?;
        let of = Within {
            artifact: artifact.row,
            filter: test,
        };
        let reads = (
            ValuePage {
                key: key.clone(),
                page: list.page.clone(),
            },
            ValueCount { key: key.clone() },
        );
        Ok(read(ctx, list, reads, of, ValueRow::key)
            .await?
            .connect(|item| ValueEdge::new(item, &key)))
    }

    /// The windows of time in which it has versions, newest first, with what is in each. Empty without a time partition.
    #[graphql(complexity = "BUCKETS_ESTIMATE * (1 + child_complexity)")]
    async fn time_buckets(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The size of the windows: `MONTH` rolls daily partitions up by month. A finer one than the artifact's means the artifact's."
        )]
        granularity: Granularity,
        #[graphql(name = "where", desc = "Only of partitions like this.")] filter: Option<PartitionFilter>,
    ) -> Result<List<TimeBucket>, ApiError> {
        let resources = Resources::of(ctx)?;
        let filter = partition("where", filter)?;
        let Some(test) = self.understand(resources, self.view, filter).await? else {
            return Ok(List(Vec::new()));
        };
        let of = Within {
            artifact: Arc::clone(&self.row),
            filter: test,
        };
        let rows = resources
            .load(
                Buckets {
                    granularity: granularity.into(),
                },
                self.view.scope,
                of,
            )
            .await?;
        Ok(rows
            .iter()
            .map(|row: &BucketRow| TimeBucket {
                row: row.clone(),
                view: self.view,
            })
            .collect())
    }

    /// What its versions were made from, or what was made from them. The walk is that of `Query.lineage` with this as the root.
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
            vec![NodeId::Artifact(self.row.id)],
            options,
        )
        .await
    }
}
