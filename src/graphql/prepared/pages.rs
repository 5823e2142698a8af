//! The pages of connections.

use std::ops::Range;
use std::sync::Arc;

use super::plain::{NodeFields, instant};
use super::selection::{Fields, Selected, optional, separated, text};
use super::{PreparedList, list_type};
use crate::graphql::connection::Edge;
use crate::graphql::error::ApiError;
use crate::graphql::resources::Resources;
use crate::lineage::graph::Snapshot;
use crate::lineage::node::Kind;

/// The revision in which the ends of edges are seen, where all of them are nodes of the graph.
fn graph_revision<E: Edge>(edges: &[E]) -> Option<i64> {
    let mut revisions = edges.iter().map(|edge| edge.graph_end().map(|(_, revision)| revision));
    let first = revisions.next()??;
    revisions.all(|revision| revision == Some(first)).then_some(first)
}

fn kinds<E: Edge>(edges: &[E]) -> impl Iterator<Item = Kind> + '_ {
    edges
        .iter()
        .filter_map(|edge| edge.graph_end().map(|(node, _)| node.kind()))
}

/// The nodes of a page.
pub struct NodeList<E>(pub Arc<[E]>);

list_type!(NodeList<E>, &E::Node, <E: Edge>);

impl<E: Edge> PreparedList for NodeList<E> {
    type Item<'a>
        = &'a E::Node
    where
        Self: 'a;
    type Fields = NodeFields;

    fn revision(&self) -> i64 {
        graph_revision(&self.0).unwrap_or_default()
    }

    fn count(&self) -> usize {
        self.0.len()
    }

    fn fields(&self, selected: &Selected<'_>) -> Option<NodeFields> {
        graph_revision(&self.0)?;
        let fields = NodeFields::read(selected);
        fields.are_plain_for(kinds(&self.0)).then_some(fields)
    }

    fn write(&self, json: &mut Vec<u8>, graph: Snapshot<'_>, fields: &NodeFields, items: Range<usize>) {
        separated(json, &self.0[items], |json, edge| match edge.graph_end() {
            Some((node, _)) => fields.write(json, graph, node),
            None => json.extend_from_slice(b"null"),
        });
    }

    async fn items<'a>(&'a self, _: &'a Resources) -> Result<Vec<&'a E::Node>, ApiError> {
        Ok(self.0.iter().filter_map(E::end).collect())
    }
}

/// The edges of a page.
pub struct EdgeList<E>(pub Arc<[E]>);

list_type!(EdgeList<E>, &E, <E: Edge>);

enum EdgeField {
    Cursor,
    Node(NodeFields),
    Name,
    RecordedAt,
}

/// What is selected of edges, and the type that they have.
pub struct EdgeFields(Fields<EdgeField>);

impl<E: Edge> PreparedList for EdgeList<E> {
    type Item<'a>
        = &'a E
    where
        Self: 'a;
    type Fields = EdgeFields;

    fn revision(&self) -> i64 {
        graph_revision(&self.0).unwrap_or_default()
    }

    fn count(&self) -> usize {
        self.0.len()
    }

    fn fields(&self, selected: &Selected<'_>) -> Option<EdgeFields> {
        graph_revision(&self.0)?;
        let is_link = self.0.iter().all(|edge| edge.link().is_some());
        let fields = selected.fields_of(&E::type_name(), |name, selected| match name {
            "cursor" => Some(EdgeField::Cursor),
            "node" => Some(EdgeField::Node(NodeFields::read(selected))),
            "name" if is_link => Some(EdgeField::Name),
            "recordedAt" if is_link => Some(EdgeField::RecordedAt),
            _ => None,
        })?;
        let is_plain = fields.fields().all(|field| match field {
            EdgeField::Node(nodes) => nodes.are_plain_for(kinds(&self.0)),
            _ => true,
        });
        is_plain.then_some(EdgeFields(fields))
    }

    fn write(&self, json: &mut Vec<u8>, graph: Snapshot<'_>, fields: &EdgeFields, items: Range<usize>) {
        separated(json, &self.0[items], |json, edge| {
            let link = edge.link();
            fields.0.write(json, |json, field| match field {
                EdgeField::Cursor => text(json, &edge.item().cursor()),
                EdgeField::Node(fields) => match edge.graph_end() {
                    Some((node, _)) => fields.write(json, graph, node),
                    None => json.extend_from_slice(b"null"),
                },
                EdgeField::Name => optional(json, link.map(|(name, _)| name)),
                EdgeField::RecordedAt => instant(json, graph.time_of(link.map_or(0, |(_, revision)| revision))),
            });
        });
    }

    async fn items<'a>(&'a self, _: &'a Resources) -> Result<Vec<&'a E>, ApiError> {
        Ok(self.0.iter().collect())
    }
}
