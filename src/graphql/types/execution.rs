//! Executions.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use entity::ExecutionId;

use super::edges::{Inputs, Link, LinkEdge, NodeEdge, Outputs, connect, link, recorded_at};
use super::lineage::Lineage;
use super::version::Version;
use crate::graphql::budget::{StoredJson, Text};
use crate::graphql::connection::{Connection, Order, PageArgs, page_cost, read};
use crate::graphql::enums::{ExecutionKind, ExecutionState};
use crate::graphql::error::ApiError;
use crate::graphql::inputs::lineage::{LineageOptions, lineage_cost};
use crate::graphql::loaders::facts::ExecutionMetadata;
use crate::graphql::loaders::nodes::ExecutionById;
use crate::graphql::loaders::pages::{ChildCount, ChildPage, ExecutionEdgeCount, ExecutionEdgePage};
use crate::graphql::node_id::NodeId;
use crate::graphql::resources::Resources;
use crate::graphql::scalars::DateTime;
use crate::graphql::view::View;
use crate::store::edge::{EXECUTION_EDGE_SHAPE, EdgeRow, Role};
use crate::store::execution::ExecutionRow;
use crate::store::execution_list::ExecutionOrderField;

/// An execution, as it is seen in a view.
#[derive(Clone)]
pub struct Execution {
    /// Its row.
    pub row: Arc<ExecutionRow>,
    /// In which view.
    pub view: View,
}

const INPUTS: Order = Order {
    tag: "inputs",
    shape: EXECUTION_EDGE_SHAPE,
};
const OUTPUTS: Order = Order {
    tag: "outputs",
    shape: EXECUTION_EDGE_SHAPE,
};

impl Execution {
    /// The execution with an id, if it is there in a view.
    pub async fn find(resources: &Resources, view: View, id: ExecutionId) -> Result<Option<Self>, ApiError> {
        let row = resources.load(ExecutionById, view.scope, id).await?;
        Ok(row.map(|row| Self { row, view }))
    }

    async fn its_parent(&self, ctx: &Context<'_>) -> Result<Option<Self>, ApiError> {
        let Some(id) = self.row.parent_id else { return Ok(None) };
        Self::find(Resources::of(ctx)?, self.view, id).await
    }

    /// A page of its inputs or outputs.
    async fn edges<L>(
        &self,
        ctx: &Context<'_>,
        role: Role,
        order: Order,
        args: PageArgs,
    ) -> Result<Connection<LinkEdge<L>>, ApiError>
    where
        L: Link<Node = Version>,
    {
        let resources = Resources::of(ctx)?;
        let list = args.open(resources, self.view, order).await?;
        let reads = (
            ExecutionEdgePage {
                role,
                page: list.page.clone(),
            },
            ExecutionEdgeCount { role },
        );
        let page = read(ctx, list, reads, self.row.id, EdgeRow::key_of_execution).await?;
        let ends = if page.wants_nodes {
            let ids = page.items.iter().map(|item| item.row.version_id).collect();
            Some(Version::find_all(resources, page.view, ids).await?)
        } else {
            None
        };
        Ok(link(page, ends))
    }
}

/// One run of a workflow or a task: it consumes versions and produces versions. Its own fields are those known now, also inside
/// `at`; which inputs and outputs it has is as of then. Its children are the executions of then whose `parent` it is now.
#[Object]
impl Execution {
    /// Its id, such as `execution_c4`.
    pub async fn id(&self) -> ID {
        NodeId::Execution(self.row.id).into()
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

    /// What kind of run it is; where no record said: TASK for one with a parent, else WORKFLOW.
    async fn kind(&self) -> ExecutionKind {
        self.row.kind.into()
    }

    /// How far it is; where no record said: QUEUED.
    async fn state(&self) -> ExecutionState {
        self.row.state.into()
    }

    /// The workflow's or task's name, such as `train_model`; null when it was not given.
    async fn entity(&self) -> Option<Text<&str>> {
        self.row.entity.as_deref().map(Text)
    }

    /// The workflow's or task's version; null when it was not given.
    async fn entity_version(&self) -> Option<Text<&str>> {
        self.row.entity_version.as_deref().map(Text)
    }

    /// The node of the workflow that it ran for, such as `n0`; null when it was not given.
    async fn node_id(&self) -> Option<Text<&str>> {
        self.row.node_id.as_deref().map(Text)
    }

    /// The number of the attempt, as the producer counts; null when it was not given.
    async fn attempt(&self) -> Option<i32> {
        self.row.attempt
    }

    /// Who ran it: a person or a service account; null when it was not given.
    async fn principal(&self) -> Option<Text<&str>> {
        self.row.principal.as_deref().map(Text)
    }

    /// When it started; null when it has not, or nobody said.
    async fn started_at(&self) -> Option<DateTime> {
        self.row.started_at.map(DateTime)
    }

    /// When it ended; null when it has not, or nobody said.
    async fn ended_at(&self) -> Option<DateTime> {
        self.row.ended_at.map(DateTime)
    }

    /// When this server first heard of it.
    async fn recorded_at(&self, ctx: &Context<'_>) -> Result<DateTime, ApiError> {
        recorded_at(ctx, self.view, self.row.revision).await
    }

    /// Why it failed; null when it was not given.
    async fn error(&self) -> Option<Text<&str>> {
        self.row.error.as_deref().map(Text)
    }

    /// Facts about it: a JSON object, `{}` when there are none.
    async fn metadata(&self, ctx: &Context<'_>) -> Result<StoredJson<Arc<str>>, ApiError> {
        let text = Resources::of(ctx)?
            .load(ExecutionMetadata, self.view.scope, self.row.id)
            .await?;
        Ok(StoredJson(text.unwrap_or_else(|| "{}".into())))
    }

    /// The execution that it is part of; null when it stands alone.
    async fn parent(&self, ctx: &Context<'_>) -> Option<Result<Execution, ApiError>> {
        self.its_parent(ctx).await.transpose()
    }

    /// The executions that are part of it, in the order in which they were first recorded.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn children(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The first so many; without `first` and `last`: the first 50, unless configured otherwise. Not together with `last`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<NodeEdge<Execution>>, ApiError> {
        let order = Order {
            tag: "children",
            shape: ExecutionOrderField::RecordedAt.shape(),
        };
        let list = PageArgs {
            first,
            after,
            last,
            before,
        }
        .open(Resources::of(ctx)?, self.view, order)
        .await?;
        let reads = (
            ChildPage {
                page: list.page.clone(),
            },
            ChildCount,
        );
        let page = read(ctx, list, reads, self.row.id, |row| {
            row.key(ExecutionOrderField::RecordedAt)
        })
        .await?;
        Ok(connect(page))
    }

    /// The versions that it took in, by its names for them.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn inputs(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The first so many; without `first` and `last`: the first 50, unless configured otherwise. Not together with `last`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<LinkEdge<Inputs>>, ApiError> {
        self.edges(
            ctx,
            Role::Input,
            INPUTS,
            PageArgs {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }

    /// The versions that it gave out, by its names for them.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn outputs(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The first so many; without `first` and `last`: the first 50, unless configured otherwise. Not together with `last`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<LinkEdge<Outputs>>, ApiError> {
        self.edges(
            ctx,
            Role::Output,
            OUTPUTS,
            PageArgs {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }

    /// What led to it, or what came of it. The walk is that of `Query.lineage` with this as the root.
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
            vec![NodeId::Execution(self.row.id)],
            options,
        )
        .await
    }
}
