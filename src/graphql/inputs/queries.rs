//! Which version, which partitions, which past.

use async_graphql::{InputObject, OneofObject};

use super::ArtifactKey;
use crate::domain::filter;
use crate::graphql::enums::Granularity;
use crate::graphql::scalars::{DateTime, Long};

/// A past state of the store: give exactly one of the two. Everything recorded later is not there: no later version, deletion
/// or alias shows.
#[derive(OneofObject, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// As of this revision, a number that an earlier answer gave, such as `1042`. 0 is the empty store. One beyond the newest
    /// is BAD_USER_INPUT.
    Revision(Long),
    /// As of this instant, by the clock of the server that recorded (`recordedAt`, not `createdAt`). Before the first record:
    /// the empty store. In the future: the newest state.
    Time(DateTime),
}

/// Which version is wanted: give exactly one of the two.
#[derive(OneofObject, Clone, Debug)]
pub enum VersionQuery {
    /// By URI: `flyte://av0.1/<project>/<domain>/<name>[@<version>][?<key>=<value>&time_partition=<instant>]`, each part
    /// percent-encoded; without a version, or with `@latest`, the most recent. `flyte://av0.2/<org>/<project>/…` is read too.
    Uri(String),
    /// By key.
    Key(Box<VersionKeyQuery>),
}

/// Which version of one artifact is wanted: an exact one, the one at an alias, or else the most recent, which is the AVAILABLE
/// one with the greatest `createdAt`, and of several such the one recorded last.
#[derive(InputObject, Clone, Debug)]
pub struct VersionKeyQuery {
    /// The artifact.
    pub artifact: ArtifactKey,
    /// The exact version, in whatever state it is; `latest` and null mean the most recent. Not together with `alias`.
    pub version: Option<String>,
    /// The version at which this alias stands, such as `production`. Not together with `version`.
    pub alias: Option<String>,
    /// What the version's partition must be; an exact version or alias in another partition is no match.
    pub partition: Option<PartitionFilter>,
}

/// A filter on partitions: every part of it must hold.
#[derive(InputObject, Clone, Debug)]
pub struct PartitionFilter {
    /// What the values of keys must be. A key that is not named matches any value. Where one artifact is asked, a key that it
    /// does not have is UNKNOWN_PARTITION_KEY.
    pub values: Option<Vec<PartitionValueFilter>>,
    /// What the time partition must be; null: anything.
    pub time: Option<TimePartitionFilter>,
    /// Whether a key that is not named, and a time partition if `time` is not given, must be absent. Alone it asks for what
    /// has no partition.
    #[graphql(default_with = "Some(false)")]
    pub strict: Option<bool>,
}

/// A filter on the value of one partition key. Give at least one test; all that are given must hold. What does not have the key
/// never matches.
#[derive(InputObject, Clone, Debug)]
pub struct PartitionValueFilter {
    /// The partition key, such as `region`.
    pub key: String,
    /// The value is this one, such as `EU`. The empty string is no partition value.
    pub eq: Option<String>,
    /// The value is one of these.
    #[graphql(name = "in")]
    pub is_in: Option<Vec<String>>,
    /// The value is none of these.
    pub not_in: Option<Vec<String>>,
    /// The value begins with this, by code points.
    pub starts_with: Option<String>,
}

/// A filter on time partitions. Give at least one test; all that are given must hold. What has no time partition never matches.
#[derive(InputObject, Clone, Debug)]
pub struct TimePartitionFilter {
    /// The window that contains this instant.
    pub at: Option<DateTime>,
    /// Any of the windows that contain one of these instants.
    #[graphql(name = "in")]
    pub is_in: Option<Vec<DateTime>>,
    /// Windows that end after this instant.
    pub from: Option<DateTime>,
    /// Windows that start before this instant.
    pub to: Option<DateTime>,
    /// Reads the instants as windows of this size, where it is coarser than the artifact's: `at: "2026-11-15"` with `MONTH`
    /// finds every window that starts in November 2026. A finer one than the artifact's, and null, mean the artifact's.
    pub granularity: Option<Granularity>,
}

impl From<VersionQuery> for filter::VersionQuery {
    fn from(query: VersionQuery) -> Self {
        match query {
            VersionQuery::Uri(uri) => Self::Uri(uri),
            VersionQuery::Key(key) => Self::Key((*key).into()),
        }
    }
}

impl From<VersionKeyQuery> for filter::VersionKeyQuery {
    fn from(query: VersionKeyQuery) -> Self {
        Self {
            artifact: query.artifact.into(),
            version: query.version,
            alias: query.alias,
            partition: query.partition.map(Into::into),
        }
    }
}

impl From<PartitionFilter> for filter::PartitionFilter {
    fn from(given: PartitionFilter) -> Self {
        Self {
            values: given.values.unwrap_or_default().into_iter().map(Into::into).collect(),
            time: given.time.map(Into::into),
            strict: given.strict.unwrap_or_default(),
        }
    }
}

impl From<PartitionValueFilter> for filter::ValueFilter {
    fn from(
        PartitionValueFilter {
            key,
            eq,
            is_in,
            not_in,
            starts_with,
        }: PartitionValueFilter,
    ) -> Self {
        Self {
            key,
            eq,
            is_in,
            not_in,
            starts_with,
        }
    }
}

impl From<TimePartitionFilter> for filter::TimeFilter {
    fn from(given: TimePartitionFilter) -> Self {
        Self {
            at: given.at.map(|t| t.0),
            is_in: given.is_in.map(|list| list.into_iter().map(|t| t.0).collect()),
            from: given.from.map(|t| t.0),
            to: given.to.map(|t| t.0),
            granularity: given.granularity.map(Into::into),
        }
    }
}
