//! Versions as rows: lean ones for lists, and what else a version has, read only when it is asked for.

use ::entity::{ArtifactId, ExecutionId, NO_TIME, PartitionId, VersionId, edge};

use super::cells::Cells;
use super::edge::stands;
use super::page::{Key, prefix};
use super::room::{LongText, LongTexts};
use super::sql::{Binds, deal, place, read};
use super::version_list::VersionOrderField;
use super::{Reader, Scope, StoreError, dialect};
use crate::domain::key::ArtifactKey;
use crate::domain::time::Timestamp;

/// What has become of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VersionState {
    /// Some execution names it, nobody has produced it yet.
    Referenced,
    /// It has been produced.
    Available,
    /// It has been produced and deleted.
    Deleted,
}

impl VersionState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Referenced, Self::Available, Self::Deleted];

    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Referenced => "REFERENCED",
            Self::Available => "AVAILABLE",
            Self::Deleted => "DELETED",
        }
    }
}

/// A version as of a revision, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VersionRow {
    /// Its id.
    pub id: VersionId,
    /// The artifact that it is a version of.
    pub artifact_id: ArtifactId,
    /// The version string.
    pub version: String,
    /// What has become of it.
    pub state: VersionState,
    /// When it was produced; while it is only referenced, when it was first named.
    pub created_at: Timestamp,
    /// What decides between two of the same `created_at`: the order in which contents were recorded; while it is only
    /// referenced, its id.
    pub ordinal: i64,
    /// Its partition; none when unpartitioned, only referenced, or flagged.
    pub partition_id: Option<PartitionId>,
    /// The start of its window, or `NO_TIME`.
    pub window_start: i64,
    /// Why its partition does not fit the artifact's keys; none when it does.
    pub schema_mismatch: Option<String>,
    /// The revision that recorded it: its content, once that is there.
    pub recorded_revision: i64,
}

impl VersionRow {
    /// Its place in an order.
    pub fn key(&self, field: VersionOrderField) -> Key {
        let created = [self.created_at.0.into(), self.ordinal.into()];
        Key(match field {
            VersionOrderField::CreatedAt => created.into(),
            VersionOrderField::TimePartition => std::iter::once(self.window_start.into()).chain(created).collect(),
            VersionOrderField::Version => vec![prefix(&self.version), self.id.0.into()],
        })
    }
}

/// How many columns [`version_columns`] are.
pub(super) const VERSION_COLUMNS: usize = 10;

/// The columns of [`read_version`].
pub(super) fn version_columns(revision: &str) -> String {
    let placed = |column: &str, none: &str| {
        format!(
            "CASE WHEN version.produced_revision > {revision} THEN {none} \
             WHEN version.placed_revision <= {revision} THEN coalesce(version.{column}, {none}) \
             ELSE coalesce(version.prior_{column}, {none}) END"
        )
    };
    format!(
        "version.id, version.artifact_id, version.version, \
         CASE WHEN version.deleted_revision <= {revision} THEN 2 WHEN version.produced_revision <= {revision} THEN 1 ELSE 0 END, \
         CASE WHEN version.produced_revision <= {revision} THEN version.created_at ELSE coalesce(version.named_at, version.created_at) END, \
         CASE WHEN version.produced_revision <= {revision} THEN version.ordinal ELSE version.id END, \
         {}, {}, {}, \
         CASE WHEN version.produced_revision <= {revision} THEN version.produced_revision ELSE version.revision END",
        placed("partition_id", "0"),
        placed("window_start", &NO_TIME.to_string()),
        placed("schema_mismatch", "''"),
    )
}

/// Reads a version.
pub(super) fn read_version(cells: &mut Cells) -> Result<VersionRow, StoreError> {
    Ok(VersionRow {
        id: cells.next()?,
        artifact_id: cells.next()?,
        version: cells.next()?,
        state: match cells.next::<i32>()? {
            0 => VersionState::Referenced,
            1 => VersionState::Available,
            _ => VersionState::Deleted,
        },
        created_at: Timestamp(cells.next()?),
        ordinal: cells.next()?,
        partition_id: Some(cells.next()?).filter(|id| *id != PartitionId(0)),
        window_start: cells.next()?,
        schema_mismatch: cells.text()?,
        recorded_revision: cells.next()?,
    })
}

/// Whether a version is there as of a revision: it has been named, and not withdrawn.
pub(super) fn is_there(revision: &str) -> String {
    format!("version.revision <= {revision} AND {}", not_withdrawn(revision))
}

/// Whether a version has not been withdrawn as of a revision. The columns are in the indexes that lists walk.
pub(super) fn not_withdrawn(revision: &str) -> String {
    format!("(version.ordinal > 0 OR version.deleted_revision > {revision})")
}

/// Versions by id, in whatever state.
pub async fn version_find_many(
    db: &impl Reader,
    scope: &Scope,
    ids: &[VersionId],
) -> Result<Vec<VersionRow>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::numbers(binds.backend, ids.iter().map(|id| id.0)));
    let these = dialect::in_numbers(binds.backend, "version.id", &list);
    let columns = version_columns(&revision);
    let sql = format!("SELECT {columns} FROM version WHERE {these} AND version.revision <= {revision}");
    read(&binds.many(db, &sql, VERSION_COLUMNS).await?, read_version)
}

/// Versions by key, in whatever state: an answer for each, in their order.
pub async fn version_find_by_keys(
    db: &impl Reader,
    scope: &Scope,
    keys: &[(ArtifactKey, String)],
) -> Result<Vec<Option<VersionRow>>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::digests(
        binds.backend,
        keys.iter().map(|(artifact, version)| artifact.version_digest(version)),
    ));
    let parents = dialect::each_digest(binds.backend, &list);
    let then = dialect::then_join(binds.backend);
    let columns = version_columns(&revision);
    let sql = format!(
        "SELECT parent.key, {columns} FROM {parents} {then} version ON version.key_digest = parent.value \
         WHERE {}",
        is_there(&revision)
    );
    place(
        keys.len(),
        &binds.many(db, &sql, 1 + VERSION_COLUMNS).await?,
        read_version,
    )
}

/// What a version holds; all none once it is deleted, and while it is only referenced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionContent {
    /// The version.
    pub id: VersionId,
    /// Where the data lies.
    pub location: Option<String>,
    /// What kind of thing it is.
    pub data_type: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// A JSON object, as text.
    pub metadata: Option<String>,
    /// Markdown.
    pub card: Option<String>,
}

/// Which parts of contents are to be read; the others are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Parts {
    /// Location, type and description.
    pub text: bool,
    /// The metadata.
    pub metadata: bool,
    /// The card.
    pub card: bool,
}

impl Parts {
    /// All of it.
    pub const ALL: Self = Self {
        text: true,
        metadata: true,
        card: true,
    };
}

/// The contents of versions.
pub async fn version_content(
    db: &impl Reader,
    scope: &Scope,
    ids: &[VersionId],
    parts: Parts,
) -> Result<Vec<VersionContent>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::numbers(binds.backend, ids.iter().map(|id| id.0)));
    let these = dialect::in_numbers(binds.backend, "version.id", &list);
    let is_there = format!("version.produced_revision <= {revision} AND version.deleted_revision > {revision}");
    // A row is read up to the last column that is asked for: one without a card does not touch where long cards overflow to.
    let part = |asked: bool, column| match asked {
        true => LongText {
            column,
            when: &is_there,
        },
        false => LongText {
            column: "CAST(NULL AS TEXT)",
            when: "TRUE",
        },
    };
    let contents = LongTexts {
        key: "version.id",
        texts: &[
            part(parts.text, "version.location"),
            part(parts.text, "version.data_type"),
            part(parts.text, "version.description"),
            part(parts.metadata, "version.metadata"),
            part(parts.card, "version.card"),
        ],
        from: &format!("version WHERE {these} AND version.revision <= {revision}"),
    };
    contents
        .read(db, binds, |cells| {
            Ok(VersionContent {
                id: cells.next()?,
                location: cells.next()?,
                data_type: cells.next()?,
                description: cells.next()?,
                metadata: cells.next()?,
                card: cells.next()?,
            })
        })
        .await
}

/// The aliases of versions, ascending: an answer for each, in their order.
pub async fn version_aliases(
    db: &impl Reader,
    scope: &Scope,
    ids: &[VersionId],
) -> Result<Vec<Vec<String>>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::numbers(binds.backend, ids.iter().map(|id| id.0)));
    let parents = dialect::each_number(binds.backend, &list);
    let then = dialect::then_join(binds.backend);
    let sql = format!(
        "SELECT parent.key, alias.name FROM {parents} {then} alias ON alias.version_id = parent.value \
         WHERE alias.revision <= {revision} AND alias.ended_revision > {revision}"
    );
    let mut names = deal(ids.len(), &binds.many(db, &sql, 2).await?, |cells| {
        cells.next::<String>()
    })?;
    names.iter_mut().for_each(|names| names.sort_unstable());
    Ok(names)
}

/// Who produced a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerRow {
    /// The version.
    pub version: VersionId,
    /// The execution: of several that claim the version, the one that started first.
    pub execution: ExecutionId,
    /// What that calls it.
    pub name: String,
}

/// An order of executions that claim the same version: first those that have started, by when they did; then by key.
pub(super) const CLAIM_ORDER: &str = "CASE WHEN execution.started_at = -9223372036854775808 THEN 1 ELSE 0 END, \
    execution.started_at, execution.project, execution.domain, execution.name, edge.name";

/// The producers of versions; nothing for those that have none. A second statement settles the versions that several
/// executions claim: they are few.
pub async fn version_producers(
    db: &impl Reader,
    scope: &Scope,
    ids: &[VersionId],
) -> Result<Vec<ProducerRow>, StoreError> {
    let mut claims = producers(db, scope, ids, false).await?;
    claims.sort_by_key(|claim| claim.version);
    let claimed_twice: Vec<VersionId> = claims
        .windows(2)
        .filter(|two| two[0].version == two[1].version)
        .map(|two| two[0].version)
        .collect();
    if !claimed_twice.is_empty() {
        claims.retain(|claim| claimed_twice.binary_search(&claim.version).is_err());
        let mut settled = producers(db, scope, &claimed_twice, true).await?;
        // Each version's claims come in their order, so the first of each stays.
        settled.sort_by_key(|claim| claim.version);
        settled.dedup_by_key(|claim| claim.version);
        claims.append(&mut settled);
    }
    Ok(claims)
}

async fn producers(
    db: &impl Reader,
    scope: &Scope,
    ids: &[VersionId],
    ordered: bool,
) -> Result<Vec<ProducerRow>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::numbers(binds.backend, ids.iter().map(|id| id.0)));
    let these = dialect::in_numbers(binds.backend, "edge.version_id", &list);
    let role = edge::OUTPUT;
    let then = dialect::then_join(binds.backend);
    let (join, order) = if ordered {
        (
            format!("{then} execution ON execution.id = edge.execution_id"),
            format!("ORDER BY {CLAIM_ORDER}"),
        )
    } else {
        (String::new(), String::new())
    };
    let sql = format!(
        "SELECT edge.version_id, edge.execution_id, edge.name FROM edge {join} \
         WHERE {these} AND edge.role = {role} AND {} {order}",
        stands(&revision)
    );
    read(&binds.many(db, &sql, 3).await?, |cells| {
        Ok(ProducerRow {
            version: cells.next()?,
            execution: cells.next()?,
            name: cells.next()?,
        })
    })
}

/// When revisions were recorded.
pub async fn revision_times(db: &impl Reader, revisions: &[i64]) -> Result<Vec<(i64, Timestamp)>, StoreError> {
    let mut binds = Binds::new(db);
    let list = binds.bind(dialect::numbers(binds.backend, revisions.iter().copied()));
    let these = dialect::in_numbers(binds.backend, "id", &list);
    let rows = binds
        .many(db, &format!("SELECT id, recorded_at FROM revision WHERE {these}"), 2)
        .await?;
    read(&rows, |cells| Ok((cells.next()?, Timestamp(cells.next()?))))
}
