//! Verifies that a version that events describe is what a record and all events say of it.

use std::collections::{BTreeSet, HashMap};

use entity::{
    ArtifactId, ExecutionId, NEVER, VersionId, artifact, dataset_story, edge, recorded_version, run_story, version,
    version_story,
};

use super::super::content::{Recorded, Told, together};
use super::super::story::{read, take_in, take_in_of_dataset};
use super::events::{Names, apart_of_runs, dataset_of};
use super::{Check, Told as Found};
use crate::domain::openlineage::{Dataset, DatasetStory, RunStory, Written};
use crate::store::StoreError;
use crate::store::check::Snapshot;

/// The names of all rules of this module.
pub(super) const RULES: [&str; 3] = ["described versions", "recorded versions", "withdrawn versions"];

impl<F: FnMut(Found)> Check<F> {
    /// All versions that events describe.
    pub(super) async fn described_versions(&mut self) -> Result<(), StoreError> {
        self.begin("described versions");
        let mut after = 0;
        loop {
            let rows = self.snapshot.described_versions(after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id.0;
            let speakers = Speakers::of(&self.snapshot, &rows).await?;
            let written = speakers.written();
            for row in &rows {
                for (check, right) in speakers.wrong(row, &written) {
                    self.found(check, format!("version {}", row.id.0), right);
                }
            }
            (self.told)(Found::Rows(rows.len()));
        }
    }
}

/// Who speaks of some versions.
struct Speakers {
    records: HashMap<VersionId, recorded_version::Model>,
    producers: BTreeSet<(VersionId, ExecutionId)>,
    runs: HashMap<ExecutionId, RunStory>,
    datasets: HashMap<ArtifactId, DatasetStory>,
    artifacts: HashMap<ArtifactId, Dataset>,
    names: Names,
}

impl Speakers {
    async fn of(snapshot: &Snapshot, rows: &[version::Model]) -> Result<Self, StoreError> {
        let ids: Vec<VersionId> = rows.iter().map(|row| row.id).collect();
        let owners: BTreeSet<ArtifactId> = rows.iter().map(|row| row.artifact_id).collect();
        let owners: Vec<ArtifactId> = owners.into_iter().collect();
        let records = snapshot.with::<recorded_version::Entity, _>(recorded_version::Column::Id, &ids);
        let records = records.await?;
        let edges = snapshot.with::<edge::Entity, _>(edge::Column::VersionId, &ids).await?;
        let standing = edges
            .iter()
            .filter(|edge| edge.role == edge::OUTPUT && edge.ended_revision == NEVER);
        let producers: BTreeSet<_> = standing.map(|edge| (edge.version_id, edge.execution_id)).collect();
        let runs: BTreeSet<ExecutionId> = producers.iter().map(|(_, run)| *run).collect();
        let runs: Vec<ExecutionId> = runs.into_iter().collect();
        let stories = snapshot.with::<run_story::Entity, _>(run_story::Column::Id, &runs);
        // A story that cannot be read is found by another check.
        let mut stories: HashMap<ExecutionId, RunStory> = stories
            .await?
            .iter()
            .map(|row| (row.id, read(Some(&row.story)).unwrap_or_default()))
            .collect();
        let versions: BTreeSet<&str> = rows.iter().map(|row| row.version.as_str()).collect();
        for (run, apart) in apart_of_runs(snapshot, &runs).await? {
            if let Some(story) = stories.get_mut(&run) {
                let mut asked = apart.iter().filter(|row| versions.contains(row.version.as_str()));
                let _ = asked.try_for_each(|row| take_in(story, row));
            }
        }
        let runs = stories;
        let datasets = Self::dataset_stories(snapshot, &owners).await?;
        let artifacts = snapshot
            .with::<artifact::Entity, _>(artifact::Column::Id, &owners)
            .await?;
        let named = runs.values().flat_map(|story| story.outputs.keys());
        let named = named.map(|dataset| dataset.key().digest().to_vec()).collect();
        Ok(Self {
            records: records.into_iter().map(|row| (row.id, row)).collect(),
            producers,
            names: Names::of(snapshot, named).await?,
            datasets,
            artifacts: artifacts.iter().map(|row| (row.id, dataset_of(row))).collect(),
            runs,
        })
    }

    async fn dataset_stories(
        snapshot: &Snapshot,
        owners: &[ArtifactId],
    ) -> Result<HashMap<ArtifactId, DatasetStory>, StoreError> {
        let rows = snapshot.with::<dataset_story::Entity, _>(dataset_story::Column::Id, owners);
        let mut stories: HashMap<ArtifactId, DatasetStory> = rows
            .await?
            .iter()
            .map(|row| (row.id, read(Some(&row.story)).unwrap_or_default()))
            .collect();
        let apart = snapshot.with::<version_story::Entity, _>(version_story::Column::ArtifactId, owners);
        for row in apart.await? {
            if let Some(story) = row.artifact_id.and_then(|id| stories.get_mut(&id)) {
                let _ = take_in_of_dataset(story, &row);
            }
        }
        Ok(stories)
    }

    /// What each run has written.
    fn written(&self) -> HashMap<ExecutionId, Written<'_>> {
        let of = |story| Written::of(story, |dataset| self.names.kept(dataset));
        self.runs.iter().map(|(run, story)| (*run, of(story))).collect()
    }

    fn wrong(&self, row: &version::Model, written: &HashMap<ExecutionId, Written<'_>>) -> Vec<(&'static str, String)> {
        let record = self.records.get(&row.id).map(Recorded::read);
        let record = match record.transpose() {
            Ok(record) => record,
            Err(error) => return vec![("recorded versions", format!("its content can be read; but: {error}"))],
        };
        let told = self.told_of(row, written);
        if record.is_none() && told.is_none() {
            let right = "it is withdrawn, since neither events nor a record tell of it any more".to_owned();
            return vec![("withdrawn versions", right)];
        }
        let right = together(row.clone(), record.as_ref(), told.as_ref());
        let wrong = right.ok().and_then(|right| difference(row, &right));
        let name = |column| format!("{column} is what a record and all events say of it");
        wrong
            .map(|column| ("described versions", name(column)))
            .into_iter()
            .collect()
    }

    /// What events say of a version, all of them together.
    fn told_of(&self, row: &version::Model, written: &HashMap<ExecutionId, Written<'_>>) -> Option<Told> {
        let dataset = self.artifacts.get(&row.artifact_id)?;
        let [first, last] = [i64::MIN, i64::MAX].map(|run| (row.id, ExecutionId(run)));
        let producers = self.producers.range(first..=last);
        let runs = producers.filter_map(|(_, run)| written.get(run));
        let own = self.datasets.get(&row.artifact_id);
        Told::of_all(dataset, &row.version, runs, own)
    }
}

/// The first column in which a row is not what it should be. Facets are compared by what they mean, not by how they are spelled.
fn difference(row: &version::Model, right: &version::Model) -> Option<&'static str> {
    let facets = |row: &version::Model| Told::of_row(row).ok().map(|told| told.metadata);
    let columns = [
        ("given_values", row.given_values == right.given_values),
        ("given_time", row.given_time == right.given_time),
        ("location", row.location == right.location),
        ("data_type", row.data_type == right.data_type),
        ("description", row.description == right.description),
        ("metadata", facets(row) == facets(right)),
        ("card", row.card == right.card),
        ("created_at", row.created_at == right.created_at),
        ("created_at_given", row.created_at_given == right.created_at_given),
    ];
    columns
        .into_iter()
        .find(|(_, is_right)| !is_right)
        .map(|(column, _)| column)
}
