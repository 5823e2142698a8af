//! The long lists of an answer of lineage: written from prepared rows where the selection allows it, else field by field.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::resolve_list;
use async_graphql::{ContextSelectionSet, OutputType, Positioned, ServerResult, Value};

use super::plain::{NodeFields, id, instant};
use super::selection::{Fields, Plain, Selected, number, optional, separated, text};
use super::{Answer, LineageEdge, LineageNode, load_nodes};
use crate::graphql::context::RequestContext;
use crate::graphql::error::ApiError;
use crate::graphql::resources::Resources;
use crate::graphql::scalars::Json;
use crate::graphql::types::Node as NodeObject;
use crate::lineage::edges::{Edge, Neighbours};
use crate::lineage::graph::{Snapshot, Way};
use crate::lineage::node::Node;

/// Rows that are written before others get their turn.
const PORTION: usize = 4_096;

/// A list whose items are plain.
trait Rows: Send + Sync {
    /// What it is a list of.
    type Item: OutputType;
    /// What is selected of its items.
    type Fields: Send + Sync;

    fn answer(&self) -> &Arc<Answer>;
    fn len(&self) -> usize;
    /// The selection; none when it asks for what is not plain.
    fn fields(&self, selected: &Selected<'_>) -> Option<Self::Fields>;
    /// Writes some of its items, with commas between.
    fn write(&self, json: &mut Vec<u8>, graph: Snapshot<'_>, fields: &Self::Fields, items: Range<usize>);
    /// The items as the library resolves them.
    fn items(&self, resources: &Resources) -> impl Future<Output = Result<Vec<Self::Item>, ApiError>> + Send;
}

async fn resolve<R: Rows>(rows: &R, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
    let prepares = ctx
        .data_opt::<RequestContext>()
        .is_none_or(|request| request.prepares_rows);
    if prepares && let Some(fields) = rows.fields(&Selected::of(ctx)) {
        return Ok(write(rows, &fields).await);
    }
    let failed = |error: ApiError| ctx.set_error_path(error.at(ctx.item.pos).into_server_error());
    let resources = ctx
        .data_opt::<Resources>()
        .ok_or_else(|| ApiError::internal("the request has no resources"));
    let items = rows.items(resources.map_err(failed)?).await.map_err(failed)?;
    let length = items.len();
    resolve_list(ctx, field, items, Some(length)).await
}

async fn write<R: Rows>(rows: &R, fields: &R::Fields) -> Value {
    let answer = rows.answer();
    let mut json = vec![b'['];
    let mut begin = 0;
    while begin < rows.len() {
        if begin > 0 {
            json.push(b',');
            tokio::task::yield_now().await;
        }
        let end = rows.len().min(begin + PORTION);
        rows.write(
            &mut json,
            answer.lineage.graph().at(answer.view.scope.revision),
            fields,
            begin..end,
        );
        begin = end;
    }
    json.push(b']');
    Json(String::from_utf8(json).unwrap_or_default()).into_value()
}

macro_rules! list_type {
    ($list:ident, $item:ident) => {
        impl OutputType for $list {
            fn type_name() -> Cow<'static, str> {
                Vec::<$item>::type_name()
            }

            fn qualified_type_name() -> String {
                Vec::<$item>::qualified_type_name()
            }

            fn create_type_info(registry: &mut Registry) -> String {
                Vec::<$item>::create_type_info(registry)
            }

            async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
                resolve(self, ctx, field).await
            }
        }
    };
}

/// The nodes of a page with their distances.
pub struct NodeRows {
    /// The answer.
    pub answer: Arc<Answer>,
    /// The nodes of its page.
    pub nodes: Vec<(Node, usize)>,
}

list_type!(NodeRows, LineageNode);

enum RowField {
    Node(NodeFields),
    Distance,
    UpstreamCount,
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

impl Rows for NodeRows {
    type Item = LineageNode;
    type Fields = Fields<RowField>;

    fn answer(&self) -> &Arc<Answer> {
        &self.answer
    }

    fn len(&self) -> usize {
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

    async fn items(&self, resources: &Resources) -> Result<Vec<LineageNode>, ApiError> {
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

impl Rows for RootRows {
    type Item = NodeObject;
    type Fields = NodeFields;

    fn answer(&self) -> &Arc<Answer> {
        &self.0
    }

    fn len(&self) -> usize {
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

    async fn items(&self, resources: &Resources) -> Result<Vec<NodeObject>, ApiError> {
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

enum EdgeField {
    Source,
    Target,
    Role,
    Name,
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

impl Rows for EdgeRows {
    type Item = LineageEdge;
    type Fields = Fields<EdgeField>;

    fn answer(&self) -> &Arc<Answer> {
        &self.answer
    }

    fn len(&self) -> usize {
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

    async fn items(&self, _: &Resources) -> Result<Vec<LineageEdge>, ApiError> {
        let graph = self.answer.lineage.graph();
        let graph = graph.at(self.answer.view.scope.revision);
        Ok(self.edges.iter().map(|edge| LineageEdge::of(edge, graph)).collect())
    }
}
