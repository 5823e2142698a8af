//! What events come to, whatever their order and however often each came.
//!
//! A story only ever grows by [`RunStory::add`], and everything in it is a least, a greatest, a union, or the value that was
//! said last: adding is commutative, associative and idempotent. So it need not be known which events are in it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::{Dataset, Event, EventKind, EventType, Mention};
use super::facet::{Facet, Facets};
use super::subset::{Named, PartitionValues};

/// How many versions of a dataset are kept in the story itself: most runs name one. Others are kept apart, each by itself, so that of a run
/// that names another version with each event not all that it has said is written again for each.
const VERSIONS_WITHIN: usize = 1;

/// The most bytes that facets may come to with each partition that a run writes; where they come to more, its versions have none.
pub(super) const FACETS_OF_PARTITIONS: usize = 8 << 20;

/// What has been said last of something: when, and what; none where it was deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Said<T>(i64, Option<T>);

/// Facets, each as it was said last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SaidFacets(BTreeMap<String, Said<Facet>>);

impl SaidFacets {
    fn add(&mut self, at: i64, facets: &Facets) {
        for (name, facet) in facets {
            self.hear(name, Said(at, (!facet.is_deleted()).then(|| facet.clone())));
        }
    }

    fn hear(&mut self, name: &str, said: Said<Facet>) {
        match self.0.get_mut(name) {
            Some(known) if is_later(&said, known) => *known = said,
            Some(_) => {}
            None => drop(self.0.insert(name.to_owned(), said)),
        }
    }

    /// Those that stand.
    pub fn standing(&self) -> Facets {
        let standing = self
            .0
            .iter()
            .filter_map(|(name, said)| Some((name.clone(), said.1.clone()?)));
        standing.collect()
    }

    /// One that stands.
    pub fn get(&self, name: &str) -> Option<&Facet> {
        self.0.get(name)?.1.as_ref()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of those that stand, apart from the subset, of which each partition is a part.
    fn bytes(&self) -> usize {
        let others = self.0.iter().filter(|(name, _)| *name != "subset");
        others
            .filter_map(|(_, said)| Some(said.1.as_ref()?.as_str().len()))
            .sum()
    }

    fn extend(&mut self, other: &Self) {
        for (name, said) in &other.0 {
            self.hear(name, said.clone());
        }
    }
}

/// Whether something was said later; of two things said at the same instant, one is taken for the later, whichever came first.
fn is_later(said: &Said<Facet>, known: &Said<Facet>) -> bool {
    (said.0, &said.1) > (known.0, &known.1)
}

/// What a run says of a dataset that it reads or writes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Use {
    /// When it was first named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<i64>,
    /// When it was first named by an event other than the run's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_after_start: Option<i64>,
    /// What holds of the dataset.
    pub facets: SaidFacets,
    /// What holds of this reading or writing.
    pub own: SaidFacets,
    /// The partitions that subset facets have named, with when each was named last.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    partitions: BTreeMap<PartitionValues, i64>,
    /// When a subset facet named more partitions than are told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    too_many_partitions: Option<i64>,
    /// When a subset facet was deleted: what had been named by then is not meant any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    subset_deleted: Option<i64>,
}

impl Use {
    fn add(&mut self, at: i64, is_start: bool, mention: &Mention) {
        least(&mut self.first, at);
        if !is_start {
            least(&mut self.first_after_start, at);
        }
        self.facets.add(at, &mention.facets);
        self.own.add(at, &mention.own);
        match &mention.subset {
            None => {}
            Some(Named::Partitions(named)) => named.iter().for_each(|values| self.add_partition(values.clone(), at)),
            Some(Named::TooMany) => greatest(&mut self.too_many_partitions, at),
            Some(Named::Deleted) => greatest(&mut self.subset_deleted, at),
        }
    }

    fn add_partition(&mut self, values: PartitionValues, at: i64) {
        let last = self.partitions.entry(values).or_insert(at);
        *last = at.max(*last);
    }

    /// The partitions that are meant; none where the dataset as a whole is.
    pub fn partitions(&self) -> BTreeSet<&PartitionValues> {
        if self.too_many_partitions > self.subset_deleted {
            return BTreeSet::new();
        }
        let named = self
            .partitions
            .iter()
            .filter(|(_, at)| Some(**at) > self.subset_deleted);
        named.map(|(values, _)| values).collect()
    }

    /// What is written down of each of the partitions: no facets where they would come to too much.
    pub fn of_each_partition(&self) -> Cow<'_, Self> {
        let facets = self.facets.bytes() + self.own.bytes();
        if self.partitions().len().saturating_mul(facets) <= FACETS_OF_PARTITIONS {
            return Cow::Borrowed(self);
        }
        let mut said = self.clone();
        (said.facets, said.own) = Default::default();
        Cow::Owned(said)
    }

    /// Adds all that was said under another name.
    pub(super) fn extend(&mut self, other: &Self) {
        other.first.into_iter().for_each(|at| least(&mut self.first, at));
        other
            .first_after_start
            .into_iter()
            .for_each(|at| least(&mut self.first_after_start, at));
        self.extend_content(other);
    }

    /// With what was said of the dataset without a version; when it was named stays.
    #[must_use]
    pub fn and(&self, of_all: &Self) -> Cow<'_, Self> {
        if of_all.facets.is_empty() && of_all.own.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut both = self.clone();
        both.extend_content(of_all);
        Cow::Owned(both)
    }

    /// The same of a version that an event has named, which goes on to be named so.
    #[must_use]
    pub fn with(&self, of_all: &Self) -> Cow<'_, Self> {
        let mut both = self.and(of_all);
        if let (Cow::Owned(both), Some(version)) = (&mut both, self.facets.0.get("version")) {
            both.facets.0.insert("version".to_owned(), version.clone());
        }
        both
    }

    /// Adds what holds of the dataset and of this reading or writing.
    fn extend_facets(&mut self, other: &Self) {
        self.facets.extend(&other.facets);
        self.own.extend(&other.own);
    }

    fn extend_content(&mut self, other: &Self) {
        self.extend_facets(other);
        for (values, at) in &other.partitions {
            self.add_partition(values.clone(), *at);
        }
        other
            .too_many_partitions
            .into_iter()
            .for_each(|at| greatest(&mut self.too_many_partitions, at));
        other
            .subset_deleted
            .into_iter()
            .for_each(|at| greatest(&mut self.subset_deleted, at));
    }
}

/// What a run says of a dataset: in events that name no version, and of each version that it names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Uses {
    /// Without a version.
    pub plain: Use,
    /// By version: the first that was named.
    #[serde(rename = "versions", skip_serializing_if = "BTreeMap::is_empty")]
    within: BTreeMap<String, Use>,
    /// The others, as far as they have been read: they are kept apart.
    #[serde(skip)]
    apart: BTreeMap<String, Use>,
    /// The facets of all that are kept apart; none where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    of_apart: Option<Box<Use>>,
}

impl Uses {
    fn add(&mut self, at: i64, is_start: bool, mention: &Mention) {
        let Some(version) = mention.version() else {
            return self.plain.add(at, is_start, mention);
        };
        let kept = if self.is_within(&version) {
            &mut self.within
        } else {
            let of_apart = self.of_apart.get_or_insert_default();
            of_apart.facets.add(at, &mention.facets);
            of_apart.own.add(at, &mention.own);
            &mut self.apart
        };
        kept.entry(version).or_default().add(at, is_start, mention);
    }

    /// Whether a version is kept in the story itself, or will be when it is named.
    fn is_within(&self, version: &str) -> bool {
        let has_room = !self.has_apart() && self.within.len() < VERSIONS_WITHIN;
        has_room || self.within.contains_key(version)
    }

    /// Whether any version has been named.
    pub fn has_versions(&self) -> bool {
        !self.within.is_empty() || self.has_apart()
    }

    /// Whether some are kept apart.
    pub fn has_apart(&self) -> bool {
        self.of_apart.is_some()
    }

    /// Whether a version is, if it has been named.
    pub fn is_apart(&self, version: &str) -> bool {
        self.has_apart() && !self.within.contains_key(version)
    }

    /// Those that are kept apart and have been read, or are new.
    pub fn apart(&self) -> impl Iterator<Item = (&String, &Use)> {
        self.apart.iter()
    }

    /// Takes in what is kept apart of a version.
    pub fn take_in(&mut self, version: String, said: Use) {
        self.apart.insert(version, said);
    }

    /// What is said of a version that has been named. If it is kept apart, it must have been read.
    pub fn version(&self, version: &str) -> Option<&Use> {
        self.within.get(version).or_else(|| self.apart.get(version))
    }

    /// All versions, which must have been read.
    pub fn versions(&self) -> BTreeMap<&str, &Use> {
        let all = self.within.iter().chain(&self.apart);
        all.map(|(version, said)| (version.as_str(), said)).collect()
    }

    /// The facets with and without a version.
    pub fn all(&self) -> Cow<'_, Use> {
        let all = Cow::Borrowed(&self.plain);
        let versions = self.within.values().chain(self.of_apart.as_deref());
        versions.fold(all, |mut all, said| {
            all.to_mut().extend_facets(said);
            all
        })
    }

    /// Adds all that was said under another name, as far as it has been read.
    pub fn extend(&mut self, other: &Self) {
        self.plain.extend(&other.plain);
        for (version, said) in other.versions() {
            let kept = if self.is_within(version) {
                &mut self.within
            } else {
                self.of_apart.get_or_insert_default().extend_facets(said);
                &mut self.apart
            };
            kept.entry(version.to_owned()).or_default().extend(said);
        }
    }

    /// The same with all versions in one place, whichever was the first, for who compares; all must have been read. What stands
    /// for those apart stays where it is not what they say.
    fn whole(mut self) -> Self {
        let mut of_apart = Use::default();
        self.apart.values().for_each(|said| of_apart.extend_facets(said));
        let of_apart = (!self.apart.is_empty()).then(|| Box::new(of_apart));
        self.of_apart = if self.of_apart == of_apart {
            None
        } else {
            Some(self.of_apart.unwrap_or_default())
        };
        self.within.append(&mut self.apart);
        self
    }
}

fn least(known: &mut Option<i64>, at: i64) {
    *known = Some(known.map_or(at, |known| known.min(at)));
}

fn greatest<T: Ord>(known: &mut Option<T>, new: T) {
    if known.as_ref().is_none_or(|known| *known < new) {
        *known = Some(new);
    }
}

/// Datasets with what is said of each; a list of pairs in JSON, whose keys are texts.
type ByDataset = BTreeMap<Dataset, Uses>;

/// All that events have said about one run, or about one job as such.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunStory {
    /// The run's id; none for a job as such.
    pub run_id: Option<String>,
    /// The job's name, as it was said last.
    job_name: Option<(i64, String)>,
    /// The earliest event.
    pub first: Option<i64>,
    /// The latest event.
    pub last: Option<i64>,
    /// The earliest START.
    pub start: Option<i64>,
    /// The earliest COMPLETE.
    pub complete: Option<i64>,
    /// The end that counts: the latest, of two at the same instant a COMPLETE before an ABORT before a FAIL.
    end: Option<(i64, u8)>,
    /// Whether there was a START or a RUNNING.
    pub has_begun: bool,
    /// Whether the job was ever said to be one that goes on without end.
    pub is_endless: bool,
    /// What holds of the run.
    pub run: SaidFacets,
    /// What holds of the job.
    pub job: SaidFacets,
    /// What was read.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: ByDataset,
    /// What was written.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: ByDataset,
}

/// The final types, the better later.
const ENDS: [EventType; 3] = [EventType::Fail, EventType::Abort, EventType::Complete];

impl RunStory {
    /// Adds what an event says.
    pub fn add(&mut self, event: &Event) {
        let at = event.event_time.0;
        let is_start = event.event_type == Some(EventType::Start);
        if event.kind == EventKind::Run {
            self.run_id.clone_from(&event.run_id);
        }
        greatest(&mut self.job_name, (at, event.subject.name.clone()));
        least(&mut self.first, at);
        greatest(&mut self.last, at);
        match event.event_type {
            Some(EventType::Start) => least(&mut self.start, at),
            Some(EventType::Complete) => least(&mut self.complete, at),
            _ => {}
        }
        self.has_begun |= matches!(event.event_type, Some(EventType::Start | EventType::Running));
        self.is_endless |= event.job.get("jobType").is_some_and(|facet| is_endless(&facet.value()));
        let end = ENDS.iter().position(|end| Some(*end) == event.event_type);
        if let Some(end) = end.and_then(|end| u8::try_from(end).ok()) {
            greatest(&mut self.end, (at, end));
        }
        self.run.add(at, &event.run);
        self.job.add(at, &event.job);
        for (known, mentions) in [(&mut self.inputs, &event.inputs), (&mut self.outputs, &event.outputs)] {
            for mention in mentions {
                known
                    .entry(mention.dataset.clone())
                    .or_default()
                    .add(at, is_start, mention);
            }
        }
    }

    /// Whether an event, given by the story that it makes by itself, changes what all that is read or written depends on. If not,
    /// only what it names itself can come to mean something else.
    pub fn is_changed_at_all_by(&self, event: &Self) -> bool {
        let mut both = Self {
            run_id: self.run_id.clone(),
            is_endless: self.is_endless || event.is_endless,
            ..Self::default()
        };
        if event.run_id.is_some() {
            both.run_id.clone_from(&event.run_id);
        }
        for story in [self, event] {
            story.start.into_iter().for_each(|at| least(&mut both.start, at));
            story.first.into_iter().for_each(|at| least(&mut both.first, at));
            story.complete.into_iter().for_each(|at| least(&mut both.complete, at));
            story.last.into_iter().for_each(|at| greatest(&mut both.last, at));
        }
        self.in_common() != both.in_common()
    }

    /// The run, when it reads, when it is complete, and whether it goes on without end.
    fn in_common(&self) -> (Option<&str>, i64, Option<i64>, bool) {
        (self.run_id.as_deref(), self.reads_at(), self.complete, self.is_endless)
    }

    /// What was written, or what was read.
    pub fn uses(&self, is_written: bool) -> &BTreeMap<Dataset, Uses> {
        if is_written { &self.outputs } else { &self.inputs }
    }

    /// The same of one dataset, to take in what is kept apart.
    pub fn uses_mut(&mut self, is_written: bool, dataset: &Dataset) -> Option<&mut Uses> {
        let uses = if is_written {
            &mut self.outputs
        } else {
            &mut self.inputs
        };
        uses.get_mut(dataset)
    }

    /// Whether something is kept apart.
    pub fn has_apart(&self) -> bool {
        self.inputs.values().chain(self.outputs.values()).any(Uses::has_apart)
    }

    /// The same with all versions of a dataset in one place, for who compares; all must have been read.
    #[must_use]
    pub fn whole(mut self) -> Self {
        for uses in self.inputs.values_mut().chain(self.outputs.values_mut()) {
            *uses = std::mem::take(uses).whole();
        }
        self
    }

    /// Whether an event, given by the story that it makes by itself, changes when versions that the run names are there: that is the only
    /// thing that what it has said of them depends on beside itself.
    pub fn is_completed_by(&self, event: &Self) -> bool {
        let earlier = |at: i64| self.complete.is_none_or(|known| at < known);
        event.complete.is_some_and(earlier)
    }

    /// The job's name.
    pub fn job_name(&self) -> Option<&str> {
        self.job_name.as_ref().map(|(_, name)| name.as_str())
    }

    /// How and when it ended.
    pub fn end(&self) -> Option<(EventType, i64)> {
        let (at, end) = self.end?;
        Some((*ENDS.get(usize::from(end))?, at))
    }
}

fn is_endless(job_type: &Value) -> bool {
    let processing = job_type
        .get("processingType")
        .and_then(Value::as_str)
        .unwrap_or_default();
    ["STREAMING", "SERVICE"]
        .iter()
        .any(|kind| kind.eq_ignore_ascii_case(processing))
}

/// All that events have said about one dataset, apart from any run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DatasetStory {
    /// What holds of it.
    pub uses: Uses,
}

impl DatasetStory {
    /// The same with all versions in one place, for who compares; all must have been read.
    #[must_use]
    pub fn whole(self) -> Self {
        let uses = self.uses.whole();
        Self { uses }
    }

    /// Adds what is said under another name of the same dataset.
    pub fn extend(&mut self, other: &Self) {
        self.uses.extend(&other.uses);
    }

    /// Adds what an event says.
    pub fn add(&mut self, event: &Event) {
        if let Some(mention) = &event.dataset {
            self.uses.add(event.event_time.0, false, mention);
        }
    }
}

/// A map whose keys are no texts, as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
