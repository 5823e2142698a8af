//! The objects of the schema. Each is a row and the view that it is seen in.

pub mod artifact;
pub mod edges;
pub mod event;
pub mod execution;
pub mod lineage;
pub mod partition;
pub mod project;
pub mod resolution;
pub mod revision;
pub mod server_info;
pub mod version;
pub mod window;

use async_graphql::{ID, Interface};

use super::error::ApiError;
use super::node_id::NodeId;
use super::resources::Resources;
use super::view::View;
use artifact::Artifact;
use execution::Execution;
use partition::Partition;
use version::Version;

/// Anything with an id of its own, which `node` finds again.
#[derive(Interface, Clone)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "A text that stands for this node for ever, such as `version_bq`. The kind is readable at its front; take the rest as opaque."
))]
pub enum Node {
    /// A named thing that gets versions.
    Artifact(Artifact),
    /// One distinct combination of partition values of one artifact.
    Partition(Partition),
    /// One immutable materialisation of an artifact.
    Version(Version),
    /// One run of a workflow or a task.
    Execution(Execution),
}

impl Node {
    /// The node with an id, if it is there in a view.
    pub async fn find(resources: &Resources, view: View, id: NodeId) -> Result<Option<Self>, ApiError> {
        Ok(match id {
            NodeId::Artifact(id) => Artifact::find(resources, view, id).await?.map(Self::Artifact),
            NodeId::Partition(id) => Partition::find(resources, view, id).await?.map(Self::Partition),
            NodeId::Version(id) => Version::find(resources, view, id).await?.map(Self::Version),
            NodeId::Execution(id) => Execution::find(resources, view, id).await?.map(Self::Execution),
        })
    }
}

/// The error of a row that another row promises, and that is not there.
pub(super) fn missing(what: &str) -> ApiError {
    ApiError::internal(format!("{what} is not there in the scope in which it is named"))
}
