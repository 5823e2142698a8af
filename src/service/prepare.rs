//! Records made ready to be applied: checked as far as they can be without the store, with the digests by which the
//! store finds what they name. Runs while the caller waits, so that the write queue only does what needs its turn.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::merge::Rank;
use super::rejection::Rejection;
use crate::domain::Invalid;
use crate::domain::filter::{VersionKeyQuery, VersionQuery};
use crate::domain::key::{
    ArtifactKey, Digest, ExecutionKey, PARTITION_KEYS, SHORT_NAME, check_alias, check_name, check_partition_key,
    check_text, check_version,
};
use crate::domain::openlineage::{Event, Meaning, RunStory};
use crate::domain::record::{
    CreateVersion, DeclareArtifact, DeleteVersion, ExecutionInput, ExecutionKind, ExecutionState, PartitionValue,
    Record, RecordExecution, RemoveAlias, SetAlias,
};
use crate::domain::time::{Granularity, Timestamp};

/// Who gave a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A mutation, whose answer somebody reads: what does not fit a declaration is refused.
    Direct,
    /// An event or an import, whose answer nobody may read: what does not fit a declaration is kept and flagged.
    Ingest,
}

/// A record made ready.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// A declaration.
    Artifact(PreparedDeclaration),
    /// A version.
    Version(PreparedVersion),
    /// An execution.
    Execution(Box<PreparedExecution>),
    /// An alias to set.
    Alias(PreparedAlias),
    /// An alias to remove.
    AliasRemoval(Artifact, String),
    /// A version to delete.
    Deletion(Artifact, VersionName),
    /// An event.
    Event(Box<PreparedEvent>),
}

/// An artifact's key with its digest.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// The key.
    pub key: ArtifactKey,
    /// What it is found by.
    pub digest: Digest,
}

/// A version string with the digest of its full key.
#[derive(Clone, Debug)]
pub struct VersionName {
    /// The version.
    pub name: String,
    /// What it is found by.
    pub digest: Digest,
}

/// A declaration made ready.
#[derive(Clone, Debug)]
pub struct PreparedDeclaration {
    /// The artifact.
    pub artifact: Artifact,
    /// Its keys, in declared order.
    pub keys: Vec<String>,
    /// Its time partition.
    pub granularity: Option<Granularity>,
    /// What it is.
    pub description: Option<String>,
}

/// A version made ready.
#[derive(Clone, Debug)]
pub struct PreparedVersion {
    /// The artifact.
    pub artifact: Artifact,
    /// The version.
    pub version: VersionName,
    /// Its partition values.
    pub values: BTreeMap<String, String>,
    /// The instant of its time partition.
    pub time: Option<Timestamp>,
    /// Where the data lies.
    pub location: Option<String>,
    /// What kind of thing it is.
    pub data_type: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Facts about it, as JSON text.
    pub metadata: Option<String>,
    /// Markdown.
    pub card: Option<String>,
    /// When it was produced, where the producer said so.
    pub created_at: Option<Timestamp>,
}

/// An execution's record made ready.
#[derive(Clone, Debug)]
pub struct PreparedExecution {
    /// The execution.
    pub key: ExecutionKey,
    /// What it is found by.
    pub digest: Digest,
    /// How far along the record is.
    pub rank: Rank,
    /// Its kind.
    pub kind: Option<ExecutionKind>,
    /// How far the execution is.
    pub state: Option<ExecutionState>,
    /// The workflow's or task's name.
    pub entity: Option<String>,
    /// Its version.
    pub entity_version: Option<String>,
    /// The node of the workflow.
    pub node_id: Option<String>,
    /// Number of the attempt.
    pub attempt: Option<i32>,
    /// Who ran it.
    pub principal: Option<String>,
    /// The execution that it is part of.
    pub parent: Option<(ExecutionKey, Digest)>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// Facts about it, as JSON text.
    pub metadata: Option<String>,
    /// What it took in.
    pub inputs: Vec<PreparedInput>,
    /// What it gave out.
    pub outputs: Vec<PreparedOutput>,
}

/// An output made ready.
#[derive(Clone, Debug)]
pub struct PreparedOutput {
    /// The execution's name for it.
    pub name: String,
    /// The version.
    pub version: PreparedVersion,
    /// Whether the execution is only going to produce it.
    pub announced: bool,
}

/// An event made ready.
#[derive(Clone, Debug)]
pub struct PreparedEvent {
    /// The event.
    pub event: Event,
    /// The execution that it is about.
    pub execution: Option<(ExecutionKey, Digest)>,
    /// The story that it makes by itself.
    pub story: RunStory,
    /// What that comes to, with every dataset under the name that the event has for it.
    pub meaning: Meaning,
}

/// An input made ready.
#[derive(Clone, Debug)]
pub struct PreparedInput {
    /// The execution's name for it.
    pub name: String,
    /// Which version.
    pub version: InputVersion,
}

/// Which version an input names.
#[derive(Clone, Debug)]
pub enum InputVersion {
    /// This one, produced or not.
    Exact(Artifact, VersionName),
    /// The one that a query chooses when the input is first recorded; the digest is of the input's name and the query.
    Query(VersionKeyQuery, Digest),
}

/// An alias to set, made ready.
#[derive(Clone, Debug)]
pub struct PreparedAlias {
    /// The artifact.
    pub artifact: Artifact,
    /// The version at which it is to stand.
    pub version: VersionName,
    /// The alias.
    pub alias: String,
    /// Whether to move it.
    pub overwrite: bool,
}

impl Prepared {
    /// How many executions, versions, inputs and outputs it tells of.
    pub fn rows(&self) -> usize {
        1 + match self {
            Self::Execution(execution) => execution.inputs.len() + execution.outputs.len(),
            Self::Event(event) => event.meaning.inputs.len() + event.meaning.outputs.len(),
            _ => 0,
        }
    }
}

/// Checks a record and makes it ready.
pub fn prepare(record: Record, mode: Mode) -> Result<Prepared, Rejection> {
    let (kind, prepared) = match record {
        Record::Artifact(declaration) => ("artifact", declare(declaration).map(Prepared::Artifact)),
        Record::Version(version) => ("version", direct_version(version, mode).map(Prepared::Version)),
        Record::Execution(execution) => (
            "execution",
            self::execution(execution).map(|e| Prepared::Execution(Box::new(e))),
        ),
        Record::Alias(alias) => ("alias", set_alias(alias).map(Prepared::Alias)),
        Record::AliasRemoval(alias) => ("aliasRemoval", remove_alias(alias)),
        Record::Deletion(deletion) => ("deletion", self::deletion(deletion)),
        Record::Event(event) => return Ok(Prepared::Event(Box::new(self::event(*event)))),
    };
    prepared.map_err(|invalid| Rejection::from(invalid.within(kind)))
}

/// An event was checked when it was read.
fn event(event: Event) -> PreparedEvent {
    let mut story = RunStory::default();
    story.add(&event);
    PreparedEvent {
        execution: event.execution_key().map(|key| (key.clone(), key.digest())),
        meaning: story.meaning(Clone::clone),
        story,
        event,
    }
}

/// An artifact under a key that has been checked.
pub fn known_artifact(key: ArtifactKey) -> Artifact {
    Artifact {
        digest: key.digest(),
        key,
    }
}

/// A version of an artifact under a name that has been checked.
pub fn known_version(artifact: &Artifact, name: &str) -> VersionName {
    VersionName {
        digest: artifact.key.version_digest(name),
        name: name.to_owned(),
    }
}

fn artifact(key: ArtifactKey) -> Result<Artifact, Invalid> {
    key.validate()?;
    Ok(known_artifact(key))
}

fn version_name(artifact: &Artifact, version: String) -> Result<VersionName, Invalid> {
    check_version(&version)?;
    Ok(known_version(artifact, &version))
}

fn declare(declaration: DeclareArtifact) -> Result<PreparedDeclaration, Invalid> {
    let keys = declaration.partition_keys;
    check_key_count("partitionKeys", keys.len())?;
    for (i, key) in keys.iter().enumerate() {
        check_partition_key("partitionKeys", key)?;
        if keys[..i].contains(key) {
            return Err(Invalid::new(
                "partitionKeys",
                format!("The key {key:?} is declared twice: name each key once."),
            ));
        }
    }
    check_text("description", declaration.description.as_deref())?;
    Ok(PreparedDeclaration {
        artifact: artifact(declaration.key).map_err(|e| e.within("key"))?,
        keys,
        granularity: declaration.time_partition_granularity,
        description: declaration.description,
    })
}

fn check_key_count(argument: &str, count: usize) -> Result<(), Invalid> {
    if count > PARTITION_KEYS {
        let message = format!(
            "{count} partition keys are given: at most {PARTITION_KEYS} are allowed, the time partition not counted."
        );
        return Err(Invalid::new(argument, message));
    }
    Ok(())
}

/// A version given by itself. Without a version string it gets random digits when somebody reads the answer; in an
/// event or an import, which may come again, its own content names it.
fn direct_version(mut version: CreateVersion, mode: Mode) -> Result<PreparedVersion, Invalid> {
    if version.version.is_none() {
        version.version = Some(match mode {
            Mode::Direct => uuid::Uuid::new_v4().simple().to_string(),
            Mode::Ingest => content_name(&version, &[]),
        });
    }
    self::version(version)
}

/// Thirty-two digits that are the same whenever the same content is given by the same giver.
fn content_name(version: &CreateVersion, giver: &[&str]) -> String {
    let mut version = version.clone();
    version.partition.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    version.metadata = version.metadata.filter(|object| !object.is_empty());
    let content = serde_json::to_string(&version).unwrap_or_default();
    let mut parts = vec![content.as_str()];
    parts.extend(giver);
    Digest::of(b"content", &parts).to_hex()
}

fn version(version: CreateVersion) -> Result<PreparedVersion, Invalid> {
    let artifact = artifact(version.artifact).map_err(|e| e.within("artifact"))?;
    check_text("location", version.location.as_deref())?;
    check_text("type", version.data_type.as_deref())?;
    check_text("description", version.description.as_deref())?;
    check_text("card", version.card.as_deref())?;
    Ok(PreparedVersion {
        version: version_name(&artifact, version.version.unwrap_or_default())?,
        artifact,
        values: partition_values(version.partition)?,
        time: version.time_partition,
        location: version.location,
        data_type: version.data_type,
        description: version.description,
        metadata: metadata(version.metadata)?,
        card: version.card,
        created_at: version.created_at,
    })
}

fn partition_values(given: Vec<PartitionValue>) -> Result<BTreeMap<String, String>, Invalid> {
    check_key_count("partition", given.len())?;
    let mut values = BTreeMap::new();
    for PartitionValue { key, value } in given {
        check_partition_key("partition", &key)?;
        if value.is_empty() {
            return Err(Invalid::new(
                "partition",
                format!("The value of {key:?} is empty, which is no partition value: give one, or leave the key out."),
            ));
        }
        check_name("partition", &value, SHORT_NAME).map_err(|e| about_value(&key, e))?;
        if values.contains_key(&key) {
            return Err(Invalid::new(
                "partition",
                format!("The key {key:?} has two values: give one."),
            ));
        }
        values.insert(key, value);
    }
    Ok(values)
}

fn about_value(key: &str, invalid: Invalid) -> Invalid {
    let what = invalid.message.trim_start_matches("partition ");
    Invalid::new(invalid.argument, format!("The value of {key:?} {what}"))
}

/// A metadata object as text. An empty one says as much as none.
fn metadata(given: Option<Map<String, Value>>) -> Result<Option<String>, Invalid> {
    let Some(object) = given.filter(|object| !object.is_empty()) else {
        return Ok(None);
    };
    let object = Value::Object(object);
    if has_nul(&object) {
        return Err(Invalid::new(
            "metadata",
            "metadata has the character U+0000: leave it out.",
        ));
    }
    Ok(Some(object.to_string()))
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

fn execution(record: RecordExecution) -> Result<PreparedExecution, Invalid> {
    record.key.validate().map_err(|e| e.within("key"))?;
    let digest = record.key.digest();
    let texts = [
        ("entity", &record.entity),
        ("entityVersion", &record.entity_version),
        ("nodeId", &record.node_id),
        ("principal", &record.principal),
        ("error", &record.error),
    ];
    for (argument, text) in texts {
        check_text(argument, text.as_deref())?;
    }
    Ok(PreparedExecution {
        rank: Rank::of(record.state, record.ended_at.map(|t| t.0)),
        kind: record.kind,
        state: record.state,
        entity: record.entity,
        entity_version: record.entity_version,
        node_id: record.node_id,
        attempt: record.attempt,
        principal: record.principal,
        parent: record
            .parent
            .map(|parent| self::parent(parent, &record.key))
            .transpose()?,
        started_at: record.started_at,
        ended_at: record.ended_at,
        error: record.error,
        metadata: metadata(record.metadata)?,
        inputs: inputs(record.inputs.unwrap_or_default())?,
        outputs: outputs(record.outputs.unwrap_or_default(), &record.key)?,
        digest,
        key: record.key,
    })
}

fn parent(parent: ExecutionKey, child: &ExecutionKey) -> Result<(ExecutionKey, Digest), Invalid> {
    parent.validate().map_err(|e| e.within("parent"))?;
    if parent == *child {
        return Err(Invalid::new(
            "parent",
            "The execution names itself as its parent: name another, or none.",
        ));
    }
    Ok((parent.clone(), parent.digest()))
}

fn inputs(given: Vec<ExecutionInput>) -> Result<Vec<PreparedInput>, Invalid> {
    let numbered = given.into_iter().enumerate();
    numbered
        .map(|(index, given)| input(given).map_err(|e| e.within(&format!("inputs.{index}"))))
        .collect()
}

fn input(given: ExecutionInput) -> Result<PreparedInput, Invalid> {
    check_name("name", &given.name, SHORT_NAME)?;
    let query = given.version.normalize().map_err(|e| e.within("version"))?;
    let version = match &query.version {
        Some(version) if query.is_exact() => {
            let artifact = artifact(query.artifact.clone()).map_err(|e| e.within("version"))?;
            let name = version_name(&artifact, version.clone()).map_err(|e| e.within("version"))?;
            InputVersion::Exact(artifact, name)
        }
        _ => {
            let text = serde_json::to_string(&VersionQuery::Key(query.clone())).unwrap_or_default();
            let digest = Digest::of(b"input", &[&given.name, &text]);
            InputVersion::Query(query, digest)
        }
    };
    Ok(PreparedInput {
        name: given.name,
        version,
    })
}

fn outputs(
    given: Vec<crate::domain::record::ExecutionOutput>,
    execution: &ExecutionKey,
) -> Result<Vec<PreparedOutput>, Invalid> {
    let mut outputs = Vec::with_capacity(given.len());
    for (index, mut output) in given.into_iter().enumerate() {
        let within = |e: Invalid| e.within(&format!("outputs.{index}"));
        check_name("name", &output.name, SHORT_NAME).map_err(within)?;
        if output.version.version.is_none() {
            // Named by who produced it, so that the record can come again.
            let giver = [&execution.project, &execution.domain, &execution.name, &output.name].map(String::as_str);
            output.version.version = Some(content_name(&output.version, &giver));
        }
        outputs.push(PreparedOutput {
            name: output.name,
            version: version(output.version).map_err(|e| within(e.within("version")))?,
            announced: output.announced,
        });
    }
    Ok(outputs)
}

fn set_alias(record: SetAlias) -> Result<PreparedAlias, Invalid> {
    let artifact = artifact(record.artifact).map_err(|e| e.within("artifact"))?;
    check_alias(&record.alias)?;
    let version = version_name(&artifact, record.version)?;
    Ok(PreparedAlias {
        artifact,
        version,
        alias: record.alias,
        overwrite: record.overwrite,
    })
}

fn remove_alias(record: RemoveAlias) -> Result<Prepared, Invalid> {
    let artifact = artifact(record.artifact).map_err(|e| e.within("artifact"))?;
    check_alias(&record.alias)?;
    Ok(Prepared::AliasRemoval(artifact, record.alias))
}

fn deletion(record: DeleteVersion) -> Result<Prepared, Invalid> {
    let artifact = artifact(record.artifact).map_err(|e| e.within("artifact"))?;
    let version = version_name(&artifact, record.version)?;
    Ok(Prepared::Deletion(artifact, version))
}
