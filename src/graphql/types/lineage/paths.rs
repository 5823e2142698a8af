//! Paths from one node to another.

use std::time::{Duration, Instant};

use async_graphql::SimpleObject;

use super::ask::existing;
use super::{LineageEdge, load_nodes};
use crate::graphql::budget::List;
use crate::graphql::error::{ApiError, ErrorCode};
use crate::graphql::node_id::NodeId;
use crate::graphql::resources::Resources;
use crate::graphql::types::Node;
use crate::graphql::view::View;
use crate::lineage::OutOfTime;
use crate::lineage::paths::Path;

/// A path along the edges of the graph, on which no node is twice.
#[derive(SimpleObject)]
pub struct LineagePath {
    /// Its nodes, versions and executions by turns, from the most upstream one on.
    pub nodes: List<Node>,
    /// Its edges, hop by hop; where several lead from one node to the next, all of them, by name.
    pub edges: List<LineageEdge>,
}

/// The first paths from a node to another, as seen in a view.
pub async fn find_paths(
    resources: &Resources,
    view: View,
    from: NodeId,
    to: NodeId,
    first: i32,
) -> Result<List<LineagePath>, ApiError> {
    let limits = resources.limits();
    let Some(first) = usize::try_from(first).ok().filter(|first| *first > 0) else {
        return Err(ApiError::bad_user_input(
            "first",
            format!("first is {first}, but must be at least 1."),
        ));
    };
    let maximum = limits.lineage_paths_maximum;
    if first > maximum {
        return Err(
            ApiError::limit_exceeded("limits.lineage_paths_maximum", "The paths", maximum, first).about("first"),
        );
    }
    let deadline_ms = limits.lineage_deadline_ms as u64;
    let deadline = Instant::now() + Duration::from_millis(deadline_ms);
    let at = view.scope.revision;
    let lineage = resources.lineage();
    lineage.follow(resources.newest().await?.revision.max(at)).await?;
    let ends = {
        let graph = lineage.graph();
        let end = |argument, id| existing(graph.at(at), view, argument, &[id]);
        (end("from", from)?, end("to", to)?)
    };
    let ([from], [to]) = (&ends.0[..], &ends.1[..]) else {
        return Ok(List(Vec::new()));
    };
    let found = lineage.paths(at, *from, *to, first, deadline).await.map_err(|OutOfTime| {
        let message = format!(
            "The paths were not found within {deadline_ms} ms, which limits.lineage_deadline_ms allows: ask for fewer of them, or \
             between nearer nodes."
        );
        ApiError::new(ErrorCode::DeadlineExceeded, message)
    })?;
    let all = found.iter().flat_map(|path| path.nodes.iter().copied()).collect();
    let mut objects = load_nodes(resources, view, all).await?.into_iter();
    let graph = lineage.graph();
    let path = |path: &Path| LineagePath {
        nodes: objects.by_ref().take(path.nodes.len()).collect(),
        edges: path
            .edges
            .iter()
            .map(|edge| LineageEdge::of(edge, graph.at(at)))
            .collect(),
    };
    Ok(found.iter().map(path).collect())
}
