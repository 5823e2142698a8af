//! What the mutations answer.

use async_graphql::{ComplexObject, Context, SimpleObject};
use entity::{ArtifactId, ExecutionId, VersionId};

use super::budget::List;
use super::connection::int;
use super::enums::IngestStatus;
use super::error::{ApiError, ErrorCode};
use super::inputs::records::RecordInput;
use super::resources::{Resources, rejection_code};
use super::scalars::Long;
use super::types::Node;
use super::types::artifact::Artifact;
use super::types::execution::Execution;
use super::types::version::Version;
use super::view::View;
use crate::domain::Invalid;
use crate::domain::record::Record;
use crate::graphql::node_id::NodeId;
use crate::service::{Mode, NodeRef, Rejection, Touched, Verdict};

/// The node that a mutation is about, and in which view it is answered. It is read when a field asks for it: most writers want
/// no more than to know that it is recorded.
#[derive(Clone, Copy)]
pub struct Touching<I> {
    /// Its id.
    pub id: I,
    /// The view.
    pub view: View,
}

/// A record was answered with a node of another kind, or one that is not there.
pub fn other_node() -> ApiError {
    ApiError::internal("a record was answered with a node that it is not about")
}

/// The answer to `declareArtifact`.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct DeclareArtifactPayload {
    /// What it is about.
    #[graphql(skip)]
    pub node: Touching<ArtifactId>,
    /// Whether it was not known before.
    pub created: bool,
    /// The revision in which the artifact is answered: `asOf: {revision: …}` finds this state again.
    pub revision: Long,
}

#[ComplexObject]
impl DeclareArtifactPayload {
    /// The artifact.
    async fn artifact(&self, ctx: &Context<'_>) -> Result<Artifact, ApiError> {
        let Touching { id, view } = self.node;
        let found = Artifact::find(Resources::of(ctx)?, view, id).await?;
        found.ok_or_else(other_node)
    }
}

/// The answer to `createVersion`.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct CreateVersionPayload {
    /// What it is about.
    #[graphql(skip)]
    pub node: Touching<VersionId>,
    /// Whether it was created; false: it was there with the identical content.
    pub created: bool,
    /// The revision in which the version is answered: `asOf: {revision: …}` finds this state again.
    pub revision: Long,
}

#[ComplexObject]
impl CreateVersionPayload {
    /// The version.
    async fn version(&self, ctx: &Context<'_>) -> Result<Version, ApiError> {
        let Touching { id, view } = self.node;
        let found = Version::find(Resources::of(ctx)?, view, id).await?;
        found.ok_or_else(other_node)
    }
}

/// The answer to `recordExecution`.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct RecordExecutionPayload {
    /// What it is about.
    #[graphql(skip)]
    pub node: Touching<ExecutionId>,
    /// Whether nothing had been recorded of it before.
    pub created: bool,
    /// The revision in which the execution is answered: `asOf: {revision: …}` finds this state again.
    pub revision: Long,
}

#[ComplexObject]
impl RecordExecutionPayload {
    /// The execution, merged from all that was recorded of it.
    async fn execution(&self, ctx: &Context<'_>) -> Result<Execution, ApiError> {
        let Touching { id, view } = self.node;
        let found = Execution::find(Resources::of(ctx)?, view, id).await?;
        found.ok_or_else(other_node)
    }
}

/// The answer to `setAlias`.
#[derive(SimpleObject)]
pub struct SetAliasPayload {
    /// The version at which the alias stands now.
    pub version: Version,
    /// The version at which it stood before; null when it stood at none, or at this one.
    pub previous: Option<Version>,
    /// The revision in which the versions are answered: `asOf: {revision: …}` finds this state again.
    pub revision: Long,
}

/// The answer to `removeAlias`.
#[derive(SimpleObject)]
pub struct RemoveAliasPayload {
    /// Whether it stood anywhere.
    pub removed: bool,
    /// The revision from which on it is gone.
    pub revision: Long,
}

/// The answer to `deleteVersion`.
#[derive(SimpleObject)]
pub struct DeleteVersionPayload {
    /// The version, now in state DELETED.
    pub version: Version,
    /// The revision from which on it is deleted.
    pub revision: Long,
}

/// The answer to `ingest`.
#[derive(SimpleObject)]
pub struct IngestPayload {
    /// One result for each record, in their order.
    pub results: List<IngestResult>,
    /// How many were recorded.
    pub applied: i32,
    /// How many had been there already.
    pub unchanged: i32,
    /// How many were refused.
    pub rejected: i32,
    /// The revision in which all that was recorded is visible.
    pub revision: Long,
}

/// What became of one record.
#[derive(SimpleObject)]
pub struct IngestResult {
    /// Which record: its place in `records`, from 0.
    pub index: i32,
    /// What became of it.
    pub status: IngestStatus,
    /// The node that it is about; null when it was refused.
    pub node: Option<Node>,
    /// Why it was refused; null when it was not.
    pub error: Option<IngestError>,
}

/// Why a record was refused.
#[derive(SimpleObject, Clone)]
pub struct IngestError {
    /// One of the codes of errors, such as `CONFLICT`.
    pub code: String,
    /// What was wrong and what would be right, in one sentence.
    pub message: String,
    /// Where in the record, such as `["version", "partition"]`.
    pub path: Vec<String>,
}

impl IngestError {
    fn new(code: ErrorCode, message: String, path: &str) -> Self {
        let path = path
            .split('.')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        Self {
            code: code.as_str().to_owned(),
            message,
            path,
        }
    }
}

impl From<Invalid> for IngestError {
    fn from(Invalid { argument, message }: Invalid) -> Self {
        Self::new(ErrorCode::BadUserInput, message, &argument)
    }
}

impl From<Rejection> for IngestError {
    fn from(
        Rejection {
            code,
            message,
            argument,
        }: Rejection,
    ) -> Self {
        Self::new(rejection_code(code), message, &argument)
    }
}

impl From<NodeRef> for NodeId {
    fn from(node: NodeRef) -> Self {
        match node {
            NodeRef::Artifact(id) => Self::Artifact(id),
            NodeRef::Version(id) => Self::Version(id),
            NodeRef::Execution(id) => Self::Execution(id),
        }
    }
}

/// What became of a record, before its node is read.
type Outcome = Result<(IngestStatus, Touched), IngestError>;

impl IngestPayload {
    /// Has records written, each with a verdict of its own.
    pub async fn record(resources: &Resources, inputs: Vec<RecordInput>, wants_nodes: bool) -> Result<Self, ApiError> {
        let readable: Vec<Result<Record, IngestError>> = inputs
            .into_iter()
            .map(|input| input.try_into().map_err(IngestError::from))
            .collect();
        let (mut records, mut refused) = (Vec::with_capacity(readable.len()), Vec::with_capacity(readable.len()));
        for record in readable {
            refused.push(record.map(|record| records.push(record)).err());
        }
        let answer = resources.write(records, Mode::Ingest).await?;
        let mut verdicts = answer.verdicts.into_iter();
        let outcome = |refused: Option<IngestError>| match refused {
            Some(error) => Ok(Err(error)),
            None => verdicts
                .next()
                .map(outcome_of)
                .ok_or_else(|| ApiError::internal("a record has no verdict")),
        };
        let outcomes = refused
            .into_iter()
            .map(outcome)
            .collect::<Result<Vec<Outcome>, ApiError>>()?;
        Self::answer(resources, View::newest(answer.revision), outcomes, wants_nodes).await
    }

    async fn answer(
        resources: &Resources,
        view: View,
        outcomes: Vec<Outcome>,
        wants_nodes: bool,
    ) -> Result<Self, ApiError> {
        let count = |wanted: IngestStatus| {
            let of_status =
                |outcome: &&Outcome| outcome.as_ref().map_or(IngestStatus::Rejected, |(status, _)| *status) == wanted;
            int(outcomes.iter().filter(of_status).count() as i64)
        };
        let (applied, unchanged, rejected) = (
            count(IngestStatus::Applied),
            count(IngestStatus::Unchanged),
            count(IngestStatus::Rejected),
        );
        let nodes_in = wants_nodes.then_some(view);
        let results = outcomes
            .into_iter()
            .enumerate()
            .map(|(index, outcome)| result(resources, nodes_in, int(index as i64), outcome));
        let results = futures_util::future::try_join_all(results).await?;
        Ok(Self {
            results: List(results),
            applied,
            unchanged,
            rejected,
            revision: view.scope.revision.into(),
        })
    }
}

fn outcome_of(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Applied(touched) => Ok((IngestStatus::Applied, touched)),
        Verdict::Unchanged(touched) => Ok((IngestStatus::Unchanged, touched)),
        Verdict::Rejected(rejection) => Err(rejection.into()),
    }
}

/// The result of one record, with its node where that is wanted in a view.
async fn result(
    resources: &Resources,
    view: Option<View>,
    index: i32,
    outcome: Outcome,
) -> Result<IngestResult, ApiError> {
    Ok(match outcome {
        Ok((status, touched)) => {
            let node = match view {
                Some(view) => Node::find(resources, view, touched.node.into()).await?,
                None => None,
            };
            IngestResult {
                index,
                status,
                node,
                error: None,
            }
        }
        Err(error) => IngestResult {
            index,
            status: IngestStatus::Rejected,
            node: None,
            error: Some(error),
        },
    })
}
