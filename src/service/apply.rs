//! Applies prepared records to a ledger, one after the other, each whole or not at all.

use std::collections::HashSet;

use entity::{ArtifactId, NEVER, NO_TIME, VersionId, artifact, version};

use super::place::{Place, Schema};
use super::prepare::{Artifact, InputVersion, Mode, Prepared, PreparedEvent, PreparedVersion, VersionName};
use super::rejection::{Rejection, Verdict};
use crate::domain::key::Digest;
use crate::store::StoreError;
use crate::store::ledger::{Ledger, Needs};

/// Why a record could not be applied: a refusal of this one, or an error of the store, which ends the transaction.
#[derive(Debug)]
pub enum ApplyError {
    /// This record is refused; the others go on.
    Rejected(Rejection),
    /// The transaction is lost.
    Store(StoreError),
}

impl From<Rejection> for ApplyError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<StoreError> for ApplyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Reads all that records will look at.
pub async fn load(ledger: &mut Ledger, records: &[&Prepared]) -> Result<(), StoreError> {
    let mut needs = Needs::default();
    for record in records {
        add_needs(&mut needs, record);
    }
    ledger.load(&needs).await?;
    super::story::load_named(ledger, events_of(records)).await?;
    let mut partitions = HashSet::new();
    for record in records {
        for version in versions_of(record) {
            partitions.extend(likely_partition(ledger, version)?);
        }
    }
    ledger.load_partitions(partitions.into_iter()).await
}

fn events_of<'a>(records: &[&'a Prepared]) -> impl Iterator<Item = &'a PreparedEvent> {
    records.iter().filter_map(|record| match record {
        Prepared::Event(event) => Some(&**event),
        _ => None,
    })
}

fn add_needs(needs: &mut Needs, record: &Prepared) {
    match record {
        Prepared::Artifact(declaration) => need_artifact(needs, &declaration.artifact),
        Prepared::Version(version) => need_version(needs, &version.artifact, &version.version),
        Prepared::Execution(execution) => {
            needs.executions.insert(execution.digest);
            needs.runs.insert(execution.digest);
            needs.parents.extend(execution.parent.iter().map(|(_, digest)| *digest));
            for input in &execution.inputs {
                if let InputVersion::Exact(artifact, version) = &input.version {
                    needs.named.insert(version.digest, artifact.digest);
                }
            }
            for output in &execution.outputs {
                need_version(needs, &output.version.artifact, &output.version.version);
            }
        }
        Prepared::Alias(alias) => {
            need_version(needs, &alias.artifact, &alias.version);
            needs.aliases.insert((alias.artifact.digest, alias.alias.clone()));
        }
        Prepared::AliasRemoval(artifact, alias) => {
            need_artifact(needs, artifact);
            needs.aliases.insert((artifact.digest, alias.clone()));
        }
        Prepared::Deletion(artifact, version) => need_version(needs, artifact, version),
        Prepared::Event(event) => super::event::add_needs(needs, event),
    }
}

fn need_artifact(needs: &mut Needs, artifact: &Artifact) {
    needs.artifacts.insert(artifact.digest);
}

fn need_version(needs: &mut Needs, artifact: &Artifact, version: &VersionName) {
    need_artifact(needs, artifact);
    needs.versions.insert(version.digest);
}

fn versions_of(record: &Prepared) -> Vec<&PreparedVersion> {
    match record {
        Prepared::Version(version) => vec![version],
        Prepared::Execution(execution) => execution.outputs.iter().map(|output| &output.version).collect(),
        _ => Vec::new(),
    }
}

/// The partition that a version would be placed in as its artifact stands now. An earlier record of the same
/// transaction may change that; then the right one is read when its turn comes.
fn likely_partition(ledger: &Ledger, version: &PreparedVersion) -> Result<Option<Digest>, StoreError> {
    let Some(artifact) = ledger.artifacts.get(&version.artifact.digest) else {
        return Ok(None);
    };
    let schema = Schema::of(artifact, ledger.keys_of(artifact.id))?;
    Ok(match schema.place(&version.values, version.time) {
        Place::In(key) => Some(key.digest(&version.artifact.key)),
        _ => None,
    })
}

/// Applies one record. A refused one leaves no trace in the ledger.
pub async fn apply(ledger: &mut Ledger, record: &Prepared, mode: Mode) -> Result<Verdict, StoreError> {
    ledger.begin();
    let applied = match record {
        Prepared::Artifact(declaration) => super::declare::declare(ledger, declaration).await,
        Prepared::Version(version) => super::version::create(ledger, version, mode).await,
        Prepared::Execution(execution) => super::execution::record(ledger, execution).await,
        Prepared::Alias(alias) => super::alias::set(ledger, alias, mode).await,
        Prepared::AliasRemoval(artifact, alias) => super::alias::remove(ledger, artifact, alias),
        Prepared::Deletion(artifact, version) => super::version::delete(ledger, artifact, version).await,
        Prepared::Event(event) => super::event::hear(ledger, event).await,
    };
    match applied {
        Ok(verdict) => Ok(verdict),
        Err(ApplyError::Rejected(rejection)) => {
            ledger.undo();
            Ok(Verdict::Rejected(rejection))
        }
        Err(ApplyError::Store(error)) => Err(error),
    }
}

/// Whether an artifact is another one under another name now.
pub fn is_merged(row: &artifact::Model) -> bool {
    row.merged_revision != NEVER && row.returned_revision == NEVER
}

/// The artifact under a key, recorded now if it is new; and whether it is.
pub fn artifact_or_new(ledger: &mut Ledger, artifact: &Artifact) -> (artifact::Model, bool) {
    debug_assert!(ledger.artifacts.knows(&artifact.digest), "the artifact was not loaded");
    if let Some(row) = ledger.artifacts.get(&artifact.digest).cloned() {
        if !is_merged(&row) {
            return (row, false);
        }
        // Events had taken it for another one, and now a record names it.
        let row = artifact::Model {
            returned_revision: ledger.revision(),
            ..row
        };
        ledger.artifacts.put(artifact.digest, row.clone());
        return (row, false);
    }
    let row = artifact::Model {
        id: ledger.next_artifact_id(),
        key_digest: artifact.digest.to_vec(),
        project: artifact.key.project.clone(),
        domain: artifact.key.domain.clone(),
        name: artifact.key.name.clone(),
        created_at: ledger.recorded_at().0,
        revision: ledger.revision(),
        declared_revision: NEVER,
        declared_keys: None,
        declared_granularity: None,
        description: None,
        described_revision: NEVER,
        time_seen_revision: NEVER,
        merged_revision: NEVER,
        returned_revision: NEVER,
    };
    ledger.artifacts.put(artifact.digest, row.clone());
    (row, true)
}

/// A version that something names: the row under its key, or a placeholder recorded now.
pub fn version_or_placeholder(ledger: &mut Ledger, artifact: &Artifact, version: &VersionName) -> version::Model {
    if let Some(row) = ledger.versions.get(&version.digest) {
        return row.clone();
    }
    let (owner, _) = artifact_or_new(ledger, artifact);
    let id = ledger.next_version_id();
    let row = placeholder(id, &owner, version, ledger);
    ledger.versions.put(version.digest, row.clone());
    row
}

/// A row for what names a version that is withdrawn.
pub fn placeholder_of(id: VersionId, withdrawn: &version::Model, ledger: &Ledger) -> version::Model {
    let (artifact, digest) = (withdrawn.artifact_id, withdrawn.key_digest.clone());
    version::Model {
        named_at: Some(ledger.recorded_at().0),
        ..keyed(id, artifact, digest, withdrawn.version.clone(), ledger)
    }
}

fn placeholder(id: VersionId, artifact: &artifact::Model, version: &VersionName, ledger: &Ledger) -> version::Model {
    let now = ledger.recorded_at().0;
    version::Model {
        named_at: Some(now),
        ..unproduced(id, artifact, version, ledger)
    }
}

/// A row that has its key and nothing else yet.
pub fn unproduced(id: VersionId, artifact: &artifact::Model, version: &VersionName, ledger: &Ledger) -> version::Model {
    keyed(id, artifact.id, version.digest.to_vec(), version.name.clone(), ledger)
}

fn keyed(
    id: VersionId,
    artifact_id: ArtifactId,
    key_digest: Vec<u8>,
    version: String,
    ledger: &Ledger,
) -> version::Model {
    version::Model {
        id,
        artifact_id,
        key_digest,
        version,
        revision: ledger.revision(),
        produced_revision: NEVER,
        deleted_revision: NEVER,
        created_at: ledger.recorded_at().0,
        created_at_given: false,
        ordinal: id.0,
        named_at: None,
        placed_revision: NEVER,
        partition_id: None,
        window_start: NO_TIME,
        schema_mismatch: None,
        prior_partition_id: None,
        prior_window_start: NO_TIME,
        prior_schema_mismatch: None,
        given_values: None,
        given_time: None,
        location: None,
        data_type: None,
        description: None,
        metadata: None,
        card: None,
        is_described: false,
    }
}
