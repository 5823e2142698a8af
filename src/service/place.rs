//! Where a version belongs: which partition its values and its time make, under what its artifact declares (rules 6 to 9).

use std::collections::{BTreeMap, BTreeSet};

use entity::{NEVER, artifact};

use crate::domain::key::PARTITION_KEYS;
use crate::domain::partition::PartitionKey;
use crate::domain::time::{Granularity, Timestamp, Window};
use crate::store::StoreError;

/// What an artifact partitions its versions by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Declared: every version has exactly these.
    Declared {
        /// The keys.
        keys: BTreeSet<String>,
        /// The size of time windows, where it has any.
        granularity: Option<Granularity>,
    },
    /// Not declared: a version has what it brings, and these keys have been brought so far.
    Seen(BTreeSet<String>),
}

/// The granularity of a time partition until one is declared.
pub const UNDECLARED_GRANULARITY: Granularity = Granularity::Day;

/// Where a version belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In no partition: its artifact has none.
    Unpartitioned,
    /// In this one.
    In(PartitionKey),
    /// Nowhere, and this sentence says why.
    Mismatch(String),
}

impl Schema {
    /// As the artifact stands now, with the keys that its versions have brought.
    pub fn of(artifact: &artifact::Model, seen: BTreeSet<String>) -> Result<Self, StoreError> {
        if artifact.declared_revision == NEVER {
            return Ok(Self::Seen(seen));
        }
        let stored = artifact.declared_keys.as_deref().unwrap_or("[]");
        let keys = serde_json::from_str(stored).map_err(|e| StoreError::Inconsistent(format!("declared keys: {e}")))?;
        let granularity = artifact.declared_granularity.as_deref().map(str::parse).transpose();
        Ok(Self::Declared {
            keys,
            granularity: granularity.map_err(StoreError::Inconsistent)?,
        })
    }

    /// Where a version with these values and this time belongs.
    pub fn place(&self, values: &BTreeMap<String, String>, time: Option<Timestamp>) -> Place {
        match self {
            Self::Declared { keys, granularity } => match declared_mismatch(keys, *granularity, values, time) {
                Some(why) => Place::Mismatch(why),
                None => place_in(values, time.zip(*granularity)),
            },
            Self::Seen(seen) => match seen_mismatch(seen, values) {
                Some(why) => Place::Mismatch(why),
                None => place_in(values, time.map(|t| (t, UNDECLARED_GRANULARITY))),
            },
        }
    }
}

fn place_in(values: &BTreeMap<String, String>, time: Option<(Timestamp, Granularity)>) -> Place {
    let window = time.map(|(instant, granularity)| Window::containing(instant, granularity));
    let key = PartitionKey {
        values: values.clone(),
        window,
    };
    if key.is_empty() {
        Place::Unpartitioned
    } else {
        Place::In(key)
    }
}

/// Names what is missing and what is surplus.
fn declared_mismatch(
    keys: &BTreeSet<String>,
    granularity: Option<Granularity>,
    values: &BTreeMap<String, String>,
    time: Option<Timestamp>,
) -> Option<String> {
    let mut missing: Vec<&str> = keys
        .iter()
        .filter(|key| !values.contains_key(*key))
        .map(String::as_str)
        .collect();
    let mut surplus: Vec<&str> = values
        .keys()
        .filter(|key| !keys.contains(*key))
        .map(String::as_str)
        .collect();
    match (granularity, time) {
        (Some(_), None) => missing.push("time partition"),
        (None, Some(_)) => surplus.push("time partition"),
        _ => {}
    }
    let complaints: Vec<String> = [("missing", missing), ("surplus", surplus)]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}: {}", names.join(", ")))
        .collect();
    if complaints.is_empty() {
        return None;
    }
    let declared = if keys.is_empty() {
        "no keys".to_owned()
    } else {
        keys.iter().cloned().collect::<Vec<_>>().join(", ")
    };
    let window = granularity.map_or("no time partition".to_owned(), |g| {
        format!("a time partition by {}", g.as_str())
    });
    Some(format!(
        "The partition does not fit the artifact, which declares {declared} and {window}: {}.",
        complaints.join("; ")
    ))
}

fn seen_mismatch(seen: &BTreeSet<String>, values: &BTreeMap<String, String>) -> Option<String> {
    let fresh: Vec<&str> = values
        .keys()
        .filter(|key| !seen.contains(*key))
        .map(String::as_str)
        .collect();
    (seen.len() + fresh.len() > PARTITION_KEYS).then(|| {
        format!(
            "With {} the artifact would have {} partition keys: at most {PARTITION_KEYS} are allowed.",
            fresh.join(", "),
            seen.len() + fresh.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Place, Schema};
    use crate::domain::time::{Granularity, Timestamp};

    fn keys(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn names_what_is_missing_and_what_is_surplus() {
        let schema = Schema::Declared {
            keys: keys(&["region", "model"]),
            granularity: Some(Granularity::Day),
        };
        let Place::Mismatch(why) = schema.place(&values(&[("region", "EU"), ("ds", "x")]), None) else {
            panic!()
        };
        assert!(why.ends_with("missing: model, time partition; surplus: ds."), "{why}");
    }

    #[test]
    fn an_undeclared_artifact_takes_ten_keys() {
        let ten: Vec<String> = (0..10).map(|i| format!("k{i}")).collect();
        let schema = Schema::Seen(ten.iter().cloned().collect());
        assert!(matches!(schema.place(&values(&[("k3", "v")]), None), Place::In(_)));
        assert!(matches!(
            schema.place(&values(&[("k10", "v")]), None),
            Place::Mismatch(_)
        ));
    }

    #[test]
    fn time_counts_as_days_until_it_is_declared() {
        let noon = Timestamp::parse("2026-11-23T12:00:00Z").unwrap();
        let Place::In(key) = Schema::Seen(BTreeSet::new()).place(&BTreeMap::new(), Some(noon)) else {
            panic!()
        };
        assert_eq!(key.window.unwrap().label(), "2026-11-23");
    }
}
