//! What a caller asks for: partitions, time windows and versions. Checked here; turned into SQL by the store.

use serde::{Deserialize, Serialize};

use super::key::{ArtifactKey, LATEST, SHORT_NAME, check_alias, check_name, check_version};
use super::time::{Granularity, Timestamp};
use super::{Invalid, uri};

/// `[from, to)`; an end that is not given is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct DateTimeRange {
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Up to, not including, this one.
    pub to: Option<Timestamp>,
}

impl DateTimeRange {
    /// Refuses a range that ends before it starts.
    pub fn validate(&self, argument: &str) -> Result<(), Invalid> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from >= to => Err(Invalid::new(
                argument,
                format!("The range ends at {to}, not after its start {from}: give from before to."),
            )),
            _ => Ok(()),
        }
    }
}

/// A filter on partitions: every part of it must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PartitionFilter {
    /// What values of keys must be; a key that is not named matches any value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ValueFilter>,
    /// What the time window must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeFilter>,
    /// Whether a key that is not named, or a time window, must be absent.
    pub strict: bool,
}

/// A filter on the value of one key; of its tests every one that is given must hold. A partition without the key never matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ValueFilter {
    /// The key.
    pub key: String,
    /// The value is this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eq: Option<String>,
    /// The value is one of these.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub is_in: Option<Vec<String>>,
    /// The value is none of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_in: Option<Vec<String>>,
    /// The value begins with this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_with: Option<String>,
}

/// A filter on time windows; of its tests every one that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TimeFilter {
    /// The window that contains this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Any of the windows that contain these.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub is_in: Option<Vec<Timestamp>>,
    /// Windows that overlap `[from, to)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// See `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Reads instants as windows of this size, where it is coarser than the artifact's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granularity: Option<Granularity>,
}

impl PartitionFilter {
    /// Whether it asks for anything.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.time.is_none() && !self.strict
    }

    /// The same filter in the one spelling that all its spellings have: lists ascending, nothing twice.
    fn in_order(mut self) -> Self {
        for value in &mut self.values {
            value.is_in.as_mut().map(sort);
            value.not_in.as_mut().map(sort);
        }
        sort(&mut self.values);
        self.time.as_mut().and_then(|time| time.is_in.as_mut()).map(sort);
        self
    }

    /// Checks all that can be checked without the artifact.
    pub fn validate(&self) -> Result<(), Invalid> {
        for value in &self.values {
            value.validate().map_err(|e| e.within("values"))?;
        }
        self.time
            .as_ref()
            .map_or(Ok(()), |time| time.validate().map_err(|e| e.within("time")))
    }
}

fn sort<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

impl ValueFilter {
    /// The filter that asks for one value.
    pub fn eq(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            eq: Some(value.into()),
            ..Self::default()
        }
    }

    fn validate(&self) -> Result<(), Invalid> {
        check_name("key", &self.key, SHORT_NAME)?;
        if self.eq.is_none() && self.is_in.is_none() && self.not_in.is_none() && self.starts_with.is_none() {
            return Err(Invalid::new(
                "",
                format!(
                    "The filter on {:?} tests nothing: give eq, in, notIn or startsWith.",
                    self.key
                ),
            ));
        }
        let listed = self.is_in.iter().chain(&self.not_in).flatten();
        if self
            .eq
            .iter()
            .chain(&self.starts_with)
            .chain(listed)
            .any(String::is_empty)
        {
            return Err(Invalid::new(
                "",
                format!(
                    "The filter on {:?} names the empty string, which is no partition value.",
                    self.key
                ),
            ));
        }
        // No stored text has it, and PostgreSQL refuses to compare with it.
        self.eq
            .iter()
            .chain(&self.starts_with)
            .chain(self.is_in.iter().chain(&self.not_in).flatten())
            .try_for_each(|text| super::key::check_text("value", Some(text)))
    }

    /// Whether a value passes every test.
    pub fn matches(&self, value: &str) -> bool {
        self.eq.as_ref().is_none_or(|eq| eq == value)
            && self.is_in.as_ref().is_none_or(|list| list.iter().any(|v| v == value))
            && self.not_in.as_ref().is_none_or(|list| list.iter().all(|v| v != value))
            && self
                .starts_with
                .as_ref()
                .is_none_or(|prefix| value.starts_with(prefix.as_str()))
    }
}

impl TimeFilter {
    fn validate(&self) -> Result<(), Invalid> {
        if self.at.is_none() && self.is_in.is_none() && self.from.is_none() && self.to.is_none() {
            return Err(Invalid::new(
                "",
                "The filter on time tests nothing: give at, in, from or to.",
            ));
        }
        DateTimeRange {
            from: self.from,
            to: self.to,
        }
        .validate("")
    }

    /// The ranges `[start, end)` in which the start of a window must lie, for an artifact of a granularity: ascending, apart.
    ///
    /// ```
    /// use heirloom::domain::filter::TimeFilter;
    /// use heirloom::domain::time::{Granularity, Timestamp};
    /// let at = Some(Timestamp::parse("2026-11-15T10:00:00Z").unwrap());
    /// let november = TimeFilter { at, granularity: Some(Granularity::Month), ..TimeFilter::default() };
    /// let [(start, end)] = november.starts(Granularity::Hour)[..] else { panic!() };
    /// assert_eq!((start.to_string().as_str(), end.to_string().as_str()), ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"));
    /// ```
    pub fn starts(&self, artifact: Granularity) -> Vec<(Timestamp, Timestamp)> {
        let size = self.granularity.map_or(artifact, |asked| asked.max(artifact));
        let window = |t: &Timestamp| (size.floor(*t), size.next(*t));
        let from = self.from.map_or(Timestamp::MIN, |t| size.floor(t));
        // The last window's end is the end of time itself, so an open end lies just behind it.
        let to = self.to.map_or(Timestamp(Timestamp::MAX.0 + 1), |t| size.ceil(t));
        let mut ranges = vec![(from, to)];
        let at = self.at.as_ref().map(|t| vec![window(t)]);
        let listed = self.is_in.as_ref().map(|list| list.iter().map(window).collect());
        for windows in [at, listed].into_iter().flatten() {
            ranges = intersect(&ranges, &windows);
        }
        union(ranges)
    }
}

type Range = (Timestamp, Timestamp);

fn intersect(these: &[Range], those: &[Range]) -> Vec<Range> {
    let pairs = these
        .iter()
        .flat_map(|a| those.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
    pairs.filter(|(start, end)| start < end).collect()
}

fn union(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut apart: Vec<Range> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match apart.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => apart.push((start, end)),
        }
    }
    apart
}

/// Which version a consumer wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are keys, and few are held at a time"
)]
pub enum VersionQuery {
    /// By URI.
    Uri(String),
    /// By key.
    Key(VersionKeyQuery),
}

/// Which version of one artifact is wanted: an exact one, the one at an alias, or the most recent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VersionKeyQuery {
    /// The artifact.
    pub artifact: ArtifactKey,
    /// The exact version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The alias at which it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// What its partition must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<PartitionFilter>,
}

impl VersionQuery {
    /// The query by key that this stands for, checked: `latest` as a version is none, and a filter that asks nothing is none.
    pub fn normalize(&self) -> Result<VersionKeyQuery, Invalid> {
        let mut query = match self {
            Self::Uri(text) => uri::parse(text)?,
            Self::Key(key) => key.clone(),
        };
        query.version = query.version.filter(|v| v != LATEST);
        query.partition = query.partition.filter(|p| !p.is_empty()).map(PartitionFilter::in_order);
        query.validate()?;
        Ok(query)
    }
}

impl VersionKeyQuery {
    fn validate(&self) -> Result<(), Invalid> {
        self.artifact.validate().map_err(|e| e.within("artifact"))?;
        self.version.as_deref().map_or(Ok(()), check_version)?;
        self.alias.as_deref().map_or(Ok(()), check_alias)?;
        if self.version.is_some() && self.alias.is_some() {
            return Err(Invalid::new(
                "alias",
                "The query names a version and an alias: give one of them.",
            ));
        }
        self.partition
            .as_ref()
            .map_or(Ok(()), |p| p.validate().map_err(|e| e.within("partition")))
    }

    /// Whether it names one version and nothing that could contradict it.
    pub fn is_exact(&self) -> bool {
        self.version.is_some() && self.partition.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::{DateTimeRange, PartitionFilter, TimeFilter, ValueFilter, VersionKeyQuery, VersionQuery};
    use crate::domain::key::ArtifactKey;
    use crate::domain::time::{Granularity, Timestamp};

    fn t(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_range_takes_every_window_that_overlaps_it() {
        let filter = TimeFilter {
            from: Some(t("2026-11-15T10:30:00Z")),
            to: Some(t("2026-11-17T00:00:00Z")),
            ..TimeFilter::default()
        };
        assert_eq!(filter.starts(Granularity::Day), [(t("2026-11-15"), t("2026-11-17"))]);
        assert_eq!(
            filter.starts(Granularity::Hour),
            [(t("2026-11-15T10:00:00Z"), t("2026-11-17"))]
        );
        assert_eq!(filter.starts(Granularity::Week), [(t("2026-11-09"), t("2026-11-23"))]);
    }

    #[test]
    fn a_finer_granularity_means_the_artifacts() {
        let filter = TimeFilter {
            at: Some(t("2026-11-15T10:30:00Z")),
            granularity: Some(Granularity::Minute),
            ..TimeFilter::default()
        };
        assert_eq!(filter.starts(Granularity::Day), [(t("2026-11-15"), t("2026-11-16"))]);
    }

    #[test]
    fn tests_are_combined() {
        let days = Some(vec![t("2026-11-15"), t("2026-11-16"), t("2026-11-20")]);
        let filter = TimeFilter {
            is_in: days,
            to: Some(t("2026-11-18")),
            ..TimeFilter::default()
        };
        assert_eq!(filter.starts(Granularity::Day), [(t("2026-11-15"), t("2026-11-17"))]);
    }

    #[test]
    fn all_spellings_of_a_query_are_one() {
        let query = |values: &[(&str, &str)]| {
            let values = values
                .iter()
                .map(|(key, value)| ValueFilter::eq(*key, *value))
                .collect();
            let partition = Some(PartitionFilter {
                values,
                ..PartitionFilter::default()
            });
            let artifact = ArtifactKey {
                project: "p".into(),
                domain: "d".into(),
                name: "n".into(),
            };
            VersionQuery::Key(VersionKeyQuery {
                artifact,
                version: None,
                alias: None,
                partition,
            })
            .normalize()
            .unwrap()
        };
        assert_eq!(
            query(&[("a", "1"), ("b", "2")]),
            query(&[("b", "2"), ("a", "1"), ("b", "2")])
        );
    }

    #[test]
    fn what_tests_nothing_is_refused() {
        assert!(
            DateTimeRange {
                from: Some(t("2026-01-02")),
                to: Some(t("2026-01-01"))
            }
            .validate("range")
            .is_err()
        );
        let nothing = PartitionFilter {
            values: vec![ValueFilter {
                key: "region".into(),
                ..ValueFilter::default()
            }],
            ..PartitionFilter::default()
        };
        assert!(nothing.validate().is_err());
        assert!(
            PartitionFilter {
                time: Some(TimeFilter::default()),
                ..PartitionFilter::default()
            }
            .validate()
            .is_err()
        );
    }
}
