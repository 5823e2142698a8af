//! The mutations: each says what it wants recorded, waits until that is on disk, and answers from the revision in which it is
//! visible.

use async_graphql::{Context, ID, Object};
use entity::VersionId;

use super::context::RequestContext;
use super::error::ApiError;
use super::inputs::records::{
    CreateVersionInput, DeclareArtifactInput, DeleteVersionInput, RecordExecutionInput, RecordInput, RemoveAliasInput,
    SetAliasInput,
};
use super::node_id;
use super::payloads::{
    CreateVersionPayload, DeclareArtifactPayload, DeleteVersionPayload, IngestPayload, RecordExecutionPayload,
    RemoveAliasPayload, SetAliasPayload, Touching, other_node,
};
use super::resources::Resources;
use super::scalars::Long;
use super::types::artifact::Artifact;
use super::types::version::Version;
use super::view::View;
use crate::domain::Invalid;
use crate::domain::key::ArtifactKey;
use crate::domain::record::{CreateVersion, DeleteVersion, Record, SetAlias};
use crate::service::{Mode, NodeRef, Touched, Verdict};

/// The mutations.
pub struct Mutation;

/// What became of one record.
struct Done {
    touched: Touched,
    /// The answer's revision, as a view.
    view: View,
    /// Whether anything changed.
    changed: bool,
}

impl Done {
    fn revision(&self) -> Long {
        self.view.scope.revision.into()
    }

    async fn version(&self, resources: &Resources) -> Result<Version, ApiError> {
        let NodeRef::Version(id) = self.touched.node else {
            return Err(other_node());
        };
        let found = Version::find(resources, self.view, id).await?;
        found.ok_or_else(other_node)
    }
}

/// Has one record written, or says why not.
async fn submit(resources: &Resources, record: Record) -> Result<Done, ApiError> {
    let answer = resources.write(vec![record], Mode::Direct).await?;
    let view = View::newest(answer.revision);
    match answer.verdicts.into_iter().next() {
        Some(Verdict::Applied(touched)) => Ok(Done {
            touched,
            view,
            changed: true,
        }),
        Some(Verdict::Unchanged(touched)) => Ok(Done {
            touched,
            view,
            changed: false,
        }),
        Some(Verdict::Rejected(rejection)) => Err(rejection.into()),
        None => Err(ApiError::internal("a record has no verdict")),
    }
}

fn in_input(invalid: Invalid) -> ApiError {
    invalid.within("input").into()
}

/// The key of the version with an id.
async fn version_key(resources: &Resources, id: &ID) -> Result<(ArtifactKey, String), ApiError> {
    let version: VersionId = node_id::expect_version("input.version", id)?;
    let view = View::newest(resources.newest().await?.revision);
    let missing = || {
        ApiError::not_found(format!(
            "There is no version {:?}: give the id of one that is there.",
            id.as_str()
        ))
        .about("input.version")
    };
    let version = Version::find(resources, view, version).await?.ok_or_else(missing)?;
    let artifact = Artifact::find(resources, view, version.row.artifact_id)
        .await?
        .ok_or_else(missing)?;
    Ok((artifact.row.key_of(), version.row.version.clone()))
}

/// The name of what a field makes, where its request may come again under a key: the same each time.
fn name_of_request(ctx: &Context<'_>) -> Option<String> {
    let seed = ctx.data_opt::<RequestContext>()?.seed?;
    let field = ctx.field();
    Some(seed.name(field.alias().unwrap_or_else(|| field.name())))
}

/// The mutations. What is answered as done is on disk, and visible from the revision answered on.
#[Object]
impl Mutation {
    /// Declares which partition keys and which time partition an artifact has.
    async fn declare_artifact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The declaration.")] input: DeclareArtifactInput,
    ) -> Result<DeclareArtifactPayload, ApiError> {
        let resources = Resources::of(ctx)?;
        let done = submit(resources, Record::Artifact(input.into())).await?;
        let NodeRef::Artifact(id) = done.touched.node else {
            return Err(other_node());
        };
        Ok(DeclareArtifactPayload {
            node: Touching { id, view: done.view },
            created: done.touched.created,
            revision: done.revision(),
        })
    }

    /// Creates a version. With the identical content again it answers the version that is there; other content is CONFLICT.
    async fn create_version(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The version.")] input: CreateVersionInput,
    ) -> Result<CreateVersionPayload, ApiError> {
        let resources = Resources::of(ctx)?;
        let mut version: CreateVersion = input.try_into().map_err(in_input)?;
        version.version = version.version.or_else(|| name_of_request(ctx));
        let done = submit(resources, Record::Version(version)).await?;
        let NodeRef::Version(id) = done.touched.node else {
            return Err(other_node());
        };
        Ok(CreateVersionPayload {
            node: Touching { id, view: done.view },
            created: done.touched.created,
            revision: done.revision(),
        })
    }

    /// Records an execution, or more of one; sent many times, in any order, it merges.
    async fn record_execution(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is known about the execution.")] input: RecordExecutionInput,
    ) -> Result<RecordExecutionPayload, ApiError> {
        let resources = Resources::of(ctx)?;
        let done = submit(resources, Record::Execution(input.try_into().map_err(in_input)?)).await?;
        let NodeRef::Execution(id) = done.touched.node else {
            return Err(other_node());
        };
        Ok(RecordExecutionPayload {
            node: Touching { id, view: done.view },
            created: done.touched.created,
            revision: done.revision(),
        })
    }

    /// Sets an alias, such as `production`, at a version. One that stands at another version of the artifact is CONFLICT, unless
    /// `overwrite`.
    async fn set_alias(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The alias, and where it is to stand.")] input: SetAliasInput,
    ) -> Result<SetAliasPayload, ApiError> {
        let resources = Resources::of(ctx)?;
        let (artifact, version) = version_key(resources, &input.version).await?;
        let alias = SetAlias {
            artifact,
            version,
            alias: input.alias,
            overwrite: input.overwrite.unwrap_or_default(),
        };
        let done = submit(resources, Record::Alias(alias)).await?;
        let previous = match done.touched.previous {
            Some(id) => Version::find(resources, done.view, id).await?,
            None => None,
        };
        Ok(SetAliasPayload {
            version: done.version(resources).await?,
            previous,
            revision: done.revision(),
        })
    }

    /// Removes an alias. One that stands nowhere stays so, with `removed: false`.
    async fn remove_alias(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which alias.")] input: RemoveAliasInput,
    ) -> Result<RemoveAliasPayload, ApiError> {
        let done = submit(Resources::of(ctx)?, Record::AliasRemoval(input.into())).await?;
        Ok(RemoveAliasPayload {
            removed: done.changed,
            revision: done.revision(),
        })
    }

    /// Deletes a version. Its location, metadata and card are gone, and it is never the latest again; it stays a node of
    /// lineage, in state DELETED.
    async fn delete_version(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version.")] input: DeleteVersionInput,
    ) -> Result<DeleteVersionPayload, ApiError> {
        let resources = Resources::of(ctx)?;
        let (artifact, version) = version_key(resources, &input.version).await?;
        let done = submit(resources, Record::Deletion(DeleteVersion { artifact, version })).await?;
        Ok(DeleteVersionPayload {
            version: done.version(resources).await?,
            revision: done.revision(),
        })
    }

    /// Records many things at once, each with its own result: one that is refused does not keep the others from being recorded.
    /// Sending all of them again is safe. A version whose partition does not fit the artifact's declaration is kept and flagged
    /// in `schemaMismatch`, since nobody may be there to read the answer.
    // Estimated as a page of the default size: to count them, the library would read all records once more.
    #[graphql(complexity = "super::connection::page_cost(None, None, child_complexity)")]
    async fn ingest(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The records, in any order; at most 10,000, unless configured otherwise.")] records: Vec<
            RecordInput,
        >,
    ) -> Result<IngestPayload, ApiError> {
        let resources = Resources::of(ctx)?;
        let limit = resources.limits().ingest_records_maximum;
        if records.len() > limit {
            let error = ApiError::limit_exceeded("limits.ingest_records_maximum", "The records", limit, records.len());
            return Err(error.about("records"));
        }
        let wants_nodes = ctx.look_ahead().field("results").field("node").exists();
        IngestPayload::record(resources, records, wants_nodes).await
    }
}
