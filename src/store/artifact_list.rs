//! Lists of artifacts: filtered, ordered and paged; the tree of projects and domains; and what is counted of each.

use ::entity::ArtifactId;

use super::artifact::{ArtifactRow, artifact_columns, is_there, read_artifact};
use super::page::{KeyKind, OrderDirection, Page, Slice, prefix};
use super::sql::{Binds, deal, place, read, spread};
use super::version::not_withdrawn;
use super::version_conditions::Conditions;
use super::version_count::version_count;
use super::version_list::{VersionFilter, VersionsOf};
use super::{Reader, Scope, StoreError, dialect};
use crate::domain::filter::DateTimeRange;
use crate::domain::time::Timestamp;

/// Which artifacts are wanted: every test that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ArtifactFilter {
    /// The first part of its key.
    pub project: Option<String>,
    /// The second part of its key.
    pub domain: Option<String>,
    /// The third part of its key.
    pub name: Option<String>,
    /// A part of its name, without regard to the case of A to Z.
    pub name_contains: Option<String>,
    /// Whether it has partition keys or a time partition.
    pub partitioned: Option<bool>,
    /// A partition key that it has.
    pub has_partition_key: Option<String>,
    /// When its newest version was produced.
    pub updated_at: Option<DateTimeRange>,
}

/// What artifacts can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArtifactOrderField {
    /// Their name, by code point, as far as its first 255 characters.
    Name,
    /// When they were first recorded.
    CreatedAt,
    /// When their newest version was produced. It is worked out for every artifact that passes the filter.
    UpdatedAt,
}

/// An order of artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArtifactOrder {
    /// By what.
    pub field: ArtifactOrderField,
    /// Which way.
    pub direction: OrderDirection,
}

impl ArtifactOrderField {
    /// What its keys are made of.
    pub const fn shape(self) -> &'static [KeyKind] {
        match self {
            Self::Name => &[KeyKind::Text, KeyKind::Int],
            Self::CreatedAt | Self::UpdatedAt => &[KeyKind::Int, KeyKind::Int],
        }
    }
}

impl Default for ArtifactOrder {
    fn default() -> Self {
        Self {
            field: ArtifactOrderField::Name,
            direction: OrderDirection::Ascending,
        }
    }
}

/// When the newest version of an artifact was produced, else when the artifact was recorded.
fn updated_at(revision: &str) -> String {
    format!(
        "coalesce((SELECT version.created_at FROM version WHERE version.artifact_id = artifact.id \
         AND version.produced_revision <= {revision} AND {} ORDER BY version.created_at DESC, version.ordinal DESC LIMIT 1), artifact.created_at)",
        not_withdrawn(revision)
    )
}

fn conditions(binds: &mut Binds, revision: &str, filter: &ArtifactFilter) -> Conditions {
    let mut all = Conditions::default();
    all.and(&is_there(revision));
    for (column, text) in [("project", &filter.project), ("domain", &filter.domain)] {
        if let Some(text) = text {
            all.and(&format!("artifact.{column} = {}", binds.bind(text.as_str())));
        }
    }
    if let Some(name) = &filter.name {
        // The index holds the first characters only.
        all.and(&format!("substr(artifact.name, 1, 255) = {}", binds.bind(prefix(name))));
        all.and(&format!("artifact.name = {}", binds.bind(name.as_str())));
    }
    if let Some(part) = &filter.name_contains {
        let part = binds.bind(part.to_ascii_lowercase());
        all.and(&dialect::contains(binds.backend, "lower(artifact.name)", &part));
    }
    schema_conditions(binds, &mut all, revision, filter);
    if let Some(range) = filter.updated_at {
        let updated = updated_at(revision);
        if let Some(from) = range.from {
            all.and(&format!("{updated} >= {}", binds.bind(from.0)));
        }
        if let Some(to) = range.to {
            all.and(&format!("{updated} < {}", binds.bind(to.0)));
        }
    }
    all
}

fn schema_conditions(binds: &mut Binds, all: &mut Conditions, revision: &str, filter: &ArtifactFilter) {
    let seen = format!(
        "SELECT 1 FROM artifact_key WHERE artifact_key.artifact_id = artifact.id AND artifact_key.revision <= {revision}"
    );
    if let Some(partitioned) = filter.partitioned {
        let test = format!(
            "CASE WHEN artifact.declared_revision <= {revision} \
             THEN (coalesce(artifact.declared_keys, '[]') <> '[]' OR artifact.declared_granularity IS NOT NULL) \
             ELSE (artifact.time_seen_revision <= {revision} OR EXISTS ({seen})) END"
        );
        all.and(&if partitioned {
            format!("({test})")
        } else {
            format!("NOT ({test})")
        });
    }
    if let Some(key) = &filter.has_partition_key {
        let key = binds.bind(key.as_str());
        let declared = dialect::json_holds(binds.backend, "coalesce(artifact.declared_keys, '[]')", &key);
        all.and(&format!(
            "(CASE WHEN artifact.declared_revision <= {revision} THEN {declared} ELSE EXISTS ({seen} AND artifact_key.key = {key}) END)"
        ));
    }
}

/// Artifacts, filtered and ordered.
pub async fn artifact_list(
    db: &impl Reader,
    scope: &Scope,
    filter: &ArtifactFilter,
    order: ArtifactOrder,
    page: &Page,
) -> Result<Slice<ArtifactRow>, StoreError> {
    let walk = page.walk(order.direction, order.field.shape())?;
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let all = conditions(&mut binds, &revision, filter);
    let updated = updated_at(&revision);
    let keys = match order.field {
        ArtifactOrderField::Name => ["substr(artifact.name, 1, 255)", "artifact.id"],
        ArtifactOrderField::CreatedAt => ["artifact.created_at", "artifact.id"],
        ArtifactOrderField::UpdatedAt => [updated.as_str(), "artifact.id"],
    };
    let bounds = walk.bounds(&mut binds, &keys);
    let limit = walk.order_and_limit(&mut binds, &keys);
    let columns = artifact_columns(&binds, &revision);
    let by_update = order.field == ArtifactOrderField::UpdatedAt;
    let last = if by_update {
        updated.as_str()
    } else {
        "artifact.created_at"
    };
    let sql = format!(
        "SELECT {columns}, {last} FROM artifact WHERE {}{bounds} {limit}",
        all.as_str()
    );
    let rows = read(&binds.all(db, &sql).await?, |cells| {
        let row = read_artifact(cells, scope.revision)?;
        let updated_at = Timestamp(cells.next()?);
        Ok(ArtifactRow {
            updated_at: by_update.then_some(updated_at),
            ..row
        })
    })?;
    Ok(page.slice(rows))
}

/// How many artifacts there are.
pub async fn artifact_count(db: &impl Reader, scope: &Scope, filter: &ArtifactFilter) -> Result<i64, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let all = conditions(&mut binds, &revision, filter);
    binds
        .number(db, &format!("SELECT count(*) FROM artifact WHERE {}", all.as_str()))
        .await
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectRow {
    /// Its name.
    pub name: String,
    /// Its domains, ascending.
    pub domains: Vec<DomainRow>,
}

/// A domain of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainRow {
    /// Its name.
    pub name: String,
    /// How many artifacts it has.
    pub artifact_count: i64,
}

/// The projects that have artifacts, ascending, with their domains.
pub async fn artifact_projects(db: &impl Reader, scope: &Scope) -> Result<Vec<ProjectRow>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let sql = format!(
        "SELECT artifact.project, artifact.domain, count(*) FROM artifact WHERE {} \
         GROUP BY artifact.project, artifact.domain ORDER BY artifact.project, artifact.domain",
        is_there(&revision)
    );
    let mut projects: Vec<ProjectRow> = Vec::new();
    for (project, name, artifact_count) in read(&binds.all(db, &sql).await?, |cells| {
        Ok((cells.next()?, cells.next()?, cells.next()?))
    })? {
        let domain = DomainRow { name, artifact_count };
        match projects.last_mut() {
            Some(last) if last.name == project => last.domains.push(domain),
            _ => projects.push(ProjectRow {
                name: project,
                domains: vec![domain],
            }),
        }
    }
    Ok(projects)
}

/// The artifacts of domains, each given as project and domain, by name: a page for each, in their order.
pub async fn artifact_list_by_domains(
    db: &impl Reader,
    scope: &Scope,
    of: &[(String, String)],
    page: &Page,
) -> Result<Vec<Slice<ArtifactRow>>, StoreError> {
    let field = ArtifactOrderField::Name;
    let walk = page.walk(OrderDirection::Ascending, field.shape())?;
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::pairs(of));
    let parents = dialect::each_pair(binds.backend, &list);
    let keys = ["substr(artifact.name, 1, 255)", "artifact.id"];
    let bounds = walk.bounds(&mut binds, &keys);
    let order = walk.order_and_limit(&mut binds, &keys);
    let indexed = dialect::indexed_by(binds.backend, "artifact_project_domain");
    let pick = format!(
        "SELECT artifact.id FROM artifact{indexed} WHERE artifact.project = parent.first AND artifact.domain = parent.second \
         AND {}{bounds} {order}",
        is_there(&revision)
    );
    let columns = artifact_columns(&binds, &revision);
    let picked = dialect::join_picked(binds.backend, "artifact", &pick);
    let rows = binds
        .all(db, &format!("SELECT parent.key, {columns} FROM {parents} {picked}"))
        .await?;
    let mut lists = deal(of.len(), &rows, |cells| read_artifact(cells, scope.revision))?;
    for list in &mut lists {
        walk.merge(list, |row| row.key(field));
    }
    Ok(lists.into_iter().map(|rows| page.slice(rows)).collect())
}

/// How many artifacts domains have, each given as project and domain: an answer for each, in their order.
pub async fn artifact_count_by_domains(
    db: &impl Reader,
    scope: &Scope,
    of: &[(String, String)],
) -> Result<Vec<i64>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::pairs(of));
    let parents = dialect::each_pair(binds.backend, &list);
    let sql = format!(
        "SELECT parent.key, (SELECT count(*) FROM artifact WHERE artifact.project = parent.first AND artifact.domain = parent.second \
         AND artifact.revision <= {revision}) FROM {parents}"
    );
    spread(of.len(), &binds.all(db, &sql).await?)
}

/// When the newest versions of artifacts were produced; of one without any, when it was recorded: an answer for each, in
/// their order; none for one that is not there.
pub async fn artifact_updated_at(
    db: &impl Reader,
    scope: &Scope,
    ids: &[ArtifactId],
) -> Result<Vec<Option<Timestamp>>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::numbers(binds.backend, ids.iter().map(|id| id.0)));
    let parents = dialect::each_number(binds.backend, &list);
    let then = dialect::then_join(binds.backend);
    let sql = format!(
        "SELECT parent.key, {} FROM {parents} {then} artifact ON artifact.id = parent.value WHERE artifact.revision <= {revision}",
        updated_at(&revision)
    );
    place(ids.len(), &binds.many(db, &sql, 2).await?, |cells| {
        Ok(Timestamp(cells.next()?))
    })
}

/// How many versions artifacts have, in whatever state: an answer for each, in their order.
pub async fn artifact_version_counts(
    db: &impl Reader,
    scope: &Scope,
    ids: &[ArtifactId],
) -> Result<Vec<i64>, StoreError> {
    let of: Vec<VersionsOf> = ids
        .iter()
        .map(|id| VersionsOf::Artifact {
            id: *id,
            partition: None,
        })
        .collect();
    version_count(db, scope, &of, &VersionFilter::default()).await
}
