//! Versions that events describe: their facets add up, and they are there as soon as a run has made them.

use entity::{ExecutionId, NEVER, NO_TIME, VersionId, version};

use super::apply::{ApplyError, artifact_or_new, version_or_placeholder};
use super::event::{named, read};
use super::place::{Place, Schema};
use super::prepare::{Mode, PreparedVersion};
use super::rejection::{Rejection, RejectionCode};
use super::symlink::{kept_name, load_names};
use super::version::{given_values, note_what_it_brings, partition_or_new, produce};
use crate::domain::json;
use crate::domain::openlineage::{Dataset, DatasetMeaning, DatasetStory, Facets, RunStory, Use, to_json};
use crate::store::StoreError;
use crate::store::ledger::Ledger;

/// Records what is said of a version, by somebody who said `before` of it until now. A version that a record created stays as
/// it is.
pub async fn describe(
    ledger: &mut Ledger,
    said: &DatasetMeaning,
    before: Option<&DatasetMeaning>,
) -> Result<VersionId, ApplyError> {
    let (artifact, name) = named(&said.dataset, &said.version);
    let row = version_or_placeholder(ledger, &artifact, &name);
    let id = row.id;
    let is_produced = row.produced_revision != NEVER;
    if said.created_at.is_none() {
        return Ok(id);
    }
    if !is_produced {
        let given = prepared(said)?;
        let (row, _) = produce(ledger, &given, Mode::Ingest).await?;
        let row = version::Model {
            is_described: true,
            ..row
        };
        ledger.versions.put(name.digest, row);
    } else if row.is_described {
        // What was only announced was not yet said of the version.
        let before = before.filter(|before| before.created_at.is_some());
        add_up(ledger, row, said, before).await?;
    }
    Ok(id)
}

fn prepared(said: &DatasetMeaning) -> Result<PreparedVersion, StoreError> {
    let (artifact, version) = named(&said.dataset, &said.version);
    Ok(PreparedVersion {
        artifact,
        version,
        values: said.partition.clone(),
        time: None,
        location: said.location.clone(),
        data_type: said.data_type.clone(),
        description: said.description.clone(),
        metadata: stored(&said.metadata),
        card: None,
        created_at: said.created_at,
    })
}

fn stored(facets: &Facets) -> Option<String> {
    (!facets.is_empty()).then(|| to_json(facets))
}

/// Adds what is said to what others have said of the same version. What makes it another thing, its schema or its partition, they
/// must agree on; of other facets the one that was said last holds, which [`agree`] settles at the end of the transaction.
async fn add_up(
    ledger: &mut Ledger,
    row: version::Model,
    said: &DatasetMeaning,
    before: Option<&DatasetMeaning>,
) -> Result<(), ApplyError> {
    let given = prepared(said)?;
    let values = given_values(&given);
    let values_before = before.map(prepared).transpose()?.as_ref().map(given_values);
    if values != row.given_values && values_before.as_ref() != Some(&row.given_values) {
        return Err(contradiction(said, "partition").into());
    }
    let known: Facets = match &row.metadata {
        Some(text) => json::read(text).map_err(|e| StoreError::Inconsistent(format!("metadata: {e}")))?,
        None => Facets::new(),
    };
    let is_shared = before.is_none_or(|before| before.metadata != known);
    if is_shared {
        ledger.unsettled.shared.insert(row.id);
    }
    let metadata = add_facets(known, said, before)?;
    let text = |known: &Option<String>, said: &Option<String>, before: Option<&Option<String>>| {
        if known.is_none() || before == Some(known) {
            said.clone()
        } else {
            known.clone()
        }
    };
    let created_at = said.created_at.map_or(row.created_at, |at| at.0.min(row.created_at));
    let data_type = text(&row.data_type, &said.data_type, before.map(|b| &b.data_type));
    let description = text(&row.description, &said.description, before.map(|b| &b.description));
    let changed = version::Model {
        metadata: stored(&metadata),
        data_type,
        description,
        created_at,
        ..row.clone()
    };
    let changed = if values == row.given_values {
        changed
    } else {
        moved(ledger, changed, &given).await?
    };
    if changed != row {
        if changed.created_at < row.created_at || changed.partition_id != row.partition_id {
            ledger.note_produced(row.artifact_id, created_at);
            // Inputs that were at it may belong at one that is later than it is now.
            ledger.note_produced(row.artifact_id, row.created_at);
        }
        ledger.versions.put(given.version.digest, changed);
    }
    Ok(())
}

/// Makes of versions of which several speak what all of them say, whoever spoke first.
pub async fn agree(ledger: &mut Ledger, versions: &[VersionId]) -> Result<(), StoreError> {
    if versions.is_empty() {
        return Ok(());
    }
    let producers = ledger.load_producers(versions).await?;
    for digest in ledger.load_versions_by_id(versions).await? {
        let Some(row) = ledger.versions.get(&digest).cloned() else {
            continue;
        };
        let artifacts = ledger.artifacts_by_id(&[row.artifact_id]).await?;
        let Some(artifact) = artifacts.into_iter().next() else {
            continue;
        };
        let dataset = Dataset {
            namespace: artifact.project,
            name: artifact.name,
        };
        let runs = producers
            .iter()
            .filter(|(version, _)| *version == row.id)
            .map(|(_, run)| *run);
        let said = all_said(ledger, &dataset, &row, &runs.collect::<Vec<_>>()).await?;
        let all = DatasetMeaning::of_all(&dataset, &row.version, &said);
        let agreed = version::Model {
            metadata: stored(&all.metadata),
            data_type: all.data_type,
            description: all.description,
            ..row.clone()
        };
        if agreed != row && !said.is_empty() {
            ledger.versions.put(digest, agreed);
        }
    }
    Ok(())
}

/// What runs, and events about the dataset itself, say of a version.
async fn all_said(
    ledger: &mut Ledger,
    dataset: &Dataset,
    row: &version::Model,
    runs: &[ExecutionId],
) -> Result<Vec<Use>, StoreError> {
    let mut said = Vec::new();
    for run in runs {
        let Some(stored) = ledger.run_stories.get(run) else {
            continue;
        };
        let story: RunStory = read(Some(&stored.story))?;
        load_names(ledger, &[&story]).await?;
        let is_it = |name: &Dataset| kept_name(ledger, name).is_ok_and(|kept| kept == *dataset);
        said.extend(story.said_of(&row.version, is_it));
    }
    ledger.load_dataset_stories(&[row.artifact_id]).await?;
    let stored = ledger.dataset_stories.get(&row.artifact_id);
    let story: DatasetStory = read(stored.map(|row| row.story.as_str()))?;
    said.extend(story.uses.versions.get(&row.version).cloned());
    Ok(said)
}

fn add_facets(mut known: Facets, said: &DatasetMeaning, before: Option<&DatasetMeaning>) -> Result<Facets, Rejection> {
    let own = |name: &str| before.and_then(|before| before.metadata.get(name));
    known.retain(|name, facet| said.metadata.contains_key(name) || own(name) != Some(facet));
    for (name, facet) in &said.metadata {
        match known.get(name) {
            Some(other) if other == facet => {}
            Some(other) if own(name) != Some(other) => {
                if name == "schema" {
                    return Err(contradiction(said, "schema"));
                }
            }
            _ => drop(known.insert(name.clone(), facet.clone())),
        }
    }
    Ok(known)
}

fn contradiction(said: &DatasetMeaning, what: &str) -> Rejection {
    let message = format!(
        "The version {:?} of {:?} is there with another {what}, which somebody else said of it: the first stays; give what is new another version.",
        said.version, said.dataset.name
    );
    Rejection::new(RejectionCode::Conflict, format!("outputs.{what}"), message)
}

/// The row in another partition.
async fn moved(
    ledger: &mut Ledger,
    row: version::Model,
    given: &PreparedVersion,
) -> Result<version::Model, StoreError> {
    let (artifact, _) = artifact_or_new(ledger, &given.artifact);
    let place = Schema::of(&artifact, ledger.keys_of(artifact.id))?.place(&given.values, None);
    note_what_it_brings(ledger, &given.artifact, &artifact, given);
    let (partition, schema_mismatch) = match place {
        Place::Unpartitioned => (None, None),
        Place::Mismatch(why) => (None, Some(why)),
        Place::In(key) => (
            Some(partition_or_new(ledger, &artifact, &given.artifact, &key).await?),
            None,
        ),
    };
    Ok(version::Model {
        window_start: partition.as_ref().map_or(NO_TIME, |partition| partition.window_start),
        partition_id: partition.map(|partition| partition.id),
        schema_mismatch,
        given_values: given_values(given),
        ..row
    })
}
