//! What is settled at the end of a transaction: which versions floating inputs are at, and which versions nothing names any more.

use std::collections::{BTreeMap, BTreeSet};

use entity::{ArtifactId, ExecutionId, NEVER, VersionId, artifact, edge, floating_input, version};

use super::alias::move_to;
use super::apply::{is_merged, placeholder_of, version_or_placeholder};
use super::describe::{agree, of_row};
use super::prepare::{Artifact, known_version};
use crate::domain::key::Digest;
use crate::store::StoreError;
use crate::store::ledger::{Ledger, Needs, Unsettled};

/// Settles what the records of a transaction have left. A version that goes may leave inputs behind, so this is done until nothing is left.
pub async fn settle(ledger: &mut Ledger) -> Result<(), StoreError> {
    let mut merged = BTreeSet::new();
    while ledger.knows_events() {
        let Unsettled {
            produced,
            mut floating,
            left,
            shared,
            merging,
        } = std::mem::take(&mut ledger.unsettled);
        merged.extend(merging);
        if produced.is_empty() && floating.is_empty() && left.is_empty() && shared.is_empty() {
            break;
        }
        ledger.flush().await?;
        let silent = agree(ledger, &shared.into_iter().collect::<Vec<_>>()).await?;
        ledger.flush().await?;
        floating.extend(ledger.load_floating_past(&produced).await?);
        move_inputs(ledger, &floating).await?;
        let left: Vec<VersionId> = left
            .into_iter()
            .chain(std::mem::take(&mut ledger.unsettled.left))
            .chain(silent.iter().copied())
            .collect();
        let_go(ledger, left, &silent).await?;
    }
    merge(ledger, merged).await
}

/// Takes artifacts for others, under other names. One that still has versions stays, and one that was declared: records speak of it
/// by its own name.
async fn merge(ledger: &mut Ledger, artifacts: BTreeSet<ArtifactId>) -> Result<(), StoreError> {
    if artifacts.is_empty() {
        return Ok(());
    }
    ledger.flush().await?;
    let ids: Vec<ArtifactId> = artifacts.into_iter().collect();
    for row in ledger.artifacts_by_id(&ids).await? {
        let is_declared = row.declared_revision != NEVER;
        if is_declared || is_merged(&row) || ledger.has_versions(row.id).await? {
            continue;
        }
        let artifact = of_row(row.clone());
        // An event that was refused after all may have asked for it.
        ledger.load_names(std::iter::once(artifact.digest)).await?;
        let owner = ledger.names.get(&artifact.digest).map(|name| name.artifact_id);
        if owner.is_none_or(|owner| owner == row.id) {
            continue;
        }
        let mut needs = Needs::default();
        needs.artifacts.insert(artifact.digest);
        ledger.load(&needs).await?;
        let merged = artifact::Model {
            merged_revision: ledger.revision(),
            returned_revision: NEVER,
            ..row
        };
        ledger.artifacts.put(artifact.digest, merged);
    }
    Ok(())
}

/// Puts every input at the version where it belongs.
async fn move_inputs(ledger: &mut Ledger, inputs: &BTreeSet<Digest>) -> Result<(), StoreError> {
    let rows = inputs
        .iter()
        .filter_map(|digest| Some((*digest, ledger.floating.get(digest)?.clone())));
    let rows: Vec<(Digest, floating_input::Model)> = rows.filter(|(_, row)| !row.is_gone).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let executions: BTreeSet<ExecutionId> = rows.iter().map(|(_, row)| row.execution_id).collect();
    ledger
        .load_edges_of(&executions.into_iter().collect::<Vec<_>>())
        .await?;
    let ids: Vec<i64> = rows.iter().map(|(_, row)| row.id).collect();
    let targets = ledger.floating_targets(&ids).await?;
    let unknown = rows
        .iter()
        .filter(|(_, row)| targets.get(&row.id).is_none_or(Option::is_none));
    let placeholders = placeholders(ledger, unknown.map(|(_, row)| row)).await?;
    for (digest, row) in rows {
        let target = match targets.get(&row.id).copied().flatten() {
            Some(version) => version,
            None => placeholder(ledger, &placeholders, &row)?,
        };
        if row.version_id == Some(target) {
            continue;
        }
        if let Some(version) = row.version_id {
            ledger.end_edge(row.execution_id, edge::INPUT, &row.name, version);
        }
        ledger.add_edge(row.execution_id, edge::INPUT, &row.name, target);
        let moved = floating_input::Model {
            version_id: Some(target),
            ..row
        };
        ledger.floating.put(digest, moved);
    }
    Ok(())
}

/// The artifacts of inputs that nobody is known to have produced, with the placeholders read.
async fn placeholders(
    ledger: &mut Ledger,
    rows: impl Iterator<Item = &floating_input::Model>,
) -> Result<BTreeMap<ArtifactId, Artifact>, StoreError> {
    let rows: Vec<&floating_input::Model> = rows.collect();
    let ids: BTreeSet<ArtifactId> = rows.iter().map(|row| row.artifact_id).collect();
    let found = ledger.artifacts_by_id(&ids.into_iter().collect::<Vec<_>>()).await?;
    let artifacts: BTreeMap<ArtifactId, Artifact> = found.into_iter().map(|row| (row.id, of_row(row))).collect();
    let mut needs = Needs::default();
    for row in rows {
        if let Some(artifact) = artifacts.get(&row.artifact_id) {
            needs.artifacts.insert(artifact.digest);
            needs.versions.insert(known_version(artifact, &row.placeholder).digest);
        }
    }
    ledger.load(&needs).await?;
    Ok(artifacts)
}

fn placeholder(
    ledger: &mut Ledger,
    artifacts: &BTreeMap<ArtifactId, Artifact>,
    input: &floating_input::Model,
) -> Result<VersionId, StoreError> {
    let artifact = artifacts.get(&input.artifact_id);
    let artifact = artifact.ok_or_else(|| StoreError::Inconsistent(format!("the artifact of input {}", input.id)))?;
    let name = known_version(artifact, &input.placeholder);
    Ok(version_or_placeholder(ledger, artifact, &name).id)
}

/// Lets go of versions that have lost an edge: of those of which nobody speaks any more, their content; of what nothing names any
/// more, itself.
async fn let_go(ledger: &mut Ledger, left: Vec<VersionId>, silent: &BTreeSet<VersionId>) -> Result<(), StoreError> {
    if left.is_empty() {
        return Ok(());
    }
    ledger.flush().await?;
    let holders = ledger.holders(&left).await?;
    let stays = ledger.stays_at(&left).await?;
    let standing = stays.iter().filter(|stay| stay.ended_revision == NEVER);
    let standing: BTreeSet<VersionId> = standing.map(|stay| stay.version_id).collect();
    let aliased: BTreeSet<VersionId> = stays.iter().map(|stay| stay.version_id).collect();
    let mut unproduced = Vec::new();
    for digest in ledger.load_versions_by_id(&left).await? {
        let Some(row) = ledger.versions.get(&digest).cloned() else {
            continue;
        };
        let id = row.id;
        let is_deleted = row.deleted_revision != NEVER;
        let is_held = holders.named.contains(&id) || holders.produced.contains(&id);
        if silent.contains(&id) {
            // Where an alias has ended, the row that is withdrawn tells so.
            let is_named = is_held || standing.contains(&id);
            unproduced.push((digest, row.clone(), is_named && !is_deleted));
            if is_deleted {
                let tombstone = without_content(ledger, &row);
                ledger.versions.put(digest, tombstone);
                continue;
            }
        } else if row.produced_revision != NEVER
            || is_deleted
            || is_held
            || aliased.contains(&id)
            || holders.floated.contains(&id)
        {
            continue;
        }
        ledger.withdraw(digest, &row);
    }
    let ids: Vec<VersionId> = unproduced.iter().map(|(_, row, _)| row.id).collect();
    let adrift = ledger.load_floating_at(&ids).await?;
    ledger.unsettled.floating.extend(adrift);
    for (digest, row, is_named) in unproduced {
        if is_named {
            name_again(ledger, digest, row).await?;
        }
    }
    Ok(())
}

/// The row of a deleted version of which only its deletion speaks any more.
fn without_content(ledger: &Ledger, row: &version::Model) -> version::Model {
    version::Model {
        revision: row.revision,
        deleted_revision: row.deleted_revision,
        created_at: row.created_at,
        named_at: row.named_at.or(Some(ledger.recorded_at().0)),
        ..placeholder_of(row.id, row, ledger)
    }
}

/// Puts a placeholder in the place of a version that has lost its content: those who name it go on to name that.
async fn name_again(ledger: &mut Ledger, digest: Digest, row: version::Model) -> Result<(), StoreError> {
    let id = ledger.next_version_id();
    ledger.versions.put(digest, placeholder_of(id, &row, ledger));
    ledger.flush().await?;
    ledger.move_edges(row.id, id).await?;
    for stay in ledger.load_aliases_of(row.id).await? {
        move_to(ledger, stay, id);
    }
    Ok(())
}
