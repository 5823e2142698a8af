//! Stories as they are kept: what the events about a run, or about a dataset, have come to.
//!
//! A story has what it says of the first version of a dataset in itself. What it says of others is kept apart, a row for each, and is
//! read where somebody asks for it: so an event does not write again what its run has said of all versions before.

use std::collections::{BTreeMap, BTreeSet};

use entity::{ArtifactId, ExecutionId, dataset_story, run_story, version_story};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::prepare::PreparedEvent;
use super::symlink::kept_name;
use crate::domain::json;
use crate::domain::key::Digest;
use crate::domain::openlineage::{Dataset, DatasetStory, Event, RunStory, Use, Uses};
use crate::store::StoreError;
use crate::store::ledger::Ledger;

/// A story as it is kept; nothing yet is an empty one.
pub fn read<T: DeserializeOwned + Default>(stored: Option<&str>) -> Result<T, StoreError> {
    let story = stored.map(json::read).transpose();
    let story = story.map_err(|e| StoreError::Inconsistent(format!("a story: {e}")))?;
    Ok(story.unwrap_or_default())
}

/// A story as it is to be kept.
pub fn write(story: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(story).map_err(|e| StoreError::Inconsistent(format!("a story: {e}")))
}

/// A version of a dataset that a run reads or writes, of which it is kept apart what the run says.
#[derive(Clone, Debug)]
struct Apart {
    is_written: bool,
    /// As the run names it.
    dataset: Dataset,
    version: String,
}

impl Apart {
    /// What it is found by: what one run says is in one place.
    fn digest(&self, id: ExecutionId) -> Digest {
        let Dataset { namespace, name } = &self.dataset;
        let role = if self.is_written { "written" } else { "read" };
        let parts = ["run", &id.0.to_string(), role, namespace, name, &self.version];
        Digest::of(b"version story", &parts).near(&id.0.to_be_bytes())
    }

    fn of(row: &version_story::Model) -> Result<Self, StoreError> {
        let dataset = serde_json::from_str(row.dataset.as_deref().unwrap_or_default());
        Ok(Self {
            is_written: row.is_written,
            dataset: dataset.map_err(|e| StoreError::Inconsistent(format!("a dataset of a story: {e}")))?,
            version: row.version.clone(),
        })
    }
}

/// What is kept apart of a version from the story of a dataset.
fn digest_of_version(id: ArtifactId, version: &str) -> Digest {
    let parts = ["dataset", &id.0.to_string(), version];
    Digest::of(b"version story", &parts).near(&id.0.to_be_bytes())
}

/// Reads what is kept apart of the versions that events name, in one statement for all of them. Under other names of their datasets
/// something else may be kept apart, which is read when its turn comes.
pub async fn load_named(ledger: &mut Ledger, events: impl Iterator<Item = &PreparedEvent>) -> Result<(), StoreError> {
    let mut named = BTreeSet::new();
    for PreparedEvent { event, execution, .. } in events {
        let run = execution.as_ref().and_then(|(_, digest)| ledger.executions.get(digest));
        let story = run.and_then(|row| ledger.run_stories.get(&row.id));
        if let Some(row) = story.filter(|row| may_have_apart(&row.story)) {
            named.extend(named_by(event).map(|apart| apart.digest(row.id)));
        }
        let Some(mention) = &event.dataset else { continue };
        let artifact = ledger.artifacts.get(&mention.dataset.key().digest());
        let story = artifact.and_then(|row| ledger.dataset_stories.get(&row.id));
        if let Some(row) = story.filter(|row| may_have_apart(&row.story)) {
            named.extend(mention.version().map(|version| digest_of_version(row.id, &version)));
        }
    }
    ledger.load_version_stories(named.into_iter()).await
}

/// Whether something may be kept apart from a story, as far as a glance at it tells.
fn may_have_apart(story: &str) -> bool {
    story.contains("\"of_apart\"")
}

/// The versions that an event names of what its run reads and writes.
fn named_by(event: &Event) -> impl Iterator<Item = Apart> {
    let read = event.inputs.iter().map(|mention| (false, mention));
    let written = event.outputs.iter().map(|mention| (true, mention));
    read.chain(written).filter_map(|(is_written, mention)| {
        Some(Apart {
            is_written,
            dataset: mention.dataset.clone(),
            version: mention.version()?,
        })
    })
}

/// Takes in all that is kept apart from the story of a run.
pub async fn take_in_all(ledger: &mut Ledger, id: ExecutionId, story: &mut RunStory) -> Result<(), StoreError> {
    if story.has_apart() {
        let rows = ledger.version_stories_of_run(id).await?;
        rows.iter().try_for_each(|row| take_in(story, row))?;
    }
    Ok(())
}

/// What a row of what is kept apart is to be found by; none where it does not tell.
pub fn digest_of(row: &version_story::Model) -> Option<Digest> {
    if let Some(artifact) = row.artifact_id {
        return Some(digest_of_version(artifact, &row.version));
    }
    Some(Apart::of(row).ok()?.digest(row.execution_id?))
}

/// Takes in a row of what is kept apart from the story of a run.
///
/// # Errors
/// When it cannot be read, or the story knows nothing of it.
pub fn take_in(story: &mut RunStory, row: &version_story::Model) -> Result<(), StoreError> {
    let Apart {
        is_written,
        dataset,
        version,
    } = Apart::of(row)?;
    let uses = story.uses_mut(is_written, &dataset);
    let unknown = || StoreError::Inconsistent(format!("a story without the dataset {:?}", dataset.name));
    uses.ok_or_else(unknown)?.take_in(version, read(Some(&row.story))?);
    Ok(())
}

/// Takes in what a run has said of the versions that an event names, under any names of their datasets, which must have been loaded.
pub async fn take_in_named(
    ledger: &mut Ledger,
    id: ExecutionId,
    story: &mut RunStory,
    event: &Event,
) -> Result<(), StoreError> {
    match named_apart(ledger, story, event)? {
        Some(named) => take_in_these(ledger, id, story, &named).await,
        None => take_in_all(ledger, id, story).await,
    }
}

/// What is kept apart of what an event names; none where it speaks of all versions of a dataset.
fn named_apart(ledger: &Ledger, story: &RunStory, event: &Event) -> Result<Option<Vec<Apart>>, StoreError> {
    let mut wanted = Vec::new();
    for (is_written, mentions) in [(false, &event.inputs), (true, &event.outputs)] {
        let apart = with_apart(ledger, story.uses(is_written))?;
        for mention in mentions {
            let version = mention.version();
            for (dataset, uses) in of_name(&apart, &kept_name(ledger, &mention.dataset)?) {
                let Some(version) = &version else { return Ok(None) };
                if uses.is_apart(version) {
                    wanted.push(Apart {
                        is_written,
                        dataset: dataset.clone(),
                        version: version.clone(),
                    });
                }
            }
        }
    }
    Ok(Some(wanted))
}

/// Takes in what a run has said of versions that it has written, by the names under which datasets are kept, which must have been loaded.
pub async fn take_in_written(
    ledger: &mut Ledger,
    id: ExecutionId,
    story: &mut RunStory,
    written: &[(Dataset, String)],
) -> Result<(), StoreError> {
    let mut wanted = Vec::new();
    let apart = with_apart(ledger, story.uses(true))?;
    for (kept, version) in written {
        let datasets = of_name(&apart, kept).filter(|(_, uses)| uses.is_apart(version));
        wanted.extend(datasets.map(|(dataset, _)| Apart {
            is_written: true,
            dataset: dataset.clone(),
            version: version.clone(),
        }));
    }
    take_in_these(ledger, id, story, &wanted).await
}

/// Datasets of which something is kept apart, by the names under which they are kept.
type WithApart<'a> = BTreeMap<Dataset, Vec<(&'a Dataset, &'a Uses)>>;

fn with_apart<'a>(ledger: &Ledger, uses: &'a BTreeMap<Dataset, Uses>) -> Result<WithApart<'a>, StoreError> {
    let mut found = WithApart::new();
    for (dataset, uses) in uses.iter().filter(|(_, uses)| uses.has_apart()) {
        found
            .entry(kept_name(ledger, dataset)?)
            .or_default()
            .push((dataset, uses));
    }
    Ok(found)
}

fn of_name<'a>(apart: &WithApart<'a>, kept: &Dataset) -> impl Iterator<Item = (&'a Dataset, &'a Uses)> {
    apart.get(kept).into_iter().flatten().copied()
}

async fn take_in_these(
    ledger: &mut Ledger,
    id: ExecutionId,
    story: &mut RunStory,
    wanted: &[Apart],
) -> Result<(), StoreError> {
    let digests: Vec<Digest> = wanted.iter().map(|apart| apart.digest(id)).collect();
    // What is kept apart from the story of a new run is in the ledger.
    if ledger.was_there(id) {
        ledger.load_version_stories(digests.iter().copied()).await?;
    }
    for digest in &digests {
        if let Some(row) = ledger.version_stories.get(digest) {
            take_in(story, row)?;
        }
    }
    Ok(())
}

/// Keeps the story of a run, after an event was added to it: of what is kept apart only what the event names has changed.
pub fn keep_run(
    ledger: &mut Ledger,
    id: ExecutionId,
    story: &RunStory,
    recorded: Option<String>,
    event: &Event,
) -> Result<(), StoreError> {
    for apart in named_by(event) {
        let uses = story.uses(apart.is_written).get(&apart.dataset);
        let Some(uses) = uses.filter(|uses| uses.is_apart(&apart.version)) else {
            continue;
        };
        if let Some(said) = uses.version(&apart.version) {
            let digest = apart.digest(id);
            let row = version_story::Model {
                digest: digest.to_vec(),
                execution_id: Some(id),
                artifact_id: None,
                is_written: apart.is_written,
                dataset: Some(write(&apart.dataset)?),
                version: apart.version,
                story: write(said)?,
            };
            ledger.version_stories.put(digest, row);
        }
    }
    let story = write(story)?;
    ledger.run_stories.put(id, run_story::Model { id, story, recorded });
    Ok(())
}

/// What events about a dataset, apart from any run, have come to, with what is kept apart of some versions. It must have been loaded.
pub async fn dataset_story(
    ledger: &mut Ledger,
    id: ArtifactId,
    versions: impl Iterator<Item = &str>,
) -> Result<DatasetStory, StoreError> {
    let mut story = dataset_story_alone(ledger, id)?;
    let apart = versions.filter(|version| story.uses.is_apart(version));
    let digests: Vec<Digest> = apart.map(|version| digest_of_version(id, version)).collect();
    ledger.load_version_stories(digests.iter().copied()).await?;
    for digest in &digests {
        if let Some(row) = ledger.version_stories.get(digest) {
            take_in_of_dataset(&mut story, row)?;
        }
    }
    Ok(story)
}

/// The same with all that is kept apart.
pub async fn whole_dataset_story(ledger: &mut Ledger, id: ArtifactId) -> Result<DatasetStory, StoreError> {
    let mut story = dataset_story_alone(ledger, id)?;
    if story.uses.has_apart() {
        let rows = ledger.version_stories_of_dataset(id).await?;
        rows.iter().try_for_each(|row| take_in_of_dataset(&mut story, row))?;
    }
    Ok(story)
}

fn dataset_story_alone(ledger: &Ledger, id: ArtifactId) -> Result<DatasetStory, StoreError> {
    read(ledger.dataset_stories.get(&id).map(|row| row.story.as_str()))
}

/// Takes in a row of what is kept apart from the story of a dataset, unless another dataset says it now.
pub fn take_in_of_dataset(story: &mut DatasetStory, row: &version_story::Model) -> Result<(), StoreError> {
    let said: Use = read(Some(&row.story))?;
    if said != Use::default() {
        story.uses.take_in(row.version.clone(), said);
    }
    Ok(())
}

/// Keeps the story of a dataset, with what it says of those versions that have been taken in.
pub fn keep_dataset(ledger: &mut Ledger, id: ArtifactId, story: &DatasetStory) -> Result<(), StoreError> {
    for (version, said) in story.uses.apart() {
        keep_version(ledger, id, version, said)?;
    }
    let story = write(story)?;
    ledger.dataset_stories.put(id, dataset_story::Model { id, story });
    Ok(())
}

/// Empties the story of a dataset, which must have been taken in as a whole: another one has it now.
pub fn empty_dataset(ledger: &mut Ledger, id: ArtifactId, story: &DatasetStory) -> Result<(), StoreError> {
    for (version, _) in story.uses.apart() {
        keep_version(ledger, id, version, &Use::default())?;
    }
    keep_dataset(ledger, id, &DatasetStory::default())
}

fn keep_version(ledger: &mut Ledger, id: ArtifactId, version: &str, said: &Use) -> Result<(), StoreError> {
    let digest = digest_of_version(id, version);
    let row = version_story::Model {
        digest: digest.to_vec(),
        execution_id: None,
        artifact_id: Some(id),
        is_written: false,
        dataset: None,
        version: version.to_owned(),
        story: write(said)?,
    };
    if ledger.version_stories.get(&digest) != Some(&row) {
        ledger.version_stories.put(digest, row);
    }
    Ok(())
}
