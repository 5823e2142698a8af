//! Lineage: what a walk over the graph has found.

mod ask;
mod paths;
mod rows;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::{Enum, ID, Object, SimpleObject};
use entity::{ArtifactId, ExecutionId, PartitionId, VersionId};

pub use self::paths::{LineagePath, find_paths};
use self::rows::{EdgeRows, NodeRows, RootRows};
use super::Node;
use super::artifact::Artifact;
use super::execution::Execution;
use super::missing;
use super::partition::Partition;
use super::version::Version;
use crate::config::Limits;
use crate::graphql::budget::{List, Text};
use crate::graphql::connection::int;
use crate::graphql::error::{ApiError, ErrorCode};
use crate::graphql::inputs::lineage::LineageFormat;
use crate::graphql::loaders::nodes::{ArtifactById, ExecutionById, PartitionById, VersionById};
use crate::graphql::node_id::NodeId;
use crate::graphql::resources::Resources;
use crate::graphql::scalars::{DateTime, Long};
use crate::graphql::view::View;
use crate::lineage::edges::{Edge, Neighbours, Role};
use crate::lineage::graph::{Snapshot, Way};
use crate::lineage::node::{self, Kind};
use crate::lineage::walk::{Stop, Walked};
use crate::lineage::{NoEdges, draw};

/// What an edge of lineage is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "Role")]
pub enum EdgeRole {
    /// From a version to an execution that took it in.
    Input,
    /// From an execution to a version that it gave out.
    Output,
    /// From one shown node to another over hops that are not shown: collapsed by the level, or hidden by the filter.
    Derived,
}

/// Why an answer of lineage is not whole.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "Stop")]
pub enum StopReason {
    /// Something lies beyond `depth`.
    Depth,
    /// The page is full; `endCursor` leads to the next one. What else is left out, the last page says.
    Limit,
    /// A node has more neighbours than `fanOut`, and some of them are not shown.
    FanOut,
    /// Time ran out; `endCursor` goes on. What else is left out, the last page says.
    Deadline,
    /// The filter's `prune` stopped the walk at something that does not pass.
    Hidden,
}

/// A walk that has ended, and what it takes to show it.
pub struct Answer {
    lineage: crate::lineage::Lineage,
    walked: Walked,
    view: View,
    cursor: Option<String>,
    deadline_ms: u64,
    limits: Limits,
}

impl Answer {
    async fn edges(&self) -> Result<Vec<Edge>, ApiError> {
        let deadline = Instant::now() + Duration::from_millis(self.deadline_ms);
        let most = self.limits.lineage_edges_maximum;
        let edges = self.lineage.edges(&self.walked, most, deadline).await;
        edges.map_err(|error| match error {
            NoEdges::OutOfTime => {
                let message = format!(
                    "The edges of the page were not found within {} ms: ask for a smaller page, or for more time in deadlineMs.",
                    self.deadline_ms
                );
                ApiError::new(ErrorCode::DeadlineExceeded, message).about("options.deadlineMs")
            }
            NoEdges::TooMany => {
                let what = "The edges between the nodes of the page";
                ApiError::limit_exceeded("limits.lineage_edges_maximum", what, most, most + 1).about("options.limit")
            }
        })
    }

    fn revision(&self) -> i64 {
        self.view.scope.revision
    }
}

/// A part of the lineage graph: what is upstream or downstream of some roots, and whether that is all of it.
pub struct Lineage(Arc<Answer>);

/// A part of the lineage graph: what is upstream or downstream of some roots, and whether that is all of it.
#[Object]
impl Lineage {
    /// The state of the store that this answer shows. The pages that follow it show the same.
    async fn revision(&self) -> Long {
        Long(self.0.revision())
    }

    /// The nodes that were asked for, in the order asked, each once.
    async fn roots(&self) -> RootRows {
        RootRows(Arc::clone(&self.0))
    }

    /// The nodes of this page: the nearest first; at the same distance artifacts, partitions, versions, then executions, each in
    /// order of recording. Each node once. Empty where the roots stand for nothing at this level.
    async fn nodes(&self) -> NodeRows {
        NodeRows {
            nodes: self.0.walked.nodes().collect(),
            answer: Arc::clone(&self.0),
        }
    }

    /// The edges between the nodes of this page and those before it, each once, on the page of its later end; in the order of the nodes from
    /// which they are found. An edge may lead
    /// from a node to itself: at level VERSION, where an execution gave out a version that it had taken in.
    async fn edges(&self) -> Result<EdgeRows, ApiError> {
        Ok(EdgeRows {
            edges: self.0.edges().await?,
            answer: Arc::clone(&self.0),
        })
    }

    /// Whether, with the pages before this one, nothing was left out: neither by a limit nor by time, and nothing lies beyond the
    /// depth, a node's `fanOut` or what the filter prunes. What a filter without `prune` does not show was not asked for.
    async fn complete(&self) -> bool {
        self.0.walked.stops().is_empty()
    }

    /// Why it is not complete, in the order of the reasons' type; empty when it is.
    async fn stopped_by(&self) -> Vec<StopReason> {
        self.0.walked.stops().iter().copied().map(Into::into).collect()
    }

    /// Goes on where this page ends, to be given as `after`; null when no page follows.
    async fn end_cursor(&self) -> Option<Text<&str>> {
        self.0.cursor.as_deref().map(Text)
    }

    /// How many nodes this page and those before it have; once it is `complete`, the whole answer. Costs no rows.
    async fn node_count(&self) -> i32 {
        count(self.0.walked.node_count())
    }

    /// The same by distance and kind of node, the nearest first. Costs no rows.
    async fn counts(&self) -> List<LineageCount> {
        let counts = self.0.walked.counts().into_iter();
        counts
            .map(|of| LineageCount {
                distance: count(of.distance),
                kind: of.kind.as_str(),
                count: count(of.count),
            })
            .collect()
    }

    /// This page as a picture or a table, for people: its nodes and its edges. Where it is not complete, a comment says so, and a member
    /// of the JSON; a table has no place for it. A page of more than 10,000 nodes and edges, unless configured otherwise, is
    /// LIMIT_EXCEEDED: `heirloom lineage` writes any.
    async fn export(
        &self,
        #[graphql(desc = "How, such as `MERMAID`.")] format: LineageFormat,
    ) -> Result<Text<String>, ApiError> {
        let edges = self.0.edges().await?;
        let (most, rows) = (
            self.0.limits.lineage_export_maximum,
            self.0.walked.nodes().len() + edges.len(),
        );
        if rows > most {
            let what = "The nodes and edges of the page";
            return Err(
                ApiError::limit_exceeded("limits.lineage_export_maximum", what, most, rows).about("options.limit"),
            );
        }
        let graph = self.0.lineage.graph();
        let id = |node| NodeId::from(node).to_string();
        Ok(Text(draw::draw(
            format.into(),
            graph.at(self.0.revision()),
            &self.0.walked,
            &edges,
            id,
        )))
    }
}

fn count(count: usize) -> i32 {
    int(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A node of lineage, and where it stands.
pub struct LineageNode {
    answer: Arc<Answer>,
    object: Node,
    node: node::Node,
    distance: usize,
}

impl LineageNode {
    fn neighbours(&self, way: Way) -> i32 {
        let graph = self.answer.lineage.graph();
        let graph = graph.at(self.answer.revision());
        count(Neighbours::of(&self.answer.walked).count(graph, self.node, way))
    }
}

/// A node of lineage, and where it stands.
#[Object]
impl LineageNode {
    /// The node, in the view of the answer.
    async fn node(&self) -> &Node {
        &self.object
    }

    /// The fewest hops from a root; 0 for a root, and for what a root stands for.
    async fn distance(&self) -> i32 {
        count(self.distance)
    }

    /// How many other nodes of this level are directly upstream of it, shown or not.
    async fn upstream_count(&self) -> i32 {
        self.neighbours(Way::Up)
    }

    /// How many other nodes of this level are directly downstream of it, shown or not.
    async fn downstream_count(&self) -> i32 {
        self.neighbours(Way::Down)
    }
}

/// An edge of lineage: `source` is upstream of `target`.
#[derive(SimpleObject, Clone, Debug)]
pub struct LineageEdge {
    /// The id of the node upstream.
    pub source: ID,
    /// The id of the node downstream.
    pub target: ID,
    /// What it is.
    pub role: EdgeRole,
    /// The execution's name for this input or output, such as `training_data`; null for a DERIVED edge.
    pub name: Option<String>,
    /// When this server learned of it; of a DERIVED edge, when it had learned of all hops of one of the ways that the edge stands
    /// for, the earliest of them.
    pub recorded_at: DateTime,
}

impl LineageEdge {
    fn of(edge: &Edge, graph: Snapshot<'_>) -> Self {
        Self {
            source: NodeId::from(edge.source).into(),
            target: NodeId::from(edge.target).into(),
            role: edge.role.into(),
            name: edge.name(graph).map(str::to_owned),
            recorded_at: graph.time_of(edge.revision()).into(),
        }
    }
}

/// How many nodes of a kind there are at a distance.
#[derive(SimpleObject, Clone, Debug)]
pub struct LineageCount {
    /// The fewest hops from a root.
    pub distance: i32,
    /// The type of the nodes: `Artifact`, `Partition`, `Version` or `Execution`.
    pub kind: &'static str,
    /// How many.
    pub count: i32,
}

/// The objects of nodes, in their order: a read for each kind.
async fn load_nodes(resources: &Resources, view: View, nodes: Vec<node::Node>) -> Result<Vec<Node>, ApiError> {
    let ids = |kind: Kind| {
        nodes
            .iter()
            .filter(move |node| node.kind() == kind)
            .map(|node| node.id())
    };
    let scope = view.scope;
    let mut artifacts = resources
        .load_many(ArtifactById, scope, ids(Kind::Artifact).map(ArtifactId).collect())
        .await?
        .into_iter();
    let mut partitions = resources
        .load_many(PartitionById, scope, ids(Kind::Partition).map(PartitionId).collect())
        .await?
        .into_iter();
    let mut versions = resources
        .load_many(VersionById, scope, ids(Kind::Version).map(VersionId).collect())
        .await?
        .into_iter();
    let mut executions = resources
        .load_many(ExecutionById, scope, ids(Kind::Execution).map(ExecutionId).collect())
        .await?
        .into_iter();
    let object = |node: &node::Node| {
        let found = match node.kind() {
            Kind::Artifact => artifacts
                .next()
                .flatten()
                .map(|row| Node::Artifact(Artifact { row, view })),
            Kind::Partition => partitions
                .next()
                .flatten()
                .map(|row| Node::Partition(Partition { row, view })),
            Kind::Version => versions
                .next()
                .flatten()
                .map(|row| Node::Version(Version { row, view })),
            Kind::Execution => executions
                .next()
                .flatten()
                .map(|row| Node::Execution(Execution { row, view })),
        };
        found.ok_or_else(|| missing("a node of lineage"))
    };
    nodes.iter().map(object).collect()
}
