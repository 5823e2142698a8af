//! A filter on partitions, settled against the keys of one artifact as of a revision: what it means, and how it is found.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ::entity::NO_TIME;

use super::artifact::{ArtifactRow, Placement};
use super::partition::PartitionRow;
use crate::domain::filter::{PartitionFilter, ValueFilter};
use crate::domain::key::Digest;
use crate::domain::partition::PartitionKey;
use crate::domain::time::{Granularity, Timestamp, Window};

/// As many partitions as a filter may name one by one to be looked up one by one.
const NAMED: usize = 64;

/// A filter asks for a key that the artifact does not have: never a silent wider match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey {
    /// The key; `time` when it is the time partition.
    pub key: String,
    /// The keys that the artifact has.
    pub known: Vec<String>,
    /// The granularity of its time partition, when it has one.
    pub time: Option<Granularity>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: Vec<String> = self.known.iter().map(|key| format!("{key:?}")).collect();
        all.extend(
            self.time
                .map(|granularity| format!("a time partition by {}", granularity.as_str())),
        );
        match self.key.as_str() {
            "time" if self.time.is_none() => f.write_str("The artifact has no time partition to filter by: ")?,
            key => write!(f, "The artifact has no partition key {key:?}: ")?,
        }
        if all.is_empty() {
            f.write_str("it has none.")
        } else {
            write!(f, "it has {}.", all.join(", "))
        }
    }
}

/// A filter on the partitions of one artifact. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionTest(pub(super) Arc<Inner>);

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Inner {
    pub artifact: ::entity::ArtifactId,
    pub placement: Placement,
    pub values: Vec<ValueFilter>,
    /// The ranges in which the start of a window must lie: ascending, apart, `[start, end)`.
    pub windows: Option<Vec<(i64, i64)>>,
    pub strict: bool,
    /// The partitions that are meant, where they can be named: by digest.
    pub named: Option<Vec<Digest>>,
    /// The partition that is meant, where there is only one.
    pub only: Option<PartitionKey>,
}

impl PartitionTest {
    /// Settles a filter against the keys that an artifact has in the scope with which it was read.
    pub fn compile(artifact: &ArtifactRow, filter: &PartitionFilter) -> Result<Self, UnknownKey> {
        let unknown = |key: &str| UnknownKey {
            key: key.to_owned(),
            known: artifact.keys.clone(),
            time: artifact.granularity,
        };
        if let Some(value) = filter.values.iter().find(|value| !artifact.keys.contains(&value.key)) {
            return Err(unknown(&value.key));
        }
        let ranges = match (&filter.time, artifact.granularity) {
            (None, _) => None,
            (Some(_), None) => return Err(unknown("time")),
            (Some(time), Some(granularity)) => Some(time.starts(granularity)),
        };
        let keys = if filter.is_empty() {
            None
        } else {
            named(artifact, filter, ranges.as_deref())
        };
        let owner = artifact.key_of();
        Ok(Self(Arc::new(Inner {
            artifact: artifact.id,
            placement: artifact.placement,
            named: keys
                .as_ref()
                .map(|keys| keys.iter().map(|key| key.digest(&owner)).collect()),
            only: keys.and_then(|mut keys| if keys.len() == 1 { keys.pop() } else { None }),
            values: filter.values.clone(),
            windows: ranges.map(|ranges| ranges.iter().map(|(start, end)| (start.0, end.0)).collect()),
            strict: filter.strict,
        })))
    }

    /// Refuses a key that an artifact does not have.
    pub fn known(artifact: &ArtifactRow, key: &str) -> Result<(), UnknownKey> {
        let filter = PartitionFilter {
            values: vec![ValueFilter::eq(key, "")],
            ..PartitionFilter::default()
        };
        Self::compile(artifact, &filter).map(|_| ())
    }

    /// Whether a partition of the artifact passes.
    pub fn matches(&self, partition: &PartitionRow) -> bool {
        let start = partition.window.map_or(NO_TIME, |window| window.start.0);
        let in_time = match &self.0.windows {
            Some(ranges) => ranges.iter().any(|(from, to)| (*from..*to).contains(&start)),
            None => !(self.0.strict && partition.window.is_some()),
        };
        in_time
            && self
                .0
                .values
                .iter()
                .all(|test| partition.values.get(&test.key).is_some_and(|value| test.matches(value)))
            && !(self.0.strict
                && partition
                    .values
                    .keys()
                    .any(|key| self.0.values.iter().all(|test| test.key != *key)))
    }
}

impl Inner {
    /// Whether it asks for nothing: any version passes, flagged ones too.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.windows.is_none() && !self.strict
    }

    /// How many different keys it names.
    pub fn key_count(&self) -> usize {
        let keys: std::collections::BTreeSet<&str> = self.values.iter().map(|value| value.key.as_str()).collect();
        keys.len()
    }

    /// Whether it asks for what has no partition at all.
    pub fn asks_for_none(&self) -> bool {
        self.strict && self.values.is_empty() && self.windows.is_none()
    }

    /// A test that asks for one value, with it.
    pub fn equality(&self) -> Option<(&ValueFilter, &str)> {
        self.values.iter().find_map(|value| Some((value, value.eq.as_deref()?)))
    }
}

/// All partitions that can match, when every key has values that are given one by one, time too.
fn named(
    artifact: &ArtifactRow,
    filter: &PartitionFilter,
    ranges: Option<&[(Timestamp, Timestamp)]>,
) -> Option<Vec<PartitionKey>> {
    let mut keys: Vec<BTreeMap<String, String>> = vec![BTreeMap::new()];
    for key in &artifact.keys {
        let tests: Vec<&ValueFilter> = filter.values.iter().filter(|value| value.key == *key).collect();
        if tests.is_empty() && filter.strict {
            continue;
        }
        let values = allowed(&tests)?;
        if keys.len() * values.len() > NAMED {
            return None;
        }
        keys = keys
            .iter()
            .flat_map(|so_far| values.iter().map(|value| with(so_far, key, value)))
            .collect();
    }
    let windows = windows(artifact.granularity, filter.strict, ranges)?;
    if keys.len() * windows.len() > NAMED {
        return None;
    }
    let named = keys.into_iter().flat_map(|values| {
        windows.iter().map(move |window| PartitionKey {
            values: values.clone(),
            window: *window,
        })
    });
    // The partition without values and window is none: its versions have no partition.
    Some(named.filter(|key| !key.is_empty()).collect())
}

fn with(values: &BTreeMap<String, String>, key: &str, value: &str) -> BTreeMap<String, String> {
    let mut values = values.clone();
    values.insert(key.to_owned(), value.to_owned());
    values
}

/// The values that pass all tests of a key, when one of the tests lists values.
fn allowed(tests: &[&ValueFilter]) -> Option<Vec<String>> {
    let listed = tests
        .iter()
        .find_map(|test| test.eq.as_ref().map(std::slice::from_ref).or(test.is_in.as_deref()))?;
    let mut values: Vec<String> = listed
        .iter()
        .filter(|value| tests.iter().all(|test| test.matches(value)))
        .cloned()
        .collect();
    values.sort_unstable();
    values.dedup();
    Some(values)
}

/// The windows that are meant one by one, when they can be told; none stands for no window.
fn windows(
    granularity: Option<Granularity>,
    strict: bool,
    ranges: Option<&[(Timestamp, Timestamp)]>,
) -> Option<Vec<Option<Window>>> {
    let (Some(granularity), Some(ranges)) = (granularity, ranges) else {
        return (granularity.is_none() || strict).then(|| vec![None]);
    };
    let mut windows = Vec::new();
    for (from, to) in ranges {
        let mut start = granularity.ceil(*from);
        // After the last window there comes the end of time, where none starts.
        while start < *to && granularity.floor(start) == start {
            if windows.len() == NAMED {
                return None;
            }
            windows.push(Some(Window { start, granularity }));
            start = granularity.next(start);
        }
    }
    Some(windows)
}

#[cfg(test)]
mod tests {
    use ::entity::ArtifactId;

    use super::PartitionTest;
    use crate::domain::filter::{PartitionFilter, TimeFilter, ValueFilter};
    use crate::domain::time::{Granularity, Timestamp};
    use crate::store::artifact::{ArtifactRow, Placement};

    fn artifact(keys: &[&str], granularity: Option<Granularity>) -> ArtifactRow {
        ArtifactRow {
            id: ArtifactId(1),
            project: "shop".into(),
            domain: "production".into(),
            name: "orders".into(),
            created_at: Timestamp(0),
            description: None,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            granularity,
            declared: true,
            placement: Placement::Current,
            updated_at: None,
        }
    }

    fn filter(values: Vec<ValueFilter>, time: Option<TimeFilter>, strict: bool) -> PartitionFilter {
        PartitionFilter { values, time, strict }
    }

    /// How many partitions a filter names; none when they cannot be told.
    fn named(artifact: &ArtifactRow, filter: &PartitionFilter) -> Option<usize> {
        let test = PartitionTest::compile(artifact, filter).unwrap();
        test.0.named.as_ref().map(Vec::len)
    }

    fn at() -> Option<TimeFilter> {
        Some(TimeFilter {
            at: Some(Timestamp(0)),
            ..TimeFilter::default()
        })
    }

    #[test]
    fn partitions_are_named_where_all_is_given() {
        let daily = artifact(&["region"], Some(Granularity::Day));
        let region = || vec![ValueFilter::eq("region", "EU")];
        assert_eq!(named(&daily, &filter(region(), at(), false)), Some(1));
        assert_eq!(named(&daily, &filter(region(), None, false)), None);
        assert_eq!(named(&daily, &filter(region(), None, true)), Some(1));
        assert_eq!(named(&daily, &filter(vec![], at(), false)), None);
        let two = ValueFilter {
            key: "region".into(),
            is_in: Some(vec!["EU".into(), "US".into(), "EU".into()]),
            ..ValueFilter::default()
        };
        assert_eq!(named(&daily, &filter(vec![two], at(), false)), Some(2));
        let month = TimeFilter {
            granularity: Some(Granularity::Month),
            ..at().unwrap()
        };
        assert_eq!(named(&daily, &filter(region(), Some(month.clone()), false)), Some(31));
        let hourly = artifact(&["region"], Some(Granularity::Hour));
        assert_eq!(named(&hourly, &filter(region(), Some(month), false)), None);
    }

    #[test]
    fn the_end_of_time_ends() {
        let minutes = artifact(&[], Some(Granularity::Minute));
        let open = TimeFilter {
            from: Some(Timestamp::MAX),
            ..TimeFilter::default()
        };
        assert_eq!(named(&minutes, &filter(vec![], Some(open), false)), Some(1));
    }

    #[test]
    fn unknown_keys_are_told() {
        let plain = artifact(&["region"], None);
        let error =
            PartitionTest::compile(&plain, &filter(vec![ValueFilter::eq("tier", "x")], None, false)).unwrap_err();
        assert_eq!(
            (error.key.as_str(), error.known.as_slice()),
            ("tier", &["region".to_owned()][..])
        );
        assert_eq!(
            PartitionTest::compile(&plain, &filter(vec![], at(), false))
                .unwrap_err()
                .key,
            "time"
        );
        assert!(PartitionTest::known(&plain, "region").is_ok());
    }
}
