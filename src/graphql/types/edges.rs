//! The edges of connections: plain ones, and those that are edges of the lineage graph.

use std::borrow::Cow;
use std::marker::PhantomData;

use async_graphql::{Context, Object, OutputType, TypeName};

use super::artifact::Artifact;
use super::execution::Execution;
use super::missing;
use super::partition::Partition;
use super::version::Version;
use crate::graphql::budget::Text;
use crate::graphql::connection::{Connection, Edge, Item, Read, int};
use crate::graphql::error::ApiError;
use crate::graphql::loaders::facts::RevisionTime;
use crate::graphql::node_id::NodeId;
use crate::graphql::resources::Resources;
use crate::graphql::scalars::DateTime;
use crate::graphql::view::View;
use crate::lineage::node::Node;
use crate::store::artifact::ArtifactRow;
use crate::store::edge::EdgeRow;
use crate::store::execution::ExecutionRow;
use crate::store::partition::PartitionRow;
use crate::store::partition_value::ValueRow;
use crate::store::version::VersionRow;

/// A kind of node that lists are made of.
pub trait Listed: OutputType + 'static {
    /// Its row.
    type Row: Send + Sync + 'static;
    /// The name of its edge's type.
    const EDGE: &'static str;
    /// The name of its connection's type.
    const CONNECTION: &'static str;

    /// The node of a row.
    fn of_row(row: std::sync::Arc<Self::Row>, view: View) -> Self;

    /// The node of the graph that it is, and the revision in which it is seen.
    fn in_graph(&self) -> Option<(Node, i64)>;
}

macro_rules! listed {
    ($node:ident, $row:ident, $edge:literal, $connection:literal) => {
        impl Listed for $node {
            type Row = $row;
            const EDGE: &'static str = $edge;
            const CONNECTION: &'static str = $connection;

            fn of_row(row: std::sync::Arc<$row>, view: View) -> Self {
                Self { row, view }
            }

            fn in_graph(&self) -> Option<(Node, i64)> {
                let node = NodeId::$node(self.row.id).node()?;
                Some((node, self.view.scope.revision))
            }
        }
    };
}

listed!(Artifact, ArtifactRow, "ArtifactEdge", "ArtifactConnection");
listed!(Partition, PartitionRow, "PartitionEdge", "PartitionConnection");
listed!(Version, VersionRow, "VersionEdge", "VersionConnection");
listed!(Execution, ExecutionRow, "ExecutionEdge", "ExecutionConnection");

/// An item of a list, with its cursor.
pub struct NodeEdge<N: Listed> {
    item: Item<N::Row>,
    node: N,
}

/// An item of a list, with its cursor.
#[Object(name_type)]
impl<N: Listed> NodeEdge<N> {
    /// Where the item stands in the list: an opaque text, to be given as `after` or `before` in the same order. The page that
    /// follows it is read in the state of the store that this one was.
    async fn cursor(&self) -> Text<String> {
        Text(self.item.cursor())
    }

    /// The item.
    async fn node(&self) -> &N {
        &self.node
    }
}

impl<N: Listed> TypeName for NodeEdge<N> {
    fn type_name() -> Cow<'static, str> {
        N::EDGE.into()
    }
}

impl<N: Listed> Edge for NodeEdge<N> {
    type Row = N::Row;
    type Node = N;
    const CONNECTION: &'static str = N::CONNECTION;

    fn item(&self) -> &Item<N::Row> {
        &self.item
    }

    fn end(&self) -> Option<&N> {
        Some(&self.node)
    }

    fn graph_end(&self) -> Option<(Node, i64)> {
        self.node.in_graph()
    }
}

/// The connection of nodes that were read.
pub fn connect<N: Listed>(read: Read<N::Row>) -> Connection<NodeEdge<N>> {
    let view = read.view;
    read.connect(|item| NodeEdge {
        node: N::of_row(std::sync::Arc::clone(&item.row), view),
        item,
    })
}

/// A role in which a version and an execution stand to each other, seen from one of them.
pub trait Link: Send + Sync + 'static {
    /// What stands at the other end.
    type Node: Listed;
    /// The name of its edge's type.
    const EDGE: &'static str;
    /// The name of its connection's type.
    const CONNECTION: &'static str;
}

/// The executions that consumed a version.
pub struct Consumers;
/// The versions that an execution consumed.
pub struct Inputs;
/// The versions that an execution produced.
pub struct Outputs;

impl Link for Consumers {
    type Node = Execution;
    const EDGE: &'static str = "VersionConsumerEdge";
    const CONNECTION: &'static str = "VersionConsumerConnection";
}

impl Link for Inputs {
    type Node = Version;
    const EDGE: &'static str = "ExecutionInputEdge";
    const CONNECTION: &'static str = "ExecutionInputConnection";
}

impl Link for Outputs {
    type Node = Version;
    const EDGE: &'static str = "ExecutionOutputEdge";
    const CONNECTION: &'static str = "ExecutionOutputConnection";
}

/// An edge of the lineage graph.
pub struct LinkEdge<L: Link> {
    item: Item<EdgeRow>,
    view: View,
    node: Option<L::Node>,
    link: PhantomData<L>,
}

/// An edge of the lineage graph: that an execution took a version in or gave it out, seen from one of them.
#[Object(name_type)]
impl<L: Link> LinkEdge<L> {
    /// Where the edge stands in the list: an opaque text, to be given as `after` or `before`. The page that follows it is read
    /// in the state of the store that this one was.
    async fn cursor(&self) -> Text<String> {
        Text(self.item.cursor())
    }

    /// What stands at the other end.
    async fn node(&self) -> Result<&L::Node, ApiError> {
        self.node.as_ref().ok_or_else(|| missing("the end of an edge"))
    }

    /// The execution's name for this input or output, such as `training_data`.
    async fn name(&self) -> Option<&str> {
        Some(&self.item.row.name)
    }

    /// When this server learned of it.
    async fn recorded_at(&self, ctx: &Context<'_>) -> Result<DateTime, ApiError> {
        recorded_at(ctx, self.view, self.item.row.revision).await
    }
}

/// When a revision was recorded.
pub async fn recorded_at(ctx: &Context<'_>, view: View, revision: i64) -> Result<DateTime, ApiError> {
    let time = Resources::of(ctx)?.load(RevisionTime, view.scope, revision).await?;
    time.map(DateTime).ok_or_else(|| missing("a revision"))
}

impl<L: Link> TypeName for LinkEdge<L> {
    fn type_name() -> Cow<'static, str> {
        L::EDGE.into()
    }
}

impl<L: Link> Edge for LinkEdge<L> {
    type Row = EdgeRow;
    type Node = L::Node;
    const CONNECTION: &'static str = L::CONNECTION;

    fn item(&self) -> &Item<EdgeRow> {
        &self.item
    }

    fn end(&self) -> Option<&L::Node> {
        self.node.as_ref()
    }

    fn graph_end(&self) -> Option<(Node, i64)> {
        self.node.as_ref()?.in_graph()
    }

    fn link(&self) -> Option<(&str, i64)> {
        Some((&self.item.row.name, self.item.row.revision))
    }
}

/// The connection of edges that were read, with what stands at their other ends, in their order, where a query wants it.
pub fn link<L: Link>(read: Read<EdgeRow>, ends: Option<Vec<L::Node>>) -> Connection<LinkEdge<L>> {
    let view = read.view;
    let mut ends = ends.map(Vec::into_iter);
    read.connect(|item| LinkEdge {
        item,
        view,
        node: ends.as_mut().and_then(Iterator::next),
        link: PhantomData,
    })
}

/// A distinct value of a partition key.
pub struct ValueEdge {
    item: Item<ValueRow>,
    node: super::partition::PartitionValue,
}

impl ValueEdge {
    /// The edge of a value of `key`.
    pub fn new(item: Item<ValueRow>, key: &str) -> Self {
        let node = super::partition::PartitionValue {
            key: key.to_owned(),
            value: item.row.value.clone(),
        };
        Self { item, node }
    }
}

/// A distinct value of a partition key, and how often it occurs.
#[Object(name = "PartitionValueEdge")]
impl ValueEdge {
    /// Where the value stands in the list: an opaque text, to be given as `after`.
    async fn cursor(&self) -> Text<String> {
        Text(self.item.cursor())
    }

    /// The value.
    async fn node(&self) -> &super::partition::PartitionValue {
        &self.node
    }

    /// How many partitions have this value.
    async fn partition_count(&self) -> i32 {
        int(self.item.row.partition_count)
    }
}

impl Edge for ValueEdge {
    type Row = ValueRow;
    type Node = super::partition::PartitionValue;
    const CONNECTION: &'static str = "PartitionValueConnection";

    fn item(&self) -> &Item<ValueRow> {
        &self.item
    }

    fn end(&self) -> Option<&Self::Node> {
        Some(&self.node)
    }
}
