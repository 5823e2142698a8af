//! Verifies events, and that what they have come to is their sum: stories, other names, edges, versions.
//!
//! Nothing here trusts what was kept: every event is read again, and what it must have left behind is worked out anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::{
    ArtifactId, ExecutionId, NEVER, VersionId, artifact, dataset_name, dataset_story, edge, event, execution,
    floating_input, run_story, symlink, version, version_story,
};

use super::super::event::{floating_digest, named};
use super::super::merge::Fields;
use super::super::story::{digest_of, read, take_in, take_in_of_dataset};
use super::super::symlink::pair;
use super::{Check, Told};
use crate::domain::key::{ArtifactKey, Digest, ExecutionKey};
use crate::domain::openlineage::{
    Dataset, DatasetMeaning, DatasetStory, Event, EventType, Input, InputVersion, Meaning, Output, RunStory,
};
use crate::domain::partition::PartitionKey;
use crate::store::StoreError;
use crate::store::check::Snapshot;

/// The names of all rules of this module.
pub(super) const RULES: [&str; 4] = ["events", "stories", "floating inputs", "other names"];

/// Going through the tables.
impl<F: FnMut(Told)> Check<F> {
    /// All that events are and have come to.
    pub(super) async fn told_by_events(&mut self) -> Result<(), StoreError> {
        self.events().await?;
        self.run_stories().await?;
        self.dataset_stories().await?;
        self.floating_inputs().await?;
        self.symlinks().await?;
        self.families().await
    }

    async fn events(&mut self) -> Result<(), StoreError> {
        self.begin("events");
        let mut after = 0;
        loop {
            let rows = self.snapshot.after::<event::Entity>(event::Column::Id, after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            let subjects = Subjects::of(&self.snapshot, &rows).await?;
            for row in &rows {
                if let Some(right) = event_right(row, &subjects) {
                    self.found("events", format!("event {}", row.id), right);
                }
            }
            (self.told)(Told::Rows(rows.len()));
        }
    }

    /// Adds up the events of one execution after the other.
    async fn run_stories(&mut self) -> Result<(), StoreError> {
        self.begin("runs");
        let mut last: Option<event::Model> = None;
        let mut adding: Option<(ExecutionId, RunStory)> = None;
        loop {
            let rows = self.snapshot.events_of_executions(last.as_ref()).await?;
            let mut whole = Vec::new();
            for row in &rows {
                let (Some(id), Ok(event)) = (row.execution_id, Event::parse(&row.body)) else {
                    continue;
                };
                if adding.as_ref().is_none_or(|(known, _)| *known != id) {
                    whole.extend(adding.replace((id, RunStory::default())));
                }
                if let Some((_, story)) = &mut adding {
                    story.add(&event);
                }
            }
            if rows.is_empty() {
                whole.extend(adding.take());
            }
            self.runs(&whole).await?;
            (self.told)(Told::Rows(rows.len()));
            if rows.is_empty() {
                return Ok(());
            }
            last = rows.into_iter().next_back();
        }
    }

    async fn runs(&mut self, stories: &[(ExecutionId, RunStory)]) -> Result<(), StoreError> {
        let runs = Runs::of(&self.snapshot, stories).await?;
        for (id, story) in stories {
            if runs.kept(*id).map(RunStory::whole).as_ref() != Some(&story.clone().whole()) {
                let right = "story is the sum of the events about the execution".to_owned();
                self.found("stories", format!("run_story {}", id.0), right);
            }
            self.apart(runs.apart.get(id).map_or(&[], Vec::as_slice));
            for (check, row, right) in runs.wrong(*id, story) {
                self.found(check, row, right);
            }
        }
        Ok(())
    }

    async fn dataset_stories(&mut self) -> Result<(), StoreError> {
        self.begin("datasets");
        let mut after = 0;
        loop {
            let column = dataset_story::Column::Id;
            let rows = self.snapshot.after::<dataset_story::Entity>(column, after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id.0;
            for row in &rows {
                self.dataset_story(row).await?;
            }
            (self.told)(Told::Rows(rows.len()));
        }
    }

    async fn dataset_story(&mut self, row: &dataset_story::Model) -> Result<(), StoreError> {
        let Some((dataset, members)) = members(&self.snapshot, row.id).await? else {
            return Ok(());
        };
        let mut story = DatasetStory::default();
        let mut after = 0;
        while !members.is_empty() {
            let events = self.snapshot.events_of_artifacts(&members, after).await?;
            let Some(last) = events.last() else { break };
            after = last.id;
            let read = events.iter().filter_map(|row| Event::parse(&row.body).ok());
            read.for_each(|event| story.add(&event));
        }
        let name = format!("dataset_story {}", row.id.0);
        let story = story.whole();
        let kept = self.kept_of_dataset(row).await?;
        if kept.map(DatasetStory::whole).as_ref() != Some(&story) {
            let right = "story is the sum of the events about the dataset, under any of its names".to_owned();
            self.found("stories", name.clone(), right);
        }
        let said = story.versions(&dataset);
        let versions = versions_of(&self.snapshot, said.iter().map(|v| (&v.dataset, v.version.as_str()))).await?;
        for said in &said {
            if let Some(right) = version_right(said, &versions) {
                self.found("stories", name.clone(), right);
            }
        }
        Ok(())
    }

    /// What is kept apart from stories is found by whose it is.
    fn apart(&mut self, rows: &[version_story::Model]) {
        for row in rows {
            if digest_of(row).is_none_or(|digest| digest.to_vec() != row.digest) {
                let right =
                    "digest is that of whose story it is kept apart from, the dataset and the version".to_owned();
                let of = match (row.execution_id, row.artifact_id) {
                    (Some(id), _) => format!("execution {}", id.0),
                    (None, Some(id)) => format!("artifact {}", id.0),
                    (None, None) => String::new(),
                };
                self.found("stories", format!("version_story of {of} {}", row.version), right);
            }
        }
    }

    /// The story of a dataset as it is kept, with what is kept apart; none where it cannot be read.
    async fn kept_of_dataset(&mut self, row: &dataset_story::Model) -> Result<Option<DatasetStory>, StoreError> {
        let column = version_story::Column::ArtifactId;
        let apart = self
            .snapshot
            .with::<version_story::Entity, _>(column, &[row.id])
            .await?;
        self.apart(&apart);
        let kept = read(Some(&row.story)).and_then(|mut story| {
            apart.iter().try_for_each(|row| take_in_of_dataset(&mut story, row))?;
            Ok(story)
        });
        Ok(kept.ok())
    }

    async fn floating_inputs(&mut self) -> Result<(), StoreError> {
        self.begin("floating inputs");
        let mut after = 0;
        loop {
            let column = floating_input::Column::Id;
            let rows = self.snapshot.after::<floating_input::Entity>(column, after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            let targets = Targets::of(&self.snapshot, &rows).await?;
            for row in &rows {
                if let Some(right) = targets.right(row) {
                    self.found("floating inputs", format!("floating_input {}", row.id), right);
                }
            }
            (self.told)(Told::Rows(rows.len()));
        }
    }

    async fn symlinks(&mut self) -> Result<(), StoreError> {
        self.begin("other names");
        let mut after = 0;
        loop {
            let rows = self
                .snapshot
                .after::<symlink::Entity>(symlink::Column::Id, after)
                .await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            for row in &rows {
                if let Some(right) = symlink_right(row) {
                    self.found("other names", format!("symlink {}", row.id), right);
                }
            }
            (self.told)(Told::Rows(rows.len()));
        }
    }

    async fn families(&mut self) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let ids = self.snapshot.artifacts_with_names(after).await?;
            let Some(last) = ids.last() else { return Ok(()) };
            after = last.0;
            let owners = self
                .snapshot
                .with::<artifact::Entity, _>(artifact::Column::Id, &ids)
                .await?;
            for owner in &owners {
                let family = Family::of(&self.snapshot, owner).await?;
                let column = dataset_name::Column::ArtifactId;
                let names = self.snapshot.names(column, &[owner.id]).await?;
                for (row, right) in family.wrong(owner, &names) {
                    self.found("other names", row, right);
                }
            }
            (self.told)(Told::Rows(ids.len()));
        }
    }
}

pub(super) fn dataset_of(row: &artifact::Model) -> Dataset {
    Dataset::of(&key_of(row))
}

fn key_of(row: &artifact::Model) -> ArtifactKey {
    ArtifactKey {
        project: row.project.clone(),
        domain: row.domain.clone(),
        name: row.name.clone(),
    }
}

/// Of which artifacts names are.
#[derive(Debug, Default)]
pub(super) struct Names {
    other: HashMap<Vec<u8>, dataset_name::Model>,
    own: HashMap<Vec<u8>, ArtifactId>,
}

impl Names {
    pub(super) async fn of(snapshot: &Snapshot, digests: BTreeSet<Vec<u8>>) -> Result<Self, StoreError> {
        let digests: Vec<Vec<u8>> = digests.into_iter().collect();
        let other = snapshot.names(dataset_name::Column::Digest, &digests);
        let other = other.await?.into_iter().map(|row| (row.digest.clone(), row)).collect();
        let own = snapshot.with::<artifact::Entity, _>(artifact::Column::KeyDigest, &digests);
        let own = own.await?.into_iter().map(|row| (row.key_digest, row.id)).collect();
        Ok(Self { other, own })
    }

    /// The name under which a dataset is kept.
    pub(super) fn kept(&self, dataset: &Dataset) -> Dataset {
        let row = self.other.get(&dataset.key().digest().to_vec());
        row.and_then(|row| serde_json::from_str(&row.dataset).ok())
            .unwrap_or_else(|| dataset.clone())
    }

    fn artifact(&self, digest: &[u8]) -> Option<ArtifactId> {
        let other = self.other.get(digest).map(|row| row.artifact_id);
        other.or_else(|| self.own.get(digest).copied())
    }
}

/// What events are about.
struct Subjects {
    executions: HashMap<ExecutionId, Vec<u8>>,
    artifacts: HashMap<ArtifactId, Vec<u8>>,
    names: Names,
}

impl Subjects {
    async fn of(snapshot: &Snapshot, rows: &[event::Model]) -> Result<Self, StoreError> {
        let executions: Vec<ExecutionId> = rows.iter().filter_map(|row| row.execution_id).collect();
        let executions = snapshot
            .with::<execution::Entity, _>(execution::Column::Id, &executions)
            .await?;
        let artifacts: Vec<ArtifactId> = rows.iter().filter_map(|row| row.artifact_id).collect();
        let artifacts = snapshot
            .with::<artifact::Entity, _>(artifact::Column::Id, &artifacts)
            .await?;
        let said = rows.iter().filter(|row| row.artifact_id.is_some()).map(|row| Dataset {
            namespace: row.namespace.clone(),
            name: row.name.clone(),
        });
        let mut digests: BTreeSet<Vec<u8>> = said.map(|dataset| dataset.key().digest().to_vec()).collect();
        digests.extend(artifacts.iter().map(|row| row.key_digest.clone()));
        Ok(Self {
            executions: executions.into_iter().map(|row| (row.id, row.key_digest)).collect(),
            artifacts: artifacts.into_iter().map(|row| (row.id, row.key_digest)).collect(),
            names: Names::of(snapshot, digests).await?,
        })
    }
}

fn event_right(row: &event::Model, subjects: &Subjects) -> Option<String> {
    let event = match Event::parse(&row.body) {
        Ok(event) => event,
        Err(invalid) => return Some(format!("body is an event; but: {}", invalid.message)),
    };
    let columns = [
        ("digest", row.digest == event.digest.to_vec()),
        ("body", row.body == event.body && !row.body.contains('\n')),
        ("kind", row.kind == event.kind.as_str()),
        (
            "event_type",
            row.event_type.as_deref() == event.event_type.map(EventType::as_str),
        ),
        ("event_time", row.event_time == event.event_time.0),
        ("namespace", row.namespace == event.subject.namespace),
        ("name", row.name == event.subject.name),
        ("run_id", row.run_id == event.run_id),
        ("execution_id", is_about_its_run(row, &event, subjects)),
        ("artifact_id", is_about_its_dataset(row, &event, subjects)),
    ];
    let wrong = columns.into_iter().find(|(_, is_right)| !is_right);
    wrong.map(|(column, _)| format!("{column} is what body says"))
}

fn is_about_its_run(row: &event::Model, event: &Event, subjects: &Subjects) -> bool {
    let stored = row.execution_id.and_then(|id| subjects.executions.get(&id));
    stored.cloned() == event.execution_key().map(|key| key.digest().to_vec())
}

/// The artifact may be known under another name by now.
fn is_about_its_dataset(row: &event::Model, event: &Event, subjects: &Subjects) -> bool {
    let said = event
        .dataset
        .as_ref()
        .map(|mention| mention.dataset.key().digest().to_vec());
    let stored = row.artifact_id.and_then(|id| subjects.artifacts.get(&id));
    match (stored, said) {
        (None, None) => true,
        (Some(stored), Some(said)) => subjects.names.artifact(stored) == subjects.names.artifact(&said),
        _ => false,
    }
}

type Versions = HashMap<Digest, version::Model>;

async fn versions_of<'a>(
    snapshot: &Snapshot,
    versions: impl Iterator<Item = (&'a Dataset, &'a str)>,
) -> Result<Versions, StoreError> {
    let digests: Vec<Vec<u8>> = versions
        .map(|(dataset, version)| named(dataset, version).1.digest.to_vec())
        .collect();
    let rows = snapshot
        .with::<version::Entity, _>(version::Column::KeyDigest, &digests)
        .await?;
    // One that is withdrawn has left its name to another row.
    let there = rows.into_iter().filter(|row| row.ordinal > 0);
    let found = there.filter_map(|row| Some((Digest::from_slice(&row.key_digest)?, row)));
    Ok(found.collect())
}

fn there<'a>(dataset: &Dataset, version: &str, versions: &'a Versions) -> Result<&'a version::Model, String> {
    let found = versions.get(&named(dataset, version).1.digest);
    found.ok_or_else(|| format!("there is a version {version:?} of {:?}", dataset.name))
}

/// What would be right of a version that a story describes.
fn version_right(said: &DatasetMeaning, versions: &Versions) -> Option<String> {
    let row = match there(&said.dataset, &said.version, versions) {
        Ok(row) => row,
        Err(right) => return Some(right),
    };
    said.created_at?;
    let id = row.id.0;
    if row.produced_revision == NEVER {
        return Some(format!("its version {id} has been produced"));
    }
    (!row.is_described).then(|| format!("its version {id} is_described"))
}

/// What is kept apart from the stories of runs.
pub(super) async fn apart_of_runs(
    snapshot: &Snapshot,
    runs: &[ExecutionId],
) -> Result<HashMap<ExecutionId, Vec<version_story::Model>>, StoreError> {
    let column = version_story::Column::ExecutionId;
    let mut apart: HashMap<ExecutionId, Vec<version_story::Model>> = HashMap::new();
    for row in snapshot.with::<version_story::Entity, _>(column, runs).await? {
        if let Some(run) = row.execution_id {
            apart.entry(run).or_default().push(row);
        }
    }
    Ok(apart)
}

/// What is wrong: the check, the row and what would be right.
type Wrong = (&'static str, String, String);

/// Runs with all that their stories must have left behind.
struct Runs {
    stories: HashMap<ExecutionId, run_story::Model>,
    /// What is kept apart from them.
    apart: HashMap<ExecutionId, Vec<version_story::Model>>,
    executions: HashMap<ExecutionId, execution::Model>,
    /// Those that they name as parents.
    parents: HashMap<Vec<u8>, ExecutionId>,
    /// Those that stand, and whether records say them.
    edges: BTreeMap<(ExecutionId, i16, String, VersionId), bool>,
    floating: HashMap<ExecutionId, BTreeMap<Vec<u8>, floating_input::Model>>,
    names: Names,
    versions: Versions,
}

impl Runs {
    async fn of(snapshot: &Snapshot, runs: &[(ExecutionId, RunStory)]) -> Result<Self, StoreError> {
        let ids: Vec<ExecutionId> = runs.iter().map(|(id, _)| *id).collect();
        let stories = snapshot
            .with::<run_story::Entity, _>(run_story::Column::Id, &ids)
            .await?;
        let apart = apart_of_runs(snapshot, &ids).await?;
        let executions = snapshot
            .with::<execution::Entity, _>(execution::Column::Id, &ids)
            .await?;
        let column = floating_input::Column::ExecutionId;
        let mut floating: HashMap<ExecutionId, BTreeMap<Vec<u8>, floating_input::Model>> = HashMap::new();
        for row in snapshot.with::<floating_input::Entity, _>(column, &ids).await? {
            let of_run = floating.entry(row.execution_id).or_default();
            of_run.insert(row.digest.clone(), row);
        }
        let datasets = runs
            .iter()
            .flat_map(|(_, story)| story.inputs.keys().chain(story.outputs.keys()));
        let mut digests: BTreeSet<Vec<u8>> = datasets.map(|dataset| dataset.key().digest().to_vec()).collect();
        let names = Names::of(snapshot, digests.clone()).await?;
        digests.extend(names.other.values().filter_map(|row| {
            let kept: Dataset = serde_json::from_str(&row.dataset).ok()?;
            Some(kept.key().digest().to_vec())
        }));
        let names = Names::of(snapshot, digests).await?;
        let mut runs_with = Self {
            stories: stories.into_iter().map(|row| (row.id, row)).collect(),
            apart,
            executions: executions.into_iter().map(|row| (row.id, row)).collect(),
            parents: HashMap::new(),
            edges: snapshot.standing_edges(&ids).await?,
            floating,
            names,
            versions: Versions::new(),
        };
        let meanings: Vec<Meaning> = runs.iter().map(|(_, story)| runs_with.meaning(story)).collect();
        let read = meanings.iter().flat_map(|meaning| &meaning.inputs);
        let read = read.map(|input| (&input.dataset, input.placeholder()));
        let written = meanings.iter().flat_map(|meaning| &meaning.outputs);
        let written = written.map(|output| (&output.version.dataset, output.version.version.clone()));
        let named: Vec<(&Dataset, String)> = read.chain(written).collect();
        runs_with.versions = versions_of(snapshot, named.iter().map(|(d, v)| (*d, v.as_str()))).await?;
        let parents = meanings.iter().filter_map(|meaning| meaning.parent.as_ref());
        let parents: BTreeSet<Vec<u8>> = parents.map(|parent| parent.digest().to_vec()).collect();
        let parents: Vec<Vec<u8>> = parents.into_iter().collect();
        let parents = snapshot.with::<execution::Entity, _>(execution::Column::KeyDigest, &parents);
        runs_with.parents = parents.await?.into_iter().map(|row| (row.key_digest, row.id)).collect();
        Ok(runs_with)
    }

    /// A story as it is kept, with what is kept apart; none where it cannot be read.
    fn kept(&self, id: ExecutionId) -> Option<RunStory> {
        let mut story: RunStory = read(Some(&self.stories.get(&id)?.story)).ok()?;
        let mut apart = self.apart.get(&id).into_iter().flatten();
        let taken = apart.try_for_each(|row| take_in(&mut story, row));
        taken.is_ok().then_some(story)
    }

    /// What a story means, under the names that are kept.
    fn meaning(&self, story: &RunStory) -> Meaning {
        story.meaning(|dataset| self.names.kept(dataset))
    }

    fn wrong(&self, id: ExecutionId, story: &RunStory) -> Vec<Wrong> {
        let Some(row) = self.executions.get(&id) else {
            return Vec::new();
        };
        let meaning = self.meaning(story);
        let name = format!("execution {}", id.0);
        let outputs = meaning
            .outputs
            .iter()
            .filter_map(|output| self.output_right(id, output));
        let inputs = meaning
            .inputs
            .iter()
            .filter_map(|input| self.named_input_right(id, input));
        let fields = self.fields_right(row, &meaning);
        let fields = fields.map(|right| ("executions", name.clone(), right.to_owned()));
        let edges = outputs.chain(inputs).map(|right| ("stories", name.clone(), right));
        let edges = edges.chain(
            self.unsaid_edges(id, &meaning)
                .map(|right| ("stories", name.clone(), right)),
        );
        edges.chain(fields).chain(self.floating_wrong(row, &meaning)).collect()
    }

    /// The fields of an execution are what records and events say, put together.
    fn fields_right(&self, row: &execution::Model, meaning: &Meaning) -> Option<&'static str> {
        let is_itself = |parent: &&ExecutionKey| parent.digest().to_vec() == row.key_digest;
        let parent = meaning.parent.as_ref().filter(|parent| !is_itself(parent));
        let parent = parent.and_then(|parent| self.parents.get(&parent.digest().to_vec()));
        let told = Fields::told(meaning, parent.copied());
        let recorded = self.stories.get(&row.id).and_then(|stored| stored.recorded.as_deref());
        let Ok(recorded) = read::<Fields>(recorded) else {
            return Some("recorded of its run_story is a JSON object of fields");
        };
        let is_right = row.reported_revision != NEVER && Fields::of(row).ok() == Some(recorded.and(told));
        (!is_right).then_some("it is reported, and its fields are what records and events say of it")
    }

    /// Edges that stand although neither a record nor an event says them.
    fn unsaid_edges(&self, id: ExecutionId, meaning: &Meaning) -> impl Iterator<Item = String> {
        let version = |dataset, version| there(dataset, version, &self.versions).ok().map(|row| row.id);
        let mut said = BTreeSet::new();
        for Output { name, version: of } in &meaning.outputs {
            said.extend(version(&of.dataset, &of.version).map(|version| (edge::OUTPUT, name.as_str(), version)));
        }
        for input in &meaning.inputs {
            if let InputVersion::Named(named) = &input.version {
                let version = version(&input.dataset, named);
                said.extend(version.map(|version| (edge::INPUT, input.name.as_str(), version)));
            }
        }
        for row in self.floating.get(&id).into_iter().flat_map(BTreeMap::values) {
            said.extend(row.version_id.map(|version| (edge::INPUT, row.name.as_str(), version)));
        }
        let first = (id, i16::MIN, String::new(), VersionId(0));
        let of_run = self
            .edges
            .range(first..)
            .take_while(|((execution, ..), _)| *execution == id);
        let unsaid = of_run.filter(|((_, role, name, version), is_recorded)| {
            !**is_recorded && !said.contains(&(*role, name.as_str(), *version))
        });
        let unsaid = unsaid.map(|((_, _, name, version), _)| {
            format!(
                "the edge {name:?} to version {} has ended, since no event says it any more",
                version.0
            )
        });
        unsaid.collect::<Vec<_>>().into_iter()
    }

    fn output_right(&self, id: ExecutionId, output: &Output) -> Option<String> {
        let said = &output.version;
        if let Some(right) = version_right(said, &self.versions) {
            return Some(right);
        }
        self.edge_right(id, edge::OUTPUT, &output.name, (&said.dataset, &said.version))
    }

    fn named_input_right(&self, id: ExecutionId, input: &Input) -> Option<String> {
        let InputVersion::Named(version) = &input.version else {
            return None;
        };
        self.edge_right(id, edge::INPUT, &input.name, (&input.dataset, version))
    }

    fn edge_right(&self, id: ExecutionId, role: i16, name: &str, (of, version): (&Dataset, &str)) -> Option<String> {
        let row = match there(of, version, &self.versions) {
            Ok(row) => row,
            Err(right) => return Some(right),
        };
        let stands = self.edges.contains_key(&(id, role, name.to_owned(), row.id));
        let way = if role == edge::INPUT { "an input" } else { "an output" };
        (!stands).then(|| format!("{way} edge {name:?} to version {} stands", row.id.0))
    }

    /// The inputs that float are those of which the story names no version.
    fn floating_wrong(&self, run: &execution::Model, meaning: &Meaning) -> Vec<Wrong> {
        let none = BTreeMap::new();
        let rows = self.floating.get(&run.id).unwrap_or(&none);
        let digest = Digest::from_slice(&run.key_digest);
        let said = meaning
            .inputs
            .iter()
            .filter_map(|input| Some((floating_digest(digest?, input)?.to_vec(), input)));
        let said: BTreeMap<Vec<u8>, &Input> = said.collect();
        let mut wrong = Vec::new();
        for (digest, input) in &said {
            let right = match rows.get(digest) {
                Some(row) => self.floating_right(row, input),
                None => Some(format!("there is a floating_input of {:?}", input.dataset.name)),
            };
            let name = rows
                .get(digest)
                .map_or(format!("execution {}", run.id.0), floating_name);
            wrong.extend(right.map(|right| ("floating inputs", name, right)));
        }
        for row in rows
            .values()
            .filter(|row| !row.is_gone && !said.contains_key(&row.digest))
        {
            let right = "it is gone, since no event tells of it".to_owned();
            wrong.push(("floating inputs", floating_name(row), right));
        }
        wrong
    }

    fn floating_right(&self, row: &floating_input::Model, input: &Input) -> Option<String> {
        let InputVersion::Latest { partition, started_at } = &input.version else {
            return None;
        };
        let key = input.dataset.key();
        let partition_digest = partition.clone().map(|values| PartitionKey { values, window: None });
        let partition_digest = partition_digest.map(|partition| partition.digest(&key).to_vec());
        let owner = self.names.own.get(&key.digest().to_vec()).copied();
        let columns = [
            ("is_gone", !row.is_gone),
            ("artifact_id", owner == Some(row.artifact_id)),
            ("name", row.name == input.name),
            ("partition_digest", row.partition_digest == partition_digest),
            ("placeholder", row.placeholder == input.placeholder()),
            ("started_at", row.started_at == *started_at),
        ];
        let wrong = columns.into_iter().find(|(_, is_right)| !is_right);
        wrong.map(|(column, _)| format!("{column} is what the events about its execution say"))
    }
}

fn floating_name(row: &floating_input::Model) -> String {
    format!("floating_input {}", row.id)
}

/// The name of an artifact as a dataset, and all artifacts whose events add up in its story: its own, and those of its other
/// names; none at all where it is itself another name.
async fn members(snapshot: &Snapshot, id: ArtifactId) -> Result<Option<(Dataset, Vec<ArtifactId>)>, StoreError> {
    let found = snapshot
        .with::<artifact::Entity, _>(artifact::Column::Id, &[id])
        .await?;
    let Some(row) = found.into_iter().next() else {
        return Ok(None);
    };
    let dataset = dataset_of(&row);
    let column = dataset_name::Column::Digest;
    let other = snapshot.names(column, std::slice::from_ref(&row.key_digest)).await?;
    if other.iter().any(|name| name.artifact_id != id) {
        return Ok(Some((dataset, Vec::new())));
    }
    let names = snapshot.names(dataset_name::Column::ArtifactId, &[id]).await?;
    let names: Vec<Vec<u8>> = names.into_iter().map(|name| name.digest).collect();
    let artifacts = snapshot
        .with::<artifact::Entity, _>(artifact::Column::KeyDigest, &names)
        .await?;
    let members = artifacts.into_iter().map(|row| row.id).chain([id]);
    Ok(Some((dataset, members.collect())))
}

/// Where floating inputs belong.
struct Targets {
    at: HashMap<i64, Option<VersionId>>,
    executions: HashMap<ExecutionId, execution::Model>,
    artifacts: HashMap<ArtifactId, artifact::Model>,
    versions: HashMap<VersionId, version::Model>,
}

impl Targets {
    async fn of(snapshot: &Snapshot, rows: &[floating_input::Model]) -> Result<Self, StoreError> {
        let executions: Vec<ExecutionId> = rows.iter().map(|row| row.execution_id).collect();
        let executions = snapshot
            .with::<execution::Entity, _>(execution::Column::Id, &executions)
            .await?;
        let artifacts: Vec<ArtifactId> = rows.iter().map(|row| row.artifact_id).collect();
        let artifacts = snapshot
            .with::<artifact::Entity, _>(artifact::Column::Id, &artifacts)
            .await?;
        let versions: Vec<VersionId> = rows.iter().filter_map(|row| row.version_id).collect();
        let versions = snapshot
            .with::<version::Entity, _>(version::Column::Id, &versions)
            .await?;
        Ok(Self {
            at: snapshot.floating_targets(rows).await?,
            executions: executions.into_iter().map(|row| (row.id, row)).collect(),
            artifacts: artifacts.into_iter().map(|row| (row.id, row)).collect(),
            versions: versions.into_iter().map(|row| (row.id, row)).collect(),
        })
    }

    fn right(&self, row: &floating_input::Model) -> Option<String> {
        let (run, owner) = (
            self.executions.get(&row.execution_id)?,
            self.artifacts.get(&row.artifact_id)?,
        );
        let hex = Digest::from_slice(&run.key_digest)?.hash_hex();
        let Dataset { namespace, name } = dataset_of(owner);
        let parts = [&hex, &namespace, &name, &row.name, &row.placeholder];
        let digest = Digest::of(b"floating", &parts.map(String::as_str));
        if digest.to_vec() != row.digest {
            return Some(format!("the digest is {}", digest.to_hex()));
        }
        let at = row.version_id?;
        match self.at.get(&row.id).copied().flatten() {
            Some(right) => (right != at).then(|| format!("it is at version {}", right.0)),
            None => {
                let known = self.versions.get(&at)?;
                let is_right = (known.artifact_id, &known.version) == (row.artifact_id, &row.placeholder);
                (!is_right).then(|| format!("it is at the version {:?}, since nothing was produced", row.placeholder))
            }
        }
    }
}

fn symlink_right(row: &symlink::Model) -> Option<String> {
    let names = [&row.alias, &row.dataset].map(|text| serde_json::from_str::<Dataset>(text).ok());
    let [Some(alias), Some(dataset)] = names else {
        return Some("alias and dataset are names of datasets, as JSON".to_owned());
    };
    let columns = [
        ("digest", row.digest == pair(&alias, &dataset).to_vec()),
        ("alias_digest", row.alias_digest == alias.key().digest().to_vec()),
        ("dataset_digest", row.dataset_digest == dataset.key().digest().to_vec()),
        ("alias", alias != dataset && alias.key().validate().is_ok()),
        ("dataset", dataset.key().validate().is_ok()),
    ];
    let wrong = columns.into_iter().find(|(_, is_right)| !is_right);
    wrong.map(|(column, _)| format!("{column} is that of two names of one dataset"))
}

/// Names that symlinks connect with that of an artifact.
struct Family {
    names: BTreeMap<Vec<u8>, Dataset>,
    /// The first of those that have symlinks of their own.
    kept: Option<Dataset>,
}

impl Family {
    async fn of(snapshot: &Snapshot, owner: &artifact::Model) -> Result<Self, StoreError> {
        let (mut names, mut with_symlinks) = (BTreeMap::new(), BTreeSet::new());
        let mut next = vec![owner.key_digest.clone()];
        let mut asked = BTreeSet::from([owner.key_digest.clone()]);
        while !next.is_empty() {
            for row in snapshot.symlinks_of(&std::mem::take(&mut next)).await? {
                let read = |text: &str| serde_json::from_str::<Dataset>(text).ok();
                let (alias, dataset) = (read(&row.alias), read(&row.dataset));
                with_symlinks.extend(dataset.clone());
                for name in alias.into_iter().chain(dataset) {
                    let digest = name.key().digest().to_vec();
                    names.insert(digest.clone(), name);
                    if asked.insert(digest.clone()) {
                        next.push(digest);
                    }
                }
            }
        }
        Ok(Self {
            names,
            kept: with_symlinks.pop_first(),
        })
    }

    fn wrong(&self, owner: &artifact::Model, stored: &[dataset_name::Model]) -> Vec<(String, String)> {
        let name = format!("artifact {}", owner.id.0);
        if self.kept.as_ref().map(Dataset::key) != Some(key_of(owner)) {
            let right = match &self.kept {
                Some(kept) => format!("its other names are of {:?}, by all symlinks", kept.name),
                None => "it has no other names, since there is no symlink".to_owned(),
            };
            return vec![(name, right)];
        }
        let mut lacking: BTreeMap<&Vec<u8>, &Dataset> = self.names.iter().collect();
        let mut wrong = Vec::new();
        for row in stored {
            let right = lacking
                .remove(&row.digest)
                .and_then(|said| name_right(row, said, owner));
            let is_of_family = self.names.contains_key(&row.digest);
            let right = right.or_else(|| (!is_of_family).then(|| "a symlink tells of it".to_owned()));
            wrong.extend(right.map(|right| (format!("dataset_name {}", row.id), right)));
        }
        // Its own name has a row only where it was another one's once.
        lacking.remove(&owner.key_digest);
        wrong.extend(
            lacking
                .values()
                .map(|said| (name.clone(), format!("dataset_name has its name {:?}", said.name))),
        );
        wrong
    }
}

fn name_right(row: &dataset_name::Model, said: &Dataset, owner: &artifact::Model) -> Option<String> {
    if (&row.namespace, &row.name) != (&said.namespace, &said.name) {
        return Some("namespace and name are those of its digest".to_owned());
    }
    let kept = serde_json::from_str::<Dataset>(&row.dataset).ok();
    (kept != Some(dataset_of(owner))).then(|| "dataset is the name of its artifact".to_owned())
}
