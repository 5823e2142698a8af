//! What a story means in our own terms: an execution, what it wrote, and what it read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::DOMAIN;
use super::event::{Dataset, EventType};
use super::facet::{Facets, clean, object, quoted, text, to_json};
use super::story::{DatasetStory, RunStory, Use, Uses};
use super::subset::PartitionValues;
use crate::domain::key::{Digest, ExecutionKey, LONG_NAME, SHORT_NAME};
use crate::domain::record::{ExecutionKind, ExecutionState};
use crate::domain::time::Timestamp;

/// The version that stands for a dataset of which nobody is known to have produced one.
pub const UNVERSIONED: &str = "unversioned";

/// What a run, or a job as such, comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meaning {
    /// What kind of run it is, where the job says so.
    pub kind: Option<ExecutionKind>,
    /// How far it is; none where no event says.
    pub state: Option<ExecutionState>,
    /// The job's name.
    pub entity: Option<String>,
    /// The run that it is part of.
    pub parent: Option<ExecutionKey>,
    /// When it started: at its first START, or, without one, at its first event.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// Its facets, and those of what it read, as a JSON object; none where there are none.
    pub metadata: Option<String>,
    /// What it read.
    pub inputs: Vec<Input>,
    /// What it wrote.
    pub outputs: Vec<Output>,
}

/// What a run read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    /// What the run calls it.
    pub name: String,
    /// Of which dataset.
    pub dataset: Dataset,
    /// Which version.
    pub version: InputVersion,
}

/// Which version a run read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputVersion {
    /// The one that it names.
    Named(String),
    /// The latest that was there when the run started, of a partition or of any.
    Latest {
        /// The partition.
        partition: Option<PartitionValues>,
        /// When the run started.
        started_at: i64,
    },
}

/// What a run wrote, or is going to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// What the run calls it.
    pub name: String,
    /// The version.
    pub version: DatasetMeaning,
}

/// A version of a dataset, as events describe it.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetMeaning {
    /// Of which dataset.
    pub dataset: Dataset,
    /// The version string.
    pub version: String,
    /// When it was produced; none as long as it was not.
    pub created_at: Option<Timestamp>,
    /// Its partition.
    pub partition: PartitionValues,
    /// Where the data lies, as far as the dataset's name tells.
    pub location: Option<String>,
    /// What kind of dataset it is.
    pub data_type: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its facets.
    pub metadata: Facets,
}

impl DatasetMeaning {
    /// What all who speak of a version say of it, each facet as it was said last.
    pub fn of_all(dataset: &Dataset, version: &str, said: &[Use]) -> Self {
        let all = said.iter().fold(Use::default(), |all, one| all.and(one).into_owned());
        meaning_of(dataset, version.to_owned(), PartitionValues::new(), None, &all)
    }
}

impl RunStory {
    /// What it says of a version that it names, of one dataset by any of its names.
    pub fn said_of(&self, version: &str, is_dataset: impl Fn(&Dataset) -> bool) -> Option<Use> {
        let mut all = Uses::default();
        let its = self.outputs.iter().filter(|(dataset, _)| is_dataset(dataset));
        its.for_each(|(_, uses)| all.extend(uses));
        let own = all.versions.get(version)?;
        self.named_at(own)?;
        Some(own.and(&all.plain).into_owned())
    }

    /// What it means. Its own facets are as they were said; what it read and wrote is under the names under which datasets are kept:
    /// where two names turn out to be of one, what was said of them adds up.
    pub fn meaning(&self, kept: impl Fn(&Dataset) -> Dataset) -> Meaning {
        let [inputs, outputs] = [&self.inputs, &self.outputs].map(|said| renamed(said, &kept));
        Meaning {
            kind: self.kind(),
            state: self.state(),
            entity: self.job_name().map(str::to_owned),
            parent: self.parent(),
            started_at: self.started_at().map(Timestamp),
            ended_at: self.end().map(|(_, at)| Timestamp(at)),
            error: self.run.get("errorMessage").and_then(|facet| facet.text("message")),
            metadata: self.metadata(),
            inputs: inputs
                .iter()
                .flat_map(|(dataset, uses)| self.read(dataset, uses))
                .collect(),
            outputs: outputs
                .iter()
                .flat_map(|(dataset, uses)| self.written(dataset, uses))
                .collect(),
        }
    }

    fn kind(&self) -> Option<ExecutionKind> {
        let facet = &self.job.get("jobType")?.value();
        let job_type = text(facet, "jobType")?.to_ascii_uppercase();
        let integration = text(facet, "integration").unwrap_or_default().to_ascii_uppercase();
        let is_whole = match job_type.as_str() {
            "DAG" | "WORKFLOW" | "PIPELINE" | "APPLICATION" | "PROJECT" => true,
            // What a command of dbt does as a whole; what it runs are models, tests and so on.
            "JOB" => integration == "DBT",
            _ => false,
        };
        Some(if is_whole {
            ExecutionKind::Workflow
        } else {
            ExecutionKind::Task
        })
    }

    fn state(&self) -> Option<ExecutionState> {
        match self.end() {
            Some((EventType::Complete, _)) => Some(ExecutionState::Succeeded),
            Some((EventType::Abort, _)) => Some(ExecutionState::Aborted),
            Some(_) => Some(ExecutionState::Failed),
            None => self.has_begun.then_some(ExecutionState::Running),
        }
    }

    fn parent(&self) -> Option<ExecutionKey> {
        let facet = self.run.get("parent")?.value();
        let key = ExecutionKey {
            project: text(facet.get("job")?, "namespace")?,
            domain: DOMAIN.to_owned(),
            name: text(facet.get("run")?, "runId")?,
        };
        key.validate().is_ok().then_some(key)
    }

    /// When it started. A job as such is as of the last event about it.
    fn started_at(&self) -> Option<i64> {
        match self.run_id {
            Some(_) => self.start.or(self.first),
            None => None,
        }
    }

    /// As of when it reads what has no version.
    fn reads_at(&self) -> i64 {
        self.started_at().or(self.last).unwrap_or_default()
    }

    /// In the order of names.
    fn metadata(&self) -> Option<String> {
        let described: Vec<String> = self
            .inputs
            .iter()
            .filter_map(|(dataset, uses)| described(dataset, uses))
            .collect();
        let inputs = (!described.is_empty()).then(|| format!("[{}]", described.join(",")));
        let [job, run] =
            [&self.job, &self.run].map(|facets| Some(clean(facets.standing())).filter(|facets| !facets.is_empty()));
        let [job, run] = [job, run].map(|facets| facets.as_ref().map(to_json));
        let members = [("inputs", inputs), ("job", job), ("run", run)];
        let members = members
            .into_iter()
            .filter_map(|(name, member)| Some((name, Cow::Owned(member?))));
        Some(object(members)).filter(|text| text != "{}")
    }

    fn read(&self, dataset: &Dataset, uses: &Uses) -> Vec<Input> {
        let input = |version| Input {
            name: edge_name(dataset),
            dataset: dataset.clone(),
            version,
        };
        if !uses.versions.is_empty() {
            return uses
                .versions
                .keys()
                .map(|version| input(InputVersion::Named(version.clone())))
                .collect();
        }
        let latest = |partition| {
            input(InputVersion::Latest {
                partition,
                started_at: self.reads_at(),
            })
        };
        let partitions = &uses.plain.partitions;
        if partitions.is_empty() {
            return vec![latest(None)];
        }
        partitions.iter().map(|values| latest(Some(values.clone()))).collect()
    }

    fn written(&self, dataset: &Dataset, uses: &Uses) -> Vec<Output> {
        let versions = if !uses.versions.is_empty() {
            let named = uses.versions.iter();
            named
                .map(|(version, said)| self.named_output(dataset, version, &said.and(&uses.plain), said))
                .collect()
        } else if let Some(run_id) = &self.run_id {
            self.outputs_of_run(dataset, run_id, &uses.plain)
        } else {
            vec![meaning_of(
                dataset,
                UNVERSIONED.to_owned(),
                PartitionValues::new(),
                None,
                &uses.plain,
            )]
        };
        let output = |version| Output {
            name: edge_name(dataset),
            version,
        };
        versions.into_iter().map(output).collect()
    }

    /// When a version that the run names is there: as soon as an event after START names it, at the latest when the run is
    /// complete; not while it is only announced.
    fn named_at(&self, own: &Use) -> Option<i64> {
        own.first_after_start.into_iter().chain(self.complete).min()
    }

    fn named_output(&self, dataset: &Dataset, version: &str, said: &Use, own: &Use) -> DatasetMeaning {
        let created_at = self.named_at(own);
        let partition = match own.partitions.len() {
            1 => own.partitions.first().cloned().unwrap_or_default(),
            _ => PartitionValues::new(),
        };
        meaning_of(dataset, version.to_owned(), partition, created_at, said)
    }

    /// One version for a run and a dataset, or for each partition of it that the run writes. It is there when the run is complete;
    /// one that goes on without end has written as soon as it says so.
    fn outputs_of_run(&self, dataset: &Dataset, run_id: &str, said: &Use) -> Vec<DatasetMeaning> {
        let created_at = if self.is_endless { said.first } else { self.complete };
        if said.partitions.is_empty() {
            return vec![meaning_of(
                dataset,
                run_id.to_owned(),
                PartitionValues::new(),
                created_at,
                said,
            )];
        }
        let partitions = said.partitions.iter();
        partitions
            .map(|values| meaning_of(dataset, in_partition(run_id, values), values.clone(), created_at, said))
            .collect()
    }
}

impl DatasetStory {
    /// The versions that it describes.
    pub fn versions(&self, dataset: &Dataset) -> Vec<DatasetMeaning> {
        let versions = self.uses.versions.iter();
        versions
            .map(|(version, said)| meaning_of(dataset, version.clone(), PartitionValues::new(), said.first, said))
            .collect()
    }

    /// What is said of the dataset itself, whatever its version: each facet as it was said last.
    pub fn metadata(&self) -> Facets {
        clean(self.uses.all().facets.standing())
    }
}

/// What was said of datasets, under the names under which they are kept.
fn renamed(said: &BTreeMap<Dataset, Uses>, kept: impl Fn(&Dataset) -> Dataset) -> BTreeMap<Dataset, Cow<'_, Uses>> {
    let mut all: BTreeMap<Dataset, Cow<'_, Uses>> = BTreeMap::new();
    for (dataset, uses) in said {
        match all.entry(kept(dataset)) {
            Entry::Vacant(place) => drop(place.insert(Cow::Borrowed(uses))),
            Entry::Occupied(mut known) => known.get_mut().to_mut().extend(uses),
        }
    }
    all
}

fn meaning_of(
    dataset: &Dataset,
    version: String,
    partition: PartitionValues,
    created_at: Option<i64>,
    said: &Use,
) -> DatasetMeaning {
    let facet = |name: &str, member: &str| said.facets.get(name).and_then(|facet| facet.text(member));
    let mut metadata = said.facets.standing();
    metadata.extend(said.own.standing());
    DatasetMeaning {
        location: location(dataset),
        data_type: facet("datasetType", "datasetType"),
        description: facet("documentation", "description"),
        metadata: clean(metadata),
        dataset: dataset.clone(),
        version,
        created_at: created_at.map(Timestamp),
        partition,
    }
}

/// What was said of an input, where something was: its members in the order of their names.
fn described(dataset: &Dataset, uses: &Uses) -> Option<String> {
    let all = uses.all();
    let [facets, own] = [&all.facets, &all.own].map(|said| clean(said.standing()));
    if facets.is_empty() && own.is_empty() {
        return None;
    }
    let member = |name, facets: &Facets| Some((name, Cow::Owned(to_json(facets)))).filter(|_| !facets.is_empty());
    let facets = [member("facets", &facets), member("inputFacets", &own)];
    let names = [("name", &dataset.name), ("namespace", &dataset.namespace)];
    let names = names.map(|(member, name)| (member, Cow::Owned(quoted(name))));
    Some(object(facets.into_iter().flatten().chain(names)))
}

/// Where the data lies, where namespace and name say so.
fn location(dataset: &Dataset) -> Option<String> {
    let Dataset { namespace, name } = dataset;
    if namespace == "file" {
        return Some(name.clone());
    }
    let join = if namespace.ends_with('/') || name.starts_with('/') {
        ""
    } else {
        "/"
    };
    namespace.contains("://").then(|| format!("{namespace}{join}{name}"))
}

/// What a run calls a dataset: its name, as far as the name of an edge can have it.
fn edge_name(dataset: &Dataset) -> String {
    let start: String = dataset.name.chars().take(SHORT_NAME).collect();
    start.trim_end().to_owned()
}

/// What would be read otherwise in the name of a version with its partition.
const SPECIAL: AsciiSet = CONTROLS.add(b'%').add(b'/').add(b'=').add(b'?').add(b'#');

/// A version of one partition: `run/day=2026-11-24/region=EU`; where that is too long, its digest.
pub(super) fn in_partition(version: &str, values: &PartitionValues) -> String {
    let mut name = version.to_owned();
    for (key, value) in values {
        let (key, value) = (utf8_percent_encode(key, &SPECIAL), utf8_percent_encode(value, &SPECIAL));
        name.push_str(&format!("/{key}={value}"));
    }
    if name.chars().count() <= LONG_NAME {
        return name;
    }
    let parts: Vec<&str> = values
        .iter()
        .flat_map(|(k, v)| [k.as_str(), v])
        .chain([version])
        .collect();
    Digest::of(b"partition of a version", &parts).to_hex()
}

impl Input {
    /// The version that stands in for what nobody is known to have produced.
    pub fn placeholder(&self) -> String {
        match &self.version {
            InputVersion::Named(version) => version.clone(),
            InputVersion::Latest { partition: None, .. } => UNVERSIONED.to_owned(),
            InputVersion::Latest {
                partition: Some(values),
                ..
            } => in_partition(UNVERSIONED, values),
        }
    }
}

/// The outputs of a meaning by what they are.
pub fn by_version(outputs: &[Output]) -> BTreeMap<(&Dataset, &str), &Output> {
    outputs
        .iter()
        .map(|output| ((&output.version.dataset, output.version.version.as_str()), output))
        .collect()
}
