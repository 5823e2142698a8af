//! Artifacts as rows: what they are called, and which partitions they have as of a revision.

use std::collections::HashMap;

use ::entity::{ArtifactId, NEVER};

use super::artifact_list::ArtifactOrderField;
use super::cells::Cells;
use super::page::{Key, prefix};
use super::room::{LongText, LongTexts};
use super::sql::{Binds, deal, first, place, read};
use super::{Reader, Scope, StoreError, dialect};
use crate::domain::json;
use crate::domain::key::{ArtifactKey, Digest};
use crate::domain::openlineage::{DatasetStory, to_json};
use crate::domain::time::{Granularity, Timestamp};

/// An artifact as of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArtifactRow {
    /// Its id.
    pub id: ArtifactId,
    /// First part of its key.
    pub project: String,
    /// Second part of its key.
    pub domain: String,
    /// Third part of its key.
    pub name: String,
    /// When this server first recorded it.
    pub created_at: Timestamp,
    /// What its declaration said it is.
    pub description: Option<String>,
    /// Its partition keys: as declared, else all that its versions have brought, ascending.
    pub keys: Vec<String>,
    /// The size of its time windows; none when it has no time partition.
    pub granularity: Option<Granularity>,
    /// Whether it has been declared.
    pub declared: bool,
    /// Which columns of its versions say where they belong.
    pub placement: Placement,
    /// When its newest version was produced; read only by a list in that order.
    pub updated_at: Option<Timestamp>,
}

/// Where the partition of an artifact's versions stands: a declaration places them anew and keeps what was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placement {
    /// In the plain columns.
    Current,
    /// In the `prior_` columns: the artifact has been declared, but later than the revision that is looked at.
    Prior,
}

impl Placement {
    /// Both.
    pub(super) const BOTH: [Self; 2] = [Self::Current, Self::Prior];

    /// The column with a version's partition.
    pub(super) const fn partition(self) -> &'static str {
        match self {
            Self::Current => "partition_id",
            Self::Prior => "prior_partition_id",
        }
    }

    /// The column with the start of a version's window.
    pub(super) const fn window(self) -> &'static str {
        match self {
            Self::Current => "window_start",
            Self::Prior => "prior_window_start",
        }
    }

    /// The column with what is wrong with a version's partition.
    pub(super) const fn mismatch(self) -> &'static str {
        match self {
            Self::Current => "schema_mismatch",
            Self::Prior => "prior_schema_mismatch",
        }
    }

    /// The condition on a row of `artifact` that its versions are placed like this as of a revision.
    pub(super) fn holds(self, revision: &str) -> String {
        match self {
            Self::Current => {
                format!("(artifact.declared_revision <= {revision} OR artifact.declared_revision = {NEVER})")
            }
            Self::Prior => {
                format!("(artifact.declared_revision > {revision} AND artifact.declared_revision < {NEVER})")
            }
        }
    }
}

impl ArtifactRow {
    /// Its natural key.
    pub fn key_of(&self) -> ArtifactKey {
        ArtifactKey {
            project: self.project.clone(),
            domain: self.domain.clone(),
            name: self.name.clone(),
        }
    }

    /// Its place in an order.
    pub fn key(&self, field: ArtifactOrderField) -> Key {
        let first = match field {
            ArtifactOrderField::Name => prefix(&self.name),
            ArtifactOrderField::CreatedAt => self.created_at.0.into(),
            ArtifactOrderField::UpdatedAt => self.updated_at.unwrap_or(self.created_at).0.into(),
        };
        Key(vec![first, self.id.0.into()])
    }

    /// Whether it is partitioned at all.
    pub fn is_partitioned(&self) -> bool {
        !self.keys.is_empty() || self.granularity.is_some()
    }
}

/// The columns of [`read_artifact`].
pub(super) fn artifact_columns(binds: &Binds, revision: &str) -> String {
    let seen =
        format!("artifact_key WHERE artifact_key.artifact_id = artifact.id AND artifact_key.revision <= {revision}");
    let seen = dialect::json_array(binds.backend, "artifact_key.key", &seen);
    format!(
        "artifact.id, artifact.project, artifact.domain, artifact.name, artifact.created_at, \
         CASE WHEN artifact.described_revision <= {revision} THEN coalesce(artifact.description, '') ELSE '' END, \
         artifact.declared_revision, artifact.time_seen_revision, coalesce(artifact.declared_granularity, ''), \
         CASE WHEN artifact.declared_revision <= {revision} THEN coalesce(artifact.declared_keys, '[]') ELSE {seen} END"
    )
}

/// Reads an artifact as of a revision.
pub(super) fn read_artifact(cells: &mut Cells, revision: i64) -> Result<ArtifactRow, StoreError> {
    let id = cells.next()?;
    let (project, domain, name) = (cells.next()?, cells.next()?, cells.next()?);
    let created_at = Timestamp(cells.next()?);
    let description = cells.text()?;
    let declared_revision: i64 = cells.next()?;
    let time_seen_revision: i64 = cells.next()?;
    let declared_granularity = cells.text()?;
    let declared = declared_revision <= revision;
    Ok(ArtifactRow {
        id,
        project,
        domain,
        name,
        created_at,
        description,
        keys: read_keys(&cells.next::<String>()?, declared)?,
        granularity: match declared_granularity {
            Some(text) if declared => Some(read_granularity(&text)?),
            _ if declared => None,
            _ => (time_seen_revision <= revision).then_some(Granularity::Day),
        },
        declared,
        placement: if declared || declared_revision == NEVER {
            Placement::Current
        } else {
            Placement::Prior
        },
        updated_at: None,
    })
}

fn read_keys(json: &str, declared: bool) -> Result<Vec<String>, StoreError> {
    let keys = serde_json::from_str(json);
    let mut keys: Vec<String> = keys.map_err(|e| StoreError::Inconsistent(format!("partition keys {json}: {e}")))?;
    if !declared {
        keys.sort_unstable();
    }
    Ok(keys)
}

/// Reads a granularity as stored.
pub(super) fn read_granularity(text: &str) -> Result<Granularity, StoreError> {
    text.parse().map_err(StoreError::Inconsistent)
}

/// Whether an artifact is there as of a revision, and is not known to be another one under another name.
pub(super) fn is_there(revision: &str) -> String {
    format!(
        "artifact.revision <= {revision} AND (artifact.merged_revision > {revision} OR artifact.returned_revision <= {revision})"
    )
}

/// Artifacts by id, those among them that have turned out to be others.
pub async fn artifact_find_many(
    db: &impl Reader,
    scope: &Scope,
    ids: &[ArtifactId],
) -> Result<Vec<ArtifactRow>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let columns = artifact_columns(&binds, &revision);
    let list = binds.bind(dialect::numbers(binds.backend, ids.iter().map(|id| id.0)));
    let these = dialect::in_numbers(binds.backend, "artifact.id", &list);
    let sql = format!("SELECT {columns} FROM artifact WHERE {these} AND artifact.revision <= {revision}");
    read(&binds.all(db, &sql).await?, |cells| {
        read_artifact(cells, scope.revision)
    })
}

/// Artifacts by key: an answer for each, in their order.
pub async fn artifact_find_by_keys(
    db: &impl Reader,
    scope: &Scope,
    keys: &[ArtifactKey],
) -> Result<Vec<Option<ArtifactRow>>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let columns = artifact_columns(&binds, &revision);
    let list = binds.bind(dialect::digests(binds.backend, keys.iter().map(ArtifactKey::digest)));
    let parents = dialect::each_digest(binds.backend, &list);
    let then = dialect::then_join(binds.backend);
    let sql = format!(
        "SELECT parent.key, {columns} FROM {parents} {then} artifact ON artifact.key_digest = parent.value \
         WHERE {}",
        is_there(&revision)
    );
    let rows = binds.all(db, &sql).await?;
    let mut found = place(keys.len(), &rows, |cells| read_artifact(cells, scope.revision))?;
    let missing: Vec<usize> = (0..keys.len()).filter(|index| found[*index].is_none()).collect();
    if !missing.is_empty() {
        let digests: Vec<Digest> = missing.iter().map(|index| keys[*index].digest()).collect();
        let named = artifact_find_by_other_names(db, scope, &digests).await?;
        missing
            .into_iter()
            .zip(named)
            .for_each(|(index, row)| found[index] = row);
    }
    Ok(found)
}

/// That a name was of its artifact.
fn is_named(revision: &str) -> String {
    format!("dataset_name.revision <= {revision} AND dataset_name.ended_revision > {revision}")
}

/// Artifacts by other names of their datasets, given by the digests of the keys that these make: an answer for each, in their order.
async fn artifact_find_by_other_names(
    db: &impl Reader,
    scope: &Scope,
    names: &[Digest],
) -> Result<Vec<Option<ArtifactRow>>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let columns = artifact_columns(&binds, &revision);
    let list = binds.bind(dialect::digests(binds.backend, names.iter().copied()));
    let parents = dialect::each_digest(binds.backend, &list);
    let then = dialect::then_join(binds.backend);
    let sql = format!(
        "SELECT parent.key, {columns} FROM {parents} {then} dataset_name ON dataset_name.digest = parent.value \
         AND {} {then} artifact ON artifact.id = dataset_name.artifact_id AND {}",
        is_named(&revision),
        is_there(&revision)
    );
    let rows = binds.all(db, &sql).await?;
    place(names.len(), &rows, |cells| read_artifact(cells, scope.revision))
}

/// Other names of artifacts, in order of recording: an answer for each, in their order.
pub async fn artifact_other_names(
    db: &impl Reader,
    scope: &Scope,
    of: &[ArtifactId],
) -> Result<Vec<Vec<(String, String)>>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::numbers(binds.backend, of.iter().map(|id| id.0)));
    let parents = dialect::each_number(binds.backend, &list);
    let then = dialect::then_join(binds.backend);
    let sql = format!(
        "SELECT parent.key, dataset_name.namespace, dataset_name.name FROM {parents} {then} dataset_name \
         ON dataset_name.artifact_id = parent.value AND {} \
         {then} artifact ON artifact.id = parent.value AND artifact.key_digest <> dataset_name.digest \
         ORDER BY dataset_name.namespace, dataset_name.name",
        is_named(&revision)
    );
    deal(of.len(), &binds.many(db, &sql, 3).await?, |cells| {
        Ok((cells.next()?, cells.next()?))
    })
}

/// What events about datasets, apart from any run, have said of them, as JSON objects; none where they have not: an answer for
/// each, in their order.
pub async fn artifact_metadata(db: &impl Reader, of: &[ArtifactId]) -> Result<Vec<Option<String>>, StoreError> {
    let mut binds = Binds::new(db);
    let list = binds.bind(dialect::numbers(binds.backend, of.iter().map(|id| id.0)));
    let parents = dialect::each_number(binds.backend, &list);
    let then = dialect::then_join(binds.backend);
    let stories = LongTexts {
        key: "parent.key",
        texts: &[LongText {
            column: "dataset_story.story",
            when: "TRUE",
        }],
        from: &format!("{parents} {then} dataset_story ON dataset_story.id = parent.value"),
    };
    let read = |cells: &mut Cells| {
        let (position, stored): (i64, String) = (cells.next()?, cells.next()?);
        let story: DatasetStory = json::read(&stored).map_err(|e| StoreError::Inconsistent(format!("a story: {e}")))?;
        Ok((position, to_json(&story.metadata())))
    };
    let mut found: HashMap<i64, String> = stories.read(db, binds, read).await?.into_iter().collect();
    Ok((0..).take(of.len()).map(|position| found.remove(&position)).collect())
}

/// One artifact by key, read by a statement without a list: the first step of the most frequent query.
pub(super) async fn artifact_find(
    db: &impl Reader,
    scope: &Scope,
    key: &ArtifactKey,
) -> Result<Option<ArtifactRow>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let columns = artifact_columns(&binds, &revision);
    let digest = binds.bind(key.digest().to_vec());
    let sql = format!(
        "SELECT {columns} FROM artifact WHERE artifact.key_digest = {digest} AND {}",
        is_there(&revision)
    );
    let found = first(&binds.all(db, &sql).await?, |cells| {
        read_artifact(cells, scope.revision)
    })?;
    match found {
        Some(row) => Ok(Some(row)),
        None => artifact_find_by_other_name(db, scope, key).await,
    }
}

/// One artifact by another name of its dataset.
pub(super) async fn artifact_find_by_other_name(
    db: &impl Reader,
    scope: &Scope,
    key: &ArtifactKey,
) -> Result<Option<ArtifactRow>, StoreError> {
    let named = artifact_find_by_other_names(db, scope, &[key.digest()]).await?;
    Ok(named.into_iter().next().flatten())
}
