//! Creating and deleting versions (rules 2, 4, 6 to 9).

use entity::{NEVER, NO_TIME, artifact, partition, partition_value, version};

use super::apply::{ApplyError, artifact_or_new, unproduced, version_or_placeholder};
use super::content::values_text;
use super::describe::add_record;
use super::place::{Place, Schema};
use super::prepare::{Artifact, Mode, PreparedVersion, VersionName};
use super::rejection::{NodeRef, Rejection, RejectionCode, Touched, Verdict};
use crate::domain::partition::PartitionKey;
use crate::store::StoreError;
use crate::store::ledger::Ledger;

/// Creates a version given by itself.
pub async fn create(ledger: &mut Ledger, given: &PreparedVersion, mode: Mode) -> Result<Verdict, ApplyError> {
    let was_there = produced(ledger, given).is_some();
    let (row, is_news) = produce(ledger, given, mode).await.map_err(|e| within(e, "version"))?;
    let touched = Touched {
        created: !was_there,
        ..Touched::known(NodeRef::Version(row.id))
    };
    Ok(if is_news {
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

/// Records what is given of a version; and whether that is news. What events say of the version stays beside it.
pub async fn produce(
    ledger: &mut Ledger,
    given: &PreparedVersion,
    mode: Mode,
) -> Result<(version::Model, bool), ApplyError> {
    if let Some(row) = produced(ledger, given) {
        if row.is_described {
            return add_record(ledger, row.clone(), given, mode).await;
        }
        same(row, given)?;
        return Ok((row.clone(), false));
    }
    let (artifact, _) = artifact_or_new(ledger, &given.artifact);
    let place = own_place(ledger, &artifact, given, mode)?;
    note_what_it_brings(
        ledger,
        &given.artifact,
        &artifact,
        given.values.keys(),
        given.time.is_some(),
    );
    let row = fill(ledger, &artifact, given, place).await?;
    ledger.versions.put(given.version.digest, row.clone());
    Ok((row, true))
}

/// The row of a version that has been produced.
fn produced<'a>(ledger: &'a Ledger, given: &PreparedVersion) -> Option<&'a version::Model> {
    let row = ledger.versions.get(&given.version.digest);
    row.filter(|row| row.produced_revision != NEVER)
}

/// Where a version belongs by what is given; one whose answer somebody reads is refused where it does not fit.
pub fn own_place(
    ledger: &Ledger,
    artifact: &artifact::Model,
    given: &PreparedVersion,
    mode: Mode,
) -> Result<Place, ApplyError> {
    let place = Schema::of(artifact, ledger.keys_of(artifact.id))?.place(&given.values, given.time);
    match (&place, mode) {
        (Place::Mismatch(why), Mode::Direct) => {
            Err(Rejection::new(RejectionCode::BadUserInput, "partition", why.clone()).into())
        }
        _ => Ok(place),
    }
}

/// Refuses content that differs from what a record said before.
pub fn same(row: &version::Model, given: &PreparedVersion) -> Result<(), Rejection> {
    difference(row, given).map_or(Ok(()), |field| Err(conflict(given, field)))
}

/// The first field in which a version's content differs from what is given, or none. A deleted version has lost
/// its location, metadata and card, so these are not compared; nor is a creation time that either side left open.
fn difference(row: &version::Model, given: &PreparedVersion) -> Option<&'static str> {
    let kept = row.deleted_revision == NEVER;
    let created_at = row
        .created_at_given
        .then_some(row.created_at)
        .zip(given.created_at.map(|t| t.0));
    let comparisons = [
        ("partition", row.given_values == values_text(&given.values)),
        ("timePartition", row.given_time == given.time.map(|t| t.0)),
        ("type", row.data_type == given.data_type),
        ("description", row.description == given.description),
        ("createdAt", created_at.is_none_or(|(stored, given)| stored == given)),
        ("location", !kept || row.location == given.location),
        ("metadata", !kept || row.metadata == given.metadata),
        ("card", !kept || row.card == given.card),
    ];
    comparisons.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
}

/// Refuses a version that is there with another content.
pub fn conflict(given: &PreparedVersion, field: &str) -> Rejection {
    let message = format!(
        "The version {:?} is there with another {field}: a version never changes, so give the new content another version.",
        given.version.name
    );
    Rejection::new(RejectionCode::Conflict, field, message)
}

/// An artifact that is not declared has the keys and the time partition that its versions bring.
pub fn note_what_it_brings<'a>(
    ledger: &mut Ledger,
    key: &Artifact,
    artifact: &artifact::Model,
    keys: impl Iterator<Item = &'a String> + Clone,
    has_time: bool,
) {
    if artifact.declared_revision != NEVER {
        return;
    }
    let seen = ledger.keys_of(artifact.id);
    let fresh = keys.clone().filter(|k| !seen.contains(*k));
    if seen.len() + fresh.count() <= crate::domain::key::PARTITION_KEYS {
        for key in keys {
            ledger.add_key(artifact.id, key);
        }
    }
    if has_time && artifact.time_seen_revision == NEVER {
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
        given_values: values_text(&given.values),
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
    let touched = Touched::known(NodeRef::Version(row.id));
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
