//! What a version must be, as SQL: states, content, producers and partitions. Written once for lists, counts and the latest.

use ::entity::{NO_TIME, edge};

use super::artifact::Placement;
use super::dialect;
use super::edge::stands;
use super::partition_filter::Inner;
use super::sql::Binds;
use super::version::{CLAIM_ORDER, VersionState, is_there, not_withdrawn};
use super::version_list::VersionFilter;
use crate::domain::filter::ValueFilter;

/// Conditions under construction: each is put behind `AND`.
#[derive(Debug, Default, Clone)]
pub(super) struct Conditions(String);

impl Conditions {
    pub fn and(&mut self, condition: &str) {
        if !self.0.is_empty() {
            self.0.push_str(" AND ");
        }
        self.0.push_str(condition);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_str(&self) -> &str {
        if self.0.is_empty() { "1 = 1" } else { &self.0 }
    }
}

/// What a produced version must be, as far as an index that covers the walk can tell.
pub(super) fn produced(binds: &mut Binds, revision: &str, filter: &VersionFilter) -> Conditions {
    let mut all = Conditions::default();
    all.and(&format!("version.produced_revision <= {revision}"));
    match (
        filter.takes(VersionState::Available),
        filter.takes(VersionState::Deleted),
    ) {
        (true, true) => all.and(&not_withdrawn(revision)),
        (true, false) => all.and(&format!("version.deleted_revision > {revision}")),
        (false, true) => all.and(&format!(
            "version.deleted_revision <= {revision} AND version.ordinal > 0"
        )),
        (false, false) => all.and("1 = 0"),
    }
    created_at(binds, &mut all, filter, "version.created_at");
    all
}

/// What a version that nobody has produced must be: it is only referenced, or was deleted before it came.
pub(super) fn unproduced(binds: &mut Binds, revision: &str, filter: &VersionFilter) -> Conditions {
    let mut all = Conditions::default();
    all.and("version.named_at IS NOT NULL");
    all.and(&format!(
        "{} AND version.produced_revision > {revision}",
        is_there(revision)
    ));
    match (
        filter.takes(VersionState::Referenced),
        filter.takes(VersionState::Deleted),
    ) {
        (true, false) => all.and(&format!("version.deleted_revision > {revision}")),
        (false, true) => all.and(&format!("version.deleted_revision <= {revision}")),
        _ => {}
    }
    created_at(binds, &mut all, filter, "version.named_at");
    alias(binds, &mut all, revision, filter);
    all
}

fn created_at(binds: &mut Binds, all: &mut Conditions, filter: &VersionFilter, column: &str) {
    let Some(range) = filter.created_at else { return };
    if let Some(from) = range.from {
        all.and(&format!("{column} >= {}", binds.bind(from.0)));
    }
    if let Some(to) = range.to {
        all.and(&format!("{column} < {}", binds.bind(to.0)));
    }
}

fn alias(binds: &mut Binds, all: &mut Conditions, revision: &str, filter: &VersionFilter) {
    if let Some(name) = &filter.alias {
        let name = binds.bind(name.as_str());
        all.and(&format!(
            "(SELECT 1 FROM alias WHERE alias.version_id = version.id AND alias.name = {name} \
             AND alias.revision <= {revision} AND alias.ended_revision > {revision} LIMIT 1) = 1"
        ));
    }
}

/// What else a produced version must be; `table` is where its whole row is. Whose output it is, or else which alias stands
/// at it, is settled by what the walk goes over: see `version_place::driver`.
pub(super) fn content(binds: &mut Binds, revision: &str, filter: &VersionFilter, table: &str) -> Conditions {
    let mut all = Conditions::default();
    if filter.produced_by.is_some() {
        alias(binds, &mut all, revision, filter);
    }
    if let Some(principal) = &filter.principal {
        let principal = binds.bind(principal.as_str());
        let role = edge::OUTPUT;
        all.and(&format!(
            "(SELECT execution.principal FROM edge JOIN execution ON execution.id = edge.execution_id \
             WHERE edge.version_id = version.id AND edge.role = {role} AND {} \
             ORDER BY {CLAIM_ORDER} LIMIT 1) = {principal}",
            stands(revision)
        ));
    }
    if filter.data_type.is_some() || !filter.metadata.is_empty() {
        all.and(&format!("{table}.deleted_revision > {revision}"));
    }
    if let Some(data_type) = &filter.data_type {
        all.and(&format!("{table}.data_type = {}", binds.bind(data_type.as_str())));
    }
    let backend = binds.backend;
    let object = format!("{table}.metadata");
    for fact in &filter.metadata {
        let key = binds.bind(fact.key.as_str());
        for values in [fact.eq.as_ref().map(std::slice::from_ref), fact.is_in.as_deref()]
            .into_iter()
            .flatten()
        {
            all.and(&dialect::fact_is_one_of(backend, &object, &key, values, |value| {
                binds.bind(value)
            }));
        }
        match fact.exists {
            Some(true) => all.and(&dialect::has_fact(backend, &object, &key)),
            Some(false) => all.and(&format!("NOT {}", dialect::has_fact(backend, &object, &key))),
            None => {}
        }
    }
    all
}

/// What the partition of a version must be; `windows` tells whether the window is to be tested here, and `known` which
/// value need not be.
pub(super) fn partition(binds: &mut Binds, test: &Inner, windows: bool, known: Option<&ValueFilter>) -> Conditions {
    let mut all = Conditions::default();
    let column = format!("version.{}", test.placement.partition());
    let window = format!("version.{}", test.placement.window());
    if test.asks_for_none() {
        all.and(&unpartitioned(test.placement));
        return all;
    }
    if let Some(ranges) = test.windows.as_deref().filter(|_| windows) {
        all.and(&in_ranges(binds, &window, ranges));
    }
    all.and(&format!("{column} IS NOT NULL"));
    for value in test
        .values
        .iter()
        .filter(|value| known.is_none_or(|known| *value != known))
    {
        all.and(&has_value(binds, test, value, &column));
    }
    if test.strict {
        let count = binds.bind(i64::try_from(test.key_count()).unwrap_or(i64::MAX));
        all.and(&format!(
            "(SELECT key_count FROM partition WHERE partition.id = {column}) = {count}"
        ));
        if test.windows.is_none() {
            all.and(&format!("{window} = {}", binds.bind(NO_TIME)));
        }
    }
    all
}

/// Whether a version belongs to no partition and is not flagged. The mismatch is in no index: the row is read only where
/// there is no partition.
pub(super) fn unpartitioned(placement: Placement) -> String {
    let (partition, mismatch) = (placement.partition(), placement.mismatch());
    format!(
        "version.{partition} IS NULL AND (SELECT 1 FROM version AS flag WHERE flag.id = version.id AND flag.{mismatch} IS NULL) = 1"
    )
}

/// Whether a number lies in one of the ranges `[low, high)`.
pub(super) fn in_ranges(binds: &mut Binds, column: &str, ranges: &[(i64, i64)]) -> String {
    match ranges {
        [] => "1 = 0".to_owned(),
        [(low, high)] => format!("{column} >= {} AND {column} < {}", binds.bind(*low), binds.bind(*high)),
        _ => {
            let list = binds.bind(dialect::pairs(ranges));
            let ranges = dialect::each_range(binds.backend, &list);
            format!("EXISTS (SELECT 1 FROM {ranges} WHERE {column} >= range.low AND {column} < range.high)")
        }
    }
}

/// Whether a partition has a value that passes a test: one look-up for each partition. (With `EXISTS`, PostgreSQL would
/// gather all partitions that have the value before it looks at the first version.)
pub(super) fn has_value(binds: &mut Binds, test: &Inner, value: &ValueFilter, partition: &str) -> String {
    let key = binds.bind(value.key.as_str());
    let mut tests = Conditions::default();
    if let Some(eq) = &value.eq {
        // The artifact makes this one descent in the primary key.
        tests.and(&format!(
            "partition_value.artifact_id = {}",
            binds.bind(test.artifact.0)
        ));
        tests.and(&format!("partition_value.value = {}", binds.bind(eq.as_str())));
    }
    value_tests(binds, &mut tests, value, "partition_value.value");
    format!(
        "(SELECT 1 FROM partition_value WHERE partition_value.partition_id = {partition} \
         AND partition_value.key = {key} AND {}) = 1",
        tests.as_str()
    )
}

/// The tests of a value other than `eq`.
pub(super) fn value_tests(binds: &mut Binds, tests: &mut Conditions, value: &ValueFilter, column: &str) {
    let backend = binds.backend;
    if let Some(list) = &value.is_in {
        let list = binds.bind(dialect::texts(backend, list.iter().map(String::as_str)));
        tests.and(&dialect::in_texts(backend, column, &list));
    }
    if let Some(list) = &value.not_in {
        let list = binds.bind(dialect::texts(backend, list.iter().map(String::as_str)));
        tests.and(&format!("NOT ({})", dialect::in_texts(backend, column, &list)));
    }
    if let Some(start) = &value.starts_with {
        let length = i64::try_from(start.chars().count()).unwrap_or(i64::MAX);
        tests.and(&format!(
            "substr({column}, 1, CAST({} AS INTEGER)) = {}",
            binds.bind(length),
            binds.bind(start.as_str())
        ));
    }
}

/// Whether partitions of an artifact are looked up where a scope finds them.
pub(super) fn placed(placement: Placement, partition: &str) -> String {
    format!("version.{} = {partition}", placement.partition())
}
