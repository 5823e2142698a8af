//! What a story means in our own terms: an execution, what it wrote, and what it read.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::DOMAIN;
use super::event::{Dataset, Event, EventType, Mention};
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

/// What one who speaks of a version says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Telling {
    said: Use,
    partition: PartitionValues,
    created_at: Timestamp,
}

impl DatasetMeaning {
    /// What all who speak of a version say of it, each facet as it was said last. It was not produced when nobody speaks of it.
    pub fn of_all(dataset: &Dataset, version: &str, told: &[Telling]) -> Self {
        let all = told
            .iter()
            .fold(Use::default(), |all, one| all.and(&one.said).into_owned());
        // They agree on it, where they say it.
        let partition = told
            .iter()
            .map(|one| &one.partition)
            .filter(|one| !one.is_empty())
            .min();
        let created_at = told.iter().map(|one| one.created_at.0).min();
        meaning_of(
            dataset,
            version.to_owned(),
            partition.cloned().unwrap_or_default(),
            created_at,
            &all,
        )
    }
}

/// A part of what a run read and wrote, by the names under which datasets are kept.
#[derive(Clone, Debug)]
pub enum Extent {
    /// All of it.
    All,
    /// What an event names, and what is read without a version of datasets that it writes: a run does not read what it writes itself.
    Named {
        /// What is read.
        inputs: NamedVersions,
        /// What is written.
        outputs: NamedVersions,
    },
}

/// Datasets with the versions of each that an event names; none where it speaks of all of them.
type NamedVersions = BTreeMap<Dataset, Option<BTreeSet<String>>>;

impl Extent {
    /// Nothing of it: what the run itself is.
    pub fn none() -> Self {
        Self::Named {
            inputs: NamedVersions::new(),
            outputs: NamedVersions::new(),
        }
    }

    /// What an event names.
    pub fn named(event: &Event, kept: impl Fn(&Dataset) -> Dataset) -> Self {
        let [mut inputs, outputs] = [&event.inputs, &event.outputs].map(|mentions| named_versions(mentions, &kept));
        for dataset in outputs.keys() {
            inputs.entry(dataset.clone()).or_insert_with(|| Some(BTreeSet::new()));
        }
        Self::Named { inputs, outputs }
    }

    /// What of what is read is in it; none: all.
    fn inputs(&self) -> Option<&NamedVersions> {
        match self {
            Self::All => None,
            Self::Named { inputs, .. } => Some(inputs),
        }
    }

    /// What of what is written is in it; none: all.
    fn outputs(&self) -> Option<&NamedVersions> {
        match self {
            Self::All => None,
            Self::Named { outputs, .. } => Some(outputs),
        }
    }
}

fn named_versions(mentions: &[Mention], kept: impl Fn(&Dataset) -> Dataset) -> NamedVersions {
    let mut named = NamedVersions::new();
    for mention in mentions {
        let versions = named
            .entry(kept(&mention.dataset))
            .or_insert_with(|| Some(BTreeSet::new()));
        match (mention.version(), versions) {
            (Some(version), Some(known)) => drop(known.insert(version)),
            (Some(_), None) => {}
            (None, versions) => *versions = None,
        }
    }
    named
}

/// Those versions of a dataset that are among what is wanted; none is all.
fn among<'a>(wanted: Option<&'a NamedVersions>, dataset: &Dataset, uses: &'a Uses) -> BTreeMap<&'a str, &'a Use> {
    match wanted.and_then(|wanted| wanted.get(dataset)) {
        Some(Some(wanted)) => {
            let named = wanted.iter();
            named
                .filter_map(|version| Some((version.as_str(), uses.version(version)?)))
                .collect()
        }
        _ => uses.versions(),
    }
}

/// What a run has written, by the names under which datasets are kept: for who asks about many versions.
#[derive(Debug)]
pub struct Written<'a> {
    story: &'a RunStory,
    datasets: BTreeMap<Dataset, OfDataset<'a>>,
}

/// What it has written of one dataset.
#[derive(Debug, Default)]
struct OfDataset<'a> {
    uses: Vec<&'a Uses>,
    /// Its versions, where it has named none: there may be thousands, so they are made once for all who ask.
    unnamed: OnceLock<BTreeMap<String, DatasetMeaning>>,
}

impl<'a> Written<'a> {
    /// Of a story.
    pub fn of(story: &'a RunStory, kept: impl Fn(&Dataset) -> Dataset) -> Self {
        let mut datasets: BTreeMap<Dataset, OfDataset<'_>> = BTreeMap::new();
        for (dataset, uses) in &story.outputs {
            datasets.entry(kept(dataset)).or_default().uses.push(uses);
        }
        Self { story, datasets }
    }

    /// What the run says of a version that it has written.
    pub fn told_of(&self, dataset: &Dataset, version: &str) -> Option<Telling> {
        let OfDataset { uses, unnamed } = self.datasets.get(dataset)?;
        let mut of_all = Use::default();
        let mut own: Option<Use> = None;
        for uses in uses {
            of_all.extend(&uses.plain);
            if let Some(said) = uses.version(version) {
                own.get_or_insert_default().extend(said);
            }
        }
        let (meant, said) = match own {
            Some(own) => {
                let said = own.with(&of_all).into_owned();
                (self.story.named_output(dataset, version, &said, &own), said)
            }
            None if uses.iter().any(|uses| uses.has_versions()) => return None,
            None => {
                let run_id = self.story.run_id.as_deref()?;
                let versions = unnamed.get_or_init(|| {
                    let written = self.story.outputs_of_run(dataset, run_id, &of_all);
                    written.into_iter().map(|one| (one.version.clone(), one)).collect()
                });
                let meant = versions.get(version)?.clone();
                (meant, of_all.of_each_partition().into_owned())
            }
        };
        Some(Telling {
            said,
            partition: meant.partition,
            created_at: meant.created_at?,
        })
    }
}

impl RunStory {
    /// What it means. Its own facets are as they were said; what it read and wrote is under the names under which datasets are kept:
    /// where two names turn out to be of one, what was said of them adds up.
    pub fn meaning(&self, kept: impl Fn(&Dataset) -> Dataset) -> Meaning {
        self.meaning_of(&Extent::All, kept)
    }

    /// The same, of what it read and wrote only a part. The whole of it would be as long as a run that goes on for days.
    pub fn meaning_of(&self, extent: &Extent, kept: impl Fn(&Dataset) -> Dataset) -> Meaning {
        let inputs = renamed(&self.inputs, &kept, extent.inputs());
        let outputs = renamed(&self.outputs, &kept, extent.outputs());
        Meaning {
            kind: self.kind(),
            state: self.state(),
            entity: self.job_name().map(str::to_owned),
            parent: self.parent(),
            started_at: self.started_at().map(Timestamp),
            ended_at: self.end().map(|(_, at)| Timestamp(at)),
            error: self.error(),
            metadata: self.metadata(),
            inputs: inputs
                .iter()
                .flat_map(|(dataset, uses)| self.read(dataset, uses, extent))
                .collect(),
            outputs: outputs
                .iter()
                .flat_map(|(dataset, uses)| self.written(dataset, uses, extent))
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

    /// Why it failed. One that has been tried again and has succeeded did not.
    fn error(&self) -> Option<String> {
        if self.state() == Some(ExecutionState::Succeeded) {
            return None;
        }
        self.run.get("errorMessage").and_then(|facet| facet.text("message"))
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
    pub(super) fn reads_at(&self) -> i64 {
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

    fn read(&self, dataset: &Dataset, uses: &Uses, extent: &Extent) -> Vec<Input> {
        let input = |version| Input {
            name: edge_name(dataset),
            dataset: dataset.clone(),
            version,
        };
        if uses.has_versions() {
            let versions = among(extent.inputs(), dataset, uses).into_keys();
            return versions
                .map(|version| input(InputVersion::Named(version.to_owned())))
                .collect();
        }
        let latest = |partition| {
            input(InputVersion::Latest {
                partition,
                started_at: self.reads_at(),
            })
        };
        let partitions = uses.plain.partitions();
        if partitions.is_empty() {
            return vec![latest(None)];
        }
        partitions
            .into_iter()
            .map(|values| latest(Some(values.clone())))
            .collect()
    }

    fn written(&self, dataset: &Dataset, uses: &Uses, extent: &Extent) -> Vec<Output> {
        let versions = if uses.has_versions() {
            let versions = among(extent.outputs(), dataset, uses).into_iter();
            versions
                .map(|(version, said)| self.named_output(dataset, version, &said.with(&uses.plain), said))
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
        let partitions = own.partitions();
        let partition = match partitions.first() {
            Some(one) if partitions.len() == 1 => (*one).clone(),
            _ => PartitionValues::new(),
        };
        meaning_of(dataset, version.to_owned(), partition, created_at, said)
    }

    /// One version for a run and a dataset, or for each partition of it that the run writes. It is there when the run is complete;
    /// one that goes on without end has written as soon as it says so.
    fn outputs_of_run(&self, dataset: &Dataset, run_id: &str, said: &Use) -> Vec<DatasetMeaning> {
        let created_at = if self.is_endless { said.first } else { self.complete };
        let partitions = said.partitions();
        if partitions.is_empty() {
            return vec![meaning_of(
                dataset,
                run_id.to_owned(),
                PartitionValues::new(),
                created_at,
                said,
            )];
        }
        let said = &said.of_each_partition();
        let partitions = partitions.into_iter();
        partitions
            .map(|values| meaning_of(dataset, in_partition(run_id, values), values.clone(), created_at, said))
            .collect()
    }
}

impl DatasetStory {
    /// The versions that it describes.
    pub fn versions(&self, dataset: &Dataset) -> Vec<DatasetMeaning> {
        let versions = self.uses.versions().into_keys();
        versions.filter_map(|version| self.version(dataset, version)).collect()
    }

    /// One of them.
    pub fn version(&self, dataset: &Dataset, version: &str) -> Option<DatasetMeaning> {
        let said = self.uses.version(version)?;
        let partition = PartitionValues::new();
        Some(meaning_of(dataset, version.to_owned(), partition, said.first, said))
    }

    /// What it says of a version.
    pub fn told_of(&self, version: &str) -> Option<Telling> {
        let said = self.uses.version(version)?;
        Some(Telling {
            said: said.clone(),
            partition: PartitionValues::new(),
            created_at: Timestamp(said.first?),
        })
    }

    /// What is said of the dataset itself, whatever its version: each facet as it was said last.
    pub fn metadata(&self) -> Facets {
        clean(self.uses.all().facets.standing())
    }
}

/// What was said of those datasets that are wanted, under the names under which they are kept; none is all.
fn renamed<'a>(
    said: &'a BTreeMap<Dataset, Uses>,
    kept: impl Fn(&Dataset) -> Dataset,
    wanted: Option<&NamedVersions>,
) -> BTreeMap<Dataset, Cow<'a, Uses>> {
    let mut all: BTreeMap<Dataset, Cow<'a, Uses>> = BTreeMap::new();
    for (dataset, uses) in said {
        let kept = kept(dataset);
        if wanted.is_some_and(|wanted| !wanted.contains_key(&kept)) {
            continue;
        }
        match all.entry(kept) {
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
    if !partition.is_empty() {
        // The partition says it; a list of thousands with each of them would be as long as its square.
        metadata.remove("subset");
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Dataset, Extent, Input, InputVersion, Meaning, Output};
    use crate::domain::openlineage::{Event, RunStory};

    fn mention() -> impl Strategy<Value = Value> {
        let version = prop::option::of(0..3_u8);
        (0..3_u8, version, prop::option::of(0..2_u8), 0..3_u8).prop_map(|(name, version, day, note)| {
            let mut facets = json!({"note": {"is": note}});
            if let Some(version) = version {
                facets["version"] = json!({"datasetVersion": format!("v{version}")});
            }
            let condition = day.map(|day| json!({"type": "partition", "partitions": [{"dimensions": {"day": day}}]}));
            let subset = condition.map(|condition| json!({"subset": {"inputCondition": condition}}));
            json!({"namespace": "n", "name": format!("d{name}"), "facets": facets, "inputFacets": subset, "outputFacets": subset})
        })
    }

    fn event() -> impl Strategy<Value = Event> {
        let types = ["START", "RUNNING", "RUNNING", "COMPLETE", "FAIL", "OTHER"];
        let mentions = || prop::collection::vec(mention(), 0..3);
        let of = (any::<bool>(), 0..types.len(), 0..12_u8, mentions(), mentions(), 0..9_u8);
        of.prop_map(move |(is_run, event_type, minute, inputs, outputs, kind)| {
            let facets = json!({"jobType": {"processingType": if kind == 0 { "STREAMING" } else { "BATCH" }}});
            let mut event = json!({
                "eventTime": format!("2026-11-24T10:{minute:02}:00Z"), "producer": "https://p", "schemaURL": "https://s",
                "job": {"namespace": "n", "name": "j", "facets": facets}, "inputs": inputs, "outputs": outputs
            });
            if is_run {
                event["eventType"] = types[event_type].into();
                event["run"] = json!({"runId": "r"});
            }
            Event::parse(&event.to_string()).unwrap()
        })
    }

    /// What one says and the other does not.
    fn only(one: &Meaning, other: &Meaning) -> (Vec<Input>, Vec<Output>) {
        let inputs = one.inputs.iter().filter(|input| !other.inputs.contains(input));
        let outputs = one.outputs.iter().filter(|output| !other.outputs.contains(output));
        (inputs.cloned().collect(), outputs.cloned().collect())
    }

    proptest! {
        #[test]
        fn what_events_come_to_does_not_depend_on_their_order(
            (events, shuffled) in prop::collection::vec(event(), 1..8).prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        ) {
            let [one, other] = [events, shuffled].map(|events| {
                let mut story = RunStory::default();
                events.iter().for_each(|event| story.add(event));
                story
            });
            let of_inputs = |story: &RunStory| story.meaning(Clone::clone).metadata;
            prop_assert_eq!(of_inputs(&one), of_inputs(&other));
            prop_assert_eq!(one.whole(), other.whole());
        }

        #[test]
        fn what_an_event_does_not_name_means_the_same(events in prop::collection::vec(event(), 1..8), is_linked: bool) {
            // Two of the names may be of one dataset.
            let kept = |dataset: &Dataset| match dataset.name.as_str() {
                "d1" if is_linked => Dataset { name: "d0".to_owned(), ..dataset.clone() },
                _ => dataset.clone(),
            };
            let mut story = RunStory::default();
            for event in &events {
                let mut alone = RunStory::default();
                alone.add(event);
                let before = story.clone();
                story.add(event);
                if before.is_changed_at_all_by(&alone) {
                    continue;
                }
                let extent = Extent::named(event, kept);
                let [was, is] = [&before, &story].map(|story| story.meaning(kept));
                let [was_in_part, is_in_part] = [&before, &story].map(|story| story.meaning_of(&extent, kept));
                prop_assert_eq!(only(&was, &is), only(&was_in_part, &is_in_part));
                prop_assert_eq!(only(&is, &was), only(&is_in_part, &was_in_part));
                prop_assert_eq!((&is.metadata, is.state), (&is_in_part.metadata, is_in_part.state));
                // Inputs without a version of which something else is written by now.
                let (gone, new) = (only(&was, &is).1, only(&is, &was).1);
                let written: BTreeSet<&Dataset> = gone.iter().chain(&new).map(|output| &output.version.dataset).collect();
                let floats = |input: &&Input| matches!(input.version, InputVersion::Latest { .. });
                let read = is.inputs.iter().filter(|input| written.contains(&input.dataset)).filter(floats);
                prop_assert!(read.into_iter().all(|input| is_in_part.inputs.contains(input)));
            }
        }
    }
}
