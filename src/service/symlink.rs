//! Other names of datasets. Names that symlinks connect are of one dataset, which is kept under one of them: the first, in the order
//! of namespaces and names, of those that have symlinks of their own. So it does not matter in which order they are heard of;
//! when a name turns out late to be of another dataset, what was recorded under it moves there.

use std::collections::{BTreeMap, BTreeSet};

use entity::{ArtifactId, NEVER, artifact, dataset_name, symlink};

use super::apply::{ApplyError, artifact_or_new};
use super::describe::Occasion;
use super::event::{change, describe_versions, load_changed, load_dataset};
use super::prepare::{Artifact, known_artifact};
use super::story::{self, read};
use crate::domain::key::Digest;
use crate::domain::openlineage::{Dataset, Event, Extent, Meaning, RunStory};
use crate::store::StoreError;
use crate::store::ledger::{Ledger, Needs};

/// What two names that are of one dataset are found by.
pub fn pair(alias: &Dataset, dataset: &Dataset) -> Digest {
    let parts = [&alias.namespace, &alias.name, &dataset.namespace, &dataset.name];
    Digest::of(b"symlink", &parts.map(String::as_str))
}

/// The name under which a dataset is kept.
pub fn kept_name(ledger: &Ledger, dataset: &Dataset) -> Result<Dataset, StoreError> {
    match ledger.names.get(&dataset.key().digest()) {
        Some(row) => of_json(&row.dataset),
        None => Ok(dataset.clone()),
    }
}

/// The same of some datasets, for who asks again and again; of others it answers their own names.
pub fn kept_names<'a>(
    ledger: &Ledger,
    datasets: impl Iterator<Item = &'a Dataset>,
) -> Result<impl Fn(&Dataset) -> Dataset, StoreError> {
    let names = datasets.map(|dataset| Ok((dataset, kept_name(ledger, dataset)?)));
    let names = names.collect::<Result<BTreeMap<_, _>, StoreError>>()?;
    Ok(move |dataset: &Dataset| names.get(dataset).unwrap_or(dataset).clone())
}

/// What a story means, with datasets under the names under which they are kept. The names must have been loaded.
pub fn meaning(ledger: &Ledger, story: &RunStory) -> Result<Meaning, StoreError> {
    meaning_of(ledger, story, &Extent::All)
}

/// The same of a part of what was read and written.
pub fn meaning_of(ledger: &Ledger, story: &RunStory, extent: &Extent) -> Result<Meaning, StoreError> {
    let said = story.inputs.keys().chain(story.outputs.keys());
    Ok(story.meaning_of(extent, kept_names(ledger, said)?))
}

/// Reads under which names the datasets of stories are kept.
pub async fn load_names(ledger: &mut Ledger, stories: &[&RunStory]) -> Result<(), StoreError> {
    let named = stories
        .iter()
        .flat_map(|story| story.inputs.keys().chain(story.outputs.keys()));
    let digests: BTreeSet<Digest> = named.map(|dataset| dataset.key().digest()).collect();
    ledger.load_names(digests.into_iter()).await
}

fn of_json(text: &str) -> Result<Dataset, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Inconsistent(format!("a name of a dataset: {e}")))
}

fn to_json(dataset: &Dataset) -> Result<String, StoreError> {
    serde_json::to_string(dataset).map_err(|e| StoreError::Inconsistent(format!("a name of a dataset: {e}")))
}

/// Takes in the other names that an event tells, before what it says of the datasets.
pub async fn learn(ledger: &mut Ledger, event: &Event) -> Result<(), ApplyError> {
    let mut news: Vec<(Digest, symlink::Model)> = Vec::new();
    let mut named = BTreeSet::new();
    for mention in event.mentions() {
        for (alias, kind) in mention.symlinks() {
            let digest = pair(&alias, &mention.dataset);
            if ledger.symlinks.get(&digest).is_none() && named.insert(digest) {
                let row = symlink::Model {
                    id: ledger.next_event_id(),
                    digest: digest.to_vec(),
                    alias_digest: alias.key().digest().to_vec(),
                    dataset_digest: mention.dataset.key().digest().to_vec(),
                    alias: to_json(&alias)?,
                    dataset: to_json(&mention.dataset)?,
                    kind,
                    revision: ledger.revision(),
                };
                news.push((digest, row));
            }
        }
    }
    if news.is_empty() {
        return Ok(());
    }
    // Nothing of this event is in the ledger yet, so that it may flush.
    ledger.flush().await?;
    let mut names: BTreeSet<Digest> = BTreeSet::new();
    for (digest, row) in news {
        names.extend(Digest::from_slice(&row.dataset_digest));
        ledger.symlinks.put(digest, row);
    }
    while let Some(one) = names.pop_first() {
        let family = Family::of(ledger, one).await?;
        names.retain(|other| !family.names.contains_key(other));
        unite(ledger, family).await?;
    }
    Ok(())
}

/// Names that are of one dataset.
struct Family {
    /// All of them, by the digest of the key that they make.
    names: BTreeMap<Digest, Dataset>,
    /// The one under which it is kept.
    kept: Dataset,
}

impl Family {
    /// All names that symlinks connect with one.
    async fn of(ledger: &Ledger, one: Digest) -> Result<Self, StoreError> {
        let mut names = BTreeMap::new();
        let mut with_symlinks = BTreeSet::new();
        let mut asked = BTreeSet::from([one]);
        let mut next = asked.clone();
        while !next.is_empty() {
            for row in symlinks_of(ledger, &std::mem::take(&mut next)).await? {
                let (alias, dataset) = (of_json(&row.alias)?, of_json(&row.dataset)?);
                with_symlinks.insert(dataset.clone());
                for name in [alias, dataset] {
                    let digest = name.key().digest();
                    names.insert(digest, name);
                    if asked.insert(digest) {
                        next.insert(digest);
                    }
                }
            }
        }
        let kept = with_symlinks.pop_first();
        let kept = kept.ok_or_else(|| StoreError::Inconsistent("a symlink without a dataset".to_owned()))?;
        Ok(Self { names, kept })
    }
}

/// The pairs that names are in: those in the database, and those that have just been heard of.
async fn symlinks_of(ledger: &Ledger, names: &BTreeSet<Digest>) -> Result<Vec<symlink::Model>, StoreError> {
    let digests: Vec<Digest> = names.iter().copied().collect();
    let mut rows = ledger.symlinks_of(&digests).await?;
    let is_one = |digest: &[u8]| Digest::from_slice(digest).is_some_and(|digest| names.contains(&digest));
    let has_one = |row: &&symlink::Model| is_one(&row.alias_digest) || is_one(&row.dataset_digest);
    rows.extend(ledger.symlinks.unsaved().filter(has_one).cloned());
    Ok(rows)
}

/// Keeps a family under its one name, and moves there what was recorded under others.
async fn unite(ledger: &mut Ledger, family: Family) -> Result<(), ApplyError> {
    let mut needs = Needs::default();
    needs.artifacts.extend(family.names.keys().copied());
    ledger.load(&needs).await?;
    ledger.load_names(family.names.keys().copied()).await?;
    let artifact = known_artifact(family.kept.key());
    load_dataset(ledger, &artifact).await?;
    let (owner, _) = artifact_or_new(ledger, &artifact);
    let members = family.names.keys().filter_map(|digest| ledger.artifacts.get(digest));
    let others: Vec<artifact::Model> = members.filter(|row| row.id != owner.id).cloned().collect();
    let moving: Vec<ArtifactId> = others.iter().map(|row| row.id).collect();
    let runs = ledger.load_runs_of(&moving).await?;
    let before = meanings(ledger, &runs).await?;
    rename(ledger, &family, owner.id)?;
    let after = meanings(ledger, &runs).await?;
    for ((digest, is), (_, was)) in after.into_iter().zip(before) {
        if let Some(id) = ledger.executions.get(&digest).map(|row| row.id) {
            load_changed(ledger, [&was, &is]).await?;
            change(ledger, id, digest, [&was, &is], None).await?;
        }
    }
    for row in others {
        merge_stories(ledger, &family, &artifact, &row).await?;
        ledger.unsettled.merging.insert(row.id);
    }
    Ok(())
}

/// What runs mean now, under the names that are kept.
async fn meanings(ledger: &mut Ledger, runs: &[Digest]) -> Result<Vec<(Digest, Meaning)>, StoreError> {
    let mut meanings = Vec::with_capacity(runs.len());
    for digest in runs {
        let Some(id) = ledger.executions.get(digest).map(|row| row.id) else {
            continue;
        };
        let Some(stored) = ledger.run_stories.get(&id) else {
            continue;
        };
        let mut story: RunStory = read(Some(&stored.story))?;
        load_names(ledger, &[&story]).await?;
        story::take_in_all(ledger, id, &mut story).await?;
        meanings.push((*digest, meaning(ledger, &story)?));
    }
    Ok(meanings)
}

/// Notes which artifact every name of a family is of; the kept one needs no note, unless it was not always the kept one.
fn rename(ledger: &mut Ledger, family: &Family, artifact_id: ArtifactId) -> Result<(), StoreError> {
    let kept = to_json(&family.kept)?;
    for (digest, name) in &family.names {
        let known = ledger.names.get(digest);
        let is_noted = known.is_some_and(|known| known.artifact_id == artifact_id);
        if is_noted || known.is_none() && *name == family.kept {
            continue;
        }
        let row = dataset_name::Model {
            id: ledger.next_event_id(),
            digest: digest.to_vec(),
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            artifact_id,
            dataset: kept.clone(),
            revision: ledger.revision(),
            ended_revision: NEVER,
        };
        ledger.rename(*digest, row);
    }
    Ok(())
}

/// Moves what events about a dataset said to the artifact that it turned out to be.
async fn merge_stories(
    ledger: &mut Ledger,
    family: &Family,
    to: &Artifact,
    from: &artifact::Model,
) -> Result<(), ApplyError> {
    ledger.load_dataset_stories(&[from.id]).await?;
    if ledger.dataset_stories.get(&from.id).is_none() {
        return Ok(());
    }
    let other = story::whole_dataset_story(ledger, from.id).await?;
    let (owner, _) = artifact_or_new(ledger, to);
    let mut story = story::whole_dataset_story(ledger, owner.id).await?;
    let was = story.versions(&family.kept);
    story.extend(&other);
    let by = Occasion { event: None, run: None };
    describe_versions(ledger, to, [&was, &story.versions(&family.kept)], by).await?;
    let left: Vec<_> = other.uses.versions().into_keys().map(str::to_owned).collect();
    ledger.leave_versions(from.id, &left).await?;
    story::keep_dataset(ledger, owner.id, &story)?;
    story::empty_dataset(ledger, from.id, &other)?;
    Ok(())
}
