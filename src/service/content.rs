//! What a version holds: what a record said of it, and what events say of it, put together.
//!
//! A record is one more speaker. What it gives holds; what it leaves open is what events say. So it does not matter who spoke first,
//! and when events take back what they said, what the record said is still there.

use std::collections::BTreeMap;

use entity::{VersionId, recorded_version, version};
use serde::{Deserialize, Serialize};

use super::prepare::PreparedVersion;
use crate::domain::json;
use crate::domain::openlineage::{
    Dataset, DatasetMeaning, DatasetStory, Facets, PartitionValues, Telling, Written, to_json,
};
use crate::domain::partition::PartitionKey;
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::ledger::Ledger;

/// What a record said of a version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recorded {
    /// Its partition values, as they are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_values: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<String>,
    /// When it was produced, where the record said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<i64>,
    /// When it was recorded, which stands for that where nobody says it.
    recorded_at: i64,
}

impl Recorded {
    /// What a record says that has just come.
    pub fn of(given: &PreparedVersion, recorded_at: Timestamp) -> Self {
        Self {
            given_values: values_text(&given.values),
            given_time: given.time.map(|t| t.0),
            location: given.location.clone(),
            data_type: given.data_type.clone(),
            description: given.description.clone(),
            metadata: given.metadata.clone(),
            card: given.card.clone(),
            created_at: given.created_at.map(|t| t.0),
            recorded_at: recorded_at.0,
        }
    }

    /// What the record said that has made a version of which no event speaks yet.
    pub fn of_row(row: &version::Model) -> Self {
        let row = row.clone();
        Self {
            given_values: row.given_values,
            given_time: row.given_time,
            location: row.location,
            data_type: row.data_type,
            description: row.description,
            metadata: row.metadata,
            card: row.card,
            created_at: row.created_at_given.then_some(row.created_at),
            recorded_at: row.created_at,
        }
    }

    /// As it was kept.
    pub fn read(stored: &recorded_version::Model) -> Result<Self, StoreError> {
        serde_json::from_str(&stored.content).map_err(|e| StoreError::Inconsistent(format!("a recorded version: {e}")))
    }

    /// Its metadata.
    pub fn metadata(&self) -> Result<Facets, StoreError> {
        facets(self.metadata.as_deref())
    }
}

/// What a record said of a version that events describe.
pub fn recorded(ledger: &Ledger, id: VersionId) -> Result<Option<Recorded>, StoreError> {
    ledger.recorded.get(&id).map(Recorded::read).transpose()
}

/// Keeps what a record said of a version apart from what events say of it.
pub fn keep(ledger: &mut Ledger, id: VersionId, revision: i64, said: &Recorded) -> Result<(), StoreError> {
    let content = serde_json::to_string(said);
    let content = content.map_err(|e| StoreError::Inconsistent(format!("a recorded version: {e}")))?;
    ledger
        .recorded
        .put(id, recorded_version::Model { id, revision, content });
    Ok(())
}

/// What events say of a version, all of them together.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its partition values, as they are kept.
    pub given_values: Option<String>,
    /// Its facets.
    pub metadata: Facets,
    location: Option<String>,
    data_type: Option<String>,
    description: Option<String>,
    /// When it was produced.
    pub created_at: i64,
}

impl Told {
    /// What is said; nothing as long as it is only announced.
    pub fn of(said: &DatasetMeaning) -> Option<Self> {
        Some(Self {
            created_at: said.created_at?.0,
            given_values: values_text(&said.partition),
            metadata: said.metadata.clone(),
            location: said.location.clone(),
            data_type: said.data_type.clone(),
            description: said.description.clone(),
        })
    }

    /// What runs, and events about the dataset itself, say of a version, all of them together.
    pub fn of_all<'a>(
        dataset: &Dataset,
        version: &str,
        runs: impl Iterator<Item = &'a Written<'a>>,
        own: Option<&DatasetStory>,
    ) -> Option<Self> {
        let of_runs = runs.filter_map(|run| run.told_of(dataset, version));
        let own = own.and_then(|story| story.told_of(version));
        let told: Vec<Telling> = of_runs.chain(own).collect();
        Self::of(&DatasetMeaning::of_all(dataset, version, &told))
    }

    /// What events said that have made a version of which no record speaks.
    pub fn of_row(row: &version::Model) -> Result<Self, StoreError> {
        Ok(Self {
            given_values: row.given_values.clone(),
            metadata: facets(row.metadata.as_deref())?,
            location: row.location.clone(),
            data_type: row.data_type.clone(),
            description: row.description.clone(),
            created_at: row.created_at,
        })
    }

    /// The facets as they are kept.
    pub fn metadata_text(&self) -> Option<String> {
        facets_text(&self.metadata)
    }

    /// Without what one says no more, as far as it is still what that one said.
    #[must_use]
    pub fn without(mut self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        self.metadata
            .retain(|name, facet| before.metadata.get(name) != Some(facet));
        if self.given_values == before.given_values {
            self.given_values = None;
        }
        self
    }

    /// With what another one says too. It stands for the time until all are asked.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            given_values: self.given_values.or(other.given_values),
            metadata: other.metadata.into_iter().chain(self.metadata).collect(),
            location: self.location.or(other.location),
            data_type: self.data_type.or(other.data_type),
            description: self.description.or(other.description),
            created_at: self.created_at.min(other.created_at),
        }
    }
}

/// A version's row with what a record and events say of it. Where it is placed is left as it was.
pub fn together(
    row: version::Model,
    recorded: Option<&Recorded>,
    told: Option<&Told>,
) -> Result<version::Model, StoreError> {
    let record = recorded.cloned().unwrap_or_default();
    let metadata = match told.map(|told| &told.metadata).filter(|facets| !facets.is_empty()) {
        Some(facets) => {
            let mut all = facets.clone();
            all.extend(record.metadata()?);
            facets_text(&all)
        }
        None => record.metadata,
    };
    let told_text = |of: fn(&Told) -> &Option<String>| told.and_then(|told| of(told).clone());
    let told_at = told.map(|told| told.created_at);
    Ok(version::Model {
        given_values: record.given_values.or_else(|| told_text(|told| &told.given_values)),
        given_time: record.given_time,
        location: record.location.or_else(|| told_text(|told| &told.location)),
        data_type: record.data_type.or_else(|| told_text(|told| &told.data_type)),
        description: record.description.or_else(|| told_text(|told| &told.description)),
        metadata,
        card: record.card,
        created_at: record.created_at.or(told_at).unwrap_or(record.recorded_at),
        created_at_given: record.created_at.or(told_at).is_some(),
        ..row
    })
}

/// Partition values as they are kept.
pub fn values_text(values: &BTreeMap<String, String>) -> Option<String> {
    let key = PartitionKey {
        values: values.clone(),
        window: None,
    };
    (!values.is_empty()).then(|| key.values_json())
}

/// Partition values that are kept.
pub fn values_of(text: Option<&str>) -> Result<PartitionValues, StoreError> {
    let values = text.map(serde_json::from_str).transpose();
    let values = values.map_err(|e| StoreError::Inconsistent(format!("partition values: {e}")))?;
    Ok(values.unwrap_or_default())
}

/// Facets as they are kept.
fn facets_text(facets: &Facets) -> Option<String> {
    (!facets.is_empty()).then(|| to_json(facets))
}

fn facets(text: Option<&str>) -> Result<Facets, StoreError> {
    let facets = text.map(json::read).transpose();
    let facets = facets.map_err(|e| StoreError::Inconsistent(format!("metadata: {e}")))?;
    Ok(facets.unwrap_or_default())
}
