//! How records about one execution merge (rule 15), whatever the order in which they come.
//!
//! Every record has a [`Rank`]: how far along it is. Each field keeps the rank of the record that gave it, and a later
//! record replaces it when it is further along, leaves it when it is less far, and contradicts it when it is as far and
//! says something else. What events tell of an execution is like one record, which changes as further events come; so
//! what records give is kept apart from it.

use std::fmt::Write as _;

use entity::{ExecutionId, NO_TIME, execution};
use serde::{Deserialize, Serialize};

use super::prepare::PreparedExecution;
use crate::domain::openlineage::Meaning;
use crate::domain::record::{ExecutionKind, ExecutionState};
use crate::store::StoreError;

/// How far along a record is: its state; of two final ones the later end, then the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    stage: u8,
    ended_at: i64,
    outcome: u8,
}

impl Rank {
    /// The rank of a record that gives a state and an end.
    pub fn of(state: Option<ExecutionState>, ended_at: Option<i64>) -> Self {
        let stage = match state {
            None => 0,
            Some(ExecutionState::Queued) => 1,
            Some(ExecutionState::Running) => 2,
            Some(_) => 3,
        };
        let outcome = state.filter(|s| s.is_final()).map_or(0, |s| s as u8);
        let ended_at = if stage == 3 {
            ended_at.unwrap_or(NO_TIME)
        } else {
            NO_TIME
        };
        Self {
            stage,
            ended_at,
            outcome,
        }
    }

    /// The state that a record of this rank says.
    fn state(self) -> Option<ExecutionState> {
        match self.stage {
            0 => None,
            1 => Some(ExecutionState::Queued),
            2 => Some(ExecutionState::Running),
            _ => ExecutionState::ALL
                .into_iter()
                .find(|state| *state as u8 == self.outcome),
        }
    }

    /// The end that a record of this rank says, where it counts.
    fn end(self) -> Option<i64> {
        (self.ended_at != NO_TIME).then_some(self.ended_at)
    }
}

/// The fields that merge, in the order in which their ranks are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Kind,
    State,
    Entity,
    EntityVersion,
    NodeId,
    Attempt,
    Principal,
    Parent,
    StartedAt,
    EndedAt,
    Error,
    Metadata,
}

impl Field {
    const ALL: [Self; 12] = [
        Self::Kind,
        Self::State,
        Self::Entity,
        Self::EntityVersion,
        Self::NodeId,
        Self::Attempt,
        Self::Principal,
        Self::Parent,
        Self::StartedAt,
        Self::EndedAt,
        Self::Error,
        Self::Metadata,
    ];
}

/// How a field is called in an error, and its letter in the stored form.
const FIELDS: [(&str, char); 12] = [
    ("kind", 'k'),
    ("state", 's'),
    ("entity", 'e'),
    ("entityVersion", 'v'),
    ("nodeId", 'n'),
    ("attempt", 'a'),
    ("principal", 'p'),
    ("parent", 'u'),
    ("startedAt", 'b'),
    ("endedAt", 'f'),
    ("error", 'x'),
    ("metadata", 'm'),
];

/// The rank of the record that gave each field.
///
/// Stored as `stage,ended,outcome=letters` for each distinct rank, joined by `;`: most executions have one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Ranks([Option<Rank>; 12]);

impl From<Ranks> for String {
    fn from(ranks: Ranks) -> Self {
        ranks.store()
    }
}

impl TryFrom<String> for Ranks {
    type Error = String;

    fn try_from(stored: String) -> Result<Self, String> {
        Self::parse(&stored).ok_or_else(|| format!("field ranks: {stored:?}"))
    }
}

impl Ranks {
    /// Reads the stored form; none when it is none.
    pub fn parse(stored: &str) -> Option<Self> {
        let mut ranks = Self::default();
        for group in stored.split(';').filter(|g| !g.is_empty()) {
            let (rank, letters) = group.split_once('=')?;
            let mut numbers = rank.split(',');
            let rank = Rank {
                stage: numbers.next()?.parse().ok()?,
                ended_at: numbers.next()?.parse().ok()?,
                outcome: numbers.next()?.parse().ok()?,
            };
            for letter in letters.chars() {
                let field = FIELDS.iter().position(|(_, l)| *l == letter)?;
                ranks.0[field] = Some(rank);
            }
        }
        Some(ranks)
    }

    /// The records that would give these ranks, from the least to the furthest along: the state and the end that each says,
    /// and the names of the fields that it gave last.
    pub fn records(&self) -> Vec<(Option<ExecutionState>, Option<i64>, Vec<&'static str>)> {
        let mut distinct: Vec<Rank> = self.0.iter().flatten().copied().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let fields = |rank| {
            FIELDS
                .iter()
                .zip(&self.0)
                .filter(move |(_, r)| **r == Some(rank))
                .map(|((name, _), _)| *name)
        };
        distinct
            .into_iter()
            .map(|rank| (rank.state(), rank.end(), fields(rank).collect()))
            .collect()
    }

    /// The first field of a row that has a value although no record gave it, or none although one did.
    pub fn unlike(&self, row: &execution::Model) -> Option<&'static str> {
        let is_default = |field: Field| match field {
            Field::Kind => row.kind == default_kind(row.parent_id.is_some()).as_str(),
            Field::State => row.state == ExecutionState::Queued.as_str(),
            Field::Entity => row.entity.is_none(),
            Field::EntityVersion => row.entity_version.is_none(),
            Field::NodeId => row.node_id.is_none(),
            Field::Attempt => row.attempt.is_none(),
            Field::Principal => row.principal.is_none(),
            Field::Parent => row.parent_id.is_none(),
            Field::StartedAt => row.started_at == NO_TIME,
            Field::EndedAt => row.ended_at.is_none(),
            Field::Error => row.error.is_none(),
            Field::Metadata => row.metadata.is_none(),
        };
        let wrong = Field::ALL.into_iter().find(|field| {
            // A kind and a state that were given may be those that it has for want of one.
            let may_be_default = matches!(field, Field::Kind | Field::State);
            match self.0[*field as usize] {
                Some(_) => is_default(*field) && !may_be_default,
                None => !is_default(*field),
            }
        });
        wrong.map(|field| FIELDS[field as usize].0)
    }

    /// The stored form.
    pub fn store(&self) -> String {
        let mut distinct: Vec<Rank> = self.0.iter().flatten().copied().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let mut stored = String::new();
        for rank in distinct {
            let letters = FIELDS
                .iter()
                .zip(&self.0)
                .filter(|(_, r)| **r == Some(rank))
                .map(|((_, letter), _)| *letter);
            let separator = if stored.is_empty() { "" } else { ";" };
            let letters: String = letters.collect();
            // Writing into a String cannot fail.
            let _ = write!(
                stored,
                "{separator}{},{},{}={letters}",
                rank.stage, rank.ended_at, rank.outcome
            );
        }
        stored
    }
}

/// A field of two records that are equally far along and say different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction(pub &'static str);

/// The fields of an execution that records have given, or that events tell: each with the rank of who gave it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
    ranks: Ranks,
}

impl Fields {
    /// Those of a row.
    ///
    /// # Errors
    /// When the ranks of the row are none.
    pub fn of(row: &execution::Model) -> Result<Self, StoreError> {
        let ranks = Ranks::parse(&row.field_ranks);
        let ranks = ranks.ok_or_else(|| StoreError::Inconsistent(format!("field ranks: {:?}", row.field_ranks)))?;
        let is_given = |field: Field| ranks.0[field as usize].is_some();
        Ok(Self {
            // A kind and a state are there also when nobody has given them.
            kind: is_given(Field::Kind).then(|| row.kind.clone()),
            state: is_given(Field::State).then(|| row.state.clone()),
            entity: row.entity.clone(),
            entity_version: row.entity_version.clone(),
            node_id: row.node_id.clone(),
            attempt: row.attempt,
            principal: row.principal.clone(),
            parent_id: row.parent_id.map(|id| id.0),
            started_at: Some(row.started_at).filter(|at| *at != NO_TIME),
            ended_at: row.ended_at,
            error: row.error.clone(),
            metadata: row.metadata.clone(),
            ranks,
        })
    }

    /// Those that only records give, if there are any.
    pub fn of_records_alone(self) -> Option<Self> {
        let mut ranks = Ranks::default();
        for field in [Field::EntityVersion, Field::NodeId, Field::Attempt, Field::Principal] {
            ranks.0[field as usize] = self.ranks.0[field as usize];
        }
        (ranks != Ranks::default()).then(|| Self {
            entity_version: self.entity_version,
            node_id: self.node_id,
            attempt: self.attempt,
            principal: self.principal,
            ranks,
            ..Self::default()
        })
    }

    /// Those that a record gives.
    pub fn recorded(record: &PreparedExecution, parent: Option<ExecutionId>) -> Self {
        let fields = Self {
            kind: record.kind.map(|kind| kind.as_str().to_owned()),
            state: record.state.map(|state| state.as_str().to_owned()),
            entity: record.entity.clone(),
            entity_version: record.entity_version.clone(),
            node_id: record.node_id.clone(),
            attempt: record.attempt,
            principal: record.principal.clone(),
            parent_id: parent.map(|id| id.0),
            started_at: record.started_at.map(|t| t.0),
            ended_at: record.ended_at.map(|t| t.0),
            error: record.error.clone(),
            metadata: record.metadata.clone(),
            ranks: Ranks::default(),
        };
        fields.all_of(record.rank)
    }

    /// Those that events tell, all of them together being like one record.
    pub fn told(meaning: &Meaning, parent: Option<ExecutionId>) -> Self {
        let fields = Self {
            kind: meaning.kind.map(|kind| kind.as_str().to_owned()),
            state: meaning.state.map(|state| state.as_str().to_owned()),
            entity: meaning.entity.clone(),
            parent_id: parent.map(|id| id.0),
            started_at: meaning.started_at.map(|t| t.0),
            ended_at: meaning.ended_at.map(|t| t.0),
            error: meaning.error.clone(),
            metadata: meaning.metadata.clone(),
            ..Self::default()
        };
        fields.all_of(Rank::of(meaning.state, meaning.ended_at.map(|t| t.0)))
    }

    fn all_of(mut self, rank: Rank) -> Self {
        let is_given = [
            self.kind.is_some(),
            self.state.is_some(),
            self.entity.is_some(),
            self.entity_version.is_some(),
            self.node_id.is_some(),
            self.attempt.is_some(),
            self.principal.is_some(),
            self.parent_id.is_some(),
            self.started_at.is_some(),
            self.ended_at.is_some(),
            self.error.is_some(),
            self.metadata.is_some(),
        ];
        self.ranks = Ranks(is_given.map(|is_given| is_given.then_some(rank)));
        self
    }

    /// Merges what another record gives; whether anything changed.
    ///
    /// # Errors
    /// When the other is as far along and says something else. Then it is half-merged: merge into a copy.
    pub fn merge(&mut self, other: Self) -> Result<bool, Contradiction> {
        self.add(other, Err)
    }

    /// With what events tell. Of two that are as far along, the record has been the first, since one that comes after the
    /// events and contradicts them is refused: it stays.
    #[must_use]
    pub fn and(mut self, told: Self) -> Self {
        // A tie is no error here.
        let _ = self.add(told, |_| Ok(()));
        self
    }

    fn add(
        &mut self,
        other: Self,
        at_a_tie: impl Fn(Contradiction) -> Result<(), Contradiction>,
    ) -> Result<bool, Contradiction> {
        let mut merge = Merge {
            ranks: &mut self.ranks,
            given: &other.ranks,
            at_a_tie,
            changed: false,
        };
        merge.field(Field::Kind, &mut self.kind, other.kind)?;
        merge.field(Field::State, &mut self.state, other.state)?;
        merge.field(Field::Entity, &mut self.entity, other.entity)?;
        merge.field(Field::EntityVersion, &mut self.entity_version, other.entity_version)?;
        merge.field(Field::NodeId, &mut self.node_id, other.node_id)?;
        merge.field(Field::Attempt, &mut self.attempt, other.attempt)?;
        merge.field(Field::Principal, &mut self.principal, other.principal)?;
        merge.field(Field::Parent, &mut self.parent_id, other.parent_id)?;
        merge.field(Field::StartedAt, &mut self.started_at, other.started_at)?;
        merge.field(Field::EndedAt, &mut self.ended_at, other.ended_at)?;
        merge.field(Field::Error, &mut self.error, other.error)?;
        merge.field(Field::Metadata, &mut self.metadata, other.metadata)?;
        Ok(merge.changed)
    }

    /// Puts them into a row, in place of those that it had.
    pub fn put(self, row: &mut execution::Model) {
        row.field_ranks = self.ranks.store();
        row.kind = self
            .kind
            .unwrap_or_else(|| default_kind(self.parent_id.is_some()).as_str().to_owned());
        row.state = self.state.unwrap_or_else(|| ExecutionState::Queued.as_str().to_owned());
        row.entity = self.entity;
        row.entity_version = self.entity_version;
        row.node_id = self.node_id;
        row.attempt = self.attempt;
        row.principal = self.principal;
        row.parent_id = self.parent_id.map(ExecutionId);
        row.started_at = self.started_at.unwrap_or(NO_TIME);
        row.ended_at = self.ended_at;
        row.error = self.error;
        row.metadata = self.metadata;
    }
}

/// The kind of an execution of which no record says it: what has a parent is taken for a task.
pub fn default_kind(has_parent: bool) -> ExecutionKind {
    if has_parent {
        ExecutionKind::Task
    } else {
        ExecutionKind::Workflow
    }
}

struct Merge<'a, F> {
    ranks: &'a mut Ranks,
    given: &'a Ranks,
    at_a_tie: F,
    changed: bool,
}

impl<F: Fn(Contradiction) -> Result<(), Contradiction>> Merge<'_, F> {
    fn field<T: PartialEq>(
        &mut self,
        field: Field,
        current: &mut Option<T>,
        given: Option<T>,
    ) -> Result<(), Contradiction> {
        let known = &mut self.ranks.0[field as usize];
        let rank = self.given.0[field as usize];
        if given.is_none() || *known > rank {
            return Ok(());
        }
        if *known == rank {
            return if *current == given {
                Ok(())
            } else {
                (self.at_a_tie)(Contradiction(FIELDS[field as usize].0))
            };
        }
        *known = rank;
        *current = given;
        self.changed = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Rank, Ranks};
    use crate::domain::record::ExecutionState::{Aborted, Failed, Queued, Running, Succeeded};

    #[test]
    fn states_and_ends_are_ordered() {
        let in_order = [
            Rank::of(None, Some(9)),
            Rank::of(Some(Queued), Some(9)),
            Rank::of(Some(Running), Some(9)),
            Rank::of(Some(Failed), None),
            Rank::of(Some(Succeeded), None),
            Rank::of(Some(Failed), Some(5)),
            Rank::of(Some(Aborted), Some(5)),
            Rank::of(Some(Succeeded), Some(5)),
            Rank::of(Some(Failed), Some(6)),
        ];
        assert!(in_order.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn records_have_the_ranks_that_they_were_made_from() {
        let given = [
            Rank::of(None, None),
            Rank::of(Some(Running), Some(4)),
            Rank::of(Some(Aborted), Some(5)),
            Rank::of(Some(Succeeded), None),
        ];
        for rank in given {
            let mut ranks = Ranks::default();
            (ranks.0[2], ranks.0[11]) = (Some(rank), Some(rank));
            let [(state, end, fields)] = &ranks.records()[..] else {
                panic!()
            };
            assert_eq!(
                (Rank::of(*state, *end), &fields[..]),
                (rank, &["entity", "metadata"][..])
            );
        }
    }

    #[test]
    fn ranks_make_the_round_trip() {
        let mut ranks = Ranks::default();
        assert_eq!(Ranks::parse(&ranks.store()), Some(ranks.clone()));
        ranks.0[0] = Some(Rank::of(Some(Queued), None));
        ranks.0[1] = Some(Rank::of(Some(Succeeded), Some(-7)));
        ranks.0[11] = ranks.0[1];
        assert_eq!(Ranks::parse(&ranks.store()), Some(ranks));
        assert_eq!(Ranks::parse("rubbish"), None);
    }
}
