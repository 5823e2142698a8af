//! What records hold in memory while they wait, so that a queue of them can be kept within bounds.
//!
//! An estimate: the structs and the texts that they own, without what an allocator adds. Each struct is taken apart field by
//! field, so that the compiler asks about one that is added.

use std::collections::BTreeMap;
use std::mem::size_of;

use super::prepare::{
    Artifact, InputVersion, Prepared, PreparedAlias, PreparedDeclaration, PreparedEvent, PreparedExecution,
    PreparedInput, PreparedOutput, PreparedVersion, VersionName,
};
use super::rejection::Rejection;
use crate::domain::filter::{PartitionFilter, TimeFilter, ValueFilter, VersionKeyQuery};
use crate::domain::key::{ArtifactKey, ExecutionKey};
use crate::domain::openlineage::FORMS;

/// The bytes that a value takes, together with what it owns elsewhere.
pub(super) fn weight<T: Owns>(value: &T) -> usize {
    size_of::<T>() + value.owned()
}

/// The bytes that events take whose text has so many.
pub(super) fn of_events(text: usize) -> usize {
    text.saturating_mul(FORMS)
}

/// A value that may own bytes outside of itself.
pub(super) trait Owns {
    /// How many.
    fn owned(&self) -> usize;
}

impl Owns for String {
    fn owned(&self) -> usize {
        self.capacity()
    }
}

impl<T: Owns> Owns for Option<T> {
    fn owned(&self) -> usize {
        self.as_ref().map_or(0, Owns::owned)
    }
}

impl<T: Owns> Owns for Vec<T> {
    fn owned(&self) -> usize {
        self.capacity() * size_of::<T>() + self.iter().map(Owns::owned).sum::<usize>()
    }
}

impl<T: Owns> Owns for Box<T> {
    fn owned(&self) -> usize {
        weight(self.as_ref())
    }
}

impl<A: Owns, B: Owns> Owns for (A, B) {
    fn owned(&self) -> usize {
        self.0.owned() + self.1.owned()
    }
}

impl<T: Owns, E: Owns> Owns for Result<T, E> {
    fn owned(&self) -> usize {
        match self {
            Ok(value) => value.owned(),
            Err(error) => error.owned(),
        }
    }
}

impl Owns for BTreeMap<String, String> {
    fn owned(&self) -> usize {
        self.iter().map(|(key, value)| weight(key) + weight(value)).sum()
    }
}

impl Owns for Rejection {
    fn owned(&self) -> usize {
        let Self {
            code: _,
            message,
            argument,
        } = self;
        message.owned() + argument.owned()
    }
}

impl Owns for ArtifactKey {
    fn owned(&self) -> usize {
        let Self { project, domain, name } = self;
        project.owned() + domain.owned() + name.owned()
    }
}

impl Owns for ExecutionKey {
    fn owned(&self) -> usize {
        let Self { project, domain, name } = self;
        project.owned() + domain.owned() + name.owned()
    }
}

impl Owns for Artifact {
    fn owned(&self) -> usize {
        let Self { key, digest: _ } = self;
        key.owned()
    }
}

impl Owns for VersionName {
    fn owned(&self) -> usize {
        let Self { name, digest: _ } = self;
        name.owned()
    }
}

impl Owns for Prepared {
    fn owned(&self) -> usize {
        match self {
            Self::Artifact(declaration) => declaration.owned(),
            Self::Version(version) => version.owned(),
            Self::Execution(execution) => execution.owned(),
            Self::Alias(alias) => alias.owned(),
            Self::AliasRemoval(artifact, alias) => artifact.owned() + alias.owned(),
            Self::Deletion(artifact, version) => artifact.owned() + version.owned(),
            Self::Event(event) => event.owned(),
        }
    }
}

/// An event is held as text, as facets, and as what it means by itself.
impl Owns for PreparedEvent {
    fn owned(&self) -> usize {
        let Self {
            event,
            execution: _,
            story: _,
            meaning: _,
        } = self;
        of_events(event.size())
    }
}

impl Owns for PreparedDeclaration {
    fn owned(&self) -> usize {
        let Self {
            artifact,
            keys,
            granularity: _,
            description,
        } = self;
        artifact.owned() + keys.owned() + description.owned()
    }
}

impl Owns for PreparedVersion {
    fn owned(&self) -> usize {
        let Self {
            artifact,
            version,
            values,
            time: _,
            location,
            data_type,
            description,
            metadata,
            card,
            created_at: _,
        } = self;
        let texts = [location, data_type, description, metadata, card];
        artifact.owned() + version.owned() + values.owned() + texts.map(Owns::owned).iter().sum::<usize>()
    }
}

impl Owns for PreparedExecution {
    fn owned(&self) -> usize {
        let Self {
            key,
            digest: _,
            rank: _,
            kind: _,
            state: _,
            entity,
            entity_version,
            node_id,
            attempt: _,
            principal,
            parent,
            started_at: _,
            ended_at: _,
            error,
            metadata,
            inputs,
            outputs,
        } = self;
        let texts = [entity, entity_version, node_id, principal, error, metadata];
        let parent = parent.as_ref().map_or(0, |(key, _)| key.owned());
        key.owned() + parent + inputs.owned() + outputs.owned() + texts.map(Owns::owned).iter().sum::<usize>()
    }
}

impl Owns for PreparedOutput {
    fn owned(&self) -> usize {
        let Self {
            name,
            version,
            announced: _,
        } = self;
        name.owned() + version.owned()
    }
}

impl Owns for PreparedInput {
    fn owned(&self) -> usize {
        let Self { name, version } = self;
        let version = match version {
            InputVersion::Exact(artifact, version) => artifact.owned() + version.owned(),
            InputVersion::Query(query, _) => query.owned(),
        };
        name.owned() + version
    }
}

impl Owns for PreparedAlias {
    fn owned(&self) -> usize {
        let Self {
            artifact,
            version,
            alias,
            overwrite: _,
        } = self;
        artifact.owned() + version.owned() + alias.owned()
    }
}

impl Owns for VersionKeyQuery {
    fn owned(&self) -> usize {
        let Self {
            artifact,
            version,
            alias,
            partition,
        } = self;
        artifact.owned() + version.owned() + alias.owned() + partition.owned()
    }
}

impl Owns for PartitionFilter {
    fn owned(&self) -> usize {
        let Self {
            values,
            time,
            strict: _,
        } = self;
        values.owned() + time.owned()
    }
}

impl Owns for ValueFilter {
    fn owned(&self) -> usize {
        let Self {
            key,
            eq,
            is_in,
            not_in,
            starts_with,
        } = self;
        key.owned() + eq.owned() + is_in.owned() + not_in.owned() + starts_with.owned()
    }
}

impl Owns for TimeFilter {
    fn owned(&self) -> usize {
        let instants = self.is_in.as_ref().map_or(0, Vec::capacity);
        instants * size_of::<crate::domain::time::Timestamp>()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::prepare::{Mode, prepare};
    use super::weight;
    use crate::domain::record::Record;

    #[test]
    fn a_record_weighs_at_least_its_texts_and_at_most_twice_that() {
        let text = "x".repeat(10_000);
        let key = r#"{"project":"p","domain":"d","name":"n"}"#;
        let version = format!(r#"{{"artifact":{key},"version":"v","card":"{text}","metadata":{{"a":"{text}"}}}}"#);
        let inputs = format!(
            r#"[{{"name":"i","version":{{"key":{{"artifact":{key},"partition":{{"values":[{{"key":"k","in":["{text}"]}}]}}}}}}}}]"#
        );
        for (json, texts) in [
            (format!(r#"{{"version":{version}}}"#), 2),
            (format!(r#"{{"artifact":{{"key":{key},"description":"{text}"}}}}"#), 1),
            (
                format!(
                    r#"{{"execution":{{"key":{key},"error":"{text}","inputs":{inputs},"outputs":[{{"name":"o","version":{version}}}]}}}}"#
                ),
                4,
            ),
        ] {
            let record: Record = serde_json::from_str(&json).unwrap();
            let weight = weight(&prepare(record, Mode::Ingest));
            let least = texts * 10_000;
            assert!(
                (least..least * 2 + 5_000).contains(&weight),
                "{weight} for {texts} texts"
            );
        }
        let refused = format!(r#"{{"version":{{"artifact":{key},"version":"latest","card":"{text}"}}}}"#);
        let refused = prepare(serde_json::from_str(&refused).unwrap(), Mode::Ingest);
        assert!(refused.is_err());
        assert!(weight(&refused) < 5_000, "what was refused is gone");
    }

    #[test]
    fn an_event_weighs_what_its_conditions_come_to() {
        let equal = |field: &str, value: usize| json!({"type": "compare", "comparison": "EQUAL", "left": {"type": "field", "field": field}, "right": {"type": "literal", "value": value}});
        let joined = |operator: &str, left: Value, right: Value| json!({"type": "binary", "operator": operator, "left": left, "right": right});
        let any = |field| (1..100).fold(equal(field, 0), |all, value| joined("OR", all, equal(field, value)));
        let event = |list: &str, facets: Value| {
            let subset = json!({"inputCondition": joined("AND", any("a"), any("b"))});
            let dataset = json!([{"namespace": "n", "name": "d", "facets": facets, "inputFacets": {"subset": subset}, "outputFacets": {"subset": subset}}]);
            let event = json!({"eventTime": "2026-11-25T10:00:00Z", "producer": "p", "schemaURL": "s", "run": {"runId": "r"}, "job": {"namespace": "n", "name": "j"}, list: dataset});
            weight(&prepare(
                serde_json::from_value(json!({"event": event})).unwrap(),
                Mode::Ingest,
            ))
        };
        let [read, written] = ["inputs", "outputs"].map(|list| event(list, json!({})));
        assert!(read > 10_000 * 1_000, "{read}");
        let with_facets = event("outputs", json!({"note": {"text": "x".repeat(500)}}));
        assert!(with_facets > written + 10_000 * 450, "{with_facets} and {written}");
        let too_much = event("outputs", json!({"note": {"text": "x".repeat(1_000)}}));
        assert!(
            too_much < with_facets,
            "facets that are left out weigh nothing: {too_much}"
        );
    }
}
