//! Creating and deleting versions (rules 2, 4, 6 to 9).

use entity::{NEVER, NO_TIME, artifact, partition, partition_value, version};

use super::apply::{ApplyError, artifact_or_new, unproduced, version_or_placeholder};
use super::place::{Place, Schema};
use super::prepare::{Artifact, Mode, PreparedVersion, VersionName};
use super::rejection::{NodeRef, Rejection, RejectionCode, Touched, Verdict};
use crate::domain::partition::PartitionKey;
use crate::store::StoreError;
use crate::store::ledger::Ledger;

/// Creates a version given by itself.
pub async fn create(ledger: &mut Ledger, given: &PreparedVersion, mode: Mode) -> Result<Verdict, ApplyError> {
    let (row, created) = produce(ledger, given, mode).await.map_err(|e| within(e, "version"))?;
    let touched = Touched {
        node: NodeRef::Version(row.id),
        created,
        previous: None,
    };
    Ok(if created {
        Verdict::Applied(touched)
    } else {
        Verdict::Unchanged(touched)
    })
}

/// Puts an argument's complaint where it stands in the record.
pub fn within(error: ApplyError, outer: &str) -> ApplyError {
    match error {
        ApplyError::Rejected(rejection) => ApplyError::Rejected(rejection.within(outer)),
        store => store,
    }
}

/// Records a version's content, unless it is there already; and whether it was not.
pub async fn produce(
    ledger: &mut Ledger,
    given: &PreparedVersion,
    mode: Mode,
) -> Result<(version::Model, bool), ApplyError> {
    if let Some(row) = ledger.versions.get(&given.version.digest)
        && row.produced_revision != NEVER
    {
        return match difference(row, given) {
            None => Ok((row.clone(), false)),
            Some(field) => Err(conflict(given, field).into()),
        };
    }
    let (artifact, _) = artifact_or_new(ledger, &given.artifact);
    let place = Schema::of(&artifact, ledger.keys_of(artifact.id))?.place(&given.values, given.time);
    if let (Place::Mismatch(why), Mode::Direct) = (&place, mode) {
        return Err(Rejection::new(RejectionCode::BadUserInput, "partition", why.clone()).into());
    }
    note_what_it_brings(ledger, &given.artifact, &artifact, given);
    let row = fill(ledger, &artifact, given, place).await?;
    ledger.versions.put(given.version.digest, row.clone());
    Ok((row, true))
}

/// The first field in which a version's content differs from what is given, or none. A deleted version has lost
/// its location, metadata and card, so these are not compared; nor is a creation time that either side left open, nor what a
/// record leaves open of a version that events describe, since they say things of it that no record would.
fn difference(row: &version::Model, given: &PreparedVersion) -> Option<&'static str> {
    let kept = row.deleted_revision == NEVER;
    let created_at = row
        .created_at_given
        .then_some(row.created_at)
        .zip(given.created_at.map(|t| t.0));
    let same =
        |stored: &Option<String>, given: &Option<String>| stored == given || (row.is_described && given.is_none());
    let comparisons = [
        ("partition", same(&row.given_values, &given_values(given))),
        ("timePartition", row.given_time == given.time.map(|t| t.0)),
        ("type", same(&row.data_type, &given.data_type)),
        ("description", same(&row.description, &given.description)),
        ("createdAt", created_at.is_none_or(|(stored, given)| stored == given)),
        ("location", !kept || same(&row.location, &given.location)),
        ("metadata", !kept || same(&row.metadata, &given.metadata)),
        ("card", !kept || same(&row.card, &given.card)),
    ];
    comparisons.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
}

fn conflict(given: &PreparedVersion, field: &str) -> Rejection {
    let message = format!(
        "The version {:?} is there with another {field}: a version never changes, so give the new content another version.",
        given.version.name
    );
    Rejection::new(RejectionCode::Conflict, field, message)
}

/// The partition values as they are kept.
pub fn given_values(given: &PreparedVersion) -> Option<String> {
    let values = PartitionKey {
        values: given.values.clone(),
        window: None,
    };
    (!given.values.is_empty()).then(|| values.values_json())
}

/// An artifact that is not declared has the keys and the time partition that its versions bring.
pub fn note_what_it_brings(ledger: &mut Ledger, key: &Artifact, artifact: &artifact::Model, given: &PreparedVersion) {
    if artifact.declared_revision != NEVER {
        return;
    }
    let seen = ledger.keys_of(artifact.id);
    let fresh = given.values.keys().filter(|k| !seen.contains(*k));
    if seen.len() + fresh.count() <= crate::domain::key::PARTITION_KEYS {
        for key in given.values.keys() {
            ledger.add_key(artifact.id, key);
        }
    }
    if given.time.is_some() && artifact.time_seen_revision == NEVER {
        let row = artifact::Model {
            time_seen_revision: ledger.revision(),
            ..artifact.clone()
        };
        ledger.artifacts.put(key.digest, row);
    }
}

/// The row of a version with its content: a new one, or the placeholder that it fills.
async fn fill(
    ledger: &mut Ledger,
    artifact: &artifact::Model,
    given: &PreparedVersion,
    place: Place,
) -> Result<version::Model, StoreError> {
    let ordinal = ledger.next_version_id();
    let row = match ledger.versions.get(&given.version.digest) {
        Some(row) => row.clone(),
        None => unproduced(ordinal, artifact, &given.version, ledger),
    };
    let (partition_id, window_start, schema_mismatch) = match place {
        Place::Unpartitioned => (None, NO_TIME, None),
        Place::Mismatch(why) => (None, NO_TIME, Some(why)),
        Place::In(key) => {
            let partition = partition_or_new(ledger, artifact, &given.artifact, &key).await?;
            (Some(partition.id), partition.window_start, None)
        }
    };
    let row = version::Model {
        produced_revision: ledger.revision(),
        placed_revision: ledger.revision(),
        created_at: given.created_at.unwrap_or(ledger.recorded_at()).0,
        created_at_given: given.created_at.is_some(),
        ordinal: ordinal.0,
        partition_id,
        window_start,
        schema_mismatch,
        given_values: given_values(given),
        given_time: given.time.map(|t| t.0),
        location: given.location.clone(),
        data_type: given.data_type.clone(),
        description: given.description.clone(),
        metadata: given.metadata.clone(),
        card: given.card.clone(),
        ..row
    };
    ledger.note_produced(row.artifact_id, row.created_at);
    Ok(row)
}

/// The partition of an artifact with these values and this window, recorded now if it is new.
pub async fn partition_or_new(
    ledger: &mut Ledger,
    artifact: &artifact::Model,
    owner: &Artifact,
    key: &PartitionKey,
) -> Result<partition::Model, StoreError> {
    let digest = key.digest(&owner.key);
    ledger.load_partitions(std::iter::once(digest)).await?;
    if let Some(row) = ledger.partitions.get(&digest) {
        return Ok(row.clone());
    }
    let row = partition::Model {
        id: ledger.next_partition_id(),
        artifact_id: artifact.id,
        digest: digest.to_vec(),
        values: key.values_json(),
        key_count: i16::try_from(key.values.len()).unwrap_or(i16::MAX),
        window_start: key.window.map_or(NO_TIME, |w| w.start.0),
        granularity: key.window.map(|w| w.granularity.as_str().to_owned()),
        revision: ledger.revision(),
        retired_revision: NEVER,
    };
    for (name, value) in &key.values {
        ledger.add_partition_value(partition_value::Model {
            artifact_id: artifact.id,
            key: name.clone(),
            value: value.clone(),
            partition_id: row.id,
        });
    }
    ledger.partitions.put(digest, row.clone());
    Ok(row)
}

/// Leaves a tombstone, and takes the version's aliases away. What nobody has named yet gets its tombstone too, so that
/// it does not matter whether a version or its deletion comes first.
pub async fn delete(ledger: &mut Ledger, artifact: &Artifact, version: &VersionName) -> Result<Verdict, ApplyError> {
    let row = version_or_placeholder(ledger, artifact, version);
    let touched = Touched {
        node: NodeRef::Version(row.id),
        created: false,
        previous: None,
    };
    if row.deleted_revision != NEVER {
        return Ok(Verdict::Unchanged(touched));
    }
    let (id, revision) = (row.id, ledger.revision());
    ledger.versions.put(
        version.digest,
        version::Model {
            deleted_revision: revision,
            ..row
        },
    );
    for stay in ledger.load_aliases_of(id).await? {
        super::alias::end(ledger, stay);
    }
    Ok(Verdict::Applied(touched))
}
