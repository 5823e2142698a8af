//! The long lists of an answer of lineage.

use std::ops::Range;
use std::sync::Arc;

use super::{Answer, LineageEdge, LineageNode, load_nodes};
use crate::graphql::error::ApiError;
use crate::graphql::prepared::plain::{NodeFields, id, instant};
use crate::graphql::prepared::selection::{Fields, Plain, Selected, number, optional, separated, text};
use crate::graphql::prepared::{PreparedList, list_type};
use crate::graphql::resources::Resources;
use crate::graphql::types::Node as NodeObject;
use crate::lineage::edges::{Edge, Neighbours};
use crate::lineage::graph::{Snapshot, Way};
use crate::lineage::node::Node;

/// The nodes of a page with their distances.
pub struct NodeRows {
    /// The answer.
    pub answer: Arc<Answer>,
    /// The nodes of its page.
    pub nodes: Vec<(Node, usize)>,
}

list_type!(NodeRows, LineageNode);

/// The plain fields of a node of lineage.
pub enum RowField {
    /// The node.
    Node(NodeFields),
    /// Its distance.
    Distance,
    /// How many are directly upstream.
    UpstreamCount,
    /// How many are directly downstream.
    DownstreamCount,
}

impl Plain for RowField {
    const TYPE: &'static str = "LineageNode";

    fn named(name: &str, selected: &Selected<'_>) -> Option<Self> {
        Some(match name {
            "node" => Self::Node(NodeFields::read(selected)),
            "distance" => Self::Distance,
            "upstreamCount" => Self::UpstreamCount,
            "downstreamCount" => Self::DownstreamCount,
            _ => return None,
        })
    }
}

impl PreparedList for NodeRows {
    type Item<'a> = LineageNode;
    type Fields = Fields<RowField>;

    fn revision(&self) -> i64 {
        self.answer.revision()
    }

    fn count(&self) -> usize {
        self.nodes.len()
    }

    fn fields(&self, selected: &Selected<'_>) -> Option<Self::Fields> {
        let fields = selected.fields::<RowField>()?;
        let is_plain = fields.fields().all(|field| match field {
            RowField::Node(nodes) => nodes.are_plain_for(self.nodes.iter().map(|(node, _)| node.kind())),
            _ => true,
        });
        is_plain.then_some(fields)
    }

    fn write(&self, json: &mut Vec<u8>, graph: Snapshot<'_>, fields: &Self::Fields, items: Range<usize>) {
        let mut neighbours = Neighbours::of(&self.answer.walked);
        separated(json, &self.nodes[items], |json, &(node, distance)| {
            fields.write(json, |json, field| match field {
                RowField::Node(fields) => fields.write(json, graph, node),
                RowField::Distance => number(json, distance),
                RowField::UpstreamCount => number(json, neighbours.count(graph, node, Way::Up)),
                RowField::DownstreamCount => number(json, neighbours.count(graph, node, Way::Down)),
            });
        });
    }

    async fn items<'a>(&'a self, resources: &'a Resources) -> Result<Vec<LineageNode>, ApiError> {
        let nodes = self.nodes.iter().map(|(node, _)| *node).collect();
        let objects = load_nodes(resources, self.answer.view, nodes).await?;
        let rows = objects
            .into_iter()
            .zip(&self.nodes)
            .map(|(object, &(node, distance))| LineageNode {
                answer: Arc::clone(&self.answer),
                object,
                node,
                distance,
            });
        Ok(rows.collect())
    }
}

/// The roots of an answer.
pub struct RootRows(pub Arc<Answer>);

list_type!(RootRows, NodeObject);

impl PreparedList for RootRows {
    type Item<'a> = NodeObject;
    type Fields = NodeFields;

    fn revision(&self) -> i64 {
        self.0.revision()
    }

    fn count(&self) -> usize {
        self.0.walked.question().roots.len()
    }

    fn fields(&self, selected: &Selected<'_>) -> Option<NodeFields> {
        let fields = NodeFields::read(selected);
        let kinds = self.0.walked.question().roots.iter().map(|root| root.kind());
        fields.are_plain_for(kinds).then_some(fields)
    }

    fn write(&self, json: &mut Vec<u8>, graph: Snapshot<'_>, fields: &NodeFields, items: Range<usize>) {
        separated(json, &self.0.walked.question().roots[items], |json, &root| {
            fields.write(json, graph, root);
        });
    }

    async fn items<'a>(&'a self, resources: &'a Resources) -> Result<Vec<NodeObject>, ApiError> {
        load_nodes(resources, self.0.view, self.0.walked.question().roots.clone()).await
    }
}

/// The edges of a page.
pub struct EdgeRows {
    /// The answer.
    pub answer: Arc<Answer>,
    /// The edges.
    pub edges: Vec<Edge>,
}

list_type!(EdgeRows, LineageEdge);

/// The plain fields of an edge of lineage.
pub enum EdgeField {
    /// The node upstream.
    Source,
    /// The node downstream.
    Target,
    /// What it is.
    Role,
    /// The execution's name for it.
    Name,
    /// When it was recorded.
    RecordedAt,
}

impl Plain for EdgeField {
    const TYPE: &'static str = "LineageEdge";

    fn named(name: &str, _: &Selected<'_>) -> Option<Self> {
        Some(match name {
            "source" => Self::Source,
            "target" => Self::Target,
            "role" => Self::Role,
            "name" => Self::Name,
            "recordedAt" => Self::RecordedAt,
            _ => return None,
        })
    }
}

impl PreparedList for EdgeRows {
    type Item<'a> = LineageEdge;
    type Fields = Fields<EdgeField>;

    fn revision(&self) -> i64 {
        self.answer.revision()
    }

    fn count(&self) -> usize {
        self.edges.len()
    }

    fn fields(&self, selected: &Selected<'_>) -> Option<Self::Fields> {
        selected.fields()
    }

    fn write(&self, json: &mut Vec<u8>, graph: Snapshot<'_>, fields: &Self::Fields, items: Range<usize>) {
        separated(json, &self.edges[items], |json, edge| {
            fields.write(json, |json, field| match field {
                EdgeField::Source => id(json, edge.source),
                EdgeField::Target => id(json, edge.target),
                EdgeField::Role => text(json, edge.role.as_str()),
                EdgeField::Name => optional(json, edge.name(graph)),
                EdgeField::RecordedAt => instant(json, graph.time_of(edge.revision())),
            });
        });
    }

    async fn items<'a>(&'a self, _: &'a Resources) -> Result<Vec<LineageEdge>, ApiError> {
        let graph = self.answer.lineage.graph();
        let graph = graph.at(self.answer.view.scope.revision);
        Ok(self.edges.iter().map(|edge| LineageEdge::of(edge, graph)).collect())
    }
}
