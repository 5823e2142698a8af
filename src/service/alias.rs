//! Aliases: names that stand at one version of an artifact at a time (rule 5).

use entity::{ArtifactId, NEVER, VersionId, alias, version};

use super::apply::{ApplyError, version_or_placeholder};
use super::prepare::{Artifact, Mode, PreparedAlias};
use super::rejection::{NodeRef, Rejection, RejectionCode, Touched, Verdict};
use crate::store::ledger::Ledger;

/// Sets an alias. One that stands elsewhere moves only when that was asked for.
///
/// An event or an import that comes again does not undo what came after it: where it would be refused, although the alias
/// has stood at that version before, it is heard already.
pub async fn set(ledger: &mut Ledger, given: &PreparedAlias, mode: Mode) -> Result<Verdict, ApplyError> {
    let known = ledger.versions.get(&given.version.digest).cloned();
    let owner = ledger.artifacts.get(&given.artifact.digest).map(|owner| owner.id);
    if let Some(owner) = owner
        && let Some(refusal) = refusal(ledger, given, owner, known.as_ref())
    {
        // Nothing of this record is in the ledger yet, so that it may flush.
        let (alias, version) = (&given.alias, &given.version.name);
        let is_heard = mode == Mode::Ingest && ledger.alias_has_stood(owner, alias, version).await?;
        return match known {
            Some(row) if is_heard => Ok(Verdict::Unchanged(at(row.id))),
            None if is_heard => Ok(Verdict::Unchanged(of(owner))),
            _ => Err(refusal.into()),
        };
    }
    let version = version_or_placeholder(ledger, &given.artifact, &given.version);
    let key = (version.artifact_id, given.alias.clone());
    let standing = standing(ledger, &key);
    if standing.as_ref().is_some_and(|stay| stay.version_id == version.id) {
        return Ok(Verdict::Unchanged(at(version.id)));
    }
    let previous = standing.as_ref().map(|stay| stay.version_id);
    if let Some(stay) = standing {
        end(ledger, stay);
    }
    let stay = alias::Model {
        id: ledger.next_alias_id(),
        artifact_id: version.artifact_id,
        name: given.alias.clone(),
        version_id: version.id,
        revision: ledger.revision(),
        ended_revision: NEVER,
    };
    ledger.aliases.put(key, stay);
    Ok(Verdict::Applied(Touched {
        previous,
        created: previous.is_none(),
        ..at(version.id)
    }))
}

fn of(artifact: ArtifactId) -> Touched {
    Touched::known(NodeRef::Artifact(artifact))
}

fn at(version: VersionId) -> Touched {
    Touched::known(NodeRef::Version(version))
}

/// The stay of an alias that has not ended.
fn standing(ledger: &Ledger, key: &(ArtifactId, String)) -> Option<alias::Model> {
    ledger
        .aliases
        .get(key)
        .filter(|stay| stay.ended_revision == NEVER)
        .cloned()
}

/// Why an alias cannot be set at a version, if it cannot; the version may not be there yet.
fn refusal(
    ledger: &Ledger,
    given: &PreparedAlias,
    owner: ArtifactId,
    version: Option<&version::Model>,
) -> Option<Rejection> {
    if version.is_some_and(|version| version.deleted_revision != NEVER) {
        let message = format!(
            "The version {:?} is deleted: set the alias on another one.",
            given.version.name
        );
        return Some(Rejection::new(
            RejectionCode::FailedPrecondition,
            "alias.version",
            message,
        ));
    }
    let standing = standing(ledger, &(owner, given.alias.clone()));
    let is_elsewhere = standing.is_some_and(|stay| Some(stay.version_id) != version.map(|version| version.id));
    if is_elsewhere && !given.overwrite {
        let message = format!(
            "The alias {:?} stands at another version of this artifact: set overwrite to move it.",
            given.alias
        );
        return Some(Rejection::new(RejectionCode::Conflict, "alias.alias", message));
    }
    None
}

/// Removes an alias.
pub fn remove(ledger: &mut Ledger, artifact: &Artifact, alias: &str) -> Result<Verdict, ApplyError> {
    let Some(owner) = ledger.artifacts.get(&artifact.digest) else {
        let message = format!(
            "There is no artifact {:?} in this project and domain.",
            artifact.key.name
        );
        return Err(Rejection::new(RejectionCode::NotFound, "aliasRemoval.artifact", message).into());
    };
    let owner = owner.id;
    let key = (owner, alias.to_owned());
    let Some(stay) = ledger
        .aliases
        .get(&key)
        .filter(|stay| stay.ended_revision == NEVER)
        .cloned()
    else {
        return Ok(Verdict::Unchanged(of(owner)));
    };
    let touched = at(stay.version_id);
    end(ledger, stay);
    Ok(Verdict::Applied(touched))
}

/// Has an alias go on at another version, where the one at which it stood is withdrawn.
pub fn move_to(ledger: &mut Ledger, stay: alias::Model, version_id: VersionId) {
    let key = (stay.artifact_id, stay.name.clone());
    let next = alias::Model {
        id: ledger.next_alias_id(),
        version_id,
        revision: ledger.revision(),
        ..stay.clone()
    };
    end(ledger, stay);
    ledger.aliases.put(key, next);
}

/// Ends a stay. It keeps its place in the history, also when it was set in this very revision and nobody will see it.
pub fn end(ledger: &mut Ledger, stay: alias::Model) {
    let ended = alias::Model {
        ended_revision: ledger.revision(),
        ..stay.clone()
    };
    ledger.aliases.put((stay.artifact_id, stay.name.clone()), ended);
    ledger.end_alias(stay);
}
