//! How records about one execution merge (rule 15), whatever the order in which they come.
//!
//! Every record has a [`Rank`]: how far along it is. Each field keeps the rank of the record that gave it, and a later
//! record replaces it when it is further along, leaves it when it is less far, and contradicts it when it is as far and
//! says something else.

use std::fmt::Write as _;

use entity::{ExecutionId, NO_TIME, execution};
use serde_json::{Map, Value};

use super::prepare::PreparedExecution;
use crate::domain::openlineage::Meaning;
use crate::domain::record::{ExecutionKind, ExecutionState};

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranks([Option<Rank>; 12]);

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

/// Merges a record into a row. Answers whether anything changed; a contradiction leaves the row half-merged, so hand in
/// a copy.
pub fn merge(
    row: &mut execution::Model,
    ranks: &mut Ranks,
    record: &PreparedExecution,
    parent_id: Option<ExecutionId>,
) -> Result<bool, Contradiction> {
    let mut merge = Merge {
        rank: record.rank,
        ranks,
        changed: false,
    };
    merge.field(Field::Kind, &mut row.kind, record.kind.map(|k| k.as_str().to_owned()))?;
    merge.field(
        Field::State,
        &mut row.state,
        record.state.map(|s| s.as_str().to_owned()),
    )?;
    merge.optional(Field::Entity, &mut row.entity, record.entity.clone())?;
    merge.optional(
        Field::EntityVersion,
        &mut row.entity_version,
        record.entity_version.clone(),
    )?;
    merge.optional(Field::NodeId, &mut row.node_id, record.node_id.clone())?;
    merge.optional(Field::Attempt, &mut row.attempt, record.attempt)?;
    merge.optional(Field::Principal, &mut row.principal, record.principal.clone())?;
    merge.optional(Field::Parent, &mut row.parent_id, parent_id)?;
    merge.field(Field::StartedAt, &mut row.started_at, record.started_at.map(|t| t.0))?;
    merge.optional(Field::EndedAt, &mut row.ended_at, record.ended_at.map(|t| t.0))?;
    merge.optional(Field::Error, &mut row.error, record.error.clone())?;
    merge.optional(Field::Metadata, &mut row.metadata, record.metadata.clone())?;
    let changed = merge.changed;
    if ranks.0[Field::Kind as usize].is_none() {
        row.kind = default_kind(row.parent_id.is_some()).as_str().to_owned();
    }
    Ok(changed)
}

/// Puts what events say of a run into its row, where no record that is further along says something else. What they said
/// before and do not say any more is taken back.
pub fn tell(
    row: &mut execution::Model,
    ranks: &mut Ranks,
    [was, is]: [&Meaning; 2],
    parents: [Option<ExecutionId>; 2],
) {
    let rank = Rank::of(is.state, is.ended_at.map(|t| t.0));
    let mut told = Told { rank, ranks };
    let kind = |said: &Meaning| said.kind.map(|kind| kind.as_str().to_owned());
    let state = |said: &Meaning| said.state.map(|state| state.as_str().to_owned());
    let text = |said: &Map<String, Value>| (!said.is_empty()).then(|| serde_json::to_string(said).unwrap_or_default());
    told.field(Field::Kind, &mut row.kind, [kind(was), kind(is)], String::new());
    let queued = ExecutionState::Queued.as_str().to_owned();
    told.field(Field::State, &mut row.state, [state(was), state(is)], queued);
    told.optional(Field::Entity, &mut row.entity, [was.entity.clone(), is.entity.clone()]);
    told.optional(Field::Parent, &mut row.parent_id, parents);
    let start = |said: &Meaning| said.started_at.map(|t| t.0);
    told.field(Field::StartedAt, &mut row.started_at, [start(was), start(is)], NO_TIME);
    let end = |said: &Meaning| said.ended_at.map(|t| t.0);
    told.optional(Field::EndedAt, &mut row.ended_at, [end(was), end(is)]);
    told.optional(Field::Error, &mut row.error, [was.error.clone(), is.error.clone()]);
    told.optional(
        Field::Metadata,
        &mut row.metadata,
        [text(&was.metadata), text(&is.metadata)],
    );
    if ranks.0[Field::Kind as usize].is_none() {
        row.kind = default_kind(row.parent_id.is_some()).as_str().to_owned();
    }
}

struct Told<'a> {
    rank: Rank,
    ranks: &'a mut Ranks,
}

impl Told<'_> {
    fn field<T: PartialEq>(&mut self, field: Field, current: &mut T, [was, is]: [Option<T>; 2], none: T) {
        let known = &mut self.ranks.0[field as usize];
        match is {
            Some(is) if known.is_none_or(|known| known <= self.rank) => {
                *known = Some(self.rank);
                *current = is;
            }
            None if was.as_ref() == Some(current) => {
                *known = None;
                *current = none;
            }
            _ => {}
        }
    }

    fn optional<T: PartialEq>(&mut self, field: Field, current: &mut Option<T>, [was, is]: [Option<T>; 2]) {
        self.field(field, current, [was.map(Some), is.map(Some)], None);
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

struct Merge<'a> {
    rank: Rank,
    ranks: &'a mut Ranks,
    changed: bool,
}

impl Merge<'_> {
    fn field<T: PartialEq>(&mut self, field: Field, current: &mut T, given: Option<T>) -> Result<(), Contradiction> {
        let Some(given) = given else { return Ok(()) };
        let known = &mut self.ranks.0[field as usize];
        match *known {
            Some(rank) if rank > self.rank => {}
            Some(rank) if rank == self.rank => {
                if *current != given {
                    return Err(Contradiction(FIELDS[field as usize].0));
                }
            }
            _ => {
                *known = Some(self.rank);
                *current = given;
                self.changed = true;
            }
        }
        Ok(())
    }

    fn optional<T: PartialEq>(
        &mut self,
        field: Field,
        current: &mut Option<T>,
        given: Option<T>,
    ) -> Result<(), Contradiction> {
        self.field(field, current, given.map(Some))
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
