//! Verifies every invariant of a store, in one snapshot, in constant memory.
//!
//! What a statement can say is an entry in the store's list (`store::check`). What only the rules of writing know is a
//! `Rule` over rows, in one of the lists below: a rule of its own for each thing that can be wrong, named for whoever reads it.

mod described;
mod events;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use entity::{NEVER, NO_TIME, alias, edge, execution, version_value};
use serde_json::value::RawValue;

use super::merge::Ranks;
use super::place::{Place, Schema};
use crate::domain::Invalid;
use crate::domain::key::{
    ArtifactKey, ExecutionKey, PARTITION_KEYS, SHORT_NAME, check_alias, check_name, check_partition_key, check_version,
};
use crate::domain::partition::PartitionKey;
use crate::domain::time::{Granularity, Timestamp, Window};
use crate::store::check::{ArtifactRow, Log, Owner, PartitionRow, Snapshot, VersionRow, VersionValueRow};
use crate::store::lineage::Changed;
use crate::store::{Store, StoreError};

/// The most faults that one statement names.
const MOST_OF_A_STATEMENT: usize = 10_000;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check that found it.
    pub check: &'static str,
    /// Which row it is.
    pub row: String,
    /// What would be right of it.
    pub right: String,
}

/// What happens during a check.
#[derive(Clone, Debug)]
pub enum Told {
    /// This is being looked at.
    Begun(&'static str),
    /// So many further rows have been.
    Rows(usize),
    /// This is wrong.
    Found(Finding),
}

/// Checks a store as it is now. Answers the revision that it was checked at.
pub async fn check(store: &Store, told: impl FnMut(Told)) -> Result<i64, StoreError> {
    let mut check = Check {
        snapshot: store.snapshot().await?,
        told,
    };
    for query in check.snapshot.queries() {
        check.begin(query.name);
        let found = check.snapshot.found_by(&query, MOST_OF_A_STATEMENT).await?;
        let may_be_more = found.len() >= MOST_OF_A_STATEMENT;
        for found in found {
            check.found(query.name, found.row, found.right);
        }
        if may_be_more {
            check.found(query.name, "further rows".to_owned(), "as of those above".to_owned());
        }
    }
    check.log().await?;
    check.artifacts().await?;
    check.partitions().await?;
    check.versions().await?;
    check.version_values().await?;
    check.aliases().await?;
    check.executions().await?;
    check.edges().await?;
    check.told_by_events().await?;
    check.described_versions().await?;
    Ok(check.snapshot.newest())
}

/// One thing that is true of every row of a kind: the check's name, and what would be right of a row that it is not true of.
struct Rule<R> {
    check: &'static str,
    right: fn(&R) -> Option<String>,
}

const fn rule<R>(check: &'static str, right: fn(&R) -> Option<String>) -> Rule<R> {
    Rule { check, right }
}

const ARTIFACTS: [Rule<ArtifactRow>; 4] = [
    rule("key digests", |owner| {
        is_digest(&owner.row.key_digest, &artifact_key(owner).digest().to_vec())
    }),
    rule("names", |owner| invalid(artifact_key(owner).validate())),
    rule("declarations", declaration),
    rule("keys of artifacts", keys_of_artifact),
];

const PARTITIONS: [Rule<PartitionRow>; 4] = [
    rule("key digests", partition_digest),
    rule("partitions", partition_columns),
    rule("retired partitions", retirement),
    rule("partition values", partition_values),
];

const VERSIONS: [Rule<VersionRow>; 6] = [
    rule("key digests", version_digest),
    rule("names", |v| invalid(check_version(&v.row.version))),
    rule("given values", given_values),
    rule("keys of artifacts", brought_keys),
    rule("placement", placement),
    rule("metadata", |v| object(v.row.metadata.as_deref())),
];

const EXECUTIONS: [Rule<execution::Model>; 4] = [
    rule("key digests", |row| {
        is_digest(&row.key_digest, &execution_key(row).digest().to_vec())
    }),
    rule("names", |row| invalid(execution_key(row).validate())),
    rule("executions", fields_and_ranks),
    rule("metadata", |row| object(row.metadata.as_deref())),
];

const VERSION_VALUES: [Rule<VersionValueRow>; 1] = [rule("version values", version_value)];
const ALIASES: [Rule<alias::Model>; 1] = [rule("names", |row| invalid(check_alias(&row.name)))];
const EDGES: [Rule<edge::Model>; 1] = [rule("names", |row| invalid(check_name("name", &row.name, SHORT_NAME)))];

/// The names of all rules.
pub fn rule_names() -> BTreeSet<&'static str> {
    fn of<R>(rules: &[Rule<R>]) -> impl Iterator<Item = &'static str> {
        rules.iter().map(|rule| rule.check)
    }
    let of_nodes = of(&ARTIFACTS)
        .chain(of(&PARTITIONS))
        .chain(of(&VERSIONS))
        .chain(of(&EXECUTIONS));
    let of_others = of(&VERSION_VALUES).chain(of(&ALIASES)).chain(of(&EDGES));
    of_nodes
        .chain(of_others)
        .chain(["revisions", "changes in the log"])
        .chain(events::RULES)
        .chain(described::RULES)
        .collect()
}

struct Check<F> {
    snapshot: Snapshot,
    told: F,
}

/// Going through the tables.
impl<F: FnMut(Told)> Check<F> {
    fn begin(&mut self, what: &'static str) {
        (self.told)(Told::Begun(what));
    }

    fn found(&mut self, check: &'static str, row: String, right: String) {
        (self.told)(Told::Found(Finding { check, row, right }));
    }

    fn apply<R>(&mut self, rules: &[Rule<R>], rows: &[R], name: impl Fn(&R) -> String) {
        for row in rows {
            for rule in rules {
                if let Some(right) = (rule.right)(row) {
                    self.found(rule.check, name(row), right);
                }
            }
        }
        (self.told)(Told::Rows(rows.len()));
    }

    async fn log(&mut self) -> Result<(), StoreError> {
        self.begin("revisions");
        let (mut id, mut recorded_at) = (0, 0);
        loop {
            let rows = self.snapshot.log(id).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                for right in log_entry(row, id, recorded_at) {
                    self.found("revisions", format!("revision {}", row.id), right);
                }
                (id, recorded_at) = (row.id, row.recorded_at);
            }
            (self.told)(Told::Rows(rows.len()));
        }
        let counter = self.snapshot.counter().map(|row| (row.revision, row.recorded_at));
        if counter.is_some_and(|counter| counter != (id, recorded_at)) {
            let right = format!("revision is {id}, the last in the log, and recorded_at {recorded_at}, as there");
            self.found("revisions", "revision_counter".to_owned(), right);
        }
        Ok(())
    }

    async fn artifacts(&mut self) -> Result<(), StoreError> {
        self.begin("artifacts");
        let mut after = 0;
        loop {
            let rows = self.snapshot.artifacts(after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.row.id.0;
            self.apply(&ARTIFACTS, &rows, |owner| format!("artifact {}", owner.row.id.0));
            let changes = rows.iter().flat_map(|owner| {
                let row = &owner.row;
                let since = [row.declared_revision, row.described_revision, row.time_seen_revision];
                let revisions: Vec<i64> = since
                    .into_iter()
                    .chain([row.merged_revision, row.returned_revision])
                    .collect();
                changes(row.revision, &revisions, row.id.0)
            });
            self.logged("artifact", changes.collect(), |changed| &changed.artifacts)
                .await?;
        }
    }

    async fn partitions(&mut self) -> Result<(), StoreError> {
        self.begin("partitions");
        let mut after = 0;
        loop {
            let rows = self.snapshot.partitions(after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.row.id.0;
            self.apply(&PARTITIONS, &rows, |p| format!("partition {}", p.row.id.0));
        }
    }

    async fn versions(&mut self) -> Result<(), StoreError> {
        self.begin("versions");
        let mut after = 0;
        loop {
            let rows = self.snapshot.versions(after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.row.id.0;
            self.apply(&VERSIONS, &rows, |v| format!("version {}", v.row.id.0));
            let expected: Vec<version_value::Model> = rows.iter().flat_map(values_of).collect();
            for absent in self.snapshot.absent_values(&expected).await? {
                let right = format!("version_value has a row for its value of {:?}", absent.key);
                self.found("version values", format!("version {}", absent.version_id.0), right);
            }
            let changes = rows.iter().flat_map(|v| {
                let revisions = [v.row.produced_revision, v.row.deleted_revision];
                changes(v.row.revision, &revisions, v.row.id.0)
            });
            self.logged("version", changes.collect(), |changed| &changed.versions)
                .await?;
        }
    }

    async fn version_values(&mut self) -> Result<(), StoreError> {
        self.begin("version values");
        let mut last = None;
        loop {
            let rows = self.snapshot.version_values(last.as_ref()).await?;
            let Some(row) = rows.last() else { return Ok(()) };
            last = Some(row.row.clone());
            let name = |v: &VersionValueRow| format!("version_value {} {}", v.row.version_id.0, v.row.key);
            self.apply(&VERSION_VALUES, &rows, name);
        }
    }

    async fn aliases(&mut self) -> Result<(), StoreError> {
        self.begin("aliases");
        let mut after = 0;
        loop {
            let rows = self.snapshot.aliases(after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            self.apply(&ALIASES, &rows, |row| format!("alias {}", row.id));
        }
    }

    async fn executions(&mut self) -> Result<(), StoreError> {
        self.begin("executions");
        let mut after = 0;
        loop {
            let rows = self.snapshot.executions(after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id.0;
            self.apply(&EXECUTIONS, &rows, |row| format!("execution {}", row.id.0));
            let changes = rows
                .iter()
                .flat_map(|row| changes(row.revision, &[row.reported_revision], row.id.0));
            self.logged("execution", changes.collect(), |changed| &changed.executions)
                .await?;
        }
    }

    async fn edges(&mut self) -> Result<(), StoreError> {
        self.begin("edges");
        let mut last: Option<edge::Model> = None;
        loop {
            let found = self.snapshot.edges(last.as_ref()).await?;
            let later = found.iter().flat_map(|(row, revision)| {
                changes(
                    revision.unwrap_or(NEVER),
                    &[row.revision, row.ended_revision],
                    row.execution_id.0,
                )
            });
            self.logged("execution", later.collect(), |changed| &changed.executions)
                .await?;
            let rows: Vec<edge::Model> = found.into_iter().map(|(row, _)| row).collect();
            let Some(row) = rows.last() else { return Ok(()) };
            last = Some(row.clone());
            let name = |e: &edge::Model| format!("edge {} {} {} {}", e.execution_id.0, e.role, e.name, e.version_id.0);
            self.apply(&EDGES, &rows, name);
        }
    }

    /// Rows that a later revision changed stand in its entry in the log: a graph in memory follows by it.
    async fn logged(
        &mut self,
        kind: &str,
        changes: BTreeSet<(i64, i64)>,
        of_kind: fn(&Changed) -> &BTreeSet<i64>,
    ) -> Result<(), StoreError> {
        let revisions: BTreeSet<i64> = changes.iter().map(|(revision, _)| *revision).collect();
        let log = self.snapshot.changed_in(&revisions).await?;
        for (revision, id) in changes {
            if log
                .get(&revision)
                .is_some_and(|changed| !of_kind(changed).contains(&id))
            {
                let right = format!("changed has {kind} {id}, which this revision changed");
                self.found("changes in the log", format!("revision {revision}"), right);
            }
        }
        Ok(())
    }
}

/// The later revisions that changed a row.
fn changes(first: i64, later: &[i64], id: i64) -> Vec<(i64, i64)> {
    let later = later
        .iter()
        .filter(|revision| **revision > first && **revision != NEVER);
    later.map(|revision| (*revision, id)).collect()
}

fn log_entry(row: &Log, before: i64, recorded_before: i64) -> Vec<String> {
    let mut wrong = Vec::new();
    if row.id != before + 1 {
        wrong.push(format!(
            "it comes after revision {}, and this one after {before}",
            row.id - 1
        ));
    }
    if row.recorded_at < recorded_before {
        wrong.push(format!(
            "recorded_at is at least {recorded_before}, that of the revision before"
        ));
    }
    if !row.is_readable {
        wrong.push("changed is a JSON object with lists of ids, or none".to_owned());
    }
    wrong
}

fn invalid(checked: Result<(), Invalid>) -> Option<String> {
    checked.err().map(|invalid| invalid.message)
}

fn is_digest(stored: &[u8], right: &[u8]) -> Option<String> {
    (stored != right).then(|| format!("the digest is {}", data_encoding::HEXLOWER.encode(right)))
}

fn artifact_key(owner: &Owner) -> ArtifactKey {
    ArtifactKey {
        project: owner.row.project.clone(),
        domain: owner.row.domain.clone(),
        name: owner.row.name.clone(),
    }
}

fn execution_key(row: &execution::Model) -> ExecutionKey {
    ExecutionKey {
        project: row.project.clone(),
        domain: row.domain.clone(),
        name: row.name.clone(),
    }
}

/// Metadata is an object, however deep, or there is none.
fn object(stored: Option<&str>) -> Option<String> {
    let wrong = stored.is_some_and(|text| serde_json::from_str::<BTreeMap<String, &RawValue>>(text).is_err());
    wrong.then(|| "metadata is a JSON object, or none".to_owned())
}

fn declaration(owner: &ArtifactRow) -> Option<String> {
    let row = &owner.row;
    let is_declared = row.declared_revision != NEVER;
    if is_declared != row.declared_keys.is_some() || (!is_declared && row.declared_granularity.is_some()) {
        return Some("it has declared keys and a declared granularity when it is declared, and only then".to_owned());
    }
    if (row.described_revision != NEVER) != row.description.is_some() {
        return Some("it has a description since described_revision, and only then".to_owned());
    }
    let stored = row.declared_keys.as_deref().unwrap_or("[]");
    let Ok(keys) = serde_json::from_str::<Vec<String>>(stored) else {
        return Some("declared_keys is a JSON array of texts".to_owned());
    };
    let distinct: BTreeSet<&String> = keys.iter().collect();
    if distinct.len() != keys.len() || keys.len() > PARTITION_KEYS {
        return Some(format!("declared_keys has at most {PARTITION_KEYS} keys, each once"));
    }
    keys.iter()
        .find_map(|key| invalid(check_partition_key("declared_keys", key)))
}

fn keys_of_artifact(owner: &ArtifactRow) -> Option<String> {
    if owner.keys.len() > PARTITION_KEYS {
        return Some(format!("artifact_key has at most {PARTITION_KEYS} rows for it"));
    }
    let late = owner
        .keys
        .iter()
        .find(|(_, revision)| **revision > owner.row.declared_revision);
    if let Some((key, _)) = late {
        return Some(format!(
            "artifact_key has no key that came after the declaration, such as {key:?}"
        ));
    }
    owner
        .keys
        .keys()
        .find_map(|key| invalid(check_partition_key("artifact_key", key)))
}

/// The values of a partition with its window; none when a column cannot be read.
fn key_of(p: &PartitionRow) -> Option<PartitionKey> {
    let granularity = p.row.granularity.as_deref().map(str::parse::<Granularity>);
    let window = granularity.transpose().ok()?.map(|granularity| Window {
        start: Timestamp(p.row.window_start),
        granularity,
    });
    Some(PartitionKey {
        values: serde_json::from_str(&p.row.values).ok()?,
        window,
    })
}

fn partition_digest(p: &PartitionRow) -> Option<String> {
    let key = key_of(p)?;
    is_digest(&p.row.digest, &key.digest(&artifact_key(p.artifact.as_ref()?)).to_vec())
}

fn partition_columns(p: &PartitionRow) -> Option<String> {
    let Some(key) = key_of(p) else {
        return Some("values is a JSON object of texts".to_owned());
    };
    if key.is_empty() {
        return Some("it has a value or a window".to_owned());
    }
    if key.values_json() != p.row.values || usize::try_from(p.row.key_count) != Ok(key.values.len()) {
        return Some(format!(
            "values is {}, and key_count {}",
            key.values_json(),
            key.values.len()
        ));
    }
    let right = key.window.map_or(NO_TIME, |w| w.granularity.floor(w.start).0);
    if p.row.window_start != right {
        return Some(format!("window_start is {right}, the start of a window"));
    }
    key.values.iter().find_map(|(key, value)| {
        let checked = check_partition_key("values", key).and_then(|()| check_name("values", value, SHORT_NAME));
        invalid(checked)
    })
}

/// A declaration retires the partitions that it has no room for.
fn retirement(p: &PartitionRow) -> Option<String> {
    let owner = p.artifact.as_ref()?;
    let key = key_of(p)?;
    let right = match Schema::of(&owner.row, BTreeSet::new()).ok()? {
        Schema::Seen(_) => NEVER,
        Schema::Declared { keys, granularity } => {
            let fits = key.values.keys().eq(keys.iter()) && key.window.map(|w| w.granularity) == granularity;
            if fits { NEVER } else { owner.row.declared_revision }
        }
    };
    (p.row.retired_revision != right).then(|| match right {
        NEVER => "retired_revision is never, since it fits its artifact".to_owned(),
        revision => format!("retired_revision is {revision}, that of the declaration that it does not fit"),
    })
}

fn partition_values(p: &PartitionRow) -> Option<String> {
    let right = key_of(p)?.values;
    let mut stored: BTreeMap<&str, &str> = BTreeMap::new();
    for value in &p.values {
        if value.artifact_id != p.row.artifact_id || stored.insert(&value.key, &value.value).is_some() {
            return Some(format!(
                "partition_value has one row for its key {:?}, with its artifact",
                value.key
            ));
        }
    }
    let pairs = right.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let differs = !pairs.eq(stored);
    differs.then(|| format!("partition_value has the rows of {}, and no others", p.row.values))
}

fn version_digest(v: &VersionRow) -> Option<String> {
    let key = artifact_key(v.artifact.as_ref()?);
    is_digest(&v.row.key_digest, &key.version_digest(&v.row.version).to_vec())
}

fn values(given: Option<&str>) -> Option<BTreeMap<String, String>> {
    given.map_or(Some(BTreeMap::new()), |text| serde_json::from_str(text).ok())
}

fn given_values(v: &VersionRow) -> Option<String> {
    let given = v.row.given_values.as_deref();
    let Some(values) = values(given) else {
        return Some("given_values is a JSON object of texts, or none".to_owned());
    };
    let count = values.len();
    if given.is_some() && count == 0 || count > PARTITION_KEYS {
        return Some(format!(
            "given_values has from one to {PARTITION_KEYS} values, or is none"
        ));
    }
    values.iter().find_map(|(key, value)| {
        let checked = check_partition_key("given_values", key);
        invalid(checked.and_then(|()| check_name("given_values", value, SHORT_NAME)))
    })
}

/// When a version came, as seen from the declaration of its artifact.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    /// There is none.
    Undeclared,
    Before,
    /// In the same revision: nobody knows which of the two was first.
    With,
    After,
}

fn came(v: &VersionRow, owner: &Owner) -> Came {
    let (produced, declared) = (v.row.produced_revision, owner.row.declared_revision);
    match produced.cmp(&declared) {
        _ if declared == NEVER => Came::Undeclared,
        Ordering::Less => Came::Before,
        Ordering::Equal => Came::With,
        Ordering::Greater => Came::After,
    }
}

/// An artifact that is not declared has the keys and the time partition that its versions bring.
fn brought_keys(v: &VersionRow) -> Option<String> {
    let owner = v.artifact.as_ref()?;
    let produced = v.row.produced_revision;
    let came = came(v, owner);
    if produced == NEVER || !matches!(came, Came::Undeclared | Came::Before) {
        return None;
    }
    if v.row.is_described && matches!(came, Came::Before) {
        // What says to which partition it belongs may have come after the declaration.
        return None;
    }
    // What events describe may have got its values later.
    let by = if v.row.is_described { NEVER } else { produced };
    if v.row.given_time.is_some() && owner.row.time_seen_revision > by {
        return Some(format!(
            "its artifact's time_seen_revision is at most {produced}, since it has a time partition"
        ));
    }
    let values = values(v.row.given_values.as_deref())?;
    if matches!(seen(owner).place(&values, None), Place::Mismatch(_)) {
        return None;
    }
    let lacking = values
        .keys()
        .find(|key| owner.keys.get(*key).is_none_or(|since| *since > by));
    lacking.map(|key| format!("artifact_key has its key {key:?}, since revision {produced} at the latest"))
}

/// What an artifact partitioned its versions by until it was declared. Whether a version fits does not depend on when it is
/// asked: with all keys that came since, one that was too many is too many still.
fn seen(owner: &Owner) -> Schema {
    Schema::Seen(owner.keys.keys().cloned().collect())
}

/// What the columns of a place hold.
type Placed<'a> = (Option<&'a [u8]>, i64, Option<&'a str>);

fn placement(v: &VersionRow) -> Option<String> {
    let owner = v.artifact.as_ref()?;
    let row = &v.row;
    if row.produced_revision == NEVER {
        return None;
    }
    let values = values(row.given_values.as_deref())?;
    let time = row.given_time.map(Timestamp);
    let undeclared = seen(owner);
    let schema = match Schema::of(&owner.row, BTreeSet::new()).ok()? {
        Schema::Seen(_) => undeclared.clone(),
        declared => declared,
    };
    let now = (v.partition.as_deref(), row.window_start, row.schema_mismatch.as_deref());
    placed_since(v, owner)
        .or_else(|| misplaced(&schema.place(&values, time), owner, now))
        .or_else(|| prior_placement(v, owner, &undeclared.place(&values, time)))
}

fn placed_since(v: &VersionRow, owner: &Owner) -> Option<String> {
    let since = match came(v, owner) {
        Came::Before => owner.row.declared_revision,
        _ => v.row.produced_revision,
    };
    (v.row.placed_revision != since).then(|| format!("placed_revision is {since}"))
}

/// Where a version was until its artifact was declared.
fn prior_placement(v: &VersionRow, owner: &Owner, before: &Place) -> Option<String> {
    let mismatch = v.row.prior_schema_mismatch.as_deref();
    let prior: Placed<'_> = (v.prior_partition.as_deref(), v.row.prior_window_start, mismatch);
    let is_empty = prior == (None, NO_TIME, None);
    match came(v, owner) {
        // Its values may have been others then.
        Came::Before | Came::With if v.row.is_described => None,
        Came::With if is_empty => None,
        Came::Before | Came::With => {
            misplaced(before, owner, prior).map(|right| format!("before its artifact was declared, {right}"))
        }
        Came::Undeclared | Came::After => (!is_empty).then(|| "the prior_ columns are empty".to_owned()),
    }
}

/// What the columns of a place would be. The sentence of a mismatch is for people and may change from one version of this
/// program to the next; that there is one may not.
fn misplaced(right: &Place, owner: &Owner, (digest, window_start, mismatch): Placed<'_>) -> Option<String> {
    let (key, what) = match right {
        Place::Unpartitioned => (None, "it is in no partition, and fits".to_owned()),
        Place::Mismatch(why) => (None, format!("it is in no partition, and schema_mismatch says: {why}")),
        Place::In(key) => {
            let window = key.window.map_or(NO_TIME, |w| w.start.0);
            let what = format!(
                "it is in the partition {} with window_start {window}",
                key.values_json()
            );
            (Some(key), what)
        }
    };
    let right_digest = key.map(|key| key.digest(&artifact_key(owner)).to_vec());
    let right_window = key.and_then(|key| key.window).map_or(NO_TIME, |w| w.start.0);
    let is_right = digest == right_digest.as_deref()
        && window_start == right_window
        && mismatch.is_some() == matches!(right, Place::Mismatch(_));
    (!is_right).then_some(what)
}

/// The rows that make a produced version findable by its values.
fn values_of(v: &VersionRow) -> Vec<version_value::Model> {
    let is_produced = v.row.produced_revision != NEVER;
    let values = values(v.row.given_values.as_deref()).filter(|_| is_produced);
    let rows = values
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| version_value::Model {
            artifact_id: v.row.artifact_id,
            key,
            value,
            created_at: v.row.created_at,
            ordinal: v.row.ordinal,
            version_id: v.row.id,
        });
    rows.collect()
}

fn version_value(v: &VersionValueRow) -> Option<String> {
    let version = v.version.as_ref()?;
    let given = values(version.given_values.as_deref())?;
    let is_right = version.artifact_id == v.row.artifact_id
        && (version.created_at, version.ordinal) == (v.row.created_at, v.row.ordinal)
        && given.get(&v.row.key) == Some(&v.row.value);
    (!is_right)
        .then(|| "its version has this value, artifact, created_at and ordinal, or the row is not there".to_owned())
}

fn fields_and_ranks(row: &execution::Model) -> Option<String> {
    let Some(ranks) = Ranks::parse(&row.field_ranks) else {
        return Some("field_ranks is a list such as 3,1767225600000000,4=ksb".to_owned());
    };
    if row.reported_revision == NEVER && !row.field_ranks.is_empty() {
        return Some("field_ranks is empty until a record reports it".to_owned());
    }
    let field = ranks.unlike(row)?;
    Some(format!(
        "{field} has a value when field_ranks has its rank, and only then"
    ))
}
