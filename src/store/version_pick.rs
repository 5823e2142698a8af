//! Picks versions of many parents in one statement: for each parent a limited walk of an index answers ids, whose rows
//! are read after that. What is not wanted is passed over in the index; a parent with many versions is not read whole.

use ::entity::{ArtifactId, NO_TIME};

use super::artifact::Placement;
use super::page::Walk;
use super::partition_filter::Inner;
use super::sql::{Binds, deal};
use super::version::{VERSION_COLUMNS, VersionRow, read_version, version_columns};
use super::version_conditions::{self as conditions, Conditions};
use super::version_list::{VersionFilter, VersionOrderField, VersionsOf};
use super::version_place::{Groups, Place, artifact_places, driver, named_place, partition_places, single};
use super::{Reader, Scope, StoreError, dialect};
use crate::domain::filter::ValueFilter;

/// Rows of each parent, in the order of a walk.
pub(super) type Rows = Vec<Vec<VersionRow>>;

/// As many versions are looked at, newest first, for a page of some windows before it is made from the windows instead.
const RECENT: i64 = 1_000;
/// As many parents with filters of their own go into one statement.
const TOGETHER: usize = 16;

/// What is wanted of every parent.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    filter: &'a VersionFilter,
    field: VersionOrderField,
    walk: Walk<'a>,
}

/// The versions that a walk finds for each parent: one statement for each kind of parent that there is, and one more
/// where a filter on windows does not find its page among the newest versions.
pub(super) async fn pick_versions(
    db: &impl Reader,
    scope: &Scope,
    of: &[VersionsOf],
    filter: &VersionFilter,
    field: VersionOrderField,
    walk: Walk<'_>,
) -> Result<Rows, StoreError> {
    let wanted = Wanted { filter, field, walk };
    let groups = Groups::of(of);
    let mut rows: Rows = std::iter::repeat_with(Vec::new).take(of.len()).collect();
    if !groups.artifacts.is_empty() {
        let mut members = Members::new(db, scope);
        let by_window = field == VersionOrderField::TimePartition;
        let places = artifact_places(&mut members.binds, &members.revision, &groups.artifacts, by_window);
        members.add_places(wanted, &places);
        scatter(
            &mut rows,
            &groups.artifacts,
            members.run(db, groups.artifacts.len()).await?,
        );
    }
    if !groups.partitions.is_empty() {
        let mut members = Members::new(db, scope);
        let places = partition_places(&mut members.binds, &members.revision, &groups.partitions);
        members.add_places(wanted, &places);
        scatter(
            &mut rows,
            &groups.partitions,
            members.run(db, groups.partitions.len()).await?,
        );
    }
    for (placement, named) in Placement::BOTH.into_iter().zip(&groups.named) {
        if !named.is_empty() {
            let mut members = Members::new(db, scope);
            let place = named_place(&mut members.binds, named, placement);
            members.add_places(wanted, &[place]);
            scatter(&mut rows, named, members.run(db, named.len()).await?);
        }
    }
    for tests in groups.tests.chunks(TOGETHER) {
        of_tests(db, scope, wanted, tests, &mut rows).await?;
    }
    for rows in &mut rows {
        walk.merge(rows, |row| row.key(field));
    }
    Ok(rows)
}

fn scatter<P>(rows: &mut Rows, parents: &[(usize, P)], found: Rows) {
    for ((position, _), mut found) in parents.iter().zip(found) {
        rows[*position].append(&mut found);
    }
}

/// A statement under way: members of a `UNION ALL`, each a table `parent` with what is picked for its rows.
#[derive(Debug)]
struct Members {
    binds: Binds,
    revision: String,
    texts: Vec<String>,
}

impl Members {
    fn new(db: &impl Reader, scope: &Scope) -> Self {
        let mut binds = Binds::new(db);
        let revision = binds.bind(scope.revision);
        Self {
            binds,
            revision,
            texts: Vec::new(),
        }
    }

    fn add(&mut self, parents: &str, pick: &str) {
        let columns = version_columns(&self.revision);
        let picked = dialect::join_picked(self.binds.backend, "version", pick);
        self.texts
            .push(format!("SELECT parent.key, {columns} FROM {parents} {picked}"));
    }

    fn add_places(&mut self, wanted: Wanted, places: &[Place]) {
        for place in places {
            let pick = place_pick(self, wanted, place);
            self.add(&place.parents, &pick);
        }
    }

    async fn run(self, db: &impl Reader, parents: usize) -> Result<Rows, StoreError> {
        let rows = self
            .binds
            .many(db, &self.texts.join(" UNION ALL "), 1 + VERSION_COLUMNS)
            .await?;
        deal(parents, &rows, read_version)
    }
}

async fn of_tests(
    db: &impl Reader,
    scope: &Scope,
    wanted: Wanted<'_>,
    tests: &[(usize, &Inner)],
    rows: &mut Rows,
) -> Result<(), StoreError> {
    let driven = wanted.filter.produced_by.is_some() || wanted.filter.alias.is_some();
    let by_created = wanted.field == VersionOrderField::CreatedAt && !driven;
    let (recent, whole): (Vec<_>, Vec<_>) = tests
        .iter()
        .partition(|(_, test)| by_created && test.windows.is_some() && test.placement == Placement::Current);
    let mut members = Members::new(db, scope);
    for (index, (_, test)) in recent.iter().chain(&whole).enumerate() {
        let pick = if index < recent.len() {
            recent_pick(&mut members, wanted, test)
        } else {
            test_pick(&mut members, wanted, test)
        };
        let parent = single(&mut members.binds, index);
        members.add(&parent, &pick);
    }
    let found = members.run(db, tests.len()).await?;
    let limit = usize::try_from(wanted.walk.limit).unwrap_or(usize::MAX);
    let mut unfinished = Vec::new();
    for ((position, test), mut found) in recent.iter().chain(&whole).zip(found) {
        if found.len() < limit && recent.iter().any(|(p, _)| p == position) {
            unfinished.push((*position, *test));
        } else {
            rows[*position].append(&mut found);
        }
    }
    if !unfinished.is_empty() {
        let mut members = Members::new(db, scope);
        for (index, (_, test)) in unfinished.iter().enumerate() {
            let pick = test_pick(&mut members, wanted, test);
            let parent = single(&mut members.binds, index);
            members.add(&parent, &pick);
        }
        scatter(rows, &unfinished, members.run(db, unfinished.len()).await?);
    }
    Ok(())
}

/// A walk of one index: where from, what is wanted, and in which order.
#[derive(Debug)]
struct Branch {
    from: String,
    conditions: Conditions,
    keys: Vec<String>,
}

/// The sub-select of the ids.
fn place_pick(members: &mut Members, wanted: Wanted, place: &Place) -> String {
    let (binds, revision) = (&mut members.binds, members.revision.as_str());
    let unproduced = place.unproduced && wanted.filter.takes_unproduced();
    let mut produced = place.own.clone();
    produced.and(conditions::produced(binds, revision, wanted.filter).as_str());
    produced.and(conditions::content(binds, revision, wanted.filter, "version").as_str());
    let from = driver(binds, revision, wanted.filter, place.artifact).unwrap_or_else(|| "version".to_owned());
    if wanted.field == VersionOrderField::Version {
        let mut either = produced;
        if unproduced {
            either = place.own.clone();
            let named = conditions::unproduced(binds, revision, wanted.filter);
            let made = conditions::produced(binds, revision, wanted.filter);
            let content = conditions::content(binds, revision, wanted.filter, "version");
            either.and(&format!(
                "({} AND {} OR {})",
                made.as_str(),
                content.as_str(),
                named.as_str()
            ));
        }
        return limited(
            binds,
            wanted.walk,
            vec![Branch {
                from,
                conditions: either,
                keys: keys(wanted.field, place.placement),
            }],
        );
    }
    let mut branches = vec![Branch {
        from,
        conditions: produced,
        keys: keys(wanted.field, place.placement),
    }];
    if unproduced {
        let mut named = place.own.clone();
        named.and(conditions::unproduced(binds, revision, wanted.filter).as_str());
        let mut keys = vec!["version.named_at".to_owned(), "version.id".to_owned()];
        if wanted.field == VersionOrderField::TimePartition {
            keys.insert(0, format!("CAST({} AS BIGINT)", binds.bind(NO_TIME)));
        }
        branches.push(Branch {
            from: "version".to_owned(),
            conditions: named,
            keys,
        });
    }
    limited(binds, wanted.walk, branches)
}

fn keys(field: VersionOrderField, placement: Placement) -> Vec<String> {
    let window = format!("version.{}", placement.window());
    let columns: &[&str] = match field {
        VersionOrderField::CreatedAt => &["version.created_at", "version.ordinal"],
        VersionOrderField::TimePartition => &[&window, "version.created_at", "version.ordinal"],
        VersionOrderField::Version => &["substr(version.version, 1, 255)", "version.id"],
    };
    columns.iter().map(|column| (*column).to_owned()).collect()
}

/// The ids of the first rows of several walks put together.
fn limited(binds: &mut Binds, walk: Walk, branches: Vec<Branch>) -> String {
    let single = branches.len() == 1;
    let mut names: Vec<String> = Vec::new();
    let members: Vec<String> = branches
        .into_iter()
        .enumerate()
        .map(|(number, branch)| {
            let columns: Vec<&str> = branch.keys.iter().map(String::as_str).collect();
            let bounds = walk.bounds(binds, &columns);
            let order = walk.order_and_limit(binds, &columns);
            let (from, conditions) = (branch.from, branch.conditions);
            names = (0..columns.len()).map(|n| format!("k{n}")).collect();
            let keyed: Vec<String> = columns
                .iter()
                .zip(&names)
                .map(|(column, name)| format!("{column} AS {name}"))
                .collect();
            let selected = if single {
                String::new()
            } else {
                format!(", {}", keyed.join(", "))
            };
            let text = format!(
                "SELECT version.id{selected} FROM {from} WHERE {}{bounds} {order}",
                conditions.as_str()
            );
            if single {
                text
            } else {
                format!("SELECT * FROM ({text}) AS branch{number}")
            }
        })
        .collect();
    if single {
        return members.concat();
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let order = walk.order_and_limit(binds, &names);
    format!("SELECT id FROM ({}) AS branches {order}", members.join(" UNION ALL "))
}

/// The versions that pass a filter on partitions among the artifact's newest: the index tells all that the filter asks.
fn recent_pick(members: &mut Members, wanted: Wanted, test: &Inner) -> String {
    let (binds, revision) = (&mut members.binds, members.revision.as_str());
    let columns = ["version.created_at", "version.ordinal"];
    let artifact = binds.bind(test.artifact.0);
    let bounds = wanted.walk.bounds(binds, &columns);
    let order = wanted.walk.order(&columns);
    let recent = binds.limit(RECENT);
    let from = format!(
        "(SELECT id, created_at, ordinal, window_start, partition_id, produced_revision, deleted_revision FROM version \
         WHERE version.artifact_id = {artifact}{bounds} {order} {recent}) AS version"
    );
    let mut all = conditions::produced(binds, revision, wanted.filter);
    all.and(conditions::partition(binds, test, true, None).as_str());
    let content = conditions::content(binds, revision, wanted.filter, "whole");
    if !content.is_empty() {
        all.and(&format!(
            "(SELECT 1 FROM version AS whole WHERE whole.id = version.id AND {}) = 1",
            content.as_str()
        ));
    }
    let limit = wanted.walk.order_and_limit(binds, &columns);
    format!("SELECT version.id FROM {from} WHERE {} {limit}", all.as_str())
}

/// All versions that pass a filter on partitions: over the values of a key in order of creation, over the windows, or
/// over all of the artifact's.
fn test_pick(members: &mut Members, wanted: Wanted, test: &Inner) -> String {
    let (binds, revision) = (&mut members.binds, members.revision.as_str());
    let artifact = binds.bind(test.artifact.0);
    let Way {
        from,
        mut conditions,
        keys,
        in_windows,
        known,
    } = way(binds, revision, wanted, test, &artifact);
    conditions.and(conditions::produced(binds, revision, wanted.filter).as_str());
    conditions.and(conditions::partition(binds, test, !in_windows, known).as_str());
    conditions.and(conditions::content(binds, revision, wanted.filter, "version").as_str());
    limited(binds, wanted.walk, vec![Branch { from, conditions, keys }])
}

/// What is walked to find the versions that pass a filter on partitions, and what that settles of it.
struct Way<'a> {
    from: String,
    conditions: Conditions,
    keys: Vec<String>,
    /// All windows are as asked for.
    in_windows: bool,
    /// A test that all pass.
    known: Option<&'a ValueFilter>,
}

fn way<'a>(binds: &mut Binds, revision: &str, wanted: Wanted, test: &'a Inner, artifact: &str) -> Way<'a> {
    let then = dialect::then_join(binds.backend);
    let mut conditions = Conditions::default();
    conditions.and(&format!("version.artifact_id = {artifact}"));
    let keys = keys(wanted.field, test.placement);
    let mut way = Way {
        from: "version".to_owned(),
        conditions,
        keys,
        in_windows: false,
        known: None,
    };
    let by_window = test.placement == Placement::Current && wanted.field != VersionOrderField::Version;
    if let Some(driver) = driver(binds, revision, wanted.filter, artifact) {
        way.from = driver;
        return way;
    }
    match (test.windows.as_deref(), test.equality()) {
        (Some([_]), _) if by_window && wanted.field == VersionOrderField::TimePartition => {
            way.from = format!("version{}", dialect::indexed_by(binds.backend, "version_window"));
        }
        (Some(ranges), _) if by_window => {
            let ranges = match ranges {
                [(low, high)] => dialect::one_range(&binds.bind(*low), &binds.bind(*high)),
                _ => {
                    let list = binds.bind(dialect::pairs(ranges));
                    dialect::each_range(binds.backend, &list)
                }
            };
            let condition = format!(
                "version.artifact_id = {artifact} AND version.window_start >= range.low AND version.window_start < range.high"
            );
            let found = dialect::join_found(binds.backend, "version", "version_window", &condition);
            way.from = format!("{ranges} {found}");
            if wanted.field == VersionOrderField::CreatedAt {
                // No index has the sums in order, so none is walked for the order's sake.
                way.keys = vec!["version.created_at + 0".to_owned(), "version.ordinal + 0".to_owned()];
            }
            way.in_windows = true;
        }
        (None, Some((value, eq))) if wanted.field == VersionOrderField::CreatedAt => {
            let (key, eq) = (binds.bind(value.key.as_str()), binds.bind(eq));
            way.from = format!("version_value {then} version ON version.id = version_value.version_id");
            way.conditions = Conditions::default();
            way.conditions.and(&format!(
                "version_value.artifact_id = {artifact} AND version_value.key = {key} AND version_value.value = {eq}"
            ));
            way.keys = vec![
                "version_value.created_at".to_owned(),
                "version_value.ordinal".to_owned(),
            ];
            way.known = Some(value)
                .filter(|value| value.is_in.is_none() && value.not_in.is_none() && value.starts_with.is_none());
        }
        _ => {}
    }
    way
}

/// The newest versions of artifacts that belong to no partition and are not flagged.
pub(super) async fn pick_unpartitioned(
    db: &impl Reader,
    scope: &Scope,
    artifacts: &[ArtifactId],
    filter: &VersionFilter,
    walk: Walk<'_>,
) -> Result<Rows, StoreError> {
    let mut members = Members::new(db, scope);
    let parents: Vec<(usize, ArtifactId)> = artifacts.iter().copied().enumerate().collect();
    let mut places = artifact_places(&mut members.binds, &members.revision, &parents, true);
    for place in &mut places {
        place.own.and(&conditions::unpartitioned(place.placement));
        place.unproduced = false;
    }
    members.add_places(
        Wanted {
            filter,
            field: VersionOrderField::CreatedAt,
            walk,
        },
        &places,
    );
    members.run(db, artifacts.len()).await
}
