//! What is to be settled at the end of a transaction, and reading it, which takes a flush before: statements look for it among all rows.

use std::collections::{BTreeSet, HashMap};

use entity::{
    ArtifactId, ExecutionId, NEVER, VersionId, alias, artifact, edge, execution, floating_input, symlink, version,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::read::{bytes, is_there};
use super::{Ledger, digest};
use crate::domain::key::Digest;
use crate::store::floating::{self, Holders};
use crate::store::{StoreError, bulk};

/// What records of a transaction leave to be settled when all of them have been applied. It may name too much: whoever settles it
/// looks at what is there.
#[derive(Debug, Default)]
pub struct Unsettled {
    /// Artifacts of which a version was produced, with its time: an input that has floated past it may belong there.
    pub produced: BTreeSet<(ArtifactId, i64)>,
    /// Inputs that are new, have another start, or have lost the version that they were at.
    pub floating: BTreeSet<Digest>,
    /// Versions that have lost an edge: what nothing names any more goes.
    pub left: BTreeSet<VersionId>,
    /// Versions of which several speak, or of which one speaks no more: what they say adds up.
    pub shared: BTreeSet<VersionId>,
    /// Artifacts that are known to be others under other names: those that are left without a version go.
    pub merging: BTreeSet<ArtifactId>,
}

impl Ledger {
    /// The inputs without a version that may belong at a version that was produced, by artifact and time.
    pub async fn load_floating_past(
        &mut self,
        produced: &BTreeSet<(ArtifactId, i64)>,
    ) -> Result<Vec<Digest>, StoreError> {
        let pairs: Vec<(i64, i64)> = produced.iter().map(|(id, at)| (id.0, *at)).collect();
        let ids: Vec<i64> = floating::past(&self.tx, &pairs).await?.into_iter().collect();
        self.load_floating(floating_input::Column::Id, &ids).await
    }

    /// The inputs without a version that are at one of these.
    pub async fn load_floating_at(&mut self, versions: &[VersionId]) -> Result<Vec<Digest>, StoreError> {
        self.load_floating(floating_input::Column::VersionId, versions).await
    }

    async fn load_floating<V: Into<sea_orm::Value> + Clone>(
        &mut self,
        column: floating_input::Column,
        keys: &[V],
    ) -> Result<Vec<Digest>, StoreError> {
        let rows = bulk::find::<floating_input::Entity, _>(&self.tx, column, keys).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows.into_iter().filter(|row| !row.is_gone) {
            let digest = digest(&row.digest)?;
            self.floating.read(digest, Some(row));
            found.push(digest);
        }
        Ok(found)
    }

    /// The versions at which inputs belong, by the id of the input; none where nothing had been produced.
    pub async fn floating_targets(&self, inputs: &[i64]) -> Result<HashMap<i64, Option<VersionId>>, StoreError> {
        floating::targets(&self.tx, inputs).await
    }

    /// Reads the edges of executions that may end.
    pub async fn load_edges_of(&mut self, executions: &[ExecutionId]) -> Result<(), StoreError> {
        let rows = bulk::find::<edge::Entity, _>(&self.tx, edge::Column::ExecutionId, executions).await?;
        for row in rows.into_iter().filter(|row| row.ended_revision == NEVER) {
            let key = (row.execution_id, row.role, row.name.clone(), row.version_id);
            self.edges.read(key, Some(row));
        }
        Ok(())
    }

    /// Versions by id, without those that are withdrawn.
    pub async fn load_versions_by_id(&mut self, ids: &[VersionId]) -> Result<Vec<Digest>, StoreError> {
        let ids: Vec<VersionId> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let mut found = Vec::with_capacity(ids.len());
        let rows = bulk::find::<version::Entity, _>(&self.tx, version::Column::Id, &ids).await?;
        for row in rows.into_iter().filter(is_there) {
            let digest = digest(&row.key_digest)?;
            self.versions.read(digest, Some(row));
            found.push(digest);
        }
        self.load_recorded(&found).await?;
        Ok(found)
    }

    /// Artifacts by id.
    pub async fn artifacts_by_id(&self, ids: &[ArtifactId]) -> Result<Vec<artifact::Model>, StoreError> {
        bulk::find::<artifact::Entity, _>(&self.tx, artifact::Column::Id, ids).await
    }

    /// Who produced versions, after a flush; their stories are read.
    pub async fn load_producers(
        &mut self,
        versions: &[VersionId],
    ) -> Result<Vec<(VersionId, ExecutionId)>, StoreError> {
        let producers = floating::producers(&self.tx, versions).await?;
        // One run may have produced all of them.
        self.load_unread_runs(&producers.iter().map(|(_, run)| *run).collect())
            .await?;
        Ok(producers)
    }

    /// Who produced a version, those of this transaction among them; their stories are read.
    pub async fn producers_of(&mut self, version: VersionId) -> Result<BTreeSet<ExecutionId>, StoreError> {
        let stored = floating::producers(&self.tx, &[version]).await?;
        let mut runs: BTreeSet<ExecutionId> = stored.into_iter().map(|(_, run)| run).collect();
        let is_its = |edge: &&edge::Model| edge.role == edge::OUTPUT && edge.version_id == version;
        for edge in self.edges.unsaved().filter(is_its) {
            if edge.ended_revision == NEVER {
                runs.insert(edge.execution_id);
            } else {
                runs.remove(&edge.execution_id);
            }
        }
        self.load_unread_runs(&runs).await?;
        Ok(runs)
    }

    async fn load_unread_runs(&mut self, runs: &BTreeSet<ExecutionId>) -> Result<(), StoreError> {
        let unread = runs.iter().filter(|run| !self.run_stories.knows(run));
        let unread: Vec<ExecutionId> = unread.copied().collect();
        self.load_runs(&unread).await
    }

    /// Who holds some versions, after a flush.
    pub async fn holders(&self, versions: &[VersionId]) -> Result<Holders, StoreError> {
        floating::holders(&self.tx, versions).await
    }

    /// The pairs of names in which one of these names is, after a flush.
    pub async fn symlinks_of(&self, names: &[Digest]) -> Result<Vec<symlink::Model>, StoreError> {
        let names = bytes(names);
        let mut found = bulk::find::<symlink::Entity, _>(&self.tx, symlink::Column::AliasDigest, &names).await?;
        found.extend(bulk::find::<symlink::Entity, _>(&self.tx, symlink::Column::DatasetDigest, &names).await?);
        Ok(found)
    }

    /// The executions that have edges to versions of artifacts, after a flush: their rows and stories are read.
    pub async fn load_runs_of(&mut self, artifacts: &[ArtifactId]) -> Result<Vec<Digest>, StoreError> {
        let ids: Vec<ExecutionId> = floating::executions_of(&self.tx, artifacts).await?;
        let mut found = Vec::with_capacity(ids.len());
        for row in bulk::find::<execution::Entity, _>(&self.tx, execution::Column::Id, &ids).await? {
            let digest = digest(&row.key_digest)?;
            self.executions.read(digest, Some(row));
            found.push(digest);
        }
        self.load_edges_of(&ids).await?;
        self.load_runs(&ids).await?;
        Ok(found)
    }

    /// Leaves versions of an artifact, which nobody describes any more, to be settled.
    pub async fn leave_versions(&mut self, artifact: ArtifactId, versions: &[String]) -> Result<(), StoreError> {
        let these = version::Entity::find()
            .filter(version::Column::ArtifactId.eq(artifact))
            .filter(version::Column::Version.is_in(versions));
        for row in self.tx.models(these).await? {
            self.unsettled.left.insert(row.id);
            self.unsettled.shared.insert(row.id);
        }
        Ok(())
    }

    /// Whether an artifact has versions that have not been withdrawn, after a flush.
    pub async fn has_versions(&self, artifact: ArtifactId) -> Result<bool, StoreError> {
        let versions = version::Entity::find()
            .filter(version::Column::ArtifactId.eq(artifact))
            .filter(version::Column::Ordinal.gt(0));
        Ok(!self.tx.models(versions.limit(1)).await?.is_empty())
    }

    /// The aliases that stand at some versions, and those that have.
    pub async fn stays_at(&self, versions: &[VersionId]) -> Result<Vec<alias::Model>, StoreError> {
        bulk::find::<alias::Entity, _>(&self.tx, alias::Column::VersionId, versions).await
    }
}
