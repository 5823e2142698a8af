//! The queries.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::budget::List;
use super::connection::{Connection, PageArgs, page_cost, read};
use super::error::ApiError;
use super::inputs::filters::{ArtifactFilter, EventFilter, ExecutionFilter};
use super::inputs::lineage::{LineageOptions, lineage_cost};
use super::inputs::orders::{
    ArtifactOrder, EventOrder, ExecutionOrder, artifact_cursors, event_cursors, execution_cursors,
};
use super::inputs::queries::{AsOf, VersionQuery};
use super::inputs::{ArtifactKey, ExecutionKey};
use super::loaders::facts::Projects;
use super::loaders::nodes::{ArtifactById, ArtifactByKey, ExecutionByKey, Explain, PartitionById, Select};
use super::loaders::pages::{ArtifactCount, ArtifactPage, EventCount, EventPage, ExecutionCount, ExecutionPage};
use super::node_id::NodeId;
use super::resources::Resources;
use super::types::Node;
use super::types::artifact::Artifact;
use super::types::edges::{NodeEdge, connect};
use super::types::event::Event;
use super::types::execution::Execution;
use super::types::lineage::{Lineage, LineagePath, find_paths};
use super::types::project::Project;
use super::types::resolution::{Resolution, candidate_limit};
use super::types::revision::Revision;
use super::types::server_info::ServerInfo;
use super::types::version::Version;
use super::view::View;
use crate::domain::filter::{VersionKeyQuery, VersionQuery as DomainQuery};
use crate::domain::key;
use crate::store::artifact_list::ArtifactOrder as StoredArtifactOrder;
use crate::store::event::EventOrder as StoredEventOrder;
use crate::store::execution_list::ExecutionOrder as StoredExecutionOrder;

/// The queries, on the newest state or on a past one.
#[derive(Default)]
pub struct Query {
    /// The past state; none at the root.
    past: Option<View>,
}

impl Query {
    async fn view(&self, resources: &Resources) -> Result<View, ApiError> {
        match self.past {
            Some(view) => Ok(view),
            None => Ok(View::newest(resources.newest().await?.revision)),
        }
    }

    async fn find_node(&self, ctx: &Context<'_>, argument: &str, id: &ID) -> Result<Option<Node>, ApiError> {
        let resources = Resources::of(ctx)?;
        let id = NodeId::read(argument, id)?;
        Node::find(resources, self.view(resources).await?, id).await
    }

    async fn find_artifact(&self, ctx: &Context<'_>, key: ArtifactKey) -> Result<Option<Artifact>, ApiError> {
        let resources = Resources::of(ctx)?;
        let key = key::ArtifactKey::from(key);
        key.validate().map_err(|invalid| invalid.within("key"))?;
        let view = self.view(resources).await?;
        let row = resources.load(ArtifactByKey, view.scope, key).await?;
        Ok(row.map(|row| Artifact { row, view }))
    }

    async fn find_execution(&self, ctx: &Context<'_>, key: ExecutionKey) -> Result<Option<Execution>, ApiError> {
        let resources = Resources::of(ctx)?;
        let key = key::ExecutionKey::from(key);
        key.validate().map_err(|invalid| invalid.within("key"))?;
        let view = self.view(resources).await?;
        let row = resources.load(ExecutionByKey, view.scope, key).await?;
        Ok(row.map(|row| Execution { row, view }))
    }

    async fn select(
        &self,
        ctx: &Context<'_>,
        query: VersionQuery,
        as_of: Option<AsOf>,
    ) -> Result<Option<Version>, ApiError> {
        let resources = Resources::of(ctx)?;
        let query = checked(query)?;
        let view = self.view(resources).await?.as_of(resources, as_of).await?;
        let selection = resources.load(Select, view.scope, query).await??;
        if let Some(artifact) = &selection.artifact {
            let known = Some(Arc::new(artifact.clone()));
            resources.keep(ArtifactById, view.scope, artifact.id, known).await;
        }
        if let Some(partition) = &selection.partition {
            let known = Some(Arc::new(partition.clone()));
            resources.keep(PartitionById, view.scope, partition.id, known).await;
        }
        let row = selection.version.clone().map(Arc::new);
        Ok(row.map(|row| Version { row, view }))
    }
}

/// The query by key that a query for a version stands for.
fn checked(query: VersionQuery) -> Result<Arc<VersionKeyQuery>, ApiError> {
    let query = DomainQuery::from(query);
    let within = match query {
        DomainQuery::Uri(_) => "query",
        DomainQuery::Key(_) => "query.key",
    };
    Ok(Arc::new(query.normalize().map_err(|invalid| invalid.within(within))?))
}

/// The queries. At the root they answer from the newest state; inside `at`, from a past one.
#[Object]
impl Query {
    /// The state that the queries beside this one answer from: the newest, or inside `at` the one it is pinned to.
    async fn revision(&self, ctx: &Context<'_>) -> Result<Revision, ApiError> {
        Ok(Revision {
            view: self.view(Resources::of(ctx)?).await?,
        })
    }

    /// The same queries on a past state: every field inside, at any depth, answers from what had been recorded then. An `asOf`
    /// inside can go further back, but not beyond: a time later than this state means this state, a greater revision is
    /// BAD_USER_INPUT. Cursors are followed in this state. An execution's own fields are those known now.
    async fn at(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which state, such as `{revision: 1042}` or `{time: \"2026-11-22T18:00:00Z\"}`.")] as_of: AsOf,
    ) -> Result<Query, ApiError> {
        let resources = Resources::of(ctx)?;
        let view = self.view(resources).await?.as_of(resources, Some(as_of)).await?;
        Ok(Self { past: Some(view) })
    }

    /// The node with an id; null when there is none. A text that is no id is BAD_USER_INPUT.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id, such as `version_bq`.")] id: ID,
    ) -> Option<Result<Node, ApiError>> {
        self.find_node(ctx, "id", &id).await.transpose()
    }

    /// The nodes with these ids, in the order of the ids; null in the place of an id that stands for nothing.
    #[graphql(complexity = "page_cost(i32::try_from(ids.len()).ok(), None, child_complexity)")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ids; at most 1,000, unless configured otherwise.")] ids: Vec<ID>,
    ) -> Result<List<Option<Result<Node, ApiError>>>, ApiError> {
        let limit = Resources::of(ctx)?.limits().node_ids_maximum;
        if ids.len() > limit {
            return Err(ApiError::limit_exceeded("limits.node_ids_maximum", "The ids", limit, ids.len()).about("ids"));
        }
        let nodes = ids
            .iter()
            .enumerate()
            .map(async |(index, id)| self.find_node(ctx, &format!("ids[{index}]"), id).await.transpose());
        Ok(List(futures_util::future::join_all(nodes).await))
    }

    /// All projects that have artifacts, by name, each with its domains.
    async fn projects(&self, ctx: &Context<'_>) -> Result<List<Project>, ApiError> {
        let resources = Resources::of(ctx)?;
        let view = self.view(resources).await?;
        let rows = resources.load(Projects, view.scope, ()).await?;
        Ok(rows.iter().map(|row| Project { row: row.clone(), view }).collect())
    }

    /// The artifact with a key; null when there is none.
    async fn artifact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key, such as `{project: \"shop\", domain: \"production\", name: \"orders\"}`.")]
        key: ArtifactKey,
    ) -> Option<Result<Artifact, ApiError>> {
        self.find_artifact(ctx, key).await.transpose()
    }

    /// All artifacts.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "they are the field's")]
    async fn artifacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where", desc = "Only those that pass this filter.")] filter: Option<ArtifactFilter>,
        #[graphql(desc = "Their order; null: NAME ASC.")] order_by: Option<ArtifactOrder>,
        #[graphql(
            desc = "The first so many; without `first` and `last`: the first 50, unless configured otherwise. Not together with `last`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<NodeEdge<Artifact>>, ApiError> {
        let resources = Resources::of(ctx)?;
        let filter = Arc::new(ArtifactFilter::into_stored(filter)?);
        let order = order_by.map_or_else(StoredArtifactOrder::default, Into::into);
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let list = args
            .open(resources, self.view(resources).await?, artifact_cursors(order))
            .await?;
        let reads = (
            ArtifactPage {
                filter: Arc::clone(&filter),
                order,
                page: list.page.clone(),
            },
            ArtifactCount { filter },
        );
        Ok(connect(
            read(ctx, list, reads, (), move |row| row.key(order.field)).await?,
        ))
    }

    /// The version that a query chooses; null when none matches, and `resolve` says why.
    async fn version(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version, such as `{uri: \"flyte://av0.1/shop/production/orders@latest\"}`.")]
        query: VersionQuery,
        #[graphql(desc = "In this past state of the store; null: in the newest, or inside `at` in that one.")]
        as_of: Option<AsOf>,
    ) -> Option<Result<Version, ApiError>> {
        self.select(ctx, query, as_of).await.transpose()
    }

    /// The same choice as `version` makes, explained: by which rule, and what else came into question.
    async fn resolve(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version, such as `{uri: \"flyte://av0.1/shop/production/orders@latest\"}`.")]
        query: VersionQuery,
        #[graphql(desc = "In this past state of the store; null: in the newest, or inside `at` in that one.")]
        as_of: Option<AsOf>,
    ) -> Result<Resolution, ApiError> {
        let resources = Resources::of(ctx)?;
        let query = checked(query)?;
        let view = self.view(resources).await?.as_of(resources, as_of).await?;
        let limit = wanted_candidates(ctx, resources)?;
        let explanation = resources.load(Explain { limit }, view.scope, query).await??;
        Ok(Resolution { explanation, view })
    }

    /// The execution with a key; null when there is none.
    async fn execution(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key, such as `{project: \"shop\", domain: \"production\", name: \"f3a9\"}`.")]
        key: ExecutionKey,
    ) -> Option<Result<Execution, ApiError>> {
        self.find_execution(ctx, key).await.transpose()
    }

    /// All executions.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "they are the field's")]
    async fn executions(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where", desc = "Only those that pass this filter.")] filter: Option<ExecutionFilter>,
        #[graphql(desc = "Their order; null: RECORDED_AT DESC.")] order_by: Option<ExecutionOrder>,
        #[graphql(
            desc = "The first so many; without `first` and `last`: the first 50, unless configured otherwise. Not together with `last`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<NodeEdge<Execution>>, ApiError> {
        let resources = Resources::of(ctx)?;
        let filter = Arc::new(ExecutionFilter::into_stored(filter)?);
        let order = order_by.map_or_else(StoredExecutionOrder::default, Into::into);
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let list = args
            .open(resources, self.view(resources).await?, execution_cursors(order))
            .await?;
        let reads = (
            ExecutionPage {
                filter: Arc::clone(&filter),
                order,
                page: list.page.clone(),
            },
            ExecutionCount { filter },
        );
        Ok(connect(
            read(ctx, list, reads, (), move |row| row.key(order.field)).await?,
        ))
    }

    /// The OpenLineage events that were sent, as they were sent.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "they are the field's")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where", desc = "Only those that pass this filter.")] filter: Option<EventFilter>,
        #[graphql(desc = "Their order; null: EVENT_TIME DESC.")] order_by: Option<EventOrder>,
        #[graphql(
            desc = "The first so many; without `first` and `last`: the first 50, unless configured otherwise. Not together with `last`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<NodeEdge<Event>>, ApiError> {
        let resources = Resources::of(ctx)?;
        let filter = Arc::new(EventFilter::into_stored(filter)?);
        let order = order_by.map_or_else(StoredEventOrder::default, Into::into);
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let list = args
            .open(resources, self.view(resources).await?, event_cursors(order))
            .await?;
        let reads = (
            EventPage {
                filter: Arc::clone(&filter),
                order,
                page: list.page.clone(),
            },
            EventCount { filter },
        );
        Ok(connect(
            read(ctx, list, reads, (), move |row| row.key(order.field)).await?,
        ))
    }

    /// This server: its version, and what one request may ask for.
    async fn server_info(&self, ctx: &Context<'_>) -> Result<ServerInfo, ApiError> {
        Ok(ServerInfo::new(Resources::of(ctx)?.limits()))
    }

    /// What is upstream or downstream of some nodes: walks the graph of versions and executions, nearest first, and says whether the
    /// answer is whole. Cycles end; each node is there once, with its fewest hops.
    #[graphql(complexity = "lineage_cost(options.as_ref(), child_complexity)")]
    async fn lineage(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Where to begin: ids of versions, executions, partitions or artifacts, at least one, and at most 1,000 unless configured otherwise. One that is not there is NOT_FOUND."
        )]
        roots: Vec<ID>,
        #[graphql(desc = "How to walk; null: all that is upstream, the first 500 nodes.")] options: Option<
            LineageOptions,
        >,
    ) -> Result<Lineage, ApiError> {
        let resources = Resources::of(ctx)?;
        if roots.is_empty() {
            return Err(ApiError::bad_user_input(
                "roots",
                "roots is empty: give the id of at least one node.",
            ));
        }
        let limit = resources.limits().lineage_roots_maximum;
        if roots.len() > limit {
            let error = ApiError::limit_exceeded("limits.lineage_roots_maximum", "The roots", limit, roots.len());
            return Err(error.about("roots"));
        }
        let roots = (0..)
            .zip(&roots)
            .map(|(index, id): (usize, &ID)| NodeId::read(&format!("roots[{index}]"), id))
            .collect::<Result<_, _>>()?;
        Lineage::ask(resources, self.view(resources).await?, "roots", roots, options).await
    }

    /// The shortest paths from one node downstream to another, along versions and executions: the shortest first, of the same length
    /// in order of recording of their nodes. No node is twice on a path. Empty when there is none; when they are not found in
    /// time, that is DEADLINE_EXCEEDED. An artifact or a partition stands for any of its versions.
    #[graphql(complexity = "page_cost(first, None, child_complexity)")]
    async fn lineage_paths(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The node upstream.")] from: ID,
        #[graphql(desc = "The node downstream.")] to: ID,
        #[graphql(
            default_with = "Some(1)",
            desc = "At most so many paths: 1 to 100, unless configured otherwise."
        )]
        first: Option<i32>,
        #[graphql(desc = "In this past state of the store; null: in the one that the query is asked in.")]
        as_of: Option<AsOf>,
    ) -> Result<List<LineagePath>, ApiError> {
        let resources = Resources::of(ctx)?;
        let (from, to) = (NodeId::read("from", &from)?, NodeId::read("to", &to)?);
        let view = self.view(resources).await?.as_of(resources, as_of).await?;
        find_paths(resources, view, from, to, first.unwrap_or(1)).await
    }
}

/// How many candidates the fields below `resolve` want: the greatest `first` of any `candidates`.
fn wanted_candidates(ctx: &Context<'_>, resources: &Resources) -> Result<u32, ApiError> {
    let mut most = 0;
    for field in ctx.field().selection_set().filter(|field| field.name() == "candidates") {
        // Arguments that cannot be read are complained about where they are used.
        let arguments = field.arguments().unwrap_or_default();
        let first = arguments
            .iter()
            .find(|(name, _)| name.as_str() == "first")
            .map(|(_, value)| value);
        let first = match first {
            Some(async_graphql::Value::Number(number)) => number.as_i64().and_then(|number| i32::try_from(number).ok()),
            _ => None,
        };
        most = most.max(candidate_limit(resources, first)?);
    }
    Ok(most)
}
