//! Partitions.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};
use entity::PartitionId;

use super::artifact::{Artifact, versions};
use super::edges::NodeEdge;
use super::lineage::Lineage;
use super::missing;
use super::version::Version;
use super::window::TimeWindow;
use crate::graphql::budget::List;
use crate::graphql::connection::{Connection, PageArgs, Read, int, page_cost};
use crate::graphql::error::ApiError;
use crate::graphql::inputs::filters::VersionFilter;
use crate::graphql::inputs::lineage::{LineageOptions, lineage_cost};
use crate::graphql::inputs::orders::{VersionOrder, version_cursors};
use crate::graphql::inputs::queries::AsOf;
use crate::graphql::loaders::facts::{LatestOfPartition, PartitionVersionCount};
use crate::graphql::loaders::nodes::PartitionById;
use crate::graphql::node_id::NodeId;
use crate::graphql::resources::Resources;
use crate::graphql::view::View;
use crate::store::partition::PartitionRow;
use crate::store::partition_filter::PartitionTest;
use crate::store::version_list::{VersionOrder as StoredVersionOrder, VersionsOf};

/// A partition, as it is seen in a view.
#[derive(Clone)]
pub struct Partition {
    /// Its row.
    pub row: Arc<PartitionRow>,
    /// In which view.
    pub view: View,
}

/// A value of a partition key.
#[derive(SimpleObject, Clone, Debug)]
pub struct PartitionValue {
    /// The key, such as `region`.
    pub key: String,
    /// Its value, such as `EU`.
    pub value: String,
}

impl Partition {
    /// The partition with an id, if it is there in a view.
    pub async fn find(resources: &Resources, view: View, id: PartitionId) -> Result<Option<Self>, ApiError> {
        let row = resources.load(PartitionById, view.scope, id).await?;
        Ok(row.map(|row| Self { row, view }))
    }

    async fn its_artifact(&self, ctx: &Context<'_>) -> Result<Artifact, ApiError> {
        let found = Artifact::find(Resources::of(ctx)?, self.view, self.row.artifact_id).await?;
        found.ok_or_else(|| missing("the artifact of a partition"))
    }

    async fn find_latest(&self, ctx: &Context<'_>, as_of: Option<AsOf>) -> Result<Option<Version>, ApiError> {
        let resources = Resources::of(ctx)?;
        let view = self.view.as_of(resources, as_of).await?;
        let row = resources.load(LatestOfPartition, view.scope, self.row.id).await?;
        Ok(row.map(|row| Version { row, view }))
    }
}

/// One distinct combination of partition values, and perhaps a time partition, of one artifact.
#[Object]
impl Partition {
    /// Its id, such as `partition_i`.
    pub async fn id(&self) -> ID {
        NodeId::Partition(self.row.id).into()
    }

    /// The artifact whose partition it is.
    async fn artifact(&self, ctx: &Context<'_>) -> Result<Artifact, ApiError> {
        self.its_artifact(ctx).await
    }

    /// Its values, in the order in which the artifact declared its keys.
    async fn values(&self, ctx: &Context<'_>) -> Result<List<PartitionValue>, ApiError> {
        let values = &self.row.values;
        let pair = |(key, value): (&String, &String)| PartitionValue {
            key: key.clone(),
            value: value.clone(),
        };
        if values.len() <= 1 {
            return Ok(values.iter().map(pair).collect());
        }
        let artifact = self.its_artifact(ctx).await?;
        Ok(artifact
            .row
            .keys
            .iter()
            .filter_map(|key| values.get_key_value(key))
            .map(pair)
            .collect())
    }

    /// Its value of one key; null when it has none.
    async fn value(&self, #[graphql(desc = "The key, such as `region`.")] key: String) -> Option<&str> {
        self.row.values.get(&key).map(String::as_str)
    }

    /// Its window of time; null when it has none.
    async fn time_partition(&self) -> Option<TimeWindow> {
        self.row.window.map(Into::into)
    }

    /// How many versions it has, in whatever state.
    async fn version_count(&self, ctx: &Context<'_>) -> Result<i32, ApiError> {
        Ok(int(Resources::of(ctx)?
            .load(PartitionVersionCount, self.view.scope, self.row.id)
            .await?))
    }

    /// Its most recent version: the AVAILABLE one with the greatest `createdAt`, and of several such the one recorded last. Null
    /// when none is AVAILABLE.
    async fn latest(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "In this past state of the store; null: in the one that the partition is seen in.")]
        as_of: Option<AsOf>,
    ) -> Option<Result<Version, ApiError>> {
        self.find_latest(ctx, as_of).await.transpose()
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
        if let Some(partition) = partition {
            let artifact = Artifact::find(resources, list.view, self.row.artifact_id).await?;
            let test = artifact
                .map(|artifact| PartitionTest::compile(&artifact.row, &partition))
                .transpose()?;
            if !test.is_some_and(|test| test.matches(&self.row)) {
                return Ok(super::edges::connect(Read::nothing(list.view)));
            }
        }
        versions(ctx, list, VersionsOf::Partition(self.row.id), filter, order).await
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
            vec![NodeId::Partition(self.row.id)],
            options,
        )
        .await
    }
}
