//! Hearing OpenLineage events: what one adds to the story of its run, job or dataset, and what that changes.
//!
//! An event is applied by its difference: what the story meant before, and what it means with it. Whatever order events come
//! in, the differences add up to the meaning of all of them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use entity::{ArtifactId, ExecutionId, NEVER, VersionId, edge, event, floating_input, run_story};

use super::apply::{ApplyError, artifact_or_new, version_or_placeholder};
use super::describe::{Occasion, describe, is_named};
use super::execution::execution_or_placeholder;
use super::merge::Fields;
use super::prepare::{Artifact, PreparedEvent, VersionName, known_artifact, known_version};
use super::rejection::{NodeRef, Touched, Verdict};
use super::story::{self, read, write};
use super::symlink::{kept_name, kept_names, learn, load_names, meaning, meaning_of, pair};
use crate::domain::key::{Digest, ExecutionKey};
use crate::domain::openlineage::{
    Dataset, DatasetMeaning, Event, Extent, Input, InputVersion, Meaning, Mention, Output, PartitionValues, RunStory,
    by_version,
};
use crate::domain::partition::PartitionKey;
use crate::store::StoreError;
use crate::store::ledger::{Ledger, Needs};

/// What an event will look at, as far as it tells by itself.
pub fn add_needs(needs: &mut Needs, given: &PreparedEvent) {
    needs.events.insert(given.event.digest);
    for mention in given.event.mentions() {
        let artifact = mention.dataset.key().digest();
        needs.artifacts.insert(artifact);
        needs.names.insert(artifact);
        let symlinks = mention.symlinks();
        needs
            .names
            .extend(symlinks.iter().map(|(other, _)| other.key().digest()));
        needs
            .symlinks
            .extend(symlinks.iter().map(|(other, _)| pair(other, &mention.dataset)));
        if given.event.dataset.is_some() {
            needs.datasets.insert(artifact);
        }
    }
    if let Some((_, digest)) = &given.execution {
        needs.executions.insert(*digest);
        needs.runs.insert(*digest);
    }
    needs
        .parents
        .extend(given.meaning.parent.iter().map(ExecutionKey::digest));
    need_versions(needs, &given.meaning);
}

fn need_versions(needs: &mut Needs, meaning: &Meaning) {
    let read = meaning.inputs.iter().map(|input| (&input.dataset, input.placeholder()));
    let written = meaning.outputs.iter().map(|output| &output.version);
    let written = written.map(|version| (&version.dataset, version.version.clone()));
    for (dataset, version) in read.chain(written) {
        let (artifact, version) = named(dataset, &version);
        needs.artifacts.insert(artifact.digest);
        needs.versions.insert(version.digest);
    }
}

/// A version of a dataset, as what it is found by.
pub fn named(dataset: &Dataset, version: &str) -> (Artifact, VersionName) {
    let artifact = known_artifact(dataset.key());
    let version = known_version(&artifact, version);
    (artifact, version)
}

/// Records an event. One that has been heard before changes nothing.
pub async fn hear(ledger: &mut Ledger, given: &PreparedEvent) -> Result<Verdict, ApplyError> {
    if let Some(known) = ledger.events.get(&given.event.digest) {
        return Ok(Verdict::Unchanged(about(known)?));
    }
    learn(ledger, &given.event).await?;
    let (execution_id, artifact_id) = match &given.execution {
        Some((key, digest)) => (Some(hear_of_run(ledger, given, key, *digest).await?), None),
        None => (None, Some(hear_of_dataset(ledger, given).await?)),
    };
    let event = &given.event;
    let row = event::Model {
        id: ledger.next_event_id(),
        digest: event.digest.to_vec(),
        kind: event.kind.as_str().to_owned(),
        event_type: event.event_type.map(|one| one.as_str().to_owned()),
        event_time: event.event_time.0,
        namespace: event.subject.namespace.clone(),
        name: event.subject.name.clone(),
        run_id: event.run_id.clone(),
        execution_id,
        artifact_id,
        revision: ledger.revision(),
        body: event.body.clone(),
    };
    let touched = about(&row)?;
    ledger.events.put(event.digest, row);
    Ok(Verdict::Applied(Touched {
        created: true,
        ..touched
    }))
}

fn about(row: &event::Model) -> Result<Touched, StoreError> {
    let node = match (row.execution_id, row.artifact_id) {
        (Some(id), _) => NodeRef::Execution(id),
        (None, Some(id)) => NodeRef::Artifact(id),
        (None, None) => {
            return Err(StoreError::Inconsistent(format!(
                "the event {} is about nothing",
                row.id
            )));
        }
    };
    Ok(Touched::known(node))
}

async fn hear_of_run(
    ledger: &mut Ledger,
    given: &PreparedEvent,
    key: &ExecutionKey,
    digest: Digest,
) -> Result<ExecutionId, ApplyError> {
    let known = ledger.executions.get(&digest).map(|row| row.id);
    let stored = match known.and_then(|id| ledger.run_stories.get(&id)) {
        Some(row) => Some((row.id, read(Some(&row.story))?)),
        None => None,
    };
    let heard = heard(ledger, given, stored).await?;
    let (was, is) = (&heard.was, heard.is.as_ref());
    load_changed(ledger, [was, is]).await?;
    name_artifacts(ledger, &given.event).await?;
    // Each parent that an event names is there, also when a later event names another: so their order does not matter.
    if let Some(parent) = given.meaning.parent.as_ref().filter(|parent| *parent != key) {
        execution_or_placeholder(ledger, parent, parent.digest());
    }
    let (id, recorded) = tell_execution(ledger, key, digest, is)?;
    change(ledger, id, digest, [was, is], Some(&given.event)).await?;
    say_again(ledger, &given.event, is).await?;
    story::keep_run(ledger, id, &heard.story, recorded, &given.event)?;
    Ok(id)
}

/// What an event says again it says later, and of what several say of a version the last holds: so that is settled anew, also
/// where what the run means is the same.
async fn say_again(ledger: &mut Ledger, event: &Event, is: &Meaning) -> Result<(), ApplyError> {
    let mut datasets = BTreeSet::new();
    for mention in &event.outputs {
        if !mention.facets.is_empty() || !mention.own.is_empty() {
            datasets.insert(kept_name(ledger, &mention.dataset)?);
        }
    }
    let versions = is.outputs.iter().map(|output| &output.version);
    let versions = versions.filter(|version| datasets.contains(&version.dataset) && is_named(version));
    settle_again(ledger, versions).await
}

/// Has it settled what all say of versions.
async fn settle_again(ledger: &mut Ledger, versions: impl Iterator<Item = &DatasetMeaning>) -> Result<(), ApplyError> {
    let mut needs = Needs::default();
    needs
        .versions
        .extend(versions.map(|of| named(&of.dataset, &of.version).1.digest));
    ledger.load(&needs).await?;
    let rows = needs.versions.iter().filter_map(|digest| ledger.versions.get(digest));
    let shared: Vec<VersionId> = rows.filter(|row| row.is_described).map(|row| row.id).collect();
    ledger.unsettled.shared.extend(shared);
    Ok(())
}

/// What an event makes of a story.
struct Heard<'a> {
    story: Cow<'a, RunStory>,
    was: Meaning,
    is: Cow<'a, Meaning>,
}

/// Adds an event to a story. One that begins it has been understood before, unless a dataset is kept under another name.
async fn heard<'a>(
    ledger: &mut Ledger,
    given: &'a PreparedEvent,
    stored: Option<(ExecutionId, RunStory)>,
) -> Result<Heard<'a>, ApplyError> {
    let Some((id, mut story)) = stored else {
        let mut mentions = given.event.mentions();
        let is_renamed = mentions.any(|mention| ledger.names.get(&mention.dataset.key().digest()).is_some());
        let is = match is_renamed {
            true => Cow::Owned(meaning(ledger, &given.story)?),
            false => Cow::Borrowed(&given.meaning),
        };
        return Ok(Heard {
            story: Cow::Borrowed(&given.story),
            was: Meaning::default(),
            is,
        });
    };
    load_names(ledger, &[&story]).await?;
    // Of what is kept apart the rest means the same.
    if story.is_completed_by(&given.story) {
        story::take_in_all(ledger, id, &mut story).await?;
    } else {
        story::take_in_named(ledger, id, &mut story, &given.event).await?;
    }
    let extent = if story.is_changed_at_all_by(&given.story) {
        Extent::All
    } else {
        named_extent(ledger, &given.event)?
    };
    let was = meaning_of(ledger, &story, &extent)?;
    story.add(&given.event);
    let is = Cow::Owned(meaning_of(ledger, &story, &extent)?);
    Ok(Heard {
        story: Cow::Owned(story),
        was,
        is,
    })
}

/// What an event names, under the names that are kept.
fn named_extent(ledger: &Ledger, event: &Event) -> Result<Extent, StoreError> {
    let datasets = event.mentions().map(|mention| &mention.dataset);
    Ok(Extent::named(event, kept_names(ledger, datasets)?))
}

/// Changes the edges of a run, and the versions that it describes, from what its story meant to what it means: by an event, or because
/// two names are of one dataset. What has changed must have been loaded.
pub async fn change(
    ledger: &mut Ledger,
    id: ExecutionId,
    digest: Digest,
    [was, is]: [&Meaning; 2],
    event: Option<&Event>,
) -> Result<(), ApplyError> {
    let by = Occasion { event, run: Some(id) };
    change_outputs(ledger, id, [&was.outputs, &is.outputs], by).await?;
    change_inputs(ledger, id, digest, [&was.inputs, &is.inputs]);
    // A run does not read what it writes itself.
    let written = changed_outputs(was, is).chain(changed_outputs(is, was));
    let written: BTreeSet<&Dataset> = written.map(|output| &output.version.dataset).collect();
    let read = is.inputs.iter().filter(|input| written.contains(&input.dataset));
    let floating = read.filter_map(|input| floating_digest(digest, input));
    ledger.unsettled.floating.extend(floating);
    Ok(())
}

async fn hear_of_dataset(ledger: &mut Ledger, given: &PreparedEvent) -> Result<ArtifactId, ApplyError> {
    let dataset = &kept_name(ledger, &given.event.subject)?;
    let artifact = known_artifact(dataset.key());
    load_dataset(ledger, &artifact).await?;
    let (row, _) = artifact_or_new(ledger, &artifact);
    let version = given.event.dataset.as_ref().and_then(Mention::version);
    let mut story = story::dataset_story(ledger, row.id, version.as_deref().into_iter()).await?;
    let was = version.as_ref().and_then(|version| story.version(dataset, version));
    story.add(&given.event);
    let is = version.as_ref().and_then(|version| story.version(dataset, version));
    let by = Occasion {
        event: Some(&given.event),
        run: None,
    };
    describe_versions(ledger, &artifact, [was.as_slice(), is.as_slice()], by).await?;
    settle_again(ledger, is.iter()).await?;
    story::keep_dataset(ledger, row.id, &story)?;
    Ok(row.id)
}

/// Reads an artifact and what events about it have come to, where the event did not name it by itself.
pub async fn load_dataset(ledger: &mut Ledger, artifact: &Artifact) -> Result<(), StoreError> {
    let mut needs = Needs::default();
    needs.artifacts.insert(artifact.digest);
    ledger.load(&needs).await?;
    let known = ledger.artifacts.get(&artifact.digest).map(|row| row.id);
    let unread: Vec<ArtifactId> = known
        .into_iter()
        .filter(|id| !ledger.dataset_stories.knows(id))
        .collect();
    ledger.load_dataset_stories(&unread).await
}

/// Changes the versions that events about a dataset describe.
pub async fn describe_versions(
    ledger: &mut Ledger,
    artifact: &Artifact,
    [was, is]: [&[DatasetMeaning]; 2],
    by: Occasion<'_>,
) -> Result<(), ApplyError> {
    let mut needs = Needs::default();
    needs.versions.extend(
        is.iter()
            .map(|version| known_version(artifact, &version.version).digest),
    );
    ledger.load(&needs).await?;
    for version in is {
        let before = was.iter().find(|before| before.version == version.version);
        if before != Some(version) {
            describe(ledger, version, before, by).await?;
        }
    }
    Ok(())
}

/// Puts what events tell of a run into its execution; and answers what records say of that, as it is kept.
fn tell_execution(
    ledger: &mut Ledger,
    key: &ExecutionKey,
    digest: Digest,
    is: &Meaning,
) -> Result<(ExecutionId, Option<String>), StoreError> {
    let parent = is.parent.as_ref().filter(|parent| *parent != key);
    let parent = parent.map(|key| execution_or_placeholder(ledger, key, key.digest()).id);
    let mut row = execution_or_placeholder(ledger, key, digest);
    let recorded = match ledger.run_stories.get(&row.id) {
        Some(run_story::Model {
            recorded: Some(recorded),
            ..
        }) => Some(recorded.clone()),
        // A store of before this was kept apart has what no event gives from a record.
        Some(_) => Fields::of(&row)?
            .of_records_alone()
            .map(|fields| write(&fields))
            .transpose()?,
        None if row.reported_revision == NEVER => None,
        // Until now only records spoke of it.
        None => Some(write(&Fields::of(&row)?)?),
    };
    let fields: Fields = read(recorded.as_deref())?;
    fields.and(Fields::told(is, parent)).put(&mut row);
    if row.reported_revision == NEVER {
        row.reported_revision = ledger.revision();
    }
    let id = row.id;
    ledger.executions.put(digest, row);
    Ok((id, recorded))
}

/// Reads what has changed and what the event did not name by itself, since it is kept under another name or an earlier event
/// named it.
pub async fn load_changed(ledger: &mut Ledger, [was, is]: [&Meaning; 2]) -> Result<(), StoreError> {
    let mut needs = Needs::default();
    need_versions(&mut needs, &changed(was, is));
    need_versions(&mut needs, &changed(is, was));
    let parents = [was, is].map(|said| said.parent.as_ref().map(ExecutionKey::digest));
    needs.parents.extend(parents.into_iter().flatten());
    ledger.load(&needs).await
}

/// Has an artifact be there for each dataset that an event names.
async fn name_artifacts(ledger: &mut Ledger, event: &Event) -> Result<(), StoreError> {
    let kept = event.mentions().map(|mention| kept_name(ledger, &mention.dataset));
    let artifacts: Vec<Artifact> = kept
        .map(|kept| Ok(known_artifact(kept?.key())))
        .collect::<Result<_, StoreError>>()?;
    let mut needs = Needs::default();
    needs.artifacts.extend(artifacts.iter().map(|artifact| artifact.digest));
    ledger.load(&needs).await?;
    for artifact in &artifacts {
        artifact_or_new(ledger, artifact);
    }
    Ok(())
}

/// What one says of inputs and outputs and the other does not.
fn changed(one: &Meaning, other: &Meaning) -> Meaning {
    let inputs: BTreeSet<&Input> = other.inputs.iter().collect();
    Meaning {
        inputs: one
            .inputs
            .iter()
            .filter(|input| !inputs.contains(input))
            .cloned()
            .collect(),
        outputs: changed_outputs(one, other).cloned().collect(),
        ..Meaning::default()
    }
}

/// The outputs that one says and the other does not, or otherwise.
fn changed_outputs<'a>(one: &'a Meaning, other: &'a Meaning) -> impl Iterator<Item = &'a Output> {
    let outputs = by_version(&other.outputs);
    one.outputs.iter().filter(move |output| {
        let key = (&output.version.dataset, output.version.version.as_str());
        outputs.get(&key) != Some(output)
    })
}

async fn change_outputs(
    ledger: &mut Ledger,
    id: ExecutionId,
    [was, is]: [&[Output]; 2],
    by: Occasion<'_>,
) -> Result<(), ApplyError> {
    let (before, after) = (by_version(was), by_version(is));
    for ((dataset, version), output) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
        let version = named_version(ledger, dataset, version);
        ledger.end_edge(id, edge::OUTPUT, &output.name, version);
    }
    for (key, output) in &after {
        let known = before.get(key);
        if known != Some(output) {
            let version = describe(ledger, &output.version, known.map(|known| &known.version), by).await?;
            ledger.add_edge(id, edge::OUTPUT, &output.name, version);
        }
    }
    Ok(())
}

/// First what is not said any more, since what is said instead may be the same edge.
fn change_inputs(ledger: &mut Ledger, id: ExecutionId, execution: Digest, [was, is]: [&[Input]; 2]) {
    let (before, after): (BTreeSet<&Input>, BTreeSet<&Input>) = (was.iter().collect(), is.iter().collect());
    let floating: BTreeSet<Digest> = is
        .iter()
        .filter_map(|input| floating_digest(execution, input))
        .collect();
    for input in before.difference(&after) {
        match &input.version {
            InputVersion::Named(version) => {
                let version = named_version(ledger, &input.dataset, version);
                ledger.end_edge(id, edge::INPUT, &input.name, version);
            }
            InputVersion::Latest { .. } => {
                let gone = floating_digest(execution, input).filter(|digest| !floating.contains(digest));
                gone.into_iter().for_each(|digest| sink(ledger, digest));
            }
        }
    }
    for input in after.difference(&before) {
        match &input.version {
            InputVersion::Named(version) => {
                let version = named_version(ledger, &input.dataset, version);
                ledger.add_edge(id, edge::INPUT, &input.name, version);
            }
            InputVersion::Latest { partition, started_at } => {
                float(ledger, id, execution, input, partition.as_ref(), *started_at);
            }
        }
    }
}

/// A version of a dataset that a run names.
fn named_version(ledger: &mut Ledger, dataset: &Dataset, version: &str) -> VersionId {
    let (artifact, version) = named(dataset, version);
    version_or_placeholder(ledger, &artifact, &version).id
}

/// What a floating input is found by; none of one that names its version.
pub fn floating_digest(execution: Digest, input: &Input) -> Option<Digest> {
    let InputVersion::Latest { .. } = &input.version else {
        return None;
    };
    let Dataset { namespace, name } = &input.dataset;
    let parts = [
        &execution.hash_hex(),
        namespace,
        name,
        &input.name,
        &input.placeholder(),
    ];
    Some(Digest::of(b"floating", &parts.map(String::as_str)))
}

/// Puts an input among those that float; which version it is at is settled at the end of the transaction.
fn float(
    ledger: &mut Ledger,
    execution_id: ExecutionId,
    execution: Digest,
    input: &Input,
    partition: Option<&PartitionValues>,
    started_at: i64,
) {
    let Some(digest) = floating_digest(execution, input) else {
        return;
    };
    let artifact = known_artifact(input.dataset.key());
    let (owner, _) = artifact_or_new(ledger, &artifact);
    let known = ledger.floating.get(&digest).cloned();
    let in_partition = |values: &PartitionValues| PartitionKey {
        values: values.clone(),
        window: None,
    };
    let row = floating_input::Model {
        id: known.as_ref().map_or_else(|| ledger.next_event_id(), |known| known.id),
        digest: digest.to_vec(),
        execution_id,
        artifact_id: owner.id,
        name: input.name.clone(),
        partition_digest: partition.map(|values| in_partition(values).digest(&artifact.key).to_vec()),
        placeholder: input.placeholder(),
        started_at,
        version_id: known.and_then(|known| known.version_id),
        is_gone: false,
    };
    ledger.floating.put(digest, row);
    ledger.unsettled.floating.insert(digest);
}

/// Takes an input out of those that float.
fn sink(ledger: &mut Ledger, digest: Digest) {
    let Some(row) = ledger.floating.get(&digest).cloned() else {
        return;
    };
    if let Some(version) = row.version_id {
        ledger.end_edge(row.execution_id, edge::INPUT, &row.name, version);
    }
    let gone = floating_input::Model {
        version_id: None,
        is_gone: true,
        ..row
    };
    ledger.floating.put(digest, gone);
}
