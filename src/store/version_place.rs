//! Whose versions are asked for, as SQL: tables `parent` of artifacts and partitions, and what makes a version theirs.

use ::entity::{ArtifactId, PartitionId, edge};

use super::artifact::Placement;
use super::dialect;
use super::edge::stands;
use super::partition_filter::Inner;
use super::sql::Binds;
use super::version_conditions::{Conditions, placed};
use super::version_list::{VersionFilter, VersionsOf};
use crate::domain::key::Digest;

/// Parents that are asked in the same way, each with its position among all.
#[derive(Debug, Default)]
pub(super) struct Groups<'a> {
    pub artifacts: Vec<(usize, ArtifactId)>,
    pub partitions: Vec<(usize, PartitionId)>,
    pub named: [Vec<(usize, Digest)>; 2],
    pub tests: Vec<(usize, &'a Inner)>,
}

impl<'a> Groups<'a> {
    pub fn of(parents: &'a [VersionsOf]) -> Self {
        let mut groups = Self::default();
        for (position, parent) in parents.iter().enumerate() {
            match parent {
                VersionsOf::Partition(id) => groups.partitions.push((position, *id)),
                VersionsOf::Artifact { id, partition: None } => groups.artifacts.push((position, *id)),
                VersionsOf::Artifact {
                    id,
                    partition: Some(test),
                } => match &test.0.named {
                    _ if test.0.is_empty() => groups.artifacts.push((position, *id)),
                    Some(digests) if !test.0.asks_for_none() => {
                        groups.named[test.0.placement as usize]
                            .extend(digests.iter().map(|digest| (position, *digest)));
                    }
                    _ => groups.tests.push((position, &*test.0)),
                },
            }
        }
        groups
    }
}

/// Where the versions of a parent are.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The table `parent`, and what is joined to it.
    pub parents: String,
    /// What makes a version the parent's.
    pub own: Conditions,
    /// The artifact's id, as SQL.
    pub artifact: &'static str,
    /// Which columns say where a version belongs.
    pub placement: Placement,
    /// Whether versions that nobody has produced may be among them.
    pub unproduced: bool,
}

/// Artifacts as parents. Where windows matter, they are told apart by where those stand.
pub(super) fn artifact_places(
    binds: &mut Binds,
    revision: &str,
    artifacts: &[(usize, ArtifactId)],
    windows: bool,
) -> Vec<Place> {
    let list = binds.bind(dialect::numbers(binds.backend, artifacts.iter().map(|(_, id)| id.0)));
    let parents = dialect::each_number(binds.backend, &list);
    let mut own = Conditions::default();
    own.and("version.artifact_id = parent.value");
    let place = Place {
        parents,
        own,
        artifact: "parent.value",
        placement: Placement::Current,
        unproduced: true,
    };
    if !windows {
        return vec![place];
    }
    let then = dialect::then_join(binds.backend);
    let told_apart = Placement::BOTH.map(|placement| {
        let holds = placement.holds(revision);
        let parents = format!(
            "{} {then} artifact ON artifact.id = parent.value AND {holds}",
            place.parents
        );
        Place {
            parents,
            placement,
            ..place.clone()
        }
    });
    told_apart.into()
}

/// Partitions as parents, told apart by where their artifact's versions say what they belong to.
pub(super) fn partition_places(binds: &mut Binds, revision: &str, partitions: &[(usize, PartitionId)]) -> Vec<Place> {
    let list = binds.bind(dialect::numbers(binds.backend, partitions.iter().map(|(_, id)| id.0)));
    let parents = dialect::each_number(binds.backend, &list);
    let then = dialect::then_join(binds.backend);
    let told_apart = Placement::BOTH.map(|placement| {
        let holds = placement.holds(revision);
        let parents = format!(
            "{parents} {then} partition ON partition.id = parent.value \
             {then} artifact ON artifact.id = partition.artifact_id AND {holds}"
        );
        in_partition(parents, placement)
    });
    told_apart.into()
}

/// Partitions that a filter names, by digest.
pub(super) fn named_place(binds: &mut Binds, named: &[(usize, Digest)], placement: Placement) -> Place {
    let list = binds.bind(dialect::digests(binds.backend, named.iter().map(|(_, digest)| *digest)));
    let parents = dialect::each_digest(binds.backend, &list);
    let then = dialect::then_join(binds.backend);
    in_partition(
        format!("{parents} {then} partition ON partition.digest = parent.value"),
        placement,
    )
}

fn in_partition(parents: String, placement: Placement) -> Place {
    let mut own = Conditions::default();
    own.and(&placed(placement, "partition.id"));
    Place {
        parents,
        own,
        artifact: "partition.artifact_id",
        placement,
        unproduced: false,
    }
}

/// One parent that brings its conditions along: a table `parent` with its position alone.
pub(super) fn single(binds: &mut Binds, position: usize) -> String {
    let position = binds.bind(i64::try_from(position).unwrap_or(i64::MAX));
    format!("(SELECT CAST({position} AS BIGINT) AS key) AS parent")
}

/// What is looked at where a filter leaves few versions: an execution's outputs, or the version at an alias. It is they
/// that are read, not all versions of the parent.
pub(super) fn driver(binds: &mut Binds, revision: &str, filter: &VersionFilter, artifact: &str) -> Option<String> {
    let then = dialect::then_join(binds.backend);
    if let Some(execution) = &filter.produced_by {
        let digest = binds.bind(execution.digest().to_vec());
        let role = edge::OUTPUT;
        return Some(format!(
            "(SELECT DISTINCT edge.version_id FROM edge WHERE edge.execution_id = (SELECT id FROM execution WHERE key_digest = {digest}) \
             AND edge.role = {role} AND {}) AS made {then} version ON version.id = made.version_id",
            stands(revision)
        ));
    }
    let name = binds.bind(filter.alias.as_deref()?);
    Some(format!(
        "(SELECT alias.version_id FROM alias WHERE alias.artifact_id = {artifact} AND alias.name = {name} \
         AND alias.revision <= {revision} AND alias.ended_revision > {revision}) AS made {then} version ON version.id = made.version_id"
    ))
}
