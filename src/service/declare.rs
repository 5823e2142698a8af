//! Declarations (rules 6 to 8).

use std::collections::BTreeSet;

use entity::{NEVER, artifact};

use super::apply::{ApplyError, artifact_or_new};
use super::place::{Place, Schema};
use super::prepare::PreparedDeclaration;
use super::rejection::{NodeRef, Rejection, RejectionCode, Touched, Verdict};
use super::version::partition_or_new;
use crate::domain::partition::PartitionKey;
use crate::domain::time::Granularity;
use crate::store::StoreError;
use crate::store::ledger::Ledger;
use crate::store::placement_change::{PlacedVersion, Placement};

/// Declares an artifact. The same again changes nothing; something else is refused.
pub async fn declare(ledger: &mut Ledger, given: &PreparedDeclaration) -> Result<Verdict, ApplyError> {
    let (row, created) = artifact_or_new(ledger, &given.artifact);
    let touched = Touched {
        created,
        ..Touched::known(NodeRef::Artifact(row.id))
    };
    let is_news = row.declared_revision == NEVER;
    let describes = row.description.is_none() && given.description.is_some();
    if !is_news {
        check_same(&row, given)?;
        if !describes {
            return Ok(Verdict::Unchanged(touched));
        }
    }
    let declared = declared(&row, given, ledger.revision(), describes);
    ledger.artifacts.put(given.artifact.digest, declared.clone());
    if is_news && !created {
        settle(ledger, given, &declared).await?;
        // A partition may have versions now that it did not have, or none: any input may have to move.
        ledger.note_produced(declared.id, i64::MIN);
    }
    Ok(Verdict::Applied(touched))
}

fn declared(row: &artifact::Model, given: &PreparedDeclaration, revision: i64, describes: bool) -> artifact::Model {
    let mut row = row.clone();
    if row.declared_revision == NEVER {
        row.declared_revision = revision;
        row.declared_keys = Some(serde_json::Value::from(given.keys.clone()).to_string());
        row.declared_granularity = given.granularity.map(|g| g.as_str().to_owned());
    }
    if describes {
        row.description = given.description.clone();
        row.described_revision = revision;
    }
    row
}

fn check_same(row: &artifact::Model, given: &PreparedDeclaration) -> Result<(), ApplyError> {
    let keys: Vec<String> = serde_json::from_str(row.declared_keys.as_deref().unwrap_or("[]"))
        .map_err(|e| StoreError::Inconsistent(format!("declared keys: {e}")))?;
    let refuse = |argument: &str, message: String| {
        Err(Rejection::new(
            RejectionCode::FailedPrecondition,
            format!("artifact.{argument}"),
            message,
        )
        .into())
    };
    if keys != given.keys {
        let keys = if keys.is_empty() {
            "none".to_owned()
        } else {
            keys.join(", ")
        };
        return refuse(
            "partitionKeys",
            format!("The artifact is declared with other partition keys: {keys}. A declaration never changes."),
        );
    }
    let granularity = given.granularity.map(Granularity::as_str);
    if row.declared_granularity.as_deref() != granularity {
        let declared = row.declared_granularity.as_deref().unwrap_or("none");
        return refuse(
            "timePartitionGranularity",
            format!("The artifact is declared with another time partition: {declared}. A declaration never changes."),
        );
    }
    if given.description.is_some() && row.description.is_some() && row.description != given.description {
        return refuse(
            "description",
            "The artifact is declared with another description. A declaration never changes.".to_owned(),
        );
    }
    Ok(())
}

/// How many versions are placed anew at a time.
const CHUNK: u64 = 2_000;

/// Places the versions that came before the declaration anew, and retires the partitions that it has no room for.
async fn settle(
    ledger: &mut Ledger,
    given: &PreparedDeclaration,
    artifact: &artifact::Model,
) -> Result<(), StoreError> {
    ledger.flush().await?;
    let schema = Schema::Declared {
        keys: given.keys.iter().cloned().collect::<BTreeSet<_>>(),
        granularity: given.granularity,
    };
    let mut after = 0;
    loop {
        let versions = ledger.versions_to_place(artifact.id, after, CHUNK).await?;
        let Some(last) = versions.last() else { break };
        after = last.id.0;
        let digests: Vec<_> = versions
            .iter()
            .filter_map(|v| partition_key(&schema, v))
            .map(|k| k.digest(&given.artifact.key))
            .collect();
        ledger.load_partitions(digests.into_iter()).await?;
        let mut placements = Vec::with_capacity(versions.len());
        for version in &versions {
            placements.push(place(ledger, given, artifact, &schema, version).await?);
        }
        ledger.flush().await?;
        ledger.place_anew(&placements).await?;
    }
    let granularity = given.granularity.map(Granularity::as_str);
    ledger.retire_partitions(artifact.id, &given.keys, granularity).await?;
    ledger.forget_placements();
    Ok(())
}

fn partition_key(schema: &Schema, version: &PlacedVersion) -> Option<PartitionKey> {
    match schema.place(&version.values, version.time) {
        Place::In(key) => Some(key),
        _ => None,
    }
}

async fn place(
    ledger: &mut Ledger,
    given: &PreparedDeclaration,
    artifact: &artifact::Model,
    schema: &Schema,
    version: &PlacedVersion,
) -> Result<Placement, StoreError> {
    let (partition, schema_mismatch) = match schema.place(&version.values, version.time) {
        Place::Unpartitioned => (None, None),
        Place::Mismatch(why) => (None, Some(why)),
        Place::In(key) => (
            Some(partition_or_new(ledger, artifact, &given.artifact, &key).await?),
            None,
        ),
    };
    Ok(Placement {
        version: version.id,
        window_start: partition.as_ref().map_or(entity::NO_TIME, |p| p.window_start),
        partition_id: partition.map(|p| p.id),
        schema_mismatch,
    })
}
