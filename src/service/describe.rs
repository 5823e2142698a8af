//! Versions that events describe: what they say adds up with what others say, and they are there as soon as a run has made them.

use std::collections::{BTreeMap, BTreeSet};

use entity::{ArtifactId, ExecutionId, NEVER, NO_TIME, VersionId, artifact, version};

use super::apply::{ApplyError, artifact_or_new, version_or_placeholder};
use super::content::{Recorded, Told, keep, recorded, together, values_of};
use super::event::named;
use super::place::{Place, Schema};
use super::prepare::{Artifact, Mode, PreparedVersion, known_artifact};
use super::rejection::{Rejection, RejectionCode};
use super::story::{self, read};
use super::symlink::{kept_name, kept_names, load_names};
use super::version::{conflict, note_what_it_brings, own_place, partition_or_new, produce, same};
use crate::domain::key::ArtifactKey;
use crate::domain::openlineage::{Dataset, DatasetMeaning, DatasetStory, Event, Facet, RunStory, Written};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::ledger::{Ledger, Needs, digest};

/// By what something comes to be said of a version.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// An event; none where two names turn out to be of one dataset.
    pub event: Option<&'a Event>,
    /// The run that says it; none where an event about the dataset itself does.
    pub run: Option<ExecutionId>,
}

/// Records what is said of a version, by somebody who said `before` of it until now.
pub async fn describe(
    ledger: &mut Ledger,
    said: &DatasetMeaning,
    before: Option<&DatasetMeaning>,
    by: Occasion<'_>,
) -> Result<VersionId, ApplyError> {
    let (artifact, name) = named(&said.dataset, &said.version);
    let row = version_or_placeholder(ledger, &artifact, &name);
    let id = row.id;
    let Some(told) = Told::of(said) else {
        return Ok(id);
    };
    if row.produced_revision == NEVER {
        let (row, _) = produce(ledger, &prepared(said, &told), Mode::Ingest).await?;
        let row = version::Model {
            is_described: true,
            ..row
        };
        ledger.versions.put(name.digest, row);
    } else {
        // What was only announced was not yet said of the version.
        let before = before.and_then(Told::of);
        refuse_contradiction(ledger, &row, said, &told, before.as_ref(), by).await?;
        add_up(ledger, row, said, told, before.as_ref()).await?;
    }
    Ok(id)
}

fn prepared(said: &DatasetMeaning, told: &Told) -> PreparedVersion {
    let (artifact, version) = named(&said.dataset, &said.version);
    PreparedVersion {
        artifact,
        version,
        values: said.partition.clone(),
        time: None,
        location: said.location.clone(),
        data_type: said.data_type.clone(),
        description: said.description.clone(),
        metadata: told.metadata_text(),
        card: None,
        created_at: Some(Timestamp(told.created_at)),
    }
}

/// Adds what is said to what others have said of the same version. What makes it another thing, its schema or its partition, they
/// must agree on; of other facets the one that was said last holds, which [`agree`] settles at the end of the transaction.
async fn add_up(
    ledger: &mut Ledger,
    row: version::Model,
    said: &DatasetMeaning,
    told: Told,
    before: Option<&Told>,
) -> Result<(), ApplyError> {
    let record = record_of(ledger, &row)?;
    let known = Told::of_row(&row)?;
    let is_sole = record.is_none() && before == Some(&known) && !is_named(said);
    let told = if is_sole {
        told
    } else {
        ledger.unsettled.shared.insert(row.id);
        if row.is_described {
            known.without(before).and(told)
        } else {
            told
        }
    };
    let described = version::Model {
        is_described: true,
        ..row.clone()
    };
    let changed = together(described, record.as_ref(), Some(&told))?;
    let changed = placed(ledger, &known_artifact(said.dataset.key()), &row, changed).await?;
    put(ledger, &row, changed)?;
    Ok(())
}

/// What a record said of a version, which is kept apart from now on if events have not spoken of it before.
fn record_of(ledger: &mut Ledger, row: &version::Model) -> Result<Option<Recorded>, StoreError> {
    if row.is_described {
        return recorded(ledger, row.id);
    }
    let record = Recorded::of_row(row);
    keep(ledger, row.id, row.produced_revision, &record)?;
    Ok(Some(record))
}

/// Whether a version has its name from a facet, so that others may speak of it too.
pub fn is_named(said: &DatasetMeaning) -> bool {
    let facet = said
        .metadata
        .get("version")
        .and_then(|facet| facet.value_with("datasetVersion"));
    let version = facet.as_ref().and_then(|facet| facet.get("datasetVersion"));
    version.and_then(|version| version.as_str()) == Some(said.version.as_str())
}

/// Refuses an event that says of a version what nobody else says, where others say otherwise. One that says nothing new, or only brings to
/// light what earlier ones have said, because the run is complete now or two names are of one dataset, is not to blame: then the last
/// word holds, as of other facets.
async fn refuse_contradiction(
    ledger: &mut Ledger,
    row: &version::Model,
    said: &DatasetMeaning,
    told: &Told,
    before: Option<&Told>,
    by: Occasion<'_>,
) -> Result<(), ApplyError> {
    let Some(event) = by.event else {
        return Ok(());
    };
    let (told, before) = (Essence::of(told), before.map(Essence::of));
    let known = Essence::of(&Told::of_row(row)?);
    for what in [What::Partition, What::Schema] {
        let is_new = before.as_ref().is_none_or(|before| !before.is_same(&told, what));
        // What is known is somebody's word, though which one may depend on who came first.
        if !is_new || !known.is_other(&told, what) {
            continue;
        }
        let Some(argument) = where_said(ledger, event, said, &told, what)? else {
            continue;
        };
        let others = said_by_others(ledger, row, said, by.run).await?;
        let is_alone = !others.iter().any(|other| other.is_same(&told, what));
        if is_alone && others.iter().any(|other| other.is_other(&told, what)) {
            return Err(contradiction(said, what, argument).into());
        }
    }
    Ok(())
}

/// What makes a version what it is: on that all must agree who speak of it.
#[derive(Clone, Debug)]
struct Essence {
    partition: Option<String>,
    schema: Option<Facet>,
}

/// A part of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Partition,
    Schema,
}

/// The facet that has the schema.
const SCHEMA: &str = "schema";

impl Essence {
    fn of(told: &Told) -> Self {
        Self {
            partition: told.given_values.clone(),
            schema: told.metadata.get(SCHEMA).cloned(),
        }
    }

    fn of_record(record: &Recorded) -> Result<Self, StoreError> {
        Ok(Self {
            partition: record.given_values.clone(),
            schema: record.metadata()?.remove(SCHEMA),
        })
    }

    /// Whether both say it, and the same.
    fn is_same(&self, other: &Self, what: What) -> bool {
        self.agrees(other, what) == Some(true)
    }

    /// Whether both say it, and not the same.
    fn is_other(&self, other: &Self, what: What) -> bool {
        self.agrees(other, what) == Some(false)
    }

    fn agrees(&self, other: &Self, what: What) -> Option<bool> {
        match what {
            What::Partition => Some(self.partition.as_ref()? == other.partition.as_ref()?),
            What::Schema => Some(self.schema.as_ref()?.says_as(other.schema.as_ref()?)),
        }
    }
}

/// What records say of a version, other runs than one, and events about the dataset itself.
async fn said_by_others(
    ledger: &mut Ledger,
    row: &version::Model,
    said: &DatasetMeaning,
    run: Option<ExecutionId>,
) -> Result<Vec<Essence>, StoreError> {
    let record = if row.is_described {
        recorded(ledger, row.id)?
    } else {
        Some(Recorded::of_row(row))
    };
    let record = record.as_ref().map(Essence::of_record).transpose()?;
    let producers = ledger.producers_of(row.id).await?;
    let others = producers.iter().filter(|producer| Some(**producer) != run);
    let mut stories = read_stories(ledger, others)?;
    load_names(ledger, &stories.values().collect::<Vec<_>>()).await?;
    let asked = [(said.dataset.clone(), said.version.clone())];
    for (other, story) in &mut stories {
        story::take_in_written(ledger, *other, story, &asked).await?;
    }
    let mut told = Vec::new();
    for story in stories.values() {
        told.extend(written(ledger, story)?.told_of(&said.dataset, &said.version));
    }
    if run.is_some() {
        ledger.load_dataset_stories(&[row.artifact_id]).await?;
        let version = said.version.as_str();
        let own = story::dataset_story(ledger, row.artifact_id, std::iter::once(version)).await?;
        told.extend(own.told_of(version));
    }
    let told = told
        .iter()
        .map(|one| DatasetMeaning::of_all(&said.dataset, &said.version, std::slice::from_ref(one)));
    let told = told.filter_map(|meaning| Told::of(&meaning));
    Ok(told.map(|told| Essence::of(&told)).chain(record).collect())
}

/// Where an event says by itself what it makes of a version; none where it does not.
fn where_said(
    ledger: &Ledger,
    event: &Event,
    said: &DatasetMeaning,
    told: &Essence,
    what: What,
) -> Result<Option<String>, StoreError> {
    let outputs = event.outputs.iter().enumerate();
    let outputs = outputs.map(|(index, mention)| (format!("outputs.{index}"), mention));
    let own = event.dataset.iter().map(|mention| ("dataset".to_owned(), mention));
    for (place, mention) in outputs.chain(own) {
        let is_another = mention.version().is_some_and(|version| version != said.version);
        if is_another || kept_name(ledger, &mention.dataset)? != said.dataset {
            continue;
        }
        let is_it =
            |facet: &&Facet| !facet.is_deleted() && told.schema.as_ref().is_some_and(|told| told.says_as(facet));
        let path = match what {
            What::Schema if mention.own.get(SCHEMA).is_some_and(|facet| is_it(&facet)) => "outputFacets.schema",
            What::Schema if mention.facets.get(SCHEMA).is_some_and(|facet| is_it(&facet)) => "facets.schema",
            What::Partition if mention.names(&said.partition) => "outputFacets.subset",
            _ => continue,
        };
        return Ok(Some(format!("{place}.{path}")));
    }
    Ok(None)
}

fn contradiction(said: &DatasetMeaning, what: What, argument: String) -> Rejection {
    let what = match what {
        What::Partition => "partition",
        What::Schema => "schema",
    };
    let message = format!(
        "The version {:?} of {:?} is there with another {what}, which somebody else said of it: the first stays; give what is new another version.",
        said.version, said.dataset.name
    );
    Rejection::new(RejectionCode::Conflict, argument, message)
}

/// Records what is given of a version that events describe; and whether no record had spoken of it. What is given holds,
/// whatever events say, but for what makes a version another thing.
pub async fn add_record(
    ledger: &mut Ledger,
    row: version::Model,
    given: &PreparedVersion,
    mode: Mode,
) -> Result<(version::Model, bool), ApplyError> {
    if let Some(known) = recorded(ledger, row.id)? {
        same(&together(row.clone(), Some(&known), None)?, given)?;
        return Ok((row, false));
    }
    let (artifact, _) = artifact_or_new(ledger, &given.artifact);
    own_place(ledger, &artifact, given, mode)?;
    let record = Recorded::of(given, ledger.recorded_at());
    let told = Told::of_row(&row)?;
    let (said, known) = (Essence::of_record(&record)?, Essence::of(&told));
    for (what, argument) in [(What::Partition, "partition"), (What::Schema, "metadata")] {
        if said.is_other(&known, what) {
            return Err(conflict(given, argument).into());
        }
    }
    keep(ledger, row.id, ledger.revision(), &record)?;
    let changed = together(row.clone(), Some(&record), Some(&told))?;
    let changed = placed(ledger, &given.artifact, &row, changed).await?;
    Ok((put(ledger, &row, changed)?, true))
}

/// Makes of versions what all say who speak of them, whoever spoke first. Answers those of which nobody speaks any more.
pub async fn agree(ledger: &mut Ledger, versions: &[VersionId]) -> Result<BTreeSet<VersionId>, StoreError> {
    let mut silent = BTreeSet::new();
    if versions.is_empty() {
        return Ok(silent);
    }
    let mut producers: BTreeMap<VersionId, Vec<ExecutionId>> = BTreeMap::new();
    for (version, run) in ledger.load_producers(versions).await? {
        producers.entry(version).or_default().push(run);
    }
    let rows = described(ledger, versions).await?;
    let owners = load_owners(ledger, &rows).await?;
    let stories = stories_of(ledger, &rows, &producers, &owners).await?;
    let written = stories.iter().map(|(run, story)| Ok((*run, written(ledger, story)?)));
    let written = written.collect::<Result<BTreeMap<_, _>, StoreError>>()?;
    for row in rows {
        let Some((artifact, own)) = owners.get(&row.artifact_id) else {
            continue;
        };
        let dataset = Dataset::of(&artifact.key);
        let runs = producers.get(&row.id).into_iter().flatten();
        let runs = runs.filter_map(|run| written.get(run));
        let told = Told::of_all(&dataset, &row.version, runs, Some(own));
        let record = recorded(ledger, row.id)?;
        if told.is_none() && record.is_none() {
            silent.insert(row.id);
            continue;
        }
        let agreed = together(row.clone(), record.as_ref(), told.as_ref())?;
        let agreed = placed(ledger, artifact, &row, agreed).await?;
        put(ledger, &row, agreed)?;
    }
    Ok(silent)
}

/// What the runs that have produced some versions say of them.
async fn stories_of(
    ledger: &mut Ledger,
    rows: &[version::Model],
    producers: &BTreeMap<VersionId, Vec<ExecutionId>>,
    owners: &BTreeMap<ArtifactId, (Artifact, DatasetStory)>,
) -> Result<BTreeMap<ExecutionId, RunStory>, StoreError> {
    let mut stories = read_stories(ledger, producers.values().flatten())?;
    load_names(ledger, &stories.values().collect::<Vec<_>>()).await?;
    let mut asked: BTreeMap<ExecutionId, Vec<(Dataset, String)>> = BTreeMap::new();
    for row in rows {
        let Some((artifact, _)) = owners.get(&row.artifact_id) else {
            continue;
        };
        for run in producers.get(&row.id).into_iter().flatten() {
            asked
                .entry(*run)
                .or_default()
                .push((Dataset::of(&artifact.key), row.version.clone()));
        }
    }
    for (run, versions) in &asked {
        if let Some(story) = stories.get_mut(run) {
            story::take_in_written(ledger, *run, story, versions).await?;
        }
    }
    Ok(stories)
}

/// What events have come to about runs, which must have been loaded.
fn read_stories<'a>(
    ledger: &Ledger,
    runs: impl Iterator<Item = &'a ExecutionId>,
) -> Result<BTreeMap<ExecutionId, RunStory>, StoreError> {
    let mut stories = BTreeMap::new();
    for run in runs {
        if let (false, Some(stored)) = (stories.contains_key(run), ledger.run_stories.get(run)) {
            let story: RunStory = read(Some(&stored.story))?;
            stories.insert(*run, story);
        }
    }
    Ok(stories)
}

/// Those of some versions that events describe.
async fn described(ledger: &mut Ledger, versions: &[VersionId]) -> Result<Vec<version::Model>, StoreError> {
    let digests = ledger.load_versions_by_id(versions).await?;
    let rows = digests.iter().filter_map(|digest| ledger.versions.get(digest));
    let is_it = |row: &&version::Model| row.is_described && row.produced_revision != NEVER;
    Ok(rows.filter(is_it).cloned().collect())
}

/// What a run has written, under the names that are kept, which must have been loaded.
fn written<'a>(ledger: &Ledger, story: &'a RunStory) -> Result<Written<'a>, StoreError> {
    Ok(Written::of(story, kept_names(ledger, story.outputs.keys())?))
}

/// The artifacts of versions, with what events about them have come to.
async fn load_owners(
    ledger: &mut Ledger,
    rows: &[version::Model],
) -> Result<BTreeMap<ArtifactId, (Artifact, DatasetStory)>, StoreError> {
    let ids: BTreeSet<ArtifactId> = rows.iter().map(|row| row.artifact_id).collect();
    let ids: Vec<ArtifactId> = ids.into_iter().collect();
    let found = ledger.artifacts_by_id(&ids).await?;
    let artifacts: Vec<(ArtifactId, Artifact)> = found.into_iter().map(|row| (row.id, of_row(row))).collect();
    let mut needs = Needs::default();
    needs
        .artifacts
        .extend(artifacts.iter().map(|(_, artifact)| artifact.digest));
    ledger.load(&needs).await?;
    ledger.load_dataset_stories(&ids).await?;
    let mut versions: BTreeMap<ArtifactId, Vec<&str>> = BTreeMap::new();
    for row in rows {
        versions.entry(row.artifact_id).or_default().push(&row.version);
    }
    let mut owners = BTreeMap::new();
    for (id, artifact) in artifacts {
        let its = versions.get(&id).into_iter().flatten().copied();
        let story = story::dataset_story(ledger, id, its).await?;
        owners.insert(id, (artifact, story));
    }
    Ok(owners)
}

/// What an artifact is found by.
pub fn of_row(row: artifact::Model) -> Artifact {
    known_artifact(ArtifactKey {
        project: row.project,
        domain: row.domain,
        name: row.name,
    })
}

/// The row where its partition belongs, if it is another one than before.
async fn placed(
    ledger: &mut Ledger,
    owner: &Artifact,
    before: &version::Model,
    row: version::Model,
) -> Result<version::Model, StoreError> {
    if (&row.given_values, row.given_time) == (&before.given_values, before.given_time) {
        return Ok(row);
    }
    let values = values_of(row.given_values.as_deref())?;
    let (artifact, _) = artifact_or_new(ledger, owner);
    let schema = Schema::of(&artifact, ledger.keys_of(artifact.id))?;
    let place = schema.place(&values, row.given_time.map(Timestamp));
    note_what_it_brings(ledger, owner, &artifact, values.keys(), row.given_time.is_some());
    let (partition, schema_mismatch) = match place {
        Place::Unpartitioned => (None, None),
        Place::Mismatch(why) => (None, Some(why)),
        Place::In(key) => (Some(partition_or_new(ledger, &artifact, owner, &key).await?), None),
    };
    Ok(version::Model {
        window_start: partition.as_ref().map_or(NO_TIME, |partition| partition.window_start),
        partition_id: partition.map(|partition| partition.id),
        schema_mismatch,
        ..row
    })
}

/// Puts a changed row in its place. Inputs that float may belong elsewhere when its time or its partition is another one.
fn put(ledger: &mut Ledger, before: &version::Model, row: version::Model) -> Result<version::Model, StoreError> {
    if row == *before {
        return Ok(row);
    }
    if (row.created_at, row.partition_id) != (before.created_at, before.partition_id) {
        ledger.note_produced(row.artifact_id, row.created_at);
        // Inputs that were at it may belong at one that is later than it is now.
        ledger.note_produced(row.artifact_id, before.created_at);
    }
    let digest = digest(&row.key_digest)?;
    ledger.versions.put(digest, row.clone());
    Ok(row)
}
